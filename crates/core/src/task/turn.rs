//! A conversation that is gone on with.

use crate::id::{Cursor, MessageNo};

/// One turn of a conversation that was there before: what the task showed before our message is not this turn's result.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) text: String,
    pub(super) state: TurnState,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TurnState {
    /// The task is looked at once, to know what was there before.
    Baseline,
    /// The message is being delivered.
    Sending { no: MessageNo, working: bool },
    /// Delivered; what the task shows may still be the state before it. `working`: it was at work when it was looked at
    /// last before the message, and has perhaps ended since, or takes the message up on its way.
    Unproven { cursor: Cursor, working: bool },
    /// The task has moved since: what it shows now is this turn's.
    Proven,
    /// It may or may not have arrived, and nobody looks any more.
    Lost {
        no: MessageNo,
        cursor: Cursor,
        working: bool,
    },
    /// It was not delivered: nothing of what the task shows is this turn's.
    Undelivered { why: String },
}
