//! Clocks that sleep, lie or run out while a task is followed.

use std::time::Duration;

use http::HeaderValue;
use taskward_core::{Policy, Response};
use taskward_providers::nanonets::{File, Job};
use taskward_sim::{Fault, FaultRule};

use crate::status;
use crate::world::{Ended, START, World, outcome};

const TWO_HOURS: u64 = 7_200_000;

fn asker() -> World {
    let rule = FaultRule::new(status(503)).on("status").every(3);
    World::new("").faults(1, vec![rule]).answers(&["EUR"])
}

fn steady() -> Policy {
    let mut policy = Policy::default();
    policy.poll_backoff.jitter_percent = 0;
    policy
}

fn run(world: &mut World, policy: Policy) -> Ended {
    let job = Job::agent(world.agent("asker")).query("convert");
    world.run_job(&job, policy)
}

fn is_done(ended: &Ended) -> bool {
    matches!(ended, Ended::Outcome(text) if text.contains("EUR"))
}

fn reads(world: &World) -> Vec<u64> {
    let lines = world.requests.iter().zip(&world.times);
    let reads = lines.filter(|(line, _)| *line == "GET /api/v1/tasks/ID");
    reads.map(|(_, at)| *at).collect()
}

/// Rows: J2, J7.
#[test]
fn a_machine_that_slept_at_any_step_of_a_task_reads_once_and_goes_on() {
    let mut whole = asker();
    assert!(is_done(&run(&mut whole, steady())));
    let steps = whole.snapshots.len();
    for long in [600_000, TWO_HOURS] {
        for step in 1..=steps {
            let mut world = asker();
            world.asleep = Some((step, long));
            let ended = run(&mut world, steady());
            assert!(is_done(&ended), "{long} ms at step {step}: {ended:?}");
            let reads = reads(&world);
            assert!(
                reads.windows(2).all(|pair| pair[1] - pair[0] >= 1000),
                "{long} ms at step {step}: {reads:?}"
            );
            assert!(
                world.requests.len() <= whole.requests.len() + 4,
                "{long} ms at step {step}: {:?}",
                world.requests
            );
            let stats = world.stats();
            assert_eq!(stats.starts, 1, "{long} ms at step {step}");
            assert_eq!(stats.questions[0].answers, 1, "{long} ms at step {step}");
        }
    }
}

/// Rows: J3.
#[test]
fn a_deadline_is_kept_to_the_moment_wherever_it_falls() {
    for work in (0..12_000).step_by(97) {
        let mut policy = steady();
        policy.work = Some(Duration::from_millis(work));
        let mut world = World::new("");
        let job = Job::agent(world.agent("slow")).query("x");
        let Ended::Outcome(reported) = world.run_job(&job, policy) else {
            panic!("it ends");
        };
        // Within the start nobody knows; what is under way at that moment is heard out, which takes two trips here.
        let expected = if (1..=20).contains(&work) {
            "outcome_unknown"
        } else {
            "deadline"
        };
        assert_eq!(reported, expected, "{work}");
        assert!(
            world.now - START <= work + 20,
            "{work}: {}",
            world.now - START
        );
        assert_eq!(world.requests.is_empty(), work == 0, "{work}");
    }
}

/// Rows: J4.
#[test]
fn a_deadline_that_passes_during_an_upload_leaves_it_unknown() {
    let mut policy = steady();
    policy.work = Some(Duration::from_secs(60));
    let reset = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run");
    let mut world = World::new("").faults(1, vec![reset]);
    world.asleep = Some((2, 61_000));
    let job = Job::agent(world.agent("invoice")).attach(File::bytes("a.bin", vec![7; 100_000]));
    assert_eq!(world.run_job(&job, policy), outcome("outcome_unknown"));
    assert_eq!((world.requests.len(), world.stats().starts), (1, 1));
}

/// Rows: J8.
#[test]
fn a_server_whose_date_is_three_hours_off_is_followed_like_any_other() {
    let run_with = |date: Option<&'static str>| {
        let mut world = asker();
        world.rewrite = Box::new(move |_, _, mut reply: Response| {
            if let Some(date) = date {
                let date = HeaderValue::from_static(date);
                reply.head.headers.insert("date", date);
            }
            reply
        });
        assert!(is_done(&run(&mut world, Policy::default())), "{date:?}");
        (world.requests, world.times, world.events)
    };
    let unsaid = run_with(None);
    for date in [
        "Tue, 12 May 2026 07:15:00 GMT",
        "Tue, 12 May 2026 10:15:00 GMT",
        "Tue, 12 May 2026 13:15:00 GMT",
    ] {
        assert_eq!(run_with(Some(date)), unsaid, "{date}");
    }
}
