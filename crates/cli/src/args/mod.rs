//! What can be said on the command line.

mod batch;
mod doctor;
mod lists;
mod runs;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use taskward_sim::FaultRule;

use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::platform::{Platform, Print, able};
use crate::registry::{Feature, ProviderName, on_platform};
use crate::task_ref::{TaskArg, TaskRef};

pub(crate) use batch::Batch;
pub(crate) use doctor::Doctor;
pub(crate) use lists::{Agents, CreateAgent, Ls, UpdateAgent};
pub(crate) use runs::{Approve, Events, Input, Reject, ResumeRun, Usage};

/// Run long-running agent tasks reliably: start, follow, answer, fetch the result
#[derive(Debug, Parser)]
#[command(
    name = "taskward",
    version,
    disable_help_subcommand = true,
    after_help = "Examples:
  taskward run --sim -f invoice.csv       an invoice through the simulator: no account needed
  taskward run --agent invoice -f a.pdf -f b.pdf 'Extract the line items.'
  id=$(taskward run --agent invoice -f a.pdf --detach); taskward watch $id
  taskward run --sim --provider agent-harness 'Write to the team.' --on-approval approve
  taskward run --sim --provider a2a --agent work 'Count to ten.'
  taskward help exit-codes     topics: environment, exit-codes, json, questions, recovery, simulator"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options everywhere")]
pub(crate) struct Global {
    /// Whose tasks: nanonets, agent-harness or a2a [default: what the task's name says, or else nanonets]
    #[arg(
        long,
        global = true,
        value_name = "PROVIDER",
        hide_possible_values = true
    )]
    provider: Option<ProviderName>,
    /// Print JSON lines on stdout and nothing on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Suppress progress; show only errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Show more on stderr: each request and its purpose, each wait and its reason, each retry
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// Never ask anything on the terminal
    #[arg(long, global = true)]
    no_input: bool,
    /// Read the API key from this file instead of the environment
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "key_stdin")]
    pub(crate) key_file: Option<PathBuf>,
    /// Read the API key from stdin
    #[arg(long, global = true)]
    pub(crate) key_stdin: bool,
    /// Send the API key in this header, instead of as a bearer key
    #[arg(long, global = true, value_name = "NAME", value_parser = label)]
    pub(crate) auth_header: Option<String>,
    /// Let the API key go to this server, too, where only a task's name or an agent's card names it; may be repeated
    #[arg(long, global = true, value_name = "URL", value_parser = label)]
    pub(crate) allow_origin: Vec<String>,
    /// Speak to an agent in this binding, HTTP+JSON or JSONRPC (A2A) [default: the first of its card that is known]
    #[arg(long, global = true, value_name = "BINDING", value_parser = label)]
    pub(crate) binding: Option<String>,
    /// Write nothing down: a start whose reply is lost cannot be recovered
    #[arg(long, global = true)]
    pub(crate) no_journal: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    // On a terminal, unless NO_COLOR is set. (No doc comments here: they would make every help page a long one.)
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a task, follow it, print its answer
    Run(Box<Run>),
    /// Run many jobs of a file, each once under its key; run again, it goes on
    Batch(Batch),
    /// Follow existing tasks until they finish
    Watch(Watch),
    /// Find out whether a start whose reply was lost created a task
    Recover(Recover),
    /// Read a task's status once
    Status(OneTask),
    /// Print the result of a finished task
    Result(ResultOf),
    /// Print a task's conversation
    Messages(OneTask),
    /// Answer a question in words
    Reply(Reply),
    /// Send a message that nobody asked for
    Send(Send),
    /// Approve what a task waits for: the task continues
    Approve(Approve),
    /// Refuse what a task waits for: the task fails
    Reject(Reject),
    /// Give a task the data that it waits for
    Input(Input),
    /// List a task's events, oldest first
    Events(Events),
    /// Resume a stalled task
    ResumeRun(ResumeRun),
    /// Stop a task
    Cancel(Cancel),
    /// List tasks, newest first
    Ls(Ls),
    /// List, show, create, change and publish agents
    #[command(subcommand)]
    Agents(Agents),
    /// Show what was used, added up
    Usage(Usage),
    /// Make any call of the API with your key
    Api(Api),
    /// Check settings, journal, clock and connection; with --live, whether a platform is as it is assumed to be
    Doctor(Doctor),
    /// Run the simulator until Ctrl-C, or beside a command until that ends
    Sim(SimArgs),
    /// Print the script with which a shell completes this command line
    Completion(Completion),
    /// Write the manual pages into a folder
    Man(Man),
    /// Explain a command or a topic: environment, exit-codes, json, questions, recovery, simulator
    Help {
        /// The command or topic
        #[arg(value_name = "COMMAND or TOPIC")]
        topic: Vec<String>,
    },
}

