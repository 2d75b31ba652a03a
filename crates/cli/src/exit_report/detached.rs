//! The ends of a watch whose task is left: by a signal, at a deadline, for somebody else to answer.

use std::io::IsTerminal as _;

use taskward::Question;
use taskward::core::Safety;
use taskward::outcome::{CancelResult, DetachReason, Detached};
use taskward::question::{Answered, QuestionKind};

use super::{asked, hint};
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::CliError;
use crate::exit::Exit;
use crate::platform::Platform;
use crate::report::Reporter;
use crate::sanitise::one_line;
use crate::sent::{StartKind, Undelivered};
use crate::task_ref::TaskRef;

/// Whoever was to answer failed: the task is left, and so is its question.
pub(crate) fn unanswered<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    error: CliError,
    task: &Option<TaskRef>,
    question: Option<&Question>,
) -> CliError {
    let error = match (question, task) {
        (Some(question), Some(task)) => {
            let error = asked(error.why("The question is still open:"), question)
                .showing(reporter.showing_of(question));
            answers(connection, error, task, question)
        }
        _ => error,
    };
    let error = stays(connection, reporter, error, task);
    simulated(connection, error.task(task))
}

/// stdout takes no more while a task is watched.
pub(crate) fn unheard<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    error: CliError,
    task: &Option<TaskRef>,
) -> CliError {
    let error = stays(connection, reporter, error, task);
    simulated(connection, error.task(task))
}

/// Control handed back.
pub(crate) fn left<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    left: &Detached,
) -> CliError {
    let task = connection.task(&left.id);
    let known = Some(task.clone());
    let error = match &left.reason {
        DetachReason::Question(question) => waiting(connection, reporter, &task, question),
        DetachReason::AnswerUnconfirmed(question) => {
            let error = CliError::new(
                Code::OutcomeUnknown,
                "the answer may or may not have arrived; it was not sent again",
            );
            let error = asked(error, question).next(
                "see",
                connection.command(&P::conversation(&task)),
                "whether it is there",
            );
            P::answers(&task, question)
                .into_iter()
                .take(1)
                .fold(error, |error, (_, command, _)| {
                    error.next("again", connection.command(&command), "if it is not")
                })
        }
        DetachReason::Review(_) => {
            let what = "The task is waiting for a review in the platform's dashboard.";
            let error = CliError::new(Code::Waiting, what).plain();
            stays(connection, reporter, error, &known)
        }
        _ => {
            let error = detach_error(connection, reporter, &known, Exit::Interrupted);
            stays(connection, reporter, error, &known)
        }
    };
    simulated(connection, error.task(&known))
}

/// The task waits for an answer that nobody here gives.
fn waiting<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    task: &TaskRef,
    question: &Question,
) -> CliError {
    let refusal = reporter.refusal(&question.id);
    let failure = reporter.failure(&question.id);
    let what = match question.kind {
        _ if failure.is_some() => "The --on-question command failed; the question is still open.",
        _ if refusal.is_some() => {
            "The server rejected the answer; the task is still waiting for one."
        }
        // Somebody who has a terminal left the question open, or asked not to be asked.
        QuestionKind::Approval if has_terminal() => "The task is waiting for an approval.",
        QuestionKind::Approval => {
            "The task is waiting for an approval, and there is no terminal to ask on."
        }
        _ if has_terminal() => "The agent is waiting for an answer.",
        _ => "The agent is waiting for an answer, and there is no terminal to ask on.",
    };
    let error = CliError::new(Code::Waiting, what).plain();
    let error = error.whys(failure.or(refusal));
    let error = asked(error, question).showing(reporter.showing_of(question));
    let error = answers(connection, error, task, question);
    cancel(connection, error, task)
}

/// A signal while something said to the task is on its way.
pub(crate) fn undelivered<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    task: &TaskRef,
    kind: Undelivered,
) -> CliError {
    let what = format!("the {} may or may not have arrived", kind.as_str());
    let error = CliError::new(Code::OutcomeUnknown, what)
        .why("Interrupted before the server had answered. It was not sent again.");
    let error = error.whys(over::<P>(reporter));
    let see = match kind {
        Undelivered::Message => P::conversation(task),
        // Words are found in the conversation.
        Undelivered::Answer if P::CAPABILITIES.answer == Safety::Once => P::conversation(task),
        Undelivered::Answer => format!("watch {}", task.quoted()),
    };
    let error = error.next("see", connection.command(&see), "whether it is there");
    simulated(connection, error.task(task))
}

/// Ctrl-C while a task is watched; what was said to it last is over and done with.
pub(crate) fn detached<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    task: &Option<TaskRef>,
    question: Option<&Question>,
    said: Option<(Undelivered, Answered)>,
    exit: Exit,
) -> CliError {
    let error = match said {
        Some((kind, how)) => {
            detach_error(connection, reporter, task, exit).why(kind.write_result(how))
        }
        None => detach_error(connection, reporter, task, exit),
    };
    let error = match (question, task) {
        (Some(question), Some(task)) => {
            let error = asked(error, question).showing(reporter.showing_of(question));
            answers(connection, error, task, question)
        }
        _ => error,
    };
    let error = stays(connection, reporter, error, task);
    simulated(connection, error.task(task))
}

/// The words for a task that was heard from last and does not end with this command.
pub(super) const STILL_RUNNING: &str = "the task is still running";

/// The first line where the task was heard from last.
const KEEPS_RUNNING: &str = "Detached. The task keeps running.";

/// Whether the task goes on, by the last read of it: it could be read, it has not ended, and its server is not part of
/// this process.
pub(super) fn keeps_running<P: Platform>(connection: &Connection<P>, reporter: &Reporter) -> bool {
    let is_read = reporter.trouble().is_none() && reporter.seen().is_some_and(|s| !P::is_over(&s));
    is_read && connection.sim().is_none()
}

