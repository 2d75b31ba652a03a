//! Detaching from a task that is not over: at the deadline, or because the application interrupts.
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

use std::time::Duration;

use crate::budget::OriginBudget;
use crate::event::Status;
use crate::failure::ExchangeFailure;
use crate::outcome::{CancelFailure, CancelResult, Outcome, StoppedBy, TimeLimit};
use crate::policy::OnDetach;
use crate::provider::{Provider, ReadKind};
use crate::time::Timestamp;

use super::link::Purpose;
use super::phase::Phase;
use super::{Cancel, Task, TurnState, Unsupported, unsupported};

/// How long to wait for the reply to an exchange that is under way when the task is to be cancelled.
const LAST_REPLY: Duration = Duration::from_secs(2);

/// How the client detaches.
#[derive(Debug, Clone)]
pub(super) struct Detaching {
    cause: DetachCause,
    since: Timestamp,
    /// Whether to poll until the task has stopped.
    confirm: bool,
}

/// Why the client detaches.
#[derive(Debug, Clone, Copy)]
pub(super) enum DetachCause {
    Deadline(TimeLimit),
    Interrupt,
}

impl<P: Provider> Task<P> {
    /// Sets what to do about the task at the deadline, whatever its policy says.
    ///
    /// # Errors
    /// Returns an error if the task is to be cancelled and the provider cannot do that.
    pub fn on_deadline(mut self, how: OnDetach) -> Result<Self, Unsupported> {
        self.policy.on_deadline = possible::<P>(how)?;
        Ok(self)
    }

    /// Sets what to do about the task on [`interrupt`](Self::interrupt), whatever its policy says.
    ///
    /// # Errors
    /// Returns an error if the task is to be cancelled and the provider cannot do that.
    pub fn on_interrupt(mut self, how: OnDetach) -> Result<Self, Unsupported> {
        self.policy.on_interrupt = possible::<P>(how)?;
        Ok(self)
    }

    /// Begins to detach as the policy says. Returns false if nothing has to be done about the task: detach at once.
    /// Returns true if it has to be cancelled first: keep driving it to [`Step::Done`](crate::Step::Done), which is
    /// near. A task without an id gets the whole time once its id is known. In both cases delivered events are recorded
    /// first: unless all of them are, [`Step::Save`](crate::Step::Save) is the next step.
    pub fn interrupt(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        self.detach();
        let how = self.policy.on_interrupt;
        self.detaching.is_some() || self.detach_or_cancel(DetachCause::Interrupt, how)
    }

    /// Returns until when a task that is being cancelled is waited for. A driver that is able to should then drop the
    /// exchange under way and ask for the next step.
    #[must_use]
    pub fn cancel_deadline(&self) -> Option<Timestamp> {
        let deadline = self.detaching.as_ref().map(|_| self.clocks.deadline())?;
        let cut = self.last_reply().unwrap_or(Timestamp::MAX);
        Some(deadline.min(cut))
    }

    /// Returns until when to wait for the reply to a request that was under way when the cancelling began. A start
    /// request is given more time: without its reply there is nothing to cancel.
    fn last_reply(&self) -> Option<Timestamp> {
        let detaching = self.detaching.as_ref()?;
        let (exchange, sent) = self.link.in_flight()?;
        let waits = matches!(exchange.purpose, Purpose::Start | Purpose::Cancel);
        (!waits && sent <= detaching.since).then(|| detaching.since.after(LAST_REPLY))
    }

    /// Drops the exchange that blocks the cancel request; returns true if there was one.
    pub(super) fn drop_blocking_exchange(&mut self, budget: &OriginBudget) -> bool {
        if self.last_reply().is_none_or(|until| self.now < until) {
            return false;
        }
        match self.link.forget().map(|exchange| exchange.purpose) {
            // The server may have received it, so its outcome is judged as unknown.
            Some(Purpose::Write) => self.judge_write(Err(ExchangeFailure::abandoned()), budget),
            // What a read would show is not needed now.
            _ => self.poll_now(),
        }
        true
    }

    /// Returns what is known about cancelling the task, if the client detached now.
    #[must_use]
    pub fn cancel_result(&self) -> CancelResult {
        let underway = self.link.has_sent(&Purpose::Cancel);
        match (&self.cancel, &self.cancel_failure) {
            (Cancel::Accepted, _) => CancelResult::Accepted,
            (Cancel::Requested { .. }, _) if underway => {
                CancelResult::Failed(CancelFailure::NoReply)
            }
            (_, Some(failure)) => failure.clone(),
            (Cancel::Requested { .. } | Cancel::Refused, None) => {
                CancelResult::Failed(CancelFailure::NotSent)
            }
            (Cancel::Idle, None) => CancelResult::NotRequested,
        }
    }

