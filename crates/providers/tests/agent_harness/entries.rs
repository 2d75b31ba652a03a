//! Events that cannot be read, in the list and in the stream: told as a gap, and no evidence.

use serde_json::Value;

use crate::done;
use crate::world::{Ended, Fault, World};

/// Makes the event of this number unreadable in every reply of the list.
fn without(world: &mut World, number: u64, entry: Value) {
    world.judged = false;
    world.rewrite = Some(Box::new(move |endpoint, _, mut reply| {
        if endpoint == "events" && reply.status().is_success() {
            let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
            for event in body["events"].as_array_mut().expect("events") {
                if event["seq"] == number {
                    *event = entry.clone();
                }
            }
            reply.body = body.to_string().into();
        }
        reply
    }));
}

fn polled() -> World {
    World::new(crate::TWO)
        .approves()
        .faults(|endpoint, _, _| match endpoint {
            "stream" => Fault::Status(404),
            _ => Fault::None,
        })
}

fn gaps(world: &World) -> Vec<&str> {
    let lines = world.reported.iter().map(String::as_str);
    lines.filter(|line| line.starts_with("Gap")).collect()
}

/// Rows: D23.
#[test]
fn an_event_of_the_list_that_cannot_be_read_is_told_as_a_gap_once_and_ends_nothing() {
    let mut plain = polled();
    assert_eq!(plain.run("two"), done());
    let last = plain.log.len() as u64;
    for number in 1..=last {
        for entry in [
            Value::Null,
            serde_json::json!({"seq": "?", "type": "step.done"}),
        ] {
            let mut world = polled();
            without(&mut world, number, entry.clone());
            let ended = world.run("two");
            assert_eq!(ended, done(), "{number}: {:#?}", world.reported);
            let mut log = plain.log.clone();
            log.remove(number as usize - 1);
            assert_eq!(world.log, log, "{number}");
            let (after, before) = (number - 1, number + 1);
            let gap = format!("Gap {{ after: EventSeq({after}), before: EventSeq({before}) }}");
            assert_eq!(
                gaps(&world),
                [gap],
                "{number} {entry}: {:#?}",
                world.reported
            );
            for wait in world.stats().waits {
                assert_eq!(
                    (wait.received, wait.applied),
                    (1, 1),
                    "{number}: {:#?}",
                    world.reported
                );
            }
        }
    }
}

/// Behind the event that asks stands one that cannot be read: it is not known what the run waits for.
///
/// Rows: D23.
#[test]
fn a_question_before_an_event_that_cannot_be_read_is_not_asked() {
    let mut world = World::new(crate::TWO).faults(|endpoint, _, _| match endpoint {
        "stream" => Fault::Status(404),
        _ => Fault::None,
    });
    world.judged = false;
    world.rewrite = Some(Box::new(|endpoint, _, mut reply| {
        if endpoint == "events" && reply.status().is_success() {
            let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
            body["events"]
                .as_array_mut()
                .expect("events")
                .push(Value::Null);
            reply.body = body.to_string().into();
        }
        reply
    }));
    let Ended::Left(question) = world.run("two") else {
        panic!("nobody answers: {:#?}", world.reported);
    };
    assert!(
        question.starts_with("stand-in"),
        "{question}: {:#?}",
        world.reported
    );
}

/// Rows: D23.
#[test]
fn an_event_of_the_stream_that_cannot_be_read_is_read_from_the_list_and_else_a_gap() {
    let mut plain = World::new(crate::TWO).approves();
    assert_eq!(plain.run("two"), done());
    for listed in [true, false] {
        for number in 2..plain.log.len() as u64 {
            let mut world = World::new(crate::TWO).approves();
            world.judged = false;
            let needle = format!("\"seq\":{number},");
            world.frames = Some(Box::new(move |frame| {
                if frame.contains(&needle) {
                    return "event: run_event\ndata: {\"seq\":null}\n\n".to_owned();
                }
                frame
            }));
            if !listed {
                without(&mut world, number, Value::Null);
            }
            assert_eq!(
                world.run("two"),
                done(),
                "{number} {listed}: {:#?}",
                world.reported
            );
            let mut log = plain.log.clone();
            let mut expected = Vec::new();
            if !listed {
                log.remove(number as usize - 1);
                let (after, before) = (number - 1, number + 1);
                expected.push(format!(
                    "Gap {{ after: EventSeq({after}), before: EventSeq({before}) }}"
                ));
            }
            assert_eq!(world.log, log, "{number} {listed}: {:#?}", world.reported);
            assert_eq!(
                gaps(&world),
                expected,
                "{number} {listed}: {:#?}",
                world.reported
            );
            for wait in world.stats().waits {
                assert!(
                    wait.received <= 1 && wait.applied == 1,
                    "{number} {listed}: {:#?}",
                    world.reported
                );
            }
        }
    }
}

/// It could once not be read, whatever it is. Once it can, everything is as if it always had been.
///
/// Rows: D23.
#[test]
fn what_could_not_be_read_once_is_read_again() {
    let mut plain = polled();
    assert_eq!(plain.run("two"), done());
    for number in 1..=plain.log.len() as u64 {
        for spoiled in 1..6 {
            let mut world = polled();
            world.judged = false;
            let mut pages = 0;
            world.rewrite = Some(Box::new(move |endpoint, _, mut reply| {
                if endpoint == "events" && reply.status().is_success() {
                    let mut body: Value = serde_json::from_slice(&reply.body).expect("JSON");
                    let events = body["events"].as_array_mut().expect("events");
                    let found = events.iter_mut().find(|event| event["seq"] == number);
                    if let Some(event) = found {
                        pages += 1;
                        if pages == spoiled {
                            *event = Value::Null;
                        }
                    }
                    reply.body = body.to_string().into();
                }
                reply
            }));
            assert_eq!(world.run("two"), done(), "{number}: {:#?}", world.reported);
            for wait in world.stats().waits {
                let ended = (wait.received, wait.applied);
                assert_eq!(ended, (1, 1), "{number} {spoiled}: {:#?}", world.reported);
            }
            let missing = plain.log.len() - world.log.len();
            assert_eq!(
                missing,
                gaps(&world).len(),
                "{number}: {:#?}",
                world.reported
            );
        }
    }
}
