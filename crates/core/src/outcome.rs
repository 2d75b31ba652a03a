//! How a task's watch ends.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ApiError, Error, ErrorKind, ReadError};
use crate::event::Status;
use crate::id::{IntentId, TaskId};
use crate::question::Question;
use crate::snapshot::Snapshot;

/// The answer of a completed task, alike for every provider.
pub trait Output {
    /// The answer in words, when it has any.
    fn text(&self) -> Option<String>;

    /// The structured answer, when there is one.
    fn json(&self) -> Option<&Value>;

    /// Everything the server sent.
    fn raw(&self) -> &Value;

    /// Whether some of its text was lost on its way: U+FFFD stands where it was.
    fn is_damaged(&self) -> bool {
        is_damaged(self.raw())
    }

    /// The structured answer as the caller's own type; the answer's text is read as JSON when there is no other.
    ///
    /// # Errors
    /// When there is no structured answer, or it has another shape.
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

/// Why the agent failed, as far as the provider tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskFailure {
    /// The status word.
    pub status: Status,
    /// The provider's own code of the reason, when it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A line for people, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether nobody answered a question in time, which the provider takes for an end.
    #[serde(default)]
    pub unanswered: bool,
    /// The steps that led to it, when they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Value>,
}

impl TaskFailure {
    /// A failure of this status, nothing else known.
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

    /// The same with the provider's code of the reason and a line for people.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<String>, message: Option<String>) -> Self {
        self.reason = reason;
        self.message = message;
        self
    }

    /// The same, ended because nobody answered in time.
    #[must_use]
    pub fn as_unanswered(mut self) -> Self {
        self.unanswered = true;
        self
    }

    /// The same with what another account of the same end knows besides.
    pub(crate) fn completed_by(mut self, other: &Self) -> Self {
        self.reason = self.reason.or_else(|| other.reason.clone());
        self.message = self.message.or_else(|| other.message.clone());
        self.steps = self.steps.or_else(|| other.steps.clone());
        self.unanswered |= other.unanswered;
        self
    }

    /// The same with what the trail tells.
    #[must_use]
    pub fn with_steps(mut self, message: Option<String>, trail: Value) -> Self {
        self.message = message;
        self.steps = Some(trail);
        self
    }
}

/// Who stopped a task, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoppedBy {
    /// This task asked for it.
    Us,
    /// The provider, because nobody answered its question in time.
    Unanswered,
    /// Somebody else, or the provider's system.
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

/// Which of the two clocks ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeLimit {
    /// The agent's.
    Working,
    /// The human's.
    Waiting,
}

/// What is known of the fate of a task whose watch ended before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelResult {
    /// Nothing was asked of the server. The task, if there is one, goes on.
    NotRequested,
    /// The server took the request to cancel. The task was not seen to stop.
    Accepted,
    /// The task was asked to stop, and was seen to have stopped, in this status.
    Confirmed(Status),
    /// It was to be cancelled, and this is why it was not, as far as we know. The task goes on.
    Failed(String),
    /// It was to be cancelled, which the provider cannot do. The task goes on.
    Unsupported,
}

impl CancelResult {
    /// The name of this fate in machine-readable output.
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
            Self::Failed(why) => {
                write!(f, "the task was not stopped and goes on: {why}")
            }
            Self::Unsupported => {
                f.write_str("the task goes on, since it cannot be stopped from here")
            }
        }
    }
}

/// How a watch ended. Nothing on the wire ends one once the id is known: see the crate's documentation for the table.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<O> {
    /// The task completed, and this is its answer.
    Succeeded {
        /// The task.
        id: TaskId,
        /// The answer.
        output: O,
    },
    /// The task completed and its answer cannot be read.
    ResultUnavailable {
        /// The task.
        id: TaskId,
        /// The last try's error.
        why: String,
    },
    /// The agent failed.
    Failed {
        /// The task.
        id: TaskId,
        /// What is known of it.
        failure: TaskFailure,
    },
    /// The task was stopped.
    Stopped {
        /// The task.
        id: TaskId,
        /// By whom.
        by: StoppedBy,
        /// What is known of it.
        failure: TaskFailure,
    },
    /// The server refused the start: no task exists.
    Refused(ApiError),
    /// The start was never received: no task exists, trying again is safe.
    NotStarted {
        /// Why it was given up.
        why: String,
        /// Requests made.
        attempts: u32,
        /// Whether the same start may work later: the network's trouble, not a decision.
        temporary: bool,
    },
    /// The start may have been received. It was not repeated.
    Unknown {
        /// The start, for reconciling.
        intent: IntentId,
        /// What happened to it.
        why: String,
        /// Whether the server said that it did something.
        likely: bool,
    },
    /// The key was refused in the middle; the task goes on.
    AccessLost {
        /// The task.
        id: TaskId,
        /// The refusal.
        error: ApiError,
    },
    /// The server no longer knows the task.
    Gone {
        /// The task.
        id: TaskId,
        /// The refusal.
        error: ApiError,
    },
    /// A deadline passed.
    DeadlineExceeded {
        /// The task, when it had started.
        id: Option<TaskId>,
        /// Which clock ran out.
        limit: TimeLimit,
        /// The last status seen.
        last: Option<Status>,
        /// What was done about the task.
        cancel: CancelResult,
    },
    /// The application interrupted the watch, and something was to be done about the task first.
    Interrupted {
        /// The task.
        id: TaskId,
        /// The last status seen.
        last: Option<Status>,
        /// What was done about it.
        cancel: CancelResult,
    },
}

