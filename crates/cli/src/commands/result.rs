//! `taskward result`: the answer of a task that is over, or its whole feed.

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::agent_harness::operations::GetRun;
use taskward::agent_harness::{AgentHarness, Transcript};
use taskward::core::{EventKind, PollResult, ReadKind, UnconfirmedEnd};
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::GetTaskResult;
use taskward::{Outcome, Output as _, Status, StoppedBy, TaskFailure};

use super::read::{Read, each_event};
use super::status::{exit_of, exit_of_run};
use crate::args::{Global, ProviderName, ResultOf};
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::CliError;
use crate::exit::Exit;
use crate::exit_report::{self, StartKind};
use crate::lines::{LineType, line};
use crate::out::Out;
use crate::platform::Platform;
use crate::print::Destination;
use crate::report::Reporter;
use crate::sanitise::one_line;
use crate::task_ref::TaskRef;

pub(super) async fn result(
    out: Arc<Out>,
    global: &Global,
    args: ResultOf,
) -> Result<Exit, Box<CliError>> {
    let to = Destination::new(args.output, args.print)?;
    let (provider, task) = global.task(&args.task)?;
    let done = match provider {
        ProviderName::Nanonets => {
            let session: Connection<Nanonets> = Connection::open(out, global, None)?;
            if args.full {
                full(&session, &task).await
            } else {
                answer(&session, &task, &to).await
            }
        }
        ProviderName::AgentHarness => {
            let session: Connection<AgentHarness> = Connection::open(out, global, None)?;
            if args.full {
                log(&session, &task).await
            } else {
                run(&session, &task, &to).await
            }
        }
    };
    done.map_err(|problem| problem.task(Some(task)))
}

async fn answer(
    session: &Connection<Nanonets>,
    task: &TaskRef,
    to: &Destination,
) -> Result<Exit, Box<CliError>> {
    let read = |read| Read::<Nanonets>::new(task, read);
    let status = match session.read(task, read(ReadKind::Result)).await? {
        PollResult::Ready(answer) => return to.deliver(session, task, &answer, None),
        PollResult::Pending(status) => status,
        _ => {
            return Err(CliError::new(
                Exit::Other,
                Code::Decode,
                "the summary reads like no summary",
            ));
        }
    };
    let trail = session.command(&format!("result {} --full", task.quoted()));
    let bad = |what: &str, code| {
        CliError::new(Exit::TaskBad, code, what).next("see", trail.clone(), "every step")
    };
    match status.as_str() {
        "failed" => {
            let problem = bad("the task failed", Code::TaskFailed);
            return Err(match session.call(read(ReadKind::Steps)).await {
                Ok(PollResult::Failed(TaskFailure {
                    message: Some(message),
                    ..
                })) => problem.why(message),
                _ => problem,
            });
        }
        // What was said last is not why it was stopped.
        "stopped" => return Err(bad("the task was stopped", Code::TaskStopped)),
        _ => {}
    }
    Err(pending(session, task, &status))
}

fn pending<P: Platform>(session: &Connection<P>, task: &TaskRef, status: &Status) -> Box<CliError> {
    CliError::new(
        Exit::Pending,
        Code::Pending,
        format!("the task is not over: it is {}", one_line(status.as_str())),
    )
    .headed("pending")
    .next(
        "follow",
        session.command(&format!("watch {}", task.quoted())),
        "",
    )
}

/// What came of a run; what it said and why it failed stands in its events.
async fn run(
    session: &Connection<AgentHarness>,
    task: &TaskRef,
    to: &Destination,
) -> Result<Exit, Box<CliError>> {
    let read = Read::<AgentHarness>::new(task, ReadKind::Result);
    let reading = session.read(task, read).await?;
    let ended = |outcome| {
        let reporter = Reporter::new(session, Some(task.clone()), false);
        exit_report::outcome(session, &StartKind::Watch, &reporter, outcome).map(|_| Exit::Ok)
    };
    match reading {
        PollResult::Ready(answer) | PollResult::Succeeded(_, answer) => {
            let mut said = Transcript::default();
            let mut unread = None;
            if answer.text().is_none() {
                let read = each_event(session, task, None, |item| {
                    said.push(&item.event);
                    Ok(())
                })
                .await;
                match read {
                    Ok(unreadable) => session.out.passed_over(unreadable),
                    Err(problem) => unread = Some(problem),
                }
            }
            if let Some(problem) = unread {
                let signal = matches!(problem.exit(), Exit::Interrupted | Exit::Terminated);
                // Words that were asked for stand in the events alone; else the run's own read is the result.
                if signal || to.wants_words() {
                    return Err(problem);
                }
                said = Transcript::default();
                session.out.say(&format!(
                    "the events could not be read, and so the text: {}",
                    one_line(problem.what())
                ));
            }
            let said = Some(said.text()).filter(|said| !said.trim().is_empty());
            to.deliver(session, task, &answer, said)
        }
        PollResult::Failed(fault) => {
            let id = task.id().clone();
            let fault = told(session, task, fault).await;
            ended(Outcome::Failed { id, failure: fault })
        }
        PollResult::Stopped(fault) => {
            let id = task.id().clone();
            let fault = told(session, task, fault).await;
            let by = match fault.unanswered {
                true => StoppedBy::Unanswered,
                false => StoppedBy::Other,
            };
            ended(Outcome::Stopped {
                id,
                by,
                failure: fault,
            })
        }
        PollResult::Pending(status) | PollResult::Waiting(status) | PollResult::Unknown(status) => {
            Err(pending(session, task, &status))
        }
        _ => {
            let what = "the reply reads like no task";
            Err(CliError::new(Exit::Other, Code::Decode, what))
        }
    }
}

/// The fault as the run's last event tells it; the run's own read knows its status alone.
async fn told(
    session: &Connection<AgentHarness>,
    task: &TaskRef,
    read: TaskFailure,
) -> TaskFailure {
    let mut fault = read;
    // A list that cannot be read leaves what is known.
    let _ = each_event(session, task, None, |item| {
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

/// All events of a run.
async fn log(session: &Connection<AgentHarness>, task: &TaskRef) -> Result<Exit, Box<CliError>> {
    let run = session.read(task, GetRun::new(task.id().as_str())).await?;
    let exit = exit_of_run(&run.status);
    let mut feed = Vec::new();
    let unreadable = each_event(session, task, None, |item| {
        feed.push(item.event.data.clone());
        Ok(())
    })
    .await?;
    session.out.passed_over(unreadable);
    print_feed(session, task, run.status.as_str(), exit, Value::Array(feed))
}

async fn full(session: &Connection<Nanonets>, task: &TaskRef) -> Result<Exit, Box<CliError>> {
    let result = session
        .read(task, GetTaskResult::new(task.id().as_str()))
        .await?;
    let exit = exit_of(&result.status);
    let feed = Value::Array(result.feed.unwrap_or_default());
    print_feed(session, task, result.status.as_str(), exit, feed)
}

fn print_feed<P: Platform>(
    session: &Connection<P>,
    task: &TaskRef,
    status: &str,
    exit: Exit,
    feed: Value,
) -> Result<Exit, Box<CliError>> {
    if session.out.is_json() {
        let fields = json!({ "exit": exit.code(), "status": status, "platform_data": feed });
        session.out.line(line(LineType::Feed, Some(task), fields));
    } else {
        session.out.print_json(&feed)?;
    }
    Ok(exit)
}
