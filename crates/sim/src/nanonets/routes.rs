//! The platform's routes.

use serde_json::json;

use crate::message::{Head, Reply};
use crate::routes::{self, Route};

/// An endpoint, by what it is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Agents,
    CreateAgent,
    Agent,
    UpdateAgent,
    Versions,
    Publish,
    Run,
    Tasks,
    Status,
    Summary,
    Result,
    Messages,
    Message,
    Cancel,
}

/// Method, path and endpoint of every operation that the contract documents.
static ROUTES: [Route<Endpoint>; 14] = [
    ("GET", "/api/v1/agents", Endpoint::Agents),
    ("POST", "/api/v1/agents", Endpoint::CreateAgent),
    ("GET", "/api/v1/agents/{agent_id}", Endpoint::Agent),
    ("PATCH", "/api/v1/agents/{agent_id}", Endpoint::UpdateAgent),
    ("POST", "/api/v1/agents/{agent_id}/run", Endpoint::Run),
    (
        "GET",
        "/api/v1/agents/{agent_id}/versions",
        Endpoint::Versions,
    ),
    (
        "POST",
        "/api/v1/agents/{agent_id}/versions/publish",
        Endpoint::Publish,
    ),
    ("GET", "/api/v1/tasks", Endpoint::Tasks),
    ("GET", "/api/v1/tasks/{task_id}", Endpoint::Status),
    ("GET", "/api/v1/tasks/{task_id}/summary", Endpoint::Summary),
    ("GET", "/api/v1/tasks/{task_id}/result", Endpoint::Result),
    (
        "GET",
        "/api/v1/tasks/{task_id}/messages",
        Endpoint::Messages,
    ),
    ("POST", "/api/v1/tasks/{task_id}/message", Endpoint::Message),
    ("POST", "/api/v1/tasks/{task_id}/cancel", Endpoint::Cancel),
];

impl Endpoint {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::CreateAgent => "create_agent",
            Self::Agent => "agent",
            Self::UpdateAgent => "update_agent",
            Self::Versions => "versions",
            Self::Publish => "publish",
            Self::Run => "run",
            Self::Tasks => "tasks",
            Self::Status => "status",
            Self::Summary => "summary",
            Self::Result => "result",
            Self::Messages => "messages",
            Self::Message => "message",
            Self::Cancel => "cancel",
        }
    }

    /// Returns whether it takes query parameters.
    pub(crate) fn is_a_list(self) -> bool {
        matches!(self, Self::Agents | Self::Versions | Self::Tasks)
    }

    /// Returns whether the id in its path is a task's.
    pub(crate) fn is_of_a_task(self) -> bool {
        match self {
            Self::Status
            | Self::Summary
            | Self::Result
            | Self::Messages
            | Self::Message
            | Self::Cancel => true,
            Self::Agents
            | Self::CreateAgent
            | Self::Agent
            | Self::UpdateAgent
            | Self::Versions
            | Self::Publish
            | Self::Run
            | Self::Tasks => false,
        }
    }
}

/// Returns whether this platform answers for a path.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with("/api/v1/")
}

/// Returns whether this platform has an endpoint of this name.
pub(super) fn has(name: &str) -> bool {
    ROUTES
        .iter()
        .any(|(_, _, endpoint)| endpoint.name() == name)
}

/// Returns the endpoint of a request and the id in its path (empty when the path has none), or the 404 or 405 that a client of
/// another contract gets.
pub(crate) fn resolve(head: &Head) -> Result<(Endpoint, String), Reply> {
    match routes::resolve(&ROUTES, head) {
        Ok(((_, _, endpoint), id)) => Ok((*endpoint, id)),
        Err(none) => {
            let body = json!({ "error": none.error, "routes": none.routes });
            let mut reply = Reply::json(none.status, &body);
            let allow = none.allow.map(|methods| ("allow", methods));
            reply.headers.extend(allow);
            Err(reply)
        }
    }
}
