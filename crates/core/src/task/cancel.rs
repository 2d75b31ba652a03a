//! The cancel region: the request to stop the task at its server, because the application asks for it or because the
//! client detaches. `detach.rs` says when a detaching client is done.
//!
//! ```text
//! NotRequested ──► Requested ──2xx──► Accepted
//!                    │ ▲  └──refused──► Refused ──► Requested (asked for again)
//!                    └─┘ a lost reply, 429, 5xx
//! ```

use crate::budget::OriginBudget;
use crate::event::{Event, Status};
use crate::id::TaskId;
use crate::operation::Safety;
use crate::outcome::{CancelFailure, CancelResult, Outcome, TimeLimit};
use crate::policy::{OnDetach, Retry};
use crate::provider::Provider;
use crate::reason::RetryReason;
use crate::retry::{self, AttemptError, Retryability};
use crate::snapshot::{SavedCancel, Since};
use crate::time::Timestamp;

use super::clocks::Deadlines;
use super::env::Env;
use super::link::{Link, Purpose};
use super::outbox::Outbox;

/// The state of the region.
#[derive(Debug, Default)]
pub(super) struct Cancel {
    pub(super) state: CancelState,
    /// How the client stops following the task, once it has begun to.
    pub(super) detaching: Option<Detaching>,
}

/// How far the request to stop the task has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum CancelState {
    #[default]
    NotRequested,
    /// The client would have cancelled the task, and the provider cannot.
    Unsupported,
    /// The request waits for its turn, for its reply, or to be repeated.
    Requested {
        tries: u32,
        due: Timestamp,
        /// Why the server did not accept the last attempt.
        last: Option<CancelFailure>,
    },
    /// The server accepted the request. The task's own status shows how it ended.
    Accepted,
    /// The server refused the request; this is why.
    Refused(Option<CancelFailure>),
}

/// How the client detaches.
#[derive(Debug, Clone)]
pub(super) struct Detaching {
    pub(super) cause: DetachCause,
    pub(super) since: Timestamp,
    /// Whether to poll until the task has stopped.
    pub(super) confirm: bool,
}

/// Why the client detaches.
#[derive(Debug, Clone, Copy)]
pub(super) enum DetachCause {
    Deadline(TimeLimit),
    Interrupt,
}

/// What the reply to a cancel request means for the task.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CancelReply {
    Accepted,
    /// The request is sent again later.
    Again,
    Refused,
}

/// The stored form.
impl Cancel {
    pub(super) fn stored(&self) -> SavedCancel {
        let Self {
            state,
            // Whoever takes the task up follows it.
            detaching: _,
        } = self;
        match state.clone() {
            CancelState::NotRequested | CancelState::Unsupported => SavedCancel::Idle,
            CancelState::Requested { tries, due, last } => SavedCancel::Requested {
                tries,
                due: Some(due),
                last,
            },
            CancelState::Accepted => SavedCancel::Accepted,
            CancelState::Refused(failure) => SavedCancel::Refused(failure),
        }
    }
}

impl CancelState {
    pub(super) fn restore(saved: SavedCancel, time: &Since) -> Self {
        match saved {
            SavedCancel::Idle => Self::NotRequested,
            SavedCancel::Requested { tries, due, last } => Self::Requested {
                tries,
                due: due.map_or(time.now(), |due| time.due(due)),
                last,
            },
            SavedCancel::Accepted => Self::Accepted,
            SavedCancel::Refused(failure) => Self::Refused(failure),
        }
    }
}

impl Cancel {
    /// Requests to stop the task, unless that was requested before or accepted. The request must be stored first.
    pub(super) fn request(&mut self, now: Timestamp, out: &mut Outbox) {
        let last = match &mut self.state {
            CancelState::Requested { .. } | CancelState::Accepted => return,
            CancelState::NotRequested | CancelState::Unsupported => None,
            CancelState::Refused(failure) => failure.take(),
        };
        self.state = CancelState::Requested {
            tries: 0,
            due: now,
            last,
        };
        out.save.need();
    }

    /// Starts the time for cancelling, now that the id of the task is known.
    pub(super) fn begin(&mut self, clocks: &mut Deadlines, how: OnDetach, now: Timestamp) {
        if let CancelState::Requested { due, .. } = &mut self.state {
            *due = now;
        }
        if self.detaching.is_some() {
            match how {
                OnDetach::Detach => {}
                OnDetach::Cancel { within } | OnDetach::CancelAndConfirm { within } => {
                    clocks.close(now.after(within));
                }
            }
        }
    }

