//! The newest event that asks: whether its question is reported.
//!
//! An event may be history, replayed or read late, so its question is reported only once nothing has followed it for a
//! while and a read made after that shows the task waiting.
//! ARCHITECTURE.md draws the states; an event that shows the task at work, or asks again, ends any of them.

use crate::question::Question;
use crate::snapshot::{SavedAsked, SavedAskedState, Since};
use crate::task::questions::KnownAs;
use crate::time::Timestamp;

/// The newest event that asks, as long as no later one shows the task at work. It outlives its connection: the platform
/// does not send an acknowledged event again.
#[derive(Debug, Clone)]
pub(in crate::task) struct AskedInStream {
    pub(in crate::task) question: Question,
    /// When the event came, or this process took it up.
    since: Timestamp,
    state: AskedState,
}

/// Whether the question was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum AskedState {
    /// It may be history: something may follow it at once.
    Quiet,
    /// Nothing followed it for a while, and a read that judges it was requested.
    Confirming,
    /// It was reported because a read confirmed it.
    Told,
    /// It was reported before its event came, or before this process took the task up.
    ToldBefore,
    /// It was taken for a stand-in that was answered: it may be the next question instead.
    ToldAsStandIn,
}

/// What the last read of the status says about what the task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum LastWait {
    /// It does not wait, or an event names what for.
    Named,
    /// It waits, and no event names what for.
    Unnamed,
}

/// What changes the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum AskedChange {
    /// Nothing followed the event for a while.
    NothingFollowed,
    /// A read shows that the task waits.
    SeenWaiting,
    /// A read shows that the task works, and no answer to the question has arrived.
    SeenWorking,
    /// The task waits although the stand-in's answer should have had its effect long ago.
    AnswerWithoutEffect,
    /// Our answer was given up because a read, perhaps a stale one, showed that the task needs none.
    AnswerNotNeeded,
}

impl AskedState {
    /// Returns the next state: the one place that says so.
    fn after(self, change: AskedChange) -> Self {
        match (self, change) {
            (Self::Quiet, AskedChange::NothingFollowed) => Self::Confirming,
            (Self::Confirming, AskedChange::SeenWaiting) => Self::Told,
            // It was confirmed before, so that the next read that shows the task waiting is enough.
            (Self::Told, AskedChange::SeenWorking) => Self::Confirming,
            (Self::ToldBefore, AskedChange::SeenWorking)
            | (Self::ToldAsStandIn, AskedChange::AnswerWithoutEffect)
            | (_, AskedChange::AnswerNotNeeded) => Self::Quiet,
            (state, _) => state,
        }
    }
}

impl AskedInStream {
    /// Takes an event that asks, as what the reported questions say of it.
    pub(in crate::task) fn new(question: Question, known: KnownAs, since: Timestamp) -> Self {
        let state = match known {
            KnownAs::New => AskedState::Quiet,
            KnownAs::Told => AskedState::ToldBefore,
            KnownAs::Resolved => AskedState::ToldAsStandIn,
        };
        Self {
            question,
            since,
            state,
        }
    }

    pub(in crate::task) fn state(&self) -> AskedState {
        self.state
    }

    pub(in crate::task) fn since(&self) -> Timestamp {
        self.since
    }

    pub(in crate::task) fn change(&mut self, change: AskedChange) {
        self.state = self.state.after(change);
    }

    /// Begins again, as if the event had come now.
    pub(in crate::task) fn restart(&mut self, now: Timestamp) {
        self.change(AskedChange::AnswerNotNeeded);
        self.since = now;
    }

    /// Returns whether the question was reported.
    pub(in crate::task) fn is_told(&self) -> bool {
        match self.state {
            AskedState::Told | AskedState::ToldBefore | AskedState::ToldAsStandIn => true,
            AskedState::Quiet | AskedState::Confirming => false,
        }
    }

    /// Converts the question to its stored form.
    pub(in crate::task) fn stored(&self) -> SavedAsked {
        let Self {
            question,
            since,
            state,
        } = self;
        SavedAsked {
            question: question.clone(),
            since: *since,
            state: match state {
                AskedState::Quiet => SavedAskedState::Quiet,
                AskedState::Confirming => SavedAskedState::Confirming,
                AskedState::Told => SavedAskedState::Told,
                AskedState::ToldBefore => SavedAskedState::ToldBefore,
                AskedState::ToldAsStandIn => SavedAskedState::ToldAsStandIn,
            },
        }
    }

    pub(in crate::task) fn restore(saved: SavedAsked, time: &Since) -> Self {
        Self {
            question: saved.question,
            since: time.past(saved.since),
            state: match saved.state {
                SavedAskedState::Quiet => AskedState::Quiet,
                SavedAskedState::Confirming => AskedState::Confirming,
                SavedAskedState::Told => AskedState::Told,
                SavedAskedState::ToldBefore => AskedState::ToldBefore,
                SavedAskedState::ToldAsStandIn => AskedState::ToldAsStandIn,
            },
        }
    }
}

/// Returns the arrows of the diagram.
#[cfg(test)]
pub(in crate::task) fn arrows() -> Vec<crate::task::diagrams::Arrow> {
    let states: [fn() -> AskedState; 5] = [
        || AskedState::Quiet,
        || AskedState::Confirming,
        || AskedState::Told,
        || AskedState::ToldBefore,
        || AskedState::ToldAsStandIn,
    ];
    let changes = [
        (AskedChange::NothingFollowed, "nothing followed"),
        (AskedChange::SeenWaiting, "a read shows it waiting"),
        (AskedChange::SeenWorking, "a read shows it working"),
        (
            AskedChange::AnswerWithoutEffect,
            "waits on in spite of the answer",
        ),
        (AskedChange::AnswerNotNeeded, "its answer is not needed"),
    ];
    crate::task::diagrams::arrows(&states, &changes, AskedState::after)
}
