//! Was the task created? Starts with unknown outcome, in virtual time against a toy server.

use std::collections::BTreeSet;

use crate::world::Act::{Complete, Work};
use crate::world::{Ended, Fault, Toy, World, at, outcome};
use taskward_core::{Policy, Snapshot, Task};

/// The faults of the first attempts of a start, one for each.
fn attempts(faults: &'static [Fault]) -> impl FnMut(usize, &str, &str) -> Fault {
    move |n, _, path| match path {
        "/start" => faults.get(n - 1).copied().unwrap_or(Fault::None),
        _ => Fault::None,
    }
}

/// Rows: G6.
#[test]
fn every_attempt_of_a_start_is_the_same_bytes_under_the_same_key() {
    const LOST: &[Fault] = &[Fault::LostRequest, Fault::LostReply, Fault::Status(500)];
    let make = || World::new(&[Complete("42")]).faults(attempts(LOST));
    let mut whole = make();
    let task = whole.start::<true, false>();
    assert_eq!(whole.drive(task), outcome("succeeded 42"));
    assert_eq!(whole.writes.len(), 4);
    let first = whole.writes[0].clone();
    assert!(first.1.is_some(), "it has a key");
    assert!(
        whole.writes.iter().all(|write| *write == first),
        "{:#?}",
        whole.writes
    );
    // Nor is the request rebuilt in another process, wherever the first one ended.
    for step in 1..whole.snapshots.len() {
        let mut world = make();
        let task = world.start::<true, false>();
        world.kill_after = Some(step);
        if world.drive(task) != Ended::Stopped {
            break;
        }
        world.kill_after = None;
        let Some(saved) = world.saved.last().cloned() else {
            continue;
        };
        let text = serde_json::to_string(&saved).expect("json");
        let saved: Snapshot = serde_json::from_str(&text).expect("json");
        let task: Task<Toy<true, false>> = Task::resume(Toy, saved, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), outcome("succeeded 42"), "step {step}");
        let sent: BTreeSet<_> = world.writes.iter().collect();
        assert_eq!(sent.len(), 1, "step {step}: {sent:#?}");
        assert_eq!(world.server.starts, 1, "step {step}");
    }
}

/// Rows: G7.
#[test]
fn a_conflict_is_a_refusal_at_first_and_after_an_attempt_of_ours_it_is_waited_out_twice() {
    for status in [409, 422] {
        let mut world = World::new(&[Complete("42")]).faults(move |_, _, _| Fault::Status(status));
        let task = world.start::<true, false>();
        assert_eq!(world.drive(task), outcome("refused"), "{status}");
        assert_eq!(world.requests, 1, "{status}");
        for (conflicts, end, attempts) in [
            (1, "succeeded 42", 3),
            (2, "succeeded 42", 4),
            (99, "unknown likely=false", 4),
        ] {
            let mut world =
                World::new(&[Complete("42")]).faults(move |n, _, path| match (n, path) {
                    (1, _) => Fault::LostReply,
                    (n, "/start") if n <= 1 + conflicts => Fault::Status(status),
                    _ => Fault::None,
                });
            let task = world.start::<true, false>();
            let context = format!("{status}, {conflicts} conflicts");
            assert_eq!(world.drive(task), outcome(end), "{context}");
            assert_eq!(world.count("POST /start"), attempts, "{context}");
            let sent = world.trace.iter().filter(|line| line.contains("/start"));
            let sent: Vec<u64> = sent
                .map(|line| line[..7].trim().parse().expect("a time"))
                .collect();
            let waits: Vec<u64> = sent[1..]
                .windows(2)
                .map(|pair| pair[1] - pair[0] - 20)
                .collect();
            assert_eq!(waits, [2000, 4000][..attempts - 2], "{context}");
            assert_eq!(world.server.starts, 1, "{context}");
        }
    }
}

/// A refusal without a body is still a refusal; a redirect is the answer of somebody who knows nothing of tasks.
#[test]
fn a_refusal_whose_body_does_not_come_refuses_the_start() {
    for (status, end) in [(400, "refused"), (404, "refused"), (302, "not_started")] {
        let mut world = World::new(&[]).faults(move |_, _, _| Fault::Bodiless(status));
        assert_eq!(world.run(), outcome(end), "{status}");
        assert_eq!(world.requests, 1, "{status}");
    }
}

/// Rows: G1, G3, G13.
#[test]
fn an_unkeyed_start_that_was_sent_and_not_answered_is_unknown_and_made_once() {
    for (fault, likely) in [
        (Fault::TimedOut, false),
        (Fault::LostReply, false),
        (Fault::CutBody, true),
    ] {
        let mut world = World::new(&[Work(1000), Complete("42")])
            .faults(move |_, _, path| if path == "/start" { fault } else { Fault::None });
        let end = outcome(&format!("unknown likely={likely}"));
        assert_eq!(world.run(), end, "{fault:?}");
        assert_eq!((world.requests, world.server.starts), (1, 1), "{fault:?}");
        let last = world.saved.last().expect("the end is stored");
        assert!(last.is_ended() && last.intent().is_some(), "{fault:?}");
        assert_eq!(last.intent(), world.saved[0].intent(), "{fault:?}");
    }
}

