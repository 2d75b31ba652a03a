//! Events in both bindings and both shapes, as the servers sent them (recorded exchanges a2a-04, a2a-05, a2a-08, a2a-09,
//! js-01 and lg-02).

use taskward_core::{ListEntry, Operation, ReadErrorKind, sse};
use taskward_providers::a2a::operations::{SendStreamingMessage, SubscribeToTask};
use taskward_providers::a2a::types::TaskArtifactUpdateEvent;
use taskward_providers::a2a::{A2a, Artifacts, State, TaskEvent};

use crate::{reply, rest, rpc};

fn event(agent: &A2a, name: &str, data: &str) -> Result<Option<TaskEvent>, ReadErrorKind> {
    let event = sse::Event { name, data, id: "" };
    agent.event_of(&event).map_err(|error| error.kind())
}

fn read(agent: &A2a, data: &str) -> TaskEvent {
    event(agent, "", data).expect(data).expect(data)
}

fn state(event: &TaskEvent) -> Option<State> {
    let status = match event {
        TaskEvent::Task(task) => &task.status,
        TaskEvent::Status(update) => &update.status,
        _ => return None,
    };
    status.state.as_ref().map(State::of)
}

const TASK: &str = "4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c";

/// LangGraph's stream: the first event wrapped, the others in the shape of 0.3, inside of 1.0.
const LG: [&str; 4] = [
    r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"kind":"task","id":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c","contextId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2","history":[{"kind":"message","role":"ROLE_USER","messageId":"ccceff2c-a12e-4a23-8dc2-ec399ebf2bb7","parts":[{"text":"hi"}],"taskId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c","contextId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2"}],"status":{"state":"TASK_STATE_SUBMITTED","timestamp":"2026-11-29T21:09:15.257221+00:00"}}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c","contextId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2","kind":"status-update","status":{"state":"TASK_STATE_WORKING","message":{"kind":"message","role":"ROLE_AGENT","parts":[{"kind":"text","text":"worked"}],"messageId":"fc90304c-9843-4c65-ab51-87ba2674b4c6","taskId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c","contextId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2"},"timestamp":"2026-11-29T21:09:17.267804+00:00"},"final":false}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c","contextId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2","kind":"artifact-update","artifact":{"artifactId":"72f395c4-fa88-4cbd-b6b3-baa633921040","name":"Assistant Response","description":"Response from assistant fe096781-5601-53d2-b2f6-0d3403f7e9ca","parts":[{"kind":"text","text":"worked"}]},"append":false,"lastChunk":true}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2:01a22923-fd87-73d3-9a14-7ca84efb777c","contextId":"4e296c7e-209f-469f-9cd6-3ba1ab8bdfd2","kind":"status-update","status":{"state":"TASK_STATE_COMPLETED","timestamp":"2026-11-29T21:09:17.283249+00:00"},"final":true}}"#,
];

/// The Python SDK's stream of version 0.3: bare from the first event on.
const OLD: [&str; 4] = [
    r#"{"id":1,"jsonrpc":"2.0","result":{"contextId":"f4ac3492-7750-40e6-adf6-d671e0ec97e8","history":[{"contextId":"f4ac3492-7750-40e6-adf6-d671e0ec97e8","kind":"message","messageId":"87d1ec54-7d44-426a-8acf-e6f093d44c1c","parts":[{"kind":"text","text":"chunks 2 .1; ask colour?"}],"role":"user","taskId":"ae4dd607-7e8b-4a0e-8894-c5fe7cc5943d"}],"id":"ae4dd607-7e8b-4a0e-8894-c5fe7cc5943d","kind":"task","status":{"state":"submitted"}}}"#,
    r#"{"id":1,"jsonrpc":"2.0","result":{"append":false,"artifact":{"artifactId":"chunked","name":"chunked","parts":[{"kind":"text","text":"piece 1 "}]},"contextId":"f4ac3492-7750-40e6-adf6-d671e0ec97e8","kind":"artifact-update","lastChunk":false,"taskId":"ae4dd607-7e8b-4a0e-8894-c5fe7cc5943d"}}"#,
    r#"{"id":1,"jsonrpc":"2.0","result":{"append":true,"artifact":{"artifactId":"chunked","name":"chunked","parts":[{"kind":"text","text":"piece 2 "}]},"contextId":"f4ac3492-7750-40e6-adf6-d671e0ec97e8","kind":"artifact-update","lastChunk":true,"taskId":"ae4dd607-7e8b-4a0e-8894-c5fe7cc5943d"}}"#,
    r#"{"id":1,"jsonrpc":"2.0","result":{"contextId":"f4ac3492-7750-40e6-adf6-d671e0ec97e8","final":false,"kind":"status-update","status":{"message":{"contextId":"f4ac3492-7750-40e6-adf6-d671e0ec97e8","kind":"message","messageId":"97195726-1294-4253-97a4-8a64a0452f2e","parts":[{"kind":"text","text":"colour?"}],"role":"agent","taskId":"ae4dd607-7e8b-4a0e-8894-c5fe7cc5943d"},"state":"input-required","timestamp":"2026-11-29T21:05:28.377821Z"},"taskId":"ae4dd607-7e8b-4a0e-8894-c5fe7cc5943d"}}"#,
];

