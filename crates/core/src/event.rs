//! What a task reports: numbered events, each repeated until it is acknowledged.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, EventSeq, MessageNo, QuestionId, TaskId};
use crate::question::{Answered, Question, WithdrawReason};
use crate::reason::{CancelFailure, FailedAttempt};
use crate::time::Timestamp;

/// A task's status in the provider's own word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The provider's own word. Only the provider interprets it.
    pub raw: Cow<'static, str>,
    /// Whether the provider's contract has this word. An unknown word is reported and never ends a task.
    pub known: bool,
    /// Since when the task has had this status, as the server wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The same by the server's clock, if it can be parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_millis: Option<Timestamp>,
    /// How long the server expects the task to work still. The next poll comes a little before, within half a minute.
    #[serde(
        default,
        with = "crate::time::stored::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_left: Option<Duration>,
}

impl Status {
    /// Creates a status that is in the contract.
    #[must_use]
    pub const fn known(raw: &'static str) -> Self {
        Self {
            raw: Cow::Borrowed(raw),
            known: true,
            since: None,
            since_millis: None,
            time_left: None,
        }
    }

    /// Creates a status that is not in the contract.
    pub fn unknown(raw: impl Into<String>) -> Self {
        Self {
            raw: Cow::Owned(raw.into()),
            known: false,
            since: None,
            since_millis: None,
            time_left: None,
        }
    }

    /// Sets since when the task has had this status: the server's text, and the time that it means.
    #[must_use]
    pub fn changed_at(mut self, text: Option<String>, at: Option<Timestamp>) -> Self {
        (self.since, self.since_millis) = (text, at);
        self
    }

    /// Returns the provider's word.
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

/// One event of a provider's stream, as it arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RawEvent {
    /// The event's sequence number in the stream.
    pub seq: Option<EventSeq>,
    /// The event's type, in the provider's own word.
    pub name: String,
    /// The complete event.
    pub data: serde_json::Value,
}

impl RawEvent {
    /// Creates an event with this name and content.
    pub fn new(seq: Option<EventSeq>, name: impl Into<String>, data: serde_json::Value) -> Self {
        Self {
            seq,
            name: name.into(),
            data,
        }
    }
}

/// A piece of an answer that arrives in pieces. The answer itself comes from a read, once the task has completed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutputPiece {
    /// Which of the task's outputs this belongs to.
    pub artifact: String,
    /// The name of that output, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the piece follows what came of this output before; otherwise it takes its place.
    pub append: bool,
    /// Whether it is the last piece, as far as the server says.
    pub last: bool,
    /// The words in this piece.
    pub text: String,
    /// The piece as the server sent it.
    pub parts: serde_json::Value,
}

impl OutputPiece {
    /// Creates a piece of words that takes the place of what came before.
    pub fn new(
        artifact: impl Into<String>,
        text: impl Into<String>,
        parts: serde_json::Value,
    ) -> Self {
        Self {
            artifact: artifact.into(),
            name: None,
            append: false,
            last: false,
            text: text.into(),
            parts,
        }
    }

    /// Sets the name of the output.
    #[must_use]
    pub fn named(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// Sets how the piece follows the earlier ones.
    #[must_use]
    pub const fn placed(mut self, append: bool, last: bool) -> Self {
        self.append = append;
        self.last = last;
        self
    }
}

/// An event with its number. It dereferences to the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NumberedEvent {
    /// The event's number, the same in every process that reports it.
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
    /// The task was created. Its id is stored before this is reported.
    Created {
        /// The task's id.
        id: TaskId,
        /// The task's status, if the reply contained one.
        status: Option<Status>,
        /// Whether an earlier request with the same idempotency key had created the task.
        replayed: bool,
    },
    /// The status changed.
    Status(Status),
    /// The agent asks a question.
    Question(Question),
    /// What an open question is about, after the question was first reported without it. The question keeps the id
    /// under which it was reported.
    Identified(Question),
    /// The question is no longer open, and no answer of ours resolved it.
    #[serde(deserialize_with = "withdrawn")]
    Withdrawn {
        /// The question.
        question: QuestionId,
        /// Why, as far as the server shows.
        reason: WithdrawReason,
    },
    /// The task is paused and no answer of ours can resolve it.
    Paused(Status),
    /// The outcome of an answer is known, or known to stay unknown.
    Answered {
        /// The question.
        question: QuestionId,
        /// The outcome of the answer.
        how: Answered,
        /// What the server or the connection reported, if the answer was not applied.
        detail: Option<String>,
    },
    /// The outcome of a message is known, or known to stay unknown.
    Sent {
        /// The message.
        message: MessageNo,
        /// The outcome of the message.
        how: Answered,
        /// What the server or the connection reported, if the message was not applied.
        detail: Option<String>,
    },
    /// The server accepted the cancel request; the task's own status still has to confirm it.
    Cancelling,
    /// The server refused to cancel; the task keeps running.
    CancelRefused(CancelFailure),
    /// A request failed and will be repeated. This is not a failure of the task.
    Retrying {
        /// Failures in a row.
        attempt: u32,
        /// What failed; displayed, it is the reason in words.
        failed: FailedAttempt,
        /// When the request is repeated.
        until: Timestamp,
    },
    /// The stream was reopened, and the events between these two were not seen.
    Gap {
        /// The last event seen before the gap.
        after: EventSeq,
        /// The first event seen after the gap.
        before: EventSeq,
    },
    /// The stream was reopened, and it numbers no events: some may be missing in between. The state of the task is known: the
    /// stream begins with it.
    PossibleGap,
    /// The status has not changed for this long, by the server's own clock: the task may be at work, or the server may
    /// have forgotten that it is. Nothing follows from this by itself.
    NoProgress {
        /// Since when, as the server wrote it.
        since: String,
        /// For how many seconds.
        seconds: u64,
    },
    /// A piece of the answer.
    Output(OutputPiece),
    /// An event arrived again with other content. The first content counts and is reported; this is reported once per
    /// connection.
    Altered {
        /// The event's sequence number.
        position: EventSeq,
    },
    /// An event says that the task is over, and no read of the task confirmed it in time: the event counts.
    Unconfirmed {
        /// The event's name.
        event: String,
        /// The status that the task still shows.
        status: Option<Status>,
    },
    /// An event from the provider's stream.
    Provider(RawEvent),
}

impl Event {
    /// Returns whether a resumed task reports this event again by itself, or nobody needs it any more: an open question
    /// is still open, the platform replays the events after the last one, and a retry concerned only its moment.
    pub(crate) const fn comes_again(&self) -> bool {
        match self {
            Self::Question(_)
            | Self::Identified(_)
            | Self::Retrying { .. }
            | Self::Gap { .. }
            | Self::PossibleGap
            | Self::NoProgress { .. }
            | Self::Output(_)
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

    /// Returns whether a process that resumes the task may report this event again: its number must be stored before it
    /// is reported.
    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self, Self::Question(_)) || !self.comes_again()
    }
}

/// Reads a withdrawn question: before reasons were stored, it was the bare id.
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
