//! Nanonets: agents that work on a prompt and files.

mod agent_names;
mod agents;
mod run;

use serde_json::{Map, Value, json};
use taskward::core::LenientList;
use taskward::event::Status;
use taskward::nanonets::operations::{GetTaskResult, GetTaskStatus, ListTaskMessages, ListTasks};
use taskward::nanonets::types::{MessageRole, TaskListItem, TaskStatus};
use taskward::nanonets::{self, Nanonets};
use taskward::question::QuestionKind;
use taskward::wire::DateTime;
use taskward::{Output as _, Question};
use taskward_sim::Sim;

use self::agent_names::{For, resolve};
use crate::agent_url::AgentNaming;
use crate::args::Agents;
use crate::calls::{Calls, ListedTask, Said, Summary, TaskFilter};
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::pretty;
use crate::pages::{self, Extent};
use crate::platform::{Hint, Platform, Print, ended, object};
use crate::registry::Feature;
use crate::shell::quote;
use crate::task_ref::TaskRef;

impl AgentNaming for Nanonets {}

impl Platform for Nanonets {
    const KEYS: &'static str =
        "Keys are made in the platform's dashboard, under Settings, API Keys; each is shown once.";
    const SIMULATED: &'static str = "run --sim 'Hello'";
    const DONE: &'static str = "completed";
    const NOT_WAITING: Option<&'static str> = None;

    fn instead(feature: Feature) -> &'static str {
        match feature {
            Feature::Approve | Feature::Input | Feature::Reject => {
                "A question of its agents is answered in words: taskward reply TASK TEXT --question ID."
            }
            Feature::Events => "A task's steps are printed by taskward result TASK --full.",
            Feature::ResumeRun => {
                "Its tasks do not stall; one that is over takes another turn with taskward send --continue."
            }
            Feature::Usage => "Its API tells no usage; the platform's dashboard does.",
            _ => "Its documentation names no such call.",
        }
    }

    fn simulated(sim: &Sim) -> (String, String) {
        let access = sim.nanonets();
        (access.base_url, access.api_key)
    }

    fn scenarios(sim: &Sim) -> String {
        let agents = sim.nanonets().agents.into_iter();
        let names: Vec<String> = agents.map(|agent| agent.name).collect();
        format!("nanonets agents: {}", names.join(", "))
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

    fn unattended(question: &Question) -> Option<[&'static str; 2]> {
        match question.kind {
            QuestionKind::Text => Some(["--answer", "YOUR ANSWER"]),
            _ => None,
        }
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
    async fn summary(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Summary> {
        let read = GetTaskStatus::new(task.id().as_str());
        let found = connection.read(task, read).await?;
        let time = |at: &Option<DateTime>| at.as_ref().map(|at| Value::from(at.as_str()));
        Ok(Summary {
            status: Status::unknown(found.status.as_str()),
            title: found.title.map(Value::from),
            created_at: time(&found.created_at),
            updated_at: time(&found.updated_at),
            platform_data: json!({ "agent_id": found.agent_id.as_ref().map(|id| id.as_str()) }),
        })
    }

    async fn steps(
        connection: &Connection<Self>,
        task: &TaskRef,
    ) -> CliResult<(Status, Vec<Value>)> {
        let read = GetTaskResult::new(task.id().as_str());
        let result = connection.read(task, read).await?;
        let status = Status::unknown(result.status.as_str());
        Ok((status, result.feed.unwrap_or_default()))
    }

    async fn messages(
        connection: &Connection<Self>,
        task: &TaskRef,
    ) -> CliResult<LenientList<Said>> {
        let read = ListTaskMessages(task.id().to_string());
        let messages = connection.read(task, read).await?;
        Ok(messages.map(|message| {
            Some(Said {
                is_agent: message.role == Some(MessageRole::Assistant),
                id: message.id.map(|id| id.to_string()),
                role: message.role.map(|role| role.as_str().to_owned()),
                at: message.created_at,
                content: message.content,
            })
        }))
    }

    async fn tasks(
        connection: &Connection<Self>,
        wanted: TaskFilter,
        mut take: impl FnMut(ListedTask) -> CliResult<()>,
    ) -> CliResult<usize> {
        let agent = match &wanted.agent {
            Some(agent) => Some(resolve(connection, agent, For::Show).await?),
            None => None,
        };
        let status = wanted.status.iter().map(String::as_str);
        let mut status: Vec<TaskStatus> = status.map(TaskStatus::from).collect();
        status.extend(wanted.waiting.then_some(TaskStatus::WaitingForInput));
        let operation = ListTasks {
            cursor: None,
            limit: pages::size(wanted.limit),
            agent,
            status,
            created_after: wanted.created_after,
            created_before: wanted.created_before,
            title: wanted.title,
        };
        let extent = Extent::of(wanted.limit);
        // Entries without an id are told apart by all that they have.
        let name = |task: &TaskListItem| format!("{task:?}");
        pages::each(connection, operation, extent, name, |task| {
            take(ListedTask {
                task: task.task_id.map(|id| connection.task(&id.as_str().into())),
                status: task.status.as_str().to_owned(),
                title: task.title,
                agent_id: task.agent_id.map(|id| id.to_string()),
                agent_name: task.agent_name,
                created_at: task.created_at,
                updated_at: task.updated_at,
            })
        })
        .await
    }

    async fn agents(cx: &Cx, args: Agents) -> CliResult<Exit> {
        agents::agents(cx, args).await
    }
}
