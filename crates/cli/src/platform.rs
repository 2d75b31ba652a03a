//! What the program has to know of a provider besides what the library does: words, commands and parts of an answer.

use std::fmt;

use serde_json::{Map, Value, json};
use taskward::agent_harness::operations::GetRun;
use taskward::agent_harness::types::RunStatus;
use taskward::agent_harness::{self, AgentHarness};
use taskward::core::Capabilities;
use taskward::nanonets::operations::{GetTaskStatus, ListTasks};
use taskward::nanonets::types::TaskStatus;
use taskward::nanonets::{self, Nanonets};
use taskward::wire::DateTime;
use taskward::{Output as _, Provider, Question, QuestionKind, Status};
use taskward_sim::Sim;

use crate::args::{Print, ProviderName};
use crate::connection::Connection;
use crate::error::CliError;
use crate::out::pretty;
use crate::task_ref::{TaskRef, quote};

/// A command to go on with: its label, the command without `taskward`, a note.
pub(crate) type Hint = (&'static str, String, &'static str);

/// What one read of a task's status tells.
pub(crate) struct State {
    /// The status.
    pub(crate) status: Status,
    /// When the task changed last, as the server wrote it.
    pub(crate) changed: Option<DateTime>,
}

/// A provider, as the program shows it.
pub(crate) trait Platform: Provider {
    /// Its name in options and in front of ids.
    const ID: ProviderName;
    /// Its name for people.
    const TITLE: &'static str;
    /// Where keys are made: for whoever has none.
    const KEYS: &'static str;
    /// A simulated first run, as typed after `taskward`.
    const SIMULATED: &'static str;
    /// The status of a task that ended well.
    const DONE: &'static str;
    /// What answers questions within one command.
    const UNATTENDED: &'static str;
    /// Its own word for an answer to a task that does not wait for one.
    const NOT_WAITING: Option<&'static str>;

    /// Server and key in a simulator.
    fn simulated(sim: &Sim) -> (String, String);

    /// The command that shows all that happened to a task.
    fn history(task: &TaskRef) -> Hint;

    /// The command that shows whether a message or an answer has arrived.
    fn conversation(task: &TaskRef) -> String;

    /// The commands that answer a question.
    fn answers(task: &TaskRef, question: &Question) -> Vec<Hint>;

    /// Whether a task of this status is over.
    fn is_over(status: &Status) -> bool;

    /// Whether a task of this status waits for an answer.
    fn waits(status: &Status) -> bool;

    /// Reads the status of a task once.
    async fn state(session: &Connection<Self>, task: &TaskRef) -> Result<State, Box<CliError>>;

    /// Reads the tasks that wait for an answer, the newest ones, where they are listed.
    async fn waiting(
        _session: &Connection<Self>,
        _limit: u16,
    ) -> Result<Vec<TaskRef>, Box<CliError>> {
        Ok(Vec::new())
    }

    /// The command that helps a task on that is stuck in this status.
    fn stuck(_task: &TaskRef, _status: &Status) -> Option<Hint> {
        None
    }

    /// The command that starts the same task again, when the server tells all of what was started.
    async fn restart_hint(_session: &Connection<Self>, _task: &TaskRef) -> Option<Hint> {
        None
    }

    /// The wanted part of an answer; `said` is what the agent was seen to say. An error names what there is none of.
    fn part(
        answer: &Self::Output,
        said: Option<&str>,
        part: Option<Print>,
    ) -> Result<String, &'static str>;

    /// An answer as the fields of a JSON line.
    fn fields(answer: &Self::Output, said: Option<&str>) -> Map<String, Value>;
}

impl Platform for Nanonets {
    const ID: ProviderName = ProviderName::Nanonets;
    const TITLE: &'static str = "Nanonets";
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

    async fn state(session: &Connection<Self>, task: &TaskRef) -> Result<State, Box<CliError>> {
        let found = session.call(GetTaskStatus::new(task.id().as_str())).await;
        let found = found.map_err(|problem| problem.task(Some(task.clone())))?;
        Ok(State {
            status: Status::unknown(found.status.as_str()),
            changed: found.updated_at,
        })
    }