/// The Python SDK's stream over HTTP+JSON: artifacts in pieces, then the end.
const PY: [&str; 5] = [
    r#"{"task": {"id": "54568db8-fd54-4036-b761-86e662b125e4", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "status": {"state": "TASK_STATE_SUBMITTED"}, "history": [{"messageId": "eb47bb5e-2fc6-49fa-9b66-4988b4507bb7", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "taskId": "54568db8-fd54-4036-b761-86e662b125e4", "role": "ROLE_USER", "parts": [{"text": "work 1; chunks 3 0.2; artifact whole; done bye"}]}]}}"#,
    r#"{"artifactUpdate": {"taskId": "54568db8-fd54-4036-b761-86e662b125e4", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "artifact": {"artifactId": "chunked", "name": "chunked", "parts": [{"text": "piece 1 "}]}}}"#,
    r#"{"artifactUpdate": {"taskId": "54568db8-fd54-4036-b761-86e662b125e4", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "artifact": {"artifactId": "chunked", "name": "chunked", "parts": [{"text": "piece 2 "}]}, "append": true, "lastChunk": true}}"#,
    r#"{"artifactUpdate": {"taskId": "54568db8-fd54-4036-b761-86e662b125e4", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "artifact": {"artifactId": "71565269-2eee-4b36-9ed2-f9a57e020a1c", "name": "text", "parts": [{"text": "whole"}]}}}"#,
    r#"{"statusUpdate": {"taskId": "54568db8-fd54-4036-b761-86e662b125e4", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "status": {"state": "TASK_STATE_COMPLETED", "message": {"messageId": "0abbc60a-313e-40ec-9b50-42f5f2ef976f", "contextId": "2cb58322-9d13-4d09-9ae0-79ddf08f0396", "taskId": "54568db8-fd54-4036-b761-86e662b125e4", "role": "ROLE_AGENT", "parts": [{"text": "bye"}]}, "timestamp": "2026-11-29T21:03:39.203425Z"}}}"#,
];

fn joined(events: &[TaskEvent]) -> Vec<(String, Option<String>, bool)> {
    let mut artifacts = Artifacts::default();
    for event in events {
        if let TaskEvent::Artifact(update) = event {
            artifacts.apply(update);
        }
    }
    artifacts
        .iter()
        .map(|one| (one.id.clone(), one.text(), one.is_complete))
        .collect()
}

