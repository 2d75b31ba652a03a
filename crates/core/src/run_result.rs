//! What a driver returns: an outcome, or control before there is one.

use crate::error::{Error, ErrorKind};
use crate::id::TaskId;
use crate::outcome::{CancelResult, DetachReason, Outcome};
use crate::snapshot::Snapshot;

/// Control returned to the caller. Unless the task was cancelled it keeps running, and the snapshot can resume it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Detached {
    /// The task.
    pub id: TaskId,
    /// Why control was returned.
    pub reason: DetachReason,
    /// What was done to cancel the task.
    pub cancel: CancelResult,
    /// The state to resume from, in this or another process.
    pub snapshot: Snapshot,
}

impl Detached {
    /// Creates a value that returns control at this point.
    #[must_use]
    pub fn new(id: TaskId, reason: DetachReason, snapshot: Snapshot) -> Self {
        Self {
            id,
            reason,
            cancel: CancelResult::NotRequested,
            snapshot,
        }
    }

    /// Sets what was done to cancel the task.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelResult) -> Self {
        self.cancel = cancel;
        self
    }
}

/// What a driver returns: the task's outcome, or control before the task has ended.
#[derive(Debug)]
pub enum RunResult<O> {
    /// The task has ended, or the client can follow it no longer.
    Ended(Outcome<O>),
    /// The client detached; the task keeps running.
    Detached(Box<Detached>),
}

impl<O> RunResult<O> {
    /// Returns the answer, or an error that says what happened instead.
    ///
    /// # Errors
    /// Returns an error for everything but [`Outcome::Succeeded`] and [`Outcome::Answered`].
    pub fn into_answer(self) -> Result<O, Error> {
        match self {
            Self::Ended(outcome) => outcome.into_answer(),
            Self::Detached(detached) => {
                let text = match &detached.reason {
                    DetachReason::Question(question) if question.text.is_empty() => {
                        "the agent waits for an answer".to_owned()
                    }
                    DetachReason::Question(question) => {
                        format!("the agent waits for an answer: {}", question.text)
                    }
                    DetachReason::AnswerUnconfirmed(_) => {
                        "the answer may or may not have arrived".to_owned()
                    }
                    DetachReason::Review(status) => {
                        format!("the task waits for a human's review ({status})")
                    }
                    DetachReason::Interrupted => format!("interrupted; {}", detached.cancel),
                };
                let kind = match &detached.reason {
                    DetachReason::AnswerUnconfirmed(_) => ErrorKind::OutcomeUnknown,
                    _ => ErrorKind::Pending,
                };
                Err(Error::new(kind, text).with_task(detached.id))
            }
        }
    }

    /// Returns the outcome, unless the client detached.
    pub fn outcome(&self) -> Option<&Outcome<O>> {
        match self {
            Self::Ended(outcome) => Some(outcome),
            Self::Detached(_) => None,
        }
    }
}
