//! `taskward cancel`: asks the server to stop a task and tells how it really ended.

use std::sync::Arc;

use serde_json::Map;
use taskward::core::sanitise::one_line;
use taskward::error::ApiError;
use taskward::outcome::CancelResult;
use taskward::{Event, Outcome, RunResult};

use crate::answers;
use crate::args::{self, Cancel};
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report;
use crate::follow::{Deadlines, FollowSetup, Followed, LAST_CHANCE};
use crate::report::{Reporter, result_line};
use crate::sent::StartKind;
use crate::server::At;
use crate::task_ref::TaskRef;

/// Failures in a row after which a server that is down is left alone.
const GIVEN_UP: u32 = 8;

pub(super) async fn cancel<P: Calls>(cx: &Cx, task: TaskRef, args: Cancel) -> CliResult<Exit> {
    let deadlines = Deadlines::both(args::timeout(args.timeout)?);
    if !args.yes {
        answers::attended(&cx.global, "cancelling cannot be undone")
            .map_err(|error| error.task(&task))?;
        let question = format!("stop {task}? What it has done so far is lost");
        if !answers::sure(&cx.out, &question).await {
            let declined = answers::declined("not cancelled; nothing was sent");
            return Err(declined.task(&task));
        }
    }
    let connection: Connection<P> = Connection::open(cx, args.speed, At::Task(&task)).await?;
    stop(&connection, &task, deadlines).await
}

/// Asks the server to stop the task, and prints how it ended.
async fn stop<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    deadlines: Deadlines,
) -> CliResult<Exit> {
    connection.banner();
    let reporter = Arc::new(Reporter::new(connection, Some(task.clone()), false));
    reporter.watching();
    // Only the end counts: neither the steps of a stopped task nor the answer of a completed one are waited for.
    let mut policy = deadlines.policy();
    policy.read_steps = false;
    policy.result_patience = std::time::Duration::ZERO;
    let run = connection.client.attach(task.id().clone());
    let watched = FollowSetup::new(run, StartKind::Watch, reporter, policy);
    let mut followed = watched.begin(connection).await?;
    followed
        .running
        .cancel()
        .map_err(|error| connection.cli_error(&error))?;
    let mut request = Request {
        connection,
        task,
        is_taken: false,
    };
    loop {
        match followed.event().await {
            Ok(Some(event)) => request.heard(event, followed.running.refusal())?,
            Ok(None) => break,
            Err(cli_error) if cli_error.is(Code::Interrupted) => {
                request.interrupted(&mut followed).await?;
                break;
            }
            Err(cli_error) => return Err(cli_error),
        }
    }
    connection.out.still();
    let end = followed
        .running
        .wait()
        .await
        .map_err(|error| connection.cli_error(&error))?;
    told(&followed, task, end)
}

/// Prints how a task ended that was to be stopped.
fn told<P: Calls>(
    followed: &Followed<'_, P>,
    task: &TaskRef,
    end: RunResult<P::Output>,
) -> CliResult<Exit> {
    let out = &followed.connection.out;
    let outcome = match end {
        RunResult::Ended(outcome) => outcome,
        RunResult::Detached(left) => return Err(followed.end().left(&left)),
    };
    let (status, exit) = match &outcome {
        Outcome::Succeeded { .. } | Outcome::ResultUnavailable { .. } => ("completed", Exit::Ok),
        Outcome::Failed { .. } => ("failed", Exit::TaskBad),
        Outcome::Stopped { .. } => ("stopped", Exit::Ok),
        _ => {
            let error = followed.end().outcome(outcome);
            let error = error.expect_err("every success is named above");
            return Err(error.task(task));
        }
    };
    if out.is_json() {
        let mut line = result_line(task, status, Map::new());
        line["exit"] = exit.code().into();
        out.line(line);
    } else {
        if status != "stopped" {
            out.say("the task had ended before it could be stopped");
        }
        out.print(&format!("{status}\n"))?;
    }
    Ok(exit)
}

/// The request to stop a task.
struct Request<'a, P: Calls> {
    connection: &'a Connection<P>,
    task: &'a TaskRef,
    /// Whether the server is known to have taken it.
    is_taken: bool,
}

impl<P: Calls> Request<'_, P> {
    /// Takes an event, unless it is the end.
    fn heard(&mut self, event: Event, refusal: Option<&ApiError>) -> CliResult<()> {
        match event {
            Event::Cancelling => self.is_taken = true,
            Event::Retrying {
                attempt, failed, ..
            } if attempt >= GIVEN_UP => {
                self.connection.out.still();
                return Err(self.unheard(&failed.to_string()));
            }
            Event::CancelRefused(why) => {
                return Err(
                    CliError::new(Code::Refused, "the server did not cancel the task")
                        .ending(exit_report::exit_of_refusal(refusal))
                        .why(why.to_string())
                        .task(self.task),
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// A signal takes no request back that may have left: its effect is waited for a little.
    async fn interrupted(&mut self, followed: &mut Followed<'_, P>) -> CliResult<()> {
        let out = self.connection.out.clone();
        out.tell(&format!(
            "waiting up to {} s for the task to stop; press Ctrl-C again to detach now",
            LAST_CHANCE.as_secs()
        ));
        let detach_error = self.unconfirmed().named(Code::Interrupted);
        self.connection
            .signals
            .at_second(move |exit| out.last_words(&detach_error.ending(exit)));
        let limit = tokio::time::sleep(LAST_CHANCE);
        tokio::pin!(limit);
        loop {
            let event = tokio::select! {
                event = followed.running.next() => event,
                () = &mut limit => return Err(self.unconfirmed()),
            };
            match event.map_err(|error| self.connection.cli_error(&error))? {
                Some(told) => self.heard(told.event, followed.running.refusal())?,
                None => return Ok(()),
            }
        }
    }

    /// Nobody knows whether the task stops.
    fn unconfirmed(&self) -> CliError {
        let (why, result) = match self.is_taken {
            true => (
                "The server took the request, and the task was not seen to have stopped.",
                Some(CancelResult::Accepted),
            ),
            false => ("Interrupted before the server had answered.", None),
        };
        let what = "a stop was requested, and is not confirmed";
        let status = self.connection.about("status", self.task);
        CliError::new(Code::OutcomeUnknown, what)
            .why(why)
            .why("The same command again does no harm.")
            .cancel(result.as_ref())
            .next("see", status, "whether it keeps running")
            .task(self.task)
    }

    /// The server cannot be asked to stop the task, or cannot say what became of it.
    fn unheard(&self, why: &str) -> CliError {
        let (what, note) = if self.is_taken {
            (
                "the server took the request to stop the task, and the task cannot be read",
                "how it ended",
            )
        } else {
            (
                "the server could not be asked to stop the task",
                "whether it keeps running",
            )
        };
        let status = self.connection.about("status", self.task);
        CliError::new(Code::NotCancelled, what)
            .why(format!("Last: {}", one_line(why)))
            .why("The same command again does no harm.")
            .next("see", status, note)
            .task(self.task)
    }
}
