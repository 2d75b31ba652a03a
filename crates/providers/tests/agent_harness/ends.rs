//! How runs end, and what the outcome says of it.

use taskward_core::{Answer, Policy};
use taskward_providers::agent_harness::Job;
use taskward_sim::harness::DashboardAction;

use crate::world::{Fault, UserAction, World, outcome};

/// Rows: I11.
#[test]
fn a_limit_is_a_failure_whatever_the_run_reads_then() {
    for (status, end) in [
        ("failed", "failed MAX_STEPS"),
        ("running", "failed MAX_STEPS"),
        ("cancelled", "stopped by Other MAX_STEPS"),
    ] {
        let scenario = format!("[agent_harness]\nlimit_status = \"{status}\"\n");
        let mut world = World::new(&scenario);
        assert_eq!(world.run("limit"), outcome(end), "{status}");
        assert_eq!(
            world.count("Unconfirmed"),
            usize::from(status == "running"),
            "{status}"
        );
    }
}

/// Rows: I6.
#[test]
fn a_run_whose_read_stays_behind_its_last_event_is_read_again_until_it_agrees() {
    let mut world = World::new("[agent_harness]\nend_delay_ms = 20000\n").approves();
    assert_eq!(world.run("approve-email"), outcome("succeeded succeeded"));
    assert_eq!(world.count("Unconfirmed"), 0);
}

#[test]
fn an_event_stands_when_the_run_never_agrees_and_the_outcome_says_so() {
    let mut world = World::new("[agent_harness]\nend_delay_ms = 9223372036854775807\n").approves();
    assert_eq!(
        world.run("approve-email"),
        outcome("succeeded unconfirmed running")
    );
    assert_eq!(world.count("Unconfirmed"), 1);
    // Nor does it when it cannot be read at all.
    let mut world = World::new("").approves().faults(|endpoint, _, number| {
        if endpoint == "read_run" && number > 1 {
            Fault::Status(500)
        } else {
            Fault::None
        }
    });
    assert_eq!(
        world.run("approve-email"),
        outcome("succeeded unconfirmed ?"),
        "{:#?}",
        world.reported
    );
}

/// Rows: H14, H28.
#[test]
fn nobody_answering_in_time_is_an_end_of_its_own() {
    let job = Job::goal("g").with_input("signal_timeout_ms", 60_000);
    for stream in ["", "[agent_harness]\nstream_missing = 404\n"] {
        let mut world = World::new(stream).answers(600_000, vec![Answer::Approve]);
        assert_eq!(
            world.run_job(&job, Policy::default()),
            outcome("stopped by Unanswered signal_timeout")
        );
        assert_eq!(world.count("Withdrawn"), 1, "{:#?}", world.reported);
        assert_eq!(world.count("reason: TaskMovedOn"), 1);
    }
    let mut world = World::new("").action(500, UserAction::Dashboard(DashboardAction::Stop));
    assert_eq!(
        world.run("approve-email"),
        outcome("stopped by Other cancelled_in_dashboard")
    );
}

/// Rows: E27.
#[test]
fn a_stalled_run_is_told_and_never_resumed_by_itself() {
    let mut world = World::new("").action(3_600_000, UserAction::ResumeRun);
    assert_eq!(
        world.run("stall"),
        outcome("succeeded succeeded"),
        "{:#?}",
        world.reported
    );
    assert_eq!(world.count("status stalled"), 1, "{:#?}", world.reported);
    assert_eq!(world.asked("resume"), 0);
}

#[test]
fn a_key_that_is_revoked_in_mid_run_ends_the_watch() {
    let mut world = World::new("[agent_harness]\nheartbeat_ms = 0\n")
        .answers(7_200_000, vec![Answer::Approve])
        .action(60_000, UserAction::RevokeKey);
    assert_eq!(world.run("approve-email"), outcome("access_lost"));
}

/// Rows: E17.
#[test]
fn a_terminal_event_in_mid_run_is_contradicted_by_the_run_and_stands_all_the_same() {
    let scenario = r#"
        [[run]]
        name = "twice"
        steps = [
            { run = "1s" },
            { emit = { type = "run.worker.failed", value = { reason_code = "FLAKY" } } },
            { run = "5s" },
            { emit = { type = "run.worker.succeeded", value = {} } },
            { run = "300s" },
            { succeed = true },
        ]
    "#;
    let mut world = World::new(scenario);
    assert_eq!(world.run("twice"), outcome("failed FLAKY"));
    assert!(
        world
            .log
            .last()
            .is_some_and(|last| last.ends_with("run.worker.failed")),
        "{:?}",
        world.log
    );
    assert_eq!(world.count("Unconfirmed"), 1);
}

/// Rows: E19.
#[test]
fn unknown_events_are_told_and_end_nothing() {
    let scenario = r#"
        [[run]]
        name = "odd"
        steps = [
            { emit = { type = "run.worker.exploded", value = [1, "x"] } },
            { run = "1s" },
            { succeed = true },
        ]
    "#;
    let mut world = World::new(scenario);
    assert_eq!(world.run("odd"), outcome("succeeded succeeded"));
    assert!(
        world
            .log
            .iter()
            .any(|line| line.ends_with("run.worker.exploded"))
    );
}

#[test]
fn an_event_of_fourteen_million_bytes_passes() {
    for bytes in [7_000_000, 14_000_000] {
        let job = Job::goal("g")
            .with_input("scenario", "big-event")
            .with_input("bytes", bytes);
        let mut world = World::new("");
        world.chunk = 64 * 1024;
        assert_eq!(
            world.run_job(&job, Policy::default()),
            outcome("succeeded succeeded")
        );
        assert_eq!(world.asked("stream"), 1);
    }
}
