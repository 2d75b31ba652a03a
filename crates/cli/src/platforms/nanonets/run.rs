//! A task of Nanonets: an agent, a prompt, files.

use std::sync::Arc;

use taskward::Provider as _;
use taskward::nanonets::{Job, Nanonets};

use crate::agents::{self, For};
use crate::args::{Global, Run};
use crate::clock::span;
use crate::codes::Code;
use crate::command_line;
use crate::commands::run::{Kept, Plan, Starts, launch, open};
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::files::{self, Files};
use crate::follow::Deadlines;
use crate::out::Out;
use crate::sent::StartKind;
use crate::text_arg::{stdin_text, text_or_file};

impl Starts for Nanonets {
    const OPTIONS: &[&str] = &["--agent", "-f", "--output-schema", "--instructions"];

    async fn run(out: Arc<Out>, global: &Global, args: &Run, mut plan: Plan) -> CliResult<Exit> {
        // Whatever is wrong with the work itself is said before anything is sent.
        let work = Work::read(args)?;
        let mut connection: Connection<Self> = open(out.clone(), global, args)?;
        // A wait that the deadline would cut short is not begun.
        connection.limit = plan.deadlines.work();
        let wanted = match &args.agent {
            Some(agent) => agent.as_str(),
            None if args.sim && work.files.files.is_empty() => "echo",
            None if args.sim => "invoice",
            None => {
                return Err(CliError::new(
                    Code::Usage,
                    "which agent? --agent takes an id or a name",
                )
                .next("see", connection.command("agents list"), ""));
            }
        };
        connection.banner();
        let agent = within(
            &connection,
            plan.deadlines,
            agents::resolve(&connection, wanted, For::Run),
        )
        .await?;
        work.announce(&out);
        plan.files.clone_from(&work.files.seen);
        let start = connection.client.run(work.job(&agent));
        let start_kind = StartKind::Agent {
            agent,
            command: command_line::with("run", "--force-new"),
        };
        launch(&connection, global, start, start_kind, args, plan).await
    }

    /// Starts the same as a task that was started here.
    async fn again(
        out: Arc<Out>,
        global: &Global,
        args: &Run,
        plan: Plan,
        kept: &Kept,
    ) -> CliResult<Exit> {
        let connection: Connection<Self> = open(out, global, args)?;
        kept.check(&connection)?;
        let start = connection.client.run_again(&kept.entry);
        let agent = kept.entry.snapshot.match_criteria();
        let agent = agent.and_then(|criteria| criteria.agent.clone());
        let start_kind = StartKind::Agent {
            agent: agent.unwrap_or_default(),
            command: command_line::with("run", "--force-new"),
        };
        launch(
            &connection,
            global,
            start.force_new(args.force_new),
            start_kind,
            args,
            plan,
        )
        .await
    }
}

/// `lookup`, as long as the agent may work.
async fn within<T>(
    connection: &Connection<Nanonets>,
    deadlines: Deadlines,
    lookup: impl Future<Output = CliResult<T>>,
) -> CliResult<T> {
    let Some(work) = deadlines.work() else {
        return lookup.await;
    };
    match tokio::time::timeout(connection.clock.real(work), lookup).await {
        Ok(found) => found,
        Err(_) => Err(CliError::new(
            Code::Deadline,
            format!(
                "timed out after {} (--timeout); nothing was started",
                span(work)
            ),
        )
        .plain()
        .why("The agent was still being searched for.")),
    }
}

/// What is to be done, without saying by whom.
struct Work {
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

    fn announce(&self, out: &Out) {
        for warning in &self.files.warnings {
            out.say(&format!("warning: {warning}"));
        }
        let count = self.files.files.len();
        if count > 0 {
            let files = if count == 1 { "file" } else { "files" };
            out.say(&format!(
                "sending {count} {files}, {}",
                files::size(self.files.bytes)
            ));
        }
    }

    fn job(&self, agent: &str) -> Job {
        let mut job = Job::agent(agent);
        if let Some(prompt) = &self.prompt {
            job = job.query(prompt);
        }
        for file in &self.files.files {
            job = job.attach(file.clone());
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
