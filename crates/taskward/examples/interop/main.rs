//! The client that `cargo xtask interop` tries with A2A servers: does one thing through either adapter, and prints what
//! came of it as JSON.
//!
//! `interop async|blocking run|recover|cancel|list CARD --binding rest|rpc --journal FOLDER ...`

mod asynchronous;
mod blocking;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use taskward::a2a::{Answer, Binding, File, Job};
use taskward::error::BoxError;
use taskward::journal::{Entry, FileJournal};
use taskward::{Error, Event, Outcome, Output as _, RunResult};

fn main() -> Result<(), BoxError> {
    let args = Args::read(std::env::args().skip(1))?;
    let report = match args.adapter.as_str() {
        "async" => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(asynchronous::perform(&args))?,
        "blocking" => blocking::perform(&args)?,
        other => return Err(format!("there is no adapter {other:?}").into()),
    };
    println!("{report}");
    Ok(())
}

/// How long a task or a person may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// What to do, and with what.
#[derive(Default)]
pub(crate) struct Args {
    adapter: String,
    pub(crate) what: String,
    pub(crate) card: String,
    binding: String,
    journal: PathBuf,
    text: String,
    file: Option<String>,
    /// Answers to the questions, in order; without one the client waits for somebody else.
    pub(crate) answers: Vec<String>,
    pub(crate) answer_after: Duration,
    /// When the task is cancelled: `working` or `asking`.
    cancel: Option<String>,
    pub(crate) no_stream: bool,
    pub(crate) task: String,
    /// What the questions said, in order.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Args {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut next = move || words.next();
        let usage = "usage: interop ADAPTER WHAT CARD OPTIONS";
        let mut args = Self {
            adapter: next().ok_or(usage)?,
            what: next().ok_or(usage)?,
            card: next().ok_or(usage)?,
            ..Self::default()
        };
        while let Some(option) = next() {
            if option == "--no-stream" {
                args.no_stream = true;
                continue;
            }
            let value = next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--binding" => args.binding = value,
                "--journal" => args.journal = value.into(),
                "--text" => args.text = value,
                "--file" => args.file = Some(value),
                "--answer" => args.answers.push(value),
                "--answer-after" => args.answer_after = Duration::from_secs(value.parse()?),
                "--cancel" => args.cancel = Some(value),
                "--task" => args.task = value,
                _ => return Err(format!("there is no option {option}").into()),
            }
        }
        Ok(args)
    }

    pub(crate) fn binding(&self) -> Binding {
        match self.binding.as_str() {
            "rest" => Binding::HttpJson,
            _ => Binding::JsonRpc,
        }
    }

    pub(crate) fn job(&self) -> Job {
        let job = Job::text(&self.text);
        match &self.file {
            Some(name) => job.attach(File::bytes(name, "a note\n")),
            None => job,
        }
    }

    pub(crate) fn journal(&self) -> Result<FileJournal, BoxError> {
        Ok(FileJournal::open(&self.journal)?)
    }

    /// Returns what was stored last.
    pub(crate) fn stored(&self) -> Result<Entry, BoxError> {
        let entry = self.journal()?.list()?.entries.into_iter().next();
        Ok(entry.ok_or("nothing is stored")?)
    }

    /// Returns whether the task is to be cancelled at all.
    pub(crate) fn cancels(&self) -> bool {
        self.cancel.is_some()
    }

    /// Returns whether the task is to be cancelled now.
    pub(crate) fn cancels_at(&self, event: &Event) -> bool {
        match self.cancel.as_deref() {
            Some("working") => matches!(event, Event::Created { .. }),
            Some("asking") => matches!(event, Event::Question(_)),
            _ => false,
        }
    }
}

/// Says what came of a task, and what it asked.
pub(crate) fn report(args: &Args, result: Result<RunResult<Answer>, Error>) -> Value {
    let (end, task, output) = match result {
        Ok(RunResult::Ended(outcome)) => {
            let end = outcome.code().to_owned();
            let task = outcome.task().map(ToString::to_string);
            let output = match outcome {
                Outcome::Succeeded { output, .. } | Outcome::Answered { output } => {
                    Some(output.text().unwrap_or_else(|| output.raw().to_string()))
                }
                other => Some(other.to_string()),
            };
            (end, task, output)
        }
        Ok(RunResult::Detached(detached)) => {
            let (task, why) = (detached.id.to_string(), format!("{:?}", detached.reason));
            ("detached".to_owned(), Some(task), Some(why))
        }
        Err(error) => (error.to_string(), None, None),
    };
    let asked = args.asked.lock().map(|asked| asked.clone());
    let asked = asked.unwrap_or_default();
    json!({ "end": end, "task": task, "output": output, "asked": asked })
}
