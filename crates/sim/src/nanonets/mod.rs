//! The Nanonets Agents platform as a pure machine.
//!
//! [`Server::handle`] takes a request and the time and returns the reply; [`Server::advance`] lets time pass. The same
//! seed and the same script give byte-identical replies.
//!
//! # What is modelled
//! Every documented operation. Everything else answers 404 or 405 with the list of routes, and a request in an encoding
//! that is not understood 501.
//!
//! # Assumptions
//! Where the contract is silent, [`Switches`] decides. What no switch covers:
//! * Order of judgement: route, key, id format, existence, workspace, state, body.
//! * A field of the wrong type, null included, is a 400; unknown fields are ignored, unknown query parameters are not.
//! * An empty `query` (without a file), `message` or `name` is a 400, as the overlay of the specification says. An empty
//!   `cursor`, `status` or `q` is the same as none.
//! * A message to a task that is pending, queued, running or in review is taken up when the agent's turn ends; it
//!   answers no question that comes later.
//! * A task that continues after a wait takes its place among the agent's running ones, or is `queued` again.
//! * The agent's last message is in the message log, too.
//! * An archived version can still be run, and any version be updated, by its id.
//! * A creation and an update judge alike: a `system_prompt` beside a `config` that has one of its own is ignored.
//! * A name is taken when another agent has a version under it that is not archived.
//! * An update without a field changes nothing, and the tasks that an agent has continue as they began.
//!
//! # What a created agent does
//! It acts like the agent of the simulator that its `config.acts_like` names, or else like the one whose name is its
//! whole system prompt (`asker`, `slow`, ...); any other echoes. An `acts_like` without such an agent is a 400. An update
//! may give any agent another behaviour in the same way.

mod added;
mod agents;
mod engine;
mod list;
mod manage;
mod platform;
mod registry;
pub(crate) mod routes;
mod run;
mod scripted;
#[cfg(feature = "http")]
mod sim;
mod stats;
mod switches;
mod task;
mod views;

pub(crate) use platform::REGISTERED;
pub use platform::{NanonetsAccess, Settings};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

pub use stats::{QuestionStats, Stats, TaskStats};
pub use switches::{
    ContentShape, DataPlace, Envelope, LateMessage, ListEnd, RejectEnds, Switches, Title,
};

use crate::ids;
use crate::message::{Head, Reply, Request, SimBody};
use crate::scenario::Scenario;

use crate::time::http_date;
use agents::Agent;
pub use list::looped;
use list::{Kind, Params};
use registry::Record;
use routes::Endpoint;
use task::{Entry, Phase, Role, Task};
use views::View;

/// The platform's server.
#[derive(Debug)]
pub struct Server {
    seed: u64,
    api_key: String,
    switches: Switches,
    agents: Vec<Record>,
    /// What an agent can act like, by name.
    behaviours: BTreeMap<String, Arc<dyn Agent>>,
    /// The names of the agents that scenarios spell out.
    scripted: BTreeSet<String>,
    /// What was counted, but for the tasks themselves.
    counted: Stats,
    /// Oldest first; a task's number is its place.
    tasks: Vec<Task>,
    numbers: BTreeMap<String, usize>,
    /// When to check which task. Entries may be stale: the task's own timers are what counts.
    agenda: BTreeSet<(u64, usize)>,
    /// The ids by which the client knows the questions that were counted, and what they say.
    asked: Vec<(String, String)>,
    now: u64,
}

/// An agent that can be run: its id and name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AgentRef {
    /// The id of this version.
    pub id: String,
    /// The display name.
    pub name: String,
}

/// What a human can do to a task in the vendor's dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DashboardAction {
    /// Lets a task in review continue.
    Approve,
    /// Refuses a task in review.
    Reject,
    /// Answers a task that waits for input.
    Answer(
        /// The text.
        String,
    ),
    /// Puts the agent's question in other words, in place, while the task waits and nobody has answered.
    Reword(
        /// The new text.
        String,
    ),
    /// Has the agent ask something else behind its question, while the task waits and nobody has answered.
    AskMore(
        /// The text.
        String,
    ),
    /// Stops a task that has not ended.
    Stop,
}

