//! This platform in a simulation.

use serde_json::{Map, json};

use super::run::Phase;
use super::{DashboardAction, Server};
use crate::ids;
use crate::machine::{
    Effect, Interference, Machine, QuestionAccount, ServerState, TaskAccount, TaskStanding,
};
use crate::message::{Answer, Head, Pulled, Request, StreamId};

impl Machine for Server {
    fn api_key(&self) -> &str {
        self.api_key()
    }

    fn effect(head: &Head) -> Effect {
        match Self::endpoint(head).0 {
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

    fn interfere(&mut self, task: &str, meddling: &Interference, now: u64) -> bool {
        self.advance(now);
        let waits_for_data = self.numbers.get(task).is_some_and(|number| {
            let wait = self.runs[*number].wait.as_ref();
            wait.is_some_and(|wait| wait.kind != super::scripts::APPROVAL)
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