fn detach_error<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    task: &Option<TaskRef>,
    exit: Exit,
) -> CliError {
    let what = match task {
        Some(_) if keeps_running(connection, reporter) => KEEPS_RUNNING,
        Some(_) => "Detached.",
        None => "Interrupted.",
    };
    CliError::new(Code::Interrupted, what).plain().ending(exit)
}

/// Ctrl-C where the task was to be stopped.
pub(crate) fn detached_by_signal<P: Platform>(
    connection: &Connection<P>,
    start_kind: &StartKind,
    reporter: &Reporter,
    task: &Option<TaskRef>,
    cancel: &CancelResult,
    exit: Exit,
) -> CliError {
    let what = format!("Detached; {}.", in_brief(cancel));
    let error = CliError::new(Code::Interrupted, what).plain().ending(exit);
    let error = with_detach_state(connection, start_kind, reporter, error, task, cancel);
    simulated(connection, error.task(task))
}

/// What was done about a task that was to be stopped, in a few words.
pub(super) fn in_brief(cancel: &CancelResult) -> &'static str {
    match cancel {
        CancelResult::Confirmed(_) => "the task was stopped",
        CancelResult::Accepted => "a stop was requested, and is not confirmed",
        _ => "the task was not stopped",
    }
}

/// What is known of a task that is left, and of what was said to it last.
pub(super) fn with_detach_state<P: Platform>(
    connection: &Connection<P>,
    start_kind: &StartKind,
    reporter: &Reporter,
    error: CliError,
    task: &Option<TaskRef>,
    cancel: &CancelResult,
) -> CliError {
    let error = error.cancel(Some(cancel));
    let said = reporter.last_said(start_kind);
    let error = match said {
        Some((kind, how)) if how != Answered::Applied => error.why(kind.write_result(how)),
        _ => error,
    };
    let is_lost = said.is_some_and(|(_, how)| how == Answered::Unknown);
    let error = match (cancel, task) {
        (CancelResult::Confirmed(_), Some(task)) => {
            let error = error.why("The task was stopped, as asked.");
            return hint(connection, error, P::history(task));
        }
        (CancelResult::Accepted, Some(task)) => error
            .why("The task was asked to stop, and was not seen to have.")
            .next(
                "see",
                connection.command(&format!("status {}", task.quoted())),
                "",
            ),
        (CancelResult::Failed(failure), _) => {
            let why = one_line(&failure.to_string());
            let why = format!("The task was not stopped: {why}");
            stays(connection, reporter, error.why(why), task)
        }
        _ => stays(connection, reporter, error, task),
    };
    match task {
        // Whether what was said is there decides what the task does now.
        Some(task) if is_lost => error
            .next(
                "see",
                connection.command(&P::conversation(task)),
                "whether it is there",
            )
            .named(Code::OutcomeUnknown)
            .ending(Exit::Unknown),
        _ => error,
    }
}

/// The commands that answer a question.
pub(crate) fn answers<P: Platform>(
    connection: &Connection<P>,
    error: CliError,
    task: &TaskRef,
    question: &Question,
) -> CliError {
    P::answers(task, question)
        .into_iter()
        .fold(error, |error, it| hint(connection, error, it))
}

fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// The command that stops the task, where there is one; without a terminal nobody is there to ask whether it is meant.
fn cancel<P: Platform>(connection: &Connection<P>, error: CliError, task: &TaskRef) -> CliError {
    if !P::CAPABILITIES.cancel {
        return error;
    }
    let yes = if std::io::stdin().is_terminal() {
        ""
    } else {
        " --yes"
    };
    let command = connection.command(&format!("cancel {}{yes}", task.quoted()));
    error.next("cancel", command, "")
}

/// That the task was heard to be over, by the last that was heard of it.
fn over<P: Platform>(reporter: &Reporter) -> Option<String> {
    let status = reporter.seen().filter(P::is_over)?;
    Some(format!(
        "The task has ended: its last known status is {}.",
        one_line(status.as_str())
    ))
}

/// A task that nothing was done about: what it does now, as far as that is known, and how to come back to it.
fn stays<P: Platform>(
    connection: &Connection<P>,
    reporter: &Reporter,
    error: CliError,
    task: &Option<TaskRef>,
) -> CliError {
    let Some(task) = task else { return error };
    // In this process the simulator's end is told instead.
    if connection.sim().is_some() {
        return error;
    }
    let watch = connection.command(&format!("watch {}", task.quoted()));
    if let Some(over) = over::<P>(reporter) {
        return error.why(over).next("reattach", watch, "");
    }
    // The first line may have said it.
    let is_said = [KEEPS_RUNNING, STILL_RUNNING]
        .iter()
        .any(|words| error.what().ends_with(words));
    let error = match (reporter.seen(), reporter.trouble()) {
        _ if is_said => error,
        (Some(_), None) => error.why("The task keeps running."),
        _ => error.why("Nothing was done to the task."),
    };
    let error = error.next("reattach", watch, "");
    cancel(connection, error, task)
}

/// What is different when the server was in this process: it is gone, and no command reaches its tasks.
pub(super) fn simulated<P: Platform>(connection: &Connection<P>, error: CliError) -> CliError {
    if connection.sim().is_none() {
        return error;
    }
    let waits = error.exit() == Exit::Pending;
    let error = error
        .without_next()
        .why("The simulator ended with this command, and its task with it.")
        .next(
            "keep",
            "taskward sim",
            "a simulator that stays, for another shell",
        );
    if waits {
        error.next(
            "or",
            format!("taskward {}", P::UNATTENDED),
            "answers within one command",
        )
    } else {
        error
    }
}
