//! Why an outcome is what it is, as values: programs match on them, and [`Display`](fmt::Display) says them in words.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CancelResult;
use crate::event::Status;
use crate::id::TaskId;
use crate::reason::FailedAttempt;

/// Why it is unknown whether a start was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnknownReason {
    /// The server may have received the start although this attempt failed.
    Attempt(FailedAttempt),
    /// The deadline passed before the reply to the start came.
    Deadline {
        /// How the exchange failed, if it was not dropped.
        last: Option<FailedAttempt>,
    },
    /// The idempotency key of the start is too old to be sent again.
    KeyTooOld {
        /// For how many hours a key is taken to be remembered.
        hours: u64,
    },
    /// The process ended before the reply to the start came.
    ProcessEnded,
    /// The reply to the start was lost, and no task of it was listed for so long.
    NotListed {
        /// How the exchange failed; `None` if its process ended.
        last: Option<FailedAttempt>,
        /// For how many seconds the client looked.
        seconds: u64,
    },
    /// The server made several tasks of the start: none of them is adopted.
    SeveralTasks {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// It is unknown whether the message that began a turn arrived.
    Message(LostMessage),
}

impl UnknownReason {
    /// Returns whether the deadline for the agent's work passed.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        match self {
            Self::Deadline { .. } => true,
            Self::Message(lost) => lost.is_deadline,
            Self::Attempt(_)
            | Self::KeyTooOld { .. }
            | Self::ProcessEnded
            | Self::NotListed { .. }
            | Self::SeveralTasks { .. } => false,
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt(failed) | Self::Deadline { last: Some(failed) } => failed.fmt(f),
            Self::Deadline { last: None } => {
                f.write_str("the deadline passed before the reply came")
            }
            Self::KeyTooOld { hours } => write!(
                f,
                "its idempotency key is older than {hours} hours, so the server may have forgotten it"
            ),
            Self::ProcessEnded => {
                f.write_str("the process ended before the reply to the start came")
            }
            Self::NotListed { last, seconds } => {
                match last {
                    Some(failed) => failed.fmt(f)?,
                    None => Self::ProcessEnded.fmt(f)?,
                }
                write!(f, "; no task of it was listed within {seconds} s")
            }
            Self::SeveralTasks { tasks } => {
                let tasks: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
                let tasks = tasks.join(", ");
                write!(
                    f,
                    "the server made several tasks of this one start: {tasks}"
                )
            }
            Self::Message(lost) => lost.fmt(f),
        }
    }
}

/// What is known of a message that may or may not have arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LostMessage {
    /// What happened to its request; `None` if its reply was lost.
    pub detail: Option<String>,
    /// Whether the deadline for the agent's work passed.
    pub is_deadline: bool,
    /// What was done to cancel the task, if the client was detaching.
    pub cancel: Option<CancelResult>,
}

impl fmt::Display for LostMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = "the reply to the message was lost";
        f.write_str(self.detail.as_deref().unwrap_or(lost))?;
        match &self.cancel {
            Some(cancel) => write!(f, "; {cancel}"),
            None => Ok(()),
        }
    }
}

/// Why a task was not started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NotStartedReason {
    /// The start was cancelled before it was sent.
    Cancelled,
    /// The last attempt failed in a way that another one would not change.
    Attempt(FailedAttempt),
    /// The last attempt failed, and there are no more.
    Exhausted {
        /// The last attempt.
        last: FailedAttempt,
        /// How long the server asked to wait, if it did.
        retry_after: Option<Duration>,
    },
    /// The message that was to begin a turn did not arrive.
    Message {
        /// What happened to its request; `None` if the task takes no message.
        detail: Option<String>,
    },
}

impl fmt::Display for NotStartedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("it was cancelled before it was sent"),
            Self::Attempt(failed) => failed.fmt(f),
            Self::Exhausted { last, retry_after } => {
                last.fmt(f)?;
                match retry_after {
                    Some(asked) => write!(f, "; it asks to wait {} s", asked.as_secs()),
                    None => Ok(()),
                }
            }
            Self::Message { detail } => {
                let none = "the task takes no message any more";
                f.write_str(detail.as_deref().unwrap_or(none))
            }
        }
    }
}

/// Why the answer of a completed task cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnavailableReason {
    /// The last attempt to read it failed.
    Attempt(FailedAttempt),
    /// The server still shows an earlier state of the task.
    StillEarlier,
    /// The deadline passed before it could be read.
    Deadline,
    /// The message of a turn arrived, and the task has shown nothing new since.
    NothingNew,
    /// Only an event says that the task completed, and it does not carry the answer.
    Unconfirmed {
        /// The name of the event.
        event: String,
        /// The status that the task's own read shows; `None` if the read failed.
        status: Option<Status>,
        /// For how long the client tried to confirm the event.
        patience: Duration,
    },
    /// The request that reads it cannot be built.
    Unbuildable(String),
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt(failed) => failed.fmt(f),
            Self::StillEarlier => f.write_str("the server still shows an earlier state"),
            Self::Deadline => f.write_str("the deadline passed before it could be read"),
            Self::NothingNew => {
                f.write_str("the message arrived, and the task has shown nothing new since")
            }
            Self::Unconfirmed {
                event,
                status,
                patience,
            } => {
                f.write_str("its own read ")?;
                match status {
                    Some(status) => write!(f, "still says {status}")?,
                    None => f.write_str("failed for")?,
                }
                write!(f, " {} s after the event {event}", patience.as_secs())
            }
            Self::Unbuildable(error) => f.write_str(error),
        }
    }
}
