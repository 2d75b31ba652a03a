//! A followed task, driven or over, and what hands control back.

use taskward_core::{
    Answer, AnswerError, Answered, ApiError, DetachReason, Detached, Error, ErrorKind, Liveness,
    MessageNo, Outcome, Provider, Question, QuestionId, Reply, RunResult, Snapshot, Status, Task,
    TaskId,
};

use crate::driver::{TaskDriver, about};
use crate::run::{BoxError, unsupported};

/// The adapter's part of following a task, with its exchanges.
pub trait Driver {
    /// The task's provider.
    type Provider: Provider;

    /// Returns the task that it drives.
    fn watch(&self) -> &TaskDriver<Self::Provider>;
    /// Returns the task that it drives, to be changed.
    fn watch_mut(&mut self) -> &mut TaskDriver<Self::Provider>;
    /// Returns the task that it drove.
    fn into_watch(self) -> TaskDriver<Self::Provider>;
}

type OutputOf<D> = <<D as Driver>::Provider as Provider>::Output;

/// A followed task.
pub enum FollowedTask<D> {
    /// The task is driven.
    Live(Box<D>),
    /// The task is over and its outcome was returned.
    Ended(Box<Snapshot>),
}

impl<D: Driver> FollowedTask<D> {
    /// Returns the task's id, once it has one.
    pub fn id(&self) -> Option<&TaskId> {
        match self {
            Self::Live(driver) => driver.watch().task.id(),
            Self::Ended(snapshot) => snapshot.task(),
        }
    }

    /// Returns when the last byte, the last reply and the last change of the task were seen, while it is driven.
    pub fn liveness(&self) -> Option<Liveness> {
        match self {
            Self::Live(driver) => Some(driver.watch().task.liveness()),
            Self::Ended(_) => None,
        }
    }