/// `run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward run --sim -f invoice.csv
  taskward run --agent invoice -f 'scan.pdf;name=invoice.pdf' --output-schema @schema.json
  echo 'Summarise this.' | taskward run --agent writer - -f notes.txt
  taskward run --sim --agent asker 'Convert 5.' --answer EUR
  taskward run --sim --provider agent-harness 'Write to the team.' --on-approval approve
  taskward run --provider agent-harness --idempotency-key nightly-7 --input '{\"goal\": \"Report.\"}'
  taskward run --sim --provider a2a --agent artifacts 'Convert 5.' --data '{\"to\": \"EUR\"}'
  taskward run --agent https://agents.example/travel 'To Lisbon.'
  taskward run --again $run")]
pub(crate) struct Run {
    /// The agent, by id or exact name (Nanonets), or by its URL or that of its card (A2A)
    #[arg(long, value_name = "ID, NAME or URL", value_parser = label)]
    pub(crate) agent: Option<String>,
    /// What to do: a prompt, the goal of a task; - reads it from stdin
    #[arg(value_name = "PROMPT or -")]
    pub(crate) prompt: Option<String>,
    /// Send a file; - is stdin (Nanonets, A2A)
    #[arg(
        short,
        long = "file",
        value_name = "PATH[;name=N][;type=T]",
        allow_hyphen_values = true
    )]
    pub(crate) files: Vec<OsString>,
    /// The wanted shape of the structured answer: JSON, or words (Nanonets)
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) output_schema: Option<String>,
    /// Hints for the output (Nanonets)
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) instructions: Option<String>,
    /// Data to send beside the prompt: any JSON (A2A)
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) data: Option<String>,
    /// The input of the task, a JSON object; the prompt becomes its goal (Agent Harness)
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) input: Option<String>,
    /// Data of your own to keep with the task, a JSON object (Agent Harness, A2A)
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) metadata: Option<String>,
    /// The workspace that the task is accounted to (Agent Harness)
    #[arg(long, value_name = "ID", value_parser = label)]
    pub(crate) workspace: Option<String>,
    /// Whom the task is accounted to (Agent Harness)
    #[arg(long, value_name = "ID", value_parser = label)]
    pub(crate) subject: Option<String>,
    /// Start it once only: the same key again follows the task that it made (Agent Harness)
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Start the same as this task of the journal, as a new task; files must be what they were
    #[arg(
        long,
        value_name = "TASK",
        conflicts_with_all = [
            "agent", "prompt", "files", "output_schema", "instructions", "data", "input", "metadata", "workspace", "subject",
            "sim",
        ]
    )]
    pub(crate) again: Option<TaskArg>,
    /// Print the task's name and exit; the task keeps running
    #[arg(long, conflicts_with_all = ["output", "print", "answers", "on_question", "on_approval"])]
    pub(crate) detach: bool,
    /// Start it although the same start was made before and its outcome is unknown; with --again also although a
    /// file has changed
    #[arg(long)]
    pub(crate) force_new: bool,
    /// Use a simulator inside this process: no account needed, nothing is sent beyond this machine
    #[arg(long)]
    pub(crate) sim: bool,
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// How a task is followed: of `run`, `watch` and every `--watch`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Follow {
    /// How long the agent may work, as in 90s, 10m or 2h; 0 means no limit [default: TASKWARD_TIMEOUT, or 10m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// How long a human may take over a question or a review; 0 means no limit
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time)]
    pub(crate) answer_timeout: Duration,
    /// Answer the first question with this, the next with the next; Agent Harness takes JSON objects
    #[arg(long = "answer", value_name = "TEXT|@FILE")]
    pub(crate) answers: Vec<String>,
    /// Answer questions with what this command prints; it gets the question as JSON on stdin
    #[arg(long, value_name = "CMD")]
    pub(crate) on_question: Option<String>,
    /// What to do when a task waits for an approval; reject makes it fail (Agent Harness) [default: ask]
    #[arg(long, value_name = "approve|reject|ask", hide_possible_values = true)]
    pub(crate) on_approval: Option<OnApproval>,
    /// Exit when the task waits for a review in the dashboard, instead of waiting for it (Nanonets)
    #[arg(long)]
    pub(crate) no_wait_review: bool,
    /// Stop the task on Ctrl-C, and wait until it has stopped; a second Ctrl-C does not wait (Nanonets, A2A)
    #[arg(long)]
    pub(crate) cancel_on_interrupt: bool,
    /// Stop the task when --timeout or --answer-timeout is reached, and wait until it has stopped (Nanonets, A2A)
    #[arg(long)]
    pub(crate) cancel_on_timeout: bool,
    /// Write the answer to this file, too
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Which part of the answer: by default data when there is any, else the summary, else the result
    #[arg(long, value_name = "PART")]
    pub(crate) print: Option<Print>,
    /// How many times as fast as the world clocks run: for simulators on this machine [default with --sim: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) speed: Option<u32>,
}

