//! How a watch ended, and what to do next: the table of exit codes.

mod detached;

use taskward::core::sanitise::one_line;
use taskward::core::{
    Cause, ErrorClass, NotStartedReason, RetryReason, Safety, TimeLimit, UnknownReason,
};
use taskward::error::ApiError;
use taskward::event::Status;
use taskward::outcome::{CancelResult, StoppedBy, TaskFailure};
use taskward::question::Answered;
use taskward::{Outcome, Question, TaskId};

use crate::clock::span;
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::platform::Platform;
use crate::report::{Reporter, asked_in_words, question_fields, question_head};
use crate::sent::{Keyed, StartKind};
use crate::shell::quote;
use crate::single_read::{exchange, gone};
use crate::task_ref::TaskRef;

use detached::{STILL_RUNNING, in_brief};

/// What the same command again does while it is unknown whether the first has started a task.
const ANOTHER: &str = "starts another one, which may be billed twice";

/// The end of a command that follows a task, for the words about it.
pub(crate) struct End<'a, P: Platform> {
    connection: &'a Connection<P>,
    start_kind: &'a StartKind,
    reporter: &'a Reporter,
    task: Option<TaskRef>,
}

impl<'a, P: Platform> End<'a, P> {
    /// Of a command that tells the events of its task by this reporter.
    pub(crate) fn new(
        connection: &'a Connection<P>,
        start_kind: &'a StartKind,
        reporter: &'a Reporter,
    ) -> Self {
        Self {
            connection,
            start_kind,
            reporter,
            task: reporter.task(),
        }
    }

    /// The same of this task, where it is known.
    pub(crate) fn of(mut self, id: Option<&TaskId>) -> Self {
        let task = id.map(|id| self.connection.task(id));
        self.task = task.or(self.task);
        self
    }

    /// The answer of a task that completed; every other end as the error it is.
    pub(crate) fn outcome(self, outcome: Outcome<P::Output>) -> CliResult<P::Output> {
        let end = self.of(outcome.task());
        let cli_error = match outcome {
            Outcome::Succeeded { output, .. } | Outcome::Answered { output } => return Ok(output),
            Outcome::ResultUnavailable { reason, .. } => {
                let what = "the task completed, but its answer cannot be read yet";
                CliError::new(Code::ResultUnavailable, what)
                    .why(reason.to_string())
                    .next("later", end.command("result"), "")
            }
            Outcome::Failed { failure, .. } => {
                end.bad(Code::TaskFailed, "the task failed", Some(&failure))
            }
            Outcome::Stopped { by, failure, .. } => end.stopped(by, failure),
            Outcome::Refused(error) => end.refused(&error),
            Outcome::NotStarted {
                reason,
                attempts,
                temporary,
            } => not_started(&reason, temporary).attempts(attempts),
            Outcome::Unknown {
                intent,
                reason,
                likely,
            } => {
                let why = why_unknown(end.start_kind, &reason);
                let error = end.unknown(Some(intent.to_string()), &why, likely);
                end.with_tasks(error, &reason)
            }
            Outcome::AccessLost { error, .. } => end.access_lost(&error),
            Outcome::Gone { error, .. } => gone(end.connection, &error),
            Outcome::DeadlineExceeded {
                limit,
                last,
                id,
                cancel,
            } => {
                let error = end.timed_out(limit, id.is_some(), &cancel);
                match id {
                    Some(_) => end.late(error, last, &cancel),
                    None => end.unstarted(error),
                }
            }
            other => {
                let what = "the task ended in a way this version does not know";
                CliError::new(Code::of_outcome(&other), what).ending(Exit::Other)
            }
        };
        Err(end.finished(cli_error))
    }

    /// A command about the task, where it is known.
    fn command(&self, command: &str) -> String {
        match &self.task {
            Some(task) => self.connection.about(command, task),
            None => self.connection.command(command),
        }
    }

