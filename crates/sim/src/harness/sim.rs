//! What a running simulator does for this platform's users.

use super::{DashboardAction, HarnessAccess, Server, Stats};
use crate::http::Sim;

impl Sim {
    /// Returns how to reach the simulated Agent Harness platform.
    #[must_use]
    pub fn harness(&self) -> HarnessAccess {
        self.with(|server: &mut Server, _| server.access(&self.url()))
    }

    /// Returns what the Agent Harness platform has counted.
    #[must_use]
    pub fn harness_stats(&self) -> Stats {
        self.with(|server: &mut Server, _| server.stats())
    }

    /// Does what a human does in the dashboard of Agent Harness.
    ///
    /// # Errors
    /// With the reason when there is no such run or it is not in the state for it.
    pub fn harness_dashboard(&self, run: &str, action: DashboardAction) -> Result<(), String> {
        self.with(|server: &mut Server, now| server.dashboard(run, action, now))
    }
}
