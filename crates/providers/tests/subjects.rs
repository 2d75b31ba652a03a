//! A reply about another task is no reply about ours: every read of both platforms, with the id of its own task, with
//! none, and with another's.
#![allow(missing_docs)]

use http::StatusCode;
use serde_json::{Value, json};
use taskward_core::{
    Answer, Cursor, Operation, Provider, ReadError, ReadErrorKind, ReadKind, Response, TaskId, sse,
};
use taskward_providers::agent_harness::{AgentHarness, operations as h};
use taskward_providers::nanonets::{Nanonets, operations as n};

const OURS: &str = "f1c2a3b4-0000-4000-8000-000000000001";
const THEIRS: &str = "f1c2a3b4-0000-4000-8000-000000000002";

/// One place where a reply names its task: what the reply is with this value there.
type Place = fn(Value) -> Value;
/// One read: whether the reply was read, or why not.
type Read = fn(&Response) -> Result<(), ReadError>;

fn task() -> TaskId {
    TaskId::new(OURS)
}

fn read<P: Provider>(read: ReadKind, reply: &Response) -> Result<(), ReadError> {
    P::default().read(&task(), &read, reply).map(drop)
}

fn call<O: Operation>(operation: &O, reply: &Response) -> Result<(), ReadError> {
    operation.read(reply).map(drop)
}

fn event(reply: &Response) -> Result<(), ReadError> {
    let data = std::str::from_utf8(&reply.body).expect("text");
    let event = sse::Event {
        name: "run_event",
        data,
        id: "",
    };
    AgentHarness.read_event(&task(), &event).map(drop)
}

fn streamed(reply: &Response) -> Result<(), ReadError> {
    let data = std::str::from_utf8(&reply.body).expect("text");
    let stream = format!("event: run_event\ndata: {data}\n\n");
    call(
        &h::StreamRunEvents(OURS.into()),
        &Response::new(StatusCode::OK, stream),
    )
}

const TASK: &[Place] = &[|id| json!({"task_id": id, "status": "completed", "result": "r"})];
const MESSAGES: &[Place] = &[
    |id| json!({"data": [{"id": "m1", "task_id": id, "role": "user", "content": "x"}]}),
    |id| json!({"messages": [null, {"task_id": id, "role": "user"}]}),
    |id| json!([{"task_id": OURS, "role": "user"}, {"task_id": id, "role": "assistant"}]),
    |id| json!({"task_id": id, "data": []}),
];
const TRAIL: &[Place] = &[
    |id| json!({"task_id": id, "status": "failed", "feed": []}),
    |id| json!({"status": "failed", "feed": [{"task_id": id, "content": "x"}]}),
];
const WRITE: &[Place] = &[|id| json!({"task_id": id, "status": "stopped", "message_id": "m"})];
const RUN: &[Place] = &[
    |id| json!({"id": id, "status": "succeeded", "output": "r"}),
    |id| json!({"id": OURS, "run_id": id, "status": "running"}),
];
const EVENT: &[Place] = &[
    |id| json!({"seq": 1, "type": "step.progress", "run_id": id, "payload": {}}),
    |id| json!({"seq": 1, "type": "step.progress", "payload": {"run_id": id}}),
    |id| json!({"seq": 1, "type": "step.progress", "payload": {"value": {"run_id": id}}}),
];
const PAGE: &[Place] = &[
    |id| json!({"run_id": id, "events": []}),
    |id| json!({"events": [{"seq": 1, "type": "a", "run_id": id}]}),
    |id| json!({"data": [{"seq": 1, "type": "a"}, {"run_id": id}]}),
    |id| json!({"items": [{"seq": 1, "type": "a", "payload": {"run_id": id}}]}),
    |id| json!([{"seq": 1, "type": "a", "payload": {"value": {"run_id": id}}}]),
];
const SIGNAL: &[Place] = &[|id| json!({"id": "signal_1", "run_id": id})];

