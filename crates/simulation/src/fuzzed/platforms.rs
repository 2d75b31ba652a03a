//! What the platforms would say, to begin with.

use taskward_core::http::Method;
use taskward_core::http::header::ACCEPT;
use taskward_core::{Provider, ReadKind, Request, Response, TaskId, sse};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{self, Nanonets};

/// What an exchange is for, as a server can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    /// An answer or a message.
    Write,
    Stream,
    Status,
    Other,
}

/// A platform as the bytes may play it.
pub(super) trait Platform: Provider {
    /// Whether the events of a stream are numbered.
    const NUMBERED: bool = true;
    /// Without one of these words the server has not said that the task completed.
    const COMPLETED: &'static [&'static str];
    /// Without one of these words the server has not said that the agent failed.
    const FAILED: &'static [&'static str];
    /// Without one of these words the server has not said that the task was stopped.
    const STOPPED: &'static [&'static str];

    fn job() -> Self::Job;

    /// Returns bodies of replies.
    fn replies(&self) -> &'static [&'static str];

    /// Returns pieces of a stream.
    fn frames(&self) -> &'static [&'static str];

    /// Returns what a request is for, as its server sees it.
    fn kind(&self, id: Option<&TaskId>, request: &Request) -> Kind {
        let accept = request.headers().get(ACCEPT);
        let status = id.and_then(|id| self.read_request(id, &ReadKind::Status).ok());
        if id.is_none() {
            Kind::Start
        } else if request.method() == Method::POST && !request.body().is_empty() {
            Kind::Write
        } else if accept.is_some_and(|accept| accept == "text/event-stream") {
            Kind::Stream
        } else if status.is_some_and(|status| status.target() == request.target()) {
            Kind::Status
        } else {
            Kind::Other
        }
    }

    /// Returns the status that says what a reply says, where its own does not.
    fn in_other_words(&self, _reply: &Response) -> Option<u16> {
        None
    }

    /// Returns whether an event says that the server did not do what it was asked.
    fn is_refusal(&self, _event: &sse::Event<'_>) -> bool {
        false
    }
}

impl Platform for Nanonets {
    const COMPLETED: &'static [&'static str] = &["completed"];
    const FAILED: &'static [&'static str] = &["failed"];
    const STOPPED: &'static [&'static str] = &["stopped"];

    fn job() -> nanonets::Job {
        nanonets::Job::agent("a").query("go")
    }

    fn replies(&self) -> &'static [&'static str] {
        &[
            r#"{"task_id":"t1","status":"running"}"#,
            r#"{"status":"pending"}"#,
            r#"{"status":"waiting_for_input"}"#,
            r#"{"status":"completed"}"#,
            r#"{"status":"completed","result":{"summary":"done"},"extracted_data":{"a":1}}"#,
            r#"{"status":"failed"}"#,
            r#"{"status":"stopped"}"#,
            r#"{"status":"awaiting_review"}"#,
            r#"{"status":"thinking"}"#,
            r#"{"data":[{"id":"m@","role":"assistant","content":"which?"}]}"#,
            r#"{"data":[{"id":"m1","role":"assistant","content":"which?"},{"id":"u@","role":"user","content":"yes"}]}"#,
            r#"{"data":[{"id":"m1","role":"assistant","content":"which?"},{"id":"u1","role":"user","content":"hello"},{"id":"m@","role":"assistant","content":{"text":"and?"}}]}"#,
            r#"{"messages":[{"role":"assistant","content":"@"},{"role":"user","content":"hello"}]}"#,
            r#"{"data":[]}"#,
            r#"{"status":"failed","feed":[{"content":"first"},{"error":{"text":"boom"}}]}"#,
            r#"{"status":"stopped","feed":null}"#,
            r#"{"task_id":null}"#,
            r#"{"task_id":"..","status":7}"#,
            r#"{"error":"no"}"#,
            "<html>",
            "",
        ]
    }

    fn frames(&self) -> &'static [&'static str] {
        &[]
    }
}

impl Platform for AgentHarness {
    const COMPLETED: &'static [&'static str] = &["succeeded"];
    const FAILED: &'static [&'static str] = &["failed", "limit_exceeded"];
    const STOPPED: &'static [&'static str] = &["cancelled"];

    fn job() -> agent_harness::Job {
        agent_harness::Job::goal("go")
    }

    fn replies(&self) -> &'static [&'static str] {
        &[
            r#"{"id":"r1","status":"running"}"#,
            r#"{"id":"r1","status":"queued","replayed":true}"#,
            r#"{"id":"r1","status":"awaiting_input"}"#,
            r#"{"id":"r1","status":"succeeded","result":"done"}"#,
            r#"{"id":"r1","status":"failed"}"#,
            r#"{"id":"r1","status":"cancelled"}"#,
            r#"{"id":"r1","status":"stalled"}"#,
            r#"{"id":"r1","status":"thinking"}"#,
            r#"{"events":[{"seq":1,"type":"run.created"},{"seq":2,"type":"run.worker_started"}],"next_cursor":null}"#,
            r#"{"events":[{"seq":@,"type":"step.progress","payload":{"value":{"kind":"content_delta","content_delta":"hi"}}}],"next_cursor":"c@"}"#,
            r#"{"events":[{"seq":@,"type":"run.awaiting_input","payload":{"redacted":false,"value":{"reason_code":"AWAITING_APPROVAL","input_kind":"approval"}}}]}"#,
            r#"{"events":[{"seq":@,"type":"run.worker_succeeded"}]}"#,
            r#"{"events":[{"seq":@,"type":"run.cancelled","payload":{"value":{"reason_code":"SIGNAL_TIMEOUT"}}}]}"#,
            r#"{"events":[]}"#,
            r#"{"accepted":true}"#,
            r#"{"id":null}"#,
            r#"{"error":"no","reason_code":"x"}"#,
            "<html>",
            "",
        ]
    }

    fn frames(&self) -> &'static [&'static str] {
        &[
            "event: run_event\nid: @\ndata: {\"seq\":@,\"type\":\"step.progress\",\"payload\":{\"value\":{\"content_delta\":\"hi\"}}}\n\n",
            "event: run_event\ndata: {\"seq\":1,\"type\":\"run.created\"}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.awaiting_input\",\"payload\":{\"value\":{\"input_kind\":\"approval\"}}}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.awaiting_input\",\"payload\":{\"value\":{\"input_kind\":\"data\"}}}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.worker_started\",\"payload\":{\"value\":{\"to_status\":\"running\"}}}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.worker_succeeded\"}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.worker_failed\",\"payload\":{\"value\":{\"reason_code\":\"X\"}}}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.limit_exceeded\"}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.cancelled\"}\n\n",
            "event: run_event\ndata: {\"seq\":@,\"type\":\"run.new_word\"}\n\n",
            ": ping\n\n",
            "event: run_event\ndata: {\"seq\":",
            "\n\n",
            "",
        ]
    }
}
