//! Starts a run, shows what the agent writes as it comes, and asks on the terminal before the agent goes on.
//!
//! `cargo run --example approvals "Draft and send the weekly team update."`, with `AGENT_HARNESS_API_KEY` set;
//! `taskward sim` runs a server to try it on and prints what to set.

use std::io;

use taskward::agent_harness::{AgentHarness, Job, Piece};
use taskward::{Answer, BoxError, Client, Event, Question};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let goal = std::env::args().nth(1).ok_or("usage: approvals GOAL")?;
    let client = Client::<AgentHarness>::from_env()?;
    run(&client, &goal, ask).await
}

/// Sees a run through to its good end; `decide` is asked whenever it waits, while its stream goes on.
pub(crate) async fn run<D, F>(
    client: &Client<AgentHarness>,
    goal: &str,
    decide: D,
) -> Result<(), BoxError>
where
    D: FnMut(Question) -> F + Send + 'static,
    F: Future<Output = Result<Answer, BoxError>> + Send + 'static,
{
    let end = client
        .run(Job::goal(goal))
        .on_event(show)
        .on_question(decide)
        .await?;
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

/// Asks on the terminal, beside the watch.
async fn ask(_question: Question) -> Result<Answer, BoxError> {
    eprint!("\n\nMay it go on? [y/N] ");
    let line = tokio::task::spawn_blocking(|| io::stdin().lines().next()).await?;
    Ok(match line.ok_or("nobody answers")??.as_str() {
        "y" | "yes" => Answer::Approve,
        _ => Answer::Reject { reason: None },
    })
}
