//! Parking: the small and silent form of a task that waits for nothing but time.

use serde::{Deserialize, Serialize};

use crate::provider::Provider;
use crate::snapshot::{ResumeError, Snapshot, TakenUp};
use crate::time::Timestamp;

use super::phase::Phase;
use super::store;
use super::{Task, writes::WriteState};

/// A task that waits for nothing but time, in the form that takes the least memory.
///
/// It is for a program that holds many tasks, or that a timer starts for each step. Unlike a [`Snapshot`], from which
/// another process takes the task up for people who have heard nothing, a parked task goes on as if nothing had
/// happened: nothing is reported again, and nothing is read that would not have been. So it is good for one time only:
/// whatever the task stores after it was unparked takes its place, and a message that was put off is sent by both if
/// both are gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    until: Timestamp,
    state: Box<str>,
}

impl Parked {
    /// Returns until when there is nothing to do: unpark the task then, or to answer, message or cancel it.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Returns how many bytes the state of the task takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.state.len()
    }
}

impl<P: Provider> Task<P> {
    /// Returns the task in its parked form, if it is quiet: its id is known, [`Step::Wait`](crate::Step::Wait) was its
    /// last step, everything that it reported is taken and stored, no exchange or stream is open, and nothing waits for the list of
    /// events, for an end to be confirmed, or for the client to detach. Otherwise drive it on.
    #[must_use]
    pub fn park(&self) -> Option<Parked> {
        let (until, _) = self.pause()?;
        if !self.is_quiet() {
            return None;
        }
        let state = serde_json::to_string(&self.snapshot()).ok()?;
        Some(Parked {
            until,
            state: state.into(),
        })
    }

    /// Returns a parked task to where it was. Tell it its credential again, as before
    /// ([`with_credential`](Self::with_credential)).
    ///
    /// What explains the past is not kept, except for the last [`refusal`](Self::refusal): why the next poll is made when
    /// it is, and digests of events that would show that one comes again in other words. Of the newest events, which are
    /// shown with the next question, 8 KiB of text are.
    ///
    /// # Errors
    /// Returns an error if the parked task belongs to another provider or was parked by another version.
    pub fn unpark(provider: P, parked: &Parked, now: Timestamp) -> Result<Self, ResumeError> {
        let saved: Snapshot = serde_json::from_str(&parked.state)
            .map_err(|error| ResumeError::Broken(error.to_string()))?;
        store::resume(provider, saved, TakenUp::Unparked, now)
    }

    fn is_quiet(&self) -> bool {
        let follow = match &self.phase {
            Phase::Following(follow) => follow,
            Phase::Finishing(finishing) => &finishing.follow,
            // The request of a start without a key is not stored as one to send, lest it be repeated.
            Phase::Starting(_) | Phase::Ended(_) => return false,
        };
        let stream = &follow.stream;
        let is_writing = follow.writes.front().is_some_and(|write| {
            matches!(
                write.state(),
                WriteState::Ready(_) | WriteState::InFlight(_)
            )
        });
        self.out.is_empty()
            && self.cancel.detaching.is_none()
            && stream.held_exchange().is_none()
            && stream.to_close().is_none()
            && stream.end.is_none()
            && stream.backfill.is_none()
            && follow.deferred.is_none()
            && !is_writing
    }
}
