//! How tasks end while somebody cancels them, and while their records lag, vanish or come back.

use taskward_core::{Policy, Seed, Task, TaskId, Timestamp};
use taskward_providers::nanonets::Nanonets;
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Fault, FaultRule};

use crate::status;
use crate::world::{Ended, START, UserAction, World, outcome};

/// Rows: I1.
#[test]
fn a_cancel_at_any_moment_tells_the_end_that_the_server_has() {
    for agent in ["echo", "failing"] {
        let mut ends = Vec::new();
        for after in (0..6000).step_by(61) {
            let mut world = World::new("").action(after, UserAction::Cancel);
            let Ended::Outcome(reported) = world.run(agent, "x") else {
                panic!("it ends");
            };
            let stats = world.stats();
            let Some(task) = stats.per_task.values().next() else {
                assert_eq!(reported, "not_started", "{agent}, cancelled at {after}");
                continue;
            };
            let expected = match task.status.as_str() {
                "completed" => "succeeded x",
                "failed" => "failed",
                "stopped" => "stopped by Us",
                other => panic!("{other}"),
            };
            assert!(
                reported.starts_with(expected),
                "{agent}, cancelled at {after}: {reported} instead of {expected}"
            );
            ends.push(reported);
        }
        ends.dedup();
        assert!(
            ends.len() > 1,
            "{agent}: it was stopped and it was not: {ends:?}"
        );
    }
}

/// Rows: I2.
#[test]
fn a_cancel_whose_reply_is_lost_is_sent_again() {
    for fault in [
        Fault::LostReplyAfterApply { after_bytes: 0 },
        Fault::Reset { after_bytes: None },
        status(500),
        status(503),
        status(429),
    ] {
        let name = format!("{fault:?}");
        let rule = FaultRule::new(fault).on("cancel").count(2);
        let scenario = "[switches]\ncancel_delay_ms = 20000\n";
        let mut world = World::new(scenario)
            .faults(1, vec![rule])
            .action(5000, UserAction::Cancel);
        assert_eq!(world.run("slow", "x"), outcome("stopped by Us"), "{name}");
        let sent = world
            .requests
            .iter()
            .filter(|line| line.ends_with("/cancel"));
        assert_eq!(sent.count(), 3, "{name}");
        let reported = world.events.iter().filter(|event| *event == "Cancelling");
        assert_eq!(reported.count(), 1, "{name}");
    }
}

/// Rows: I3.
#[test]
fn a_cancel_of_a_task_that_is_not_ours_is_refused_and_stops_nothing() {
    let mut reported = Vec::new();
    let foreign = World::new("").server.foreign_task();
    for id in [foreign.as_str(), "00000000-0000-4000-8000-000000000000"] {
        let mut world = World::new("");
        let now = Timestamp::from_millis(world.now);
        let seed = Seed([2; 32]);
        let mut task = Task::attach(
            Nanonets,
            TaskId::new(id),
            None,
            Policy::default(),
            seed,
            now,
        );
        task.cancel(now).expect("it is asked for");
        world.drive(task);
        let refused = world
            .events
            .iter()
            .filter(|event| event.starts_with("CancelRefused"));
        reported.push(refused.count());
        let sent = world
            .requests
            .iter()
            .filter(|line| line.ends_with("/cancel"));
        assert_eq!(sent.count(), 1, "{id}");
    }
    assert_eq!(reported, [1, 1], "both are told in the same way");
}

/// Rows: I4.
#[test]
fn a_task_that_takes_a_minute_to_stop_is_watched_until_it_has() {
    let mut world =
        World::new("[switches]\ncancel_delay_ms = 60000\n").action(5000, UserAction::Cancel);
    assert_eq!(world.run("slow", "x"), outcome("stopped by Us"));
    assert!((65_000..80_000).contains(&(world.now - START)));
    assert_eq!(world.stats().endpoints["cancel"], 1);
    let reported: Vec<&str> = world.events.iter().map(String::as_str).collect();
    assert_eq!(reported, ["started running", "Cancelling", "stopped"]);
}

/// Rows: I5.
#[test]
fn a_task_that_somebody_else_stopped_says_so() {
    for after in [500, 5000, 300_000] {
        let stop = UserAction::Dashboard(DashboardAction::Stop);
        let mut world = World::new("").action(after, stop);
        assert_eq!(
            world.run("slow", "x"),
            outcome("stopped by Other"),
            "{after}"
        );
        assert!(!world.stats().endpoints.contains_key("cancel"), "{after}");
    }
    let scenario = "[switches]\nreject_ends = \"stopped\"\n";
    let mut world =
        World::new(scenario).action(60_000, UserAction::Dashboard(DashboardAction::Reject));
    assert_eq!(world.run("reviewer", "x"), outcome("stopped by Other"));
}

