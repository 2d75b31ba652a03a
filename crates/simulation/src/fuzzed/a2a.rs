//! What an agent of either binding would say, to begin with.

use serde_json::Value;
use taskward_core::http::header::ACCEPT;
use taskward_core::{
    ApiError, ErrorClass, Provider, ReadKind, Request, Response, Segment, TaskId, sse,
};
use taskward_providers::a2a::{A2a, Binding, Job};

use super::platforms::{Kind, Platform};

/// Returns the agent that a byte stands for.
pub(super) fn agent(byte: u8) -> A2a {
    let binding = Binding::ALL[usize::from(byte % 2)];
    let agent = A2a::at(binding, "/a").expect("a path");
    agent.with_streaming(byte & 2 == 0)
}

/// The same things as both bindings say them: bodies of replies and pieces of streams.
macro_rules! said {
    (replies: [$($reply:literal),* $(,)?], events: [$($event:literal),* $(,)?]) => {
        const REST: &[&str] = &[
            $($reply,)*
            r#"{"error":{"code":404,"status":"NOT_FOUND","message":"no","details":[{"reason":"TASK_NOT_FOUND"}]}}"#,
            r#"{"error":{"code":400,"message":"no","details":[{"reason":"UNSUPPORTED_OPERATION"}]}}"#,
            r#"{"error":{"code":400,"message":"no","details":[{"reason":"INVALID_PARAMS"}]}}"#,
            "<html>",
            "",
        ];
        const RPC: &[&str] = &[
            $(concat!(r#"{"jsonrpc":"2.0","id":1,"result":"#, $reply, "}"),)*
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32004,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":401,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            "<html>",
            "",
        ];
        const REST_FRAMES: &[&str] = &[
            $(concat!("data: ", $event, "\n\n"),)*
            "event: error\ndata: {\"error\":{\"code\":500,\"message\":\"boom\"}}\n\n",
            ": ping\n\n",
            "data: {\"task\":",
            "\n\n",
            "",
        ];
        const RPC_FRAMES: &[&str] = &[
            $(concat!("data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":", $event, "}\n\n"),)*
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"boom\"}}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32004,\"message\":\"no\"}}\n\n",
            ": ping\n\n",
            "data: {\"task\":",
            "\n\n",
            "",
        ];
    };
}

said! {
    replies: [
        r#"{"task":{"id":"t1","contextId":"c","status":{"state":"TASK_STATE_SUBMITTED"}}}"#,
        r#"{"id":"t1","contextId":"c","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-11-29T21:02:0@Z"}}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_INPUT_REQUIRED","timestamp":"2026-11-29T21:03:0@Z","message":{"messageId":"q@","role":"ROLE_AGENT","parts":[{"text":"which?"}]}}}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_AUTH_REQUIRED"}}"#,
        r#"{"id":"t1","status":{"state":"input-required"},"history":[]}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"artifactId":"a","parts":[{"text":"do"},{"text":"ne"}]}]}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"artifactId":"a","parts":[{"data":{"data":{"a":1}}}]}]}"#,
        r#"{"id":"t1","status":{"state":"completed"},"history":[{"role":"agent","parts":[{"kind":"text","text":"done"}]}]}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_FAILED","message":{"parts":[{"text":"boom"}]}}}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_REJECTED"}}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_CANCELED"}}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_THINKING"}}"#,
        r#"{"id":"t1","status":{"state":"TASK_STATE_WORKING"},"history":[{"messageId":"m@","role":"ROLE_USER","parts":[{"text":"hello"}]}]}"#,
        r#"{"message":{"messageId":"m1","role":"ROLE_AGENT","parts":[{"text":"done"}]}}"#,
        r#"{"task":{"id":"t1","status":{"state":"TASK_STATE_WORKING"}},"message":{"taskId":"t1","parts":[{"text":"hi"}]}}"#,
        r#"{"task":{"id":"","status":7}}"#,
        r#"{"id":"t2","status":{"state":"TASK_STATE_COMPLETED"}}"#,
        r#"{"tasks":[]}"#,
        r#"{"tasks":[{"id":"t1","status":{"state":"TASK_STATE_WORKING"}}],"nextPageToken":""}"#,
        r#"{"tasks":[{"id":"t1"},{"id":"t@"},7],"nextPageToken":"@"}"#,
    ],
    events: [
        r#"{"task":{"id":"t1","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}"#,
        r#"{"statusUpdate":{"taskId":"t1","status":{"state":"TASK_STATE_WORKING","timestamp":"2026-11-29T21:02:0@Z"}}}"#,
        r#"{"statusUpdate":{"taskId":"t1","status":{"state":"TASK_STATE_INPUT_REQUIRED","message":{"messageId":"q@","parts":[{"text":"which?"}]}}}}"#,
        r#"{"kind":"status-update","taskId":"t1","final":true,"status":{"state":"auth-required"}}"#,
        r#"{"statusUpdate":{"taskId":"t1","status":{"state":"TASK_STATE_COMPLETED"}}}"#,
        r#"{"statusUpdate":{"taskId":"t1","status":{"state":"TASK_STATE_FAILED","message":{"parts":[{"text":"boom"}]}}}}"#,
        r#"{"kind":"status-update","taskId":"t1","status":{"state":"rejected"}}"#,
        r#"{"statusUpdate":{"taskId":"t1","status":{"state":"TASK_STATE_CANCELED"}}}"#,
        r#"{"artifactUpdate":{"taskId":"t1","append":true,"artifact":{"artifactId":"a@","parts":[{"text":"piece"}]}}}"#,
        r#"{"kind":"artifact-update","taskId":"t1","lastChunk":true,"artifact":{"artifactId":"a","parts":[{"kind":"data","data":{}}]}}"#,
        r#"{"message":{"messageId":"m1","taskId":"t1","role":"ROLE_AGENT","parts":[{"text":"done"}]}}"#,
        r#"{"task":{"id":"t1","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"parts":[{"text":"done"}]}]}}"#,
        r#"{"statusUpdate":{"taskId":"t2","status":{"state":"TASK_STATE_FAILED"}}}"#,
        r#"{"newWord":{"taskId":"t1"}}"#,
    ]
}

impl Platform for A2a {
    const NUMBERED: bool = false;
    const COMPLETED: &'static [&'static str] = &["COMPLETED", "completed"];
    const FAILED: &'static [&'static str] = &["FAILED", "failed", "REJECTED", "rejected"];
    const STOPPED: &'static [&'static str] = &["CANCELED", "canceled"];

    fn job() -> Job {
        Job::text("go")
    }

    fn replies(&self) -> &'static [&'static str] {
        match self.binding() {
            Binding::JsonRpc => RPC,
            _ => REST,
        }
    }

    fn frames(&self) -> &'static [&'static str] {
        match self.binding() {
            Binding::JsonRpc => RPC_FRAMES,
            _ => REST_FRAMES,
        }
    }

    fn kind(&self, id: Option<&TaskId>, request: &Request) -> Kind {
        let body: Vec<u8> = request
            .body()
            .segments()
            .flat_map(|segment| match segment {
                Segment::Bytes(bytes) => bytes.to_vec(),
                Segment::Source(_) => Vec::new(),
            })
            .collect();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let params = body.get("params").unwrap_or(&body);
        if let Some(message) = params.get("message") {
            return match message.get("taskId") {
                Some(_) => Kind::Write,
                None => Kind::Start,
            };
        }
        let accept = request.headers().get(ACCEPT);
        if accept.is_some_and(|accept| accept == "text/event-stream") {
            return Kind::Stream;
        }
        let status = id.and_then(|id| self.read_request(id, &ReadKind::Status).ok());
        match status.is_some_and(|status| status.digest() == request.digest()) {
            true => Kind::Status,
            false => Kind::Other,
        }
    }

    fn in_other_words(&self, reply: &Response) -> Option<u16> {
        self.classify(reply)
            .err()
            .map(|error| in_words_of_http(&error))
    }

    fn is_refusal(&self, event: &sse::Event<'_>) -> bool {
        let error = self.classify_event(event).err();
        error.is_some_and(|error| in_words_of_http(&error) < 500)
    }
}

/// Returns the status that says what an error says.
fn in_words_of_http(error: &ApiError) -> u16 {
    match error.class {
        ErrorClass::Unauthorised => 401,
        ErrorClass::Gone => 404,
        ErrorClass::RateLimited => 429,
        ErrorClass::Server => 500,
        _ => 400,
    }
}
