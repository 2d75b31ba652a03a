//! The ends of a command whose answer was not taken now: answered before, answered elsewhere, or of unknown outcome.

use serde_json::Value;
use taskward::Question;
use taskward::core::sanitise::one_line;
use taskward::question::QuestionId;

use super::give::Answering;
use super::of_another;
use crate::answers::form;
use crate::calls::{Calls, Summary};
use crate::codes::Code;
use crate::command_line;
use crate::commands::question;
use crate::error::CliError;
use crate::exit_report;
use crate::shown::AnsweringCommand;

impl<P: Calls> Answering<'_, P> {
    fn about(&self, error: CliError, question: Option<&QuestionId>) -> CliError {
        let error = match question.or(self.request.question.as_ref()) {
            Some(question) => error.question(question),
            None => error,
        };
        error.task(&self.request.task)
    }

    fn see(&self, error: CliError) -> CliError {
        let watch = self.connection.about("watch", &self.request.task);
        error.next("see", watch, "")
    }

    fn see_conversation(&self, error: CliError) -> CliError {
        self.connection.see_conversation(error, &self.request.task)
    }

    /// The question has another answer; `said` is which, where it was given here.
    pub(super) fn answered(&self, question: &QuestionId, said: Option<&Value>) -> CliError {
        let error = match said {
            Some(said) => {
                let what = "this question was already answered from here, with another answer";
                let said = one_line(&form::in_words(said));
                CliError::new(Code::AlreadyAnswered, what).why(format!("It was: {said}"))
            }
            None => CliError::new(
                Code::AnsweredElsewhere,
                "this question was answered elsewhere",
            ),
        };
        self.about(self.see(error.why("Nothing was sent.")), Some(question))
    }

    /// An answer was given here before, and it is unknown whether it arrived.
    pub(super) fn unconfirmed(&self, question: &QuestionId, said: &Value) -> CliError {
        let what = "an earlier answer to this question may or may not have arrived";
        let said = one_line(&form::in_words(said));
        let error = CliError::new(Code::OutcomeUnknown, what)
            .why(format!("It was: {said}"))
            .why("Nothing was sent now.");
        let error = self.see_conversation(error);
        let error = match self.request.command {
            AnsweringCommand::Reply => error.next(
                "or",
                command_line::naming("reply", question, &["--force-new"]),
                "sends this anyway",
            ),
            // The same under the same key counts once, and is not held back.
            AnsweringCommand::Approve | AnsweringCommand::Reject | AnsweringCommand::Input => error,
        };
        self.about(error, Some(question))
    }

    /// The reply to the answer was lost.
    pub(super) fn lost(&self, question: &QuestionId, detail: Option<String>) -> CliError {
        let what = "the answer may or may not have arrived";
        let error = CliError::new(Code::OutcomeUnknown, what);
        let error = error.why("It was not sent again.").whys(detail);
        self.about(self.see_conversation(error), Some(question))
    }

    /// That the question which was named is none of this task, when that can be told.
    pub(super) async fn foreign(&self) -> Option<CliError> {
        let named = self.request.question.as_ref()?;
        if self.record.mentions(named) {
            return None;
        }
        let task = &self.request.task;
        match question::has_asked(self.connection, task, named).await {
            Some(true) => return None,
            Some(false) => {}
            None => {
                let other = question::asked_by_another(self.connection, task, named).await?;
                return Some(of_another(task, named, &other.to_string()));
            }
        }
        let what = format!("this is no question of {task}: the agent never asked it");
        let error = CliError::input(what).why("Nothing was sent.");
        Some(self.about(self.see(error), Some(named)))
    }

    /// With what may be the matter with a question that was named and is not known here.
    fn unseen(&self, error: CliError) -> CliError {
        let named = self.request.question.as_ref();
        match named.is_some_and(|named| !self.record.mentions(named)) {
            true => error.why(
                "Nothing is known of it here: the agent may have changed it since, or it is one of another task.",
            ),
            false => error,
        }
    }

    /// The task no longer asks this: what it does instead.
    pub(super) async fn moved(
        &self,
        question: Option<&Question>,
        unconfirmed: Option<&Value>,
    ) -> CliError {
        match question.map(|question| &question.id) {
            Some(id) => self.gone(id, None, unconfirmed).await,
            None => {
                self.connection.out.still();
                match P::summary(self.connection, &self.request.task).await {
                    Ok(state) => self.not_asked(state.status.as_str(), None, unconfirmed),
                    Err(error) => error.why("The answer was not taken."),
                }
            }
        }
    }

    /// The question was no longer open when the answer was about to leave.
    pub(super) async fn gone(
        &self,
        question: &QuestionId,
        detail: Option<String>,
        unconfirmed: Option<&Value>,
    ) -> CliError {
        self.connection.out.still();
        let error = match P::summary(self.connection, &self.request.task).await {
            Ok(state) => self.not_asked(state.status.as_str(), detail, unconfirmed),
            Err(error) => error.why("The answer was not taken."),
        };
        error.question(question)
    }

    /// The task asks something else than the question that was named.
    pub(super) fn asks_another(
        &self,
        named: &QuestionId,
        open: &Question,
        state: &Summary,
        unconfirmed: Option<&Value>,
    ) -> CliError {
        if let Some(said) = unconfirmed {
            return self.unconfirmed(named, said);
        }
        let what = "this question is not open: it was answered elsewhere, or the agent moved on";
        let error = CliError::new(Code::AnsweredElsewhere, what);
        let error = self
            .unseen(error)
            .why("Nothing was sent. The task waits for the answer to another question:");
        let error = exit_report::quoted(error, open, &self.age(open, state));
        let error = self
            .connection
            .hints(error, P::answers(&self.request.task, open));
        self.about(error, Some(named))
    }

    /// The task does not wait for an answer.
    pub(super) fn not_asked(
        &self,
        status: &str,
        detail: Option<String>,
        unconfirmed: Option<&Value>,
    ) -> CliError {
        if let (Some(said), Some(named)) = (unconfirmed, &self.request.question) {
            return self.unconfirmed(named, said);
        }
        let status = one_line(status);
        let (code, what) = match &self.request.question {
            Some(_) => (
                Code::AnsweredElsewhere,
                format!(
                    "this question is not open: it was answered elsewhere, or the agent moved on; the task is {status}"
                ),
            ),
            None => (
                Code::NotWaiting,
                format!("the task does not wait for an answer: it is {status}"),
            ),
        };
        let error = self.unseen(CliError::new(code, what));
        let error = error.reason(P::NOT_WAITING.map(str::to_owned));
        let error = error.whys(detail);
        let error = match status.as_str() {
            "queued" | "running" | "pending" => error
                .why("It was answered already, or has yet to ask. Nothing was sent for a question that nobody has seen."),
            "stalled" => error.why("It lost its worker before it could ask."),
            "awaiting_input" | "waiting_for_input" => {
                error.why("It waits for something else now: read the question before you answer.")
            }
            _ => error.why("It was answered already, or not in time. Nothing was sent."),
        };
        self.about(self.see(error), None)
    }
}