/// Rows: G2, G3, G13.
#[test]
fn a_keyed_start_that_was_sent_and_not_answered_is_repeated_into_the_same_task() {
    for fault in [
        Fault::TimedOut,
        Fault::LostReply,
        Fault::CutBody,
        Fault::Html,
    ] {
        let mut world = World::new(&[Work(1000), Complete("42")]).faults(move |n, _, path| {
            if path == "/start" && n < 4 {
                fault
            } else {
                Fault::None
            }
        });
        let task = world.start::<true, false>();
        assert_eq!(world.drive(task), outcome("succeeded 42"), "{fault:?}");
        assert_eq!(world.count("POST /start"), 4, "{fault:?}");
        assert_eq!(world.server.starts, 1, "{fault:?}");
    }
}

/// The driver is gone in the middle of the start: its state at every step of it, and where it was left.
fn let_go<const KEYED: bool>() -> Vec<(String, World, Snapshot)> {
    let mut states = Vec::new();
    for step in 1.. {
        let mut world = World::new(&[Work(1000), Complete("42")]);
        let task = world.start::<KEYED, false>();
        world.kill_after = Some(step);
        if world.drive(task) != Ended::Stopped {
            return states;
        }
        world.kill_after = None;
        let (name, _) = world.snapshots.last().expect("a step").clone();
        let stored = world.saved.last().cloned();
        if let Some(saved) = stored.filter(Snapshot::is_unknown) {
            states.push((name, world, saved));
        }
    }
    unreachable!("it ends")
}

/// Rows: G16.
#[test]
fn a_start_whose_driver_is_gone_stays_open_and_nothing_is_cancelled() {
    let keyed = let_go::<true>();
    let unkeyed = let_go::<false>();
    assert!(keyed.len() > 1 && unkeyed.len() > 1);
    for (name, mut world, saved) in keyed {
        let task: Task<Toy<true, false>> = Task::resume(Toy, saved, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), outcome("succeeded 42"), "{name}");
        assert_eq!((world.server.starts, world.server.cancelled), (1, None));
    }
    for (name, mut world, saved) in unkeyed {
        let intent = saved.intent().cloned();
        let before = world.requests;
        let task: Task<Toy<false, false>> =
            Task::resume(Toy, saved, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), outcome("unknown likely=false"), "{name}");
        assert_eq!(world.requests, before, "{name}: nothing more is sent");
        assert_eq!(world.server.cancelled, None, "{name}");
        let (_, ended) = world.snapshots.last().expect("a step");
        assert!(ended.is_ended() && intent.is_some(), "{name}");
        assert_eq!(ended.intent().cloned(), intent, "{name}: it is still open");
    }
}

/// A start under a key that ended unknown: every reply was lost.
fn unknown_start() -> (World, Snapshot) {
    const LOST: &[Fault] = &[Fault::LostReply; 8];
    let mut world = World::new(&[Complete("42")]).faults(attempts(LOST));
    let task = world.start::<true, false>();
    assert_eq!(world.drive(task), outcome("unknown likely=false"));
    let saved = world.saved.last().expect("a snapshot").clone();
    assert!(saved.is_unknown() && saved.is_repeatable() && saved.is_ended());
    (world, saved)
}

#[test]
fn a_start_under_a_key_that_ended_unknown_is_recovered_with_the_same_key_and_bytes() {
    let (mut world, saved) = unknown_start();
    let text = serde_json::to_string(&saved).expect("json");
    let saved: Snapshot = serde_json::from_str(&text).expect("json");
    let resumed: Task<Toy<true, false>> =
        Task::resume(Toy, saved.clone(), at(world.now)).expect("resume");
    let sent = world.writes.len();
    assert_eq!(world.drive(resumed), outcome("unknown likely=false"));
    assert_eq!(world.writes.len(), sent, "resuming alone repeats nothing");
    world.faults = Box::new(|_, _, _| Fault::None);
    let task: Task<Toy<true, false>> =
        Task::recover(Toy, saved.clone(), Policy::default(), at(world.now)).expect("recover");
    assert_eq!(task.snapshot().intent(), saved.intent());
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.writes.len(), sent + 1);
    assert!(world.writes.iter().all(|write| *write == world.writes[0]));
    assert_eq!(world.server.starts, 1);
    let last = world.saved.last().expect("a snapshot");
    assert_eq!(last.intent(), saved.intent(), "the task keeps its name");
    assert!(!last.is_unknown() && last.digest().is_none());
}

/// Rows: G8.
#[test]
fn a_key_that_is_old_is_not_recovered_however_often_the_start_is_stored_again() {
    let (mut world, mut saved) = unknown_start();
    let sent = world.writes.len();
    for _ in 0..3 {
        world.now += 6 * 3_600_000;
        let task: Task<Toy<true, false>> = Task::resume(Toy, saved, at(world.now)).expect("resume");
        saved = task.snapshot();
    }
    let task: Task<Toy<true, false>> =
        Task::recover(Toy, saved, Policy::default(), at(world.now)).expect("recover");
    assert_eq!(world.drive(task), outcome("unknown likely=false"));
    assert_eq!(world.writes.len(), sent);
}
