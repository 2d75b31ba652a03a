//! A task resumes in another process: from the snapshot of any step, and from the last one that was stored.

use crate::world::check_golden;
use std::collections::BTreeSet;

use crate::world::Act::{Ask, Complete, Fail, Review, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, policy, seed};
use serde_json::{Value, json};
use taskward_core::{
    MatchCriteria, Outcome, Policy, Snapshot, Task, UnconfirmedStart, UnknownReason,
};

type Make = fn() -> World;

fn scenarios() -> Vec<(&'static str, Make)> {
    vec![
        ("plain", || World::new(&[Work(3000), Complete("42")])),
        ("failing", || World::new(&[Work(3000), Fail("boom")])),
        ("asking", || {
            World::new(&[Work(500), Ask("which?"), Work(500), Complete("42")])
                .answers(&["this", "this"])
        }),
        ("asking twice", || {
            World::new(&[Ask("a?"), Work(500), Ask("b?"), Complete("42")]).answers(&["x", "y", "z"])
        }),
        ("review", || {
            World::new(&[Work(500), Review, Work(500), Complete("42")])
                .action(60_000, UserAction::Dashboard("approve"))
        }),
        ("cancelled", || {
            World::new(&[Work(600_000)]).action(5000, UserAction::Cancel)
        }),
        ("bad network", || {
            World::new(&[Work(20_000), Complete("42")]).faults(|n, _, path| {
                if n % 3 == 0 && path != "/start" {
                    crate::world::Fault::Status(503)
                } else {
                    crate::world::Fault::None
                }
            })
        }),
    ]
}

/// Runs a scenario up to its `n`-th step, kills it there and resumes from `pick` of what is known then.
fn killed_at(make: Make, n: usize, keyed: bool, stored: bool) -> Option<(String, Ended, World)> {
    if keyed {
        kill::<true>(make, n, stored)
    } else {
        kill::<false>(make, n, stored)
    }
}

fn kill<const KEYED: bool>(make: Make, n: usize, stored: bool) -> Option<(String, Ended, World)> {
    let mut world = make();
    let task = world.start::<KEYED, false>();
    world.kill_after = Some(n);
    if world.drive(task) != Ended::Stopped {
        return None;
    }
    world.kill_after = None;
    let (step, here) = world.snapshots.last().expect("a step").clone();
    let snapshot = match stored {
        true => world.saved.last()?.clone(),
        false => here,
    };
    // What another process reads is text.
    let text = serde_json::to_string(&snapshot).expect("json");
    let snapshot: Snapshot = serde_json::from_str(&text).expect("json");
    world.now += 3000;
    if world.wanted_cancel {
        // A request that was not stored died with its process; whoever made it makes it again.
        world.actions.push((world.now + 5000, UserAction::Cancel));
    }
    let task: Task<Toy<KEYED, false>> = Task::resume(Toy, snapshot, at(world.now)).expect("resume");
    let ended = world.drive(task);
    Some((step, ended, world))
}

/// Returns the delivered events of this kind, without the time.
fn told<'a>(trace: &'a [String], kind: &str) -> BTreeSet<&'a str> {
    let lines = trace.iter().filter_map(|line| line.split_once(" event "));
    lines
        .map(|(_, event)| event)
        .filter(|event| event.starts_with(kind))
        .collect()
}

#[test]
fn what_nobody_had_heard_when_the_process_ended_is_told_by_the_next() {
    let mut heard = 0;
    for (name, make) in scenarios() {
        let mut whole = make();
        whole.run();
        for stored in [false, true] {
            for n in 1.. {
                let Some((step, ended, world)) = killed_at(make, n, true, stored) else {
                    if n > 1 {
                        break;
                    }
                    continue;
                };
                if !matches!(ended, Ended::Outcome(_)) {
                    continue;
                }
                for kind in ["started", "answered", "withdrawn", "cancel"] {
                    heard += 1;
                    assert_eq!(
                        told(&world.trace, kind),
                        told(&whole.trace, kind),
                        "{name}, {step}, stored {stored}\n{}",
                        world.trace.join("\n")
                    );
                }
            }
        }
    }
    assert!(heard > 300, "{heard}");
}