impl Server {
    /// Returns a platform whose ids and key follow from the seed.
    #[must_use]
    pub fn new(seed: u64, scenario: &Scenario, now: u64) -> Self {
        let settings: Settings = scenario.of();
        let agents = registry::records(seed, &settings, now);
        let names = settings.agents.iter().map(|agent| agent.name.clone());
        // Of the versions of an agent the newest.
        let behaviours = agents
            .iter()
            .map(|agent| (agent.name.clone(), Arc::clone(&agent.behaviour)));
        Self {
            seed,
            api_key: ids::api_key(seed),
            switches: settings.switches,
            behaviours: behaviours.collect(),
            scripted: names.collect(),
            agents,
            counted: Stats::default(),
            tasks: Vec::new(),
            numbers: BTreeMap::new(),
            agenda: BTreeSet::new(),
            asked: Vec::new(),
            now,
        }
    }

    /// Returns the only key it takes.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Returns the agents that can be run, one for each name, newest version first; without the fillers.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentRef> {
        let runnable = |agent: &&Record| agent.status == "published" && agent.is_active;
        let mut refs: Vec<AgentRef> = Vec::new();
        for agent in self.agents.iter().rev().filter(runnable) {
            if !agent.name.starts_with("filler-")
                && !refs.iter().any(|known| known.name == agent.name)
            {
                refs.push(AgentRef {
                    id: agent.id.clone(),
                    name: agent.name.clone(),
                });
            }
        }
        refs.reverse();
        refs
    }

    /// Returns the id of the newest version of the agent with this name, runnable or not.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<String> {
        self.agents
            .iter()
            .rev()
            .find(|agent| agent.name == name)
            .map(|agent| agent.id.clone())
    }

    /// Returns the id of an agent of another workspace.
    #[must_use]
    pub fn foreign_agent(&self) -> String {
        ids::uuid(self.seed, "foreign agent", 0)
    }

    /// Returns the id of a task of another workspace.
    #[must_use]
    pub fn foreign_task(&self) -> String {
        ids::uuid(self.seed, "foreign task", 0)
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let per_task = self.tasks.iter().map(|task| {
            let stats = TaskStats {
                agent: self.agents[task.agent].name.clone(),
                status: task.status().to_owned(),
                requests: task.requests.clone(),
            };
            (task.id.clone(), stats)
        });
        let tasks = self.tasks.len() as u64;
        Stats {
            tasks,
            starts: tasks,
            per_task: per_task.collect(),
            ..self.counted.clone()
        }
    }

    /// Returns the name of the endpoint that a head is for, and the id of the task that it names; for logs and fault rules.
    #[must_use]
    pub fn endpoint(head: &Head) -> (&'static str, Option<String>) {
        match routes::resolve(head) {
            Ok((endpoint, id)) => (endpoint.name(), endpoint.is_of_a_task().then_some(id)),
            Err(_) => ("unknown", None),
        }
    }

    /// Refuses what the head alone condemns, so that no body needs to be read: route, key, id, workspace, an agent
    /// that cannot be run, a body of the wrong type.
    ///
    /// # Errors
    /// With the reply that refuses.
    pub fn admit(&self, head: &Head) -> Result<(), Reply> {
        self.judge_head(head)
            .map(|_| ())
            .map_err(|reply| self.date(reply))
    }

    /// Answers a request.
    pub fn handle(&mut self, request: Request, now: u64) -> Reply {
        self.advance(now);
        let reply = match self.judge_head(&request.head) {
            Ok((endpoint, id)) => {
                *self
                    .counted
                    .endpoints
                    .entry(endpoint.name().to_owned())
                    .or_default() += 1;
                self.answer(endpoint, &id, request)
                    .unwrap_or_else(|refusal| refusal)
            }
            Err(refusal) => refusal,
        };
        // With a delay of zero something may be due at this very instant.
        self.advance(now);
        if self.switches.extra_fields {
            return self.date(reply.extended());
        }
        self.date(reply)
    }

    /// Does what a human does in the dashboard.
    ///
    /// # Errors
    /// With the reason when there is no such task or it is not in the state for it.
    pub fn dashboard(
        &mut self,
        task_id: &str,
        action: DashboardAction,
        now: u64,
    ) -> Result<(), String> {
        self.advance(now);
        let number = self
            .numbers
            .get(task_id)
            .copied()
            .ok_or_else(|| format!("no task {task_id:?}"))?;
        let phase = self.tasks[number].phase;
        let wrong = || format!("task {task_id} is {}", phase.name());
        match action {
            DashboardAction::Approve if phase == Phase::Review => self.approve(number),
            DashboardAction::Reject if phase == Phase::Review => match self.switches.reject_ends {
                RejectEnds::Failed => self.fail(number, "Rejected in review.".to_owned()),
                RejectEnds::Stopped => self.stop(number),
            },
            DashboardAction::Answer(text) if phase == Phase::Waiting => {
                self.take_message(number, text);
            }
            DashboardAction::Reword(text) if self.is_unanswered(number) => {
                self.reword(number, text);
            }
            DashboardAction::AskMore(text) if self.is_unanswered(number) => {
                self.ask_more(number, text);
            }
            DashboardAction::Stop if !phase.is_terminal() => self.stop(number),
            DashboardAction::Approve
            | DashboardAction::Reject
            | DashboardAction::Answer(_)
            | DashboardAction::Reword(_)
            | DashboardAction::AskMore(_)
            | DashboardAction::Stop => return Err(wrong()),
        }
        self.fill_slots(self.tasks[number].agent);
        self.advance(now);
        Ok(())
    }

    fn judge_head(&self, head: &Head) -> Result<(Endpoint, String), Reply> {
        let (endpoint, id) = routes::resolve(head)?;
        self.check_key(head)?;
        if let Some(why) = head.unmodelled() {
            return Err(Reply::error(501, why));
        }
        match endpoint {
            Endpoint::Agents | Endpoint::Tasks => {}
            Endpoint::CreateAgent => check_json(head)?,
            Endpoint::Agent | Endpoint::Versions | Endpoint::Publish => {
                self.find_agent(&id)?;
            }
            Endpoint::UpdateAgent => {
                self.find_agent(&id)?;
                check_json(head)?;
            }
            Endpoint::Run => {
                self.find_runnable(&id)?;
                run::check_media_type(head)?;
            }
            Endpoint::Message => {
                self.find_task(&id)?;
                check_json(head)?;
            }
            Endpoint::Status
            | Endpoint::Summary
            | Endpoint::Result
            | Endpoint::Messages
            | Endpoint::Cancel => {
                self.find_task(&id)?;
            }
        }
        if !endpoint.is_a_list()
            && let Some((key, _)) = head.pairs().first()
        {
            return Err(Reply::error(
                400,
                format!("Unknown query parameter {key:?}"),
            ));
        }
        Ok((endpoint, id))
    }

    fn answer(&mut self, endpoint: Endpoint, id: &str, request: Request) -> Result<Reply, Reply> {
        let number = if endpoint.is_of_a_task() {
            self.find_task(id)?
        } else {
            0
        };
        if endpoint.is_of_a_task() {
            *self.tasks[number]
                .requests
                .entry(endpoint.name().to_owned())
                .or_default() += 1;
        }
        let ok = |value: Value| Reply::json(200, &value);
        Ok(match endpoint {
            Endpoint::Agents => self.list_agents(&request.head)?,
            Endpoint::Agent => ok(self.agents[self.find_agent(id)?].full(&self.switches)),
            Endpoint::CreateAgent => self.create_agent(&request.body)?,
            Endpoint::UpdateAgent => self.update_agent(id, &request.body)?,
            Endpoint::Versions => self.list_versions(id, &request.head)?,
            Endpoint::Publish => self.publish(id)?,
            Endpoint::Run => self.run(id, request)?,
            Endpoint::Tasks => self.list_tasks(&request.head)?,
            Endpoint::Status => ok(self.view(number).task(&self.tasks[number])),
            Endpoint::Summary => {
                self.check_answer(number)?;
                ok(self.view(number).summary(&self.tasks[number]))
            }
            Endpoint::Result => {
                self.check_answer(number)?;
                ok(self.view(number).result(&self.tasks[number]))
            }
            Endpoint::Messages => ok(self.view(number).messages(&self.tasks[number])),
            Endpoint::Message => self.message(number, &request.body)?,
            Endpoint::Cancel => self.cancel(number),
        })
    }

    fn message(&mut self, number: usize, body: &SimBody) -> Result<Reply, Reply> {
        let SimBody::Bytes(bytes) = body else {
            return Err(Reply::error(400, "The body must be JSON"));
        };
        let body: Value = serde_json::from_slice(bytes)
            .map_err(|_| Reply::error(400, "The body is not valid JSON"))?;
        let text = body["message"].as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| {
            Reply::error(400, "message is required and must be a non-empty string")
        })?;
        let task = &self.tasks[number];
        let status = task.status().to_owned();
        let outcome = match task.phase {
            Phase::Completed => self.switches.message_to_completed,
            Phase::Failed | Phase::Stopped => self.switches.message_to_ended,
            Phase::Pending | Phase::Queued | Phase::Running | Phase::Waiting | Phase::Review => {
                LateMessage::Reopen
            }
        };
        let refuse = |code| {
            Err(Reply::error(
                code,
                format!("The task is {status} and takes no messages"),
            ))
        };
        match outcome {
            LateMessage::Reopen => {}
            LateMessage::Conflict => return refuse(409),
            LateMessage::BadRequest => return refuse(400),
        }
        let id = self.take_message(number, text.to_owned());
        if self.switches.empty_write_replies {
            return Ok(empty());
        }
        let mut body = json!({
            "task_id": self.tasks[number].id,
            "status": status,
            "message": "Message accepted and queued.",
        });
        body[&self.switches.message_id_field] = json!(id);
        Ok(Reply::json(self.switches.message_status_code, &body))
    }

    /// Logs a user message and has it taken up; returns its id.
    fn take_message(&mut self, number: usize, text: String) -> String {
        let text = if self.switches.trim_messages {
            text.trim().to_owned()
        } else {
            text
        };
        self.give_title(number, &text);
        let id = self.add_to_log(number, Role::User, text.clone());
        self.add_to_feed(number, Entry::Message(Role::User, text.clone()));
        let task = &mut self.tasks[number];
        task.unread.push(text);
        if let Some(question) = task.question {
            self.counted.questions[question].answers += 1;
        }
        if (task.phase == Phase::Waiting || task.phase.is_terminal()) && task.wakes_at.is_none() {
            let at = self.now.saturating_add(self.switches.reply_delay_ms);
            task.wakes_at = Some(at);
            self.agenda.insert((at, number));
        }
        id
    }

    fn cancel(&mut self, number: usize) -> Reply {
        let task = &mut self.tasks[number];
        if !task.phase.is_terminal() && task.stops_at.is_none() {
            let at = self.now.saturating_add(self.switches.cancel_delay_ms);
            task.stops_at = Some(at);
            self.agenda.insert((at, number));
            self.advance(self.now);
        }
        if self.switches.empty_write_replies {
            return empty();
        }
        Reply::json(200, &self.view(number).task(&self.tasks[number]))
    }

    fn list_agents(&self, head: &Head) -> Result<Reply, Reply> {
        let params = Params::read(head, Kind::Agents, &self.switches)?;
        let newest_first = self.agents.iter().enumerate().rev().filter(|(_, agent)| {
            params.accepts(
                agent.status,
                agent.status != "archived",
                Some(&agent.name),
                agent.created_at,
            )
        });
        let item = |(number, agent): (usize, &Record)| (number, agent.item(&self.switches));
        Ok(params.page(newest_first.map(item)))
    }

    fn list_tasks(&self, head: &Head) -> Result<Reply, Reply> {
        let params = Params::read(head, Kind::Tasks, &self.switches)?;
        let newest_first = self.tasks.iter().enumerate().rev().filter(|(_, task)| {
            let agent = &self.agents[task.agent];
            let of_agent = |id: &String| {
                agent.id == *id || (self.switches.group_id_addresses_agent && agent.group_id == *id)
            };
            !self.is_hidden(task)
                && params.agent_id.as_ref().is_none_or(of_agent)
                && params.accepts(task.status(), true, task.title.as_deref(), task.created_at)
        });
        Ok(params.page(newest_first.map(|(number, task)| {
            let mut item = self.view(number).task(task);
            if !self.switches.omit_agent_name {
                item["agent_name"] = json!(self.agents[task.agent].name);
            }
            (number, item)
        })))
    }

    /// Refuses to read the answer of a task that has not ended, if the switch says so.
    fn check_answer(&self, number: usize) -> Result<(), Reply> {
        match self.switches.early_answer_code {
            Some(code) if !self.tasks[number].phase.is_terminal() => {
                Err(Reply::error(code, "The task has not ended yet"))
            }
            _ => Ok(()),
        }
    }

    fn check_key(&self, head: &Head) -> Result<(), Reply> {
        let key = head
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        match key {
            Some(key) if key == self.api_key => Ok(()),
            Some(key) if key.starts_with(ids::KEY_PREFIX) => {
                Err(Reply::error(401, "Invalid API key"))
            }
            Some(_) => Err(Reply::error(401, ids::REAL_KEY_WARNING)),
            None => Err(Reply::error(
                401,
                "Missing or malformed Authorization header",
            )),
        }
    }

    fn find_task(&self, id: &str) -> Result<usize, Reply> {
        if !ids::is_uuid(id) {
            return Err(Reply::error(400, "Invalid task_id format"));
        }
        let id = id.to_ascii_lowercase();
        if id == self.foreign_task() {
            return Err(self.foreign("Task"));
        }
        let number = self
            .numbers
            .get(&id)
            .copied()
            .filter(|number| !self.is_hidden(&self.tasks[*number]));
        number.ok_or_else(|| Reply::error(404, "Task not found"))
    }

    fn find_agent(&self, id: &str) -> Result<usize, Reply> {
        if !ids::is_uuid(id) {
            return Err(Reply::error(400, "Invalid agent_id format"));
        }
        let id = id.to_ascii_lowercase();
        if id == self.foreign_agent() {
            return Err(self.foreign("Agent"));
        }
        let by_id = self.agents.iter().position(|agent| agent.id == id);
        let by_group = || {
            self.newest(&id, "published")
                .filter(|_| self.switches.group_id_addresses_agent)
        };
        by_id
            .or_else(by_group)
            .ok_or_else(|| Reply::error(404, "Agent not found"))
    }

    fn find_runnable(&self, id: &str) -> Result<usize, Reply> {
        let number = self.find_agent(id)?;
        let agent = &self.agents[number];
        if !agent.is_active {
            return Err(Reply::error(403, "Agent is inactive"));
        }
        if agent.status == "draft" && !self.switches.draft_runs {
            return Err(Reply::error(403, "Agent is a draft; publish it first"));
        }
        Ok(number)
    }

    fn foreign(&self, what: &str) -> Reply {
        if self.switches.foreign_is_404 {
            return Reply::error(404, format!("{what} not found"));
        }
        Reply::error(403, format!("{what} belongs to another workspace"))
    }

    fn is_hidden(&self, task: &Task) -> bool {
        self.now
            < task
                .created_at
                .saturating_add(self.switches.new_task_hidden_ms)
    }

    fn view(&self, number: usize) -> View<'_> {
        let agent_id = &self.agents[self.tasks[number].agent].id;
        View {
            seed: self.seed,
            switches: &self.switches,
            agent_id,
            now: self.now,
        }
    }

    fn date(&self, mut reply: Reply) -> Reply {
        reply.headers.push(("date", http_date(self.now)));
        reply
    }
}

fn check_json(head: &Head) -> Result<(), Reply> {
    if head.media_type() == "application/json" {
        return Ok(());
    }
    Err(Reply::error(400, "Content-Type must be application/json"))
}

fn empty() -> Reply {
    Reply {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
    }
}
