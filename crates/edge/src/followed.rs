//! The course of a followed task: driven, or over; and what hands control back.

use taskward_core::{
    Answer, AnswerError, Answered, ApiError, DetachReason, Detached, Error, ErrorKind, Liveness,
    MessageNo, Outcome, Provider, Question, QuestionId, Reply, RunResult, Snapshot, Status, Task,
    TaskId,
};

use crate::driver::{TaskDriver, about};
use crate::run::{BoxError, unsupported};

/// What drives a watch: the adapter's part, with its exchanges.
pub trait Driver {
    /// Whose task it is.
    type Provider: Provider;

    /// What it drives.
    fn watch(&self) -> &TaskDriver<Self::Provider>;
    /// What it drives, to be told something.
    fn watch_mut(&mut self) -> &mut TaskDriver<Self::Provider>;
    /// What it drove.
    fn into_watch(self) -> TaskDriver<Self::Provider>;
}

type OutputOf<D> = <<D as Driver>::Provider as Provider>::Output;

/// A followed task.
pub enum FollowedTask<D> {
    /// It is driven.
    Live(Box<D>),
    /// It is over and its outcome was given.
    Ended(Box<Snapshot>),
}

impl<D: Driver> FollowedTask<D> {
    /// The task's id, once it has one.
    pub fn id(&self) -> Option<&TaskId> {
        match self {
            Self::Live(driver) => driver.watch().task.id(),
            Self::Ended(snapshot) => snapshot.task(),
        }
    }

    /// When the wire, the task's replies and the task itself last gave a sign, while it is driven.
    pub fn liveness(&self) -> Option<Liveness> {
        match self {
            Self::Live(driver) => Some(driver.watch().task.liveness()),
            Self::Ended(_) => None,
        }
    }

    /// The server's words when it last refused a write, while the task is followed.
    pub fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Live(driver) => driver.watch().task.refusal(),
            Self::Ended(_) => None,
        }
    }

    /// The last status that was seen.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Live(driver) => driver.watch().task.status(),
            Self::Ended(snapshot) => snapshot.status(),
        }
    }

    /// The questions an answer may go to now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        let task = match self {
            Self::Live(driver) => Some(&driver.watch().task),
            Self::Ended(_) => None,
        };
        task.into_iter().flat_map(Task::questions)
    }

    /// The question that this id names, whatever became of it, while the task is followed.
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        match self {
            Self::Live(driver) => driver.watch().task.question(id),
            Self::Ended(_) => None,
        }
    }

    /// An open question.
    pub fn open(&self, id: &QuestionId) -> Option<Question> {
        self.questions()
            .find(|question| question.id == *id)
            .cloned()
    }

    /// Answers an open question.
    ///
    /// # Errors
    /// When no such question is open, it was answered, an answer is under way, or it wants another kind of answer.
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

    /// Sends a message that nobody asked for.
    ///
    /// # Errors
    /// When the provider has no such thing, or the task is over.
    pub fn send_message(&mut self, text: String) -> Result<MessageNo, Error> {
        let watch = self.live()?;
        let now = watch.now();
        watch
            .task
            .send_message(text, now)
            .map_err(|e| unsupported(&e))
    }

    /// Asks for the task to be stopped.
    ///
    /// # Errors
    /// When the provider has no such thing, or the task is over.
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

    /// What to store to come back to the task.
    pub fn snapshot(&self) -> Snapshot {
        match self {
            Self::Live(driver) => driver.watch().task.snapshot(),
            Self::Ended(snapshot) => Snapshot::clone(snapshot),
        }
    }

    /// Where the task stands, for leaving it; `None` while it has no id.
    pub fn detached(&self, why: DetachReason) -> Option<Detached> {
        let id = self.id()?.clone();
        Some(Detached::new(id, why, self.snapshot()))
    }

    /// Whether what became of an answer hands control back.
    pub fn judge_answer(&self, question: &QuestionId, how: &Answered) -> Option<DetachReason> {
        let question = self.open(question)?;
        match how {
            Answered::Unknown => Some(DetachReason::AnswerUnconfirmed(question)),
            Answered::Refused => Some(DetachReason::Question(question)),
            _ => None,
        }
    }

    /// Does what a handler decided; gives the reason to leave when it hands control back.
    ///
    /// # Errors
    /// When its answer does not fit, or the task cannot be stopped.
    pub fn reply(
        &mut self,
        question: Question,
        reply: Reply,
    ) -> Result<Option<DetachReason>, Error> {
        match reply {
            Reply::Answer(answer) => match self.answer(&question.id, answer) {
                Ok(()) => Ok(None),
                Err(unfit @ AnswerError::WrongKind { .. }) => Err(self.unanswered(Box::new(unfit))),
                // Withdrawn, or answered elsewhere, while the handler thought.
                Err(_) => Ok(None),
            },
            Reply::Cancel => self.cancel().map(|()| None),
            _ => Ok(Some(DetachReason::Question(question))),
        }
    }

    /// The error of a handler.
    pub fn unanswered(&self, error: BoxError) -> Error {
        let error =
            Error::new(ErrorKind::Local, "the question was not answered").with_source(error);
        about(error, self.id())
    }

    /// The end of a watch that is handed back; what was done about the task is told with it.
    pub fn leave(&self, why: DetachReason) -> RunResult<OutputOf<D>> {
        if let Self::Live(driver) = self {
            driver.watch().is_detach_reported(&why);
        }
        let left = self.detached(why);
        RunResult::Detached(Box::new(
            left.expect("a task that asks or is left has an id"),
        ))
    }

    /// The end of a watch without a next event: an interrupt, or the outcome, which is given once.
    ///
    /// # Errors
    /// When it was given before.
    pub fn end(&mut self) -> Result<RunResult<OutputOf<D>>, Error> {
        if let Self::Live(driver) = self
            && driver.watch_mut().take_interrupt()
        {
            let abandoned = driver.watch().task.cancel_result();
            driver
                .watch()
                .is_detach_reported(&DetachReason::Interrupted);
            let left = self.detached(DetachReason::Interrupted);
            let left = left.expect("an interrupt waits for the id");
            return Ok(RunResult::Detached(Box::new(left.with_cancel(abandoned))));
        }
        let over = Self::Ended(Box::new(self.snapshot()));
        let outcome = match std::mem::replace(self, over) {
            Self::Live(driver) => driver.into_watch().into_outcome(),
            Self::Ended(_) => None,
        };
        let end = outcome.map(|outcome| match outcome {
            Outcome::Interrupted {
                id,
                cancel: abandoned,
                ..
            } => {
                let left = Detached::new(id, DetachReason::Interrupted, self.snapshot());
                RunResult::Detached(Box::new(left.with_cancel(abandoned)))
            }
            outcome => RunResult::Ended(outcome),
        });
        end.ok_or_else(|| {
            Error::new(
                ErrorKind::Local,
                "the task is over and its outcome was given before",
            )
        })
    }
}
