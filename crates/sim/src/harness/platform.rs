//! This platform as one among others.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::run::Phase;
use super::scripted::ScriptedRun;
use super::switches::Switches;
use super::{DashboardAction, Server, routes};
use crate::dashboard::{acted, read, read_or_default};
use crate::ids;
use crate::message::Reply;
use crate::message::{Answer, Head, Pulled, Request, StreamId};
use crate::platform::{
    Effect, Interference, QuestionAccount, Registered, ServerState, SimPlatform, TaskAccount,
    TaskStanding,
};
use crate::routes::Serves;
use crate::switches::laid_over;

/// What is known of this platform before there is a server.
pub(crate) const REGISTERED: Registered = Registered {
    name: NAME,
    prefix: "AGENT_HARNESS",
    owns: routes::owns,
    has: routes::has,
    endpoint: Server::endpoint,
    envelope: None,
    serves: |endpoint| match endpoint {
        "stream" => Serves::Stream,
        "events" => Serves::List,
        _ => Serves::Other,
    },
    routes: &[
        "DELETE /_sim/scenario/run/{name}",
        "POST /_sim/dashboard/runs/{id}/approve",
        "POST /_sim/dashboard/runs/{id}/reject",
        "POST /_sim/dashboard/runs/{id}/input",
        "POST /_sim/dashboard/runs/{id}/cancel",
        "POST /_sim/dashboard/runs/{id}/stall",
    ],
    tables: &["agent_harness", "run"],
    settings: |text| Ok(Arc::new(toml::from_str::<Settings>(text)?)),
    server: |seed, scenario, now| Box::new(Server::new(seed, scenario, now)),
};

/// Its name.
const NAME: &str = "agent-harness";

/// What a scenario file says of this platform.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How it behaves where its contract is silent: `[agent_harness]`.
    #[serde(rename = "agent_harness")]
    pub switches: Switches,
    #[serde(rename = "run")]
    pub(crate) runs: Vec<ScriptedRun>,
}

/// What a scenario adds to a running server.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Added {
    #[serde(rename = "agent_harness")]
    switches: Map<String, Value>,
    #[serde(rename = "run")]
    runs: Vec<ScriptedRun>,
}

/// How to reach the simulated Agent Harness platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HarnessAccess {
    /// The URL in front of `/v1`.
    pub base_url: String,
    /// The key it begins with, `key_id:secret`; a fake one.
    pub api_key: String,
    /// What a run's `input.scenario` may name; the first is the default.
    pub scenarios: Vec<String>,
}

impl Server {
    /// Returns how to reach it at this URL.
    #[must_use]
    pub fn access(&self, url: &str) -> HarnessAccess {
        HarnessAccess {
            base_url: url.to_owned(),
            api_key: self.api_key().to_owned(),
            scenarios: self.scenarios(),
        }
    }
}

/// Why a wait is rejected.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rejected {
    reason: String,
}

impl SimPlatform for Server {
    fn api_key(&self) -> &str {
        self.api_key()
    }

    fn effect(request: &Request) -> Effect {
        match Self::endpoint(&request.head).0 {
            "create_run" => Effect::Start,
            "signal" => Effect::Answer,
            "stream" => Effect::Stream,
            // A read of the run is the status, and the check before an answer, too.
            _ => Effect::Read,
        }
    }

    fn handle(&mut self, request: Request, now: u64) -> Answer {
        self.handle(request, now)
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
        let standing = |phase| match phase {
            Phase::Queued | Phase::Running | Phase::Stalled => TaskStanding::Going,
            Phase::AwaitingInput => TaskStanding::Waiting,
            Phase::Succeeded => TaskStanding::Completed,
            Phase::Failed => TaskStanding::Failed,
            Phase::Cancelled => TaskStanding::Stopped,
        };
        let is_open = |number: usize| {
            self.runs
                .iter()
                .any(|run| run.wait.is_some() && run.newest_wait == Some(number))
        };
        ServerState {
            tasks: self
                .runs
                .iter()
                .map(|run| TaskAccount {
                    id: run.id.clone(),
                    standing: standing(run.phase),
                    // It is put together from the events.
                    answer: None,
                })
                .collect(),
            questions: self
                .counted
                .waits
                .iter()
                .enumerate()
                .map(|(number, wait)| QuestionAccount {
                    task: wait.run.clone(),
                    id: ids::question(&[&wait.run, &wait.seq.to_string()]),
                    text: None,
                    answers: wait.applied,
                    is_open: is_open(number),
                })
                .collect(),
        }
    }

