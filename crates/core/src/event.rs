//! What a task tells: events, numbered and repeated until taken, and the reasons of waits.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, EventSeq, MessageNo, QuestionId, TaskId};
use crate::question::{Answered, Question, WithdrawReason};
use crate::reason::RetryReason;
use crate::time::Timestamp;

/// A task's status as the provider words it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The provider's own word. Never interpreted outside the provider.
    pub raw: Cow<'static, str>,
    /// Whether the provider's contract has this word. An unknown one is told and never ends anything.
    pub known: bool,
    /// How long the server asks to wait before the next read.
    #[serde(
        default,
        with = "crate::time::stored::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub poll_hint: Option<Duration>,
}

impl Status {
    /// A status of the contract.
    #[must_use]
    pub const fn known(raw: &'static str) -> Self {
        Self {
            raw: Cow::Borrowed(raw),
            known: true,
            poll_hint: None,
        }
    }

    /// A status that the contract does not have.
    pub fn unknown(raw: impl Into<String>) -> Self {
        Self {
            raw: Cow::Owned(raw.into()),
            known: false,
            poll_hint: None,
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

/// One event of a provider's stream, as it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RawEvent {
    /// Its place in the stream.
    pub seq: Option<EventSeq>,
    /// Its type, the provider's own word.
    pub name: String,
    /// The whole of it.
    pub data: serde_json::Value,
}

impl RawEvent {
    /// An event of this name and content.
    pub fn new(
        position: Option<EventSeq>,
        name: impl Into<String>,
        data: serde_json::Value,
    ) -> Self {
        Self {
            seq: position,
            name: name.into(),
            data,
        }
    }
}

/// An event with its number, as a followed task tells it. It dereferences to the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NumberedEvent {
    /// Its number, the same in every process that tells it.
    pub id: EventId,
    /// What happened.
    pub event: Event,
}

impl NumberedEvent {
    /// Builds an event with its number.
    #[must_use]
    pub fn new(id: EventId, event: Event) -> Self {
        Self { id, event }
    }
}

impl Deref for NumberedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The task exists. The id is stored before this is told.
    Created {
        /// Its id.
        id: TaskId,
        /// Its status, when the reply had one.
        status: Option<Status>,
        /// Whether it had been started before under the same idempotency key.
        replayed: bool,
    },
    /// The status changed.
    Status(Status),
    /// The agent asks.
    Question(Question),
    /// What an open question is about, which was told before that was known. Its id stays the one that it was told
    /// under.
    Identified(Question),
    /// The question is no longer open, and not by an answer of ours.
    #[serde(deserialize_with = "withdrawn")]
    Withdrawn {
        /// The question.
        question: QuestionId,
        /// Why, as far as anything shows.
        reason: WithdrawReason,
    },
    /// The task is paused and no answer of ours can resolve it.
    Paused(Status),
    /// An answer's fate is known, or known to be unknown.
    Answered {
        /// The question.
        question: QuestionId,
        /// What became of the answer.
        how: Answered,
        /// The server's or the wire's words, when it was not applied.
        detail: Option<String>,
    },
    /// A message's fate is known, or known to be unknown.
    Sent {
        /// The message.
        message: MessageNo,
        /// What became of it.
        how: Answered,
        /// The server's or the wire's words, when it was not applied.
        detail: Option<String>,
    },
    /// The server took the request to cancel; the task's own status still has to say so.
    Cancelling,
    /// The server refused to cancel; the task goes on.
    CancelRefused(String),
    /// A request failed and is made again. Not the task's failure.
    Retrying {
        /// Failures in a row.
        attempt: u32,
        /// Why.
        reason: RetryReason,
        /// The same in words.
        why: String,
        /// When it is made again.
        until: Timestamp,
    },
    /// The stream was reopened and events between these positions were not seen.
    Gap {
        /// The last position seen before.
        after: EventSeq,
        /// The first position seen after.
        before: EventSeq,
    },
    /// An event came again with other content. The first one stands, and is told; this is told once for each connection.
    Altered {
        /// Its place in the stream.
        position: EventSeq,
    },
    /// An event says that the task is over, and no read of the task agreed in time: the event stands.
    Unconfirmed {
        /// The event's name.
        event: String,
        /// The status that the task still reads.
        status: Option<Status>,
    },
    /// An event of the provider's stream.
    Provider(RawEvent),
}

impl Event {
    /// Whether a task that goes on from a snapshot finds it again by itself, or nobody needs it any more: an open question
    /// is open, the platform's events follow the position, and a repetition was of its moment.
    pub(crate) const fn comes_again(&self) -> bool {
        match self {
            Self::Question(_)
            | Self::Identified(_)
            | Self::Retrying { .. }
            | Self::Gap { .. }
            | Self::Altered { .. }
            | Self::Unconfirmed { .. }
            | Self::Provider(_) => true,
            Self::Created { .. }
            | Self::Status(_)
            | Self::Withdrawn { .. }
            | Self::Paused(_)
            | Self::Answered { .. }
            | Self::Sent { .. }
            | Self::Cancelling
            | Self::CancelRefused(_) => false,
        }
    }

    /// Whether a process that goes on may tell it again: its number has to be stored before it is told.
    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self, Self::Question(_)) || !self.comes_again()
    }
}

/// Reads a question that was withdrawn: before there were reasons, its bare id.
fn withdrawn<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<(QuestionId, WithdrawReason), D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Known {
            question: QuestionId,
            reason: WithdrawReason,
        },
        Bare(QuestionId),
    }
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Known { question, reason } => (question, reason),
        Stored::Bare(question) => (question, WithdrawReason::TaskMovedOn),
    })
}
