//! Reasons as values: why a task waits, why something is tried again, and what a request of it is for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorClass, ReadErrorKind};
use crate::failure::Cause;

/// Why a task waits. `-v` prints it, and every wait has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// The polling schedule sets the time of the next poll.
    PollInterval,
    /// The server asked to wait this long.
    ServerDelay,
    /// A request failed and will be repeated later.
    Backoff,
    /// The server refused requests for being too many, and this one waits for its turn.
    Rate,
    /// Two status reads must not be closer than the shortest interval.
    Floor,
    /// A question is open; an answer may come earlier.
    Question,
    /// A review is open that only the provider's own pages resolve.
    Review,
    /// The deadline is near.
    Deadline,
    /// The open stream reports what happens; the client still polls now and then to cross-check it.
    CrossCheck,
    /// Further events may change what the last event means.
    Quiet,
    /// The client reads the open stream; after this long without a byte the connection counts as dead.
    Silence,
    /// The stream is being opened; until then the client polls.
    Opening,
    /// The stream was lost and will be opened again.
    Reopen,
    /// An event says that the task is over, and a read of the task must confirm it.
    Confirm,
    /// The task was only just created and may not be visible yet.
    NotVisibleYet,
    /// The server says that the task does not exist; several reads have to agree.
    ConfirmingGone,
    /// The server may still be processing the previous attempt.
    Conflict,
    /// The reply to the start was lost, and the client looks for its task.
    Locate,
    /// The client finds out whether a write arrived.
    Reconcile,
    /// The task completed and its answer cannot be read yet.
    Result,
    /// The client is detaching and gives the task this long to stop.
    Cancelling,
}

impl WaitReason {
    /// Returns a short phrase for people to read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PollInterval => "next poll",
            Self::ServerDelay => "the server asked the client to wait",
            Self::Backoff => "backing off after a failure",
            Self::Rate => "waiting for its turn: the server limits the rate",
            Self::Floor => "minimum polling interval",
            Self::Question => "waiting for an answer",
            Self::Review => "waiting for a review",
            Self::Deadline => "waiting for the deadline",
            Self::CrossCheck => "following the stream, polling now and then",
            Self::Quiet => "waiting for events that may follow",
            Self::Silence => "reading the stream",
            Self::Opening => "opening the stream",
            Self::Reopen => "waiting to reopen the stream",
            Self::Confirm => "polling until a read confirms the event",
            Self::NotVisibleYet => "the new task may not be visible yet",
            Self::ConfirmingGone => "confirming that the task is gone",
            Self::Conflict => "the server may still be processing the previous attempt",
            Self::Locate => "looking for the task of the start",
            Self::Reconcile => "checking whether a write arrived",
            Self::Result => "the result cannot be read yet",
            Self::Cancelling => "waiting for the task to stop",
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request is repeated, or a stream opened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryReason {
    /// The exchange failed.
    Wire(Cause),
    /// The server answered with this status.
    Status(u16),
    /// The server answered with an error of this class in a reply with a 2xx status.
    Refused(ErrorClass),
    /// The reply cannot be read.
    Unreadable(ReadErrorKind),
    /// The task completed, but its answer is not available yet.
    NotReady,
    /// The stream ended before the task did.
    StreamEnded,
    /// The stream was silent for so long that the connection counts as dead.
    StreamSilent,
    /// What came on the stream is too large, or cannot be read.
    StreamUnusable,
}

impl RetryReason {
    /// Returns a word for programs; it never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Wire(_) => "wire",
            Self::Status(_) => "status",
            Self::Refused(_) => "refused",
            Self::Unreadable(_) => "unreadable",
            Self::NotReady => "not_ready",
            Self::StreamEnded => "stream_ended",
            Self::StreamSilent => "stream_silent",
            Self::StreamUnusable => "stream_unusable",
        }
    }
}

/// An attempt that failed, without the reply that it may have brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// What went wrong.
    pub reason: RetryReason,
    /// The words of the server, or of the library that made the exchange.
    pub detail: String,
}

impl FailedAttempt {
    /// Creates the record of an attempt that failed for this reason.
    pub fn new(reason: RetryReason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { reason, detail }
    }
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Why a task could not be cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelFailure {
    /// The server rejected the cancel request, or the last attempt failed.
    Attempt(FailedAttempt),
    /// No reply to the cancel request came in time.
    NoReply,
    /// The cancel request could not be sent in time.
    NotSent,
    /// The cancel request cannot be built.
    Unbuildable(String),
}

impl fmt::Display for CancelFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempt(failed) => failed.fmt(f),
            Self::NoReply => f.write_str("no reply to the cancel came in time"),
            Self::NotSent => f.write_str("the cancel could not be sent in time"),
            Self::Unbuildable(error) => f.write_str(error),
        }
    }
}

/// What a request of a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestPurpose {
    /// Starts the task.
    Start,
    /// Starts the task again: the previous attempt did nothing, or has the same key.
    StartAgain,
    /// Looks for the task of a start whose reply was lost.
    Locate,
    /// Polls the status.
    Status,
    /// Reads the questions that the agent asks.
    Questions,
    /// Reads the list of events.
    Events,
    /// Reads the answer of a task that completed.
    Result,
    /// Reads why the task failed or was stopped.
    Steps,
    /// Checks that the question is still open, before it is answered.
    Check,
    /// Sends an answer.
    Answer,
    /// Sends a message.
    Message,
    /// Checks whether an answer or a message arrived.
    Reconcile,
    /// Asks the server to cancel the task.
    Cancel,
    /// Opens the stream of events.
    Stream,
    /// Opens the stream of events after the last event that was acknowledged.
    StreamAfter,
}

impl RequestPurpose {
    /// Returns a short phrase for people to read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start the task",
            Self::StartAgain => "start the task again",
            Self::Locate => "look for the task of the start",
            Self::Status => "poll the status",
            Self::Questions => "read the questions",
            Self::Events => "read the list of events",
            Self::Result => "read the result",
            Self::Steps => "read why the task ended",
            Self::Check => "check that the question is still open",
            Self::Answer => "send the answer",
            Self::Message => "send the message",
            Self::Reconcile => "check whether the write arrived",
            Self::Cancel => "cancel the task",
            Self::Stream => "open the stream",
            Self::StreamAfter => "open the stream after the last event",
        }
    }
}

impl fmt::Display for RequestPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
