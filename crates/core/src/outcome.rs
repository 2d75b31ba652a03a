//! How the following of a task ends.

mod reason;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ApiError, Error, ErrorKind, ReadError};
use crate::event::Status;
use crate::id::{IntentId, TaskId};
use crate::question::Question;

pub use crate::reason::CancelFailure;
pub use reason::{LostMessage, NotStartedReason, UnavailableReason, UnknownReason};

/// The answer of a completed task, with the same interface for every provider.
pub trait Output {
    /// Returns the answer in words, if it has any.
    fn text(&self) -> Option<String>;

    /// Returns the structured answer, if there is one.
    fn json(&self) -> Option<&Value>;

    /// Returns everything that the server sent.
    fn raw(&self) -> &Value;

    /// Returns whether some of the text was lost in transfer: U+FFFD stands in its place.
    fn is_damaged(&self) -> bool {
        is_damaged(self.raw())
    }

    /// Parses the structured answer as the caller's own type; without a structured answer, it parses the text as JSON.
    ///
    /// # Errors
    /// Returns an error if there is no structured answer, or if it has another shape.
    fn data<T: DeserializeOwned>(&self) -> Result<T, ReadError>
    where
        Self: Sized,
    {
        use crate::error::ReadErrorKind::{Empty, Shape};
        if let Some(value) = self.json() {
            return T::deserialize(value).map_err(|e| ReadError::new(Shape, e.to_string()));
        }
        match self.text() {
            Some(text) => serde_json::from_str(&text).map_err(|e| {
                ReadError::new(
                    Shape,
                    format!("the answer is text, not structured data ({e})"),
                )
            }),
            None => Err(ReadError::new(
                Empty,
                "the task completed without an answer",
            )),
        }
    }
}

fn is_damaged(value: &Value) -> bool {
    let lost = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    match value {
        Value::String(text) => lost(text),
        Value::Array(items) => items.iter().any(is_damaged),
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| lost(name) || is_damaged(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Why the agent failed, as far as the provider says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskFailure {
    /// The status.
    pub status: Status,
    /// The provider's own code for the reason, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A line for people to read, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether nobody answered a question in time, so that the provider ended the task.
    #[serde(default)]
    pub unanswered: bool,
    /// The steps that led to the failure, if they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Value>,
}

impl TaskFailure {
    /// Creates a failure with this status and no further details.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            status,
            reason: None,
            message: None,
            unanswered: false,
            steps: None,
        }
    }

    /// Adds the provider's code for the reason and a line for people to read.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<String>, message: Option<String>) -> Self {
        self.reason = reason;
        self.message = message;
        self
    }

    /// Marks this failure as caused by a question that nobody answered in time.
    #[must_use]
    pub fn as_unanswered(mut self) -> Self {
        self.unanswered = true;
        self
    }

    /// Adds the details that another report of the same failure knows and this one lacks.
    pub(crate) fn completed_by(mut self, other: &Self) -> Self {
        self.reason = self.reason.or_else(|| other.reason.clone());
        self.message = self.message.or_else(|| other.message.clone());
        self.steps = self.steps.or_else(|| other.steps.clone());
        self.unanswered |= other.unanswered;
        self
    }

    /// Adds the steps that led to the failure.
    #[must_use]
    pub fn with_steps(mut self, message: Option<String>, trail: Value) -> Self {
        self.message = message;
        self.steps = Some(trail);
        self
    }
}

/// Who stopped a task, as far as the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoppedBy {
    /// This client requested it.
    Us,
    /// The provider stopped it, because nobody answered its question in time.
    Unanswered,
    /// Somebody else stopped it, or the provider's system did.
    Other,
}

impl StoppedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Us => "the task was stopped as asked",
            Self::Unanswered => {
                "the task was cancelled because nobody answered its question in time"
            }
            Self::Other => "the task was stopped by someone else",
        }
    }
}

/// Which of the two deadlines passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeLimit {
    /// The deadline for the agent's work.
    Working,
    /// The deadline for a human's answer.
    Waiting,
}

/// What is known about cancelling a task that the client stopped following.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelResult {
    /// The client did not ask the server to cancel. The task, if there is one, keeps running.
    NotRequested,
    /// The server accepted the cancel request, but the client did not see the task stop.
    Accepted,
    /// The server was asked to cancel, and the client saw the task stopped in this status.
    Confirmed(Status),
    /// The task could not be cancelled, for this reason, and keeps running as far as the client knows.
    Failed(CancelFailure),
    /// The provider cannot cancel tasks. The task keeps running.
    Unsupported,
}

