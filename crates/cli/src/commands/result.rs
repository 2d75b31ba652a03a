//! `taskward result`: the answer of a task that is over, or its whole feed.

use serde_json::{Value, json};
use taskward::core::sanitise::one_line;
use taskward::core::{EventKind, PollResult, ReadKind, UnconfirmedEnd};
use taskward::event::Status;
use taskward::outcome::{StoppedBy, TaskFailure};
use taskward::{Outcome, Output as _};

use super::read::{Read, each_event};
use super::status::exit_of;
use crate::args::ResultOf;
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report::End;
use crate::lines::{LineType, line};
use crate::platform::Transcript;
use crate::print::Destination;
use crate::report::Reporter;
use crate::sent::StartKind;
use crate::server::At;
use crate::task_ref::TaskRef;

pub(super) async fn result<P: Calls>(cx: &Cx, task: &TaskRef, args: ResultOf) -> CliResult<Exit> {
    let to = Destination::new(args.output, args.print)?;
    let connection: Connection<P> = Connection::open(cx, None, At::Task(task)).await?;
    let done = match args.full {
        true => feed(&connection, task).await,
        false => answer(&connection, task, &to).await,
    };
    done.map_err(|error| error.task(task))
}

/// Prints all that is told of the steps of a task, whatever its state.
async fn feed<P: Calls>(connection: &Connection<P>, task: &TaskRef) -> CliResult<Exit> {
    let (status, steps) = match P::CAPABILITIES.events {
        false => P::steps(connection, task).await?,
        true => {
            let status = P::summary(connection, task).await?.status;
            let mut events = Vec::new();
            let unreadable = each_event(connection, task, None, |item| {
                events.push(item.event.data.clone());
                Ok(())
            });
            connection.out.passed_over(unreadable.await?);
            (status, events)
        }
    };
    let (exit, feed) = (exit_of::<P>(&status), Value::Array(steps));
    if connection.out.is_json() {
        let status = status.as_str();
        let fields = json!({ "exit": exit.code(), "status": status, "platform_data": feed });
        connection
            .out
            .line(line(LineType::Feed, Some(task), fields));
    } else {
        connection.out.print_json(&feed)?;
    }
    Ok(exit)
}

/// Prints the answer of a task that is over, or tells why there is none.
async fn answer<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    to: &Destination,
) -> CliResult<Exit> {
    let read = |read| Read::new(connection.client.provider(), task, read);
    let mut found = connection.read(task, read(ReadKind::Result)).await?;
    if matches!(&found, PollResult::Pending(status) if P::is_over(status)) {
        // It has no answer; why stands in its steps, or at least how it ended in its status.
        found = match connection.call(read(ReadKind::Steps)).await {
            Ok(steps) => steps,
            Err(_) => connection.read(task, read(ReadKind::Status)).await?,
        };
    }
    let id = task.id().clone();
    let outcome = match found {
        PollResult::Ready(answer) | PollResult::Succeeded(_, answer) => {
            let said = said(connection, task, to, &answer).await?;
            return to.deliver(connection, Some(task), &answer, said.text());
        }
        PollResult::Failed(read) => {
            let failure = explained(connection, task, read).await;
            Outcome::Failed { id, failure }
        }
        PollResult::Stopped(read) => {
            let failure = explained(connection, task, read).await;
            let by = match failure.unanswered {
                true => StoppedBy::Unanswered,
                false => StoppedBy::Other,
            };
            Outcome::Stopped { id, by, failure }
        }
        PollResult::Pending(status) | PollResult::Waiting(status) | PollResult::Unknown(status) => {
            return Err(pending(connection, task, &status));
        }
        // It waits, and its own status says so in its word.
        PollResult::Asking(_)
        | PollResult::NotAsking
        | PollResult::Unclear
        | PollResult::Paused(_) => {
            let status = P::summary(connection, task).await?.status;
            return Err(pending(connection, task, &status));
        }
        _ => {
            return Err(CliError::new(Code::Decode, "the reply reads like no task"));
        }
    };
    let reporter = Reporter::new(connection, Some(task.clone()), false);
    let end = End::new(connection, &StartKind::Watch, &reporter);
    end.outcome(outcome).map(|_| Exit::Ok)
}

/// What the agent said, by its events, where the answer itself does not tell that.
async fn said<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    to: &Destination,
    answer: &P::Output,
) -> CliResult<Transcript> {
    let mut said = Transcript::default();
    if !P::CAPABILITIES.events || answer.text().is_some() {
        return Ok(said);
    }
    let read = each_event(connection, task, None, |item| {
        P::piece(&item.event)
            .iter()
            .for_each(|piece| said.push(piece));
        Ok(())
    });
    match read.await {
        Ok(unreadable) => connection.out.passed_over(unreadable),
        Err(error) => {
            let signal = matches!(error.exit(), Exit::Interrupted | Exit::Terminated);
            // Words that were asked for stand in the events alone; else the task's own read is the result.
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
    Ok(said)
}

/// The failure as the task's last event tells it, where there are events: the task's own read may know its status alone.
async fn explained<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    read: TaskFailure,
) -> TaskFailure {
    let mut failure = read;
    if P::CAPABILITIES.events {
        // A list that cannot be read leaves what is known.
        let _ = each_event(connection, task, None, |item| {
            if let EventKind::Ended(UnconfirmedEnd::Failed(told) | UnconfirmedEnd::Stopped(told)) =
                &item.kind
            {
                failure = told.clone();
            }
            Ok(())
        })
        .await;
    }
    failure
}

/// The error of a task that is not over.
fn pending<P: Calls>(connection: &Connection<P>, task: &TaskRef, status: &Status) -> CliError {
    let status = one_line(status.as_str());
    let what = format!("the task is not over: it is {status}");
    CliError::new(Code::Pending, what).headed("pending").next(
        "follow",
        connection.about("watch", task),
        "",
    )
}
