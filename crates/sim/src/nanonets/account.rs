//! This platform in a simulation.

use serde_json::json;

use super::task::{Entry, Phase, Task};
use super::{DashboardAction, Server};
use crate::machine::{
    Effect, Interference, Machine, QuestionAccount, ServerState, TaskAccount, TaskStanding,
};
use crate::message::{Answer, Head, Request};

/// What others say.
const OTHERS_WORDS: &str = "said by somebody else";

impl Machine for Server {
    fn api_key(&self) -> &str {
        self.api_key()
    }

    fn effect(head: &Head) -> Effect {
        match Self::endpoint(head).0 {
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