#[test]
fn a_task_resumed_at_any_step_reaches_the_same_end_but_for_unkeyed_writes() {
    let mut named = BTreeSet::new();
    let mut kills = 0;
    for (name, make) in scenarios() {
        let expected = make().run();
        for keyed in [false, true] {
            for stored in [false, true] {
                for n in 1.. {
                    let Some((step, ended, world)) = killed_at(make, n, keyed, stored) else {
                        if n > 1 {
                            break;
                        }
                        continue;
                    };
                    kills += 1;
                    let said: BTreeSet<&String> = world.server.said.iter().collect();
                    assert_eq!(
                        said.len(),
                        world.server.said.len(),
                        "{name}, {step}: an answer was applied twice"
                    );
                    assert!(world.server.starts <= 1, "{name}, {step}: started twice");
                    if ended != expected {
                        // What invariant 6 names: a start or an answer without a key that may have left.
                        let step = step.split(' ').next().expect("name").to_owned();
                        let what = match &ended {
                            Ended::Outcome(text) if text.starts_with("unknown") => "start unknown",
                            Ended::Left(text) if text == "answer unknown" => "answer unknown",
                            other => panic!(
                                "{name}, {step}, keyed {keyed}, stored {stored}: {other:?}\n{}",
                                world.trace.join("\n")
                            ),
                        };
                        assert!(!keyed || what != "start unknown", "{name}, {step}");
                        named.insert(format!("{what} at {step}"));
                    }
                }
            }
        }
    }
    assert!(kills > 300, "{kills}");
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        [
            "answer unknown at Save",
            "answer unknown at Send",
            "start unknown at Save",
            "start unknown at Send",
        ]
    );
}

/// Rows: J1.
#[test]
fn deadlines_are_kept_as_time_left_and_a_clock_that_went_back_costs_nothing() {
    let mut hurried: Policy = policy();
    hurried.work = Some(std::time::Duration::from_secs(60));
    let mut world = World::new(&[Work(600_000)]).action(20_000, UserAction::Stop);
    let task = world.start_with::<false, false>(hurried);
    assert_eq!(world.drive(task), Ended::Stopped);
    let saved = world.snapshots.last().expect("step").1.clone();
    let end_of = |resumed_at: u64| {
        let mut world = World::new(&[Work(600_000)]);
        world.server = world.server.clone().begun(0);
        world.now = resumed_at;
        let task: Task<Toy<false, false>> =
            Task::resume(Toy, saved.clone(), at(resumed_at)).expect("resume");
        let started = world.now;
        world.drive(task);
        world.now - started
    };
    let left = end_of(30_000);
    assert!((29_000..=31_000).contains(&left), "{left}");
    assert_eq!(end_of(200_000), 0, "the time between the processes counts");
    let saved_at = serde_json::to_value(&saved).expect("json")["saved_at"].as_u64();
    assert_eq!(
        Some(end_of(5_000)),
        saved_at.map(|saved_at| 60_000 - saved_at)
    );
}

