//! Was the run created? What every attempt of a creation sends, and what a repeated one may be answered.

use std::collections::BTreeSet;

use http::StatusCode;
use taskward_core::{Response, Task, Timestamp};
use taskward_providers::agent_harness::AgentHarness;

use crate::world::{Ended, Fault, World, outcome};

fn done() -> Ended {
    outcome("succeeded succeeded")
}

/// Rows: G6.
#[test]
fn every_attempt_of_a_creation_is_the_same_bytes_under_the_same_key() {
    let faults = |endpoint: &str, _: &str, number: usize| match (endpoint, number) {
        ("create_run", 0) => Fault::Reset,
        ("create_run", 1) => Fault::Lost(0),
        ("create_run", 2) => Fault::Status(502),
        _ => Fault::None,
    };
    let creations = |world: &World| {
        let writes = world.writes.iter();
        let creations = writes.filter(|write| write.0 == "create_run");
        creations.cloned().collect::<Vec<_>>()
    };
    let mut whole = World::new("").approves().faults(faults);
    assert_eq!(whole.run("approve-email"), done());
    let sent = creations(&whole);
    assert_eq!(sent.len(), 4);
    assert!(!sent[0].1.is_empty(), "it has a key");
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), 1, "{sent:#?}");
    // Nor by another process that goes on with it.
    for kill in 2..20 {
        let mut world = World::new("").approves().faults(faults);
        world.kill_after = Some(kill);
        assert_eq!(world.run("approve-email"), Ended::Killed);
        world.kill_after = None;
        world.forget();
        let saved = world
            .saved
            .last()
            .expect("stored before it is sent")
            .clone();
        let now = Timestamp::from_millis(world.now);
        let task = Task::resume(AgentHarness, saved, now).expect("resume");
        assert_eq!(world.drive(task), done(), "step {kill}");
        let again = creations(&world);
        assert!(
            again.iter().all(|write| *write == sent[0]),
            "step {kill}: {again:#?}"
        );
        assert_eq!(world.stats().starts, 1, "step {kill}");
    }
}

/// Rows: G2.
#[test]
fn a_repeated_creation_gives_its_run_whatever_the_reply_says_of_it() {
    for code in [200, 201, 202, 208] {
        for status in [
            "\"queued\"",
            "\"running\"",
            "\"awaiting_input\"",
            "\"succeeded\"",
            "\"failed\"",
            "\"of a later version\"",
            "null",
            "7",
        ] {
            let mut world =
                World::new("")
                    .approves()
                    .faults(|endpoint, _, number| match (endpoint, number) {
                        ("create_run", 0) => Fault::Lost(0),
                        _ => Fault::None,
                    });
            world.judged = false;
            world.rewrite = Some(Box::new(move |endpoint, number, reply| {
                if (endpoint, number) != ("create_run", 1) {
                    return reply;
                }
                let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
                assert_eq!(body["replayed"], true);
                let mut body = body;
                body["status"] = serde_json::from_str(status).expect("JSON");
                let code = StatusCode::from_u16(code).expect("a code");
                let mut replayed = Response::new(code, body.to_string());
                replayed.head.headers = reply.head.headers;
                replayed
            }));
            assert_eq!(world.run("approve-email"), done(), "{code} {status}");
            assert_eq!(world.count("started replayed true"), 1, "{code} {status}");
            assert_eq!(world.stats().starts, 1, "{code} {status}");
        }
    }
}

/// Rows: G16.
#[test]
fn a_creation_whose_driver_is_gone_is_found_again_and_not_made_twice() {
    for fault in [Fault::Abandoned, Fault::Lost(0), Fault::Reset] {
        for gone in 2..6 {
            let fault = fault.clone();
            let mut world = World::new("")
                .approves()
                .faults(move |endpoint, _, number| match (endpoint, number) {
                    ("create_run", 0) => fault.clone(),
                    _ => Fault::None,
                });
            world.kill_after = Some(gone);
            assert_eq!(world.run("approve-email"), Ended::Killed);
            world.kill_after = None;
            world.forget();
            let saved = world
                .saved
                .last()
                .expect("stored before it is sent")
                .clone();
            let now = Timestamp::from_millis(world.now);
            let task = Task::resume(AgentHarness, saved, now).expect("resume");
            assert_eq!(world.drive(task), done(), "gone at step {gone}");
            let stats = world.stats();
            assert_eq!(stats.starts, 1, "gone at step {gone}");
            assert_eq!(stats.per_run.len(), 1, "gone at step {gone}");
        }
    }
}
