//! What the reply to a start request means.

use crate::budget::OriginBudget;
use crate::error::{ErrorClass, ReadError, ReadErrorKind};
use crate::event::Event;
use crate::operation::Safety;
use crate::outcome::{NotStartedReason, Outcome, UnknownReason};
use crate::provider::{CreatedTask, Provider};
use crate::reason::WaitReason;
use crate::retry::{self, Attempt, AttemptError, RetryDecision};
use crate::task::Task;
use crate::task::follow::Cx;
use crate::task::phase::{Move, Phase};
use crate::task::starting::Starting;
use crate::time::Timestamp;

use super::{Report, refusal};

/// How many conflicts a keyed start tolerates after the server may have received one of its attempts.
const CONFLICTS: u32 = 2;
/// The wait after the first conflict.
const CONFLICT_WAIT: std::time::Duration = std::time::Duration::from_secs(2);

impl Starting {
    pub(super) fn judge<P: Provider>(
        &mut self,
        cx: &mut Cx<'_, P>,
        report: &Report,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let error = match cx.sort(report) {
            // An id that cannot be used in a request is as good as none.
            Ok(reply) => match cx.env.provider.read_start(reply).and_then(usable) {
                Ok(created) => {
                    budget.succeeded();
                    return Move::Follow(created);
                }
                Err(error) => AttemptError::Unreadable(error),
            },
            Err(error) => error,
        };
        self.judge_error(cx, error, budget)
    }

    /// Judges a failed attempt: is it repeated, and if not, what is known?
    fn judge_error<P: Provider>(
        &mut self,
        cx: &mut Cx<'_, P>,
        error: AttemptError,
        budget: &OriginBudget,
    ) -> Move<P::Output> {
        let until = cx.clocks.deadline();
        let draw = cx.env.rng.u16(..);
        let now = cx.env.now;
        if self.is_conflict(&error) && self.conflicts < CONFLICTS {
            // The server may still be processing the previous attempt.
            self.conflicts += 1;
            let due = now.after(CONFLICT_WAIT * self.conflicts);
            self.retry(cx, due, WaitReason::Conflict, &error);
            return Move::Stay;
        }
        let rules = &cx.env.policy.retry;
        self.maybe_received |= retry::may_have_happened(&error, rules);
        let attempt = Attempt {
            safety: self.safety,
            number: self.attempts,
            draw,
            now,
            until,
            maybe: self.maybe_received,
        };
        let attempts = self.attempts;
        let not_started = |reason, temporary| {
            Move::End(Outcome::NotStarted {
                reason,
                attempts,
                temporary,
            })
        };
        match retry::decide(&error, &attempt, rules, budget) {
            RetryDecision::Again(due) if cx.cancel.is_idle() || self.maybe_received => {
                let wait = due.since(now);
                let reason = retry::wait_reason(&error, wait, rules, draw, now);
                self.retry(cx, due, reason, &error);
                Move::Stay
            }
            RetryDecision::Again(_) => not_started(NotStartedReason::Cancelled, false),
            RetryDecision::Unknown => unknown(cx, &error),
            RetryDecision::Exhausted => {
                let reason = NotStartedReason::Exhausted {
                    last: error.record(),
                    retry_after: error.retry_after(now),
                };
                not_started(reason, true)
            }
            RetryDecision::Final => match refusal(&error) {
                Some(refusal) if !is_unfollowed(&error) => Move::End(Outcome::Refused(refusal)),
                _ => not_started(NotStartedReason::Attempt(error.record()), false),
            },
        }
    }

    /// Returns whether the server may be processing an earlier attempt with the same key.
    fn is_conflict(&self, error: &AttemptError) -> bool {
        let is_conflict = error.class() == Some(ErrorClass::Conflict);
        self.safety == Safety::Keyed && self.maybe_received && is_conflict
    }

    fn retry<P: Provider>(
        &mut self,
        cx: &mut Cx<'_, P>,
        due: Timestamp,
        reason: WaitReason,
        error: &AttemptError,
    ) {
        self.due = due;
        self.why = reason;
        cx.out.events.push(Event::Retrying {
            attempt: self.attempts,
            failed: error.record(),
            until: due,
        });
    }
}

impl<P: Provider> Task<P> {
    /// Begins to follow the task that the start created.
    pub(in crate::task) fn begin(&mut self, created: CreatedTask) {
        let now = self.env.now;
        self.env.liveness.last_reply_at = Some(now);
        self.env.liveness.last_change_at = Some(now);
        self.out.events.push(Event::Created {
            id: created.id.clone(),
            status: created.status.clone(),
            replayed: created.replayed,
        });
        self.step(Move::Follow(created));
        if let Phase::Following(follow) = &mut self.phase {
            let due = follow.poller.schedule(&mut self.env, None);
            follow.poller.postpone(due, WaitReason::PollInterval);
        }
        let how = self.env.policy.on_interrupt;
        self.cancel.begin(&mut self.clocks, how, now);
        self.out.save.need();
    }
}

/// Returns whether the client did not follow a redirect: the server has refused nothing.
fn is_unfollowed(error: &AttemptError) -> bool {
    let head = match error {
        AttemptError::Wire(failure) => failure.head(),
        AttemptError::Refused(_) | AttemptError::Unreadable(_) => None,
    };
    head.is_some_and(|head| head.status.is_redirection())
}

/// Returns how a start ends that may have created a task.
fn unknown<P: Provider>(cx: &Cx<'_, P>, error: &AttemptError) -> Move<P::Output> {
    let likely = matches!(error, AttemptError::Unreadable(_))
        || error.status().is_some_and(|status| status.is_success());
    let last = error.record();
    // A limit cut at the deadline runs out when the deadline passes.
    let reason = match cx.is_past_work_deadline() {
        true => UnknownReason::Deadline { last: Some(last) },
        false => UnknownReason::Attempt(last),
    };
    Move::End(cx.env.unknown_start(reason, likely))
}

fn usable(started: CreatedTask) -> Result<CreatedTask, ReadError> {
    match started.id.check() {
        Ok(()) => Ok(started),
        Err(error) => Err(ReadError::new(
            ReadErrorKind::Shape,
            format!("the task id cannot be used: {error}"),
        )),
    }
}
