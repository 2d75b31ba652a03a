//! Streams of messages and subscriptions, in both bindings.

use serde_json::{Value, json};

use super::world::{Binding, World, data};

/// Returns an event in a few words.
pub(super) fn told(event: &Value) -> String {
    let event = event.get("result").unwrap_or(event);
    let status = |status: &Value| {
        let state = status["state"].as_str().unwrap_or_default();
        let state = state.trim_start_matches("TASK_STATE_").to_lowercase();
        match status["message"]["parts"][0]["text"].as_str() {
            Some(text) => format!("{state} {text:?}"),
            None => state,
        }
    };
    if let Some(task) = event.get("task") {
        return format!("task {}", status(&task["status"]));
    }
    if let Some(update) = event.get("statusUpdate") {
        return status(&update["status"]);
    }
    if let Some(update) = event.get("artifactUpdate") {
        let parts = &update["artifact"]["parts"];
        let flag = |name: &str| match update[name].as_bool() {
            Some(true) => format!(" {name}"),
            _ => String::new(),
        };
        return format!("artifact {parts}{}{}", flag("append"), flag("lastChunk"));
    }
    if let Some(message) = event.get("message") {
        return format!("message {}", message["parts"]);
    }
    if event["kind"] == "status-update" {
        return format!("bare {}", status(&event["status"]));
    }
    format!("{event}")
}

fn all(events: &[Value]) -> Vec<String> {
    events.iter().map(told).collect()
}

#[test]
fn a_message_opens_a_stream_to_the_end() {
    for binding in [Binding::Rest, Binding::Rpc] {
        let mut world = World::new("");
        let given =
            json!({ "message": world.message("work 1; chunks 3 0.2; artifact whole; done bye") });
        let stream = world.open(binding, "SendStreamingMessage", &given).unwrap();
        let (events, ended) = world.drain(stream);
        assert!(ended);
        if binding == Binding::Rpc {
            assert!(
                events
                    .iter()
                    .all(|event| event["id"] == 1 && event["jsonrpc"] == "2.0")
            );
        }
        let expected = [
            "task submitted",
            "working",
            "working \"step 1\"",
            "artifact [{\"text\":\"piece 1 \"}]",
            "artifact [{\"text\":\"piece 2 \"}] append",
            "artifact [{\"text\":\"piece 3 \"}] append lastChunk",
            "artifact [{\"text\":\"whole\"}]",
            "completed \"bye\"",
        ];
        assert_eq!(all(&events), expected);
        let task = world.server.stats().per_task.into_keys().next().unwrap();
        let task = world.get(&task);
        // The parts stay as they came.
        let parts = json!([{ "text": "piece 1 " }, { "text": "piece 2 " }, { "text": "piece 3 " }]);
        assert_eq!(task["artifacts"][0]["parts"], parts);
    }
}

#[test]
fn a_stream_of_a_message_ends_at_a_question_and_a_subscription_goes_on() {
    for binding in [Binding::Rest, Binding::Rpc] {
        let mut world = World::new("");
        let given = json!({ "message": world.message("work 1; ask colour?; work 1") });
        let stream = world.open(binding, "SendStreamingMessage", &given).unwrap();
        let (events, ended) = world.drain(stream);
        assert_eq!(
            (told(events.last().unwrap()), ended),
            ("input_required \"colour?\"".to_owned(), true)
        );
        let task = world.server.stats().per_task.into_keys().next().unwrap();
        let subscribed = world
            .open(binding, "SubscribeToTask", &json!({ "id": task }))
            .unwrap();
        let (frames, ended) = world.pulled(subscribed);
        let events: Vec<Value> = frames.iter().map(data).collect();
        assert_eq!(
            (all(&events), ended),
            (vec!["task input_required \"colour?\"".to_owned()], false)
        );
        world.say(&task, "red").unwrap();
        let (events, ended) = world.drain(subscribed);
        let expected = [
            "working",
            "artifact [{\"text\":\"colour? -> red\"}]",
            "working \"step 1\"",
            "completed",
        ];
        assert_eq!(
            (all(&events), ended),
            (expected.map(str::to_owned).to_vec(), true)
        );
    }
}

#[test]
fn a_subscription_begins_with_the_task_as_it_is_and_cannot_be_resumed() {
    let mut world = World::new("");
    let task = world.start("chunks 4 1; done bye");
    world.after(1_500);
    let given = json!({ "id": task });
    let stream = world
        .open(Binding::Rest, "SubscribeToTask", &given)
        .unwrap();
    let (events, ended) = world.drain(stream);
    let parts = &events[0]["task"]["artifacts"][0]["parts"];
    assert_eq!(parts.as_array().unwrap().len(), 2);
    let expected = [
        "artifact [{\"text\":\"piece 3 \"}] append",
        "artifact [{\"text\":\"piece 4 \"}] append lastChunk",
        "completed \"bye\"",
    ];
    assert_eq!(
        (all(&events[1..]), ended),
        (expected.map(str::to_owned).to_vec(), true)
    );
    // Not to one that has ended.
    for (binding, code) in [(Binding::Rest, 400), (Binding::Rpc, -32004)] {
        let refusal = world.open(binding, "SubscribeToTask", &given).unwrap_err();
        assert_eq!(refusal, ("UNSUPPORTED_OPERATION".to_owned(), code));
    }
}

