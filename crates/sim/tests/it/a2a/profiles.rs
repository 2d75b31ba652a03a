//! The profiles: what the servers do that were watched on the wire.

use serde_json::{Value, json};

use super::operations::history;
use super::streams::told;
use super::world::{Binding, World};

/// Returns what a walk shows, a line each, over JSON-RPC.
fn walk(profile: &str) -> Vec<String> {
    let mut world = World::new(&format!("profile = '{profile}'"));
    world.agent = String::new();
    let mut lines = Vec::new();
    let call = |world: &mut World, method: &str, given: &Value| {
        let begun = world.now;
        let outcome = world.call(Binding::Rpc, method, given);
        (outcome, (world.now - begun) / 1_000)
    };
    let task_of = |sent: &Value| sent["task"]["id"].clone();
    let state = |task: &Value| {
        let status = &task["status"];
        let text = status["message"]["parts"][0]["text"]
            .as_str()
            .unwrap_or("-");
        format!(
            "{} {text:?} {}",
            status["state"].as_str().unwrap(),
            status.get("timestamp").is_some()
        )
    };

    let given = world.hasty("work 2; artifact hello");
    let (sent, took) = call(&mut world, "SendMessage", &given);
    let sent = sent.unwrap();
    lines.push(format!("start: {} in {took} s", state(&sent["task"])));
    world.after(3_000);
    let id = task_of(&sent);
    let read = call(&mut world, "GetTask", &json!({ "id": id })).0.unwrap();
    let artifacts = read["artifacts"].as_array().map_or(0, Vec::len);
    lines.push(format!(
        "read: {}, {artifacts} artifacts, {:?}",
        state(&read),
        history(&read)
    ));
    let cancel = call(&mut world, "CancelTask", &json!({ "id": id })).0;
    let cancel = cancel.map(|task| state(&task));
    lines.push(format!("cancel of the ended: {cancel:?}"));

    let given = json!({ "message": world.message("ask colour?; done") });
    let asked = call(&mut world, "SendMessage", &given).0.unwrap();
    let id = task_of(&asked);
    lines.push(format!(
        "asked: {}, {:?}",
        state(&asked["task"]),
        history(&asked["task"])
    ));
    let mut given = world.hasty("red");
    given["message"]["taskId"] = id.clone();
    call(&mut world, "SendMessage", &given).0.unwrap();
    let read = call(&mut world, "GetTask", &json!({ "id": id })).0.unwrap();
    lines.push(format!("answered: {:?}", history(&read)));
    let many = call(
        &mut world,
        "GetTask",
        &json!({ "id": id, "historyLength": 11 }),
    );
    lines.push(format!("eleven messages: {:?}", many.0.map(drop)));

    let given = json!({ "message": world.message("work 1; ask colour?") });
    let stream = world
        .open(Binding::Rpc, "SendStreamingMessage", &given)
        .unwrap();
    let (events, ended) = world.drain(stream);
    let shapes: Vec<String> = events.iter().map(told).collect();
    let last = shapes.last().unwrap();
    let bare = events
        .iter()
        .filter(|event| event["result"].get("kind").is_some())
        .count();
    lines.push(format!("stream: {last}, {bare} bare, ended {ended}"));
    let id = world.server.stats().per_task.into_iter();
    let mut id = id
        .filter(|(_, task)| task.state == "TASK_STATE_INPUT_REQUIRED")
        .map(|(id, _)| id);
    let given = json!({ "id": id.next_back().unwrap() });
    let subscribed = world
        .open(Binding::Rpc, "SubscribeToTask", &given)
        .map(drop);
    lines.push(format!("subscribe: {subscribed:?}"));

    let given = json!({ "message": world.message("work 1; crash") });
    let crash = call(&mut world, "SendMessage", &given).0;
    let crash = crash.map(|sent| state(&sent["task"]));
    lines.push(format!("crash: {crash:?}"));
    lines
}

#[test]
fn the_python_sdk() {
    let expected = [
        "start: TASK_STATE_SUBMITTED \"-\" false in 0 s",
        "read: TASK_STATE_COMPLETED \"-\" true, 1 artifacts, [\"user: work 2; artifact hello\", \"agent: step 1\", \"agent: step 2\"]",
        "cancel of the ended: Err((\"TASK_NOT_CANCELABLE\", -32002))",
        "asked: TASK_STATE_INPUT_REQUIRED \"colour?\" true, [\"user: ask colour?; done\"]",
        "answered: [\"user: ask colour?; done\", \"agent: colour?\", \"user: red\"]",
        "eleven messages: Ok(())",
        "stream: input_required \"colour?\", 0 bare, ended true",
        "subscribe: Ok(())",
        "crash: Err((\"\", -32603))",
    ];
    assert_eq!(walk("py"), expected);
}

#[test]
fn the_javascript_sdk() {
    let expected = [
        "start: TASK_STATE_SUBMITTED \"-\" true in 0 s",
        "read: TASK_STATE_COMPLETED \"-\" true, 1 artifacts, [\"user: work 2; artifact hello\", \"agent: step 1\", \"agent: step 2\"]",
        "cancel of the ended: Err((\"TASK_NOT_CANCELABLE\", -32002))",
        "asked: TASK_STATE_INPUT_REQUIRED \"colour?\" true, [\"user: ask colour?; done\", \"agent: colour?\"]",
        "answered: [\"user: ask colour?; done\", \"agent: colour?\", \"user: red\"]",
        "eleven messages: Ok(())",
        "stream: input_required \"colour?\", 0 bare, ended true",
        "subscribe: Ok(())",
        "crash: Ok(\"TASK_STATE_FAILED \\\"Agent execution error: the executor crashed\\\" true\")",
    ];
    assert_eq!(walk("js"), expected);
}

#[test]
fn the_langgraph_server() {
    let expected = [
        "start: TASK_STATE_COMPLETED \"-\" true in 2 s",
        "read: TASK_STATE_COMPLETED \"Task completed successfully\" true, 0 artifacts, \
         [\"user: work 2; artifact hello\", \"agent: step 1\", \"agent: step 2\", \"agent: hello\"]",
        "cancel of the ended: Err((\"\", -32002))",
        "asked: TASK_STATE_INPUT_REQUIRED \"-\" true, [\"user: ask colour?; done\"]",
        "answered: [\"user: ask colour?; done\", \"agent: colour? -> red\"]",
        "eleven messages: Err((\"\", -32602))",
        "stream: bare input_required, 3 bare, ended true",
        "subscribe: Err((\"\", -32601))",
        "crash: Ok(\"TASK_STATE_FAILED \\\"Agent execution error: the executor crashed\\\" true\")",
    ];
    assert_eq!(walk("langgraph"), expected);
}
