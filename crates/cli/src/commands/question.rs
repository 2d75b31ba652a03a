//! The question that a task asks now, for commands that only read.

use std::time::Duration;

use taskward::core::Journal as _;
use taskward::core::{EventKind, PollResult, ReadKind};
use taskward::question::QuestionId;
use taskward::{Event, Policy, Question};

use super::read::{Read, each_event};
use crate::calls::{Calls, TaskFilter};
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::report::Reporter;
use crate::store::TaskStore;
use crate::task_ref::TaskRef;

/// How long the events of a task may take to tell what it waits for.
const READ_WITHIN: Duration = Duration::from_secs(15);

/// Reads what a task asks that is known to wait; `None` when no question is to be seen.
pub(super) async fn open<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
) -> CliResult<Option<Question>> {
    if !P::CAPABILITIES.events {
        let read = connection
            .call(Read::new(
                connection.client.provider(),
                task,
                ReadKind::Questions,
            ))
            .await;
        return match read.map_err(|cli_error| cli_error.task(task))? {
            PollResult::Asking(questions) => Ok(questions.into_iter().next()),
            PollResult::Unclear => {
                let what = "what was said last cannot be read: it cannot be told what is asked";
                Err(CliError::new(Code::Decode, what).task(task))
            }
            _ => Ok(None),
        };
    }
    // Only the machine knows what an event means beside the others.
    let run = connection
        .client
        .attach(task.id().clone())
        .policy(Policy::default());
    let mut running = connection
        .unless_interrupted(run.start())
        .await?
        .map_err(|error| connection.cli_error(&error))?;
    let read = async {
        while let Some(event) = running.next().await? {
            match event.event {
                Event::Question(question) => return Ok(Some(question)),
                Event::Status(status) if !P::waits(&status) => break,
                _ => {}
            }
        }
        Ok(None)
    };
    let patience = connection.clock.real(READ_WITHIN);
    match connection
        .unless_interrupted(tokio::time::timeout(patience, read))
        .await?
    {
        Ok(found) => found.map_err(|error| connection.cli_error(&error)),
        Err(_) => Ok(None),
    }
}

/// Reads whether a task has ever asked the question of this id; `None` where that cannot be told: a message may have been
/// edited since, and only an event is for good.
pub(super) async fn has_asked<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    question: &QuestionId,
) -> Option<bool> {
    if question.is_stand_in() {
        return None;
    }
    if !is_id(question) {
        return Some(false);
    }
    if !P::CAPABILITIES.events {
        return None;
    }
    let mut found = false;
    let read = each_event(connection, task, None, |item| {
        found |= matches!(&item.kind, EventKind::Asking(asked) if asked.id == *question);
        Ok(())
    });
    read.await.ok()?;
    Some(found)
}

/// Whether any question may have this id.
fn is_id(question: &QuestionId) -> bool {
    let digest = question.as_str().strip_prefix("q_");
    digest.is_some_and(|digest| {
        digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Reads which other task asks this question now, as far as the server lists the tasks that wait.
pub(super) async fn asked_by_another<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    question: &QuestionId,
) -> Option<TaskRef> {
    if !P::CAPABILITIES.list {
        return None;
    }
    let search = async {
        let mut waiting = Vec::new();
        let wanted = TaskFilter {
            limit: MOST_OTHERS,
            waiting: true,
            ..TaskFilter::default()
        };
        let read = P::tasks(connection, wanted, |found| {
            waiting.extend(found.task);
            Ok(())
        });
        read.await.ok()?;
        for other in waiting.into_iter().filter(|other| other != task) {
            // Whatever one of them is, another may be the one.
            let asked = open(connection, &other).await.ok().flatten();
            if asked.is_some_and(|asked| asked.id == *question) {
                return Some(other);
            }
        }
        None
    };
    let patience = connection.clock.real(READ_WITHIN);
    tokio::time::timeout(patience, search).await.ok().flatten()
}

/// The most other tasks that are read to find a question.
const MOST_OTHERS: u32 = 20;

/// Keeps that a question was shown just now, where whoever was to read it did; a task that nothing was known of is known
/// from then on. Where that cannot be written down it counts as not shown.
pub(super) async fn keep_shown<P: Calls>(
    connection: &mut Connection<P>,
    task: &TaskRef,
    question: &Question,
    was_read: bool,
) -> CliResult<()> {
    if !was_read {
        return Ok(());
    }
    let Some(store) = TaskStore::for_showing(&connection.cx) else {
        return Ok(());
    };
    if connection
        .origin()
        .is_some_and(|origin| !store.knows(task, &origin))
    {
        // Nothing is sent by it.
        let run = connection.client.attach(task.id().clone());
        let running = run
            .start()
            .await
            .map_err(|error| connection.cli_error(&error))?;
        // What cannot be kept was told.
        let _ = store.record(&running.snapshot());
    }
    connection.store = Some(store);
    let reporter = Reporter::new(connection, Some(task.clone()), false).showing();
    reporter.keep_shown(question);
    Ok(())
}

/// Tells how a question is answered.
pub(super) fn tell_answers<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    question: &Question,
) {
    for (label, command, note) in P::answers(task, question) {
        let command = connection.command(&command);
        let note = match note {
            "" => String::new(),
            note => format!("  ({note})"),
        };
        connection.out.say(&format!("{label}: {command}{note}"));
    }
}
