//! A2A: agents that are found by their URLs.

mod cards;
mod discovery;
mod run;
mod show;

use serde_json::{Map, Value, json};
use taskward::a2a::operations::{GetTask, ListTasks};
use taskward::a2a::types::{Message, Role, Task, TaskState, TaskStatus};
use taskward::a2a::{self, A2a, CardUrl, PartContent, State};
use taskward::core::sanitise::one_line;
use taskward::core::{LenientList, ListEntry, RawEvent};
use taskward::event::Status;
use taskward::question::QuestionKind;
use taskward::{Output as _, Question, Snapshot};
use taskward_sim::Sim;

use crate::agent_url::{AgentNaming, AgentUrl, CardPlace};
use crate::answers::not_here;
use crate::args::Agents;
use crate::calls::{Calls, ListedTask, Said, Summary, TaskFilter};
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::pretty;
use crate::pages::{self, Extent};
use crate::platform::{Hint, Platform, Print, ended, object};
use crate::registry::{Feature, Registered as _};
use crate::server::{Search, Server};
use crate::shell::quote;
use crate::task_ref::TaskRef;

impl AgentNaming for A2a {
    const AGENTS_HAVE_URLS: bool = true;

    fn agent_url(url: &str) -> Result<AgentUrl, String> {
        let url = CardUrl::parse(url).map_err(|error| error.to_string())?;
        Ok(AgentUrl::new(url.short()))
    }

    fn card_of(url: &str) -> Result<Option<CardPlace>, String> {
        let url = CardUrl::parse(url).map_err(|error| error.to_string())?;
        let (root, path) = (url.root().to_owned(), url.target().to_string());
        Ok(Some(CardPlace { root, path }))
    }
}

impl Platform for A2a {
    const KEYS: &'static str = "The agent's owner gives keys out; taskward agents show URL tells which credential it wants.";
    const SIMULATED: &'static str = "run --sim --provider a2a 'Hello'";
    const DONE: &'static str = "completed";
    const NOT_WAITING: Option<&'static str> = None;

