//! Clocks that sleep or run out while a run is followed by its stream.

use std::time::Duration;

use taskward_core::{Answer, Policy};

use crate::world::{Ended, Fault, START, World, data, outcome};
use crate::{REPLAYS, replaying};

const TWO_HOURS: u64 = 7_200_000;

fn done() -> Ended {
    outcome("succeeded succeeded")
}

fn reads_within(world: &World, from: u64, span: u64) -> usize {
    let lines = world.requests.iter().zip(&world.times);
    lines
        .filter(|(line, at)| *line == "read_run" && (from..from + span).contains(*at))
        .count()
}

/// Rows: J2, J7.
#[test]
fn a_machine_that_slept_at_any_step_of_a_run_goes_on_where_it_was() {
    for replay in REPLAYS {
        let make = || World::new(&replaying(replay)).answers(0, vec![Answer::Approve, data()]);
        let mut whole = make();
        assert_eq!(whole.run("two-waits"), done());
        for long in [600_000, TWO_HOURS] {
            for step in 1..=whole.steps {
                let mut world = make();
                world.asleep = Some((step, long));
                let context = format!("{replay}: {long} ms at step {step}");
                assert_eq!(
                    world.run("two-waits"),
                    done(),
                    "{context}: {:#?}",
                    world.reported
                );
                assert_eq!(world.log, whole.log, "{context}");
                let stats = world.stats();
                assert_eq!(stats.starts, 1, "{context}");
                for wait in stats.waits {
                    assert_eq!((wait.applied, wait.refused), (1, 0), "{context}");
                }
                if let Some((_, woke)) = world.path.get(step) {
                    let reads = reads_within(&world, *woke, 1000);
                    let before = whole.asked("read_run");
                    assert!(reads <= before.max(2), "{context}: {reads} reads");
                }
            }
        }
    }
}

/// Rows: J2.
#[test]
fn a_stream_that_slept_longer_than_its_silence_may_last_is_dropped_and_read_once() {
    for heartbeat in [0, 15_000] {
        let scenario = format!("[agent_harness]\nheartbeat_ms = {heartbeat}\n");
        let job = taskward_providers::agent_harness::Job::goal("g")
            .with_input("scenario", "long-stream")
            .with_input("events", 40)
            .with_input("interval_ms", 400_000);
        let mut whole = World::new(&scenario);
        assert_eq!(whole.run_job(&job, Policy::default()), done());
        let listens = whole
            .path
            .iter()
            .position(|(step, at)| step.starts_with("Receive") && *at > START + 900_000);
        let step = listens.expect("it listens") + 1;
        let mut world = World::new(&scenario);
        world.asleep = Some((step, TWO_HOURS));
        assert_eq!(world.run_job(&job, Policy::default()), done());
        assert_eq!(world.log, whole.log, "heartbeat {heartbeat}");
        let woke = world.path[step].1;
        assert!(woke >= START + TWO_HOURS);
        assert!(
            world.path[step..step + 2]
                .iter()
                .any(|(step, _)| step.starts_with("Close")),
            "{:?}",
            &world.path[step..step + 6]
        );
        assert_eq!(reads_within(&world, woke, 1000), 1, "heartbeat {heartbeat}");
    }
}

/// Rows: J3.
#[test]
fn a_deadline_ends_a_watch_that_its_stream_keeps_silent() {
    let mut policy = Policy::default();
    policy.work = Some(Duration::from_secs(90));
    let mut world = World::new("[agent_harness]\nheartbeat_ms = 0\n");
    assert_eq!(world.run_with("stall", policy), outcome("deadline"));
    assert_eq!(world.now, START + 90_000);
    assert_eq!(world.count("status stalled"), 1, "{:#?}", world.reported);
}

/// Rows: J5.
#[test]
fn a_deadline_of_nothing_sends_nothing() {
    let mut policy = Policy::default();
    policy.work = Some(Duration::ZERO);
    let mut world = World::new("").approves();
    assert_eq!(world.run_with("approve-email", policy), outcome("deadline"));
    assert!(world.requests.is_empty());
}

/// Rows: J6.
#[test]
fn a_deadline_of_all_the_time_there_is_is_none() {
    let mut policy = Policy::default();
    policy.work = Some(Duration::from_secs(u64::MAX));
    policy.human = Some(Duration::MAX);
    let run = |policy| {
        let mut world = World::new("").answers(7_200_000, vec![Answer::Approve]);
        assert_eq!(world.run_with("approve-email", policy), done());
        (world.reported, world.requests, world.times)
    };
    assert_eq!(run(policy), run(Policy::default()));
}

/// Rows: J7.
#[test]
fn a_timer_that_fires_ten_minutes_late_makes_up_for_nothing() {
    let refuse = |endpoint: &str, _: &str, _: usize| match endpoint {
        "stream" => Fault::Status(503),
        _ => Fault::None,
    };
    let job = taskward_providers::agent_harness::Job::goal("g")
        .with_input("scenario", "long-stream")
        .with_input("events", 40)
        .with_input("interval_ms", 10_000);
    let mut whole = World::new("").faults(refuse);
    assert_eq!(whole.run_job(&job, Policy::default()), done());
    let waits: Vec<usize> = whole
        .path
        .iter()
        .enumerate()
        .filter(|(_, (step, _))| step.starts_with("Wait"))
        .map(|(at, _)| at + 1)
        .collect();
    assert!(waits.len() > 20, "{}", waits.len());
    for step in waits.into_iter().take(30) {
        let mut world = World::new("").faults(refuse);
        world.asleep = Some((step, 600_000));
        assert_eq!(world.run_job(&job, Policy::default()), done());
        assert_eq!(world.log, whole.log, "step {step}");
        let woke = world.path[step].1;
        assert!(reads_within(&world, woke, 1000) <= 1, "step {step}");
    }
}
