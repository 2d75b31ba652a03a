//! Reasons as values: why a task waits, why something is tried again, and what a request of it is for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ReadErrorKind;
use crate::failure::Cause;
use crate::retry::AttemptError;

/// Why a task waits: printed by `-v`, and part of every wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// The schedule says when to look next.
    PollInterval,
    /// The server asked to wait this long.
    ServerDelay,
    /// A request failed; it is made again later.
    Backoff,
    /// No two status reads are closer than the floor.
    Floor,
    /// A question is open; an answer may come earlier.
    Question,
    /// A review is open that only the provider's own pages resolve.
    Review,
    /// The deadline is near.
    Deadline,
    /// The open stream tells what happens; the task is read now and then all the same.
    CrossCheck,
    /// An event may be followed by others that change what it means.
    Quiet,
    /// The open stream is listened to; after this long without a byte it is taken for dead.
    Silence,
    /// The stream is being opened; until then the task is read.
    Opening,
    /// The stream is gone and is opened again.
    Reopen,
    /// An event says that the task is over, and a read of the task is to agree.
    Confirm,
    /// The task was started just now and may not be visible yet.
    NotVisibleYet,
    /// The server says that there is no such task; several reads have to agree.
    ConfirmingGone,
    /// The attempt before may still be worked on.
    Conflict,
    /// Whether a write arrived is looked for.
    Reconcile,
    /// The task completed and its answer cannot be read yet.
    Result,
    /// The watch ends, and the time for stopping the task runs.
    Cancelling,
}

impl WaitReason {
    /// A short phrase for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PollInterval => "next look",
            Self::ServerDelay => "the server asked to wait",
            Self::Backoff => "backing off after a failure",
            Self::Floor => "keeping the shortest interval",
            Self::Question => "waiting for an answer",
            Self::Review => "waiting for a review",
            Self::Deadline => "until the deadline",
            Self::CrossCheck => "the stream tells, a look now and then",
            Self::Quiet => "seeing what follows the event",
            Self::Silence => "listening to the stream",
            Self::Opening => "the stream is being opened",
            Self::Reopen => "until the stream is opened again",
            Self::Confirm => "until a look agrees with the event",
            Self::NotVisibleYet => "the new task may not be visible yet",
            Self::ConfirmingGone => "asking again whether the task is gone",
            Self::Conflict => "the attempt before may still be worked on",
            Self::Reconcile => "looking for what became of a write",
            Self::Result => "the answer cannot be read yet",
            Self::Cancelling => "until the time for stopping the task is over",
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request is made again, or a stream opened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryReason {
    /// The exchange failed.
    Wire(Cause),
    /// The server answered with this status.
    Status(u16),
    /// The reply cannot be read.
    Unreadable(ReadErrorKind),
    /// The task completed, and its answer is not there yet.
    NotReady,
    /// The stream ended before the task did.
    StreamEnded,
    /// Nothing came on the stream for so long that it is taken for dead.
    StreamSilent,
    /// What came on the stream is too much, or cannot be read.
    StreamUnusable,
}

impl RetryReason {
    /// A word for programs; it never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Wire(_) => "wire",
            Self::Status(_) => "status",
            Self::Unreadable(_) => "unreadable",
            Self::NotReady => "not_ready",
            Self::StreamEnded => "stream_ended",
            Self::StreamSilent => "stream_silent",
            Self::StreamUnusable => "stream_unusable",
        }
    }

    pub(crate) fn of(trouble: &AttemptError) -> Self {
        match trouble {
            AttemptError::Wire(failure) => Self::Wire(failure.cause.clone()),
            AttemptError::Refused(reply) => Self::Status(reply.status().as_u16()),
            AttemptError::Unreadable(error) => Self::Unreadable(error.kind()),
        }
    }
}

/// What a request of a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestPurpose {
    /// Starts the task.
    Start,
    /// Starts it again: the attempt before did nothing, or has the same key.
    StartAgain,
    /// Looks at the status.
    Status,
    /// Reads what the task asks.
    Questions,
    /// Reads the list of events.
    Events,
    /// Reads the answer of a task that completed.
    Result,
    /// Reads why the task ended badly.
    Steps,
    /// Looks whether the question is still open, before it is answered.
    Check,
    /// Delivers an answer.
    Answer,
    /// Delivers a message.
    Message,
    /// Looks whether an answer or a message arrived.
    Reconcile,
    /// Asks the server to stop the task.
    Cancel,
    /// Opens the stream of events.
    Stream,
    /// Opens it after the last event that was taken.
    StreamAfter,
}

impl RequestPurpose {
    /// A short phrase for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start the task",
            Self::StartAgain => "start the task again",
            Self::Status => "look at the status",
            Self::Questions => "read the questions",
            Self::Events => "read the list of events",
            Self::Result => "read the answer",
            Self::Steps => "read why it ended so",
            Self::Check => "check that the question is still open",
            Self::Answer => "deliver the answer",
            Self::Message => "deliver the message",
            Self::Reconcile => "look for what became of the write",
            Self::Cancel => "ask for the task to be stopped",
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
