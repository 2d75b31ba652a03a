//! A task of Nanonets: an agent, a prompt, files.

use taskward::Provider as _;
use taskward::nanonets::{File, Job, Nanonets};

use super::agent_names::{For, resolve};
use crate::args::Run;
use crate::codes::Code;
use crate::command_line;
use crate::commands::run::{Kept, Start, Starts};
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::files::{self, Files};
use crate::sent::StartKind;
use crate::text_arg::{stdin_text, text_or_file};

impl Starts for Nanonets {
    const OPTIONS: &[&str] = &["--agent", "-f", "--output-schema", "--instructions"];

    type Work = Work;

    fn work(args: &Run) -> CliResult<Work> {
        Work::read(args)
    }

    fn files(work: &Work) -> Option<&Files> {
        Some(&work.files)
    }

    async fn agent(
        connection: &Connection<Self>,
        args: &Run,
        work: &Work,
    ) -> CliResult<Option<String>> {
        let wanted = match args.agent.as_deref() {
            Some(agent) => agent,
            None if args.sim && work.files.files.is_empty() => "echo",
            None if args.sim => "invoice",
            None => {
                let what = "which agent? --agent takes an id or a name";
                let list = connection.command("agents list");
                return Err(CliError::new(Code::Usage, what).next("see", list, ""));
            }
        };
        resolve(connection, wanted, For::Run).await.map(Some)
    }

    fn ready(_: &Run, work: &Work, agent: Option<String>) -> Start<Job> {
        let agent = agent.unwrap_or_default();
        Start {
            job: work.job(&agent),
            kind: start_kind(agent),
            files: work.files.seen.clone(),
        }
    }

    fn again(_: &Run, kept: &Kept) -> CliResult<StartKind> {
        let criteria = kept.entry.snapshot.match_criteria();
        let agent = criteria.and_then(|criteria| criteria.agent.clone());
        Ok(start_kind(agent.unwrap_or_default()))
    }
}

fn start_kind(agent: String) -> StartKind {
    let command = command_line::with("run", "--force-new");
    StartKind::Agent { agent, command }
}

/// What is to be done, without saying by whom.
pub(crate) struct Work {
    prompt: Option<String>,
    files: Files,
    output_schema: Option<String>,
    instructions: Option<String>,
}

impl Work {
    fn read(args: &Run) -> CliResult<Self> {
        let prompt = match args.prompt.as_deref() {
            Some("-") => Some(stdin_text("prompt")?),
            prompt => prompt.map(str::to_owned),
        };
        let files = files::inspect(&args.files)?;
        let prompt = prompt.filter(|prompt| !prompt.trim().is_empty());
        if prompt.is_none() && files.files.is_empty() {
            return Err(CliError::new(
                Code::Usage,
                "there is nothing to run: give a prompt, a file (-f PATH) or both",
            ));
        }
        let text = |name, value: &Option<String>| {
            value
                .as_deref()
                .map(|value| text_or_file(name, value))
                .transpose()
        };
        let output_schema = text("--output-schema", &args.output_schema)?;
        if let Some(schema) = &output_schema {
            check_schema(schema)?;
        }
        let work = Self {
            prompt,
            files,
            output_schema,
            instructions: text("--instructions", &args.instructions)?,
        };
        // Whether all of it can be written into a request does not depend on the agent.
        Nanonets
            .start(&work.job("agent"), None)
            .map_err(|error| CliError::input(error.to_string()).why("Nothing was sent."))?;
        Ok(work)
    }

    fn job(&self, agent: &str) -> Job {
        let mut job = Job::agent(agent);
        if let Some(prompt) = &self.prompt {
            job = job.query(prompt);
        }
        for file in &self.files.files {
            let mut sent = File::path(&file.path);
            if let Some(name) = &file.name {
                sent = sent.name(name);
            }
            if let Some(content_type) = &file.content_type {
                sent = sent.content_type(content_type);
            }
            job = job.attach(sent);
        }
        if let Some(schema) = &self.output_schema {
            job = job.output_schema(schema);
        }
        if let Some(instructions) = &self.instructions {
            job = job.instructions(instructions);
        }
        job
    }
}

/// A schema is JSON or words; one that begins like JSON has to be JSON.
fn check_schema(schema: &str) -> CliResult<()> {
    if !schema.trim_start().starts_with(['{', '[']) {
        return Ok(());
    }
    match serde_json::from_str::<serde_json::Value>(schema) {
        Ok(_) => Ok(()),
        Err(error) => Err(
            CliError::input(format!("--output-schema is not JSON: {error}"))
                .why("It begins like JSON; a description in words begins otherwise."),
        ),
    }
}