impl CancelResult {
    /// Returns the name of this result in machine-readable output.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRequested => "left_running",
            Self::Accepted => "cancel_accepted",
            Self::Confirmed(_) => "cancel_confirmed",
            Self::Failed(_) => "cancel_failed",
            Self::Unsupported => "cancel_unsupported",
        }
    }
}

impl fmt::Display for CancelResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRequested => f.write_str("the task goes on"),
            Self::Accepted => f.write_str("the task was asked to stop, and was not seen to have"),
            Self::Confirmed(status) => write!(f, "the task was stopped ({status})"),
            Self::Failed(failure) => {
                write!(f, "the task was not stopped and goes on: {failure}")
            }
            Self::Unsupported => {
                f.write_str("the task goes on, since it cannot be stopped from here")
            }
        }
    }
}

/// How the following of a task ended. Nothing on the wire ends it once the id is known: see [`Task`](crate::Task).
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<O> {
    /// The task completed with this answer.
    Succeeded {
        /// The task.
        id: TaskId,
        /// The answer.
        output: O,
    },
    /// The server answered the start at once, without a task.
    Answered {
        /// The answer.
        output: O,
    },
    /// The task completed, but its answer cannot be read.
    ResultUnavailable {
        /// The task.
        id: TaskId,
        /// Why it cannot be read.
        reason: UnavailableReason,
    },
    /// The agent failed.
    Failed {
        /// The task.
        id: TaskId,
        /// What is known of the failure.
        failure: TaskFailure,
    },
    /// The task was stopped.
    Stopped {
        /// The task.
        id: TaskId,
        /// Who stopped it.
        by: StoppedBy,
        /// What is known of the reason.
        failure: TaskFailure,
    },
    /// The server refused the start request: no task exists.
    Refused(ApiError),
    /// The server never received the start request: no task exists, and starting again is safe.
    NotStarted {
        /// Why the client gave up.
        reason: NotStartedReason,
        /// How many requests were made.
        attempts: u32,
        /// Whether the same start may work later: the network failed, and nobody refused it.
        temporary: bool,
    },
    /// The server may have received the start request. It was not repeated.
    Unknown {
        /// The start request, for recovery.
        intent: IntentId,
        /// What happened to the start request.
        reason: UnknownReason,
        /// Whether a reply of the server suggests that a task was created.
        likely: bool,
    },
    /// The server refused the API key while the task was followed; the task keeps running.
    AccessLost {
        /// The task.
        id: TaskId,
        /// The server's error.
        error: ApiError,
    },
    /// The server no longer knows the task.
    Gone {
        /// The task.
        id: TaskId,
        /// The server's error.
        error: ApiError,
    },
    /// A deadline passed.
    DeadlineExceeded {
        /// The task, if it was started.
        id: Option<TaskId>,
        /// Which deadline passed.
        limit: TimeLimit,
        /// The last status seen.
        last: Option<Status>,
        /// What was done to cancel the task.
        cancel: CancelResult,
    },
    /// The application interrupted the following of the task, and the client first had to try to cancel it.
    Interrupted {
        /// The task.
        id: TaskId,
        /// The last status seen.
        last: Option<Status>,
        /// What was done to cancel the task.
        cancel: CancelResult,
    },
}