/// What a command does once its write was taken.
#[derive(Clone, Debug, Args)]
pub(crate) struct Afterwards {
    /// Follow the task afterwards, until its next question or its end
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// The question that a command answers.
#[derive(Debug, Args)]
pub(crate) struct QuestionOfTask {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
    /// The question, by the id that it is printed with; without it, only one that was shown here before
    #[arg(long, value_name = "ID", value_parser = label)]
    pub(crate) question: Option<String>,
}

/// What is done about approvals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnApproval {
    Approve,
    // The run fails.
    Reject,
    // A person at the terminal; without one it is left.
    Ask,
}

/// `watch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward watch nanonets:8c1e0a4e-0000-4000-8000-000000000001
  taskward watch $id --answer 'EUR' -o answer.json
  taskward watch $a $b $c --json
  taskward watch --last")]
pub(crate) struct Watch {
    /// The tasks, as PROVIDER:ID or ID
    #[arg(required_unless_present = "last", value_name = "TASK")]
    pub(crate) tasks: Vec<TaskArg>,
    /// The task that was last started or watched here
    #[arg(long, conflicts_with = "tasks")]
    pub(crate) last: bool,
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// `recover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward recover
  taskward recover 7f3a --watch
  taskward recover 7f3a --adopt
  taskward recover 7f3a --adopt=nanonets:01c5...
  taskward recover 7f3a --forget

A start under a key is repeated with it, which makes no second run. Without one its task is searched for. Exits with 0
when the task is known, with 5 when it still is not.")]
pub(crate) struct Recover {
    /// The start, as it was named when its reply was lost, or the beginning of that; the only one there is by default
    #[arg(value_name = "INTENT")]
    pub(crate) intent: Option<String>,
    /// Take the one task that was found for the task of this start; of several, this one
    #[arg(long, value_name = "TASK", num_args = 0..=1, require_equals = true)]
    pub(crate) adopt: Option<Option<TaskArg>>,
    /// Forget the start: nothing is sent, and it is not asked about again
    #[arg(long, requires = "intent", conflicts_with_all = ["adopt", "watch"])]
    pub(crate) forget: bool,
    /// Follow the task to its end; the one that was found is adopted
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) follow: Follow,
}

/// `status`, `messages`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward status $id
  taskward messages $id --json | jq -r .text")]
pub(crate) struct OneTask {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
}

/// `result`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward result $id
  taskward result $id --print summary
  taskward result $id --full")]
pub(crate) struct ResultOf {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
    /// Print the whole feed of the task's steps, whatever its state
    #[arg(long, conflicts_with = "print")]
    pub(crate) full: bool,
    /// Write the answer to this file, too
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Which part of the answer: by default data when there is any, else the summary, else the result
    #[arg(long, value_name = "PART")]
    pub(crate) print: Option<Print>,
}

/// `reply`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward reply $id 'In euros, please.' --question $q
  taskward reply $id 'In euros, please.' --question $q --watch
  taskward reply $id --question $q - < answer.txt

Answers an open question and nothing else; send is for a message that nobody asked for. Without --question it answers
only what run, watch, status or messages has shown here since the last answer; anything else is shown and not answered
(exit 8). taskward help questions says more.")]
pub(crate) struct Reply {
    #[command(flatten)]
    pub(crate) to: QuestionOfTask,
    /// The answer; - reads it from stdin
    #[arg(value_name = "TEXT or -", allow_hyphen_values = true)]
    pub(crate) text: String,
    /// Send it although an answer was sent before and it is unknown whether it arrived
    #[arg(long)]
    pub(crate) force_new: bool,
    #[command(flatten)]
    pub(crate) after: Afterwards,
}

/// `send`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward send $id 'Leave out the drafts.'
  taskward send $id 'And now in dollars.' --continue --watch

