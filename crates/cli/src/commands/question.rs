//! The question that a task asks now, for whoever only looks.

use std::time::Duration;

use taskward::core::{Look, Reading};
use taskward::{Event, Journal as _, Policy, Question};

use super::look::Read;
use crate::args::Global;
use crate::memory::Memory;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::report::Reporter;
use crate::session::Session;
use crate::task_ref::TaskRef;

/// How long the events of a task may take to tell what it waits for.
const LOOKING: Duration = Duration::from_secs(15);

/// Reads what a task asks that is known to wait; `None` when no question is to be seen.
pub(super) async fn open<P: Platform>(
    session: &Session<P>,
    task: &TaskRef,
) -> Result<Option<Question>, Box<Problem>> {
    if !P::CAPABILITIES.events {
        let read = session.call(Read::<P>::new(task, Look::Questions)).await;
        return match read.map_err(|problem| problem.task(Some(task.clone())))? {
            Reading::Asking(questions) => Ok(questions.into_iter().next()),
            _ => Ok(None),
        };
    }
    // Only the machine knows what an event means beside the others.
    let run = session
        .client
        .attach(task.id().clone())
        .policy(Policy::default());
    let mut running = session
        .unless_interrupted(run.start())
        .await?
        .map_err(|error| session.problem(&error))?;
    let look = async {
        while let Some(event) = running.next().await? {
            match event {
                Event::Question(question) => return Ok(Some(question)),
                Event::Status(status) if !P::waits(&status) => break,
                _ => {}
            }
        }
        Ok(None)
    };
    let patience = session.clock.real(LOOKING);
    match session
        .unless_interrupted(tokio::time::timeout(patience, look))
        .await?
    {
        Ok(found) => found.map_err(|error| session.problem(&error)),
        Err(_) => Ok(None),
    }
}

/// Keeps that a question was shown just now; a task that nothing was known of is known from then on. Where that cannot be
/// written down it counts as not shown.
pub(super) async fn keep_shown<P: Platform>(
    session: &mut Session<P>,
    global: &Global,
    task: &TaskRef,
    question: &Question,
) -> Result<(), Box<Problem>> {
    let Some(memory) = Memory::for_showing(&session.out, global) else {
        return Ok(());
    };
    if session
        .origin()
        .is_some_and(|origin| !memory.knows(task, &origin))
    {
        // Nothing is sent by it.
        let run = session.client.attach(task.id().clone());
        let running = run.start().await.map_err(|error| session.problem(&error))?;
        // What cannot be kept was told.
        let _ = memory.record(&running.snapshot());
    }
    session.memory = Some(memory);
    let reporter = Reporter::new(session, Some(task.clone()), false).showing();
    reporter.shown(question);
    Ok(())
}

/// Tells how a question is answered.
pub(super) fn tell_answers<P: Platform>(session: &Session<P>, task: &TaskRef, question: &Question) {
    for (label, command, note) in P::answers(task, question) {
        let command = session.command(&command);
        let note = match note {
            "" => String::new(),
            note => format!("  ({note})"),
        };
        session.out.say(&format!("{label}: {command}{note}"));
    }
}
