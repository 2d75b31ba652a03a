//! What the program has to know of a provider besides what the library does, and needs no server for: words, commands and
//! parts of an answer.

use clap::ValueEnum;
use serde_json::{Map, Value};
use taskward::Question;
use taskward::event::Status;
use taskward_sim::Sim;

use crate::registry::Registered;
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

    /// The command that helps a task on that is stuck in this status.
    fn stuck(_task: &TaskRef, _status: &Status) -> Option<Hint> {
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
