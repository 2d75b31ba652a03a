//! Starts a run, shows what the agent writes as it comes, and asks on the terminal before the agent goes on; without a
//! runtime.
//!
//! `cargo run --example approvals_blocking "Draft and send the weekly team update."`, with `AGENT_HARNESS_API_KEY` set;
//! `taskward sim` runs a server to try it on and prints what to set.

use std::io;

use taskward::agent_harness::{AgentHarness, Job, Piece};
use taskward::blocking::{BoxError, Client};
use taskward::{Answer, Event, Question};

fn main() -> Result<(), BoxError> {
    let goal = std::env::args().nth(1);
    let goal = goal.ok_or("usage: approvals_blocking GOAL")?;
    let client = Client::<AgentHarness>::from_env()?;
    run(&client, &goal, ask)
}

/// Sees a run through to its good end; `decide` is asked whenever it waits, and may take its time: the stream is read
/// by another thread, which waits as well once it is a little ahead.
pub(crate) fn run(
    client: &Client<AgentHarness>,
    goal: &str,
    decide: impl FnMut(Question) -> Result<Answer, BoxError> + Send + 'static,
) -> Result<(), BoxError> {
    let end = client
        .run(Job::goal(goal))
        .on_event(show)
        .on_question(decide)
        .wait()?;
    end.into_answer()?;
    Ok(())
}

fn show(event: &Event) {
    match event {
        Event::Provider(event) => match Piece::of(event) {
            Some(Piece::Said(text)) => eprint!("{text}"),
            Some(Piece::Void) => eprintln!(" [void: this step is made again]"),
            _ => {}
        },
        Event::Retrying { why, .. } => eprintln!("[{why}; the run goes on]"),
        _ => {}
    }
}

/// Asks on the terminal.
fn ask(_question: Question) -> Result<Answer, BoxError> {
    eprint!("\n\nMay it go on? [y/N] ");
    let line = io::stdin().lines().next().ok_or("nobody answers")??;
    Ok(match line.as_str() {
        "y" | "yes" => Answer::Approve,
        _ => Answer::Reject { reason: None },
    })
}
