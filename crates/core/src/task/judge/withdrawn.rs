//! Why a question is open no more: what the conversation tells of it.

use crate::provider::{Look, Provider, Reading};
use crate::question::{Question, WithdrawReason};
use crate::retry::Trouble;
use crate::shared::Shared;
use crate::task::{Lag, Task};

use super::access_lost;

impl<P: Provider> Task<P> {
    /// Whether a reading says that the task does not wait any more for what a human was asked, and the conversation tells
    /// why. It is read once before that is told.
    pub(super) fn wants_conversation(&self, reading: &Reading<P::Output>) -> bool {
        let has_moved = matches!(reading, Reading::Pending(_)) || reading.is_over();
        // Of what was said from here the conversation does not tell that it was said elsewhere.
        let is_ours = self.lag != Lag::None || !self.deliveries.is_empty();
        !P::CAPABILITIES.events
            && has_moved
            && !is_ours
            && self.leaving.is_none()
            && self.asks.is_asking_in_words()
    }

    /// The conversation, read after the task was seen to wait no more: whether somebody else answered.
    pub(super) fn tell_who_answered(&mut self, reading: &Reading<P::Output>) {
        let (shown, newest) = match reading {
            Reading::Asking(shown) => {
                let users = shown.iter().filter_map(|shown| shown.users_before);
                (shown.as_slice(), users.max())
            }
            Reading::NotAsking => (&[][..], None),
            _ => return,
        };
        let is_shown = |asked: &Question| shown.iter().any(|shown| shown.id == asked.id);
        let reason = |asked: &Question| match is_shown(asked) {
            true => WithdrawReason::TaskMovedOn,
            false => by_conversation(asked, newest, false),
        };
        self.asks.withdraw(reason, &mut self.events);
    }

    /// A reading that waited for the conversation.
    pub(super) fn apply_moved(&mut self, moved: Reading<P::Output>) {
        self.apply(moved);
        if self.leaving.is_some() {
            self.leave_once_seen();
        }
    }

    /// A look failed. What waited for the conversation waits no longer.
    pub(super) fn look_showed_nothing(
        &mut self,
        look: &Look,
        moved: Option<Reading<P::Output>>,
        trouble: &Trouble,
        shared: &mut Shared,
    ) {
        match moved {
            Some(moved) if access_lost(trouble).is_none() => self.apply_moved(moved),
            _ => self.look_failed(look, trouble, shared),
        }
    }
}

/// Why a conversation shows a question no more: what is asked instead is asked behind `users` of theirs; where nothing is
/// asked, a user spoke last. That may have been `ours`.
pub(super) fn by_conversation(
    question: &Question,
    users: Option<u64>,
    ours: bool,
) -> WithdrawReason {
    match (question.users_before, users) {
        (None, _) => WithdrawReason::TaskMovedOn,
        (Some(before), Some(users)) if users == before => WithdrawReason::Superseded,
        (Some(before), Some(users)) if users < before => WithdrawReason::TaskMovedOn,
        (Some(_), _) if ours => WithdrawReason::TaskMovedOn,
        (Some(_), _) => WithdrawReason::AnsweredElsewhere,
    }
}