Sends a message that nobody asked for. While a question is open nothing is sent (exit 8): reply answers it. Whether one
is open is read right before the message is sent; the agent may ask something after that read, and then takes the message
for the answer: that cannot be excluded. A message to a task that has ended starts another turn of it, which may be paid
for: only with --continue (exit 2 without).")]
pub(crate) struct Send {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
    /// The message; - reads it from stdin
    #[arg(value_name = "TEXT or -", allow_hyphen_values = true)]
    pub(crate) text: String,
    /// Start another turn of a task that has ended
    #[arg(long = "continue")]
    pub(crate) goes_on: bool,
    /// Send it although something was sent before and it is unknown whether it arrived
    #[arg(long)]
    pub(crate) force_new: bool,
    #[command(flatten)]
    pub(crate) after: Afterwards,
}

/// `cancel`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward cancel $id
  taskward cancel $id --yes

Prints how the task ended, and exits with 0 when it is stopped or had completed, with 3 when it had failed.")]
pub(crate) struct Cancel {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
    /// Do not ask first
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// How long to wait for the end; 0 means no limit [default: TASKWARD_TIMEOUT, or 10m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// How many times as fast as the world clocks run: for simulators on this machine
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) speed: Option<u32>,
}

/// `api`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward api GET /agents
  taskward api GET '/tasks?limit=5&status=running' | jq .data
  taskward api POST /tasks/ID/message -d '{\"message\":\"Hello\"}'
  taskward api POST /runs/ID/signal --provider agent-harness --idempotency-key k1 -d @signal.json")]
pub(crate) struct Api {
    /// GET, POST, ...
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// The path, with or without /api/v1 or /v1, and the query
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
    /// A JSON body
    #[arg(short, long, value_name = "BODY|@FILE")]
    pub(crate) data: Option<String>,
    /// Send this Idempotency-Key; the call is then repeated when its reply is lost
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

/// `sim`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward sim --speed 20
  taskward sim --speed 20 -- pytest tests
  taskward sim --listen 127.0.0.1:4010 --scenario slow-replies.toml
  taskward sim --json --seed 7 --faults flaky.toml
  taskward sim --fault status:code=503,probability=0.3,on=run --fault latency:for=2s,count=5

A command behind -- finds NANONETS_API_KEY, NANONETS_BASE_URL, AGENT_HARNESS_API_KEY, AGENT_HARNESS_BASE_URL,
A2A_API_KEY, A2A_BASE_URL, TASKWARD_SIM_URL and TASKWARD_SIM_SEED in its environment. The simulator ends with it, and so does taskward, with the
command's exit code (128 and the signal's number when a signal killed it; 127 when there is no such command, 126 when it
cannot be run). A Ctrl-C and SIGTERM are the command's to heed; a second one kills it.

taskward help simulator tells all: scenarios, faults, switches, and what can be asked of it over HTTP.")]
pub(crate) struct SimArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// How many times as fast as the world simulated time runs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) speed: u32,
    /// Ids, the keys and the faults' chances follow from this number [default: a random one, which is printed]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// A TOML file of switches, agents and faults
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// A TOML file of faults
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// A fault, KIND:FIELD=VALUE,... with the fields of a file; an unknown kind lists them all; may be repeated
    #[arg(long = "fault", value_name = "RULE")]
    pub(crate) fault: Vec<FaultRule>,
    /// A command to run beside the simulator, which ends with it
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// `completion`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward completion bash > ~/.local/share/bash-completion/completions/taskward
  taskward completion zsh > ~/.zfunc/_taskward      with ~/.zfunc in fpath, before compinit
  taskward completion fish > ~/.config/fish/completions/taskward.fish
  taskward completion elvish >> ~/.config/elvish/rc.elv
  taskward completion powershell >> $PROFILE

The script is of this version: print it again after an upgrade. It completes commands, options and the words that an
option takes, and asks no server.")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward man ~/.local/share/man/man1
  taskward man . && man ./taskward-run.1

One page for each command, and taskward.1 for all; those of an earlier version are written over.")]
pub(crate) struct Man {
    /// The folder; it is made where there is none
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

impl Global {
    /// The provider that was named.
    pub(crate) fn named_provider(&self) -> Option<ProviderName> {
        self.provider
    }

    /// The provider of a command that names no task.
    pub(crate) fn provider(&self) -> ProviderName {
        self.provider.unwrap_or(ProviderName::DEFAULT)
    }

    /// The provider of a command that names no task: the one that was named, or the first that can do it.
    /// An agent that is named may tell which one it is.
    pub(crate) fn provider_for(
        &self,
        feature: Feature,
        agent: Option<&str>,
    ) -> CliResult<ProviderName> {
        let named = self.provider.or(agent.and_then(ProviderName::of_agent));
        let provider = named.unwrap_or_else(|| first_able(feature));
        able(provider, feature)?;
        Ok(provider)
    }