    fn instead(feature: Feature) -> &'static str {
        match feature {
            Feature::Approve | Feature::Reject => {
                "A question of its agents is answered in words: taskward reply TASK TEXT --question ID."
            }
            Feature::Events => {
                "The protocol keeps no events; taskward watch tells them as they come."
            }
            _ => "The protocol has no such call.",
        }
    }

    fn agent_of(kept: &Snapshot) -> Option<AgentUrl> {
        let agent = kept.provider_value::<Self>().ok()?;
        // What another program keeps may name no card: the place itself still names the agent.
        let url = match agent.card() {
            Some(url) => url.to_owned(),
            None => format!("{}{}", kept.origin()?, agent.path()),
        };
        Self::agent_url(&url).ok()
    }

    fn simulated(sim: &Sim) -> (String, String) {
        let access = sim.a2a();
        (access.base_url, access.api_key)
    }

    fn simulated_agent(sim: &Sim, agent: Option<&str>) -> CliResult<Option<String>> {
        let access = sim.a2a();
        let wanted = agent.unwrap_or("echo");
        let found = access.agents.iter().find(|agent| agent.name == wanted);
        match found {
            Some(agent) => Ok(Some(agent.card_url.clone())),
            None => {
                let what = format!("the simulator has no agent {wanted:?}");
                let names: Vec<&str> = access.agents.iter().map(|one| one.name.as_str()).collect();
                Err(CliError::input(what).why(format!("It has {}.", names.join(", "))))
            }
        }
    }

    fn scenarios(sim: &Sim) -> String {
        let agents = sim.a2a().agents.into_iter();
        let names: Vec<String> = agents.map(|agent| agent.name).collect();
        format!("a2a agents, at /agents/NAME: {}", names.join(", "))
    }

    fn history(task: &TaskRef) -> Hint {
        ("see", Self::conversation(task), "what was said")
    }

    fn conversation(task: &TaskRef) -> String {
        format!("messages {}", task.quoted())
    }

    /// As a script runs it once the answer is put in.
    fn answers(task: &TaskRef, question: &Question) -> Vec<Hint> {
        let (task, id) = (task.quoted(), quote(question.id.as_str()));
        let reply = format!("reply {task} 'YOUR ANSWER' --question {id} --watch");
        match question.kind {
            QuestionKind::Authentication => vec![
                ("reply", reply, "if it wants words"),
                (
                    "watch",
                    format!("watch {task}"),
                    "once the credential has arrived elsewhere",
                ),
            ],
            QuestionKind::Data => {
                let input = format!("input {task} KEY=VALUE --question {id} --watch");
                vec![("input", input, "")]
            }
            _ => vec![("reply", reply, "")],
        }
    }

    fn unattended(question: &Question) -> Option<[&'static str; 2]> {
        match question.kind {
            QuestionKind::Text => Some(["--answer", "YOUR ANSWER"]),
            QuestionKind::Data => Some(["--answer", "{\"KEY\": \"VALUE\"}"]),
            // A credential arrives elsewhere, or by a command about the task.
            _ => None,
        }
    }

    fn is_over(status: &Status) -> bool {
        matches!(
            status.as_str(),
            "completed" | "failed" | "canceled" | "rejected"
        )
    }

    fn waits(status: &Status) -> bool {
        matches!(status.as_str(), "input-required" | "auth-required")
    }

    /// What the agent says about its work; its answer comes in pieces of their own, and its states by themselves.
    fn told(event: &RawEvent) -> Vec<String> {
        let status = &event.data["statusUpdate"]["status"];
        // Others are questions, or reasons of an end.
        let state = status["state"].as_str().unwrap_or_default();
        if !matches!(state, "TASK_STATE_WORKING" | "working") {
            return Vec::new();
        }
        let parts = status["message"]["parts"].as_array();
        let texts = parts.into_iter().flatten();
        let text: String = texts.filter_map(|part| part["text"].as_str()).collect();
        let text = one_line(&text);
        (!text.is_empty()).then_some(text).into_iter().collect()
    }

    fn part(
        answer: &a2a::Answer,
        _said: Option<&str>,
        part: Option<Print>,
    ) -> Result<String, &'static str> {
        let words = || answer.text().map(ended);
        let data = || answer.json().map(pretty);
        let whole = || match answer.raw() {
            Value::Null => None,
            raw => Some(pretty(raw)),
        };
        match part {
            None => Ok(data().or_else(words).unwrap_or_default()),
            Some(Print::Data) => data().ok_or("structured data"),
            Some(Print::Summary) => words().ok_or("an answer in words"),
            Some(Print::Result) => whole().ok_or("a result"),
        }
    }

    fn fields(answer: &a2a::Answer, _said: Option<&str>) -> Map<String, Value> {
        object(json!({
            "data": answer.json(),
            "text": answer.text(),
            "confirmed": true,
            "platform_data": answer.raw(),
        }))
    }
}

/// The word for a state, as the events of a task have it.
fn word(status: &TaskStatus) -> String {
    let state = status.state.as_ref();
    let word = match state.map_or(State::Unknown, State::of) {
        State::Submitted => "submitted",
        State::Working => "working",
        State::InputRequired => "input-required",
        State::AuthRequired => "auth-required",
        State::Completed => "completed",
        State::Failed => "failed",
        State::Canceled => "canceled",
        State::Rejected => "rejected",
        _ => state.map_or("no state", TaskState::as_str),
    };
    word.to_owned()
}

/// The words of a message.
fn text(message: &Message) -> String {
    let parts = message.parts.readable();
    let texts = parts.filter_map(|part| match part.content() {
        PartContent::Text(text) => Some(text.to_owned()),
        _ => None,
    });
    texts.collect::<Vec<String>>().concat()
}

fn said(message: &Message) -> Said {
    let role = message.role.as_ref();
    let content = match text(message) {
        text if text.is_empty() => json!({
            "parts": message.parts.readable().map(|part| match part.content() {
                PartContent::Data(data) => json!({ "data": data }),
                PartContent::Url(url) => json!({ "url": url }),
                _ => json!({ "file": part.file_name() }),
            }).collect::<Vec<Value>>(),
        }),
        text => Value::from(text),
    };
    Said {
        id: message.message_id.as_ref().map(|id| id.as_str().to_owned()),
        role: role.map(|role| match role {
            Role::RoleUser => "user".to_owned(),
            Role::RoleAgent => "agent".to_owned(),
            other => other.as_str().to_owned(),
        }),
        is_agent: matches!(role, Some(Role::RoleAgent)),
        at: None,
        content: Some(content),
    }
}