    /// Returns the error with which the server last refused a write, while the task is followed.
    pub fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Live(driver) => driver.watch().task.refusal(),
            Self::Ended(_) => None,
        }
    }

    /// Returns the last status that was seen.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Live(driver) => driver.watch().task.status(),
            Self::Ended(snapshot) => snapshot.status(),
        }
    }

    /// Returns the questions that can be answered now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        let task = match self {
            Self::Live(driver) => Some(&driver.watch().task),
            Self::Ended(_) => None,
        };
        task.into_iter().flat_map(Task::questions)
    }

    /// Returns the question that this id names, in whatever state it is, while the task is followed.
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        match self {
            Self::Live(driver) => driver.watch().task.question(id),
            Self::Ended(_) => None,
        }
    }

    /// Returns an open question.
    pub fn open(&self, id: &QuestionId) -> Option<Question> {
        self.questions()
            .find(|question| question.id == *id)
            .cloned()
    }

    /// Answers an open question.
    ///
    /// # Errors
    /// When no such question is open, it was answered, an answer is being sent, or it takes another kind of answer.
    pub fn answer(&mut self, question: &QuestionId, answer: Answer) -> Result<(), AnswerError> {
        match self {
            Self::Live(driver) => {
                let watch = driver.watch_mut();
                let now = watch.now();
                watch.task.answer(question, answer, now)
            }
            Self::Ended(snapshot) => Err(snapshot.answer_error(question)),
        }
    }

    /// Sends a message without a question.
    ///
    /// # Errors
    /// When the provider does not support it, or the task is over.
    pub fn send_message(&mut self, text: String) -> Result<MessageNo, Error> {
        let watch = self.live()?;
        let now = watch.now();
        watch
            .task
            .send_message(text, now)
            .map_err(|e| unsupported(&e))
    }

    /// Requests the task's cancellation.
    ///
    /// # Errors
    /// When the provider does not support it, or the task is over.
    pub fn cancel(&mut self) -> Result<(), Error> {
        let watch = self.live()?;
        let now = watch.now();
        watch.task.cancel(now).map_err(|e| unsupported(&e))
    }

    fn live(&mut self) -> Result<&mut TaskDriver<D::Provider>, Error> {
        match self {
            Self::Live(driver) => Ok(driver.watch_mut()),
            Self::Ended(_) => Err(Error::new(ErrorKind::Input, "the task is over")),
        }
    }

    /// Returns what to store to resume the task.
    pub fn snapshot(&self) -> Snapshot {
        match self {
            Self::Live(driver) => driver.watch().task.snapshot(),
            Self::Ended(snapshot) => Snapshot::clone(snapshot),
        }
    }

    /// Returns what is needed to detach from the task; `None` while it has no id.
    pub fn detached(&self, why: DetachReason) -> Option<Detached> {
        let id = self.id()?.clone();
        Some(Detached::new(id, why, self.snapshot()))
    }

    /// Returns the reason to detach when the outcome of an answer hands control back.
    pub fn judge_answer(&self, question: &QuestionId, how: &Answered) -> Option<DetachReason> {
        let question = self.open(question)?;
        match how {
            Answered::Unknown => Some(DetachReason::AnswerUnconfirmed(question)),
            Answered::Refused => Some(DetachReason::Question(question)),
            _ => None,
        }
    }

    /// Does what a handler decided; returns the reason to detach when it hands control back.
    ///
    /// # Errors
    /// When its answer is of the wrong kind, or the task cannot be cancelled.
    pub fn reply(
        &mut self,
        question: Question,
        reply: Reply,
    ) -> Result<Option<DetachReason>, Error> {
        match reply {
            Reply::Answer(answer) => match self.answer(&question.id, answer) {
                Ok(()) => Ok(None),
                Err(unfit @ AnswerError::WrongKind { .. }) => Err(self.unanswered(Box::new(unfit))),
                // Withdrawn, or answered elsewhere, while the handler ran: the next event says so.
                Err(_) => Ok(None),
            },
            Reply::Cancel => self.cancel().map(|()| None),
            _ => Ok(Some(DetachReason::Question(question))),
        }
    }

    /// Wraps the error of a handler.
    pub fn unanswered(&self, error: BoxError) -> Error {
        let error =
            Error::new(ErrorKind::Local, "the question was not answered").with_source(error);
        about(error, self.id())
    }

    /// Hands control back for this reason.
    pub fn leave(&self, why: DetachReason) -> RunResult<OutputOf<D>> {
        if let Self::Live(driver) = self {
            driver.watch().report_detach(&why);
        }
        let detached = self.detached(why);
        RunResult::Detached(Box::new(
            detached.expect("a task with a question or a reason to detach has an id"),
        ))
    }

    /// Returns how following ended when there is no next event: an interrupt, or the outcome, which is returned once.
    ///
    /// # Errors
    /// When it was returned before.
    pub fn end(&mut self) -> Result<RunResult<OutputOf<D>>, Error> {
        if let Self::Live(driver) = self
            && driver.watch_mut().take_interrupt()
        {
            let cancel = driver.watch().task.cancel_result();
            driver.watch().report_detach(&DetachReason::Interrupted);
            let detached = self.detached(DetachReason::Interrupted);
            let detached = detached.expect("an interrupt waits for the id");
            return Ok(RunResult::Detached(Box::new(detached.with_cancel(cancel))));
        }
        let over = Self::Ended(Box::new(self.snapshot()));
        let outcome = match std::mem::replace(self, over) {
            Self::Live(driver) => driver.into_watch().into_outcome(),
            Self::Ended(_) => None,
        };
        let result = outcome.map(|outcome| match outcome {
            Outcome::Interrupted { id, cancel, .. } => {
                let detached = Detached::new(id, DetachReason::Interrupted, self.snapshot());
                RunResult::Detached(Box::new(detached.with_cancel(cancel)))
            }
            outcome => RunResult::Ended(outcome),
        });
        result.ok_or_else(|| {
            Error::new(
                ErrorKind::Local,
                "the task is over and its outcome was given before",
            )
        })
    }
}
