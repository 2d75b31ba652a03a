//! Starts a run, shows what the agent writes as it comes, and what it waits for, and asks on the terminal before it goes on;
//! without a runtime.
//!
//! `cargo run --example approvals_blocking "Draft and send the weekly team update."`, with `AGENT_HARNESS_API_KEY` set;
//! `taskward sim` runs a server to try it on and prints what to set.

use std::io;

use taskward::agent_harness::{AgentHarness, Job, Piece};
use taskward::blocking::{BoxError, Client};
use taskward::question::QuestionKind;
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
        .on_event(|event| show(event))
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
        Event::Retrying { failed, .. } => eprintln!("[{failed}; the run goes on]"),
        _ => {}
    }
}

/// Shows what is asked, and asks a person on the terminal.
fn ask(question: Question) -> Result<Answer, BoxError> {
    if question.kind != QuestionKind::Approval {
        return Err("this example answers approvals only".into());
    }
    eprintln!("\n\n{}", describe(&question));
    loop {
        eprint!("approve, or reject (the run fails)? ");
        let line = io::stdin().lines().next();
        if let Some(answer) = decision(&line.ok_or("nobody answers")??) {
            return Ok(answer);
        }
    }
}

/// Describes what a person has to see before they decide: the steps that led to the question, and the agent's messages.
/// The platform sends no other description. Nothing of it may steer the terminal.
pub(crate) fn describe(question: &Question) -> String {
    let mut text = format!(
        "The run waits for your approval (question {}).\n",
        question.id
    );
    for step in &question.messages {
        text += &format!("  {} {}\n", step["type"], step["payload"]["value"]);
    }
    if !question.text().is_empty() {
        text += &format!("It said:\n{}\n", question.text());
    }
    text.retain(|c| c == '\n' || !c.is_control());
    text
}

/// Reads a decision; anything but a clear word is none.
pub(crate) fn decision(line: &str) -> Option<Answer> {
    match line.trim() {
        "approve" => Some(Answer::Approve),
        "reject" => Some(Answer::Reject { reason: None }),
        _ => None,
    }
}
