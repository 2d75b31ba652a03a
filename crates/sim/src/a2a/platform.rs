//! This platform as one among others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::card::escaped;
use super::profile::profiled;
use super::routes;
use super::script::ScriptedAgent;
use super::switches::Switches;
use super::task::State;
use super::{DashboardAction, Server};
use crate::dashboard::{Said, acted, read};
use crate::ids;
use crate::message::{Answer, Head, Pulled, Reply, Request, SimBody, StreamId};
use crate::platform::{
    Effect, Envelope, Interference, QuestionAccount, Registered, ServerState, SimPlatform,
    TaskAccount, TaskStanding,
};
use crate::routes::Serves;

/// What is known of this platform before there is a server.
pub(crate) const REGISTERED: Registered = Registered {
    name: NAME,
    prefix: "A2A",
    owns: routes::owns,
    has: routes::has,
    endpoint: Server::endpoint,
    envelope: Some(Envelope {
        endpoint: routes::RPC,
        operation: Server::operation,
    }),
    serves: |endpoint| match endpoint {
        "send_streaming_message" | "subscribe_to_task" => Serves::Stream,
        "list_tasks" => Serves::List,
        _ => Serves::Other,
    },
    routes: &[
        "DELETE /_sim/scenario/a2a_agent/{name}",
        "POST /_sim/dashboard/a2a/tasks/{id}/answer",
        "POST /_sim/dashboard/a2a/tasks/{id}/reword",
        "POST /_sim/dashboard/a2a/tasks/{id}/sign-in",
        "POST /_sim/dashboard/a2a/tasks/{id}/cancel",
        "POST /_sim/dashboard/a2a/restart",
    ],
    tables: &["a2a", "a2a_agent"],
    settings: |text| Ok(Arc::new(toml::from_str::<Settings>(text)?)),
    server: |seed, scenario, now| Box::new(Server::new(seed, scenario, now)),
};

/// Its name.
const NAME: &str = "a2a";

/// What a scenario file says of this platform.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How it behaves where its protocol leaves a choice: `[a2a]`.
    #[serde(rename = "a2a", deserialize_with = "profiled")]
    pub switches: Switches,
    #[serde(rename = "a2a_agent")]
    pub(crate) agents: Vec<ScriptedAgent>,
}

/// What a scenario adds to a running server.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Added {
    #[serde(rename = "a2a")]
    switches: Map<String, Value>,
    #[serde(rename = "a2a_agent")]
    agents: Vec<ScriptedAgent>,
}

/// How to reach the simulated A2A platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct A2aAccess {
    /// The URL in front of `/.well-known/agent-card.json`.
    pub base_url: String,
    /// The key that it takes; a fake one.
    pub api_key: String,
    /// The agents.
    pub agents: Vec<A2aAgent>,
}

/// A simulated agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct A2aAgent {
    /// Its name.
    pub name: String,
    /// The URL of its card.
    pub card_url: String,
}

impl Server {
    /// Returns how to reach it at this URL.
    #[must_use]
    pub fn access(&self, url: &str) -> A2aAccess {
        let agent = |name: String| A2aAgent {
            card_url: format!(
                "{url}/agents/{}/.well-known/agent-card.json",
                escaped(&name)
            ),
            name,
        };
        A2aAccess {
            base_url: url.to_owned(),
            api_key: self.api_key().to_owned(),
            agents: self.agents().into_iter().map(agent).collect(),
        }
    }

    /// Returns what a task asks.
    fn asked(&self, task: &str) -> Option<String> {
        let task = &self.tasks[*self.numbers.get(task)?];
        task.asked.as_ref().map(|asked| asked.text.clone())
    }

    fn standing(state: State) -> TaskStanding {
        match state {
            State::Submitted | State::Working => TaskStanding::Going,
            State::InputRequired | State::AuthRequired => TaskStanding::Waiting,
            State::Completed => TaskStanding::Completed,
            State::Failed | State::Rejected => TaskStanding::Failed,
            State::Canceled => TaskStanding::Stopped,
        }
    }
}

/// Returns whether a read of a task leaves out its history.
fn leaves_out_history(request: &Request, body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let none = |text: &str| text == "historyLength=0";
    body["params"]["historyLength"] == 0 || request.head.query.split('&').any(none)
}

impl SimPlatform for Server {
    fn api_key(&self) -> &str {
        self.api_key()
    }