/// Rows: P7, P13.
#[test]
fn a_stream_reads_the_same_in_every_shape_that_servers_mix() {
    let of = |agent: &A2a, data: &[&str]| -> Vec<TaskEvent> {
        data.iter().map(|data| read(agent, data)).collect()
    };
    let names = |events: &[TaskEvent]| -> Vec<String> {
        events.iter().map(|event| event.name().to_owned()).collect()
    };
    let text = |text: &str| Some(text.to_owned());

    let lg = of(&rpc(), &LG);
    assert_eq!(
        names(&lg),
        ["task", "statusUpdate", "artifactUpdate", "statusUpdate"]
    );
    assert!(
        lg.iter()
            .all(|event| event.check(TASK).is_ok() && event.task_id() == Some(TASK))
    );
    let states: Vec<_> = lg.iter().filter_map(state).collect();
    assert_eq!(states, [State::Submitted, State::Working, State::Completed]);
    assert_eq!(
        joined(&lg),
        [(
            "72f395c4-fa88-4cbd-b6b3-baa633921040".to_owned(),
            text("worked"),
            true
        )]
    );

    let old = of(&rpc(), &OLD);
    assert_eq!(
        names(&old),
        ["task", "artifactUpdate", "artifactUpdate", "statusUpdate"]
    );
    let states: Vec<_> = old.iter().filter_map(state).collect();
    assert_eq!(states, [State::Submitted, State::InputRequired]);
    assert_eq!(
        joined(&old),
        [("chunked".to_owned(), text("piece 1 piece 2 "), true)]
    );

    let py = of(&rest(), &PY);
    let states: Vec<_> = py.iter().filter_map(state).collect();
    assert_eq!(states, [State::Submitted, State::Completed]);
    assert_eq!(
        joined(&py),
        [
            ("chunked".to_owned(), text("piece 1 piece 2 "), true),
            (
                "71565269-2eee-4b36-9ed2-f9a57e020a1c".to_owned(),
                text("whole"),
                false
            ),
        ]
    );
    // A wrapped event is the same in both bindings.
    for data in PY {
        assert_eq!(read(&rpc(), &crate::wrapped(data)), read(&rest(), data));
    }
}

/// Rows: P13.
#[test]
fn an_artifact_that_comes_again_whole_replaces_its_earlier_form() {
    let update = |json: &str| -> TaskArtifactUpdateEvent {
        taskward_providers::wire::decode(json.as_bytes()).expect(json)
    };
    let mut all = Artifacts::default();
    for json in [
        r#"{"artifact":{"artifactId":"a","name":"n","parts":[{"text":"old"}]}}"#,
        r#"{"artifact":{"artifactId":"a","parts":[{"text":"ne"}]},"append":false}"#,
        r#"{"artifact":{"artifactId":"b","parts":[{"text":"never begun"}]},"append":true}"#,
        r#"{"artifact":{"artifactId":"a","parts":[{"text":"w"},{"data":{"x":1}}]},"append":true,"lastChunk":true}"#,
        r#"{"artifact":null}"#,
    ] {
        all.apply(&update(json));
    }
    let text: Vec<_> = all
        .iter()
        .map(|one| one.text().unwrap_or_default())
        .collect();
    assert_eq!(text, ["new", "never begun"]);
    let first = all.iter().next().expect("one");
    assert_eq!(
        (first.name.as_deref(), first.data()),
        (Some("n"), Some(&serde_json::json!({"x": 1})))
    );
    assert_eq!(all.text().as_deref(), Some("new\nnever begun"));
    assert_eq!((&all).into_iter().count(), 2);
}

#[test]
fn an_error_event_is_one_in_either_binding_and_says_nothing_about_the_task() {
    for (agent, data) in [
        (
            rest(),
            r#"{"error": {"code": 500, "status": "INTERNAL", "message": "unknown exception"}}"#,
        ),
        (
            rpc(),
            r#"{"error": {"code": -32603, "message": "the executor crashed"}, "id": 1, "jsonrpc": "2.0"}"#,
        ),
    ] {
        let Ok(Some(TaskEvent::Error(error))) = event(&agent, "error", data) else {
            panic!("{data}");
        };
        assert!(error.code.is_some() && error.message.is_some());
        for odd in ["crashed", "{}", "[]", r#"{"message":"#] {
            let read = event(&agent, "error", odd).expect(odd).expect(odd);
            assert_eq!(read.task_id(), None, "{odd}");
            assert!(
                matches!(read, TaskEvent::Error(_) | TaskEvent::Unknown(_)),
                "{odd}: {read:?}"
            );
        }
    }
}

