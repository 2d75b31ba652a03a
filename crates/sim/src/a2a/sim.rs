//! What a running simulator does for this platform's users.

use super::{A2aAccess, DashboardAction, Server, Stats};
use crate::http::Sim;

impl Sim {
    /// Returns how to reach the simulated A2A platform.
    #[must_use]
    pub fn a2a(&self) -> A2aAccess {
        self.with(|server: &mut Server, _| server.access(&self.url()))
    }

    /// Returns what the A2A platform has counted.
    #[must_use]
    pub fn a2a_stats(&self) -> Stats {
        self.with(|server: &mut Server, _| server.stats())
    }

    /// Does what a human does to a task of A2A elsewhere.
    ///
    /// # Errors
    /// With the reason when there is no such task or it is not in the state for it.
    pub fn a2a_dashboard(&self, task: &str, action: DashboardAction) -> Result<(), String> {
        self.with(|server: &mut Server, now| server.dashboard(task, action, now))
    }

    /// Restarts the A2A server: streams end, and tasks that work do so for ever.
    pub fn a2a_restart(&self) {
        self.with(|server: &mut Server, now| server.restart(now));
    }
}
