//! The cancel region: the request to stop the task at its server, because the application asks for it or because the
//! client detaches. `detach.rs` says when a detaching client is done, and ARCHITECTURE.md draws the states.

use crate::budget::OriginBudget;
use crate::error::ErrorClass;
use crate::event::{Event, Status};
use crate::id::TaskId;
use crate::operation::Safety;
use crate::outcome::{CancelFailure, CancelResult, Outcome, TimeLimit};
use crate::policy::{OnDetach, Retry};
use crate::provider::Provider;
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
    /// A refusal that says that the task cannot be cancelled as it is: reported once a read shows that it is not over.
    doubted: Option<Box<CancelFailure>>,
    /// Whether the server may have received an attempt before the one that it refused, or before this process.
    was_lost: bool,
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
        last: Option<Box<CancelFailure>>,
    },
    /// The server accepted the request. The task's own status shows how it ended.
    Accepted,
    /// The server refused the request; this is why.
    Refused(Option<Box<CancelFailure>>),
}

/// What changes the state.
#[derive(Debug, Clone)]
pub(super) enum CancelChange {
    /// The task is to be cancelled from now on.
    Requested(Timestamp),
    /// The task would have been cancelled, and the provider cannot.
    Impossible,
    Accepted,
    /// The attempt failed, and the next one is due then.
    Failed(Timestamp, Box<CancelFailure>),
    Refused(Box<CancelFailure>),
}

impl CancelState {
    /// Returns the next state: the one place that says so.
    fn after(self, change: CancelChange) -> Self {
        match (self, change) {
            (state @ (Self::Requested { .. } | Self::Accepted), CancelChange::Requested(_)) => {
                state
            }
            (state, CancelChange::Requested(due)) => Self::Requested {
                tries: 0,
                due,
                last: match state {
                    Self::Refused(failure) => failure,
                    _ => None,
                },
            },
            (Self::NotRequested, CancelChange::Impossible) => Self::Unsupported,
            (Self::Requested { .. }, CancelChange::Accepted) => Self::Accepted,
            (Self::Requested { tries, .. }, CancelChange::Failed(due, failure)) => {
                Self::Requested {
                    tries: tries.saturating_add(1),
                    due,
                    last: Some(failure),
                }
            }
            (Self::Requested { .. }, CancelChange::Refused(failure)) => {
                Self::Refused(Some(failure))
            }
            (state, _) => state,
        }
    }
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
            doubted,
            // A refused request is not asked about again.
            was_lost: _,
        } = self;
        if let Some(failure) = doubted {
            // Whoever takes the task up asks again.
            return SavedCancel::Requested {
                tries: 0,
                due: None,
                last: Some(CancelFailure::clone(failure)),
            };
        }
        match state.clone() {
            CancelState::NotRequested | CancelState::Unsupported => SavedCancel::Idle,
            CancelState::Requested { tries, due, last } => SavedCancel::Requested {
                tries,
                due: Some(due),
                last: last.map(|failure| *failure),
            },
            CancelState::Accepted => SavedCancel::Accepted,
            CancelState::Refused(failure) => SavedCancel::Refused(failure.map(|failure| *failure)),
        }
    }
}

impl Cancel {
    /// Takes up the stored form. Whoever takes the task up follows it, and asks for itself.
    pub(super) fn restore(saved: SavedCancel, time: &Since) -> Self {
        // The request is stored before it leaves: the process that stored it may have sent it and died. One without a
        // time was refused.
        let was_lost = matches!(saved, SavedCancel::Requested { due: Some(_), .. });
        Self {
            state: CancelState::restore(saved, time),
            was_lost,
            ..Self::default()
        }
    }
}

impl CancelState {
    fn restore(saved: SavedCancel, time: &Since) -> Self {
        match saved {
            SavedCancel::Idle => Self::NotRequested,
            SavedCancel::Requested { tries, due, last } => Self::Requested {
                tries,
                due: due.map_or(time.now(), |due| time.due(due)),
                last: last.map(Box::new),
            },
            SavedCancel::Accepted => Self::Accepted,
            SavedCancel::Refused(failure) => Self::Refused(failure.map(Box::new)),
        }
    }
}

