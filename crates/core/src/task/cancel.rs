//! Leaving a task that is not over: at the deadline, or because the application interrupts.
//!
//! ```text
//! Detach ────────────────────────────────────────────────► LeftRunning
//! Cancel, CancelAndConfirm ──refused, and a look shows it at work──► CancelFailed
//!   │ accepted                └─ no reply in time ─────────► CancelFailed
//!   ├─ Cancel ───────────────────────────────────────────► CancelAccepted
//!   └─ CancelAndConfirm ──a look shows it stopped──► Confirmed
//!                        └─ none does in time ───────────► CancelAccepted
//! ```
//!
//! Whatever a look shows on the way is the truth: a task that completed meanwhile has succeeded.

use std::time::Duration;

use crate::budget::OriginBudget;
use crate::event::Status;
use crate::failure::ExchangeFailure;
use crate::outcome::{CancelResult, Outcome, StoppedBy, TimeLimit};
use crate::policy::OnDetach;
use crate::provider::{Provider, ReadKind};
use crate::time::Timestamp;

use super::phase::Phase;
use super::{Cancel, Flight, Purpose, Task, TurnState, Unsupported, unsupported};

/// How long the reply to what is under way is waited for once the task is to be stopped.
const LAST_REPLY: Duration = Duration::from_secs(2);

/// A watch that ends.
#[derive(Debug, Clone)]
pub(super) struct Detaching {
    cause: DetachCause,
    since: Timestamp,
    /// Whether the task is looked at until it has stopped.
    confirm: bool,
}

/// What ends it.
#[derive(Debug, Clone, Copy)]
pub(super) enum DetachCause {
    Deadline(TimeLimit),
    Interrupt,
}

impl<P: Provider> Task<P> {
    /// The same task with what is done about it at the deadline, whatever its policy says.
    ///
    /// # Errors
    /// When it is to be cancelled and the provider has no such call.
    pub fn on_deadline(mut self, how: OnDetach) -> Result<Self, Unsupported> {
        self.policy.on_deadline = possible::<P>(how)?;
        Ok(self)
    }

    /// The same task with what is done about it on [`interrupt`](Self::interrupt), whatever its policy says.
    ///
    /// # Errors
    /// When it is to be cancelled and the provider has no such call.
    pub fn on_interrupt(mut self, how: OnDetach) -> Result<Self, Unsupported> {
        self.policy.on_interrupt = possible::<P>(how)?;
        Ok(self)
    }

    /// Ends the watch as the policy says. False when nothing is to be done about the task: leave it at once. True when it
    /// is to be stopped first: drive it on to [`Step::Done`](crate::Step::Done), which is near. A task that has no id yet
    /// gets the whole time once it has one. In both cases what was told is stored first:
    /// [`Step::Save`](crate::Step::Save) is the next step, unless all of it is.
    pub fn interrupt(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        self.detach();
        let how = self.policy.on_interrupt;
        self.detaching.is_some() || self.detach_or_cancel(DetachCause::Interrupt, how)
    }

    /// Until when a task that is being left is waited for. A driver that can lets go of the exchange under way then, and
    /// asks for the next step.
    #[must_use]
    pub fn cancel_deadline(&self) -> Option<Timestamp> {
        let deadline = self.detaching.as_ref().map(|_| self.clocks.deadline())?;
        let cut = self.last_reply().unwrap_or(Timestamp::MAX);
        Some(deadline.min(cut))
    }

    /// Until when the reply is waited for to a request that was under way when the task was to be stopped. A start is
    /// waited for longer: without its reply there is nothing to stop.
    fn last_reply(&self) -> Option<Timestamp> {
        let detaching = self.detaching.as_ref()?;
        let exchange = self.underway()?;
        let waits = matches!(exchange.purpose, Purpose::Start | Purpose::Cancel);
        (!waits && exchange.sent <= detaching.since).then(|| detaching.since.after(LAST_REPLY))
    }

    /// Lets go of what stands in the way of stopping the task; true when something did.
    pub(super) fn drop_blocking_exchange(&mut self, budget: &OriginBudget) -> bool {
        if self.last_reply().is_none_or(|until| self.now < until) {
            return false;
        }
        match self.exchange.take().map(|exchange| exchange.purpose) {
            // It may have been received.
            Some(Purpose::Write) => self.judge_write(Err(ExchangeFailure::abandoned()), budget),
            // A look says nothing that is needed now.
            _ => self.poll_now(),
        }
        true
    }

