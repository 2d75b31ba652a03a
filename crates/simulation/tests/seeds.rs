//! Some seeds on each run of the tests, and always those that once failed.

use taskward_simulation::seeds::{Summary, compare, regressions, run};
use taskward_simulation::{FaultEvent, Invariant, Shape};

fn passes(seed: u64) -> Summary {
    match run(seed, false) {
        Ok((summary, _)) => summary,
        Err(broken) => panic!(
            "seed {seed}: {}\nreplay: cargo xtask simulate --seed {seed}",
            broken.what
        ),
    }
}

/// How many seeds there are here.
const SEEDS: u64 = 300;

#[test]
fn no_seed_breaks_an_invariant() {
    let mut sum = Summary::default();
    for seed in 0..SEEDS {
        sum.add(&passes(seed));
    }
    assert_eq!(sum.seeds, SEEDS);
    for fault in FaultEvent::ALL {
        assert!(sum.struck.of(fault) > 0, "{fault} never happened");
    }
    for invariant in Invariant::ALL {
        assert!(
            sum.checked.of(invariant) > 0,
            "{invariant} was never checked"
        );
    }
    for end in [
        "succeeded",
        "task_failed",
        "task_stopped",
        "outcome_unknown",
        "deadline",
    ] {
        assert!(sum.ends.of(end) > 0, "nothing ended {end}: {:?}", sum.ends);
    }
}

#[test]
fn what_once_went_wrong_does_so_no_more() {
    let seeds: Vec<u64> = regressions().collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        passes(seed);
    }
}

#[test]
fn a_seed_tells_what_happened_line_by_line() {
    let (summary, log) = run(1, true).expect("it passes");
    let (again, _) = run(1, false).expect("it passes");
    assert_eq!(summary.trace, again.trace, "to be told changes nothing");
    assert!(log[0].contains("process 1"), "{log:?}");
    assert!(
        log.last().is_some_and(|line| line.contains("end: ")),
        "{log:?}"
    );
}

#[test]
fn a_task_that_is_stored_or_parked_at_every_wait_is_told_like_one_that_never_stopped() {
    for shape in [Shape::ResumeAtWaits, Shape::ParkAtWaits] {
        for seed in 0..SEEDS / 6 {
            let comparison =
                compare(seed, shape).unwrap_or_else(|broken| panic!("{}", broken.what));
            assert_eq!(comparison.differences, [], "seed {seed}, {shape:?}");
            assert_eq!(
                comparison.reads, comparison.shaped_reads,
                "seed {seed}, {shape:?}"
            );
        }
    }
}