    /// A task that ended without an answer.
    fn bad(&self, code: Code, what: &str, failure: Option<&TaskFailure>) -> CliError {
        let none = "The platform says no more about it.";
        let message = failure.and_then(|failure| failure.message.as_deref());
        let error = CliError::new(code, what)
            .reason(failure.and_then(|failure| failure.reason.clone()))
            .why(message.unwrap_or(none));
        self.connection
            .hints(error, self.task.iter().map(P::history))
    }

    fn stopped(&self, by: StoppedBy, mut failure: TaskFailure) -> CliError {
        let (what, failure) = match by {
            StoppedBy::Unanswered => (
                "the task was cancelled: nobody answered its question in time",
                Some(&failure),
            ),
            // What was said last is not why it was stopped.
            StoppedBy::Us => ("the task was stopped, as asked", None),
            _ => {
                failure.message = None;
                ("the task was stopped, not by this command", Some(&failure))
            }
        };
        self.bad(Code::TaskStopped, what, failure)
    }

    fn access_lost(&self, error: &ApiError) -> CliError {
        let what = match error.status.as_u16() {
            403 => "the API key has no permission to see this task",
            _ => "the API key was rejected; nothing was done to the task",
        };
        exchange(CliError::new(Code::AccessLost, what), error)
            .why(error.to_string())
            .why(self.connection.key_came_from())
            .next("reattach", self.command("watch"), "with a key that works")
    }

    /// That a deadline passed, by the name of its option, and what that means for the task.
    fn timed_out(&self, limit: TimeLimit, exists: bool, cancel: &CancelResult) -> CliError {
        let said = self.reporter.known().last_said(self.start_kind);
        let unsent = said.is_some_and(|(_, how)| how == Answered::NotSent);
        let option = match limit {
            TimeLimit::Waiting if unsent => "(--answer-timeout)",
            TimeLimit::Waiting => "without an answer (--answer-timeout)",
            _ => "(--timeout)",
        };
        let elapsed = span(self.connection.clock.elapsed());
        let what = format!("timed out after {elapsed} {option}");
        let is_running = exists && self.keeps_running();
        let what = match cancel {
            CancelResult::NotRequested if is_running => format!("{what}; {STILL_RUNNING}"),
            CancelResult::NotRequested => what,
            cancel => format!("{what}; {}", in_brief(cancel)),
        };
        CliError::new(Code::Deadline, what).plain()
    }

    /// A deadline of a task that exists: what was read of it last, and how to go on.
    fn late(&self, error: CliError, last: Option<Status>, cancel: &CancelResult) -> CliError {
        // Events tell a status before any read does.
        let last = self.reporter.known().status.or(last);
        let error = error.whys(self.last_seen(last.as_ref(), cancel));
        let stuck = last.zip(self.task.as_ref());
        let way_out = stuck.and_then(|(status, task)| P::stuck(task, &status));
        self.with_detach_state(self.connection.hints(error, way_out), cancel)
    }

    /// A deadline that passed before the task was started.
    fn unstarted(&self, error: CliError) -> CliError {
        let last = self.reporter.known().failure;
        error
            .whys(last.map(|why| format!("Last: {}", one_line(&why))))
            .why("The task was not started.")
    }

    /// What was last read of a task when its time was over; nothing where its end is told.
    fn last_seen(&self, last: Option<&Status>, cancel: &CancelResult) -> Option<String> {
        let elapsed = span(self.connection.clock.elapsed());
        let is_fresh = *cancel == CancelResult::NotRequested;
        Some(match (last, self.reporter.known().failure) {
            _ if matches!(cancel, CancelResult::Confirmed(_)) => return None,
            // The first line says it.
            (Some(status), None)
                if is_fresh && status.as_str() == "running" && self.keeps_running() =>
            {
                return None;
            }
            (Some(status), None) if is_fresh => format!("{} after {elapsed}.", state(status)),
            (Some(status), Some(why)) if is_fresh => format!(
                "{} when it was last read; since then: {}",
                state(status),
                one_line(&why)
            ),
            (Some(status), _) => format!("{} when it was last read.", state(status)),
            (None, Some(why)) => format!("Its status could not be read; last: {}", one_line(&why)),
            (None, None) => format!("Its status was not read within {elapsed}."),
        })
    }

