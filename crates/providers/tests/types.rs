//! The types of the specifications: every word, every field, and what is kept of those that they do not have.
#![allow(missing_docs)]

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde_json::{Map, Value, json};
use taskward_providers::{
    generated::{a2a as a, agent_harness as h, nanonets as n},
    wire::{DateTime, Token, Uuid, decode, is_absent},
};

/// Holds that these are the words of a type: each is known, and is written and shown as it is on the wire; every other
/// one is kept, and what is no word as its JSON.
macro_rules! words {
    ($kind:ty: $($word:literal),+ $(,)?) => {{
        type Kind = $kind;
        let unknown = |kind: &Kind| matches!(kind, Kind::Unknown(_));
        for word in [$($word),+] {
            let quoted = json!(word).to_string();
            let read: $kind = decode(quoted.as_bytes()).expect(word);
            assert!(!unknown(&read), "{word}");
            assert_eq!(read.as_str(), word);
            assert_eq!(read, Kind::from(word));
            assert_eq!(read, Kind::from(word.to_owned()));
            assert_eq!(read.to_string(), word);
            assert_eq!(serde_json::to_string(&read).expect("JSON"), quoted);
        }
        for other in ["", "no such word", &"x".repeat(10_000)] {
            let quoted = json!(other).to_string();
            let read: $kind = decode(quoted.as_bytes()).expect(other);
            assert!(unknown(&read), "{other}");
            assert_eq!(read, Kind::from(other));
            assert_eq!(read, Kind::from(other.to_owned()));
            assert_eq!(serde_json::to_string(&read).expect("JSON"), quoted);
        }
        for odd in ["7", "true"] {
            let read: $kind = decode(odd.as_bytes()).expect(odd);
            assert!(unknown(&read) && read.as_str() == odd, "{odd}");
        }
        // In a column, it is as wide as any text.
        let word = Kind::from("ab");
        assert_eq!(format!("{word:>4}|"), "  ab|");
    }};
}

#[test]
fn every_word_of_the_specifications_is_known_and_every_other_one_is_kept() {
    words!(n::TaskStatus: "pending", "queued", "running", "waiting_for_input", "awaiting_review", "completed",
        "failed", "stopped");
    words!(n::AgentStatus: "draft", "published", "archived");
    words!(n::MessageRole: "user", "assistant");
    words!(a::TaskState: "TASK_STATE_UNSPECIFIED", "TASK_STATE_SUBMITTED", "TASK_STATE_WORKING",
        "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED", "TASK_STATE_COMPLETED", "TASK_STATE_FAILED",
        "TASK_STATE_CANCELED", "TASK_STATE_REJECTED");
    words!(a::Role: "ROLE_UNSPECIFIED", "ROLE_USER", "ROLE_AGENT");
    words!(h::RunStatus: "queued", "running", "awaiting_input", "stalled", "succeeded", "failed", "cancelled");
    words!(h::RunEventType: "run.created", "run.worker.started", "run.worker.succeeded", "run.worker.failed",
        "run.cancelled", "run.limit_exceeded", "run.awaiting_input", "step.progress", "step.done");
    words!(h::InputKind: "approval");
    words!(h::EventReasonCode: "AWAITING_APPROVAL", "signal_timeout");
    words!(h::StepProgressPayloadKind: "content_delta");
    words!(h::StepOutcome: "succeeded", "retry_step", "fail_run");
    words!(h::UsageEventType: "run.created", "task.completed", "tool.invoked", "tokens.consumed");
    words!(h::ErrorReasonCode: "auth_error", "invalid_credentials", "invalid_api_key", "api_key_revoked",
        "api_key_expired", "account_suspended", "account_not_found", "rate_limited", "api_key_not_found",
        "api_key_limit_reached", "run_not_found", "run_not_awaiting_input", "invalid_signal_type",
        "AUTH_KEY_INVALID", "AUTH_MISSING_HEADER");
}

#[test]
fn what_a_request_chooses_from_is_all_there_is() {
    let actions: Vec<&str> = h::SignalAction::ALL.iter().map(|a| a.as_str()).collect();
    assert_eq!(actions, ["approve", "reject", "submit_input"]);
    assert_eq!(json!(a::OutgoingRole::ALL), json!(["ROLE_USER"]));
    let sizes: Vec<&str> = h::UsageGranularity::ALL
        .iter()
        .map(|s| s.as_str())
        .collect();
    assert_eq!(sizes, ["hour", "day", "month"]);
    for action in h::SignalAction::ALL {
        assert_eq!(json!(action), action.as_str());
        assert_eq!(format!("{action:>12}").trim_start(), action.as_str());
    }
    for size in h::UsageGranularity::ALL {
        assert_eq!(json!(size), size.as_str());
        assert_eq!(format!("{size:<6}").trim_end(), size.as_str());
    }
}