/// The conversation of a task: what its status says stands in the history only once another status has taken its place.
fn conversation(task: &Task) -> LenientList<Said> {
    let mut entries: Vec<ListEntry<Said>> = Vec::new();
    let mut ids = Vec::new();
    for entry in task.history.iter().flat_map(LenientList::entries) {
        entries.push(match entry {
            ListEntry::Unreadable => ListEntry::Unreadable,
            ListEntry::Readable(message) => {
                ids.extend(message.message_id.clone());
                ListEntry::Readable(said(message))
            }
        });
    }
    let now = task.status.message.as_ref();
    let is_known = |message: &&Message| {
        message
            .message_id
            .as_ref()
            .is_some_and(|id| ids.contains(id))
    };
    if let Some(message) = now.filter(|message| !is_known(message)) {
        entries.push(ListEntry::Readable(Said {
            is_agent: true,
            at: task.status.timestamp.clone(),
            ..said(message)
        }));
    }
    entries.into_iter().collect()
}

impl Calls for A2a {
    async fn find(search: &Search<'_>) -> CliResult<Server<Self>> {
        discovery::find(search).await
    }

    async fn summary(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Summary> {
        let read = GetTask::new(connection.client.provider(), task.id().as_str()).history(0);
        let found = connection.read(task, read).await?;
        let at = found.status.timestamp.as_ref();
        Ok(Summary {
            status: Status::unknown(word(&found.status)),
            title: None,
            created_at: None,
            updated_at: at.map(|at| Value::from(at.as_str())),
            platform_data: json!({
                "contextId": found.context_id.as_ref().map(|id| id.as_str()),
                "message": found.status.message.as_ref().map(text),
            }),
        })
    }

    async fn steps(
        connection: &Connection<Self>,
        task: &TaskRef,
    ) -> CliResult<(Status, Vec<Value>)> {
        let read = GetTask::new(connection.client.provider(), task.id().as_str());
        let found = connection.read(task, read).await?;
        let status = Status::unknown(word(&found.status));
        let said = conversation(&found);
        let steps = said
            .readable()
            .map(|said| json!({ "id": said.id, "role": said.role, "content": said.content }));
        Ok((status, steps.collect()))
    }

    async fn messages(
        connection: &Connection<Self>,
        task: &TaskRef,
    ) -> CliResult<LenientList<Said>> {
        let read = GetTask::new(connection.client.provider(), task.id().as_str());
        Ok(conversation(&connection.read(task, read).await?))
    }

    async fn tasks(
        connection: &Connection<Self>,
        wanted: TaskFilter,
        mut take: impl FnMut(ListedTask) -> CliResult<()>,
    ) -> CliResult<usize> {
        let alien = [
            (wanted.created_after.is_some(), "--since"),
            (wanted.created_before.is_some(), "--until"),
            (wanted.title.is_some(), "--title"),
        ];
        if let Some((_, option)) = alien.iter().find(|(given, _)| *given) {
            return Err(not_here(option, Self::ID));
        }
        let mut list = ListTasks::new(connection.client.provider());
        list.page_size = pages::size(wanted.limit);
        // The protocol takes one state at most.
        let state = |word: &str| {
            TaskState::from(
                format!("TASK_STATE_{}", word.replace('-', "_").to_uppercase()).as_str(),
            )
        };
        list.status = match (wanted.waiting, wanted.status.as_slice()) {
            (true, _) => Some(state("input-required")),
            (false, [one]) => Some(state(one)),
            (false, _) => None,
        };
        let several = wanted.status.len() > 1;
        let agent = connection.agent().map(ToString::to_string);
        let name = |task: &Task| format!("{:?}", task.id);
        let extent = Extent::of(wanted.limit);
        pages::each(connection, list, extent, name, |task| {
            let status = word(&task.status);
            if several && !wanted.status.contains(&status) {
                return Ok(());
            }
            take(ListedTask {
                task: task.id.map(|id| connection.task(&id.as_str().into())),
                status,
                title: None,
                agent_id: agent.clone(),
                agent_name: None,
                created_at: None,
                updated_at: task.status.timestamp,
            })
        })
        .await
    }

    async fn agents(cx: &Cx, args: Agents) -> CliResult<Exit> {
        show::agents(cx, args).await
    }
}