impl<O> Outcome<O> {
    /// Returns the task's id, if one is known.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Succeeded { id, .. }
            | Self::ResultUnavailable { id, .. }
            | Self::Failed { id, .. }
            | Self::Stopped { id, .. }
            | Self::AccessLost { id, .. }
            | Self::Gone { id, .. }
            | Self::Interrupted { id, .. } => Some(id),
            Self::DeadlineExceeded { id, .. } => id.as_ref(),
            Self::Answered { .. }
            | Self::Refused(_)
            | Self::NotStarted { .. }
            | Self::Unknown { .. } => None,
        }
    }

    /// Returns the name of this outcome in machine-readable output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Answered { .. } => "answered",
            Self::ResultUnavailable { .. } => "result_unavailable",
            Self::Failed { .. } => "task_failed",
            Self::Stopped { .. } => "task_stopped",
            Self::Refused(_) => "refused",
            Self::NotStarted { .. } => "not_started",
            Self::Unknown { .. } => "outcome_unknown",
            Self::AccessLost { .. } => "access_lost",
            Self::Gone { .. } => "gone",
            Self::DeadlineExceeded { .. } => "deadline",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    /// Returns the answer, or an error that says how the task ended instead.
    ///
    /// # Errors
    /// Returns an error for every outcome but [`Outcome::Succeeded`] and [`Outcome::Answered`].
    pub fn into_answer(self) -> Result<O, Error> {
        let task = self.task().cloned();
        let words = self.to_string();
        let error = match self {
            Self::Succeeded { output, .. } | Self::Answered { output } => return Ok(output),
            Self::ResultUnavailable { .. } => Error::new(ErrorKind::ResultUnavailable, words),
            Self::Failed { .. } | Self::Stopped { .. } => Error::new(ErrorKind::Task, words),
            Self::Refused(error) | Self::AccessLost { error, .. } | Self::Gone { error, .. } => {
                Error::api(error)
            }
            Self::NotStarted {
                attempts,
                temporary,
                ..
            } => {
                let kind = if temporary {
                    ErrorKind::Transport
                } else {
                    ErrorKind::Protocol
                };
                Error::new(kind, words).with_attempts(attempts)
            }
            Self::Unknown { intent, .. } => {
                Error::new(ErrorKind::OutcomeUnknown, words).into_unknown(Some(intent))
            }
            Self::DeadlineExceeded { .. } | Self::Interrupted { .. } => {
                Error::new(ErrorKind::Pending, words)
            }
        };
        Err(match task {
            Some(id) => error.with_task(id),
            None => error,
        })
    }
}

/// Writes the outcome as one line, without the answer.
impl<O> fmt::Display for Outcome<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded { .. } => f.write_str("the task completed"),
            Self::Answered { .. } => f.write_str("the agent answered at once, without a task"),
            Self::ResultUnavailable { reason, .. } => write!(
                f,
                "the task completed, but its answer cannot be read yet: {reason}"
            ),
            Self::Failed { failure, .. } => f.write_str(&describe("the task failed", failure)),
            Self::Stopped { by, failure, .. } => f.write_str(&describe(by.as_str(), failure)),
            Self::Refused(error) => write!(f, "the start was refused: {error}"),
            Self::NotStarted { reason, .. } => write!(f, "the task was not started: {reason}"),
            Self::Unknown { reason, .. } => write!(f, "the task may have started: {reason}"),
            Self::AccessLost { error, .. } => write!(f, "the key was refused: {error}"),
            Self::Gone { error, .. } => {
                write!(f, "the server no longer knows the task: {error}")
            }
            Self::DeadlineExceeded {
                id,
                limit,
                last,
                cancel,
            } => {
                f.write_str(match limit {
                    TimeLimit::Working => "the deadline passed",
                    TimeLimit::Waiting => "nobody answered in time",
                })?;
                match id {
                    Some(_) => write!(f, "; {cancel}{}", last_seen(last.as_ref(), cancel)),
                    None => f.write_str(" before the task was started"),
                }
            }
            Self::Interrupted { last, cancel, .. } => {
                let last = last_seen(last.as_ref(), cancel);
                write!(f, "interrupted; {cancel}{last}")
            }
        }
    }
}

fn last_seen(last: Option<&Status>, cancel: &CancelResult) -> String {
    match (last, cancel) {
        (None, _) | (_, CancelResult::Confirmed(_)) => String::new(),
        (Some(status), _) => format!(" (last status: {status})"),
    }
}

fn describe(what: &str, failure: &TaskFailure) -> String {
    match (&failure.message, &failure.reason) {
        (Some(message), Some(reason)) => format!("{what}: {message} ({reason})"),
        (Some(text), None) | (None, Some(text)) => format!("{what}: {text}"),
        (None, None) => what.to_owned(),
    }
}

/// Why a driver returned control although the task keeps running.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DetachReason {
    /// The agent asked a question that nobody here can answer.
    Question(Question),
    /// An answer may or may not have arrived, and the question still shows as open.
    AnswerUnconfirmed(Question),
    /// The task waits for a review that can be decided only on the provider's own pages.
    Review(Status),
    /// The caller interrupted the following of the task.
    Interrupted,
}

impl DetachReason {
    /// Returns the name of this reason in machine-readable output.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Question(_) => "question",
            Self::AnswerUnconfirmed(_) => "answer_unknown",
            Self::Review(_) => "review",
            Self::Interrupted => "interrupted",
        }
    }
}