/// A body with every field of a type, and the fields that the type needs.
macro_rules! whole {
    ($kind:ty, needs $needed:expr, $body:tt) => {{
        let Value::Object(whole) = json!($body) else {
            panic!("an object");
        };
        let read = |object: &Map<String, Value>| {
            let body = Value::Object(object.clone()).to_string();
            decode::<$kind>(body.as_bytes())
        };
        let typed = read(&whole).expect("it is whole");
        // Whatever has no field of its own is among the others.
        assert_eq!(typed.extra, Map::new(), "{}", stringify!($kind));
        let needed: &[&str] = &$needed;
        for name in whole.keys() {
            let mut less = whole.clone();
            less.remove(name);
            let read = read(&less);
            if needed.contains(&name.as_str()) {
                let error = read.map(|_| ()).expect_err(name).to_string();
                assert!(error.contains(&format!("\"{name}\"")), "{error}");
            } else {
                assert_ne!(read.expect(name), typed, "{name} of {}", stringify!($kind));
            }
        }
    }};
}

#[test]
fn every_field_of_the_nanonets_specification_has_its_place() {
    whole!(n::Error, needs [], {"error": "no"});
    whole!(n::RunAgentResponse, needs ["task_id"],
        {"task_id": "t", "agent_id": "a", "status": "queued", "message": "m", "created_at": "c"});
    whole!(n::Task, needs ["status"],
        {"task_id": "t", "agent_id": "a", "status": "queued", "created_at": "c", "updated_at": "u", "title": "T"});
    whole!(n::TaskListItem, needs ["status"],
        {"task_id": "t", "agent_id": "a", "status": "queued", "created_at": "c", "updated_at": "u", "title": "T",
            "agent_name": "n"});
    whole!(n::TaskList, needs ["data"], {"data": [{"status": "queued"}], "has_more": true, "next_cursor": "c"});
    whole!(n::TaskSummary, needs ["status"],
        {"task_id": "t", "agent_id": "a", "status": "completed", "created_at": "c", "updated_at": "u", "title": "T",
            "result": {"a": 1}, "extracted_data": [1]});
    whole!(n::TaskCompletionSummary, needs ["summary"], {"summary": "s", "completed_at": "c"});
    whole!(n::TaskResult, needs ["status"],
        {"task_id": "t", "agent_id": "a", "status": "failed", "created_at": "c", "updated_at": "u", "title": "T",
            "feed": [{"a": 1}]});
    whole!(n::Message, needs [],
        {"id": "i", "task_id": "t", "agent_id": "a", "role": "user", "content": "c", "created_at": "c",
            "user_id": "u", "parent_id": "p"});
    whole!(n::MessageList, needs [], {"data": [{"id": "i"}], "messages": [{"id": "j"}]});
    whole!(n::SendMessageResponse, needs [],
        {"message_id": "m", "task_id": "t", "status": "running", "message": "m", "id": "i"});
    whole!(n::AgentVersion, needs ["id"],
        {"id": "i", "agent_group_id": "g", "version_number": 2, "status": "draft", "name": "n", "is_active": true,
            "created_at": "c", "updated_at": "u"});
    whole!(n::Agent, needs ["id"],
        {"id": "i", "agent_group_id": "g", "version_number": 2, "status": "draft", "name": "n", "is_active": true,
            "created_at": "c", "updated_at": "u", "config": {"model": "m"}});
    whole!(n::AgentList, needs ["data"], {"data": [{"id": "i"}], "has_more": true, "next_cursor": "c"});
    whole!(n::AgentVersionList, needs ["data"], {"data": [{"id": "i"}], "has_more": true, "next_cursor": "c"});
}

