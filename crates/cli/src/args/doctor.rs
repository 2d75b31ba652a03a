//! `doctor`.

use std::path::PathBuf;

use clap::Args;

use super::label;
use crate::task_ref::TaskArg;

/// `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward doctor
  taskward doctor --live
  taskward doctor --live --provider agent-harness --task $run --record found.jsonl
  taskward doctor --live --start echo
  taskward doctor --agent https://agents.example/travel
  taskward doctor --replay found.jsonl

Without --live nothing is sent with your key: one request with a key that is none shows name resolution, proxy, TLS and
the server's clock. With --live the platform is read with your key; nothing is changed. --start starts one task, which may
be paid for, after a question.

A recording holds the replies with stand-ins for texts, ids, names and times. Look it through and attach it to an issue.
Exits with 0 when all is well, and with 6 when something is wrong or different.")]
pub(crate) struct Doctor {
    /// Read the platform with your key, and compare it with what is assumed of it
    #[arg(long)]
    pub(crate) live: bool,
    /// The agent to check, by its URL or that of its card (A2A) [default: A2A_BASE_URL]
    #[arg(long, value_name = "URL", conflicts_with = "replay", value_parser = label)]
    pub(crate) agent: Option<String>,
    /// Read this task, too
    #[arg(long, value_name = "TASK", requires = "live")]
    pub(crate) task: Option<TaskArg>,
    /// Start one cheap task: of this agent (Nanonets), or with this goal (Agent Harness)
    #[arg(long, value_name = "AGENT", requires = "live", value_parser = label)]
    pub(crate) start: Option<String>,
    /// Do not ask before the task is started
    #[arg(short, long, requires = "start")]
    pub(crate) yes: bool,
    /// Write the recording of --live to this file [default: a new file beside the journal]
    #[arg(long, value_name = "FILE", requires = "live")]
    pub(crate) record: Option<PathBuf>,
    /// Judge a recording; nothing is sent
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    pub(crate) replay: Option<PathBuf>,
}
