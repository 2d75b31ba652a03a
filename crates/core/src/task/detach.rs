//! Detaching from a task that is not over: at a deadline, or because the application interrupts. The policy says whether
//! the task is cancelled first; `cancel.rs` holds that request.
//!
//! ```text
//! Detach ────────────────────────────────────────────────► NotRequested
//! Cancel, CancelAndConfirm ──refused, and a poll shows it at work──► Failed
//!   │ accepted                └─ no reply in time ─────────► Failed
//!   ├─ Cancel ───────────────────────────────────────────► Accepted
//!   └─ CancelAndConfirm ──a poll shows it stopped──► Confirmed
//!                        └─ none does in time ───────────► Accepted
//! ```
//!
//! Whatever a poll shows on the way counts: a task that completed meanwhile has succeeded.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::OriginBudget;
use crate::failure::ExchangeFailure;
use crate::outcome::{CancelResult, Outcome, StoppedBy, TimeLimit};
use crate::policy::OnDetach;
use crate::provider::Provider;
use crate::time::Timestamp;

use super::cancel::{CancelState, DetachCause, Detaching};
use super::follow::Cx;
use super::link::Purpose;
use super::phase::{Move, Phase};
use super::{Task, Unsupported, unsupported};

/// How long to wait for the reply to an exchange that is under way when the task is to be cancelled.
const LAST_REPLY: Duration = Duration::from_secs(2);

impl<P> Cx<'_, P> {
    /// Returns whether the deadline for the agent's work has passed, although the client may still try to cancel.
    pub(super) fn is_past_work_deadline(&self) -> bool {
        let limit = match self
            .cancel
            .detaching
            .as_ref()
            .map(|detaching| detaching.cause)
        {
            Some(DetachCause::Deadline(limit)) => Some(limit),
            Some(DetachCause::Interrupt) => None,
            None => (self.clocks.has_run_out(self.env.now)).then(|| self.clocks.running()),
        };
        limit == Some(TimeLimit::Working)
    }
}

impl<P: Provider> Task<P> {
    /// Sets what to do about the task at the deadline, whatever its policy says.
    ///
    /// # Errors
    /// Returns an error if the task is to be cancelled and the provider cannot do that.
    pub fn on_deadline(mut self, how: OnDetach) -> Result<Self, Unsupported> {
        let how = possible(&self.env.provider, how)?;
        Arc::make_mut(&mut self.env.policy).on_deadline = how;
        Ok(self)
    }

    /// Sets what to do about the task on [`interrupt`](Self::interrupt), whatever its policy says.
    ///
    /// # Errors
    /// Returns an error if the task is to be cancelled and the provider cannot do that.
    pub fn on_interrupt(mut self, how: OnDetach) -> Result<Self, Unsupported> {
        let how = possible(&self.env.provider, how)?;
        Arc::make_mut(&mut self.env.policy).on_interrupt = how;
        Ok(self)
    }

    /// Begins to detach as the policy says. Returns false if nothing has to be done about the task: detach at once.
    /// Returns true if it has to be cancelled first: keep driving it to [`Step::Done`](crate::Step::Done), which is
    /// near. A task without an id gets the whole time once its id is known. In both cases delivered events are recorded
    /// first: unless all of them are, [`Step::Save`](crate::Step::Save) is the next step.
    pub fn interrupt(&mut self, now: Timestamp) -> bool {
        self.env.advance(now);
        self.out.flush();
        let how = self.env.policy.on_interrupt;
        self.cancel.detaching.is_some() || self.detach_or_cancel(DetachCause::Interrupt, how)
    }

    /// Returns until when a task that is being cancelled is waited for. A driver that is able to should then drop the
    /// exchange under way and ask for the next step.
    #[must_use]
    pub fn cancel_deadline(&self) -> Option<Timestamp> {
        let deadline = self
            .cancel
            .detaching
            .as_ref()
            .map(|_| self.clocks.deadline())?;
        let cut = self.last_reply().unwrap_or(Timestamp::MAX);
        Some(deadline.min(cut))
    }

