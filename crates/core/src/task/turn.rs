//! The turn region: continuing an existing conversation. ARCHITECTURE.md draws the states.

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

/// What changes the state of a turn.
#[derive(Debug, Clone)]
pub(super) enum TurnChange {
    /// The task was read, and the message is queued under this number.
    Queued { no: MessageNo, working: bool },
    /// The message arrived; `Cursor` is where the conversation stood before.
    Applied(Cursor),
    /// Nobody knows whether the message arrived.
    Lost(Cursor),
    /// The message did not arrive.
    NotApplied(Option<String>),
    /// What the task shows is about the message.
    Shown,
    /// The task stopped as requested, whether the message arrived or not.
    Stopped,
}

impl TurnState {
    /// Returns the next state: the one place that says so.
    fn after(self, change: TurnChange) -> Self {
        match (self, change) {
            (Self::Baseline, TurnChange::Queued { no, working }) => Self::Sending { no, working },
            (Self::Sending { working, .. }, TurnChange::Applied(cursor)) => {
                Self::Unproven { cursor, working }
            }
            (Self::Sending { no, working }, TurnChange::Lost(cursor)) => Self::Lost {
                no,
                cursor,
                working,
            },
            (Self::Sending { .. }, TurnChange::NotApplied(detail)) => Self::Undelivered { detail },
            (Self::Unproven { .. }, TurnChange::Shown)
            | (Self::Sending { .. }, TurnChange::Stopped) => Self::Proven,
            (state, _) => state,
        }
    }
}

impl Turn {
    pub(super) fn change(&mut self, change: TurnChange) {
        let state = std::mem::replace(&mut self.state, TurnState::Baseline);
        self.state = state.after(change);
    }
}

/// Returns the arrows of the diagram.
#[cfg(test)]
pub(super) fn arrows() -> Vec<super::diagrams::Arrow> {
    const SENDING: TurnState = TurnState::Sending {
        no: MessageNo(1),
        working: false,
    };
    let states: [fn() -> TurnState; 6] = [
        || TurnState::Baseline,
        || SENDING,
        || SENDING.after(TurnChange::Applied(Cursor::new(""))),
        || TurnState::Proven,
        || SENDING.after(TurnChange::Lost(Cursor::new(""))),
        || TurnState::Undelivered { detail: None },
    ];
    let changes = [
        (
            TurnChange::Queued {
                no: MessageNo(1),
                working: false,
            },
            "the task is read",
        ),
        (TurnChange::Applied(Cursor::new("")), "the message arrived"),
        (TurnChange::Lost(Cursor::new("")), "it may have arrived"),
        (TurnChange::NotApplied(None), "it did not arrive"),
        (TurnChange::Shown, "the task shows this turn"),
        (TurnChange::Stopped, "the task stopped as requested"),
    ];
    super::diagrams::arrows(&states, &changes, TurnState::after)
}