    /// Returns when the request to stop the task is due, if one waits.
    pub(super) fn due(&self) -> Option<Timestamp> {
        match self.state {
            CancelState::Requested { due, .. } => Some(due),
            CancelState::NotRequested
            | CancelState::Unsupported
            | CancelState::Accepted
            | CancelState::Refused(_) => None,
        }
    }

    /// Returns whether nobody has asked to stop the task.
    pub(super) fn is_idle(&self) -> bool {
        match self.state {
            CancelState::NotRequested | CancelState::Unsupported => true,
            CancelState::Requested { .. } | CancelState::Accepted | CancelState::Refused(_) => {
                false
            }
        }
    }

    /// Returns whether a cancel request was accepted, or failed although the server may have received it.
    pub(super) fn was_tried(&self) -> bool {
        matches!(
            self.state,
            CancelState::Accepted | CancelState::Requested { tries: 1.., .. }
        )
    }

    /// Notes the reply to the request; an error says why it was not accepted.
    pub(super) fn judge<P: Provider>(
        &mut self,
        reply: Result<(), AttemptError>,
        env: &mut Env<P>,
        out: &mut Outbox,
        budget: &OriginBudget,
    ) -> CancelReply {
        let CancelState::Requested { tries, .. } = self.state else {
            return CancelReply::Again;
        };
        let error = match reply {
            // The server's acceptance is no end: the task's own status shows how it ended.
            Ok(()) => {
                budget.succeeded();
                self.state = CancelState::Accepted;
                out.events.push(Event::Cancelling);
                out.save.need();
                return CancelReply::Accepted;
            }
            Err(error) => error,
        };
        let rules: &Retry = &env.policy.retry;
        if retry::retryability(&error, Safety::Repeatable, rules) != Retryability::Retryable {
            self.refuse(CancelFailure::Attempt(error.record()), out);
            return CancelReply::Refused;
        }
        let draw = env.rng.u16(..);
        let tries = tries.saturating_add(1);
        let due = env
            .now
            .after(retry::wait(&error, tries, rules, draw, env.now));
        budget.take(false);
        self.state = CancelState::Requested {
            tries,
            due,
            last: Some(CancelFailure::Attempt(error.record())),
        };
        out.events.push(Event::Retrying {
            attempt: tries,
            reason: RetryReason::of(&error),
            why: error.to_string(),
            until: due,
        });
        CancelReply::Again
    }

    /// Gives the request up for this reason.
    pub(super) fn refuse(&mut self, failure: CancelFailure, out: &mut Outbox) {
        out.events.push(Event::CancelRefused(failure.to_string()));
        self.state = CancelState::Refused(Some(failure));
    }

    /// Returns what is known about cancelling the task, if the client detached now.
    pub(super) fn result(&self, link: &Link) -> CancelResult {
        let underway = link.has_sent(&Purpose::Cancel);
        match &self.state {
            CancelState::Accepted => CancelResult::Accepted,
            CancelState::Requested { .. } if underway => {
                CancelResult::Failed(CancelFailure::NoReply)
            }
            CancelState::Requested {
                last: Some(failure),
                ..
            }
            | CancelState::Refused(Some(failure)) => CancelResult::Failed(failure.clone()),
            CancelState::Requested { last: None, .. } | CancelState::Refused(None) => {
                CancelResult::Failed(CancelFailure::NotSent)
            }
            CancelState::Unsupported => CancelResult::Unsupported,
            CancelState::NotRequested => CancelResult::NotRequested,
        }
    }

    /// Returns the outcome of a task that the client detaches from: its deadline passed, or it was interrupted.
    pub(super) fn outcome<O>(
        &self,
        id: Option<&TaskId>,
        clocks: &Deadlines,
        last: Option<Status>,
        cancel: CancelResult,
    ) -> Outcome<O> {
        let cause = self.detaching.as_ref().map(|detaching| detaching.cause);
        let limit = match (cause, id) {
            (Some(DetachCause::Interrupt), Some(id)) => {
                return Outcome::Interrupted {
                    id: id.clone(),
                    last,
                    cancel,
                };
            }
            (Some(DetachCause::Deadline(limit)), _) => limit,
            // The start was never sent before the deadline passed.
            (Some(DetachCause::Interrupt), None) | (None, _) => clocks.running(),
        };
        Outcome::DeadlineExceeded {
            id: id.cloned(),
            limit,
            last,
            cancel,
        }
    }
}
