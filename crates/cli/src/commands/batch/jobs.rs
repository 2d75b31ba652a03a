//! The jobs of a batch: a file of JSON lines, checked as a whole before anything is sent.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value};

use crate::args::{Batch, Run, label};
use crate::commands::run::{Starts, alien};
use crate::error::{CliError, CliResult};
use crate::exact;
use crate::registry::ProviderName;

/// How many broken lines are told one by one.
const MOST_TOLD: usize = 5;

/// One job.
pub(super) struct Job {
    /// Its line in the file.
    line: usize,
    pub(super) key: String,
    /// What it would be on the command line of `run`.
    pub(super) args: Run,
}

/// What is wrong with lines.
struct Broken<'a> {
    file: &'a Path,
    lines: Vec<(usize, String)>,
}

impl Broken<'_> {
    /// The error of the broken lines, if there are any.
    fn check(self) -> CliResult<()> {
        let file = self.file.display();
        let told = |(line, why): &(usize, String)| format!("line {line} of {file}: {why}");
        let error = match self.lines.as_slice() {
            [] => return Ok(()),
            [one] => CliError::input(told(one)),
            lines => {
                let what = format!("{} lines of {file} cannot be used", lines.len());
                let error = CliError::input(what).whys(lines.iter().take(MOST_TOLD).map(told));
                match lines.len() - lines.len().min(MOST_TOLD) {
                    0 => error,
                    more => error.why(format!("and {more} more")),
                }
            }
        };
        Err(error.why("Nothing was started."))
    }
}

/// Reads the jobs; whatever is wrong with a line is told with its number.
pub(super) fn read(args: &Batch) -> CliResult<Vec<Job>> {
    let file = &args.file;
    let bytes = std::fs::read(file).map_err(|error| {
        let what = format!("cannot read the jobs in {}: {error}", file.display());
        CliError::input(what).why("Nothing was started.")
    })?;
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let mut jobs: Vec<Job> = Vec::new();
    let mut lines = Vec::new();
    let mut keys: HashMap<String, usize> = HashMap::new();
    for (at, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = at + 1;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let job = job(args, text).map(|(key, args)| Job { line, key, args });
        let job = job.and_then(|job| match keys.insert(job.key.clone(), line) {
            None => Ok(job),
            Some(first) => {
                keys.insert(job.key.clone(), first);
                let key = &job.key;
                Err(format!("line {first} has the same key, {key:?}"))
            }
        });
        match job {
            Ok(job) => jobs.push(job),
            Err(why) => lines.push((line, why)),
        }
    }
    Broken { file, lines }.check()?;
    if jobs.is_empty() {
        let what = format!("there are no jobs in {}", file.display());
        return Err(CliError::input(what).why("A job is a line of JSON, with its key."));
    }
    Ok(jobs)
}

/// Whether all of these can be sent, as far as that is known without a server: files are there, and fields are the
/// platform's.
pub(super) fn check<P: Starts>(args: &Batch, jobs: &[Job]) -> CliResult<()> {
    let provider = P::ID;
    let wrong = |job: &Job| {
        if let Some(option) = alien(&job.args, provider) {
            let field = field_of(option);
            return Some(format!("{field:?} is not for {}", provider.title()));
        }
        if P::AGENTS_HAVE_URLS && job.args.agent != jobs[0].args.agent {
            let first = jobs[0].line;
            return Some(format!(
                "its agent is another than that of line {first}: a batch goes to one agent of {}",
                provider.title()
            ));
        }
        let error = P::work(&job.args).err()?;
        let reasons = error.reasons().replace("Nothing was sent.", "");
        let reasons = reasons.trim().trim_end_matches(';');
        Some(match reasons {
            "" => error.what().to_owned(),
            reasons => format!("{} ({reasons})", error.what()),
        })
    };
    let lines = jobs.iter();
    let lines = lines.filter_map(|job| Some((job.line, wrong(job)?)));
    let lines = lines.collect();
    let file = &args.file;
    Broken { file, lines }.check()
}

/// The provider that the form of an agent tells.
pub(super) fn provider_of(jobs: &[Job]) -> Option<ProviderName> {
    let agents = jobs.iter().filter_map(|job| job.args.agent.as_deref());
    agents.into_iter().find_map(ProviderName::of_agent)
}

/// The field of a job that is this option of `run`.
fn field_of(option: &str) -> String {
    match option {
        "-f" => "files".to_owned(),
        option => option.trim_start_matches('-').replace('-', "_"),
    }
}

/// Reads one line: the key, and what the job is on the command line of `run`.
fn job(args: &Batch, line: &[u8]) -> Result<(String, Run), String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let value = exact::json(text).map_err(|why| {
        // The line of the file is told in front.
        format!("it {}", why.replace(" at line 1 column ", " at column "))
    })?;
    let Value::Object(mut fields) = value else {
        return Err("it is no JSON object".to_owned());
    };
    let key = words(&mut fields, "key")?.ok_or("it has no \"key\"")?;
    if key.trim().is_empty() {
        return Err("its key is empty".to_owned());
    }
    label(&key)?;
    let text = words(&mut fields, "text")?;
    if text.as_deref() == Some("-") {
        return Err("\"text\" is -, and a batch reads no stdin".to_owned());
    }
    let job = Run {
        agent: words(&mut fields, "agent")?.or_else(|| args.agent.clone()),
        prompt: text,
        files: files(&mut fields)?,
        output_schema: schema(&mut fields)?,
        instructions: words(&mut fields, "instructions")?.map(literally),
        data: fields.remove("data").map(|data| data.to_string()),
        input: object(&mut fields, "input")?,
        metadata: object(&mut fields, "metadata")?,
        workspace: words(&mut fields, "workspace")?,
        subject: words(&mut fields, "subject")?,
        idempotency_key: None,
        again: None,
        detach: false,
        force_new: false,
        sim: false,
        follow: args.follow(),
    };
    if let Some((name, _)) = fields.into_iter().next() {
        return Err(format!("no job has a field {name:?}"));
    }
    Ok((key, job))
}

fn words(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name:?} is no text")),
    }
}

fn object(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Object(_)) => Ok(Some(value.to_string())),
        Some(_) => Err(format!("{name:?} is no JSON object")),
    }
}

/// A schema is JSON, or words.
fn schema(fields: &mut Map<String, Value>) -> Result<Option<String>, String> {
    match fields.remove("output_schema") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(literally(text))),
        Some(value @ Value::Object(_)) => Ok(Some(value.to_string())),
        Some(_) => Err("\"output_schema\" is neither a JSON object nor a text".to_owned()),
    }
}

/// A text that is no name of a file, as an option is given it.
fn literally(text: String) -> String {
    match text.starts_with('@') {
        true => format!("@{text}"),
        false => text,
    }
}

fn files(fields: &mut Map<String, Value>) -> Result<Vec<OsString>, String> {
    let files = match fields.remove("files") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(files)) => files,
        Some(_) => return Err("\"files\" is no array".to_owned()),
    };
    let path = |file: Value| match file {
        Value::String(path) if path == "-" || path.starts_with("-;") => {
            Err("\"files\" has -, and a batch reads no stdin".to_owned())
        }
        Value::String(path) => Ok(path.into()),
        other => Err(format!("\"files\" has {other}, which is no path")),
    };
    files.into_iter().map(path).collect()
}
