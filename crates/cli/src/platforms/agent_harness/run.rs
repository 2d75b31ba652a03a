//! A run of Agent Harness: a free-form input, started under a key.

use serde_json::Map;
use taskward::Provider as _;
use taskward::agent_harness::{AgentHarness, Job};
use taskward::core::IdempotencyKey;
use taskward::core::Seed;

use crate::args::Run;
use crate::codes::Code;
use crate::command_line;
use crate::commands::run::{Kept, Start, Starts};
use crate::error::{CliError, CliResult};
use crate::sent::{Keyed, StartKind};
use crate::text_arg::{json_object, stdin_text};

impl Starts for AgentHarness {
    const OPTIONS: &[&str] = &[
        "--input",
        "--metadata",
        "--workspace",
        "--subject",
        "--idempotency-key",
    ];

    type Work = (Job, IdempotencyKey);

    fn work(args: &Run) -> CliResult<Self::Work> {
        let (job, key) = (job(args)?, key(args)?);
        // Whether all of it can be written into a request is known without a server.
        AgentHarness
            .start(&job, Some(&key))
            .map_err(|error| CliError::input(error.to_string()).why("Nothing was sent."))?;
        Ok((job, key))
    }

    fn ready(args: &Run, (job, key): &Self::Work, _: Option<String>) -> Start<Job> {
        Start {
            job: job.clone(),
            kind: start_kind(args, key),
            files: Vec::new(),
        }
    }

    fn again(args: &Run, _: &Kept) -> CliResult<StartKind> {
        Ok(start_kind(args, &key(args)?))
    }
}

fn key(args: &Run) -> CliResult<IdempotencyKey> {
    match &args.idempotency_key {
        Some(key) if key.trim().is_empty() => {
            Err(CliError::input("--idempotency-key is empty").why("Nothing was sent."))
        }
        Some(key) => Ok(IdempotencyKey::new(key)),
        None => fresh_key(),
    }
}

fn start_kind(args: &Run, key: &IdempotencyKey) -> StartKind {
    StartKind::Keyed(Keyed {
        key: key.as_str().to_owned(),
        minted: args.idempotency_key.is_none(),
        command: command_line::without("--idempotency-key"),
    })
}

fn job(args: &Run) -> CliResult<Job> {
    let object = |name, value: &Option<String>| {
        let object = value.as_deref().map(|value| json_object(name, value));
        object.transpose()
    };
    let goal = match args.prompt.as_deref() {
        Some("-") => Some(stdin_text("goal")?),
        goal => goal.map(str::to_owned),
    };
    let goal = goal.filter(|goal| !goal.trim().is_empty());
    let input = object("--input", &args.input)?;
    let mut job = match (&goal, input) {
        (None, None) => {
            return Err(CliError::new(
                Code::Usage,
                "there is nothing to run: give a goal, --input JSON or both",
            ));
        }
        (Some(_), Some(input)) if input.contains_key("goal") => {
            return Err(CliError::new(
                Code::Usage,
                "the goal is given twice: as the prompt and in --input",
            ));
        }
        (_, input) => Job::input(input.unwrap_or_else(Map::new)),
    };
    if let Some(goal) = goal {
        job = job.with_input("goal", goal);
    }
    if let Some(metadata) = object("--metadata", &args.metadata)? {
        job = job.metadata(metadata);
    }
    if let Some(workspace) = &args.workspace {
        job = job.workspace(workspace);
    }
    if let Some(subject) = &args.subject {
        job = job.subject(subject);
    }
    Ok(job)
}

/// A key of our own, so that it can be told when it is needed: a start of unknown outcome is found by it.
fn fresh_key() -> CliResult<IdempotencyKey> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        let what = format!("the system gives no random numbers for a key: {error}");
        CliError::new(Code::Local, what).why("Nothing was sent.")
    })?;
    Ok(IdempotencyKey::mint(&Seed(seed), "start", &[]))
}
