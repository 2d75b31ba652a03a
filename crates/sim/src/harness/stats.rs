//! What the platform has counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts since the start or the last reset. Only requests that were applied count; those that a fault swallowed stand
/// in the request log alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many runs exist.
    pub runs: u64,
    /// How many creations made a run.
    pub starts: u64,
    /// How many creations gave an earlier run.
    pub replays: u64,
    /// How many creations were refused for the sake of their key: other parameters, or still in progress.
    pub conflicts: u64,
    /// How many streams were opened.
    pub streams: u64,
    /// How many stalled runs were brought back.
    pub resumes: u64,
    /// Applied requests by endpoint, as [`Server::endpoint`](super::Server::endpoint) names them.
    pub endpoints: BTreeMap<String, u64>,
    /// Every wait that there ever was, in order, with the signals that came for it.
    pub waits: Vec<WaitStats>,
    /// Each run by its id.
    pub per_run: BTreeMap<String, RunStats>,
}

/// The signals that came while a wait was the newest of its run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitStats {
    /// The run's id.
    pub run: String,
    /// The sequence number of the wait's event.
    pub seq: u64,
    /// The action that ended the wait; absent while it is open and after a timeout.
    pub action: Option<String>,
    /// Well-formed signals.
    pub received: u64,
    /// Signals that ended the wait, those from the dashboard included: never more than one.
    pub applied: u64,
    /// Signals whose key was seen before.
    pub replayed: u64,
    /// Signals that were refused.
    pub refused: u64,
}

/// What happened to one run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunStats {
    /// The name of what runs.
    pub scenario: String,
    /// The status now, whatever a read shows.
    pub status: String,
    /// How many streams of it were opened.
    pub streams: u64,
    /// Applied requests by endpoint.
    pub requests: BTreeMap<String, u64>,
}