    /// Returns until when to wait for the reply to a request that was under way when the cancelling began. A start
    /// request is given more time: without its reply there is nothing to cancel.
    fn last_reply(&self) -> Option<Timestamp> {
        let detaching = self.cancel.detaching.as_ref()?;
        let sent = self.link.in_flight()?;
        let waits = matches!(sent.purpose, Purpose::Start | Purpose::Cancel);
        (!waits && sent.at <= detaching.since).then(|| detaching.since.after(LAST_REPLY))
    }

    /// Drops the exchange that blocks the cancel request; returns true if there was one.
    pub(super) fn drop_blocking_exchange(&mut self, budget: &OriginBudget) -> bool {
        if self.last_reply().is_none_or(|until| self.env.now < until) {
            return false;
        }
        let purpose = self.link.forget();
        let (phase, mut cx) = self.parts();
        if let Phase::Following(follow) = phase {
            let next = if purpose == Some(Purpose::Write) {
                // The server may have received it, so its outcome is judged as unknown.
                follow.judge_write(&mut cx, &Err(ExchangeFailure::abandoned()), budget)
            } else {
                // What a read would show is not needed now.
                follow.poller.poll_now(cx.env.now);
                Move::Stay
            };
            self.go(next);
        }
        true
    }

    /// Returns what is known about cancelling the task, if the client detached now.
    #[must_use]
    pub fn cancel_result(&self) -> CancelResult {
        self.cancel.result(&self.link)
    }

    /// Begins to detach in this way; returns false if the task need not be cancelled.
    pub(super) fn detach_or_cancel(&mut self, cause: DetachCause, how: OnDetach) -> bool {
        let (confirm, within) = match how {
            OnDetach::Detach => return false,
            OnDetach::Cancel { within } => (false, within),
            OnDetach::CancelAndConfirm { within } => (true, within),
        };
        let now = self.env.now;
        if !self.env.can().cancel {
            if let Phase::Following(_) = self.phase {
                self.cancel.is_impossible();
            }
            return false;
        }
        match &self.phase {
            Phase::Starting(_) => {}
            Phase::Following(follow) if follow.is_ours_to_stop(&self.link) => {
                self.clocks.close(now.after(within));
            }
            // The end of the task is known, and only its answer or its steps are still being read; or the work that is
            // running was not started by this client.
            Phase::Following(_) | Phase::Finishing(_) | Phase::Ended(_) => return false,
        }
        self.cancel.detaching = Some(Detaching {
            cause,
            since: now,
            confirm,
        });
        match (&self.cancel.state, confirm) {
            (CancelState::Accepted, false) => {
                let outcome = self.detached();
                self.go(Move::End(outcome));
            }
            (CancelState::Accepted, true) => {
                if let Phase::Following(follow) = &mut self.phase {
                    follow.poller.poll_now(now);
                }
            }
            _ => self.cancel.request(now, &mut self.out),
        }
        true
    }

    /// Returns the outcome if the client detached now: the time is up, or there is nothing left to wait for.
    pub(super) fn detached(&self) -> Outcome<P::Output> {
        let last = self.status().cloned();
        let cancel = self.cancel_result();
        self.cancel
            .outcome(self.phase.id(), &self.clocks, last, cancel)
    }

    /// Converts the outcome of a task that was cancelled: that it stopped confirms the cancel, and is not the reason.
    pub(super) fn as_detached(&self, outcome: Outcome<P::Output>) -> Outcome<P::Output> {
        match outcome {
            Outcome::Stopped {
                by: StoppedBy::Us,
                failure,
                ..
            } if self.cancel.detaching.is_some() => {
                let status = failure.status;
                let cancel = CancelResult::Confirmed(status.clone());
                self.cancel
                    .outcome(self.phase.id(), &self.clocks, Some(status), cancel)
            }
            outcome => outcome,
        }
    }
}

fn possible<P: Provider>(provider: &P, how: OnDetach) -> Result<OnDetach, Unsupported> {
    if how != OnDetach::Detach && !provider.capabilities().cancel {
        return Err(unsupported::<P>("cancelling a task"));
    }
    Ok(how)
}