    /// Begins to detach in this way; returns false if the task need not be cancelled.
    pub(super) fn detach_or_cancel(&mut self, cause: DetachCause, how: OnDetach) -> bool {
        let (confirm, within) = match how {
            OnDetach::Detach => return false,
            OnDetach::Cancel { within } => (false, within),
            OnDetach::CancelAndConfirm { within } => (true, within),
        };
        if !P::CAPABILITIES.cancel {
            self.cancel_failure = self.id.is_some().then_some(CancelResult::Unsupported);
            return false;
        }
        if !self.is_ours_to_stop() {
            return false;
        }
        match self.phase {
            Phase::Starting(_) => {}
            Phase::Following(_) => self.clocks.close(self.now.after(within)),
            // The end of the task is known; only its answer or its steps are still being read.
            Phase::Fetching(_) | Phase::Tracing(_) | Phase::Ended(_) => return false,
        }
        let since = self.now;
        self.detaching = Some(Detaching {
            cause,
            since,
            confirm,
        });
        match self.cancel {
            Cancel::Accepted if !confirm => self.end_cancelling(),
            Cancel::Accepted => self.poll_now(),
            Cancel::Idle | Cancel::Refused => {
                self.cancel = Cancel::Requested {
                    tries: 0,
                    due: self.now,
                };
                self.save.need();
            }
            Cancel::Requested { .. } => {}
        }
        true
    }

    /// Starts the time for cancelling, now that the id of the task is known.
    pub(super) fn begin_cancelling(&mut self) {
        if self.detaching.is_some() {
            let within = match self.policy.on_interrupt {
                OnDetach::Detach => return,
                OnDetach::Cancel { within } | OnDetach::CancelAndConfirm { within } => within,
            };
            self.clocks.close(self.now.after(within));
        }
    }

    /// Returns whether the deadline for the agent's work has passed, although the client may still try to cancel.
    pub(super) fn is_past_work_deadline(&self) -> bool {
        let limit = match self.detaching.as_ref().map(|detaching| detaching.cause) {
            Some(DetachCause::Deadline(limit)) => Some(limit),
            Some(DetachCause::Interrupt) => None,
            None => (self.clocks.has_run_out(self.now)).then(|| self.clocks.running()),
        };
        limit == Some(TimeLimit::Working)
    }

    /// Returns whether the running work was started by this client: a message that was not sent yet started nothing.
    fn is_ours_to_stop(&self) -> bool {
        match self.turn.as_ref().map(|turn| &turn.state) {
            Some(TurnState::Baseline | TurnState::Undelivered { .. }) => false,
            Some(TurnState::Sending { .. }) => {
                let is_writing = self.link.has_sent(&Purpose::Write);
                is_writing || self.writes.front().is_some_and(|front| front.maybe_applied)
            }
            Some(TurnState::Unproven { .. } | TurnState::Proven | TurnState::Lost { .. })
            | None => true,
        }
    }

    /// Ends the cancelling if the server's acceptance is enough.
    pub(super) fn detach_once_accepted(&mut self) {
        if self
            .detaching
            .as_ref()
            .is_some_and(|detaching| !detaching.confirm)
        {
            self.end_cancelling();
        }
    }

    /// Polls after the server refused to cancel: the task may be over.
    pub(super) fn poll_once_refused(&mut self) {
        if self.detaching.is_some() {
            self.poll_now();
        }
    }

    /// Ends the cancelling once a poll shows that the task stopped, or that there is nothing left to wait for.
    pub(super) fn detach_once_confirmed(&mut self) {
        let at_work = match &self.phase {
            Phase::Following(following) => {
                following.next == ReadKind::Status && following.due > self.now
            }
            Phase::Starting(_) | Phase::Fetching(_) | Phase::Tracing(_) | Phase::Ended(_) => false,
        };
        if at_work && self.cancel == Cancel::Refused {
            self.end_cancelling();
        }
    }

    /// Ends the cancelling: its time is up, or there is nothing left to wait for.
    pub(super) fn end_cancelling(&mut self) {
        let cancel = self.cancel_result();
        let outcome = self.end_detached(self.last_status.clone(), cancel);
        self.end(outcome);
    }

    fn end_detached(&self, last: Option<Status>, cancel: CancelResult) -> Outcome<P::Output> {
        let cause = self.detaching.as_ref().map(|detaching| detaching.cause);
        let clock = match (cause, &self.id) {
            (Some(DetachCause::Interrupt), Some(id)) => {
                return Outcome::Interrupted {
                    id: id.clone(),
                    last,
                    cancel,
                };
            }
            (Some(DetachCause::Deadline(clock)), _) => clock,
            // The start was never sent before the deadline passed.
            (Some(DetachCause::Interrupt), None) | (None, _) => self.clocks.running(),
        };
        Outcome::DeadlineExceeded {
            id: self.id.clone(),
            limit: clock,
            last,
            cancel,
        }
    }

    /// Converts the outcome of a task that was cancelled: that it stopped confirms the cancel, and is not the reason.
    pub(super) fn as_detached(&self, outcome: Outcome<P::Output>) -> Outcome<P::Output> {
        match outcome {
            Outcome::Stopped {
                by: StoppedBy::Us,
                failure,
                ..
            } if self.detaching.is_some() => {
                let status = failure.status;
                self.end_detached(Some(status.clone()), CancelResult::Confirmed(status))
            }
            outcome => outcome,
        }
    }
}

fn possible<P: Provider>(how: OnDetach) -> Result<OnDetach, Unsupported> {
    if how != OnDetach::Detach && !P::CAPABILITIES.cancel {
        return Err(unsupported::<P>("cancelling a task"));
    }
    Ok(how)
}
