//! The commands for the tasks and agents of a Nanonets workspace.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::label;

/// `ls`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward ls --status running,waiting_for_input
  taskward ls --agent invoice --since 2h
  taskward ls --title march --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
  taskward ls --limit 200 --json | jq -r .task
  taskward ls --agent https://agents.example/travel --status input-required
  taskward ls --local")]
pub(crate) struct Ls {
    /// Only what the journal of this machine has, of every provider; nothing is sent
    #[arg(long, conflicts_with_all = ["status", "agent", "since", "until", "title"])]
    pub(crate) local: bool,
    /// Only tasks in these states
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = PossibleValuesParser::new(TASK_STATUSES))]
    pub(crate) status: Vec<String>,
    /// Only this agent's, by id or exact name (Nanonets), or by its URL (A2A)
    #[arg(long, value_name = "ID, NAME or URL", value_parser = label)]
    pub(crate) agent: Option<String>,
    /// Only tasks made since: a time span as in 2h, or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    pub(crate) since: Option<String>,
    /// Only tasks made until then: a time span before now, or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    pub(crate) until: Option<String>,
    /// Only titles that contain this, whatever the case
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

const TASK_STATUSES: [&str; 14] = [
    "pending",
    "queued",
    "running",
    "waiting_for_input",
    "awaiting_review",
    "completed",
    "failed",
    "stopped",
    "submitted",
    "working",
    "input-required",
    "auth-required",
    "canceled",
    "rejected",
];

const AGENT_STATUSES: [&str; 3] = ["draft", "published", "archived"];

/// `agents`.
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List agents, newest first
    #[command(after_help = "Examples:
  taskward agents list
  taskward agents list --name invoice --json
  taskward agents list --status draft,archived --limit 50")]
    List {
        /// Only names that contain this, whatever the case
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Only agents in these states [default: all but archived]
        #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = PossibleValuesParser::new(AGENT_STATUSES))]
        status: Vec<String>,
        /// At most this many [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Show an agent with its configuration, or the card of an agent with a URL
    #[command(after_help = "Examples:
  taskward agents show invoices
  taskward agents show https://agents.example/travel
  taskward agents show invoices | jq .config")]
    Show {
        /// The agent, by id or exact name (Nanonets), or by its URL or that of its card (A2A)
        #[arg(value_name = "ID, NAME or URL", value_parser = label)]
        agent: String,
    },
    /// Create an agent: it can be run at once
    Create(CreateAgent),
    /// Change an agent in place: live from its next run
    Update(UpdateAgent),
    /// List the versions of an agent, most recent first
    #[command(after_help = "Examples:
  taskward agents versions invoices
  taskward agents versions invoices --json | jq -r .id")]
    Versions {
        /// The agent, by exact name, or by the id of any of its versions
        #[arg(value_name = "ID or NAME", value_parser = label)]
        agent: String,
        /// At most this many [default: all]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Publish the draft of an agent, made in the dashboard, as its new version
    #[command(after_help = "Examples:
  taskward agents publish invoices

Prints the id of the new version.")]
    Publish {
        /// The agent, by exact name, or by the id of any of its versions
        #[arg(value_name = "ID or NAME", value_parser = label)]
        agent: String,
    },
}

impl Agents {
    /// The agent that is named, where that may be a URL.
    pub(crate) fn named(&self) -> Option<&str> {
        match self {
            Self::Show { agent } => Some(agent),
            _ => None,
        }
    }
}

/// `agents create`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward agents create --name invoices --system-prompt @prompt.txt
  taskward agents show invoices | jq .config > config.json
  taskward agents create --name invoices-2 --config @config.json

Prints the id of the agent.")]
pub(crate) struct CreateAgent {
    /// Its name, of its own in the workspace [default: the platform makes one up]
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub(crate) name: Option<String>,
    /// Its system prompt; that of a --config comes first
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) system_prompt: Option<String>,
    /// Its whole configuration, a JSON object [default: the platform's]
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) config: Option<String>,
}

/// `agents update`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward agents update invoices --system-prompt @prompt.txt
  taskward agents update invoices --config @config.json --yes
  taskward agents update invoices --deactivate

What is not named stays as it is; no version is made. Prints the id of the agent.")]
pub(crate) struct UpdateAgent {
    /// The agent, by id or exact name
    #[arg(value_name = "ID or NAME", value_parser = label)]
    pub(crate) agent: String,
    /// Its new name
    #[arg(long, value_name = "NAME", value_parser = label)]
    pub(crate) name: Option<String>,
    /// Its new system prompt; the rest of its configuration stays
    #[arg(long, value_name = "TEXT|@FILE")]
    pub(crate) system_prompt: Option<String>,
    /// Its new configuration, a JSON object: it takes the place of the whole one
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) config: Option<String>,
    /// Let it be run
    #[arg(long, conflicts_with = "deactivate")]
    pub(crate) activate: bool,
    /// Refuse its tasks
    #[arg(long)]
    pub(crate) deactivate: bool,
    /// Do not ask before the whole configuration is replaced
    #[arg(short, long)]
    pub(crate) yes: bool,
}