    /// What something was to be sent to could not be read.
    pub(crate) fn unread(&self, what: &str, why: &str) -> CliError {
        let what = format!("{what} could not be read; nothing was sent");
        let error = CliError::new(Code::NotSent, what)
            .ending(Exit::TryLater)
            .why(format!("Last: {}", one_line(why)))
            .why("Trying again later is safe.");
        match &self.task {
            Some(task) => error
                .next("see", self.connection.about("status", task), "")
                .task(task),
            None => error,
        }
    }

    /// A signal, or a lost reply, while a start or a message is on its way.
    pub(crate) fn unknown(&self, intent: Option<String>, why: &str, likely: bool) -> CliError {
        let connection = self.connection;
        // Nothing can recover what was not saved.
        let intent = intent.filter(|_| connection.store.is_some());
        let recover = intent
            .as_ref()
            .map(|intent| connection.command(&format!("recover {intent}")));
        let error = |what: &str| {
            CliError::new(Code::OutcomeUnknown, what)
                .why(why)
                .attempts(self.reporter.known().attempts)
                .intent(intent.clone())
        };
        let may = match likely {
            true => "the task was probably started, and its id is lost",
            false => "the task may have been started",
        };
        let recoverable = |error: CliError, label| match recover.clone() {
            Some(recover) => error.next(label, recover, "never makes two"),
            None => error,
        };
        match self.start_kind {
            StartKind::Message(task) => {
                let error = error("the message may or may not have arrived")
                    .why("It was not sent again.")
                    // No start is recovered by it.
                    .intent(None)
                    .task(task);
                connection.see_conversation(error, task)
            }
            StartKind::Agent { agent, command } => {
                let list = format!("ls --agent {} --since 15m", quote(agent));
                let (see, note) = match recover {
                    Some(recover) => (recover, "searches the server for it"),
                    None => (connection.command(&list), "whether it is there"),
                };
                error(may)
                    .why("Nothing was sent again.")
                    .next("see", see, note)
                    .next("or", command.clone(), ANOTHER)
            }
            StartKind::Traced { command } => {
                let see = recover.map(|recover| ("see", recover, "looks for it once more"));
                let or = ("or", command.clone(), ANOTHER);
                let error = error(may).why("Nothing was sent again.");
                let add =
                    |error: CliError, (label, command, note)| error.next(label, command, note);
                see.into_iter().chain([or]).fold(error, add)
            }
            StartKind::Keyed(start) => {
                let error = error(may).why("The same command with the same key follows the task if it is there, and starts it if it is not.");
                recoverable(error, "see").next("again", again(start), "never makes two")
            }
            StartKind::Again if P::CAPABILITIES.start == Safety::Traceable => {
                let error = error(may).why("It was looked for, and nothing was sent again.");
                let Some(recover) = recover else { return error };
                let forget = format!("{recover} --forget");
                error.next("later", recover, "looks for it once more").next(
                    "forget",
                    forget,
                    "once its outcome is known",
                )
            }
            StartKind::Again => {
                let error = error(may).why("It was sent again under its key, which starts no second task; its outcome is still unknown.");
                recoverable(error, "later")
            }
            StartKind::Watch => error("it is not known whether the task exists"),
        }
    }

    /// With the tasks that were found of a start, where none of them was taken for it.
    fn with_tasks(&self, error: CliError, reason: &UnknownReason) -> CliError {
        let UnknownReason::SeveralTasks { tasks } = reason else {
            return error;
        };
        let error =
            error.why("Look at each, follow the one that is wanted, and cancel the others.");
        tasks.iter().fold(error, |error, id| {
            let watch = self.connection.about("watch", &self.connection.task(id));
            error.next("follow", watch, "")
        })
    }

