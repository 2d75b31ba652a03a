//! This platform as one among others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::scripted::ScriptedAgent;
use super::switches::Switches;
use super::task::{Entry, Phase, Task};
use super::{AgentRef, DashboardAction, Server, looped, routes};
use crate::dashboard::{Said, acted, read};
use crate::message::Reply;
use crate::message::{Answer, Head, Request};
use crate::platform::{
    Effect, Interference, QuestionAccount, Registered, ServerState, SimPlatform, TaskAccount,
    TaskStanding,
};
use crate::routes::Serves;

/// What others say.
const OTHERS_WORDS: &str = "said by somebody else";

/// What is known of this platform before there is a server.
pub(crate) const REGISTERED: Registered = Registered {
    name: "nanonets",
    prefix: "NANONETS",
    owns: routes::owns,
    has: routes::has,
    endpoint: Server::endpoint,
    envelope: None,
    serves: |endpoint| match endpoint {
        "agents" | "versions" | "tasks" => Serves::List,
        _ => Serves::Other,
    },
    routes: &[
        "DELETE /_sim/scenario/agent/{name}",
        "POST /_sim/dashboard/tasks/{id}/approve",
        "POST /_sim/dashboard/tasks/{id}/reject",
        "POST /_sim/dashboard/tasks/{id}/answer",
        "POST /_sim/dashboard/tasks/{id}/stop",
        "POST /_sim/dashboard/agents/{id}/draft",
    ],
    tables: &["switches", "agent"],
    settings: |text| Ok(Arc::new(toml::from_str::<Settings>(text)?)),
    server: |seed, scenario, now| Box::new(Server::new(seed, scenario, now)),
};

/// What a scenario file says of this platform.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How it behaves where its contract is silent: `[switches]`.
    pub switches: Switches,
    #[serde(rename = "agent")]
    pub(crate) agents: Vec<ScriptedAgent>,
}

/// How to reach the simulated Nanonets platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NanonetsAccess {
    /// The URL in front of `/api/v1`.
    pub base_url: String,
    /// The only key it takes; a fake one.
    pub api_key: String,
    /// The agents that can be run, each name once.
    pub agents: Vec<AgentRef>,
}

impl Server {
    /// Returns how to reach it at this URL.
    #[must_use]
    pub fn access(&self, url: &str) -> NanonetsAccess {
        NanonetsAccess {
            base_url: url.to_owned(),
            api_key: self.api_key().to_owned(),
            agents: self.agents(),
        }
    }
}

impl SimPlatform for Server {
    fn api_key(&self) -> &str {
        self.api_key()
    }

    fn effect(request: &Request) -> Effect {
        match Self::endpoint(&request.head).0 {
            "run" => Effect::Start,
            "message" => Effect::Answer,
            "cancel" => Effect::Cancel,
            "status" => Effect::Status,
            _ => Effect::Read,
        }
    }

    fn handle(&mut self, request: Request, now: u64) -> Answer {
        Answer::Whole(self.handle(request, now))
    }

    fn next_change(&self) -> Option<u64> {
        self.next_due().filter(|at| *at > self.now)
    }

    fn account(&mut self, now: u64) -> ServerState {
        self.advance(now);
        let standing = |phase| match phase {
            Phase::Pending | Phase::Queued | Phase::Running => TaskStanding::Going,
            Phase::Waiting => TaskStanding::Waiting,
            Phase::Review => TaskStanding::Review,
            Phase::Completed => TaskStanding::Completed,
            Phase::Failed => TaskStanding::Failed,
            Phase::Stopped => TaskStanding::Stopped,
        };
        let is_open = |number: usize| {
            let of = |task: &Task| task.question == Some(number);
            self.tasks.iter().any(of)
        };
        ServerState {
            tasks: self
                .tasks
                .iter()
                .map(|task| TaskAccount {
                    id: task.id.clone(),
                    standing: standing(task.phase),
                    answer: answer_of(task),
                })
                .collect(),
            questions: self
                .counted
                .questions
                .iter()
                .enumerate()
                .map(|(number, asked)| QuestionAccount {
                    task: asked.task.clone(),
                    id: self.asked[number].0.clone(),
                    text: Some(self.asked[number].1.clone()),
                    answers: asked.answers,
                    // The first message answers it, even if the agent takes it up later.
                    is_open: asked.answers == 0 && is_open(number),
                })
                .collect(),
        }
    }

