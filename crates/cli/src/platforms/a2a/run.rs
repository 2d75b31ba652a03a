//! A task of an A2A agent: words, data and files in one message.

use serde_json::Value;
use taskward::Provider as _;
use taskward::a2a::{A2a, File, Job};
use taskward::core::IdempotencyKey;

use crate::args::Run;
use crate::codes::Code;
use crate::command_line;
use crate::commands::run::{Kept, Start, Starts};
use crate::error::{CliError, CliResult};
use crate::exact;
use crate::files::{self, Files};
use crate::sent::StartKind;
use crate::text_arg::{json_object, stdin_text, text_or_file};

impl Starts for A2a {
    const OPTIONS: &[&str] = &["--agent", "-f", "--data", "--metadata"];

    type Work = (Job, Files);

    fn work(args: &Run) -> CliResult<Self::Work> {
        let files = files::inspect(&args.files)?;
        let job = job(args, &files)?;
        // Whether all of it can be written into a request is known without a server.
        let key = IdempotencyKey::new("check");
        Self::default()
            .start(&job, Some(&key))
            .map_err(|error| CliError::input(error.to_string()).why("Nothing was sent."))?;
        Ok((job, files))
    }

    fn files((_, files): &Self::Work) -> Option<&Files> {
        Some(files)
    }

    fn ready(_: &Run, (job, files): &Self::Work, _: Option<String>) -> Start<Job> {
        Start {
            job: job.clone(),
            kind: start_kind(),
            files: files.seen.clone(),
        }
    }

    fn again(_: &Run, _: &Kept) -> CliResult<StartKind> {
        Ok(start_kind())
    }
}

fn start_kind() -> StartKind {
    StartKind::Traced {
        command: command_line::with("run", "--force-new"),
    }
}

fn job(args: &Run, files: &Files) -> CliResult<Job> {
    let prompt = match args.prompt.as_deref() {
        Some("-") => Some(stdin_text("prompt")?),
        prompt => prompt.map(str::to_owned),
    };
    let prompt = prompt.filter(|prompt| !prompt.trim().is_empty());
    if prompt.is_none() && files.files.is_empty() && args.data.is_none() {
        let what = "there is nothing to run: give a prompt, a file (-f PATH) or --data JSON";
        return Err(CliError::new(Code::Usage, what));
    }
    let mut job = prompt.map_or_else(Job::default, Job::text);
    if let Some(data) = &args.data {
        job = job.data(data_of(data)?);
    }
    for file in &files.files {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let name = file.name.as_deref().unwrap_or(&name);
        let bytes = std::fs::read(&file.path).map_err(|error| {
            let what = format!("cannot read the file {}: {error}", file.path.display());
            CliError::input(what).why("Nothing was sent.")
        })?;
        let mut part = File::bytes(name, bytes);
        if let Some(content_type) = &file.content_type {
            part = part.content_type(content_type);
        }
        job = job.attach(part);
    }
    match &args.metadata {
        Some(metadata) => Ok(job.metadata(json_object("--metadata", metadata)?)),
        None => Ok(job),
    }
}

/// The data of `--data`: any JSON.
fn data_of(value: &str) -> CliResult<Value> {
    let text = text_or_file("--data", value)?;
    exact::json(text.strip_prefix('\u{feff}').unwrap_or(&text))
        .map_err(|why| CliError::input(format!("--data {why}")).why("Nothing was sent."))
}