#[test]
fn every_field_of_the_agent_harness_specification_has_its_place() {
    whole!(h::CreateRunResponse, needs ["id"],
        {"id": "r", "status": "queued", "request_id": "q", "replayed": true});
    whole!(h::Run, needs ["id", "status"], {"id": "r", "status": "queued", "request_id": "q"});
    whole!(h::RunEvent, needs ["seq", "type"],
        {"seq": 1, "type": "step.done", "timestamp": "t", "payload": {"redacted": false, "value": 1}});
    whole!(h::EventPayload, needs [], {"redacted": true, "value": {"a": 1}});
    whole!(h::RunCreatedPayload, needs [],
        {"request_id": "q", "input": {"goal": "g"}, "metadata": {"a": 1}, "attachment_refs": [1],
            "sensitivity_tags": ["pii"], "streaming": true, "routing_hint": "eu", "routing": {"a": 1}});
    whole!(h::StatusTransitionPayload, needs [],
        {"request_id": "q", "from_status": "queued", "to_status": "running", "reason_code": "signal_timeout"});
    whole!(h::AwaitingInputPayload, needs [],
        {"request_id": "q", "reason_code": "AWAITING_APPROVAL", "input_kind": "approval"});
    whole!(h::StepProgressPayload, needs [], {"kind": "content_delta", "content_delta": "a", "content": [1]});
    whole!(h::StepDonePayload, needs [], {"outcome": "succeeded", "content": [1]});
    whole!(h::Error, needs [], {"error": "no", "reason_code": "rate_limited", "request_id": "q"});
}

#[test]
fn every_field_of_the_a2a_specification_has_its_place() {
    whole!(a::Task, needs [],
        {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}, "artifacts": [{"artifactId": "a"}],
            "history": [{"messageId": "m"}], "metadata": {"a": 1}, "kind": "task"});
    whole!(a::TaskStatus, needs [],
        {"state": "TASK_STATE_WORKING", "message": {"messageId": "m"}, "timestamp": "2026-11-29T21:09:02+00:00"});
    whole!(a::Message, needs [],
        {"messageId": "m", "contextId": "c", "taskId": "t", "role": "ROLE_AGENT", "parts": [{"text": "a"}],
            "metadata": {"a": 1}, "extensions": ["e"], "referenceTaskIds": ["r"], "kind": "message"});
    whole!(a::Part, needs [],
        {"text": "a", "raw": "YQ==", "url": "https://a", "data": [1], "mediaType": "text/plain", "filename": "f",
            "metadata": {"a": 1}, "kind": "text", "file": {"uri": "https://a"}});
    whole!(a::FileContent, needs [], {"bytes": "YQ==", "uri": "https://a", "name": "n", "mimeType": "text/plain"});
    whole!(a::Artifact, needs [],
        {"artifactId": "a", "name": "n", "description": "d", "parts": [{"text": "a"}], "metadata": {"a": 1},
            "extensions": ["e"]});
    whole!(a::StreamResponse, needs [],
        {"task": {"id": "t"}, "message": {"messageId": "m"}, "statusUpdate": {"taskId": "t"},
            "artifactUpdate": {"taskId": "t"}, "kind": "task", "id": "t", "contextId": "c", "taskId": "t",
            "status": {"state": "working"}, "final": false, "artifact": {"artifactId": "a"}, "append": true,
            "lastChunk": true, "artifacts": [{"artifactId": "a"}], "history": [{"messageId": "m"}], "messageId": "m",
            "role": "agent", "parts": [{"text": "a"}], "metadata": {"a": 1}, "error": {"code": 500}});
    whole!(a::TaskStatusUpdateEvent, needs [],
        {"taskId": "t", "contextId": "c", "status": {"state": "working"}, "metadata": {"a": 1}, "final": true});
    whole!(a::TaskArtifactUpdateEvent, needs [],
        {"taskId": "t", "contextId": "c", "artifact": {"artifactId": "a"}, "append": true, "lastChunk": true,
            "metadata": {"a": 1}});
    whole!(a::ListTasksResponse, needs [],
        {"tasks": [{"id": "t"}], "nextPageToken": "p", "pageSize": "50", "totalSize": "9007199254740993"});
    whole!(a::AgentInterface, needs [],
        {"url": "https://a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t", "transport": "GRPC"});
    whole!(a::ErrorBody, needs [],
        {"code": "-32001", "status": "NOT_FOUND", "message": "m", "details": [{"reason": "TASK_NOT_FOUND"}], "data": 1});
    whole!(a::TaskPushNotificationConfig, needs [],
        {"id": "i", "taskId": "t", "url": "https://a", "token": "tok123", "authentication": {"scheme": "Bearer"},
            "pushNotificationConfig": {"url": "https://a"}});
    whole!(a::SecurityScheme, needs [],
        {"apiKeySecurityScheme": {"name": "n"}, "httpAuthSecurityScheme": {"scheme": "Bearer"},
            "oauth2SecurityScheme": {"a": 1}, "openIdConnectSecurityScheme": {"a": 1}, "mtlsSecurityScheme": {"a": 1},
            "type": "http", "in": "header", "name": "n", "scheme": "basic"});
}

