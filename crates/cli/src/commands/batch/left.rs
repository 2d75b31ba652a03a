//! The jobs of a batch that have no result: those that wait, with the command that answers each, and those of which it is
//! not known whether they were started, with what may be their tasks.

use std::pin::pin;

use futures_util::stream::{self, StreamExt as _};

use super::outcomes::{JobEnd, Outcomes, State};
use crate::calls::Calls;
use crate::commands::recover::{self, Found};
use crate::connection::Connection;
use crate::error::CliResult;
use crate::out::Out;
use crate::report::asked_in_words;
use crate::store::TaskStore;

/// How many jobs that need nobody are told one by one.
const MOST_TOLD: usize = 20;

/// How many starts are searched for at once.
const SEARCHES: usize = 8;

/// Tells of each; `is_halted` where nobody waits for more requests.
pub(super) async fn tell<P: Calls>(
    connection: &Connection<P>,
    outcomes: &Outcomes,
    is_halted: bool,
) {
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
        let jobs = outcomes.open.iter().filter(|end| end.state == state);
        let jobs: Vec<&JobEnd> = jobs.collect();
        if jobs.is_empty() {
            continue;
        }
        out.tell(head);
        match state {
            State::Waiting => jobs.iter().for_each(|job| waiting(connection, job)),
            State::Unconfirmed => {
                let store = connection.store.as_ref().filter(|_| !is_halted);
                searched(connection, store, jobs).await;
            }
            _ => {
                jobs.iter().take(MOST_TOLD).for_each(|job| about(out, job));
                if jobs.len() > MOST_TOLD {
                    out.tell(&format!("  and {} more", jobs.len() - MOST_TOLD));
                }
            }
        }
    }
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

/// Searches for the task of each start, where the journal is given, and tells what was found.
async fn searched<P: Calls>(
    connection: &Connection<P>,
    store: Option<&TaskStore>,
    jobs: Vec<&JobEnd>,
) {
    // A search waits for a list that may lag: they wait together.
    let searches = jobs.into_iter().map(|job| async move {
        let found = match store {
            Some(store) => Some(recover::candidates(connection, store, &job.intent).await),
            None => None,
        };
        (job, found)
    });
    let mut searches = pin!(stream::iter(searches).buffered(SEARCHES));
    while let Some((job, found)) = searches.next().await {
        unconfirmed(connection, job, found);
    }
}

/// The tasks that may be the one of a job, and the command that takes one.
fn unconfirmed<P: Calls>(
    connection: &Connection<P>,
    job: &JobEnd,
    found: Option<CliResult<Found>>,
) {
    let out = &connection.out;
    let recover = connection.command(&format!("recover {}", job.intent));
    out.tell(&format!("  {}  intent {}", job.key, job.intent));
    let found = match found {
        None => return out.tell(&format!("    recover: {recover}")),
        Some(Err(error)) => {
            out.tell(&format!("    {} ({})", error.what(), error.reasons()));
            return out.tell(&format!("    recover: {recover}"));
        }
        Some(Ok(found)) => found,
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
}
