//! The commands for runs of Agent Harness.

use std::time::Duration;

use clap::Args;

use super::{Afterwards, QuestionOfTask, label, time};
use crate::task_ref::TaskArg;

/// `approve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward approve $run --question $q
  taskward approve $run --question $q --watch

Exits with 0 when the approval was taken, or had been, and with --watch as watch does. Without --question it approves
only the first question of the run that is answered from here, and only once run, watch or status has shown it; any other
is shown and not approved (exit 8). taskward help questions says more.")]
pub(crate) struct Approve {
    #[command(flatten)]
    pub(crate) to: QuestionOfTask,
    #[command(flatten)]
    pub(crate) after: Afterwards,
}

/// `reject`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward reject $run --question $q --reason 'Wrong recipients.'

The run fails: this is not \"go on without it\". Exits with 0 when the rejection was taken, or had been. Without
--question only the first question of the run that is answered from here is rejected, once it was shown, and a terminal
asks first.")]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) to: QuestionOfTask,
    /// Why, for the record
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) reason: Option<String>,
    /// Do not ask first; with --question nobody is asked
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) after: Afterwards,
}

/// `input`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward input $run --question $q recipient=team@example.com copies:=2 --watch
  taskward input $run --question $q '{\"recipient\": \"team@example.com\"}'
  taskward input $run --question $q @data.json
  jq .data reply.json | taskward input $run --question $q -

KEY=VALUE gives text, KEY:=JSON anything else. Without any, a terminal asks for them. Without --question only the first
question of the run that is answered from here is, once it was shown.")]
pub(crate) struct Input {
    #[command(flatten)]
    pub(crate) to: QuestionOfTask,
    /// The data: fields, or one JSON object, in place, from a file or from stdin
    #[arg(value_name = "KEY=VALUE or JSON|@FILE|-")]
    pub(crate) data: Vec<String>,
    #[command(flatten)]
    pub(crate) after: Afterwards,
}

/// `events`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward events $run
  taskward events $run --after 21 --follow
  taskward events $run --json | jq .event.type

Prints number, time, type and content, with tabs between them.")]
pub(crate) struct Events {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
    /// Only events after this one
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<u64>,
    /// Go on to the task's end, as events come; nothing is answered
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How long the agent may work, with --follow; 0 means no limit [default: TASKWARD_TIMEOUT, or 10m]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "follow")]
    pub(crate) timeout: Option<Duration>,
    /// How many times as fast as the world clocks run: for simulators on this machine
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) speed: Option<u32>,
}

/// `resume-run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward resume-run $run
  taskward resume-run $run --watch")]
pub(crate) struct ResumeRun {
    /// The task, as PROVIDER:ID or ID
    #[arg(value_name = "TASK")]
    pub(crate) task: TaskArg,
    #[command(flatten)]
    pub(crate) after: Afterwards,
}

/// `usage`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward usage
  taskward usage --workspace marketing --start 7d --granularity hour
  taskward usage --start 2026-03-01T00:00:00+01:00 --json | jq .usage")]
pub(crate) struct Usage {
    /// Only of this workspace
    #[arg(long, value_name = "ID", value_parser = label)]
    pub(crate) workspace: Option<String>,
    /// Only of this person or system
    #[arg(long, value_name = "ID", value_parser = label)]
    pub(crate) subject: Option<String>,
    /// Only of this kind: run.created, task.completed, tool.invoked, tokens.consumed, ...
    #[arg(long, value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// From then on: a time span as in 2h, or an RFC 3339 time with its offset [default: this month, UTC]
    #[arg(long, value_name = "WHEN")]
    pub(crate) start: Option<String>,
    /// Up to then [default: now]
    #[arg(long, value_name = "WHEN")]
    pub(crate) end: Option<String>,
    /// The size of the buckets: hour, day or month [default: day]
    #[arg(long, value_name = "SIZE", value_parser = ["hour", "day", "month"], hide_possible_values = true)]
    pub(crate) granularity: Option<String>,
}
