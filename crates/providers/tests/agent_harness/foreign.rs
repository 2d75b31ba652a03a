//! Replies and events of another run, through the machine: as if they had not come.

use serde_json::{Value, json};

use crate::done;
use crate::world::{Ended, Fault, World};

const THEIRS: &str = "run_of_another";
/// What nobody must be told.
const SAID: &str = "said elsewhere";

/// Returns what another run's reply would say at this endpoint.
fn theirs(endpoint: &str) -> Value {
    match endpoint {
        "events" => json!({"events": [
            {"seq": 900, "type": "run.worker.failed", "run_id": THEIRS, "payload": {"value": {"text": SAID}}}]}),
        "signal" => json!({"run_id": THEIRS, "status": SAID}),
        _ => json!({"id": THEIRS, "status": "failed", "output": SAID}),
    }
}

/// Returns a run that is watched; replies of `at` are as `rewrite` has them, the stream as `streams` says.
fn watch(at: &'static str, streams: bool, rewrite: fn(&str, Value) -> Value) -> (World, Ended) {
    let mut world = World::new(crate::TWO).approves();
    world.faults = Box::new(move |endpoint, _, _| match endpoint {
        "stream" if !streams => Fault::Status(404),
        _ => Fault::None,
    });
    world.judged = false;
    let mut spoiled = 0;
    world.rewrite = Some(Box::new(move |endpoint, _, mut reply| {
        if endpoint == at && spoiled < 2 && reply.status().is_success() {
            spoiled += 1;
            let body = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
            reply.body = rewrite(endpoint, body).to_string().into();
        }
        reply
    }));
    let ended = world.run("two");
    for saved in &world.saved {
        let kept = serde_json::to_string(saved).expect("JSON");
        assert!(
            !kept.contains(SAID) && !kept.contains(THEIRS),
            "{at}: {kept}"
        );
    }
    let reported = format!("{:?} {:?}", world.reported, world.log);
    assert!(
        !reported.contains(SAID) && !reported.contains(THEIRS),
        "{at}: {reported}"
    );
    for wait in world.stats().waits {
        assert_eq!(
            (wait.received, wait.applied),
            (1, 1),
            "{at}: {:?}",
            world.reported
        );
    }
    (world, ended)
}

/// Returns what was told of the run itself.
fn story(world: &World) -> (Vec<String>, Vec<String>) {
    let said = |line: &&String| line.starts_with("question") || line.starts_with("answered");
    let reported = world.reported.iter().filter(said).cloned().collect();
    (world.log.clone(), reported)
}

/// Rows: D22.
#[test]
fn every_read_of_a_run_bears_the_replies_of_another() {
    for streams in [true, false] {
        let (plain, ended) = watch("", streams, |_, ours| ours);
        assert_eq!(ended, done(), "{:#?}", plain.reported);
        for at in ["read_run", "events", "signal"] {
            let (world, ended) = watch(at, streams, |_, mut ours| {
                if let Some(reply) = ours.as_object_mut() {
                    reply.remove("id");
                    reply.remove("run_id");
                }
                ours
            });
            assert_eq!(ended, done(), "{at} {streams}: {:#?}", world.reported);
            assert_eq!(story(&world), story(&plain), "{at} {streams}, no id");

            let (world, ended) = watch(at, streams, |endpoint, _| theirs(endpoint));
            assert_eq!(ended, done(), "{at} {streams}: {:#?}", world.reported);
            assert_eq!(story(&world), story(&plain), "{at} {streams}, another's");
        }
    }
}

/// Rows: D22.
#[test]
fn an_event_of_another_run_is_not_taken_from_the_stream() {
    let mut plain = World::new(crate::TWO).approves();
    assert_eq!(plain.run("two"), done());
    let mut world = World::new(crate::TWO).approves();
    world.judged = false;
    world.mangle = |frame| {
        // Beside each of ours comes one of theirs, of a later number and an end.
        let foreign = json!({"seq": 900, "type": "run.worker.failed", "run_id": THEIRS,
            "payload": {"value": {"text": SAID}}});
        Some(format!("event: run_event\ndata: {foreign}\n\n{frame}"))
    };
    assert_eq!(world.run("two"), done(), "{:#?}", world.reported);
    assert_eq!(story(&world), story(&plain));
    for saved in &world.saved {
        let kept = serde_json::to_string(saved).expect("JSON");
        assert!(!kept.contains(SAID) && !kept.contains(THEIRS), "{kept}");
    }
}
