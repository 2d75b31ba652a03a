//! What scenarios add to a running server.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::scripted::ScriptedAgent;
use super::{AgentRef, Server, registry};
use crate::switches::laid_over;

/// What a scenario adds to a running server.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Added {
    switches: Map<String, Value>,
    #[serde(rename = "agent")]
    agents: Vec<ScriptedAgent>,
}

impl Server {
    /// Returns what of a scenario is in force, by the tables of its file.
    pub(super) fn in_force(&self) -> Value {
        let agent = |agent: AgentRef| {
            let is_built_in = !self.scripted.contains(&agent.name);
            json!({ "name": agent.name, "id": agent.id, "built_in": is_built_in })
        };
        let agents: Vec<Value> = self.agents().into_iter().map(agent).collect();
        json!({ "switches": self.switches, "agent": agents })
    }

    /// Lays what a scenario file says over what is in force.
    pub(super) fn add(&mut self, text: &str, now: u64) -> Result<(), String> {
        let added: Added = toml::from_str(text).map_err(|why| why.to_string())?;
        let switches = laid_over(&self.switches, added.switches);
        self.switches = switches.map_err(|why| why.to_string())?;
        for agent in added.agents {
            registry::add(&mut self.agents, self.seed, &agent, now);
            let script = Arc::new(agent.script);
            self.behaviours.insert(agent.name.clone(), script);
            self.scripted.insert(agent.name);
        }
        Ok(())
    }

    /// Takes back the agent of this name that a scenario added.
    pub(super) fn remove(&mut self, name: &str, now: u64) -> Result<(), String> {
        if !self.scripted.remove(name) {
            return Err(format!("no scenario added an agent {name:?}"));
        }
        match registry::remove(&mut self.agents, name, now) {
            Some(own) => self.behaviours.insert(name.to_owned(), own),
            None => self.behaviours.remove(name),
        };
        Ok(())
    }
}
