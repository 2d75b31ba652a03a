//! How a watch ended, and what to do next: the table of exit codes.

mod detached;

use taskward::core::{NotStartedReason, TimeLimit, UnavailableReason, UnknownReason};
use taskward::error::ApiError;
use taskward::event::Status;
use taskward::outcome::{CancelResult, StoppedBy, TaskFailure};
use taskward::question::Answered;
use taskward::{Outcome, Question};

use crate::clock::span;
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::platform::{Hint, Platform};
use crate::report::{Reporter, asked_in_words, question_fields, question_head};
use crate::sanitise::one_line;
use crate::sent::{Keyed, StartKind};
use crate::single_read::{exchange, gone};
use crate::task_ref::{TaskRef, quote};

use detached::{STILL_RUNNING, in_brief, keeps_running, simulated, with_detach_state};
pub(crate) use detached::{
    answers, detached, detached_by_signal, left, unanswered, undelivered, unheard,
};

/// The answer of a task that completed; every other end as the error it is.
pub(crate) fn outcome<P: Platform>(
    connection: &Connection<P>,
    start_kind: &StartKind,
    reporter: &Reporter,
    outcome: Outcome<P::Output>,
) -> CliResult<P::Output> {
    let task = outcome
        .task()
        .map(|id| connection.task(id))
        .or_else(|| reporter.task());
    let end = End {
        connection,
        start_kind,
        reporter,
        code: Code::of_outcome(&outcome),
        task: task.clone(),
    };
    let cli_error = match outcome {
        Outcome::Succeeded { output, .. } => return Ok(output),
        Outcome::ResultUnavailable { reason, .. } => end.unavailable(&reason),
        Outcome::Failed { failure, .. } => end.bad("the task failed", Some(&failure)),
        Outcome::Stopped { by, failure, .. } => end.stopped(by, failure),
        Outcome::Refused(error) => {
            refused(connection, start_kind, end.code, error, reporter.attempts())
        }
        Outcome::NotStarted {
            reason,
            attempts,
            temporary,
        } => end.not_started(&reason, attempts, temporary),
        Outcome::Unknown {
            intent,
            reason,
            likely,
        } => {
            let why = why_unknown(start_kind, &reason);
            unknown(
                connection,
                start_kind,
                Some(intent.to_string()),
                &why,
                likely,
            )
            .attempts(reporter.attempts())
        }
        Outcome::AccessLost { error, .. } => end.access_lost(&error),
        Outcome::Gone { error, .. } => gone(connection, &error),
        Outcome::DeadlineExceeded {
            limit,
            last,
            id,
            cancel,
        } => end.deadline(limit, last, id.is_some(), &cancel),
        _ => end.error(
            Exit::Other,
            "the task ended in a way this version does not know",
        ),
    };
    Err(simulated(connection, cli_error.task(&task)))
}

/// How the following of a task ended, for the words about it.
struct End<'a, P: Platform> {
    connection: &'a Connection<P>,
    start_kind: &'a StartKind,
    reporter: &'a Reporter,
    code: Code,
    task: Option<TaskRef>,
}