    /// The task of a command, where its provider can do that: the one that its name or `--provider` says, or else the
    /// first that can.
    pub(crate) fn task_for(&self, task: &TaskArg, feature: Feature) -> CliResult<TaskRef> {
        let task = self.task_or(task, first_able(feature))?;
        able(task.provider(), feature).map_err(|error| error.task(&task))?;
        Ok(task)
    }

    /// The task, of the provider that its name, `--provider` or else `fallback` says.
    fn task_or(&self, task: &TaskArg, fallback: ProviderName) -> CliResult<TaskRef> {
        let provider = match (task.provider(), self.provider) {
            (Some(named), Some(wanted)) if named != wanted => {
                return Err(CliError::new(
                    Code::Usage,
                    format!("--provider {wanted} and a task of {named} do not go together"),
                )
                .why("Nothing was sent."));
            }
            (Some(provider), _) | (None, Some(provider)) => provider,
            (None, None) => fallback,
        };
        on_platform!(provider, P => of_agent::<P>(task))
    }

    /// The task, of the provider that its name or `--provider` says, or else of the one that is meant where none is named.
    pub(crate) fn task(&self, task: &TaskArg) -> CliResult<TaskRef> {
        self.task_or(task, ProviderName::DEFAULT)
    }

    /// Whether nothing may be asked on the terminal: by option or environment.
    pub(crate) fn no_input(&self) -> CliResult<bool> {
        if self.no_input {
            return Ok(true);
        }
        let value = from_environment("TASKWARD_NO_INPUT", |text| {
            match text.to_lowercase().as_str() {
                "1" | "true" | "yes" | "y" | "on" => Ok(true),
                "0" | "false" | "no" | "n" | "off" => Ok(false),
                _ => Err("it is 1 or 0".to_owned()),
            }
        })?;
        Ok(value.unwrap_or(false))
    }
}

/// The time of `--timeout`: the option's, the environment's, or ten minutes.
pub(crate) fn timeout(option: Option<Duration>) -> CliResult<Duration> {
    if let Some(time) = option {
        return Ok(time);
    }
    Ok(from_environment("TASKWARD_TIMEOUT", time)?.unwrap_or(Duration::from_secs(600)))
}

/// The value of a variable; an empty one counts as none.
fn from_environment<T>(
    name: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> CliResult<Option<T>> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    read(text.trim()).map(Some).map_err(|why| {
        let what = format!("the environment variable {name} is {text:?}: {why}");
        CliError::new(Code::Config, what).why("Nothing was sent.")
    })
}

/// Reads an id or a name, which goes into requests and onto the screen.
pub(crate) fn label(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err(format!(
            "{text:?} has control characters, and neither an id nor a name has"
        )),
        false => Ok(text.to_owned()),
    }
}

/// Reads a time span: `90s`, `10m`, `1h 30m`, or seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}: write it as 90s, 10m or 2h"))
}

/// The task, of the agent that its name says, or else of the one of the settings.
fn of_agent<P: Platform>(task: &TaskArg) -> CliResult<TaskRef> {
    if !P::AGENTS_HAVE_URLS || task.agent().is_some() {
        return Ok(task.of(P::ID, None));
    }
    let variable = P::DEFAULTS.base_url_variable;
    let named = from_environment(variable, P::agent_url)?;
    let Some(agent) = named else {
        let what = format!("which agent is the task {:?} of?", task.id().as_str());
        let why = format!(
            "A task of {} is named {}:URL#ID, with the URL of its agent; an id alone is one of the agent of {variable}. Nothing was sent.",
            P::TITLE,
            P::NAME
        );
        return Err(CliError::new(Code::Usage, what).why(why));
    };
    Ok(task.of(P::ID, Some(agent)))
}

/// The first provider that can do something.
fn first_able(feature: Feature) -> ProviderName {
    feature.platforms().next().unwrap_or(ProviderName::DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_surface_is_consistent_and_no_option_takes_a_secret() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands().chain([&command]) {
            for arg in sub.get_arguments() {
                let name = arg.get_id().as_str();
                assert!(
                    !name.contains("key")
                        || ["key_file", "key_stdin", "idempotency_key"].contains(&name),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn an_example_stays_on_its_line() {
        let command = Cli::command();
        for sub in command.get_subcommands().chain([&command]) {
            let help = sub.get_after_help().map(ToString::to_string);
            for line in help.unwrap_or_default().lines() {
                // A wider line is broken where the terminal's width is not known.
                let wide = line.starts_with("  ") && line.chars().count() > 100;
                assert!(!wide, "{line}");
            }
        }
    }

    #[test]
    fn a_time_span_is_read_in_every_usual_form() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("1h 30m", 5400),
        ] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-1", "1x"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