    fn admit(&self, head: &Head) -> Result<(), Reply> {
        self.admit(head)
    }

    fn advance(&mut self, now: u64) {
        self.advance(now);
    }

    fn operate(&mut self, path: &[&str], body: &[u8], now: u64) -> Option<Result<Reply, Reply>> {
        let said = || read::<Said>(body).map(|said| said.message);
        let action = match path {
            ["agents", id, "draft"] => {
                let drafted = read(body).and_then(|changes| self.draft_agent(id, &changes, now));
                return Some(drafted.map(|id| Reply::json(200, &json!({ "ok": true, "id": id }))));
            }
            ["tasks", _, "approve"] => Ok(DashboardAction::Approve),
            ["tasks", _, "reject"] => Ok(DashboardAction::Reject),
            ["tasks", _, "answer"] => said().map(DashboardAction::Answer),
            ["tasks", _, "reword"] => said().map(DashboardAction::Reword),
            ["tasks", _, "ask-more"] => said().map(DashboardAction::AskMore),
            ["tasks", _, "stop"] => Ok(DashboardAction::Stop),
            _ => return None,
        };
        Some(action.and_then(|action| acted(self.dashboard(path[1], action, now))))
    }

    fn in_force(&self) -> Value {
        self.in_force()
    }

    fn add(&mut self, text: &str, now: u64) -> Result<(), String> {
        self.add(text, now)
    }

    fn remove(&mut self, table: &str, name: &str, now: u64) -> Option<Result<(), String>> {
        (table == "agent").then(|| self.remove(name, now))
    }

    fn is_poll(&self, endpoint: &str) -> bool {
        endpoint == "status"
    }

    fn made_task(&self, _endpoint: &str, reply: &Reply) -> Option<String> {
        reply.value()["task_id"].as_str().map(str::to_owned)
    }

    fn looped(&self, reply: Reply) -> Reply {
        looped(reply)
    }

    fn max_file_bytes(&self) -> Option<u64> {
        self.switches.max_file_bytes
    }

    fn add_stats(&self, stats: &mut Value) {
        // The first platform: its counts have no name before them.
        if let (Value::Object(all), Value::Object(counts)) = (stats, json!(self.stats())) {
            all.extend(counts);
        }
    }

    fn access(&self, url: &str) -> Value {
        json!(self.access(url))
    }

    fn interfere(&mut self, task: &str, meddling: &Interference, now: u64) -> bool {
        let action = match meddling {
            Interference::AnswerByClient => {
                let path = format!("/api/v1/tasks/{task}/message");
                let request = Request::new("POST", &path)
                    .header("authorization", &format!("Bearer {}", self.api_key()))
                    .json(&json!({ "message": OTHERS_WORDS }));
                return self.handle(request, now).status < 300;
            }
            Interference::AnswerInDashboard => DashboardAction::Answer(OTHERS_WORDS.to_owned()),
            Interference::Approve => DashboardAction::Approve,
            Interference::Stop => DashboardAction::Stop,
            Interference::Reword => DashboardAction::Reword(format!("Asked otherwise at {now}?")),
            Interference::AskMore => DashboardAction::AskMore(format!("And asked at {now}?")),
        };
        self.dashboard(task, action, now).is_ok()
    }
}

/// Returns what a task that completed said in the end.
fn answer_of(task: &Task) -> Option<String> {
    if task.phase != Phase::Completed {
        return None;
    }
    task.feed.iter().rev().find_map(|item| match &item.entry {
        Entry::TaskComplete(result) => {
            let summary = result["structuredContent"]["summary"].as_str();
            summary.map(str::to_owned)
        }
        _ => None,
    })
}