#[test]
fn nothing_that_an_agent_sends_spoils_the_rest_of_its_task() {
    let odd = json!({"id": 17, "contextId": "", "status": {"state": "TASK_STATE_PONDERING", "message": 1, "timestamp": ""},
        "artifacts": [null, {"artifactId": [], "parts": [1, {"text": "a", "filename": "", "mediaType": null}]}],
        "history": null, "metadata": [], "futureField": {"a": 1}});
    let task: a::Task = decode(odd.to_string().as_bytes()).expect("a task");
    assert_eq!(task.id, Some(Token::from("17")));
    assert_eq!(
        task.status.state,
        Some(a::TaskState::from("TASK_STATE_PONDERING"))
    );
    assert_eq!((task.artifacts.len(), task.artifacts.unreadable()), (2, 1));
    let artifact = task.artifacts.readable().next().expect("one");
    let part = artifact.parts.readable().next().expect("one");
    assert_eq!(
        (part.text.as_deref(), part.filename.as_deref()),
        (Some("a"), Some(""))
    );
    assert_eq!(task.history, None);
    assert_eq!(
        task.extra,
        *json!({"metadata": [], "futureField": {"a": 1}})
            .as_object()
            .expect("an object")
    );
    let task: a::Task = decode(b"{}").expect("a task");
    assert_eq!(task.status, a::TaskStatus::default());
    for odd in ["null", "7", "\"working\"", "[]"] {
        let task: a::Task = decode(format!(r#"{{"status":{odd}}}"#).as_bytes()).expect("a task");
        assert_eq!(task.status, a::TaskStatus::default(), "{odd}");
    }
}

#[test]
fn an_agent_is_in_a_list_what_it_is_by_itself_but_for_its_configuration() {
    let body = r#"{"id":"i","agent_group_id":"g","version_number":2,"status":"draft","name":"n","is_active":true,
        "created_at":"c","updated_at":"u","new":1}"#;
    let listed: n::AgentVersion = decode(body.as_bytes()).expect("an entry");
    let mut agent: n::Agent = decode(body.as_bytes()).expect("an agent");
    agent.config = Some(Map::new());
    assert_eq!(n::AgentVersion::from(agent), listed);
}

#[test]
fn an_id_a_cursor_and_a_time_are_the_texts_that_came() {
    let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let (id, same) = (Uuid::from(text), Uuid::from(text));
    assert_eq!(
        id.parsed().map(|bytes| bytes[..2].to_vec()),
        Some(vec![0x67, 0xe5])
    );
    // Two spellings of one number are two ids: which of them the server knows is not ours to say.
    let shouted = Uuid::from(text.to_ascii_uppercase().as_str());
    assert_eq!(id.parsed(), shouted.parsed());
    assert_ne!(id, shouted);
    let hash = |id: &Uuid| BuildHasherDefault::<DefaultHasher>::default().hash_one(id);
    assert_eq!((id == same, hash(&id)), (true, hash(&same)));
    assert_ne!(hash(&id), hash(&shouted));
    let ordered = BTreeSet::from([Uuid::from("b"), Uuid::from("a"), Uuid::from("b")]);
    assert_eq!(
        ordered.iter().map(Uuid::as_str).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(Uuid::from("task/7").parsed(), None);
    assert_eq!(
        format!("{:>3}|{:?}", Uuid::from("a"), Uuid::from("a")),
        "  a|\"a\""
    );
    let cursor = Token::from("c/1");
    assert_eq!(format!("{cursor:<4}|{cursor:?}"), "c/1 |\"c/1\"");
    assert_eq!(json!(cursor), "c/1");
    for text in ["2026-05-12T10:15:42.5+02:00", "yesterday", ""] {
        let at: DateTime = decode(json!(text).to_string().as_bytes()).expect(text);
        assert_eq!(at, DateTime::from(text));
        assert_eq!((json!(at), at.to_string()), (json!(text), text.to_owned()));
        assert_eq!(format!("{at:?}"), format!("{text:?}"));
    }
    let error = decode::<DateTime>(b"[1]").expect_err("no text").to_string();
    assert_eq!(error, "expected a string, found an array");
}

#[test]
fn a_value_that_is_null_is_as_good_as_none() {
    assert!(is_absent(&None) && is_absent(&Some(Value::Null)));
    for value in [json!(false), json!(0), json!(""), json!([]), json!({})] {
        assert!(!is_absent(&Some(value)));
    }
}
