//! One event of a stream, from the chunk to the event that is told: as a followed task takes it, and as a loop by hand
//! would.

use std::hint::black_box;

use serde_json::Value;
use taskward_core::bytes::Bytes;
use taskward_core::http::StatusCode;
use taskward_core::{
    Event, EventSeq, Head, OriginBudget, Policy, Seed, Step, Task, TaskId, Timestamp,
};
use taskward_providers::agent_harness::AgentHarness;

use crate::contender::Contender;

/// One event as the platform sends it: about 190 bytes.
fn frame(seq: u64) -> Bytes {
    let data = format!(
        r#"{{"seq":{seq},"type":"step.progress","timestamp":"2026-03-04T05:06:07.123Z","payload":{{"redacted":false,"value":{{"kind":"content_delta","content_delta":"and so on, word for word"}}}}}}"#
    );
    Bytes::from(format!("event: run_event\ndata: {data}\n\n"))
}

/// How many events are made beforehand; their numbers have one length, so that all cost the same.
const EVENTS: u64 = 50_000;
const FIRST: u64 = 100_001;

fn frames() -> Vec<Bytes> {
    (FIRST..FIRST + EVENTS).map(frame).collect()
}

/// Returns a task whose stream is open, at the place before the first frame.
fn opened(
    now: Timestamp,
    shared: &OriginBudget,
) -> (Task<AgentHarness>, taskward_core::ExchangeId) {
    let after = Some(EventSeq(FIRST - 1));
    let id = TaskId::new("run_1");
    let mut task = Task::attach(
        AgentHarness,
        id,
        after,
        Policy::default(),
        Seed([7; 32]),
        now,
    );
    loop {
        match task.next_step(now, shared) {
            Step::Save { revision } => task.saved(revision),
            Step::Event { no, .. } => task.taken(no),
            Step::Open { id, .. } => {
                task.sent(id);
                task.handle_head(id, Head::new(StatusCode::OK), now);
                return (task, id);
            }
            Step::Send { id, .. } => {
                task.sent(id);
                let reply = r#"{"id":"run_1","status":"running"}"#;
                task.handle_response(id, taskward_core::Response::new(StatusCode::OK, reply), now);
            }
            step => unreachable!("a task that is attached to opens its stream: {step:?}"),
        }
    }
}

/// Returns the machine: the chunk is handed over, decoded, judged and told.
fn told() -> Box<dyn FnMut()> {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let shared = OriginBudget::new();
    let frames = frames();
    let (mut task, mut id) = opened(now, &shared);
    let mut next = 0;
    Box::new(move || {
        if next == frames.len() {
            next = 0;
            (task, id) = opened(now, &shared);
        }
        task.handle_chunk(id, frames[next].clone(), now);
        next += 1;
        loop {
            match task.next_step(now, &shared) {
                Step::Event { no, event, .. } => {
                    assert!(matches!(*black_box(event), Event::Provider(_)));
                    task.taken(no);
                }
                Step::Save { revision } => task.saved(revision),
                Step::Receive { .. } => return,
                step => unreachable!("an event comes alone: {step:?}"),
            }
        }
    })
}

/// Returns a loop by hand: a peer's decoder and a value. No position, no duplicates dropped, nothing judged.
fn by_hand() -> Box<dyn FnMut()> {
    let frames = frames();
    let mut decoder = sse_core::SseDecoder::new();
    let mut next = 0;
    Box::new(move || {
        let mut rest: &[u8] = &frames[next % frames.len()];
        next += 1;
        let Some(Ok(sse_core::SseEvent::Message(message))) = decoder.next(&mut rest) else {
            unreachable!("a chunk is an event");
        };
        let value: Value = serde_json::from_str(&message.data).expect("JSON");
        black_box(value);
    })
}

/// Returns the contenders of this bench.
pub(crate) fn contenders() -> Vec<Contender> {
    let one = |name, target, prepare| Contender::new("stream", name, target, prepare);
    vec![
        one("event-told", None, told),
        one("sse-core-and-value", None, by_hand),
    ]
}
