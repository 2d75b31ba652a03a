//! Which operation of which agent a request is for.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::message::Head;

/// An operation of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    SendMessage,
    SendStreamingMessage,
    GetTask,
    ListTasks,
    CancelTask,
    SubscribeToTask,
    CreatePushConfig,
    GetPushConfig,
    ListPushConfigs,
    DeletePushConfig,
    ExtendedCard,
}

/// Each operation: what it is counted under, and its method of JSON-RPC.
static OPERATIONS: [(Operation, &str, &str); 11] = [
    (Operation::SendMessage, "send_message", "SendMessage"),
    (
        Operation::SendStreamingMessage,
        "send_streaming_message",
        "SendStreamingMessage",
    ),
    (Operation::GetTask, "get_task", "GetTask"),
    (Operation::ListTasks, "list_tasks", "ListTasks"),
    (Operation::CancelTask, "cancel_task", "CancelTask"),
    (
        Operation::SubscribeToTask,
        "subscribe_to_task",
        "SubscribeToTask",
    ),
    (
        Operation::CreatePushConfig,
        "create_push_config",
        "CreateTaskPushNotificationConfig",
    ),
    (
        Operation::GetPushConfig,
        "get_push_config",
        "GetTaskPushNotificationConfig",
    ),
    (
        Operation::ListPushConfigs,
        "list_push_configs",
        "ListTaskPushNotificationConfigs",
    ),
    (
        Operation::DeletePushConfig,
        "delete_push_config",
        "DeleteTaskPushNotificationConfig",
    ),
    (
        Operation::ExtendedCard,
        "extended_card",
        "GetExtendedAgentCard",
    ),
];

/// The endpoint of the card.
pub(super) const CARD: &str = "card";

/// The endpoint of JSON-RPC, whose bodies name the operation.
pub(super) const RPC: &str = "rpc";

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        let known = OPERATIONS.iter().find(|known| known.0 == self);
        known.expect("every operation is listed").1
    }

    /// Returns the operation of a method of JSON-RPC.
    pub(crate) fn of_method(method: &str) -> Option<Self> {
        let known = OPERATIONS.iter().find(|known| known.2 == method);
        known.map(|known| known.0)
    }

    /// Returns the parameter that names the task.
    pub(crate) fn id_parameter(self) -> &'static str {
        match self {
            Self::CreatePushConfig
            | Self::GetPushConfig
            | Self::ListPushConfigs
            | Self::DeletePushConfig => "taskId",
            _ => "id",
        }
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// The agent that the path names; without one it is that of the root.
    pub(crate) agent: Option<String>,
    pub(crate) at: At,
}

/// What is at a path below an agent's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum At {
    Card,
    /// The body names the operation.
    Rpc,
    Rest(RestCall),
    Nothing,
}

/// A call over HTTP+JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RestCall {
    pub(crate) tenant: String,
    pub(crate) operation: Operation,
    pub(crate) task: Option<String>,
    pub(crate) config: Option<String>,
}

impl RestCall {
    /// Returns the parameters that path and query give, as a call over JSON-RPC has them.
    pub(crate) fn parameters(&self, head: &Head) -> Map<String, Value> {
        let mut given: Map<String, Value> = head
            .pairs()
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        if let Some(task) = &self.task {
            given.insert(self.operation.id_parameter().to_owned(), json!(task));
        }
        if let Some(config) = &self.config {
            given.insert("id".to_owned(), json!(config));
        }
        given
    }
}

/// Returns whether this platform answers for a path.
pub(super) fn owns(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    ["agents", ".well-known", "rest", "rpc"].contains(&first)
}

/// Returns whether this platform has an endpoint of this name.
pub(super) fn has(name: &str) -> bool {
    [CARD, RPC].contains(&name) || OPERATIONS.iter().any(|known| known.1 == name)
}

/// Returns what is at the path of a request.
pub(crate) fn resolve(head: &Head) -> Place {
    let segments: Vec<&str> = head.path.split('/').skip(1).collect();
    let (agent, below) = match segments.as_slice() {
        ["agents", name, below @ ..] => (Some(decoded(name)), below),
        below => (None, below),
    };
    let at = match (head.method.as_str(), below) {
        ("GET", [".well-known", "agent-card.json"]) => At::Card,
        ("POST", ["rpc"]) => At::Rpc,
        (method, ["rest", below @ ..]) => rest(method, below).map_or(At::Nothing, At::Rest),
        _ => At::Nothing,
    };
    Place { agent, at }
}