    async fn waiting(
        session: &Connection<Self>,
        limit: u16,
    ) -> Result<Vec<TaskRef>, Box<CliError>> {
        let operation = ListTasks {
            limit: Some(limit.into()),
            status: vec![TaskStatus::WaitingForInput],
            ..ListTasks::default()
        };
        let page = session.call(operation).await?;
        let tasks = page
            .data
            .readable()
            .filter_map(|task| task.task_id.as_ref());
        Ok(tasks
            .map(|id| TaskRef::of::<Self>(id.as_str().into()))
            .collect())
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

impl Platform for AgentHarness {
    const ID: ProviderName = ProviderName::AgentHarness;
    const TITLE: &'static str = "Agent Harness";
    const KEYS: &'static str =
        "A key is KEY_ID:SECRET, as the platform issued it; both parts and the colon are needed.";
    const SIMULATED: &'static str = "run --sim --provider agent-harness 'Write to the team.'";
    const DONE: &'static str = "succeeded";
    const UNATTENDED: &'static str = "run --sim --provider agent-harness --on-approval approve ...";
    const NOT_WAITING: Option<&'static str> = Some("run_not_awaiting_input");

    fn simulated(sim: &Sim) -> (String, String) {
        let access = sim.harness();
        (access.base_url, access.api_key)
    }

    fn history(task: &TaskRef) -> Hint {
        let command = format!("events {}", task.quoted());
        ("see", command, "every event")
    }

    fn conversation(task: &TaskRef) -> String {
        format!("events {}", task.quoted())
    }

    fn answers(task: &TaskRef, question: &Question) -> Vec<Hint> {
        let task = task.quoted();
        let of = format!("--question {} --watch", quote(question.id.as_str()));
        let approve: Hint = ("approve", format!("approve {task} {of}"), "");
        let input: Hint = ("input", format!("input {task} KEY=VALUE {of}"), "");
        let reject: Hint = (
            "reject",
            format!("reject {task} --reason 'WHY' {of}"),
            "the task fails",
        );
        match question.kind {
            QuestionKind::Approval => vec![approve, reject],
            QuestionKind::Data => vec![input, reject],
            _ => vec![approve, input, reject],
        }
    }

    fn is_over(status: &Status) -> bool {
        matches!(status.as_str(), "succeeded" | "failed" | "cancelled")
    }

    fn waits(status: &Status) -> bool {
        status.as_str() == RunStatus::AwaitingInput.as_str()
    }

    async fn state(session: &Connection<Self>, task: &TaskRef) -> Result<State, Box<CliError>> {
        let found = session.call(GetRun::new(task.id().as_str())).await;
        let found = found.map_err(|problem| problem.task(Some(task.clone())))?;
        let changed = found.extra.get("updated_at").and_then(Value::as_str);
        Ok(State {
            status: Status::unknown(found.status.as_str()),
            changed: changed.map(DateTime::from),
        })
    }

    /// A stalled run has lost its worker.
    fn stuck(task: &TaskRef, status: &Status) -> Option<Hint> {
        (status.as_str() == "stalled").then(|| {
            (
                "resume",
                format!("resume-run {} --watch", task.quoted()),
                "brings it back to work",
            )
        })
    }

    async fn restart_hint(session: &Connection<Self>, task: &TaskRef) -> Option<Hint> {
        let run = session.call(GetRun::new(task.id().as_str())).await.ok()?;
        let input = run.extra.get("input").filter(|input| input.is_object())?;
        let mut command = format!("run --provider {}", Self::NAME);
        command += &format!(" --input {}", quote(&input.to_string()));
        if let Some(metadata @ Value::Object(_)) = run.extra.get("metadata") {
            command += &format!(" --metadata {}", quote(&metadata.to_string()));
        }
        for (name, option) in [("workspace_id", "workspace"), ("subject_id", "subject")] {
            if let Some(Value::String(label)) = run.extra.get(name) {
                command += &format!(" --{option} {}", quote(label));
            }
        }
        Some(("again", command, "the same, as a new task"))
    }

    /// The platform documents no result: what the agent said stands in for it.
    fn part(
        answer: &agent_harness::Answer,
        said: Option<&str>,
        part: Option<Print>,
    ) -> Result<String, &'static str> {
        let words = || answer.text().or_else(|| said.map(str::to_owned)).map(ended);
        let data = || answer.json().map(pretty);
        match part {
            None => Ok(answer
                .text()
                .map(ended)
                .or_else(data)
                .or_else(words)
                .unwrap_or_default()),
            Some(Print::Data) => data().ok_or("structured data"),
            Some(Print::Summary) => words().ok_or("an answer in words"),
            Some(Print::Result) => Ok(pretty(answer.raw())),
        }
    }

    fn fields(answer: &agent_harness::Answer, said: Option<&str>) -> Map<String, Value> {
        object(json!({
            "data": answer.json(),
            "text": answer.text().or_else(|| said.map(str::to_owned)),
            "confirmed": answer.is_confirmed(),
            "platform_data": answer.raw(),
        }))
    }
}

/// Does what is the same on every platform with the type of the one that is named: the only place where a name becomes
/// a type. What a platform can do is never told by its name, but by its capabilities.
macro_rules! on_platform {
    ($provider:expr, $platform:ident => $work:expr) => {
        match $provider {
            $crate::args::ProviderName::Nanonets => {
                type $platform = taskward::nanonets::Nanonets;
                $work
            }
            $crate::args::ProviderName::AgentHarness => {
                type $platform = taskward::agent_harness::AgentHarness;
                $work
            }
        }
    };
}
pub(crate) use on_platform;

/// Words that end in one line break.
fn ended(text: impl AsRef<str>) -> String {
    text.as_ref().trim_end().to_owned() + "\n"
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl ProviderName {
    /// The one that is meant where none is named.
    pub(crate) const DEFAULT: Self = Self::Nanonets;

    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Nanonets, Self::AgentHarness];

    /// The provider of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

    /// Its name in options and in front of ids.
    pub(crate) fn as_str(self) -> &'static str {
        on_platform!(self, P => P::NAME)
    }

    /// What it can do.
    pub(crate) fn capabilities(self) -> Capabilities {
        on_platform!(self, P => P::CAPABILITIES)
    }

    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        on_platform!(self, P => P::TITLE)
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The files that may name a platform: where a name becomes a type, and what exists on one platform alone.
    const NAMING: [&str; 4] = [
        "platform.rs",
        "commands/run/mod.rs",
        "commands/result.rs",
        "commands/status.rs",
    ];

    fn names_a_platform(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                names_a_platform(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).expect("text");
            let names = ProviderName::ALL.map(|name| format!("ProviderName::{name:?}"));
            if names.iter().any(|name| text.contains(name)) {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                let path = path.strip_prefix(root).expect("below it");
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn what_a_platform_can_do_is_decided_by_its_capabilities_and_never_by_its_name() {
        let mut found = Vec::new();
        names_a_platform(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        found.sort();
        let mut naming = NAMING;
        naming.sort_unstable();
        assert_eq!(found, naming);
    }
}