    fn events(&self, task: &str) -> Vec<u64> {
        let Some(run) = self.numbers.get(task).map(|number| &self.runs[*number]) else {
            return Vec::new();
        };
        let seen = 0..run.log.visible(self.now);
        seen.map(|number| self.switches.seq_of(number)).collect()
    }

    fn admit(&self, head: &Head) -> Result<(), Reply> {
        self.admit(head)
    }

    fn advance(&mut self, now: u64) {
        self.advance(now);
    }

    fn operate(&mut self, path: &[&str], body: &[u8], now: u64) -> Option<Result<Reply, Reply>> {
        let rejected = || read_or_default::<Rejected>(body).map(|rejected| rejected.reason);
        let action = match path {
            ["runs", _, "approve"] => Ok(DashboardAction::Approve),
            ["runs", _, "reject"] => rejected().map(DashboardAction::Reject),
            ["runs", _, "input"] => read(body).map(DashboardAction::Input),
            ["runs", _, "cancel"] => Ok(DashboardAction::Stop),
            ["runs", _, "stall"] => Ok(DashboardAction::Stall),
            _ => return None,
        };
        Some(action.and_then(|action| acted(self.dashboard(path[1], action, now))))
    }

    fn in_force(&self) -> Value {
        let run = |name: String| {
            let is_built_in = !self.scripted.iter().any(|run| run.name == name);
            json!({ "name": name, "built_in": is_built_in })
        };
        let runs: Vec<Value> = self.scenarios().into_iter().map(run).collect();
        json!({ "agent_harness": self.switches, "run": runs })
    }

    fn add(&mut self, text: &str, _now: u64) -> Result<(), String> {
        let added: Added = toml::from_str(text).map_err(|why| why.to_string())?;
        let switches = laid_over(&self.switches, added.switches);
        self.switches = switches.map_err(|why| why.to_string())?;
        for run in added.runs {
            self.scripted.retain(|known| known.name != run.name);
            self.scripted.push(run);
        }
        Ok(())
    }

    fn remove(&mut self, table: &str, name: &str, _now: u64) -> Option<Result<(), String>> {
        if table != "run" {
            return None;
        }
        let before = self.scripted.len();
        self.scripted.retain(|run| run.name != name);
        let removed = self.scripted.len() < before;
        let none = || format!("no scenario added a run {name:?}");
        Some(removed.then_some(()).ok_or_else(none))
    }

    fn is_poll(&self, endpoint: &str) -> bool {
        matches!(endpoint, "read_run" | "events" | "stream")
    }

    fn made_task(&self, endpoint: &str, reply: &Reply) -> Option<String> {
        let id = (endpoint == "create_run").then(|| reply.value()["id"].clone());
        id?.as_str().map(str::to_owned)
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
        self.advance(now);
        let waits_for_data = self.numbers.get(task).is_some_and(|number| {
            let wait = self.runs[*number].wait.as_ref();
            wait.is_some_and(|wait| wait.kind != super::scripted::APPROVAL)
        });
        let action = match meddling {
            Interference::AnswerByClient => {
                let path = format!("/v1/runs/{task}/signal");
                let body = if waits_for_data {
                    json!({ "action": "submit_input", "payload": {} })
                } else {
                    json!({ "action": "approve" })
                };
                let request = Request::new("POST", &path)
                    .header("authorization", &format!("Bearer {}", self.api_key()))
                    .header("idempotency-key", &format!("another-{now}"))
                    .json(&body);
                return self.handle(request, now).into_reply().status < 300;
            }
            Interference::AnswerInDashboard if waits_for_data => DashboardAction::Input(Map::new()),
            Interference::AnswerInDashboard | Interference::Approve => DashboardAction::Approve,
            Interference::Stop => DashboardAction::Stop,
            // A wait is an event: what was reported of it stays.
            Interference::Reword | Interference::AskMore => return false,
        };
        self.dashboard(task, action, now).is_ok()
    }
}