/// Returns the call over HTTP+JSON that a method and the rest of a path are.
fn rest(method: &str, below: &[&str]) -> Option<RestCall> {
    let roots = [
        "message:send",
        "message:stream",
        "tasks",
        "extendedAgentCard",
    ];
    let (tenant, below) = match below {
        [first, rest @ ..] if !roots.contains(first) => (decoded(first), rest),
        _ => (String::new(), below),
    };
    let (operation, task, config) = match (method, below) {
        ("POST", ["message:send"]) => (Operation::SendMessage, None, None),
        ("POST", ["message:stream"]) => (Operation::SendStreamingMessage, None, None),
        ("GET", ["extendedAgentCard"]) => (Operation::ExtendedCard, None, None),
        ("GET", ["tasks"]) => (Operation::ListTasks, None, None),
        (_, ["tasks", task]) => {
            let (operation, task) = of_task(method, task)?;
            (operation, Some(task), None)
        }
        ("POST", ["tasks", task, "pushNotificationConfigs"]) => {
            (Operation::CreatePushConfig, Some(*task), None)
        }
        ("GET", ["tasks", task, "pushNotificationConfigs"]) => {
            (Operation::ListPushConfigs, Some(*task), None)
        }
        ("GET", ["tasks", task, "pushNotificationConfigs", id]) => {
            (Operation::GetPushConfig, Some(*task), Some(*id))
        }
        ("DELETE", ["tasks", task, "pushNotificationConfigs", id]) => {
            (Operation::DeletePushConfig, Some(*task), Some(*id))
        }
        _ => return None,
    };
    Some(RestCall {
        tenant,
        operation,
        task: task.map(decoded),
        config: config.map(decoded),
    })
}

/// Returns what a method and a segment such as `ID:cancel` ask of a task, and its id as it was sent.
fn of_task<'a>(method: &str, segment: &'a str) -> Option<(Operation, &'a str)> {
    let verb = segment.rsplit_once(':').filter(|(id, _)| !id.is_empty());
    match (method, verb) {
        ("POST", Some((id, "cancel"))) => Some((Operation::CancelTask, id)),
        ("GET" | "POST", Some((id, "subscribe"))) => Some((Operation::SubscribeToTask, id)),
        ("GET", _) if !segment.is_empty() => Some((Operation::GetTask, segment)),
        _ => None,
    }
}

fn decoded(segment: &str) -> String {
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    decoded.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;

    fn call(method: &str, target: &str) -> Option<(Operation, String, Option<String>)> {
        match resolve(&Request::new(method, target).head).at {
            At::Rest(call) => Some((call.operation, call.tenant, call.task)),
            _ => None,
        }
    }

    #[test]
    fn a_verb_stands_behind_the_last_colon_of_what_was_sent() {
        let check = |method: &str, segment: &str, expected: Option<(Operation, &str)>| {
            let found = call(method, &format!("/rest/tasks/{segment}"));
            let expected = expected.map(|(op, id)| (op, String::new(), Some(id.to_owned())));
            assert_eq!(found, expected, "{method} {segment}");
        };
        check("GET", "a%3Ab", Some((Operation::GetTask, "a:b")));
        check("GET", "a%2Fb", Some((Operation::GetTask, "a/b")));
        check("POST", "a%3Ab:cancel", Some((Operation::CancelTask, "a:b")));
        for method in ["GET", "POST"] {
            let expected = Some((Operation::SubscribeToTask, "a"));
            check(method, "a:subscribe", expected);
        }
        check(
            "GET",
            "a%3Asubscribe",
            Some((Operation::GetTask, "a:subscribe")),
        );
        check("DELETE", "a:cancel", None);
        check("GET", "", None);
        check("GET", "a/b", None);
    }

    #[test]
    fn an_agent_and_a_tenant_stand_in_front() {
        let place = resolve(&Request::new("POST", "/agents/as%20ker/rest/t/message:send").head);
        assert_eq!(place.agent.as_deref(), Some("as ker"));
        let At::Rest(found) = place.at else {
            unreachable!("{place:?}")
        };
        assert_eq!(
            (found.operation, found.tenant.as_str()),
            (Operation::SendMessage, "t")
        );
        assert_eq!(
            call("GET", "/rest/t/tasks").map(|call| call.1),
            Some("t".to_owned())
        );
    }
}
