//! The course of a followed task: driven, or over; and what hands control back.

use taskward_core::{
    Answer, AnswerError, Answered, ApiError, End, Error, ErrorKind, Left, LeftWhy, MessageNo,
    Outcome, Provider, Question, QuestionId, Reply, Signs, Snapshot, Status, Task, TaskId,
};

use crate::run::{BoxError, unsupported};
use crate::watch::{Watch, about};

/// What drives a watch: the adapter's part, with its exchanges.
pub trait Driver {
    /// Whose task it is.
    type Provider: Provider;

    /// What it drives.
    fn watch(&self) -> &Watch<Self::Provider>;
    /// What it drives, to be told something.
    fn watch_mut(&mut self) -> &mut Watch<Self::Provider>;
    /// What it drove.
    fn into_watch(self) -> Watch<Self::Provider>;
}

type OutputOf<D> = <<D as Driver>::Provider as Provider>::Output;

/// A followed task.
pub enum Course<D> {
    /// It is driven.
    Live(Box<D>),
    /// It is over and its outcome was given.
    Over(Box<Snapshot>),
}

impl<D: Driver> Course<D> {
    /// The task's id, once it has one.
    pub fn id(&self) -> Option<&TaskId> {
        match self {
            Self::Live(driver) => driver.watch().task.id(),
            Self::Over(snapshot) => snapshot.task(),
        }
    }

    /// When the wire, the task's replies and the task itself last gave a sign, while it is driven.
    pub fn signs(&self) -> Option<Signs> {
        match self {
            Self::Live(driver) => Some(driver.watch().task.signs()),
            Self::Over(_) => None,
        }
    }

    /// The server's words when it last refused a write, while the task is followed.
    pub fn refusal(&self) -> Option<&ApiError> {
        match self {
            Self::Live(driver) => driver.watch().task.refusal(),
            Self::Over(_) => None,
        }
    }

    /// The last status that was seen.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Live(driver) => driver.watch().task.status(),
            Self::Over(snapshot) => snapshot.status(),
        }
    }

    /// The questions an answer may go to now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        let task = match self {
            Self::Live(driver) => Some(&driver.watch().task),
            Self::Over(_) => None,
        };
        task.into_iter().flat_map(Task::questions)
    }

    /// The question that this id names, whatever became of it, while the task is followed.
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        match self {
            Self::Live(driver) => driver.watch().task.question(id),
            Self::Over(_) => None,
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
            Self::Over(snapshot) => Err(snapshot.answer_error(question)),
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

    fn live(&mut self) -> Result<&mut Watch<D::Provider>, Error> {
        match self {
            Self::Live(driver) => Ok(driver.watch_mut()),
            Self::Over(_) => Err(Error::new(ErrorKind::Input, "the task is over")),
        }
    }

    /// What to store to come back to the task.
    pub fn snapshot(&self) -> Snapshot {
        match self {
            Self::Live(driver) => driver.watch().task.snapshot(),
            Self::Over(snapshot) => Snapshot::clone(snapshot),
        }
    }

    /// Where the task stands, for leaving it; `None` while it has no id.
    pub fn left(&self, why: LeftWhy) -> Option<Left> {
        let id = self.id()?.clone();
        Some(Left::new(id, why, self.snapshot()))
    }

    /// Whether what became of an answer hands control back.
    pub fn judge_answer(&self, question: &QuestionId, how: &Answered) -> Option<LeftWhy> {
        let question = self.open(question)?;
        match how {
            Answered::Unknown => Some(LeftWhy::AnswerUnknown(question)),
            Answered::Refused => Some(LeftWhy::Question(question)),
            _ => None,
        }
    }

    /// Does what a handler decided; gives the reason to leave when it hands control back.
    ///
    /// # Errors
    /// When its answer does not fit, or the task cannot be stopped.
    pub fn reply(&mut self, question: Question, reply: Reply) -> Result<Option<LeftWhy>, Error> {
        match reply {
            Reply::Answer(answer) => match self.answer(&question.id, answer) {
                Ok(()) => Ok(None),
                Err(unfit @ AnswerError::WrongKind { .. }) => Err(self.unanswered(Box::new(unfit))),
                // Withdrawn, or answered elsewhere, while the handler thought.
                Err(_) => Ok(None),
            },
            Reply::Cancel => self.cancel().map(|()| None),
            _ => Ok(Some(LeftWhy::Question(question))),
        }
    }

    /// The error of a handler.
    pub fn unanswered(&self, error: BoxError) -> Error {
        let error =
            Error::new(ErrorKind::Local, "the question was not answered").with_source(error);
        about(error, self.id())
    }

    /// The end of a watch that is handed back; what was done about the task is told with it.
    pub fn leave(&self, why: LeftWhy) -> End<OutputOf<D>> {
        if let Self::Live(driver) = self {
            driver.watch().tells_left(&why);
        }
        let left = self.left(why);
        End::Left(Box::new(
            left.expect("a task that asks or is left has an id"),
        ))
    }

    /// The end of a watch without a next event: an interrupt, or the outcome, which is given once.
    ///
    /// # Errors
    /// When it was given before.
    pub fn end(&mut self) -> Result<End<OutputOf<D>>, Error> {
        if let Self::Live(driver) = self
            && driver.watch_mut().take_interrupt()
        {
            let abandoned = driver.watch().task.abandoned();
            driver.watch().tells_left(&LeftWhy::Interrupted);
            let left = self.left(LeftWhy::Interrupted);
            let left = left.expect("an interrupt waits for the id");
            return Ok(End::Left(Box::new(left.with_abandoned(abandoned))));
        }
        let over = Self::Over(Box::new(self.snapshot()));
        let outcome = match std::mem::replace(self, over) {
            Self::Live(driver) => driver.into_watch().into_outcome(),
            Self::Over(_) => None,
        };
        let end = outcome.map(|outcome| match outcome {
            Outcome::Interrupted { id, abandoned, .. } => {
                let left = Left::new(id, LeftWhy::Interrupted, self.snapshot());
                End::Left(Box::new(left.with_abandoned(abandoned)))
            }
            outcome => End::Done(outcome),
        });
        end.ok_or_else(|| {
            Error::new(
                ErrorKind::Local,
                "the task is over and its outcome was given before",
            )
        })
    }
}
