//! What can be said on the command line of `batch`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Follow, OnApproval, label, time};

/// `batch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taskward batch jobs.jsonl -o results.jsonl
  taskward batch jobs.jsonl --agent invoice --limit 64 -o results.jsonl --timeout 2h
  taskward batch jobs.jsonl --json | jq 'select(.exit == 3) | .key'

A job is a line: {\"key\": \"order-17\", \"text\": \"Convert 5.\", \"files\": [\"a.pdf\"]}. The key
is its name, and a job is started once under it: run again, a batch goes on, and starts only what
was never started. Other fields, as the options of run: agent, output_schema, instructions
(Nanonets), data (A2A), input, workspace, subject (Agent Harness), metadata (Agent Harness, A2A).

Nobody is asked on the terminal: a task that asks is left waiting, and listed at the end with the
command that answers it.")]
pub(crate) struct Batch {
    /// The jobs: a file of JSON lines, each with its key
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The agent of the jobs that name none, by id or exact name (Nanonets), or by its URL (A2A)
    #[arg(long, value_name = "ID, NAME or URL", value_parser = label)]
    pub(crate) agent: Option<String>,
    /// How many jobs are under way at once
    #[arg(long, value_name = "N", default_value = "16", value_parser = at_once)]
    pub(crate) limit: NonZeroUsize,
    /// Append a line to this file for each job that ends; a job that has one there is done. Without it the lines go to stdout
    #[arg(short, long, value_name = "RESULTS")]
    pub(crate) output: Option<PathBuf>,
    /// How long the agent may work on each, as in 90s, 10m or 2h; 0 means no limit [default: TASKWARD_TIMEOUT, or 10m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
    /// Answer the first question of each job with this, the next with the next; Agent Harness takes JSON objects
    #[arg(long = "answer", value_name = "TEXT|@FILE")]
    answers: Vec<String>,
    /// Answer questions with what this command prints; it gets the question as JSON on stdin
    #[arg(long, value_name = "CMD")]
    on_question: Option<String>,
    /// What to do when a task waits for an approval; reject makes it fail (Agent Harness) [default: leave it waiting]
    #[arg(long, value_name = "approve|reject", value_parser = decision, hide_possible_values = true)]
    on_approval: Option<OnApproval>,
    /// How many times as fast as the world clocks run: for simulators on this machine
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) speed: Option<u32>,
}

impl Batch {
    /// How each task is followed.
    pub(crate) fn follow(&self) -> Follow {
        Follow {
            timeout: self.timeout,
            answer_timeout: Duration::ZERO,
            answers: self.answers.clone(),
            on_question: self.on_question.clone(),
            on_approval: self.on_approval,
            no_wait_review: false,
            cancel_on_interrupt: false,
            cancel_on_timeout: false,
            output: None,
            print: None,
            speed: self.speed,
        }
    }
}

fn at_once(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "it is a number of jobs, 1 or more".to_owned())
}

fn decision(text: &str) -> Result<OnApproval, String> {
    match text {
        "approve" => Ok(OnApproval::Approve),
        "reject" => Ok(OnApproval::Reject),
        _ => Err("it is approve or reject: a batch asks nobody".to_owned()),
    }
}