#[test]
fn a_crash_is_an_event_of_its_own_and_the_task_fails_without_a_word() {
    for (binding, error) in [
        (
            Binding::Rest,
            json!({ "error": { "code": 500, "status": "INTERNAL", "message": "unknown exception" } }),
        ),
        (
            Binding::Rpc,
            json!({ "error": { "code": -32603, "message": "the executor crashed" }, "id": 1, "jsonrpc": "2.0" }),
        ),
    ] {
        let mut world = World::new("");
        let given = json!({ "message": world.message("work 1; crash") });
        let stream = world.open(binding, "SendStreamingMessage", &given).unwrap();
        world.after(2_000);
        let (frames, ended) = world.pulled(stream);
        let last = frames.last().unwrap();
        assert!(ended && last.bytes.starts_with(b"event: error\ndata: "));
        assert_eq!(data(last), error);
        let task = world.server.stats().per_task.into_keys().next().unwrap();
        let task = world.get(&task);
        assert_eq!(
            (&task["status"]["state"], task["status"].get("message")),
            (&json!("TASK_STATE_FAILED"), None)
        );
        // A start that waits gets the error, too, and never learns of its task.
        let given = json!({ "message": world.message("work 1; crash") });
        let code = if binding == Binding::Rest {
            500
        } else {
            -32603
        };
        let sent = world.call(binding, "SendMessage", &given);
        assert_eq!(
            (sent, world.server.stats().tasks),
            (Err((String::new(), code)), 2)
        );
    }
}

#[test]
fn several_streams_of_a_task_are_equal_and_silence_is_broken_by_comments() {
    let mut world = World::new("");
    let first = world.stream("quiet 40; done");
    let task = world.server.stats().per_task.into_keys().next().unwrap();
    let second = world.subscribe(&task);
    world.pulled(first);
    world.pulled(second);
    world.after(15_000);
    for stream in [first, second] {
        let (frames, ended) = world.pulled(stream);
        assert!(!ended && frames.len() == 1 && frames[0].seq.is_none());
        assert!(frames[0].bytes.starts_with(b": ping - 2026-05-12T10:15:15"));
    }
    world.after(25_000);
    for stream in [first, second] {
        let (frames, ended) = world.pulled(stream);
        assert_eq!(
            (told(&data(&frames[0])), ended),
            ("completed".to_owned(), true)
        );
    }
}

#[test]
fn a_direct_answer_is_the_whole_stream_and_a_credential_leaves_it_open() {
    let mut world = World::new("");
    let stream = world.stream("reply hello there");
    let (events, ended) = world.drain(stream);
    assert_eq!(
        (all(&events), ended),
        (
            vec!["message [{\"text\":\"hello there\"}]".to_owned()],
            true
        )
    );
    let stream = world.stream("auth 3; work 1; done ok");
    let (events, ended) = world.drain(stream);
    let expected = [
        "task submitted",
        "working",
        "auth_required \"sign in at http://127.0.0.1/consent\"",
        "working \"signed in\"",
        "working \"step 1\"",
        "completed \"ok\"",
    ];
    assert_eq!(
        (all(&events), ended),
        (expected.map(str::to_owned).to_vec(), true)
    );
}

#[test]
fn a_cancel_is_the_last_event_and_a_restart_ends_all_streams() {
    let mut world = World::new("");
    let stream = world.stream("work 30");
    let task = world.server.stats().per_task.into_keys().next().unwrap();
    world.after(1_300);
    world.cancel(&task).unwrap();
    let (events, ended) = world.drain(stream);
    let last = all(&events[2..]);
    assert_eq!(
        (last, ended),
        (
            vec!["working \"step 1\"".to_owned(), "canceled".to_owned()],
            true
        )
    );

    let (working, asking) = (
        world.start("work 60; done"),
        world.start("ask colour?; done"),
    );
    let stream = world.subscribe(&working);
    world.pulled(stream);
    world.after(1_500);
    world.server.restart(world.now);
    world.after(600_000);
    assert_eq!(world.pulled(stream), (Vec::new(), true));
    // It works for ever, and a subscription shows nothing more than that.
    let subscribed = world.subscribe(&working);
    let (events, ended) = world.drain(subscribed);
    assert_eq!(
        (all(&events), ended),
        (vec!["task working \"step 1\"".to_owned()], false)
    );
    assert_eq!(
        world.cancel(&working).unwrap()["status"]["state"],
        "TASK_STATE_CANCELED"
    );
    // The other can be answered, but what was to be done is forgotten.
    world.say(&asking, "red").unwrap();
    let done = world.get(&asking);
    assert_eq!(done["status"]["state"], "TASK_STATE_COMPLETED");
    let all = ["user: ask colour?; done", "agent: colour?"];
    assert_eq!(super::operations::history(&done), all);
}