impl<O> Outcome<O> {
    /// The task, when one is known.
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
            Self::Refused(_) | Self::NotStarted { .. } | Self::Unknown { .. } => None,
        }
    }

    /// The name of this end in machine-readable output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
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

    /// The answer, or an error that says how the task ended instead.
    ///
    /// # Errors
    /// Every end but [`Outcome::Succeeded`].
    pub fn into_answer(self) -> Result<O, Error> {
        let task = self.task().cloned();
        let words = self.to_string();
        let error = match self {
            Self::Succeeded { output, .. } => return Ok(output),
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

/// The reason of the end, in a line without the answer.
impl<O> fmt::Display for Outcome<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded { .. } => f.write_str("the task completed"),
            Self::ResultUnavailable { why, .. } => write!(
                f,
                "the task completed, but its answer cannot be read yet: {why}"
            ),
            Self::Failed { failure: fault, .. } => f.write_str(&describe("the task failed", fault)),
            Self::Stopped {
                by, failure: fault, ..
            } => f.write_str(&describe(by.as_str(), fault)),
            Self::Refused(error) => write!(f, "the start was refused: {error}"),
            Self::NotStarted { why, .. } => write!(f, "the task was not started: {why}"),
            Self::Unknown { why, .. } => write!(f, "the task may have started: {why}"),
            Self::AccessLost { error, .. } => write!(f, "the key was refused: {error}"),
            Self::Gone { error, .. } => {
                write!(f, "the server no longer knows the task: {error}")
            }
            Self::DeadlineExceeded {
                id,
                limit: clock,
                last,
                cancel: abandoned,
            } => {
                f.write_str(match clock {
                    TimeLimit::Working => "the deadline passed",
                    TimeLimit::Waiting => "nobody answered in time",
                })?;
                match id {
                    Some(_) => write!(f, "; {abandoned}{}", last_seen(last.as_ref(), abandoned)),
                    None => f.write_str(" before the task was started"),
                }
            }
            Self::Interrupted {
                last,
                cancel: abandoned,
                ..
            } => {
                let last = last_seen(last.as_ref(), abandoned);
                write!(f, "interrupted; {abandoned}{last}")
            }
        }
    }
}

fn last_seen(last: Option<&Status>, abandoned: &CancelResult) -> String {
    match (last, abandoned) {
        (None, _) | (_, CancelResult::Confirmed(_)) => String::new(),
        (Some(status), _) => format!(" (last status: {status})"),
    }
}

fn describe(what: &str, fault: &TaskFailure) -> String {
    match (&fault.message, &fault.reason) {
        (Some(message), Some(reason)) => format!("{what}: {message} ({reason})"),
        (Some(text), None) | (None, Some(text)) => format!("{what}: {text}"),
        (None, None) => what.to_owned(),
    }
}

/// Why a driver handed control back although the task goes on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DetachReason {
    /// A question nobody here can answer.
    Question(Question),
    /// An answer that may or may not have arrived; the question still shows.
    AnswerUnconfirmed(Question),
    /// A review that only the provider's own pages resolve.
    Review(Status),
    /// The caller interrupted the watch.
    Interrupted,
}

impl DetachReason {
    /// The name of this reason in machine-readable output.
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

/// Control handed back; unless it was stopped, the task goes on, and the snapshot leads back to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Detached {
    /// The task.
    pub id: TaskId,
    /// Why.
    pub reason: DetachReason,
    /// What was done about the task.
    pub cancel: CancelResult,
    /// Where to resume, here or in another process.
    pub snapshot: Snapshot,
}

impl Detached {
    /// Control handed back at this point.
    #[must_use]
    pub fn new(id: TaskId, why: DetachReason, snapshot: Snapshot) -> Self {
        Self {
            id,
            reason: why,
            cancel: CancelResult::NotRequested,
            snapshot,
        }
    }

    /// The same, with something done about the task.
    #[must_use]
    pub fn with_cancel(mut self, abandoned: CancelResult) -> Self {
        self.cancel = abandoned;
        self
    }
}

/// What a driver returns: the task's end, or control handed back.
#[derive(Debug)]
pub enum RunResult<O> {
    /// The watch is over.
    Ended(Outcome<O>),
    /// The task goes on without us.
    Detached(Box<Detached>),
}

impl<O> RunResult<O> {
    /// The answer, or an error that says what happened instead.
    ///
    /// # Errors
    /// Every end but a success.
    pub fn into_answer(self) -> Result<O, Error> {
        match self {
            Self::Ended(outcome) => outcome.into_answer(),
            Self::Detached(left) => {
                let text = match &left.reason {
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
                    DetachReason::Interrupted => format!("interrupted; {}", left.cancel),
                };
                let kind = match &left.reason {
                    DetachReason::AnswerUnconfirmed(_) => ErrorKind::OutcomeUnknown,
                    _ => ErrorKind::Pending,
                };
                Err(Error::new(kind, text).with_task(left.id))
            }
        }
    }

    /// The outcome, when the watch is over.
    pub fn outcome(&self) -> Option<&Outcome<O>> {
        match self {
            Self::Ended(outcome) => Some(outcome),
            Self::Detached(_) => None,
        }
    }
}