impl<P: Platform> End<'_, P> {
    fn error(&self, exit: Exit, what: impl Into<String>) -> CliError {
        CliError::new(self.code, what).ending(exit)
    }

    /// A command about the task, where it is known.
    fn command(&self, command: &str) -> String {
        match &self.task {
            Some(task) => self
                .connection
                .command(&format!("{command} {}", task.quoted())),
            None => self.connection.command(command),
        }
    }

    /// A task that ended without an answer.
    fn bad(&self, what: &str, failure: Option<&TaskFailure>) -> CliError {
        let error = self
            .error(Exit::TaskBad, what)
            .reason(failure.and_then(|failure| failure.reason.clone()));
        let error = match failure.and_then(|failure| failure.message.as_ref()) {
            Some(message) => error.why(message.clone()),
            None => error.why("The platform says no more about it."),
        };
        match &self.task {
            Some(task) => hint(self.connection, error, P::history(task)),
            None => error,
        }
    }

    fn unavailable(&self, reason: &UnavailableReason) -> CliError {
        self.error(
            Exit::TryLater,
            "the task completed, but its answer cannot be read yet",
        )
        .why(reason.to_string())
        .next("later", self.command("result"), "")
    }

    fn stopped(&self, by: StoppedBy, mut failure: TaskFailure) -> CliError {
        match by {
            StoppedBy::Unanswered => self.bad(
                "the task was cancelled: nobody answered its question in time",
                Some(&failure),
            ),
            // What was said last is not why it was stopped.
            StoppedBy::Us => self.bad("the task was stopped, as asked", None),
            _ => {
                failure.message = None;
                self.bad("the task was stopped, not by this command", Some(&failure))
            }
        }
    }

    /// That a deadline passed; `exists` tells whether the task was started.
    fn deadline(
        &self,
        limit: TimeLimit,
        last: Option<Status>,
        exists: bool,
        cancel: &CancelResult,
    ) -> CliError {
        let error = self.timed_out(limit, exists, cancel);
        match exists {
            true => self.late(error, last, cancel),
            false => self.unstarted(error),
        }
    }

    fn not_started(&self, reason: &NotStartedReason, attempts: u32, temporary: bool) -> CliError {
        let (exit, advice) = if temporary {
            (
                Exit::TryLater,
                "Nothing was started; trying again later is safe.",
            )
        } else {
            (
                Exit::Other,
                "Nothing was started; trying again would not help.",
            )
        };
        self.error(exit, "the task was not started")
            .why(reason.to_string())
            .why(advice)
            .attempts(attempts)
    }

    fn access_lost(&self, error: &ApiError) -> CliError {
        let what = match error.status.as_u16() {
            403 => "the API key has no permission to see this task",
            _ => "the API key was rejected; nothing was done to the task",
        };
        exchange(self.error(Exit::Auth, what), error)
            .why(error.to_string())
            .why(format!(
                "The key came from {}.",
                self.connection.key_source()
            ))
            .next("reattach", self.command("watch"), "with a key that works")
    }

    /// That a deadline passed, by the name of its option, and what that means for the task.
    fn timed_out(&self, limit: TimeLimit, exists: bool, cancel: &CancelResult) -> CliError {
        let said = self.reporter.last_said(self.start_kind);
        let unsent = said.is_some_and(|(_, how)| how == Answered::NotSent);
        let elapsed = span(self.connection.clock.elapsed());
        let what = match limit {
            TimeLimit::Waiting if unsent => {
                format!("timed out after {elapsed} (--answer-timeout)")
            }
            TimeLimit::Waiting => {
                format!("timed out after {elapsed} without an answer (--answer-timeout)")
            }
            _ => format!("timed out after {elapsed} (--timeout)"),
        };
        let is_running = exists && keeps_running(self.connection, self.reporter);
        let what = match cancel {
            CancelResult::NotRequested if is_running => format!("{what}; {STILL_RUNNING}"),
            CancelResult::NotRequested => what,
            cancel => format!("{what}; {}", in_brief(cancel)),
        };
        self.error(Exit::Timeout, what).plain()
    }

    /// A deadline of a task that exists: what was read of it last, and how to go on.
    fn late(&self, error: CliError, last: Option<Status>, cancel: &CancelResult) -> CliError {
        let (connection, reporter) = (self.connection, self.reporter);
        // Events tell a status before any read does.
        let last = reporter.seen().or(last);
        let error = error.whys(last_seen(connection, reporter, last.as_ref(), cancel));
        let stuck = last.zip(self.task.as_ref());
        let error = match stuck.and_then(|(status, task)| P::stuck(task, &status)) {
            Some(way_out) => hint(connection, error, way_out),
            None => error,
        };
        with_detach_state(
            connection,
            self.start_kind,
            reporter,
            error,
            &self.task,
            cancel,
        )
    }

    /// A deadline that passed before the task was started.
    fn unstarted(&self, error: CliError) -> CliError {
        error
            .whys(
                self.reporter
                    .trouble()
                    .map(|why| format!("Last: {}", one_line(&why))),
            )
            .why("The task was not started.")
    }
}

/// Why the outcome of a start or a message is unknown, by the name of the option that set the deadline.
fn why_unknown(start_kind: &StartKind, reason: &UnknownReason) -> String {
    match start_kind {
        _ if !reason.is_deadline() => reason.to_string(),
        // What was done about the task is told there.
        StartKind::Message(_) => format!("--timeout was reached: {reason}"),
        _ => "--timeout was reached before the server answered.".to_owned(),
    }
}

