//! Making, changing and publishing agents.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Server;
use super::agents::Agent;
use super::list::{Kind, Params};
use super::registry::{self, Record};
use super::run::{bad, read_object};
use crate::ids;
use crate::message::{Head, Reply, SimBody};

/// What a creation, an update or a draft says of an agent.
#[derive(Debug, Default)]
struct AgentChange {
    name: Option<String>,
    system_prompt: Option<String>,
    config: Option<Map<String, Value>>,
    is_active: Option<bool>,
}

impl AgentChange {
    /// Reads the fields; unknown ones are ignored.
    fn read(fields: Map<String, Value>) -> Result<Self, Reply> {
        let mut request = Self::default();
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("name", Value::String(name)) if !name.is_empty() => request.name = Some(name),
                ("name", _) => return Err(bad("name must be a non-empty string")),
                ("system_prompt", Value::String(prompt)) => request.system_prompt = Some(prompt),
                ("system_prompt", _) => return Err(bad("system_prompt must be a string")),
                ("config", Value::Object(config)) => request.config = Some(config),
                ("config", _) => return Err(bad("config must be an object")),
                ("is_active", Value::Bool(is_active)) => request.is_active = Some(is_active),
                ("is_active", _) => return Err(bad("is_active must be a boolean")),
                _ => {}
            }
        }
        Ok(request)
    }

    /// Returns the resulting configuration: the requested one, or else the present one; with the requested prompt.
    fn config_over(&self, present: &Map<String, Value>) -> Map<String, Value> {
        let mut config = self.config.as_ref().unwrap_or(present).clone();
        let has_own_prompt = self
            .config
            .as_ref()
            .is_some_and(|config| config.contains_key("system_prompt"));
        if let Some(prompt) = self.system_prompt.as_ref().filter(|_| !has_own_prompt) {
            config.insert("system_prompt".to_owned(), json!(prompt));
        }
        config
    }
}

impl Server {
    pub(super) fn create_agent(&mut self, body: &SimBody) -> Result<Reply, Reply> {
        let request = self.read_change(body)?;
        let group_id = ids::uuid(self.seed, "created group", self.counted.creates);
        let name = match &request.name {
            Some(name) => {
                self.check_name(name, &group_id)?;
                name.clone()
            }
            None => (1..)
                .map(|number| format!("Untitled Agent {number}"))
                .find(|name| !self.is_taken(name, &group_id))
                .expect("of all numbers one is free"),
        };
        let config = request.config_over(&registry::config_of(""));
        self.check_config(&config)?;
        let echo = self.behaviours.get("echo").expect("echo is built in");
        let record = Record {
            id: version_id(self.seed, &group_id, 1),
            group_id,
            config,
            created_at: self.now,
            updated_at: self.now,
            ..Record::new(self.seed, &name, 1, "", Arc::clone(echo))
        };
        self.counted.creates += 1;
        let reply = record.full(&self.switches);
        self.agents.push(record);
        Ok(Reply::json(self.switches.create_agent_status_code, &reply))
    }

    pub(super) fn update_agent(&mut self, id: &str, body: &SimBody) -> Result<Reply, Reply> {
        let number = self.find_agent(id)?;
        let request = self.read_change(body)?;
        self.change(number, request)?;
        self.counted.updates += 1;
        let reply = self.agents[number].full(&self.switches);
        Ok(Reply::json(200, &reply))
    }

