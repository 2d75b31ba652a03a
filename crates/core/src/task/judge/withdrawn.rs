//! Why a question is no longer open, according to the conversation.

use crate::budget::OriginBudget;
use crate::provider::{PollResult, Provider, ReadKind};
use crate::question::{Question, WithdrawReason};
use crate::retry::AttemptError;
use crate::task::{StatusFreshness, Task};

use super::access_lost;

impl<P: Provider> Task<P> {
    /// Returns whether a poll result says that the task no longer waits for a human's answer while the conversation can
    /// say why. The conversation is then read once before that is reported.
    pub(super) fn wants_conversation(&self, result: &PollResult<P::Output>) -> bool {
        let has_moved = matches!(result, PollResult::Pending(_)) || result.is_over();
        // The conversation does not show whether a message that we sent was sent by us.
        let is_ours = self.freshness != StatusFreshness::Current || !self.writes.is_empty();
        !P::CAPABILITIES.events
            && has_moved
            && !is_ours
            && self.detaching.is_none()
            && self.questions.is_asking_in_words()
    }

    /// Reads from the conversation, after the task stopped waiting, whether somebody else answered.
    pub(super) fn tell_who_answered(&mut self, result: &PollResult<P::Output>) {
        let (shown, newest) = match result {
            PollResult::Asking(shown) => {
                let users = shown.iter().filter_map(|shown| shown.users_before);
                (shown.as_slice(), users.max())
            }
            PollResult::NotAsking => (&[][..], None),
            _ => return,
        };
        let is_shown = |asked: &Question| shown.iter().any(|shown| shown.id == asked.id);
        let reason = |asked: &Question| match is_shown(asked) {
            true => WithdrawReason::TaskMovedOn,
            false => by_conversation(asked, newest, false),
        };
        self.questions.withdraw(reason, &mut self.events);
    }

    /// Applies a poll result that waited for the conversation.
    pub(super) fn apply_moved(&mut self, moved: PollResult<P::Output>) {
        self.apply(moved);
        if self.detaching.is_some() {
            self.detach_once_confirmed();
        }
    }

    /// Handles a failed read, and lets a poll result continue that waited for the conversation.
    pub(super) fn poll_showed_nothing(
        &mut self,
        read: &ReadKind,
        moved: Option<PollResult<P::Output>>,
        error: &AttemptError,
        budget: &OriginBudget,
    ) {
        match moved {
            Some(moved) if access_lost(error).is_none() => self.apply_moved(moved),
            _ => self.poll_failed(read, error, budget),
        }
    }
}

/// Returns why a conversation no longer shows a question: the next question follows `users` messages of users; where
/// nothing is asked, a user spoke last. That may have been `ours`.
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