    fn effect(request: &Request) -> Effect {
        let SimBody::Bytes(body) = &request.body else {
            return Effect::Read;
        };
        let endpoint = match Self::endpoint(&request.head).0 {
            routes::RPC => Self::operation(body).0,
            endpoint => endpoint,
        };
        match endpoint {
            "send_message" | "send_streaming_message" => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let message = body["params"].get("message").unwrap_or(&body["message"]);
                match message["taskId"].as_str() {
                    Some(id) if !id.is_empty() => Effect::Answer,
                    _ => Effect::Start,
                }
            }
            "cancel_task" => Effect::Cancel,
            // The status alone is read without what was said.
            "get_task" if leaves_out_history(request, body) => Effect::Status,
            "subscribe_to_task" => Effect::Stream,
            _ => Effect::Read,
        }
    }

    fn handle(&mut self, request: Request, now: u64) -> Answer {
        self.handle(request, now)
    }

    fn late_reply(&mut self, id: StreamId, now: u64) -> Option<Reply> {
        self.late_reply(id, now)
    }

    fn pull(&mut self, stream: StreamId, now: u64) -> Pulled {
        self.pull(stream, now)
    }

    fn close(&mut self, stream: StreamId) {
        self.close(stream);
    }

    fn next_change(&self) -> Option<u64> {
        self.next_change()
    }

    fn account(&mut self, now: u64) -> ServerState {
        self.advance(now);
        let seen = self.tasks.iter().filter(|task| task.is_published);
        let tasks = seen.map(|task| TaskAccount {
            id: task.id.clone(),
            standing: Self::standing(task.status.state),
            // It is put together from artifacts and messages.
            answer: None,
        });
        let tasks = tasks.collect();
        let question = |one: &super::QuestionStats| {
            let text = one.text.clone().unwrap_or_default();
            QuestionAccount {
                task: one.task.clone(),
                // The id of the message may be another at each read.
                id: ids::question(&[&one.task, &self.time(one.time), &text]),
                text: one.text.clone(),
                answers: one.answers,
                is_open: one.is_open,
            }
        };
        ServerState {
            tasks,
            questions: self.questions.iter().map(question).collect(),
        }
    }

    fn admit(&self, head: &Head) -> Result<(), Reply> {
        self.admit(head)
    }

    fn advance(&mut self, now: u64) {
        self.advance(now);
    }

    fn operate(&mut self, path: &[&str], body: &[u8], now: u64) -> Option<Result<Reply, Reply>> {
        let (task, action) = match path {
            ["a2a", "restart"] => {
                self.restart(now);
                return Some(acted(Ok(())));
            }
            ["a2a", "tasks", task, "answer"] => {
                let said = read::<Said>(body);
                (task, said.map(|said| DashboardAction::Answer(said.message)))
            }
            ["a2a", "tasks", task, "reword"] => {
                let said = read::<Said>(body);
                (task, said.map(|said| DashboardAction::Reword(said.message)))
            }
            ["a2a", "tasks", task, "sign-in"] => (task, Ok(DashboardAction::SignIn)),
            ["a2a", "tasks", task, "cancel"] => (task, Ok(DashboardAction::Cancel)),
            _ => return None,
        };
        Some(action.and_then(|action| acted(self.dashboard(task, action, now))))
    }

    fn in_force(&self) -> Value {
        let agent = |name: String| {
            let is_built_in = !self.scripted.iter().any(|agent| agent.name == name);
            json!({ "name": name, "built_in": is_built_in })
        };
        let agents: Vec<Value> = self.agents().into_iter().map(agent).collect();
        json!({ "a2a": self.switches, "a2a_agent": agents })
    }

    fn add(&mut self, text: &str, _now: u64) -> Result<(), String> {
        let added: Added = toml::from_str(text).map_err(|why| why.to_string())?;
        let switches = self.switches.changed(added.switches);
        self.switches = switches.map_err(|why| why.to_string())?;
        for agent in added.agents {
            self.scripted.retain(|known| known.name != agent.name);
            self.scripted.push(agent);
        }
        Ok(())
    }

    fn remove(&mut self, table: &str, name: &str, _now: u64) -> Option<Result<(), String>> {
        if table != "a2a_agent" {
            return None;
        }
        let before = self.scripted.len();
        self.scripted.retain(|agent| agent.name != name);
        let removed = self.scripted.len() < before;
        let none = || format!("no scenario added an agent {name:?}");
        Some(removed.then_some(()).ok_or_else(none))
    }

    fn is_poll(&self, endpoint: &str) -> bool {
        matches!(endpoint, "get_task" | "subscribe_to_task")
    }

    fn made_task(&self, endpoint: &str, reply: &Reply) -> Option<String> {
        if endpoint != "send_message" {
            return None;
        }
        let body = reply.value();
        let task = body["result"].get("task").unwrap_or(&body["task"]);
        task["id"].as_str().map(str::to_owned)
    }

    fn restated(&self, earlier: &Reply, reply: &Reply) -> Reply {
        let (mut body, now) = (earlier.value(), reply.value());
        if now.get("jsonrpc").is_none() {
            return earlier.clone();
        }
        body["id"] = now["id"].clone();
        Reply {
            body: body.to_string().into_bytes(),
            ..earlier.clone()
        }
    }

    fn looped(&self, reply: Reply) -> Reply {
        self.looped(reply)
    }

    fn add_stats(&self, stats: &mut Value) {
        stats[NAME] = json!(self.stats());
    }

    fn access(&self, url: &str) -> Value {
        json!(self.access(url))
    }

    fn interfere(&mut self, task: &str, meddling: &Interference, now: u64) -> bool {
        let action = match meddling {
            Interference::AnswerByClient | Interference::AnswerInDashboard => {
                DashboardAction::Answer(format!("somebody else, at {now}"))
            }
            Interference::Stop => DashboardAction::Cancel,
            Interference::Reword => DashboardAction::Reword(format!("Asked otherwise at {now}?")),
            // A status has one question: it says more.
            Interference::AskMore => match self.asked(task) {
                Some(words) => DashboardAction::Reword(format!("{words} And asked at {now}?")),
                None => return false,
            },
            // There is no review.
            Interference::Approve => return false,
        };
        self.dashboard(task, action, now).is_ok()
    }
}