    pub(super) fn list_versions(&self, id: &str, head: &Head) -> Result<Reply, Reply> {
        let group_id = &self.agents[self.find_agent(id)?].group_id;
        let newest_first = self
            .agents
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, agent)| agent.group_id == *group_id)
            .map(|(number, agent)| (number, agent.item(&self.switches)));
        let params = Params::read(head, Kind::Versions, &self.switches)?;
        if self.switches.versions_in_pages || params.asks_for_a_page {
            return Ok(params.page(newest_first));
        }
        let data: Vec<Value> = newest_first.map(|(_, item)| item).collect();
        Ok(Reply::json(200, &json!({ "data": data })))
    }

    pub(super) fn publish(&mut self, id: &str) -> Result<Reply, Reply> {
        let group_id = self.agents[self.find_agent(id)?].group_id.clone();
        let nothing = || Reply::error(409, "There are no draft changes to publish");
        let draft = self.newest(&group_id, "draft").ok_or_else(nothing)?;
        let published = self.newest(&group_id, "published");
        let says_the_same = |one: &Record, other: &Record| {
            one.name == other.name && one.config == other.config && one.is_active == other.is_active
        };
        if published.is_some_and(|number| says_the_same(&self.agents[number], &self.agents[draft]))
        {
            return Err(nothing());
        }
        let now = self.now;
        for agent in &mut self.agents {
            if agent.group_id == group_id && agent.status == "published" {
                agent.status = "archived";
                agent.updated_at = now;
            }
        }
        self.agents[draft].status = "published";
        self.agents[draft].updated_at = now;
        self.counted.publishes += 1;
        let reply = self.agents[draft].item(&self.switches);
        Ok(Reply::json(self.switches.publish_status_code, &reply))
    }

    /// Does what a human does in the dashboard's editor: saves changes as the agent's draft, and returns the draft's id.
    /// They are over the draft that there is, or else over the newest version.
    ///
    /// # Errors
    /// With the reply that an update with the same fields would get.
    pub fn draft_agent(&mut self, id: &str, changes: &Value, now: u64) -> Result<String, Reply> {
        self.advance(now);
        let found = self.find_agent(id)?;
        let bytes = changes.to_string().into_bytes();
        let request = self.read_change(&SimBody::Bytes(bytes))?;
        let group_id = self.agents[found].group_id.clone();
        if let Some(draft) = self.newest(&group_id, "draft") {
            self.change(draft, request)?;
            return Ok(self.agents[draft].id.clone());
        }
        let newest = self.newest(&group_id, "published").unwrap_or(found);
        let version = self
            .agents
            .iter()
            .filter(|agent| agent.group_id == group_id)
            .map(|agent| agent.version)
            .max()
            .map_or(1, |version| version + 1);
        let base = &self.agents[newest];
        let draft = Record {
            id: version_id(self.seed, &group_id, version),
            group_id,
            status: "draft",
            is_active: base.is_active,
            config: base.config.clone(),
            created_at: self.now,
            updated_at: self.now,
            ..Record::new(
                self.seed,
                &base.name,
                version,
                "",
                Arc::clone(&base.behaviour),
            )
        };
        let id = draft.id.clone();
        self.agents.push(draft);
        let number = self.agents.len() - 1;
        if let Err(refusal) = self.change(number, request) {
            self.agents.pop();
            return Err(refusal);
        }
        Ok(id)
    }

    /// Returns what an agent does now.
    pub(super) fn behaviour(&self, number: usize) -> Arc<dyn Agent> {
        let agent = &self.agents[number];
        let named = registry::named_behaviour(&self.behaviours, &agent.config);
        named
            .ok()
            .flatten()
            .unwrap_or_else(|| Arc::clone(&agent.behaviour))
    }

    fn read_change(&self, body: &SimBody) -> Result<AgentChange, Reply> {
        let SimBody::Bytes(bytes) = body else {
            return Err(bad("The body must be JSON"));
        };
        AgentChange::read(read_object(bytes, &self.switches)?)
    }

    /// Changes a version in place, or not at all.
    fn change(&mut self, number: usize, request: AgentChange) -> Result<(), Reply> {
        let agent = &self.agents[number];
        if let Some(name) = &request.name {
            self.check_name(name, &agent.group_id)?;
        }
        let config = request.config_over(&agent.config);
        self.check_config(&config)?;
        let name = request.name.unwrap_or_else(|| agent.name.clone());
        let is_active = request.is_active.unwrap_or(agent.is_active);
        let now = self.now;
        let agent = &mut self.agents[number];
        if (&agent.name, &agent.config, agent.is_active) != (&name, &config, is_active) {
            agent.name = name;
            agent.config = config;
            agent.is_active = is_active;
            agent.updated_at = now;
        }
        Ok(())
    }

    fn check_name(&self, name: &str, group_id: &str) -> Result<(), Reply> {
        if self.is_taken(name, group_id) {
            let code = self.switches.name_clash_status_code;
            return Err(Reply::error(
                code,
                format!("An agent named {name:?} exists already"),
            ));
        }
        Ok(())
    }

    /// Returns whether another agent than this one has the name.
    fn is_taken(&self, name: &str, group_id: &str) -> bool {
        self.agents.iter().any(|agent| {
            agent.name == name && agent.group_id != group_id && agent.status != "archived"
        })
    }

    fn check_config(&self, config: &Map<String, Value>) -> Result<(), Reply> {
        registry::named_behaviour(&self.behaviours, config)
            .map(|_| ())
            .map_err(|why| bad(&why))
    }

    /// Returns the newest version of an agent that is in this state.
    pub(super) fn newest(&self, group_id: &str, status: &str) -> Option<usize> {
        self.agents
            .iter()
            .rposition(|agent| agent.group_id == group_id && agent.status == status)
    }
}

fn version_id(seed: u64, group_id: &str, version: u32) -> String {
    ids::uuid(seed, &format!("agent {group_id}"), u64::from(version))
}
