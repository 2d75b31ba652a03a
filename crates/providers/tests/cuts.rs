//! A reply that ends too early is told as such, at whatever byte it ends, and never read as a smaller reply.
#![allow(missing_docs)]

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use taskward_providers::{
    generated::{agent_harness, nanonets},
    wire::{DecodeError, decode},
};

/// The whole body is a `T`, also behind a byte order mark, and none of its beginnings is.
fn is_whole_only<T: DeserializeOwned + Debug>(body: &str) {
    for body in [body.to_owned(), format!("\u{feff} {body}\n")] {
        decode::<T>(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
        let start = body.len() - body.trim_start_matches(['\u{feff}', ' ']).len();
        let end = body.trim_end().len();
        for cut in 0..end {
            let error =
                decode::<T>(&body.as_bytes()[..cut]).expect_err("a beginning of a reply is none");
            match error {
                DecodeError::Empty => assert!(cut <= start, "{cut} of {body}"),
                DecodeError::Truncated { .. } => assert!(cut > start, "{cut} of {body}"),
                other => panic!("{cut} of {body}: {other}"),
            }
        }
    }
}

#[test]
fn every_cut_of_a_nanonets_reply_is_told() {
    use nanonets::{AgentList, Error, MessageList, RunAgentResponse, Task, TaskResult};
    let task = r#"{"task_id":"67e55044-10b1-426f-9247-bb680e5fe0c8","status":"running","created_at":"2026-05-12T10:15:00Z","title":"é\ud83d\ude00","new":[1,{"a":null}]}"#;
    is_whole_only::<RunAgentResponse>(task);
    is_whole_only::<Task>(task);
    is_whole_only::<TaskResult>(
        r#"{"status":"completed","result":{"total":-1.5e3},"feed":[{"content":[true,"x"]},7]}"#,
    );
    is_whole_only::<AgentList>(r#"{"data":[{"id":"a"},{"id":"b"}],"has_more":false}"#);
    is_whole_only::<MessageList>(r#"{"messages":[{"role":"user","content":"a\"b\\"},null]}"#);
    is_whole_only::<Error>(r#"{"error":"no such task","detail":1234567890123456789012}"#);
}

#[test]
fn every_cut_of_an_agent_harness_reply_is_told() {
    use agent_harness::{ApiKey, CreateRunResponse, Error, Run, RunEvent, RunEventPage, Usage};
    let run = r#"{"id":"run_abc123","status":"queued","request_id":null,"replayed":true,"new":[1,{"a":"\ud83d"}]}"#;
    is_whole_only::<CreateRunResponse>(run);
    is_whole_only::<Run>(run);
    let waits = r#"{"seq":7,"type":"run.awaiting_input","timestamp":"2026-01-02T03:04:05.678Z","payload":{"redacted":false,"value":{"request_id":"9f6c","reason_code":"AWAITING_APPROVAL","input_kind":"approval"}}}"#;
    let delta = r#"{"payload":{"value":{"kind":"content_delta","content_delta":"é\n\ud83d\ude00","n":-1.5e3},"redacted":null},"type":"step.progress","seq":"8"}"#;
    is_whole_only::<RunEvent>(waits);
    is_whole_only::<RunEvent>(delta);
    is_whole_only::<RunEventPage>(&format!("[{waits},{{\"odd\":1}},{delta}]"));
    is_whole_only::<RunEventPage>("[]");
    for name in ["events", "data", "items"] {
        is_whole_only::<RunEventPage>(&format!(
            r#"{{"{name}":[{waits},{delta}],"next_cursor":12,"cursor":"a"}}"#
        ));
    }
    is_whole_only::<Usage>(r#"{"totals":[{"event_type":"tokens.consumed","count":12}]}"#);
    is_whole_only::<ApiKey>(r#"{"key_id":"key_abc","secret":"s"}"#);
    is_whole_only::<Error>(
        r#"{"error":"no such run","reason_code":"run_not_found","request_id":"req_abc123xyz"}"#,
    );
}
