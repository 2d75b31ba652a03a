//! What `result` reads: what came of a run, or all of its events.

use taskward::agent_harness::operations::GetRun;
use taskward::agent_harness::{AgentHarness, Answer, Transcript};
use taskward::core::{EventKind, PollResult, ReadKind, UnconfirmedEnd};
use taskward::event::Status;
use taskward::outcome::{StoppedBy, TaskFailure};
use taskward::{Outcome, Output as _};

use super::status::exit_of;
use crate::codes::Code;
use crate::commands::read::{Read, each_event};
use crate::commands::result::{Feed, ReadsResult, pending};
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report;
use crate::print::Destination;
use crate::report::Reporter;
use crate::sanitise::one_line;
use crate::sent::StartKind;
use crate::task_ref::TaskRef;

impl ReadsResult for AgentHarness {
    /// What came of a run; what it said and why it failed stands in its events.
    async fn answer(
        connection: &Connection<Self>,
        task: &TaskRef,
        to: &Destination,
    ) -> CliResult<Exit> {
        let read = Read::<Self>::new(task, ReadKind::Result);
        let id = task.id().clone();
        let ended = |outcome| {
            let reporter = Reporter::new(connection, Some(task.clone()), false);
            exit_report::outcome(connection, &StartKind::Watch, &reporter, outcome)
                .map(|_| Exit::Ok)
        };
        match connection.read(task, read).await? {
            PollResult::Ready(answer) | PollResult::Succeeded(_, answer) => {
                deliver(connection, task, to, &answer).await
            }
            PollResult::Failed(failure) => {
                let failure = told(connection, task, failure).await;
                ended(Outcome::Failed { id, failure })
            }
            PollResult::Stopped(failure) => {
                let failure = told(connection, task, failure).await;
                let by = match failure.unanswered {
                    true => StoppedBy::Unanswered,
                    false => StoppedBy::Other,
                };
                ended(Outcome::Stopped { id, by, failure })
            }
            PollResult::Pending(status)
            | PollResult::Waiting(status)
            | PollResult::Unknown(status) => Err(pending(connection, task, &status)),
            _ => {
                let what = "the reply reads like no task";
                Err(CliError::new(Code::Decode, what))
            }
        }
    }

    /// All events of a run.
    async fn feed(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Feed> {
        let run = connection
            .read(task, GetRun::new(task.id().as_str()))
            .await?;
        let mut events = Vec::new();
        let unreadable = each_event(connection, task, None, |item| {
            events.push(item.event.data.clone());
            Ok(())
        })
        .await?;
        connection.out.passed_over(unreadable);
        Ok(Feed {
            status: Status::unknown(run.status.as_str()),
            exit: exit_of(&run.status),
            events,
        })
    }
}

/// Prints the answer, with what the run said where its own read does not tell that.
async fn deliver(
    connection: &Connection<AgentHarness>,
    task: &TaskRef,
    to: &Destination,
    answer: &Answer,
) -> CliResult<Exit> {
    let mut said = Transcript::default();
    if answer.text().is_none() {
        let read = each_event(connection, task, None, |item| {
            said.push(&item.event);
            Ok(())
        });
        match read.await {
            Ok(unreadable) => connection.out.passed_over(unreadable),
            Err(error) => {
                let signal = matches!(error.exit(), Exit::Interrupted | Exit::Terminated);
                // Words that were asked for stand in the events alone; else the run's own read is the result.
                if signal || to.wants_words() {
                    return Err(error);
                }
                said = Transcript::default();
                connection.out.say(&format!(
                    "the events could not be read, and so the text: {}",
                    one_line(error.what())
                ));
            }
        }
    }
    let said = Some(said.text()).filter(|said| !said.trim().is_empty());
    to.deliver(connection, task, answer, said)
}

/// The fault as the run's last event tells it; the run's own read knows its status alone.
async fn told(
    connection: &Connection<AgentHarness>,
    task: &TaskRef,
    read: TaskFailure,
) -> TaskFailure {
    let mut fault = read;
    // A list that cannot be read leaves what is known.
    let _ = each_event(connection, task, None, |item| {
        if let EventKind::Ended(UnconfirmedEnd::Failed(told) | UnconfirmedEnd::Stopped(told)) =
            &item.kind
        {
            fault = told.clone();
        }
        Ok(())
    })
    .await;
    fault
}