/// What was last read of a task when its time was over; nothing where its end is told.
fn last_seen<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    last: Option<&Status>,
    cancel: &CancelResult,
) -> Option<String> {
    let elapsed = span(connection.clock.elapsed());
    let is_fresh = *cancel == CancelResult::NotRequested;
    Some(match (last, reporter.trouble()) {
        _ if matches!(cancel, CancelResult::Confirmed(_)) => return None,
        // The first line says it.
        (Some(status), None)
            if is_fresh && status.as_str() == "running" && keeps_running(connection, reporter) =>
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

/// A status in a sentence's beginning, whatever the server calls it.
fn state(status: &Status) -> String {
    match one_line(status.as_str()) {
        word if word.is_empty() => "The task had a status without a name".to_owned(),
        word if status.known => format!("The task was {word}"),
        word => format!("The task's status was {word:?}, which this version does not know,"),
    }
}

/// What something was to be sent to could not be read.
pub(crate) fn unread<P: Platform>(
    connection: &Connection<P>,
    task: &Option<TaskRef>,
    what: &str,
    why: &str,
) -> CliError {
    let what = format!("{what} could not be read; nothing was sent");
    let error = CliError::new(Code::NotSent, what)
        .ending(Exit::TryLater)
        .why(format!("Last: {}", one_line(why)))
        .why("Trying again later is safe.");
    let error = match task {
        Some(task) => {
            let status = format!("status {}", task.quoted());
            error.next("see", connection.command(&status), "")
        }
        None => error,
    };
    error.task(task)
}

/// A signal, or a lost reply, while a start or a message is on its way.
pub(crate) fn unknown<P: Platform>(
    connection: &Connection<P>,
    start_kind: &StartKind,
    intent: Option<String>,
    why: &str,
    likely: bool,
) -> CliError {
    let recover = intent
        .as_ref()
        .filter(|_| connection.store.is_some())
        .map(|intent| connection.command(&format!("recover {intent}")));
    let error = |what: &str| {
        CliError::new(Code::OutcomeUnknown, what)
            .why(why.to_owned())
            // Nothing can recover what was not saved.
            .intent(intent.clone().filter(|_| connection.store.is_some()))
    };
    let may = if likely {
        "the task was probably started, and its id is lost"
    } else {
        "the task may have been started"
    };
    match start_kind {
        StartKind::Message(task) => error("the message may or may not have arrived")
            .why("It was not sent again.")
            .next(
                "see",
                connection.command(&P::conversation(task)),
                "whether it is there",
            )
            // No start is recovered by it.
            .intent(None)
            .task(task),
        StartKind::Agent { agent, command } => {
            let list = format!("ls --agent {} --since 15m", quote(agent));
            let (see, note) = match recover {
                Some(recover) => (recover, "searches the server for it"),
                None => (connection.command(&list), "whether it is there"),
            };
            error(may)
                .why("Nothing was sent again.")
                .next("see", see, note)
                .next(
                    "or",
                    command.clone(),
                    "starts another one, which may be billed twice",
                )
        }
        StartKind::Keyed(start) => {
            let error = error(may).why("The same command with the same key follows the task if it is there, and starts it if it is not.");
            recoverable(error, "see", recover).next("again", again(start), "never makes two")
        }
        StartKind::Again => {
            let error = error(may).why("It was sent again under its key, which starts no second task; its outcome is still unknown.");
            recoverable(error, "later", recover)
        }
        StartKind::Watch => error("it is not known whether the task exists"),
    }
}

/// With the command that recovers a start under a key, where the start is kept.
fn recoverable(error: CliError, label: &'static str, recover: Option<String>) -> CliError {
    match recover {
        Some(recover) => error.next(label, recover, "never makes two"),
        None => error,
    }
}

/// The exit code of what the server refused to do: whoever may not is told so everywhere.
pub(crate) fn exit_of_refusal(error: Option<&ApiError>) -> Exit {
    match error.map(|error| error.status.as_u16()) {
        Some(401 | 403) => Exit::Auth,
        _ => Exit::Other,
    }
}

fn refused<P: Platform>(
    connection: &Connection<P>,
    start_kind: &StartKind,
    code: Code,
    error: ApiError,
    attempts: u32,
) -> CliError {
    let status = error.status.as_u16();
    let exit = exit_of_refusal(Some(&error));
    let what = match start_kind {
        StartKind::Message(_) => "the server rejected the message",
        StartKind::Agent { .. } | StartKind::Keyed(_) | StartKind::Again | StartKind::Watch => {
            "the server rejected the start"
        }
    };
    let cli_error = exchange(CliError::new(code, what).ending(exit), &error)
        .why(one_line(&error.to_string()))
        .attempts(attempts);
    let cli_error = match start_kind {
        StartKind::Message(task) => cli_error.task(task),
        StartKind::Agent { .. } | StartKind::Keyed(_) | StartKind::Again | StartKind::Watch => {
            cli_error
        }
    };
    match (status, start_kind) {
        (401, _) => cli_error.why(format!("The key came from {}.", connection.key_source())),
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
        (409, StartKind::Message(task)) => cli_error.next(
            "see",
            connection.command(&format!("status {}", task.quoted())),
            "",
        ),
        _ => cli_error,
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
    asked_in_words(question)
        .into_iter()
        .fold(error, |error, line| error.why(line))
}

fn hint<P: Platform>(connection: &Connection<P>, error: CliError, hint: Hint) -> CliError {
    let (label, command, note) = hint;
    error.next(label, connection.command(&command), note)
}