#[test]
fn a_snapshot_of_another_provider_or_another_version_is_refused() {
    let read = |text: &str| {
        let snapshot: Snapshot = serde_json::from_str(text).map_err(|e| e.to_string())?;
        Task::<Toy<false, false>>::resume(Toy, snapshot, at(0))
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        read(r#"{"v":2,"provider":"toy","task":"t1","saved_at":0}"#),
        Ok(())
    );
    assert!(
        read(r#"{"v":2,"provider":"other","task":"t1","saved_at":0}"#)
            .expect_err("other")
            .contains("other")
    );
    assert!(
        read(r#"{"v":9,"provider":"toy","task":"t1","saved_at":0}"#)
            .expect_err("newer")
            .contains('9')
    );
    let earlier = include_str!("golden/snapshot-v1.json");
    let refusal = read(earlier).expect_err("earlier");
    let words = "it was written by an earlier Taskward (version 1; this one reads 2): a program built from commit ";
    assert!(refusal.starts_with(words), "{refusal}");
    assert!(read(r#"{"v":2,"provider":"toy","saved_at":0}"#).is_err());
    assert!(read(r#"{"v":2,"provider":"toy","task":"t1","saved_at":0,"seed":"zz"}"#).is_err());
}

/// Fields are added within a version: readers pass over those that they do not know. A field of another meaning is a new
/// version.
#[test]
fn the_snapshot_format_is_the_one_in_the_golden_file() {
    let mut world =
        World::new(&[Work(500), Ask("which?"), Work(500), Complete("42")]).answers(&["this"]);
    world.run();
    let at_answer = world
        .saved
        .iter()
        .find(|saved| format!("{saved:?}").contains("Write"))
        .expect("an answer is stored");
    let text = serde_json::to_string_pretty(at_answer).expect("json");
    check_golden(
        "snapshot-v2.json",
        include_str!("golden/snapshot-v2.json"),
        &text,
    );
    let read: Snapshot = serde_json::from_str(&text).expect("a snapshot");
    assert_eq!(&read, at_answer);
}

#[test]
fn a_keyed_start_is_not_repeated_once_its_key_is_old() {
    let world = World::new(&[Complete("42")]);
    let task = world.start::<true, false>();
    let saved = task.snapshot();
    for (hours, end) in [(11, "succeeded 42"), (13, "unknown likely=false")] {
        let now = at(10 + hours * 3_600_000);
        let task: Task<Toy<true, false>> = Task::resume(Toy, saved.clone(), now).expect("resume");
        let mut world = World::new(&[Complete("42")]);
        world.now = now.as_millis();
        let ended = world.drive(task);
        assert!(
            format!("{ended:?}").contains(end),
            "{hours} hours: {ended:?}"
        );
    }
    let late = at(13 * 3_600_000);
    let task: Task<Toy<true, false>> = Task::resume(Toy, saved, late).expect("resume");
    let Some(Outcome::Unknown { reason, .. }) = task.into_outcome() else {
        panic!("it is unknown");
    };
    assert_eq!(reason, UnknownReason::KeyTooOld { hours: 12 });
}

/// The snapshot with this change to its text.
fn changed(saved: &Snapshot, change: impl FnOnce(&mut Value)) -> Snapshot {
    let mut value = serde_json::to_value(saved).expect("json");
    change(&mut value);
    serde_json::from_value(value).expect("a snapshot")
}

/// What resuming it comes to.
fn resumed(saved: Snapshot) -> Result<Snapshot, String> {
    let task = Task::<Toy<true, false>>::resume(Toy, saved, at(0));
    task.map(|task| task.snapshot())
        .map_err(|error| error.to_string())
}

#[test]
fn a_snapshot_that_counts_more_than_a_task_can_have_done_is_refused() {
    let saved = World::new(&[]).start::<true, false>().snapshot();
    let most = u64::MAX / 2;
    for count in ["revision", "events_taken", "exchanges", "messages"] {
        let with = |number: u64| changed(&saved, |value| value[count] = json!(number));
        for number in [most + 1, u64::MAX] {
            let error = resumed(with(number)).expect_err(count);
            assert!(error.contains("counts more"), "{count}: {error}");
        }
        resumed(with(most)).expect(count);
    }
}

#[test]
fn a_stored_start_with_a_request_that_none_can_be_is_refused() {
    let saved = World::new(&[]).start::<true, false>().snapshot();
    assert_eq!(
        resumed(saved.clone()).expect("whole").digest(),
        saved.digest()
    );
    let long = |len: usize| format!("/{}", "x".repeat(len - 1));
    let most = 32 * 1024;
    for (field, bad) in [
        ("method", json!("GET IT")),
        ("target", json!("start")),
        ("target", json!("https://elsewhere.example/start")),
        ("target", json!("/a b")),
        ("target", json!("*")),
        ("target", json!("?a=b")),
        ("target", json!(long(most + 1))),
        ("headers", json!([["a b", "c"]])),
        ("headers", json!([["a", "b\nc"]])),
        ("body", json!([{"base64": "?"}])),
    ] {
        let broken = changed(&saved, |value| {
            value["start"]["request"][field] = bad.clone()
        });
        let error = resumed(broken).map(|_| ()).expect_err("it is broken");
        assert!(error.contains("cannot be read"), "{field}: {error}");
    }
    let longest = changed(&saved, |value| {
        value["start"]["request"]["target"] = json!(long(most));
    });
    resumed(longest).expect("as long as a target may be");
}

/// A later search for the task knows as much as the process that gave the start up.
#[test]
fn what_is_known_of_a_start_of_unknown_outcome_is_kept_from_process_to_process() {
    fn lost<const KEYED: bool>() -> (Task<Toy<KEYED, false>>, Snapshot) {
        let mut world = World::new(&[]).faults(|_, _, _| Fault::LostReply);
        world.now = 1000;
        let mut task = world.start::<KEYED, false>();
        assert_eq!(task.unconfirmed_start(), None);
        let unknown = Ended::Outcome("unknown likely=false".into());
        assert_eq!(world.drive_on(&mut task), unknown);
        let saved = task.snapshot();
        (task, saved)
    }
    fn same<const KEYED: bool>() -> UnconfirmedStart {
        let (task, saved) = lost::<KEYED>();
        let start = task.unconfirmed_start().expect("it is to be looked for");
        assert_eq!(
            start.criteria,
            MatchCriteria::agent("toy").with_first_message("go")
        );
        assert_eq!(start.begun_at, at(1000));
        assert!(start.ended_at.is_some_and(|end| end > at(1000)));
        assert_eq!(Some(&start.intent), saved.intent());
        assert_eq!(saved.is_repeatable(), KEYED);
        let mut again = saved.clone();
        for _ in 0..2 {
            let task =
                Task::<Toy<KEYED, false>>::resume(Toy, again, at(9_000_000)).expect("resume");
            assert_eq!(task.unconfirmed_start().as_ref(), Some(&start));
            again = task.snapshot();
            assert_eq!(again.digest(), saved.digest());
            assert_eq!(again.match_criteria(), saved.match_criteria());
            assert_eq!(again.is_repeatable(), KEYED);
        }
        start
    }
    assert_eq!(same::<false>().begun_at, same::<true>().begun_at);
    // Of a start whose process was gone nobody knows when it was given up.
    let world = World::new(&[]);
    let saved = world.start::<false, false>().snapshot();
    let task = Task::<Toy<false, false>>::resume(Toy, saved, at(0)).expect("resume");
    let start = task.unconfirmed_start().expect("it may have left");
    assert_eq!((start.begun_at, start.ended_at), (at(0), None));
}

#[test]
fn what_is_asked_is_told_once_by_each_process() {
    for n in 1.. {
        let mut world = World::new(&[Work(500), Ask("which?")]);
        world.stays = true;
        world.actions.push((9000, UserAction::Stop));
        world.kill_after = Some(n);
        let task = world.start::<true, false>();
        world.drive(task);
        if world.actions.is_empty() {
            break;
        }
        let (step, saved) = world.snapshots.last().expect("a step").clone();
        world.kill_after = None;
        world.trace.clear();
        let task = Task::<Toy<true, false>>::resume(Toy, saved, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), Ended::Stopped);
        assert_eq!(
            world.count("event question m1"),
            1,
            "{step}: {:#?}",
            world.trace
        );
        assert!(world.count("event status waiting") <= 1, "{step}");
    }
}

/// Somebody else answers; the next question is there when the first is seen to be over.
#[test]
fn that_a_question_is_asked_no_more_is_told_by_the_next_process_if_nobody_had_heard() {
    let mut pending = 0;
    for n in 1.. {
        let mut world = World::new(&[Ask("a?"), Ask("b?")])
            .action(3000, UserAction::OtherClient("early"))
            .action(9000, UserAction::Stop);
        world.server.delay = 0;
        world.stays = true;
        world.kill_after = Some(n);
        let task = world.start::<true, false>();
        world.drive(task);
        if world.actions.is_empty() {
            break;
        }
        world.kill_after = None;
        let (step, saved) = world.snapshots.last().expect("a step").clone();
        let value = serde_json::to_value(&saved).expect("json");
        pending += usize::from(value["pending_events"].to_string().contains("withdrawn"));
        let task = Task::<Toy<true, false>>::resume(Toy, saved, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), Ended::Stopped);
        assert_eq!(
            world.count("event withdrawn m1"),
            usize::from(world.count("event question m1") > 0),
            "{step}: {:#?}",
            world.trace
        );
    }
    assert!(pending > 0);
}

/// The error concerned its moment: the resumed task has errors of its own, or none.
#[test]
fn a_repetition_that_nobody_had_heard_of_is_not_told_by_the_next_process() {
    let mut pending = 0;
    for n in 1.. {
        let mut world =
            World::new(&[Work(5000), Complete("42")]).faults(|n, _, path| match (n, path) {
                (1 | 3, _) => Fault::LostReply,
                _ => Fault::None,
            });
        world.kill_after = Some(n);
        let task = world.start::<true, false>();
        if world.drive(task) != Ended::Stopped {
            break;
        }
        let (step, saved) = world.snapshots.last().expect("a step").clone();
        pending += usize::from(step.starts_with("Event"));
        world.kill_after = None;
        world.trace.clear();
        world.faults = Box::new(|_, _, _| Fault::None);
        let task = Task::<Toy<true, false>>::resume(Toy, saved, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), Ended::Outcome("succeeded 42".into()));
        assert_eq!(
            world.count("event retrying"),
            0,
            "{step}: {:#?}",
            world.trace
        );
    }
    assert!(pending > 3, "{pending}");
}

/// Rows: H1.
#[test]
fn a_turn_of_unknown_outcome_is_the_same_in_every_process() {
    let mut hurried = policy();
    hurried.work = Some(std::time::Duration::from_secs(30));
    let mut said = false;
    let mut world = World::new(&[Complete("old")]).faults(move |_, _, path| {
        said |= path.ends_with("/say");
        if said { Fault::LostReply } else { Fault::None }
    });
    world.server = world.server.clone().begun(0);
    let (id, text) = ("t1".into(), "more".to_owned());
    let turn = Task::continue_with(Toy, id, text, hurried, seed(), at(0));
    let mut task: Task<Toy<false, false>> = turn.expect("a turn");
    let unknown = Ended::Outcome("unknown likely=false".into());
    assert_eq!(world.drive_on(&mut task), unknown);
    let saved = task.snapshot();
    let again = Task::<Toy<false, false>>::resume(Toy, saved.clone(), at(world.now));
    assert_eq!(again.expect("resume").snapshot(), saved);
}
