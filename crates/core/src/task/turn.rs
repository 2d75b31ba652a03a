//! The turn region: continuing an existing conversation.

use crate::id::{Cursor, MessageNo};

/// One turn of an existing conversation: what the task showed before our message is not this turn's result.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) text: String,
    pub(super) state: TurnState,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TurnState {
    /// The task is read once, to know its state before the message.
    Baseline,
    /// The message is being sent.
    Sending { no: MessageNo, working: bool },
    /// The message arrived; the task may still show the state before it. `working`: the task was at work in the last
    /// read before the message, and may have ended since, or take the message up while it works.
    Unproven { cursor: Cursor, working: bool },
    /// The task has moved on since the message: what it shows now belongs to this turn.
    Proven,
    /// The message may or may not have arrived, and nothing more is read.
    Lost {
        no: MessageNo,
        cursor: Cursor,
        working: bool,
    },
    /// The message did not arrive: nothing that the task shows belongs to this turn.
    Undelivered { detail: Option<String> },
}
