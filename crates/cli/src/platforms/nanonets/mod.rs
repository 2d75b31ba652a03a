//! Nanonets: agents that work on a prompt and files.

mod result;
mod run;
mod status;

use serde_json::{Map, Value, json};
use taskward::event::Status;
use taskward::nanonets::operations::{GetTaskStatus, ListTasks};
use taskward::nanonets::types::TaskStatus;
use taskward::nanonets::{self, Nanonets};
use taskward::{Output as _, Question};
use taskward_sim::Sim;

use crate::calls::{Calls, State};
use crate::connection::Connection;
use crate::error::CliResult;
use crate::lines::pretty;
use crate::platform::{Hint, Platform, Print, ended, object};
use crate::task_ref::{TaskRef, quote};

impl Platform for Nanonets {
    const KEYS: &'static str =
        "Keys are made in the platform's dashboard, under Settings, API Keys; each is shown once.";
    const SIMULATED: &'static str = "run --sim 'Hello'";
    const DONE: &'static str = "completed";
    const UNATTENDED: &'static str = "run --sim --answer 'YOUR ANSWER' ...";
    const NOT_WAITING: Option<&'static str> = None;

    fn simulated(sim: &Sim) -> (String, String) {
        let access = sim.nanonets();
        (access.base_url, access.api_key)
    }

    fn history(task: &TaskRef) -> Hint {
        let command = format!("result {} --full", task.quoted());
        ("see", command, "every step")
    }

    fn conversation(task: &TaskRef) -> String {
        format!("messages {}", task.quoted())
    }

    /// As a script runs it once the answer is put in; run as it is, it sends these two words.
    fn answers(task: &TaskRef, question: &Question) -> Vec<Hint> {
        let (task, question) = (task.quoted(), quote(question.id.as_str()));
        let command = format!("reply {task} 'YOUR ANSWER' --question {question} --watch");
        vec![("answer", command, "")]
    }

    fn is_over(status: &Status) -> bool {
        matches!(status.as_str(), "completed" | "failed" | "stopped")
    }

    fn waits(status: &Status) -> bool {
        status.as_str() == "waiting_for_input"
    }

    fn part(
        answer: &nanonets::Answer,
        _said: Option<&str>,
        part: Option<Print>,
    ) -> Result<String, &'static str> {
        let words = || answer.text().map(ended);
        let result = || answer.result().map(pretty);
        match part {
            None => Ok(answer
                .extracted_data()
                .map(pretty)
                .or_else(words)
                .or_else(result)
                .unwrap_or_default()),
            Some(Print::Data) => answer.json().map(pretty).ok_or("structured data"),
            Some(Print::Summary) => words().ok_or("an answer in words"),
            Some(Print::Result) => result().ok_or("a result"),
        }
    }

    fn fields(answer: &nanonets::Answer, _said: Option<&str>) -> Map<String, Value> {
        object(json!({
            "data": answer.extracted_data(),
            "text": answer.text(),
            "confirmed": true,
            "platform_data": answer.result(),
        }))
    }
}

impl Calls for Nanonets {
    async fn state(connection: &Connection<Self>, task: &TaskRef) -> CliResult<State> {
        let found = connection
            .call(GetTaskStatus::new(task.id().as_str()))
            .await;
        let found = found.map_err(|error| error.task(task))?;
        Ok(State {
            status: Status::unknown(found.status.as_str()),
            changed: found.updated_at,
        })
    }

    async fn waiting(connection: &Connection<Self>, limit: u16) -> CliResult<Vec<TaskRef>> {
        let operation = ListTasks {
            limit: Some(limit.into()),
            status: vec![TaskStatus::WaitingForInput],
            ..ListTasks::default()
        };
        let page = connection.call(operation).await?;
        let tasks = page
            .data
            .readable()
            .filter_map(|task| task.task_id.as_ref());
        Ok(tasks
            .map(|id| TaskRef::of::<Self>(id.as_str().into()))
            .collect())
    }
}
