//! The provider's wire types against what its documentation shows, and against what a reply may lack.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use taskward_providers::{
    generated::agent_harness::{
        ApiKey, AwaitingInputPayload, CreateRunRequest, CreateRunResponse, Error, ErrorReasonCode,
        EventPayload, EventReasonCode, InputKind, Run, RunCancelledPayload, RunCreatedPayload,
        RunEvent, RunEventPage, RunEventType, RunLimitExceededPayload, RunStatus, SignalAction,
        SignalRequest, StatusTransitionPayload, StepDonePayload, StepOutcome, StepProgressPayload,
        StepProgressPayloadKind, Usage, UsageEventType, UsageGranularity, operations,
    },
    wire::{ListEntry, decode},
};

fn read<T: DeserializeOwned>(body: Value) -> T {
    decode(body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn failure<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> String {
    decode::<T>(body.as_bytes())
        .expect_err("something is needed")
        .to_string()
}

/// The type is read from the least reply, and from no reply that lacks one of its fields.
fn needs<T: DeserializeOwned + std::fmt::Debug>(least: Value) {
    read::<T>(least.clone());
    for name in least.as_object().expect("an object").keys() {
        let mut less = least.clone();
        less.as_object_mut().expect("an object").remove(name);
        let message = failure::<T>(&less.to_string());
        assert!(message.contains(&format!("has no \"{name}\"")), "{message}");
    }
    assert!(decode::<T>(b"[]").is_err());
}

#[test]
fn a_reply_needs_only_what_decides() {
    needs::<CreateRunResponse>(json!({"id": "r"}));
    needs::<Run>(json!({"id": "r", "status": "running"}));
    needs::<RunEvent>(json!({"seq": 0, "type": "step.done"}));
    for body in [
        json!({}),
        json!({"error": {}, "reason_code": null, "request_id": 7, "status": [], "input": "text", "redacted": 1}),
    ] {
        read::<Error>(body.clone());
        read::<EventPayload>(body.clone());
        read::<RunCreatedPayload>(body.clone());
        read::<StatusTransitionPayload>(body.clone());
        read::<RunCancelledPayload>(body.clone());
        read::<RunLimitExceededPayload>(body.clone());
        read::<AwaitingInputPayload>(body.clone());
        read::<StepProgressPayload>(body.clone());
        read::<StepDonePayload>(body.clone());
        read::<Usage>(body.clone());
        read::<ApiKey>(body);
    }
}

#[test]
fn a_created_run_is_read_whatever_else_is_unreadable() {
    let reply: CreateRunResponse = read(json!({
        "id": 17, "status": {"odd": 1}, "request_id": ["x"], "replayed": "yes", "created_at": null,
    }));
    assert_eq!(reply.id.as_str(), "17");
    assert_eq!(
        reply.status,
        Some(RunStatus::Unknown("{\"odd\":1}".to_owned()))
    );
    let kept: Vec<_> = reply.extra.keys().map(String::as_str).collect();
    assert_eq!(kept, ["created_at", "replayed", "request_id"]);

    let reply: CreateRunResponse =
        read(json!({"id": "run_abc123", "status": "succeeded", "replayed": true}));
    assert_eq!(
        (reply.status, reply.replayed),
        (Some(RunStatus::Succeeded), Some(true))
    );
}

#[test]
fn an_event_is_read_as_the_documentation_shows_it() {
    let event: RunEvent = read(json!({
        "seq": 7, "type": "run.awaiting_input", "timestamp": "2026-01-02T03:04:05.678Z",
        "payload": {"redacted": false, "value":
            {"request_id": "9f6c", "reason_code": "AWAITING_APPROVAL", "input_kind": "approval"}},
    }));
    assert_eq!(
        (event.seq, &event.r#type),
        (7, &RunEventType::RunAwaitingInput)
    );
    assert_eq!(
        event.timestamp.and_then(|at| at.unix_millis()),
        Some(1_767_323_045_678)
    );
    assert!(!event.payload.redacted && event.payload.extra.is_empty() && event.extra.is_empty());
    let payload = AwaitingInputPayload::deserialize(&event.payload.value).unwrap();
    assert_eq!(
        (payload.reason_code, payload.input_kind),
        (
            Some(EventReasonCode::AwaitingApproval),
            Some(InputKind::Approval)
        )
    );
}

#[test]
fn an_event_without_payload_is_not_redacted_and_has_no_value() {
    for body in [
        r#"{"seq":1,"type":"odd"}"#,
        r#"{"seq":1.0,"type":"odd","timestamp":null,"payload":null}"#,
        r#"{"seq":"1","type":"odd","payload":{}}"#,
        r#"{"seq":1,"type":"odd","payload":{"redacted":null,"value":null}}"#,
    ] {
        let event: RunEvent = decode(body.as_bytes()).unwrap();
        assert_eq!(event.seq, 1, "{body}");
        assert_eq!(event.r#type, RunEventType::Unknown("odd".to_owned()));
        assert_eq!(event.payload, EventPayload::default(), "{body}");
    }
    for value in [
        json!("text"),
        json!(1),
        json!([null]),
        json!(false),
        json!({"a": {"b": null}}),
    ] {
        let event: RunEvent = read(
            json!({"seq": 1, "type": "odd", "payload": {"redacted": true, "value": value, "new": 1}}),
        );
        assert!(event.payload.redacted);
        assert_eq!(event.payload.value, value);
        assert_eq!(event.payload.extra["new"], 1);
    }
}

#[test]
fn an_event_whose_place_is_no_number_from_0_to_2_to_the_64th_is_none() {
    for seq in [
        "-1",
        "1.5",
        "18446744073709551616",
        "1e400",
        "\"x\"",
        "true",
        "[]",
    ] {
        let message = failure::<RunEvent>(&format!(r#"{{"type":"step.done","seq":{seq}}}"#));
        assert!(message.starts_with("\"seq\" of RunEvent is"), "{message}");
    }
    let last: RunEvent = decode(br#"{"type":"step.done","seq":18446744073709551615}"#).unwrap();
    assert_eq!(last.seq, u64::MAX);
}

#[test]
fn text_survives_half_a_character() {
    let event: RunEvent = decode(
        br#"{"seq":1,"type":"step.progress","payload":{"value":{"kind":"content_delta","content_delta":"a\ud83d","content":"\ude00b"}}}"#,
    )
    .unwrap();
    let payload = StepProgressPayload::deserialize(event.payload.value).unwrap();
    assert_eq!(payload.kind, Some(StepProgressPayloadKind::ContentDelta));
    assert_eq!(payload.content_delta.as_deref(), Some("a\u{fffd}"));
    assert_eq!(payload.content, Some(json!("\u{fffd}b")));
    let error: Error = decode(b"{\"error\":\"x\xff\",\"reason_code\":\"rate_limited\"}").unwrap();
    assert_eq!(error.error.as_deref(), Some("x\u{fffd}"));
    assert_eq!(error.reason_code, Some(ErrorReasonCode::RateLimited));
}

#[test]
fn a_payload_is_read_by_the_event_s_type() {
    let moved: StatusTransitionPayload = read(json!({
        "request_id": "r", "from_status": "running", "to_status": "cancelled", "reason_code": "signal_timeout", "new": 1,
    }));
    assert_eq!(
        (moved.from_status, moved.to_status, moved.reason_code),
        (
            Some(RunStatus::Running),
            Some(RunStatus::Cancelled),
            Some(EventReasonCode::SignalTimeout)
        )
    );
    assert_eq!(moved.extra["new"], 1);
    let created: RunCreatedPayload = read(
        json!({"streaming": true, "routing": {"routing_decision_reason": "planner_first_step"}}),
    );
    assert_eq!((created.streaming, created.input), (Some(true), None));
    assert_eq!(
        created.routing.unwrap()["routing_decision_reason"],
        "planner_first_step"
    );
    let done: StepDonePayload = read(json!({"outcome": "retry_step"}));
    assert_eq!(done.outcome, Some(StepOutcome::RetryStep));
}

#[test]
fn a_page_of_events_is_an_array_or_holds_one_under_a_known_name() {
    let event = json!({"seq": 3, "type": "step.done"});
    for (body, cursor) in [
        (json!([event]), None),
        (json!({"events": [event], "next_cursor": "c"}), Some("c")),
        (json!({"data": [event], "next_cursor": 12}), Some("12")),
        (json!({"items": [event], "next_cursor": null}), None),
    ] {
        let page: RunEventPage = read(body.clone());
        let seqs: Vec<_> = page.events.readable().map(|event| event.seq).collect();
        assert_eq!(seqs, [3], "{body}");
        assert_eq!(
            page.next_cursor.as_ref().map(|cursor| cursor.as_str()),
            cursor
        );
        assert_eq!(page.cursor, None);
    }
    let page: RunEventPage = read(json!({"events": [], "cursor": 0, "has_more": false}));
    assert!(page.events.is_empty());
    assert_eq!(page.cursor.unwrap().as_str(), "0");
    assert_eq!(page.extra["has_more"], false);
    let none = r#"RunEventPage has no array under any of ["events", "data", "items"]"#;
    for body in [
        "{}",
        r#"{"next_cursor":"c"}"#,
        r#"{"events":null}"#,
        r#"{"data":{"events":[]}}"#,
    ] {
        assert_eq!(failure::<RunEventPage>(body), none);
    }
    for body in ["null", "\"text\"", "3"] {
        assert!(failure::<RunEventPage>(body).starts_with("expected an array"));
    }
}

#[test]
fn an_unreadable_event_keeps_its_place_and_the_others_of_its_page_are_read() {
    let page: RunEventPage = read(json!([
        {"seq": 1, "type": "run.created"}, {"type": "no place"}, {"seq": 2, "type": "step.done"},
    ]));
    let seq = |entry: &ListEntry<RunEvent>| entry.as_ref().readable().map(|event| event.seq);
    let seqs: Vec<_> = page.events.entries().iter().map(seq).collect();
    assert_eq!(seqs, [Some(1), None, Some(2)]);
    let page: RunEventPage = read(json!({"data": [{"type": "no place"}]}));
    assert_eq!((page.events.len(), page.events.unreadable()), (1, 1));
}

#[test]
fn a_request_holds_what_was_set_and_what_the_caller_adds() {
    assert_eq!(
        serde_json::to_value(CreateRunRequest::default()).unwrap(),
        json!({})
    );
    let object = |value: Value| -> Map<String, Value> { serde_json::from_value(value).unwrap() };
    let request = CreateRunRequest {
        input: Some(object(json!({"goal": "Find the total."}))),
        workspace_id: Some("finance".to_owned()),
        extra: object(json!({"input": 1, "metadata": "odd", "priority": null})),
        ..CreateRunRequest::default()
    };
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"input":{"goal":"Find the total."},"workspace_id":"finance","metadata":"odd","priority":null}"#
    );
    let signal = SignalRequest {
        action: SignalAction::SubmitInput,
        payload: Some(object(json!({"recipient": "ops@example.com"}))),
        idempotency_key: Some("k".to_owned()),
        extra: Map::new(),
    };
    assert_eq!(
        serde_json::to_value(&signal).unwrap(),
        json!({"action": "submit_input", "payload": {"recipient": "ops@example.com"}, "idempotency_key": "k"})
    );
}

#[test]
fn what_is_only_sent_has_the_documented_values() {
    let actions = SignalAction::ALL.iter().map(|action| action.as_str());
    assert_eq!(
        actions.collect::<Vec<_>>(),
        ["approve", "reject", "submit_input"]
    );
    let sizes = UsageGranularity::ALL.iter().map(|size| size.as_str());
    assert_eq!(sizes.collect::<Vec<_>>(), ["hour", "day", "month"]);
    assert_eq!(UsageEventType::from("odd").as_str(), "odd");
}

#[test]
fn both_families_of_reason_codes_are_told_apart_by_case() {
    assert_eq!(
        ErrorReasonCode::from("AUTH_KEY_INVALID"),
        ErrorReasonCode::AuthKeyInvalid
    );
    assert_eq!(
        ErrorReasonCode::from("auth_key_invalid"),
        ErrorReasonCode::Unknown("auth_key_invalid".to_owned())
    );
    assert_eq!(
        EventReasonCode::from("awaiting_approval"),
        EventReasonCode::Unknown("awaiting_approval".to_owned())
    );
}

#[test]
fn all_fourteen_operations_are_listed() {
    assert_eq!(operations::ALL.len(), 14);
    let of_runs = operations::ALL
        .iter()
        .filter(|operation| operation.path.starts_with("/v1/runs"));
    assert_eq!(of_runs.count(), 6);
    assert_eq!(operations::SIGNAL_RUN.path, "/v1/runs/{id}/signal");
    assert_eq!(operations::SIGNAL_RUN.method, "POST");
}
