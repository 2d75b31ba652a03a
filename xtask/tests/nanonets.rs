//! The provider's wire types against what its documentation shows, and against what a reply may lack.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use taskward_providers::{
    generated::nanonets::{
        Agent, AgentList, AgentVersion, AgentVersionList, Error, Message, MessageList, MessageRole,
        RunAgentRequest, RunAgentResponse, SendMessageResponse, Task, TaskList, TaskListItem,
        TaskOutputConfig, TaskResult, TaskStatus, TaskSummary, UpdateAgentRequest, operations,
    },
    wire::decode,
};

fn read<T: DeserializeOwned>(body: Value) -> T {
    decode(body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// The type is read from the least reply, not from an empty one, and not from another kind of JSON.
fn needs<T: DeserializeOwned + std::fmt::Debug>(least: Value, missing: &str) {
    read::<T>(least);
    assert!(
        decode::<T>(b"{}")
            .expect_err("something is needed")
            .to_string()
            .contains(&format!("has no \"{missing}\""))
    );
    assert!(decode::<T>(b"[]").is_err());
}

#[test]
fn a_reply_needs_only_what_decides() {
    needs::<RunAgentResponse>(json!({"task_id": "t"}), "task_id");
    needs::<Task>(json!({"status": "running"}), "status");
    needs::<TaskListItem>(json!({"status": "running"}), "status");
    needs::<TaskSummary>(json!({"status": "completed"}), "status");
    needs::<TaskResult>(json!({"status": "failed"}), "status");
    needs::<TaskList>(json!({"data": []}), "data");
    needs::<AgentList>(json!({"data": []}), "data");
    needs::<AgentVersionList>(json!({"data": [{"id": "a"}]}), "data");
    needs::<Agent>(json!({"id": "a"}), "id");
    needs::<AgentVersion>(json!({"id": "a"}), "id");
    for body in [
        json!({}),
        json!({"odd": 1, "id": [], "error": {}, "data": 1, "role": 7}),
    ] {
        read::<Message>(body.clone());
        read::<MessageList>(body.clone());
        read::<SendMessageResponse>(body.clone());
        read::<Error>(body);
    }
}

#[test]
fn a_started_task_is_read_whatever_else_is_unreadable() {
    let reply: RunAgentResponse = read(json!({
        "task_id": "f1c2a3b4-0000-4000-8000-000000000001", "agent_id": {}, "status": 9, "message": ["x"],
        "created_at": 1_778_000_000, "new": null,
    }));
    assert!(reply.task_id.parsed().is_some());
    assert_eq!(reply.status, Some(TaskStatus::Unknown("9".to_owned())));
    let kept: Vec<_> = reply.extra.keys().map(String::as_str).collect();
    assert_eq!(kept, ["agent_id", "created_at", "message", "new"]);
}

#[test]
fn a_task_is_read_as_the_documentation_shows_it() {
    let task: Task = read(json!({
        "task_id": "f1c2a3b4-0000-4000-8000-000000000001", "agent_id": "a1c2a3b4-0000-4000-8000-000000000001",
        "status": "waiting_for_input", "created_at": "2026-05-12T10:15:00Z", "updated_at": "2026-05-12T10:15:42Z",
        "title": "Reconcile the March invoices",
    }));
    assert_eq!(task.status, TaskStatus::WaitingForInput);
    assert_eq!(
        task.created_at.unwrap().unix_millis(),
        Some(1_778_580_900_000)
    );
    assert_eq!(task.title.as_deref(), Some("Reconcile the March invoices"));
    assert!(task.extra.is_empty());
}

#[test]
fn an_answer_is_plain_json_wherever_it_stands() {
    let summary: TaskSummary = read(json!({
        "status": "completed", "result": {"structuredContent": {"extracted_data": {"total": 3}}},
        "extracted_data": [1, null],
    }));
    assert_eq!(
        summary.result.unwrap()["structuredContent"]["extracted_data"]["total"],
        3
    );
    assert_eq!(summary.extracted_data, Some(json!([1, null])));
    let result: TaskResult = read(json!({"status": "failed", "feed": ["odd", {"content": 1}]}));
    assert_eq!(result.feed.unwrap().len(), 2);
    let message =
        Message::deserialize(json!({"role": "assistant", "content": {"text": "Which one?"}}))
            .unwrap();
    assert_eq!(message.role, Some(MessageRole::Assistant));
    assert_eq!(message.content.unwrap()["text"], "Which one?");
}

#[test]
fn a_request_holds_only_what_was_set() {
    let run = RunAgentRequest {
        query: "Find the total.".to_owned(),
        output_config: Some(TaskOutputConfig {
            output_schema: Some("{\"total\":1}".to_owned()),
            instructions: None,
        }),
    };
    let expected =
        json!({"query": "Find the total.", "output_config": {"output_schema": "{\"total\":1}"}});
    assert_eq!(serde_json::to_value(&run).unwrap(), expected);
    let update = UpdateAgentRequest {
        is_active: Some(false),
        ..UpdateAgentRequest::default()
    };
    assert_eq!(
        serde_json::to_value(&update).unwrap(),
        json!({"is_active": false})
    );
}

#[test]
fn all_fourteen_operations_are_listed() {
    assert_eq!(operations::ALL.len(), 14);
    assert!(
        operations::ALL
            .iter()
            .all(|operation| operation.path.starts_with("/api/v1/"))
    );
    assert_eq!(
        operations::SEND_TASK_MESSAGE.path,
        "/api/v1/tasks/{task_id}/message"
    );
    assert_eq!(operations::SEND_TASK_MESSAGE.method, "POST");
}
