//! What a running simulator does for this platform's users.

use serde_json::Value;

use super::{DashboardAction, NanonetsAccess, Server, Stats};
use crate::http::Sim;

impl Sim {
    /// Returns how to reach the simulated Nanonets platform.
    #[must_use]
    pub fn nanonets(&self) -> NanonetsAccess {
        self.with(|server: &mut Server, _| server.access(&self.url()))
    }

    /// Returns the id of the newest version of an agent, runnable or not.
    ///
    /// # Panics
    /// When there is no agent of that name: a typo in a test.
    #[must_use]
    pub fn agent(&self, name: &str) -> String {
        let id = self.with(|server: &mut Server, _| server.agent(name));
        id.unwrap_or_else(|| panic!("the simulator has no agent {name:?}"))
    }

    /// Returns the ids of an agent and of a task of another workspace.
    #[must_use]
    pub fn foreign_ids(&self) -> (String, String) {
        self.with(|server: &mut Server, _| (server.foreign_agent(), server.foreign_task()))
    }

    /// Returns what the Nanonets platform has counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.with(|server: &mut Server, _| server.stats())
    }

    /// Does what a human does in the dashboard of Nanonets.
    ///
    /// # Errors
    /// With the reason when there is no such task or it is not in the state for it.
    pub fn dashboard(&self, task_id: &str, action: DashboardAction) -> Result<(), String> {
        self.with(|server: &mut Server, now| server.dashboard(task_id, action, now))
    }

    /// Does what a human does in the editor of Nanonets' dashboard: saves changes (`name`, `system_prompt`, `config`,
    /// `is_active`) as the agent's draft, and gives the draft's id.
    ///
    /// # Errors
    /// With the reason when there is no such agent or the changes are none.
    pub fn draft_agent(&self, agent_id: &str, changes: &Value) -> Result<String, String> {
        let drafted =
            self.with(|server: &mut Server, now| server.draft_agent(agent_id, changes, now));
        drafted.map_err(|refusal| {
            let body = refusal.value();
            body["error"].as_str().unwrap_or_default().to_owned()
        })
    }
}
