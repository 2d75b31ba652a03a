//! The ends of a watch whose task is left: by a signal, at a deadline, for somebody else to answer.

use std::io::IsTerminal as _;

use taskward::Question;
use taskward::core::Safety;
use taskward::core::sanitise::one_line;
use taskward::outcome::{CancelResult, DetachReason, Detached};
use taskward::question::{Answered, QuestionKind};

use super::{End, asked};
use crate::codes::Code;
use crate::command_line;
use crate::error::CliError;
use crate::exit::Exit;
use crate::platform::Platform;
use crate::sent::Undelivered;
use crate::task_ref::TaskRef;

/// The words for a task that was heard from last and does not end with this command.
pub(super) const STILL_RUNNING: &str = "the task is still running";

/// The first line where the task was heard from last.
const KEEPS_RUNNING: &str = "Detached. The task keeps running.";

impl<P: Platform> End<'_, P> {
    /// Whoever was to answer failed: the task is left, and so is its question.
    pub(crate) fn unanswered(&self, error: CliError, question: Option<&Question>) -> CliError {
        let error = match question {
            Some(question) => self.open(error.why("The question is still open:"), question),
            None => error,
        };
        self.finished(self.stays(error))
    }

    /// stdout takes no more while a task is watched.
    pub(crate) fn unheard(&self, error: CliError) -> CliError {
        self.finished(self.stays(error))
    }

    /// Control handed back.
    pub(crate) fn left(&self, left: &Detached) -> CliError {
        let connection = self.connection;
        let task = connection.task(&left.id);
        self.finished(match &left.reason {
            DetachReason::Question(question) => {
                let error = self.finished(self.waiting(&task, question));
                return self.with_unattended(error, question);
            }
            DetachReason::AnswerUnconfirmed(question) => {
                let what = "the answer may or may not have arrived; it was not sent again";
                let error = asked(CliError::new(Code::OutcomeUnknown, what), question);
                let error = connection.see_conversation(error, &task);
                let answers = P::answers(&task, question).into_iter().take(1);
                let again = answers.map(|(_, command, _)| ("again", command, "if it is not"));
                connection.hints(error, again)
            }
            DetachReason::Review(_) => {
                let what = "The task is waiting for a review in the platform's dashboard.";
                self.stays(CliError::new(Code::Waiting, what).plain())
            }
            _ => self.stays(self.detach_error(Exit::Interrupted)),
        })
    }

    /// The task waits for an answer that nobody here gives.
    fn waiting(&self, task: &TaskRef, question: &Question) -> CliError {
        let refusal = self.reporter.known().refusal(&question.id);
        let failure = self.reporter.failure(&question.id);
        let has_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let what = match question.kind {
            _ if failure.is_some() => {
                "The --on-question command failed; the question is still open."
            }
            _ if refusal.is_some() => {
                "The server rejected the answer; the task is still waiting for one."
            }
            // Somebody who has a terminal left the question open, or asked not to be asked.
            QuestionKind::Approval if has_terminal => "The task is waiting for an approval.",
            QuestionKind::Approval => {
                "The task is waiting for an approval, and there is no terminal to ask on."
            }
            QuestionKind::Authentication => {
                "The agent is waiting for a credential, and may go on by itself once that has arrived."
            }
            _ if has_terminal => "The agent is waiting for an answer.",
            _ => "The agent is waiting for an answer, and there is no terminal to ask on.",
        };
        let error = CliError::new(Code::Waiting, what).plain();
        let error = self.open(error.whys(failure.or(refusal)), question);
        self.cancel(error, task)
    }

    /// A signal while something said to the task is on its way.
    pub(crate) fn undelivered(&self, task: &TaskRef, kind: Undelivered) -> CliError {
        let what = format!("the {} may or may not have arrived", kind.as_str());
        let error = CliError::new(Code::OutcomeUnknown, what)
            .why("Interrupted before the server had answered. It was not sent again.")
            .whys(self.over());
        // Words are found in the conversation.
        let has_words = kind == Undelivered::Message || P::CAPABILITIES.answer == Safety::Once;
        self.finished(match has_words {
            true => self.connection.see_conversation(error, task),
            false => {
                let watch = self.connection.about("watch", task);
                error.next("see", watch, "whether it is there")
            }
        })
        .task(task)
    }

    /// Ctrl-C while a task is watched; what was said to it last is over and done with.
    pub(crate) fn detached(
        &self,
        question: Option<&Question>,
        said: Option<(Undelivered, Answered)>,
        exit: Exit,
    ) -> CliError {
        let error = self.detach_error(exit);
        let error = error.whys(said.map(|(kind, how)| kind.write_result(how)));
        let error = match question {
            Some(question) => self.open(error, question),
            None => error,
        };
        self.finished(self.stays(error))
    }

    /// Ctrl-C where the task was to be stopped.
    pub(crate) fn detached_by_signal(&self, cancel: &CancelResult, exit: Exit) -> CliError {
        let what = format!("Detached; {}.", in_brief(cancel));
        let error = CliError::new(Code::Interrupted, what).plain().ending(exit);
        self.finished(self.with_detach_state(error, cancel))
    }

    /// With a question that is still open and the commands that answer it, where the task is known.
    fn open(&self, error: CliError, question: &Question) -> CliError {
        let Some(task) = &self.task else { return error };
        let error = asked(error, question).showing(self.reporter.showing_of(question));
        self.connection.hints(error, P::answers(task, question))
    }

    /// Whether the task goes on, by the last read of it: it could be read, it has not ended, and its server is not part
    /// of this process.
    pub(super) fn keeps_running(&self) -> bool {
        let status = self.reporter.known().status;
        self.reporter.known().failure.is_none()
            && status.is_some_and(|status| !P::is_over(&status))
            && self.connection.sim().is_none()
    }

    fn detach_error(&self, exit: Exit) -> CliError {
        let what = match self.task {
            Some(_) if self.keeps_running() => KEEPS_RUNNING,
            Some(_) => "Detached.",
            None => "Interrupted.",
        };
        CliError::new(Code::Interrupted, what).plain().ending(exit)
    }

    /// What is known of a task that is left, and of what was said to it last.
    pub(super) fn with_detach_state(&self, error: CliError, cancel: &CancelResult) -> CliError {
        let said = self.reporter.known().last_said(self.start_kind);
        let news = said.filter(|(_, how)| *how != Answered::Applied);
        let error = error
            .cancel(Some(cancel))
            .whys(news.map(|(kind, how)| kind.write_result(how)));
        let error = match (cancel, &self.task) {
            (CancelResult::Confirmed(_), Some(task)) => {
                let error = error.why("The task was stopped, as asked.");
                return self.connection.hints(error, [P::history(task)]);
            }
            (CancelResult::Accepted, Some(task)) => error
                .why("The task was asked to stop, and was not seen to have.")
                .next("see", self.connection.about("status", task), ""),
            (CancelResult::Failed(failure), _) => {
                let why = one_line(&failure.to_string());
                self.stays(error.why(format!("The task was not stopped: {why}")))
            }
            _ => self.stays(error),
        };
        let is_lost = said.is_some_and(|(_, how)| how == Answered::Unknown);
        match &self.task {
            // Whether what was said is there decides what the task does now.
            Some(task) if is_lost => self
                .connection
                .see_conversation(error, task)
                .named(Code::OutcomeUnknown)
                .ending(Exit::Unknown),
            _ => error,
        }
    }

    /// The command that stops the task, where there is one; without a terminal nobody is there to ask whether it is meant.
    fn cancel(&self, error: CliError, task: &TaskRef) -> CliError {
        if !P::CAPABILITIES.cancel {
            return error;
        }
        let yes = match std::io::stdin().is_terminal() {
            true => "",
            false => " --yes",
        };
        let command = format!("cancel {}{yes}", task.quoted());
        self.connection.hints(error, [("cancel", command, "")])
    }

    /// That the task was heard to be over, by the last that was heard of it.
    fn over(&self) -> Option<String> {
        let status = self.reporter.known().status.filter(P::is_over)?;
        let status = one_line(status.as_str());
        Some(format!(
            "The task has ended: its last known status is {status}."
        ))
    }

    /// A task that nothing was done about: what it does now, as far as that is known, and how to come back to it.
    fn stays(&self, error: CliError) -> CliError {
        let Some(task) = &self.task else { return error };
        // In this process the simulator's end is told instead.
        if self.connection.sim().is_some() {
            return error;
        }
        let watch = self.connection.about("watch", task);
        if let Some(over) = self.over() {
            return error.why(over).next("reattach", watch, "");
        }
        // The first line may have said it.
        let is_said = [KEEPS_RUNNING, STILL_RUNNING]
            .iter()
            .any(|words| error.what().ends_with(words));
        let error = match (self.reporter.known().status, self.reporter.known().failure) {
            _ if is_said => error,
            (Some(_), None) => error.why("The task keeps running."),
            _ => error.why("Nothing was done to the task."),
        };
        self.cancel(error.next("reattach", watch, ""), task)
    }

    /// The end of the command, which names the task. When the server was in this process it is gone, and no command
    /// reaches its tasks.
    pub(super) fn finished(&self, error: CliError) -> CliError {
        let error = error.task(&self.task);
        if self.connection.sim().is_none() {
            return error;
        }
        error
            .without_next()
            .why("The simulator ended with this command, and its task with it.")
            .next(
                "keep",
                "taskward sim",
                "a simulator that stays, for another shell",
            )
    }

    /// With this command and the option that answers such a question, where nothing else can answer it any more.
    fn with_unattended(&self, error: CliError, question: &Question) -> CliError {
        match P::unattended(question) {
            Some(option) if self.connection.sim().is_some() => {
                let unattended = command_line::followed_by(option);
                error.next("or", unattended, "answers within one command")
            }
            _ => error,
        }
    }
}

/// What was done about a task that was to be stopped, in a few words.
pub(super) fn in_brief(cancel: &CancelResult) -> &'static str {
    match cancel {
        CancelResult::Confirmed(_) => "the task was stopped",
        CancelResult::Accepted => "a stop was requested, and is not confirmed",
        _ => "the task was not stopped",
    }
}
