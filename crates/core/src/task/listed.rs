//! A list of the account's tasks, whose entry stands for a poll of this one's status.

use std::time::Duration;

use crate::event::Status;
use crate::limits::{Kind, Limits};
use crate::operation::Safety;
use crate::provider::Provider;
use crate::reason::WaitReason;
use crate::time::{Timestamp, millis};

use super::Task;
use super::follow::{Follow, StatusFreshness};
use super::link::{Purpose, Read};
use super::phase::Phase;

/// A poll that is due, in thousandths: what an entry of a list is worth that spares it.
pub(crate) const WHOLE_POLL: u64 = 1000;

impl<P: Provider> Follow<P> {
    /// Returns whether an entry of a list can say as much as the next poll of the status: nothing is open that needs a read
    /// of this task alone.
    fn is_only_polled(&self) -> bool {
        self.writes.is_empty()
            && self.questions.is_empty()
            && self.turn.is_none()
            && self.deferred.is_none()
            && self.freshness == StatusFreshness::Current
            && self.poller.failed == 0
            && self.poller.not_found.is_none()
    }
}

impl<P: Provider> Task<P> {
    /// Returns the task if the next thing it does is a poll that an entry of a list could stand for, and since when it has
    /// not been seen.
    fn listable(&mut self) -> Option<(&mut Follow<P>, Timestamp)> {
        let next = self.plan();
        let is_poll = next.purpose == Some(Purpose::Read(Read::Status));
        let is_regular = matches!(
            next.why,
            WaitReason::PollInterval | WaitReason::ServerDelay | WaitReason::Floor
        );
        if !is_poll || !is_regular || self.link.is_busy() || self.cancel.detaching.is_some() {
            return None;
        }
        let Phase::Following(follow) = &mut self.phase else {
            return None;
        };
        let seen = follow.poller.last_polled_at?;
        follow.is_only_polled().then_some((follow, seen))
    }

    /// Returns for how long the task has not been seen, if a list could show it: of a task that has to be read itself, none
    /// does.
    pub(crate) fn unseen_for(&mut self, now: Timestamp) -> Option<Duration> {
        let (follow, seen) = self.listable()?;
        let is_own_turn = follow.poller.is_own_turn();
        (!is_own_turn).then(|| now.since(seen))
    }

    /// Returns the limits of a request that reads a list in the place of this task's status.
    pub(crate) fn list_limits(&self) -> Limits {
        let (kind, safety) = (Kind::Plain, Safety::Repeatable);
        self.env.policy.limits.of(kind, safety, None)
    }

    /// Returns what is known of the server that the task is on.
    pub(crate) fn provider(&self) -> &P {
        &self.env.provider
    }

    /// Takes in that a list which was requested at `sent` has this task among those at work, with this status. If that is
    /// what it had before, the entry stands for its next poll, which is made as much later; otherwise the task is polled at
    /// once. Returns how much of a poll that spares, in thousandths, and `None` if the entry changes nothing: it is older than
    /// what is known, or the task has to be read itself. Now and then it has: a list may be out of date for long.
    pub(crate) fn listed(
        &mut self,
        status: &Status,
        sent: Timestamp,
        now: Timestamp,
    ) -> Option<u64> {
        self.env.advance(now);
        let (follow, seen) = self.listable()?;
        if seen >= sent || follow.poller.is_own_turn() {
            return None;
        }
        let last = follow.status.as_ref();
        let is_same = last.is_some_and(|last| last.raw == status.raw);
        let due = follow.poller.planned().due;
        self.link.take_back();
        self.permit = None;
        let (phase, cx) = self.parts();
        let Phase::Following(follow) = phase else {
            return None;
        };
        if !is_same {
            follow.poller.poll_now(now);
            return Some(0);
        }
        cx.env.liveness.last_byte_at = Some(now);
        cx.env.liveness.last_reply_at = Some(now);
        follow.poller.listed(cx.env, sent);
        let (gone, left) = (millis(now.since(seen)), millis(due.since(now)));
        Some(gone.saturating_mul(WHOLE_POLL) / gone.saturating_add(left).max(1))
    }
}