/// Every read that is about one task: its name, the places in its reply, and the read.
const READS: &[(&str, &[Place], Read)] = &[
    ("nanonets status", TASK, |reply| {
        read::<Nanonets>(ReadKind::Status, reply)
    }),
    ("nanonets result", TASK, |reply| {
        read::<Nanonets>(ReadKind::Result, reply)
    }),
    ("nanonets questions", MESSAGES, |reply| {
        read::<Nanonets>(ReadKind::Questions, reply)
    }),
    ("nanonets trail", TRAIL, |reply| {
        read::<Nanonets>(ReadKind::Steps, reply)
    }),
    ("nanonets mark", MESSAGES, |reply| {
        Nanonets.cursor(&task(), reply).map(drop)
    }),
    ("nanonets landed", MESSAGES, |reply| {
        let confirmation = Nanonets.find_write(&task(), reply, &Cursor::new(""), "x", None);
        confirmation.map(drop)
    }),
    ("nanonets opening", MESSAGES, |reply| {
        Nanonets.read_first_message(&task(), reply).map(drop)
    }),
    ("nanonets write", WRITE, |reply| {
        Nanonets.check_accepted(&task(), reply)
    }),
    ("getTaskStatus", TASK, |reply| {
        call(&n::GetTaskStatus(OURS.into()), reply)
    }),
    ("getTaskSummary", TASK, |reply| {
        call(&n::GetTaskSummary(OURS.into()), reply)
    }),
    ("getTaskResult", TRAIL, |reply| {
        call(&n::GetTaskResult(OURS.into()), reply)
    }),
    ("listTaskMessages", MESSAGES, |reply| {
        call(&n::ListTaskMessages(OURS.into()), reply)
    }),
    ("sendTaskMessage", WRITE, |reply| {
        let message = n::SendTaskMessage {
            task: OURS.into(),
            message: "x".into(),
        };
        call(&message, reply)
    }),
    ("cancelTask", WRITE, |reply| {
        call(&n::CancelTask(OURS.into()), reply)
    }),
    ("agent-harness status", RUN, |reply| {
        read::<AgentHarness>(ReadKind::Status, reply)
    }),
    ("agent-harness questions", RUN, |reply| {
        read::<AgentHarness>(ReadKind::Questions, reply)
    }),
    ("agent-harness result", RUN, |reply| {
        read::<AgentHarness>(ReadKind::Result, reply)
    }),
    ("agent-harness events", PAGE, |reply| {
        read::<AgentHarness>(ReadKind::Events { cursor: None }, reply)
    }),
    ("agent-harness event", EVENT, event),
    ("agent-harness write", SIGNAL, |reply| {
        AgentHarness.check_accepted(&task(), reply)
    }),
    ("getRun", RUN, |reply| call(&h::GetRun::new(OURS), reply)),
    ("listRunEvents", PAGE, |reply| {
        call(&h::ListRunEvents::new(OURS), reply)
    }),
    ("streamRunEvents", EVENT, streamed),
    ("signalRun", SIGNAL, |reply| {
        let signal = h::SignalRun::answer(OURS, "1", &Answer::Approve);
        call(&signal.expect("a signal"), reply)
    }),
    ("resumeRun", SIGNAL, |reply| {
        call(&h::ResumeRun(OURS.into()), reply)
    }),
];

/// Rows: D22.
#[test]
fn a_reply_that_names_another_task_is_unreadable_and_tells_nothing_of_it() {
    for (name, places, read) in READS {
        for (number, place) in places.iter().enumerate() {
            let read = |id: Value| {
                let body = place(id).to_string();
                read(&Response::new(StatusCode::OK, body))
            };
            let capitals = OURS.to_uppercase();
            for ours in [json!(OURS), json!(capitals), json!("")] {
                let found = read(ours.clone());
                assert_eq!(found, Ok(()), "{name} {number}, {ours}");
            }
            // The run itself needs an id to be read by itself, a watch does not.
            let absent = read(Value::Null);
            let needs_id = *name == "getRun" && number == 0;
            assert_eq!(absent.is_ok(), !needs_id, "{name} {number}: {absent:?}");
            for theirs in [json!(THEIRS), json!(7), json!("f1c2\u{fffd}")] {
                let error = read(theirs.clone()).expect_err(name);
                assert_eq!(error.kind(), ReadErrorKind::Foreign, "{name} {number}");
                let said = format!("{error} {error:?}");
                assert!(!said.contains("f1c2"), "{name} {number}: {said}");
            }
        }
    }
}

/// What an agent says may name any task, and messages, events and agents have ids of their own.
///
/// Rows: D22.
#[test]
fn what_is_no_name_of_the_task_is_not_taken_for_one() {
    let replies: &[(&str, Value)] = &[
        (
            "nanonets status",
            json!({"id": THEIRS, "status": "running"}),
        ),
        (
            "nanonets result",
            json!({"status": "completed", "result": {"task_id": THEIRS}, "extracted_data": {"task_id": THEIRS}}),
        ),
        (
            "nanonets questions",
            json!({"data": [{"id": THEIRS, "agent_id": THEIRS, "role": "user", "content": {"task_id": THEIRS}}]}),
        ),
        (
            "agent-harness status",
            json!({"id": OURS, "status": "succeeded", "output": {"run_id": THEIRS, "id": THEIRS}}),
        ),
        (
            "agent-harness event",
            json!({"seq": 1, "id": THEIRS, "type": "step.done", "payload": {"value": {"id": THEIRS, "call": {"run_id": THEIRS}}}}),
        ),
        ("signalRun", json!({"id": THEIRS})),
    ];
    for (name, reply) in replies {
        let (.., read) = READS
            .iter()
            .find(|(known, ..)| known == name)
            .expect("a read");
        let found = read(&Response::new(StatusCode::OK, reply.to_string()));
        assert_eq!(found, Ok(()), "{name}: {reply}");
    }
}
