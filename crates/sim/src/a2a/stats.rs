//! What the platform has counted.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::time::rfc3339;

/// Counts since the start or the last reset. Only requests that were applied count; those that a fault swallowed stand
/// in the request log alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many tasks can be seen.
    pub tasks: u64,
    /// How many messages began something new.
    pub starts: u64,
    /// How many of them got an earlier task again.
    pub duplicates: u64,
    /// How many of them were answered without a task.
    pub direct_answers: u64,
    /// How many streams were opened.
    pub streams: u64,
    /// How often the server was restarted.
    pub restarts: u64,
    /// Applied requests by endpoint, as [`Server::endpoint`](super::Server::endpoint) names them.
    pub endpoints: BTreeMap<String, u64>,
    /// Every question that there ever was, in order.
    pub questions: Vec<QuestionStats>,
    /// Each task by its id.
    pub per_task: BTreeMap<String, TaskStats>,
}

/// A question, or a request for a credential.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuestionStats {
    /// The task's id.
    pub task: String,
    /// What it says; absent where it is data, or is not told.
    pub text: Option<String>,
    /// When it was asked, in milliseconds since the epoch.
    #[serde(serialize_with = "as_time")]
    pub time: u64,
    /// How many messages answered it: never more than one.
    pub answers: u64,
    /// Whether it waits for one.
    pub is_open: bool,
}

fn as_time<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*ms, true))
}

/// What happened to one task.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskStats {
    /// The agent's name.
    pub agent: String,
    /// The state now, as version 1.0 spells it.
    pub state: String,
    /// How many messages of the user were taken up.
    pub turns: u64,
    /// How many streams of it were opened.
    pub streams: u64,
    /// Applied requests by endpoint.
    pub requests: BTreeMap<String, u64>,
}
