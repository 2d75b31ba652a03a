//! What the platform has counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts since the start or the last reset. Only requests that were applied count; those that a fault swallowed stand
/// in the request log alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many tasks exist.
    pub tasks: u64,
    /// How many runs made a task.
    pub starts: u64,
    /// How many agents were created.
    pub creates: u64,
    /// How many updates of an agent were accepted.
    pub updates: u64,
    /// How many drafts were published.
    pub publishes: u64,
    /// Applied requests by endpoint: `run`, `status`, `summary`, `result`, `messages`, `message`, `cancel`, `tasks`,
    /// `agents`, `agent`, `create_agent`, `update_agent`, `versions`, `publish`.
    pub endpoints: BTreeMap<String, u64>,
    /// Every question that was ever open, in order, with the messages that came while it was.
    pub questions: Vec<QuestionStats>,
    /// Each task by its id.
    pub per_task: BTreeMap<String, TaskStats>,
}

/// How often a question was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuestionStats {
    /// The task's id.
    pub task: String,
    /// The id of the assistant's message that asked.
    pub message: String,
    /// How many user messages came while it was open.
    pub answers: u64,
}

/// What happened to one task.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskStats {
    /// The agent's name.
    pub agent: String,
    /// The status now.
    pub status: String,
    /// Applied requests by endpoint.
    pub requests: BTreeMap<String, u64>,
}
