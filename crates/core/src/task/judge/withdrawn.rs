//! Why a question is no longer open, according to the conversation.

use crate::budget::OriginBudget;
use crate::provider::{PollResult, Provider};
use crate::question::{Question, WithdrawReason};
use crate::retry::AttemptError;

use crate::task::follow::{Cx, Follow, StatusFreshness};
use crate::task::link::Read;
use crate::task::phase::Move;

use super::access_lost;

impl<P: Provider> Follow<P> {
    /// Returns whether a poll result says that the task no longer waits for a human's answer while the conversation can
    /// say why. The conversation is then read once before that is reported.
    pub(super) fn wants_conversation(
        &self,
        cx: &Cx<'_, P>,
        result: &PollResult<P::Output>,
    ) -> bool {
        let has_moved = matches!(result, PollResult::Pending(_)) || result.is_over();
        // The conversation does not show whether a message that we sent was sent by us.
        let is_ours = self.freshness != StatusFreshness::Current || !self.writes.is_empty();
        !cx.env.can().events
            && has_moved
            && !is_ours
            && cx.cancel.detaching.is_none()
            && !self.questions.is_empty()
            && self.questions.is_asking_in_words()
    }

    /// Reads from the conversation, after the task stopped waiting, whether somebody else answered.
    pub(super) fn tell_who_answered(&mut self, cx: &mut Cx<'_, P>, result: &PollResult<P::Output>) {
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
        self.questions.withdraw(reason, &mut cx.out.events);
    }

    /// Applies a poll result that waited for the conversation.
    pub(super) fn apply_moved(
        &mut self,
        cx: &mut Cx<'_, P>,
        moved: PollResult<P::Output>,
    ) -> Move<P::Output> {
        let next = self.apply(cx, moved);
        next.or_else(|| self.detach_once_confirmed(cx))
    }

    /// Handles a failed read, and lets a poll result continue that waited for the conversation.
    pub(super) fn poll_showed_nothing(
        &mut self,
        cx: &mut Cx<'_, P>,
        read: Read,
        moved: Option<Box<PollResult<P::Output>>>,
        error: &AttemptError,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        match moved {
            Some(moved) if access_lost(error).is_none() => self.apply_moved(cx, *moved),
            _ => self.poll_failed(cx, read, error, budget),
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