    /// What the server said no to, before there was a task or a turn of it.
    fn refused(&self, error: &ApiError) -> CliError {
        let (connection, attempts) = (self.connection, self.reporter.known().attempts);
        let (what, task) = match self.start_kind {
            StartKind::Message(task) => ("the server rejected the message", Some(task)),
            _ => ("the server rejected the start", None),
        };
        let refused = CliError::new(Code::Refused, what).ending(exit_of_refusal(Some(error)));
        let cli_error = exchange(refused, error)
            .why(one_line(&error.to_string()))
            .attempts(attempts)
            .task(task);
        match (error.status.as_u16(), self.start_kind) {
            (401, _) => cli_error.why(connection.key_came_from()),
            (403 | 404, StartKind::Agent { agent, .. }) => cli_error
                .why(format!(
                    "The agent {:?} may be inactive, or of another workspace than the key.",
                    one_line(agent)
                ))
                .next(
                    "see",
                    connection.command("agents list"),
                    "the agents there are",
                ),
            (409, StartKind::Keyed(start)) => conflict(cli_error, start, attempts > 1),
            (409, StartKind::Message(task)) => {
                cli_error.next("see", connection.about("status", task), "")
            }
            _ => cli_error,
        }
    }
}

fn not_started(reason: &NotStartedReason, temporary: bool) -> CliError {
    let (exit, advice) = match temporary {
        true => (
            Exit::TryLater,
            "Nothing was started; trying again later is safe.",
        ),
        false => (
            Exit::Other,
            "Nothing was started; trying again would not help.",
        ),
    };
    CliError::new(Code::NotStarted, "the task was not started")
        .ending(exit)
        .why(reason.to_string())
        .why(advice)
}

/// Whether the server had said nothing when the time was over.
fn is_silent(reason: &UnknownReason) -> bool {
    match reason {
        UnknownReason::Deadline { last: Some(last) } => {
            matches!(last.reason, RetryReason::Wire(Cause::Timeout(_)))
        }
        _ => true,
    }
}

/// Why the outcome of a start or a message is unknown, by the name of the option that set the deadline.
fn why_unknown(start_kind: &StartKind, reason: &UnknownReason) -> String {
    match start_kind {
        _ if !reason.is_deadline() => reason.to_string(),
        // What was done about the task is told there.
        StartKind::Message(_) => format!("--timeout was reached: {reason}"),
        // The reply was lost before, or could not be used, and its task was looked for since.
        _ if !is_silent(reason) => {
            format!("--timeout was reached before it was known what the start did: {reason}")
        }
        _ => "--timeout was reached before the server answered.".to_owned(),
    }
}

/// A status in a sentence's beginning, whatever the server calls it.
fn state(status: &Status) -> String {
    match one_line(status.as_str()) {
        word if word.is_empty() => "The task had a status without a name".to_owned(),
        word if status.known => format!("The task was {word}"),
        word => format!("The task's status was {word:?}, which this version does not know,"),
    }
}

/// The exit code of what the server refused to do: whoever may not is told so everywhere.
pub(crate) fn exit_of_refusal(error: Option<&ApiError>) -> Exit {
    match error.map(|error| error.class) {
        Some(ErrorClass::Unauthorised) => Exit::Auth,
        _ => Exit::Other,
    }
}

/// A key that the server refused: it does not say which of the two reasons it had.
fn conflict(error: CliError, start: &Keyed, repeated: bool) -> CliError {
    // An earlier attempt of this very command may be what is still being worked on.
    let result = if start.minted || repeated {
        "An earlier attempt of this command may have started a task."
    } else {
        "This command started nothing."
    };
    error
        .why(format!(
            "The server refused the idempotency key {:?}: it was used with another job, or its first use is still being worked on. {result}",
            one_line(&start.key)
        ))
        .next("again", again(start), "follows the task of this key, if it is the same job")
        .next("new", start.command.clone(), "another task, under a new key")
}

/// The same command line under the same key.
fn again(start: &Keyed) -> String {
    format!("{} --idempotency-key {}", start.command, quote(&start.key))
}

/// With a question, its age, and what led to it.
pub(crate) fn quoted(error: CliError, question: &Question, age: &str) -> CliError {
    asked(error.why(question_head(question, age)), question)
}

fn asked(error: CliError, question: &Question) -> CliError {
    let error = error
        .question(&question.id)
        .waits_for(question_fields(question));
    error.whys(asked_in_words(question))
}