/// Rows: I6.
#[test]
fn a_replica_that_stays_behind_the_end_brings_nothing_back() {
    for (agent, end) in [("echo", "succeeded x"), ("failing", "failed")] {
        let mut ended = false;
        let mut world = World::new("");
        // From the end on, the status is what it was when the task began.
        world.rewrite = Box::new(move |endpoint, _, mut reply| {
            if endpoint == "status" {
                let body = String::from_utf8(reply.body.to_vec()).expect("text");
                if std::mem::replace(&mut ended, !body.contains("\"running\"")) {
                    reply.body = body
                        .replace("\"completed\"", "\"running\"")
                        .replace("\"failed\"", "\"running\"")
                        .into();
                }
            }
            reply
        });
        let Ended::Outcome(reported) = world.run(agent, "x") else {
            panic!("it ends");
        };
        assert!(reported.starts_with(end), "{reported}");
        let statuses: Vec<&String> = world
            .events
            .iter()
            .filter(|event| *event == "running")
            .collect();
        assert!(statuses.is_empty(), "{:?}", world.events);
    }
    // Nor do an answer and a trail that are a minute behind.
    let scenario = "[switches]\nsummary_delay_ms = 50000\nresult_delay_ms = 50000\n";
    let mut world = World::new(scenario);
    assert_eq!(world.run("echo", "x"), outcome("succeeded x"));
    let mut world = World::new(scenario);
    assert!(
        matches!(world.run("failing", "x"), Ended::Outcome(reported) if reported.starts_with("failed"))
    );
}

/// Rows: I7.
#[test]
fn a_task_that_is_hidden_for_half_a_minute_is_waited_for() {
    for hidden in [1, 900, 5000, 15_000, 29_000] {
        let mut world = World::new(&format!("[switches]\nnew_task_hidden_ms = {hidden}\n"));
        assert_eq!(world.run("echo", "x"), outcome("succeeded x"), "{hidden}");
        assert_eq!(world.stats().starts, 1, "{hidden}");
    }
    let mut world = World::new("[switches]\nnew_task_hidden_ms = 3600000\n");
    assert_eq!(world.run("echo", "x"), outcome("gone"));
    assert!(world.now - START >= 30_000, "{}", world.now - START);
}

/// Rows: I8.
#[test]
fn a_task_that_vanishes_in_the_middle_is_gone_after_two_confirmations() {
    for code in [404, 410] {
        let gone = |count| {
            let rule = FaultRule::new(status(code))
                .on("status")
                .after(10)
                .count(count);
            let mut world = World::new("").faults(1, vec![rule]);
            let ended = world.run("slow", "x");
            (ended, world)
        };
        for count in [1, 2] {
            let (ended, _) = gone(count);
            assert!(
                matches!(&ended, Ended::Outcome(text) if text.starts_with("succeeded")),
                "{code} {count} times: {ended:?}"
            );
        }
        let (ended, world) = gone(3);
        assert_eq!(ended, outcome("gone"), "{code}");
        let last = &world.times[world.times.len() - 3..];
        assert!(
            last[1] - last[0] >= 5000 && last[2] - last[1] >= 5000,
            "{code}: {last:?}"
        );
    }
}

/// Rows: I9.
#[test]
fn a_completed_task_without_a_readable_answer_has_not_failed() {
    for fault in [
        status(404),
        status(409),
        status(500),
        Fault::Html200,
        Fault::TruncatedJson,
        Fault::Reset { after_bytes: None },
    ] {
        let name = format!("{fault:?}");
        let rule = FaultRule::new(fault.clone()).on("summary").count(4);
        let mut world = World::new("").faults(1, vec![rule]);
        assert_eq!(world.run("echo", "x"), outcome("succeeded x"), "{name}");
        let mut world = World::new("").faults(1, vec![FaultRule::new(fault).on("summary")]);
        assert_eq!(
            world.run("echo", "x"),
            outcome("result_unavailable"),
            "{name}"
        );
        let id = world.saved.last().and_then(taskward_core::Snapshot::task);
        assert!(id.is_some(), "{name}: it can be read later by its id");
    }
}

/// Rows: I10.
#[test]
fn a_task_that_is_queued_again_is_told_and_goes_on() {
    let mut world = World::new(
        r#"
        [[agent]]
        name = "queued"
        steps = [
            { run = "3s" },
            { status = "queued", for = "30s" },
            { run = "30s" },
            { complete = { summary = "Done." } },
        ]
    "#,
    );
    assert_eq!(world.run("queued", "x"), outcome("succeeded Done."));
    assert_eq!(
        world.events,
        ["started running", "queued", "running", "completed"]
    );
}