/// Rows: P7.
#[test]
fn an_event_of_no_known_kind_is_unknown_and_one_without_data_is_none() {
    for data in [
        r#"{"futureUpdate":{"taskId":"t"}}"#,
        r#"{"kind":"thought-update","taskId":"t"}"#,
        "{}",
        r#"{"task":null,"statusUpdate":7,"message":"hi"}"#,
    ] {
        assert!(
            matches!(read(&rest(), data), TaskEvent::Unknown(_)),
            "{data}"
        );
    }
    for data in ["", " \n"] {
        assert_eq!(event(&rest(), "message", data), Ok(None));
    }
    for (data, kind) in [
        ("{", ReadErrorKind::Truncated),
        ("hi", ReadErrorKind::NotJson),
        ("[]", ReadErrorKind::Shape),
    ] {
        assert_eq!(event(&rest(), "", data), Err(kind));
        assert_eq!(event(&rpc(), "", data), Err(kind));
    }
    // Of several, the one with the task's id counts.
    let both = r#"{"message":{"parts":[{"text":"hi"}]},"task":{"id":"t"}}"#;
    assert_eq!(read(&rest(), both).task_id(), Some("t"));
    let direct = r#"{"message": {"messageId": "7730bbb8", "role": "ROLE_AGENT", "parts": [{"text": "hello there"}]}}"#;
    assert!(matches!(read(&rest(), direct), TaskEvent::Message(_)));
    // Bare ones without their kind are known by their fields.
    for (data, name) in [
        (
            r#"{"taskId":"t","status":{"state":"working"}}"#,
            "statusUpdate",
        ),
        (
            r#"{"taskId":"t","artifact":{"parts":[]}}"#,
            "artifactUpdate",
        ),
        (r#"{"id":"t","status":{"state":"working"}}"#, "task"),
        (r#"{"messageId":"m","role":"agent","parts":[]}"#, "message"),
    ] {
        assert_eq!(read(&rest(), data).name(), name, "{data}");
    }
}

/// Rows: D22.
#[test]
fn a_stream_is_read_at_every_cut_and_another_task_s_event_spoils_it() {
    let stream: String = LG
        .iter()
        .map(|data| format!("event: message\ndata: {data}\n\n"))
        .collect();
    let whole = format!(": ping - 2026-11-29\n\n{stream}");
    let subscribe = SubscribeToTask::new(&rpc(), TASK);
    let read = |body: &[u8]| subscribe.read(&reply(200, body)).expect("a stream");
    let all = read(whole.as_bytes());
    assert_eq!(all.readable().count(), 4);
    let mut before = 0;
    for end in 0..=whole.len() {
        let events = read(&whole.as_bytes()[..end]);
        assert_eq!(events.unreadable(), 0, "cut at {end}");
        assert!(
            events.len() == before || events.len() == before + 1,
            "cut at {end}"
        );
        before = events.len();
        assert_eq!(events.entries(), &all.entries()[..before]);
    }
    let foreign = whole.replacen("\"taskId\":\"4e29", "\"taskId\":\"5e29", 1);
    // The first taskId is a message's, which an agent writes.
    assert!(subscribe.read(&reply(200, &foreign)).is_ok());
    let foreign = whole.replace(
        "\"result\":{\"taskId\":\"4e29",
        "\"result\":{\"taskId\":\"5e29",
    );
    let error = subscribe.read(&reply(200, &foreign)).expect_err("foreign");
    assert_eq!(error.kind(), ReadErrorKind::Foreign);
    // A message's own stream belongs to whatever task it started.
    let send = SendStreamingMessage::new(&rest(), crate::requests::message());
    let body: String = PY.iter().map(|data| format!("data: {data}\n\n")).collect();
    let events = send
        .read(&reply(200, body + "data: nonsense\n\n"))
        .expect("a stream");
    assert_eq!((events.len(), events.unreadable()), (6, 1));
    assert!(matches!(events.entries()[5], ListEntry::Unreadable));
    assert_eq!(
        send.classify(&reply(200, "data: {\"error\":{}}\n\n")),
        Ok(())
    );
}