    /// What is known of the fate of a task that is left now.
    #[must_use]
    pub fn cancel_result(&self) -> CancelResult {
        let underway = self.exchange.as_ref().is_some_and(|exchange| {
            exchange.purpose == Purpose::Cancel && !matches!(exchange.flight, Flight::Planned)
        });
        let failed = |why: &str| CancelResult::Failed(why.to_owned());
        match (&self.cancel, &self.cancel_failure) {
            (Cancel::Accepted, _) => CancelResult::Accepted,
            (Cancel::Requested { .. }, _) if underway => {
                failed("no reply to the cancel came in time")
            }
            (_, Some(why)) => why.clone(),
            (Cancel::Requested { .. } | Cancel::Refused, None) => {
                failed("the cancel could not be sent in time")
            }
            (Cancel::Idle, None) => CancelResult::NotRequested,
        }
    }

    /// Begins to leave the task in this way; false when it is just left.
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
            // Its end is known; what is read still is only words.
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

    /// The id of a task that is left is known: now it can be stopped.
    pub(super) fn begin_cancelling(&mut self) {
        if self.detaching.is_some() {
            let within = match self.policy.on_interrupt {
                OnDetach::Detach => return,
                OnDetach::Cancel { within } | OnDetach::CancelAndConfirm { within } => within,
            };
            self.clocks.close(self.now.after(within));
        }
    }

    /// Whether what runs there is of our making: a message that has not left yet made nothing.
    fn is_ours_to_stop(&self) -> bool {
        match self.turn.as_ref().map(|turn| &turn.state) {
            Some(TurnState::Baseline | TurnState::Undelivered { .. }) => false,
            Some(TurnState::Sending { .. }) => {
                let is_writing = self.exchange.as_ref().is_some_and(|exchange| {
                    exchange.purpose == Purpose::Write
                        && !matches!(exchange.flight, Flight::Planned)
                });
                is_writing || self.writes.front().is_some_and(|front| front.maybe_applied)
            }
            Some(TurnState::Unproven { .. } | TurnState::Proven | TurnState::Lost { .. })
            | None => true,
        }
    }

    /// The server took the request to cancel: is that enough?
    pub(super) fn detach_once_accepted(&mut self) {
        if self
            .detaching
            .as_ref()
            .is_some_and(|detaching| !detaching.confirm)
        {
            self.end_cancelling();
        }
    }

    /// The server refused to cancel: perhaps because the task is over, which a look tells.
    pub(super) fn poll_once_refused(&mut self) {
        if self.detaching.is_some() {
            self.poll_now();
        }
    }

    /// A look showed a task that was not stopped: is there anything left to wait for?
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

    /// The time is over, or there is nothing left to wait for.
    pub(super) fn end_cancelling(&mut self) {
        let abandoned = self.cancel_result();
        let outcome = self.end_detached(self.last_status.clone(), abandoned);
        self.end(outcome);
    }

    fn end_detached(&self, last: Option<Status>, abandoned: CancelResult) -> Outcome<P::Output> {
        let cause = self.detaching.as_ref().map(|detaching| detaching.cause);
        let clock = match (cause, &self.id) {
            (Some(DetachCause::Interrupt), Some(id)) => {
                return Outcome::Interrupted {
                    id: id.clone(),
                    last,
                    cancel: abandoned,
                };
            }
            (Some(DetachCause::Deadline(clock)), _) => clock,
            // Its start never left, and then the deadline passed.
            (Some(DetachCause::Interrupt), None) | (None, _) => self.clocks.running(),
        };
        Outcome::DeadlineExceeded {
            id: self.id.clone(),
            limit: clock,
            last,
            cancel: abandoned,
        }
    }

    /// How the watch of a task ends that is left: that it stopped, as we asked, is the confirmation and not the reason.
    pub(super) fn as_detached(&self, outcome: Outcome<P::Output>) -> Outcome<P::Output> {
        match outcome {
            Outcome::Stopped {
                by: StoppedBy::Us,
                failure: fault,
                ..
            } if self.detaching.is_some() => {
                let status = fault.status;
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
