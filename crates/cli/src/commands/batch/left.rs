//! The jobs of a batch that have no result: those that wait, with the command that answers each, and those of which it is
//! not known whether they were started, with what may be their tasks.

use super::outcomes::{JobEnd, Outcomes, State};
use crate::calls::Calls;
use crate::commands::recover;
use crate::connection::Connection;
use crate::error::CliResult;
use crate::out::Out;
use crate::report::asked_in_words;

/// How many jobs that need nobody are told one by one.
const MOST_TOLD: usize = 20;

/// Tells of each; `is_halted` where nobody waits for more requests.
pub(super) async fn tell<P: Calls>(
    connection: &Connection<P>,
    outcomes: &Outcomes,
    is_halted: bool,
) -> CliResult<()> {
    let out = &connection.out;
    for (state, head) in [
        (State::Waiting, "waiting for an answer:"),
        (State::Running, "still running:"),
        (State::NotStarted, "not started:"),
        (State::Unconfirmed, "unconfirmed, and not sent again:"),
    ] {
        // What goes on by itself needs no list.
        if is_halted && state == State::Running {
            continue;
        }
        let mut jobs = outcomes
            .open
            .iter()
            .filter(|end| end.state == state)
            .peekable();
        if jobs.peek().is_some() {
            out.tell(head);
        }
        let mut more = 0;
        for (at, job) in jobs.enumerate() {
            match state {
                State::Waiting => waiting(connection, job),
                State::Unconfirmed => unconfirmed(connection, job, is_halted).await?,
                _ if at < MOST_TOLD => about(out, job),
                _ => more += 1,
            }
        }
        if more > 0 {
            out.tell(&format!("  and {more} more"));
        }
    }
    Ok(())
}

/// The job, its task, and why it has no result.
fn about(out: &Out, job: &JobEnd) {
    let task = job.task.as_ref().map(|task| format!("  {task}"));
    let task = task.unwrap_or_default();
    let why = job.error.as_ref().map(|error| {
        let reasons = error.reasons();
        match reasons.is_empty() {
            true => error.what().to_owned(),
            false => format!("{} ({reasons})", error.what()),
        }
    });
    let why = why.unwrap_or_default();
    out.tell(&format!("  {}{task}  {why}", job.key));
}

/// The question of a job, and the commands that answer it.
fn waiting<P: Calls>(connection: &Connection<P>, job: &JobEnd) {
    let out = &connection.out;
    let (Some(task), Some(question)) = (&job.task, &job.question) else {
        return about(out, job);
    };
    out.tell(&format!("  {}  {task}", job.key));
    for words in asked_in_words(question) {
        out.tell(&format!("    {words}"));
    }
    for (label, command, _) in P::answers(task, question) {
        out.tell(&format!("    {label}: {}", connection.command(&command)));
    }
    let showing = job.error.as_ref().and_then(|error| error.shown().cloned());
    if let Some(showing) = showing.filter(|_| out.is_heard()) {
        // One that cannot be kept is answered with --question, as the command above has it.
        let _ = showing.keep();
    }
}

/// The tasks that may be the one of a job, and the command that takes one.
async fn unconfirmed<P: Calls>(
    connection: &Connection<P>,
    job: &JobEnd,
    is_halted: bool,
) -> CliResult<()> {
    let out = &connection.out;
    let recover = connection.command(&format!("recover {}", job.intent));
    out.tell(&format!("  {}  intent {}", job.key, job.intent));
    let Some(store) = connection.store.as_ref().filter(|_| !is_halted) else {
        out.tell(&format!("    recover: {recover}"));
        return Ok(());
    };
    let found = match recover::candidates(connection, store, &job.intent).await {
        Ok(found) => found,
        Err(error) => {
            out.tell(&format!("    {} ({})", error.what(), error.reasons()));
            out.tell(&format!("    recover: {recover}"));
            return Ok(());
        }
    };
    for (candidate, words) in &found.candidates {
        if out.is_json() {
            let mut fields = candidate.clone();
            fields["key"] = job.key.as_str().into();
            fields["intent_id"] = job.intent.as_str().into();
            out.line(fields);
        }
        out.tell(&format!("    may be {words}"));
    }
    out.tell(&match (found.only, found.candidates.len()) {
        (true, _) => format!("    adopt: {recover} --adopt"),
        (false, 0) => format!("    no task of it was found; recover: {recover}"),
        (false, _) => format!("    recover: {recover}  (shows how each was compared)"),
    });
    Ok(())
}
