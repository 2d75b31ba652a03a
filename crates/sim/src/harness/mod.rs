//! The Agent Harness platform as a pure machine.

mod routes;
mod stats;
mod switches;

use crate::message::{Answer, Head, Pulled, Reply, Request, StreamId};
use crate::scenario::Scenario;
pub use stats::{RunStats, Stats, WaitStats};
pub use switches::{
    AuthCodes, CursorName, CursorType, KeyPlace, LimitStatus, LineEnding, Replay, Switches, Wrapper,
};

/// The platform's server.
#[derive(Debug)]
pub struct Server {
    api_key: String,
    now: u64,
}

/// What a human can do to a run in the vendor's dashboard.
#[derive(Debug, Clone, PartialEq)]
pub enum DashboardAction {
    /// Lets a waiting run go on.
    Approve,
    /// Makes a waiting run fail.
    Reject(
        /// The reason.
        String,
    ),
    /// Lets a waiting run go on with data.
    Input(
        /// The data.
        serde_json::Map<String, serde_json::Value>,
    ),
    /// Cancels a run that has not ended.
    Stop,
    /// Takes the worker from a running run.
    Stall,
}

impl Server {
    /// A platform whose ids and key follow from the seed.
    #[must_use]
    pub fn new(seed: u64, _scenario: &Scenario, now: u64) -> Self {
        Self {
            api_key: format!("key_sim_{seed}:secret"),
            now,
        }
    }

    /// The key it begins with: `key_id:secret`.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The name of the endpoint that a head is for, and the id of the run that it names; for logs and fault rules.
    #[must_use]
    pub fn endpoint(head: &Head) -> (&'static str, Option<String>) {
        match routes::resolve(head) {
            Ok((endpoint, id)) => (endpoint.name(), endpoint.is_of_a_run().then_some(id)),
            Err(_) => ("unknown", None),
        }
    }

    /// Refuses what the head alone condemns, so that no body needs to be read.
    ///
    /// # Errors
    /// With the reply that refuses.
    pub fn admit(&self, head: &Head) -> Result<(), Reply> {
        routes::resolve(head)
            .map(|_| ())
            .map_err(|none| Reply::error(none.status, none.error))
    }

    /// Answers a request.
    pub fn handle(&mut self, request: Request, now: u64) -> Answer {
        self.advance(now);
        Answer::Whole(match self.admit(&request.head) {
            Ok(()) => Reply::error(501, "not there yet"),
            Err(reply) => reply,
        })
    }

    /// What a stream has to send now, at most some 64 KiB at a time; a stream that is not open has ended.
    pub fn pull(&mut self, _stream: StreamId, now: u64) -> Pulled {
        self.advance(now);
        Pulled::End
    }

    /// Forgets a stream whose client went away.
    pub fn close(&mut self, _stream: StreamId) {}

    /// When something happens by itself next, on an open stream or to a run; always later than the last time passed
    /// in. `None` when only a request can change anything.
    #[must_use]
    pub fn next_change(&self) -> Option<u64> {
        None
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Does what a human does in the dashboard.
    ///
    /// # Errors
    /// With the reason when there is no such run or it is not in the state for it.
    pub fn dashboard(
        &mut self,
        run: &str,
        _action: DashboardAction,
        now: u64,
    ) -> Result<(), String> {
        self.advance(now);
        Err(format!("no run {run:?}"))
    }
}
