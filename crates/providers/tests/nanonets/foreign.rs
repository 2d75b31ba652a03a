//! Replies about another task, through the machine: as if they had not come.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::world::{Ended, UserAction, World, outcome};

const THEIRS: &str = "f1c2a3b4-0000-4000-8000-00000000000b";
/// What nobody must be told.
const SAID: &str = "of another task";

/// How a reply names its task.
#[derive(Clone, Copy, Debug)]
enum Named {
    Ours,
    Not,
    Theirs,
}

/// Returns what another task's reply would say at this endpoint.
fn theirs(endpoint: &str) -> Value {
    let task = json!({"task_id": THEIRS, "status": "completed", "title": SAID, "result": SAID,
        "feed": [{"content": SAID}]});
    match endpoint {
        "messages" => json!({"data": [{"task_id": THEIRS, "role": "assistant", "content": SAID}]}),
        _ => task,
    }
}

/// Takes the task's id out of a reply.
fn nameless(body: &[u8]) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("task_id");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_slice(body).expect("JSON");
    strip(&mut value);
    value
}

/// Serves such bodies as the first two replies of an endpoint; returns how often it did.
fn spoiled(world: &mut World, at: &'static str, named: Named) -> Rc<Cell<u32>> {
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    world.rewrite = Box::new(move |endpoint, _, mut reply| {
        if endpoint == at && counted.get() < 2 {
            counted.set(counted.get() + 1);
            let body = match named {
                Named::Ours => return reply,
                Named::Not => nameless(&reply.body),
                Named::Theirs => theirs(endpoint),
            };
            reply.body = body.to_string().into();
        }
        reply
    });
    count
}

/// The same task with and without them; what was told, and the requests.
fn check(at: &'static str, named: Named, run: impl Fn(&mut World) -> Ended, ended: &str) {
    let mut undisturbed = World::new("");
    run(&mut undisturbed);
    let mut world = World::new("");
    let count = spoiled(&mut world, at, named);
    assert_eq!(run(&mut world), outcome(ended), "{at} {named:?}");
    assert!(count.get() > 0, "{at} was never read");
    assert_eq!(world.events, undisturbed.events, "{at} {named:?}");
    let more = world.requests.len() - undisturbed.requests.len();
    match named {
        Named::Ours | Named::Not => {
            assert_eq!(world.requests, undisturbed.requests, "{at} {named:?}");
        }
        // Each is a missed read, and is made again.
        Named::Theirs => assert!(more >= 1, "{at}: {:?}", world.requests),
    }
    for (_, snapshot) in &world.snapshots {
        let kept = serde_json::to_string(snapshot).expect("JSON");
        assert!(
            !kept.contains(SAID) && !kept.contains(THEIRS),
            "{at}: {kept}"
        );
    }
}

/// Rows: D22.
#[test]
fn every_read_of_a_task_bears_the_replies_of_another() {
    for named in [Named::Ours, Named::Not, Named::Theirs] {
        for at in ["status", "summary"] {
            check(at, named, |world| world.run("echo", "x"), "succeeded x");
        }
        let asked = |world: &mut World| {
            let mut answered = false;
            world.answerer = Box::new(move |_| {
                let first = !std::mem::replace(&mut answered, true);
                first.then(|| taskward_core::Answer::text("EUR"))
            });
            world.run("asker", "Which?")
        };
        let mut world = World::new("");
        let Ended::Outcome(end) = asked(&mut world) else {
            panic!("it was asked once");
        };
        for at in ["status", "messages"] {
            check(at, named, asked, &end);
        }
        let mut world = World::new("");
        let Ended::Outcome(end) = world.run("failing", "x") else {
            panic!("it fails");
        };
        check("status", named, |world| world.run("failing", "x"), &end);
    }
}

/// A reply to a write that is about another task says nothing of ours: what became of it is read.
///
/// Rows: D22.
#[test]
fn a_write_that_another_task_acknowledges_is_not_acknowledged() {
    let mut world = World::new("").answers(&["EUR"]);
    let count = spoiled(&mut world, "message", Named::Theirs);
    let ended = world.run("asker", "Which?");
    assert!(matches!(ended, Ended::Outcome(_)), "{ended:?}");
    assert_eq!(count.get(), 1);
    assert_eq!(world.stats().endpoints["message"], 1, "sent once");
    let applied = world.events.iter().filter(|e| *e == "answered Applied");
    assert_eq!(applied.count(), 1, "{:?}", world.events);
    let sent = world
        .requests
        .iter()
        .position(|line| line.ends_with("/message"));
    let next = &world.requests[sent.expect("sent") + 1];
    assert!(next.ends_with("/messages"), "{next}");

    let mut world = World::new("").action(5_000, UserAction::Cancel);
    let count = spoiled(&mut world, "cancel", Named::Theirs);
    assert_eq!(world.run("slow", "x"), outcome("stopped by Us"));
    // The first two were no acknowledgement, so it was asked again.
    assert_eq!(count.get(), 2);
    assert_eq!(world.stats().endpoints["cancel"], 3);
}
