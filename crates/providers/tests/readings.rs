//! What events and answers mean, and what the platforms have no call for.
#![allow(missing_docs)]

use serde_json::{Value, json};
use taskward_core::{
    Answer, Cursor, EventKind, EventSeq, IdempotencyKey, Output, PollResult, Provider, Question,
    QuestionKind, ReadKind, Response, StreamEvent, TaskId, UnconfirmedEnd, WriteRequest,
    http::StatusCode,
};
use taskward_providers::{agent_harness::AgentHarness, nanonets::Nanonets};

fn reply(body: Value) -> Response {
    Response::new(StatusCode::OK, body.to_string())
}

/// Returns the one event of this type and payload, as a list tells it.
fn event(kind: &str, payload: Value) -> StreamEvent {
    let event = json!({
        "seq": 7,
        "type": kind,
        "timestamp": "2026-01-02T03:04:05Z",
        "payload": {"redacted": false, "value": payload},
    });
    let read = ReadKind::Events { cursor: None };
    match AgentHarness.read(
        &TaskId::new("t"),
        &read,
        &reply(json!({ "events": [event] })),
    ) {
        Ok(PollResult::Events(page)) => page.events.into_readable().next_back().expect("an event"),
        other => panic!("{other:?}"),
    }
}

fn kind_of(kind: &str, payload: Value) -> String {
    match event(kind, payload).kind {
        EventKind::Working => "working".to_owned(),
        EventKind::Neutral => "neutral".to_owned(),
        EventKind::Asking(question) => format!("asking {:?}", question.kind),
        EventKind::Ended(UnconfirmedEnd::Succeeded) => "succeeded".to_owned(),
        EventKind::Ended(UnconfirmedEnd::Failed(fault)) => {
            format!("failed {:?} {:?}", fault.reason, fault.message)
        }
        EventKind::Ended(UnconfirmedEnd::Stopped(fault)) => {
            format!("stopped {:?} unanswered={}", fault.reason, fault.unanswered)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_event_of_a_run_says_what_it_means_for_the_run() {
    let none = || json!({});
    for (kind, payload, meaning) in [
        ("run.created", none(), "working"),
        ("run.worker.started", none(), "working"),
        ("step.progress", none(), "working"),
        ("step.done", none(), "working"),
        ("run.worker.succeeded", none(), "succeeded"),
        ("run.worker.failed", none(), "failed None None"),
        (
            "run.worker.failed",
            json!({"reason_code": "oom"}),
            "failed Some(\"oom\") None",
        ),
        (
            "run.worker.failed",
            json!({"reason_code": "REJECTED", "reason": "Wrong recipients."}),
            "failed Some(\"REJECTED\") Some(\"Wrong recipients.\")",
        ),
        (
            "run.worker.failed",
            json!({"reason_code": "REJECTED", "reason": " "}),
            "failed Some(\"REJECTED\") None",
        ),
        (
            "run.worker.failed",
            json!({"reason": {"text": "no"}}),
            "failed None None",
        ),
        (
            "run.limit_exceeded",
            json!({"reason_code": "MAX_STEPS", "reason": "more than 20"}),
            "failed Some(\"MAX_STEPS\") Some(\"more than 20\")",
        ),
        (
            "run.limit_exceeded",
            none(),
            "failed Some(\"limit_exceeded\") Some(\"the task exceeded a limit\")",
        ),
        (
            "run.limit_exceeded",
            json!({"reason_code": "tokens"}),
            "failed Some(\"tokens\") Some(\"the task exceeded a limit\")",
        ),
        ("run.cancelled", none(), "stopped None unanswered=false"),
        (
            "run.cancelled",
            json!({"reason_code": "signal_timeout"}),
            "stopped Some(\"signal_timeout\") unanswered=true",
        ),
        // A payload that is none takes nothing from what the type says.
        ("run.cancelled", json!([1]), "stopped None unanswered=false"),
        // What the catalogue does not have ends nothing, whatever it is called.
        ("run.exploded", none(), "neutral"),
        ("run.failed", json!({"to_status": "failed"}), "neutral"),
        ("run.resumed", json!({"to_status": "running"}), "working"),
    ] {
        assert_eq!(kind_of(kind, payload.clone()), meaning, "{kind} {payload}");
    }
    let reported = event("step.done", json!({"outcome": "succeeded"})).event;
    assert_eq!(reported.seq, Some(EventSeq(7)));
    assert_eq!(reported.name, "step.done");
    assert_eq!(reported.data["payload"]["value"]["outcome"], "succeeded");
}

#[test]
fn a_wait_says_what_kind_of_answer_it_wants() {
    for (payload, kind) in [
        (json!({"input_kind": "approval"}), QuestionKind::Approval),
        (
            json!({"reason_code": "AWAITING_APPROVAL"}),
            QuestionKind::Approval,
        ),
        (json!({"input_kind": "data"}), QuestionKind::Data),
        (json!({"input_kind": "submit_input"}), QuestionKind::Data),
        (
            json!({"input_kind": "dance"}),
            QuestionKind::Other("dance".into()),
        ),
        (json!({}), QuestionKind::Other("unknown".into())),
        (json!("odd"), QuestionKind::Other("unknown".into())),
    ] {
        let EventKind::Asking(question) = event("run.awaiting_input", payload.clone()).kind else {
            panic!("it asks");
        };
        assert_eq!(question.kind, kind, "{payload}");
        // Its id is made of its run and its place in the log, and what was sent is there whole.
        assert_eq!(
            (question.id.as_str(), question.payload),
            ("q_1a9b210142e28027", Some(payload))
        );
        assert_eq!(question.since.as_deref(), Some("2026-01-02T03:04:05Z"));
    }
}

#[test]
fn a_question_is_told_in_the_words_of_its_own_or_in_what_was_said_before() {
    let said = |text: &str| event("step.progress", json!({"content_delta": text})).event;
    let steps = [said("Shall I "), said("send it?")];
    let ask = |payload: Value| {
        let question = Question::new("7", QuestionKind::Approval, "").with_payload(payload);
        AgentHarness.add_context(question, &steps)
    };
    let own = ask(json!({"prompt": "Send to 12 people?"}));
    assert_eq!(own.text(), "Send to 12 people?");
    for silent in [json!({}), json!({"prompt": " "}), Value::Null] {
        let question = ask(silent);
        assert_eq!(question.text(), "Shall I send it?");
        assert_eq!(question.messages.len(), 2);
    }
}

#[test]
fn the_answer_of_a_run_is_found_under_the_names_that_a_result_would_have() {
    let answer = |fields: Value| {
        let mut run = json!({"id": "t", "status": "succeeded"});
        let object = run.as_object_mut().expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        match AgentHarness.read(&TaskId::new("t"), &ReadKind::Status, &reply(run)) {
            Ok(PollResult::Succeeded(_, answer)) => answer,
            other => panic!("{other:?}"),
        }
    };
    for (fields, text, data) in [
        (json!({}), None, None),
        (json!({"result": null}), None, None),
        (json!({"result": "done"}), Some("done"), None),
        (json!({"output": "done"}), Some("done"), None),
        (
            json!({"result": {"text": "t"}}),
            Some("t"),
            Some(json!({"text": "t"})),
        ),
        (
            json!({"output": {"content": "c"}}),
            Some("c"),
            Some(json!({"content": "c"})),
        ),
        (
            json!({"result": {"summary": "s"}}),
            Some("s"),
            Some(json!({"summary": "s"})),
        ),
        (
            json!({"result": {"rows": 2}}),
            None,
            Some(json!({"rows": 2})),
        ),
        (json!({"result": [1]}), None, Some(json!([1]))),
        (json!({"result": 7}), None, None),
    ] {
        let answer = answer(fields.clone());
        assert_eq!(answer.text().as_deref(), text, "{fields}");
        assert_eq!(answer.json(), data.as_ref(), "{fields}");
        assert_eq!(answer.raw()["id"], "t");
        assert!(answer.is_confirmed());
    }
}

/// What only an event tells is told as that.
#[test]
fn an_end_that_the_run_itself_never_told_is_not_a_confirmed_one() {
    let id = TaskId::new("r");
    let event = event("run.worker.succeeded", json!({})).event;
    let with = |reply: Option<&Response>| AgentHarness.unconfirmed_output(&id, reply, &event);
    let stale = reply(json!({"id": "r", "status": "running"}));
    let page = Response::new(StatusCode::OK, "<html>");
    for (reply, raw) in [
        (Some(&stale), json!({"id": "r", "status": "running"})),
        (Some(&page), json!({"id": "r"})),
        (None, json!({"id": "r"})),
    ] {
        let answer = with(reply).expect("an answer");
        assert!(!answer.is_confirmed());
        assert_eq!(answer.raw(), &raw);
    }
    assert!(Nanonets.unconfirmed_output(&id, None, &event).is_none());
}

#[test]
fn what_a_platform_has_no_call_for_is_refused_before_anything_is_sent() {
    let id = TaskId::new("t");
    let question = Question::new("q", QuestionKind::Text, "?");
    let key = IdempotencyKey::new("k");
    let answer = |answer, key| WriteRequest::Answer {
        question: &question,
        answer,
        key,
    };
    let (text, yes) = (Answer::text("x"), Answer::Approve);
    for (refused, why) in [
        (
            AgentHarness.write_request(&id, &answer(&yes, None)),
            "an answer on this platform needs a key",
        ),
        (
            AgentHarness.write_request(&id, &answer(&text, Some(&key))),
            "an answer on this platform is an approval, a rejection or a JSON object",
        ),
        (
            AgentHarness.write_request(&id, &WriteRequest::Cancel),
            "this platform's interface has no such call",
        ),
        (
            AgentHarness.write_request(
                &id,
                &WriteRequest::Message {
                    text: "x",
                    key: None,
                    cursor: &Cursor::new(""),
                },
            ),
            "this platform's interface has no such call",
        ),
        (
            AgentHarness.read_request(&id, &ReadKind::Steps),
            "this platform has no trail",
        ),
        (
            Nanonets.write_request(&id, &answer(&yes, None)),
            "an answer on this platform is a text",
        ),
        (
            Nanonets.read_request(
                &id,
                &ReadKind::Stream {
                    after: None,
                    form: 0,
                },
            ),
            "this platform has no event stream",
        ),
        (
            Nanonets.read_request(&id, &ReadKind::Events { cursor: None }),
            "this platform has no event stream",
        ),
    ] {
        assert_eq!(refused.expect_err(why).to_string(), why);
    }
}

#[test]
fn the_answer_of_a_task_is_the_summary_as_it_came() {
    let summary = json!({"status": "completed", "result": "42", "new": 1});
    match Nanonets.read(
        &TaskId::new("t"),
        &ReadKind::Result,
        &reply(summary.clone()),
    ) {
        Ok(PollResult::Ready(answer)) => assert_eq!(answer.raw(), &summary),
        other => panic!("{other:?}"),
    }
}
