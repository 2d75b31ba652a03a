//! What the program has to know of a provider besides what the library does, and needs no server for: words, commands and
//! parts of an answer.

use clap::ValueEnum;
use serde_json::{Map, Value};
use taskward::core::RawEvent;
use taskward::core::sanitise::one_line;
use taskward::event::Status;
use taskward::{Question, Snapshot};
use taskward_sim::Sim;

use crate::agent_url::AgentUrl;
use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::registry::{Feature, ProviderName, Registered, on_platform};
use crate::report::joined;
use crate::task_ref::TaskRef;

/// A command to go on with: its label, the command without `taskward`, a note.
pub(crate) type Hint = (&'static str, String, &'static str);

/// Parts of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Print {
    // The structured data, as JSON.
    Data,
    // The answer in words.
    Summary,
    // The final answer, or the run, as the server sent it, as JSON.
    Result,
}

/// A provider, as the program shows it.
pub(crate) trait Platform: Registered {
    /// Where keys are made: for whoever has none.
    const KEYS: &'static str;
    /// A simulated first run, as typed after `taskward`.
    const SIMULATED: &'static str;
    /// The status of a task that ended well.
    const DONE: &'static str;
    /// Its own word for an answer to a task that does not wait for one.
    const NOT_WAITING: Option<&'static str>;

    /// The paths that stand beside the API's prefix: a name, or one that others begin with.
    const BESIDE: &'static [&'static str] = &[];

    /// What to do in the place of a command that it does not have.
    fn instead(_feature: Feature) -> &'static str {
        "Its documentation names no such call."
    }

    /// The agent that what is kept of a task says it is of.
    fn agent_of(_kept: &Snapshot) -> Option<AgentUrl> {
        None
    }

    /// Server and key in a simulator.
    fn simulated(sim: &Sim) -> (String, String);

    /// The agent of this name in a simulator, or the one that is meant where none is named, as a URL.
    fn simulated_agent(_sim: &Sim, _agent: Option<&str>) -> CliResult<Option<String>> {
        Ok(None)
    }

    /// What a simulator can be asked to do, in a line.
    fn scenarios(sim: &Sim) -> String;

    /// The command that shows all that happened to a task.
    fn history(task: &TaskRef) -> Hint;

    /// The command that shows whether a message or an answer has arrived.
    fn conversation(task: &TaskRef) -> String;

    /// The commands that answer a question.
    fn answers(task: &TaskRef, question: &Question) -> Vec<Hint>;

    /// The option, with its value, that answers such a question within one command, where one does.
    fn unattended(question: &Question) -> Option<[&'static str; 2]>;

    /// Whether a task of this status is over.
    fn is_over(status: &Status) -> bool;

    /// Whether a task of this status waits for an answer.
    fn waits(status: &Status) -> bool;

    /// The command that helps a task on that is stuck in this status.
    fn stuck(_task: &TaskRef, _status: &Status) -> Option<Hint> {
        None
    }

    /// An event's number, time, type and content.
    fn cells(event: &RawEvent) -> [String; 4] {
        let seq = event.seq.map(|seq| seq.to_string());
        let content = one_line(&event.data.to_string());
        [
            seq.unwrap_or_default(),
            String::new(),
            one_line(&event.name),
            content,
        ]
    }

    /// What an event is for people who read along, a line each.
    fn told(event: &RawEvent) -> Vec<String> {
        vec![joined(Self::cells(event))]
    }

    /// What an event does to the text that the agent says.
    fn piece(_event: &RawEvent) -> Option<Piece> {
        None
    }

    /// The statuses that an event leads from and to.
    fn change(_event: &RawEvent) -> Option<(&str, &str)> {
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

/// What an event does to the text of the step that the agent is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Adds this.
    Said(String),
    /// Drops it: the step is tried again.
    Void,
    /// Completes it.
    Kept,
}

/// The text of the agent.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    text: String,
    /// Where the step in progress begins.
    step: usize,
}

impl Transcript {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &Piece) {
        match piece {
            Piece::Said(text) => self.text.push_str(text),
            Piece::Void => self.text.truncate(self.step),
            Piece::Kept => self.step = self.text.len(),
        }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// All that was said and stands, if it is more than blanks.
    pub(crate) fn text(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !text.trim().is_empty())
    }
}

/// What the program asks of a platform whose type is forgotten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) stuck: fn(&TaskRef, &Status) -> Option<Hint>,
    pub(crate) is_over: fn(&Status) -> bool,
    pub(crate) cells: fn(&RawEvent) -> [String; 4],
    pub(crate) told: fn(&RawEvent) -> Vec<String>,
    pub(crate) piece: fn(&RawEvent) -> Option<Piece>,
    pub(crate) change: fn(&RawEvent) -> Option<(&str, &str)>,
}

impl Words {
    pub(crate) fn of<P: Platform>() -> Self {
        Self {
            stuck: P::stuck,
            is_over: P::is_over,
            cells: P::cells,
            told: P::told,
            piece: P::piece,
            change: P::change,
        }
    }
}

/// Refuses a command of a platform that cannot do it: the only place where that is said.
pub(crate) fn able(found: ProviderName, feature: Feature) -> CliResult<()> {
    if feature.platforms().any(|one| one == found) {
        return Ok(());
    }
    let able: Vec<&str> = feature.platforms().map(ProviderName::title).collect();
    let (command, able, title) = (feature.command(), able.join(" and "), found.title());
    let what = format!("{command} is for {able}, not for {title}");
    Err(CliError::new(Code::Unsupported, what)
        .why(on_platform!(found, P => P::instead(feature)))
        .why("Nothing was sent."))
}

/// What a platform does that does not have a feature.
pub(crate) fn unable<P: Platform, T>(feature: Feature) -> CliResult<T> {
    able(P::ID, feature)?;
    let what = format!("{} is not built for {}", feature.command(), P::TITLE);
    Err(CliError::new(Code::Internal, what))
}

/// Words that end in one line break.
pub(crate) fn ended(text: impl AsRef<str>) -> String {
    text.as_ref().trim_end().to_owned() + "\n"
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
