//! The workspace's agents.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Settings;
use super::agents::{Agent, BUILT_IN, BuiltIn, NEW_ECHO};
use super::scripted::ScriptedAgent;
use super::switches::Switches;
use crate::ids;

/// One version of an agent.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) group_id: String,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) status: &'static str,
    pub(crate) is_active: bool,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) config: Map<String, Value>,
    /// What it does unless its configuration names another behaviour.
    pub(crate) behaviour: Arc<dyn Agent>,
    /// How many of its tasks hold a slot.
    pub(crate) slots: u32,
    /// Its tasks that wait for one.
    pub(crate) queue: VecDeque<usize>,
}

/// Returns all agents, oldest first.
pub(crate) fn records(seed: u64, settings: &Settings, now: u64) -> Vec<Record> {
    let is_scripted = |name: &str| settings.agents.iter().any(|agent| agent.name == name);
    let built_in = |agent: &BuiltIn, name: &str, version: u32| {
        Record::new(seed, name, version, agent.about, Arc::new(agent.clone()))
    };
    let mut records: Vec<Record> = BUILT_IN
        .iter()
        .filter(|agent| !is_scripted(agent.name))
        .map(|agent| Record {
            status: agent.status,
            is_active: agent.is_active,
            ..built_in(agent, agent.name, agent.version)
        })
        .collect();
    records.extend(settings.agents.iter().map(|agent| scripted(seed, agent)));
    // The fillers are the newest, so that finding any other agent takes paging.
    for number in 1..=settings.switches.filler_agents {
        records.push(built_in(&NEW_ECHO, &format!("filler-{number:03}"), 1));
    }
    const HOUR: u64 = 3_600_000;
    let count = records.len() as u64;
    for (age, record) in records.iter_mut().enumerate() {
        record.created_at = now.saturating_sub((count - age as u64) * HOUR);
        record.updated_at = record.created_at;
    }
    records
}

/// The prompt of an agent whose behaviour stands in a scenario.
const SCRIPTED: &str = "Follows a scenario file.";

/// Returns an agent that a scenario spells out.
fn scripted(seed: u64, agent: &ScriptedAgent) -> Record {
    let script = Arc::new(agent.script.clone());
    Record {
        is_active: agent.is_active,
        ..Record::new(seed, &agent.name, 1, SCRIPTED, script)
    }
}

/// Adds an agent that a scenario spells out, or has the newest version of that name do as it says.
pub(crate) fn add(records: &mut Vec<Record>, seed: u64, agent: &ScriptedAgent, now: u64) {
    let new = scripted(seed, agent);
    let Some(known) = newest(records, &agent.name) else {
        records.push(Record {
            created_at: now,
            updated_at: now,
            ..new
        });
        return;
    };
    known.status = new.status;
    known.is_active = new.is_active;
    known.config = new.config;
    known.behaviour = new.behaviour;
    known.updated_at = now;
}

/// Takes a scenario's words from an agent: a built-in one does again what it did, which is returned; any other is put
/// away, so that nothing can be started there. Its tasks continue.
pub(crate) fn remove(records: &mut [Record], name: &str, now: u64) -> Option<Arc<dyn Agent>> {
    let known = newest(records, name)?;
    known.updated_at = now;
    let Some(agent) = BUILT_IN.iter().rev().find(|agent| agent.name == name) else {
        known.status = "archived";
        known.is_active = false;
        return None;
    };
    known.status = agent.status;
    known.is_active = agent.is_active;
    known.config = config_of(agent.about);
    known.behaviour = Arc::new(agent.clone());
    Some(Arc::clone(&known.behaviour))
}

fn newest<'r>(records: &'r mut [Record], name: &str) -> Option<&'r mut Record> {
    records.iter_mut().rev().find(|record| record.name == name)
}

impl Record {
    pub(crate) fn new(
        seed: u64,
        name: &str,
        version: u32,
        about: &str,
        behaviour: Arc<dyn Agent>,
    ) -> Self {
        Self {
            id: ids::uuid(seed, &format!("agent {name}"), u64::from(version)),
            group_id: ids::uuid(seed, &format!("group {name}"), 0),
            name: name.to_owned(),
            version,
            status: "published",
            is_active: true,
            created_at: 0,
            updated_at: 0,
            config: config_of(about),
            behaviour,
            slots: 0,
            queue: VecDeque::new(),
        }
    }

    /// Returns the agent as lists have it.
    pub(crate) fn item(&self, switches: &Switches) -> Value {
        json!({
            "id": self.id,
            "agent_group_id": self.group_id,
            "version_number": self.version,
            "status": self.status,
            "name": self.name,
            "is_active": self.is_active,
            "created_at": switches.time(self.created_at),
            "updated_at": switches.time(self.updated_at),
        })
    }

    /// Returns the agent with its configuration.
    pub(crate) fn full(&self, switches: &Switches) -> Value {
        let mut value = self.item(switches);
        value["config"] = Value::Object(self.config.clone());
        value
    }
}

/// Returns the configuration of an agent for which nothing but its prompt was said.
pub(crate) fn config_of(prompt: &str) -> Map<String, Value> {
    let mut config = Map::new();
    config.insert("system_prompt".to_owned(), json!(prompt));
    config.insert("tools".to_owned(), json!([]));
    config.insert("model".to_owned(), json!("simulated"));
    config
}

/// Returns the behaviour that a configuration names: the agent of its `acts_like`, or else the one whose name is the whole
/// prompt.
///
/// # Errors
/// With the reason when `acts_like` names none.
pub(crate) fn named_behaviour(
    behaviours: &BTreeMap<String, Arc<dyn Agent>>,
    config: &Map<String, Value>,
) -> Result<Option<Arc<dyn Agent>>, String> {
    if let Some(name) = config.get("acts_like") {
        let named = name.as_str().and_then(|name| behaviours.get(name));
        return named.cloned().map(Some).ok_or_else(|| {
            let known: Vec<&str> = behaviours.keys().map(String::as_str).collect();
            let known = known.join(", ");
            format!("config.acts_like {name} is no behaviour of the simulator (known: {known})")
        });
    }
    let prompt = config.get("system_prompt").and_then(Value::as_str);
    Ok(prompt.and_then(|prompt| behaviours.get(prompt.trim()).cloned()))
}