impl Cancel {
    /// Requests to stop the task, unless that was requested before or accepted. The request must be stored first.
    pub(super) fn request(&mut self, now: Timestamp, out: &mut Outbox) {
        if !matches!(
            self.state,
            CancelState::Requested { .. } | CancelState::Accepted
        ) {
            self.change(CancelChange::Requested(now));
            out.save.need();
        }
    }

    /// Notes that the task would have been cancelled, and the provider cannot.
    pub(super) fn is_impossible(&mut self) {
        self.change(CancelChange::Impossible);
    }

    fn change(&mut self, change: CancelChange) {
        self.state = std::mem::take(&mut self.state).after(change);
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

    /// Returns whether nobody has ever asked for the task to be stopped.
    pub(super) fn is_unused(&self) -> bool {
        self.state == CancelState::NotRequested && self.detaching.is_none()
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
        ) || self.was_lost
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
                self.change(CancelChange::Accepted);
                out.events.push(Event::Cancelling);
                out.save.need();
                return CancelReply::Accepted;
            }
            Err(error) => error,
        };
        let rules: &Retry = &env.policy.retry;
        if retry::retryability(&error, Safety::Repeatable, rules) != Retryability::Retryable {
            let failure = Box::new(CancelFailure::Attempt(error.record()));
            if error.class() == Some(ErrorClass::NotCancellable) {
                self.was_lost |= tries > 0;
                self.change(CancelChange::Refused(failure.clone()));
                self.doubted = Some(failure);
                out.save.need();
            } else {
                self.refuse(*failure, out);
            }
            return CancelReply::Refused;
        }
        let draw = env.rng.u16(..);
        let tries = tries.saturating_add(1);
        let due = env
            .now
            .after(retry::wait(&error, tries, rules, draw, env.now));
        if !error.is_local() {
            budget.take(false);
        }
        let failure = Box::new(CancelFailure::Attempt(error.record()));
        self.change(CancelChange::Failed(due, failure));
        out.events.push(Event::Retrying {
            attempt: tries,
            failed: error.record(),
            until: due,
        });
        CancelReply::Again
    }

    /// Notes a read of the task: a refusal was one only if the task is not over.
    #[inline]
    pub(super) fn see(&mut self, is_over: bool, out: &mut Outbox) {
        if let Some(failure) = self.doubted.take()
            && !is_over
        {
            out.events.push(Event::CancelRefused(*failure));
        }
    }

    /// Returns whether a read has to show whether the task is over.
    pub(super) fn is_doubted(&self) -> bool {
        self.doubted.is_some()
    }

    /// Gives the request up for this reason.
    pub(super) fn refuse(&mut self, failure: CancelFailure, out: &mut Outbox) {
        out.events.push(Event::CancelRefused(failure.clone()));
        self.change(CancelChange::Refused(Box::new(failure)));
    }

    /// Returns what is known about cancelling the task, if the client detached now.
    pub(super) fn result(&self, link: &Link) -> CancelResult {
        let underway = link.has_sent(Purpose::Cancel);
        match &self.state {
            CancelState::Accepted => CancelResult::Accepted,
            CancelState::Requested { .. } if underway => {
                CancelResult::Failed(CancelFailure::NoReply)
            }
            CancelState::Requested {
                last: Some(failure),
                ..
            }
            | CancelState::Refused(Some(failure)) => {
                CancelResult::Failed(CancelFailure::clone(failure))
            }
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

/// Returns the arrows of the diagram.
#[cfg(test)]
pub(super) fn arrows() -> Vec<super::diagrams::Arrow> {
    const NOW: Timestamp = Timestamp::from_millis(7);
    let states: [fn() -> CancelState; 5] = [
        || CancelState::NotRequested,
        || CancelState::Unsupported,
        || CancelState::NotRequested.after(CancelChange::Requested(NOW)),
        || CancelState::Accepted,
        || CancelState::Refused(None),
    ];
    let changes = [
        (CancelChange::Requested(NOW), "requested"),
        (CancelChange::Impossible, "the provider cannot"),
        (CancelChange::Accepted, "accepted"),
        (
            CancelChange::Refused(Box::new(CancelFailure::NotSent)),
            "refused",
        ),
    ];
    super::diagrams::arrows(&states, &changes, CancelState::after)
}
