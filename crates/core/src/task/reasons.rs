//! What a task says of what it does: computed when it is asked for, so that polling costs nothing more.

use crate::provider::{Look, Provider};
use crate::time::Timestamp;
use crate::why::{Errand, Why};

use super::deliver::Parcel;
use super::phase::Phase;
use super::{Purpose, Task};

impl<P: Provider> Task<P> {
    /// What the request is for that [`poll`](Self::poll) gave last, while it is planned or under way; the one that opens a
    /// stream, until it leaves.
    #[must_use]
    pub fn errand(&self) -> Option<Errand> {
        Some(match &self.exchange.as_ref()?.purpose {
            Purpose::Start => match &self.phase {
                Phase::Starting(starting)
                    if starting.has_left_before(self.exchange_is_underway()) =>
                {
                    Errand::StartAgain
                }
                _ => Errand::Start,
            },
            Purpose::Look(look) => match look {
                Look::Status => Errand::Look,
                Look::Questions => Errand::Questions,
                Look::Events { .. } => Errand::Events,
                Look::Stream { .. } => Errand::Stream,
                Look::Trail => Errand::Trail,
                Look::Result => Errand::Result,
            },
            Purpose::Check => Errand::Check,
            Purpose::Write => match self.deliveries.front().map(|delivery| &delivery.parcel) {
                Some(Parcel::Message { .. }) => Errand::Message,
                Some(Parcel::Answer { .. }) | None => Errand::Answer,
            },
            Purpose::Reconcile => Errand::Reconcile,
            Purpose::Cancel => Errand::Cancel,
            Purpose::OpenStream(Some(_)) => Errand::StreamAfter,
            Purpose::OpenStream(None) => Errand::Stream,
        })
    }

    /// Why the task waits, and until when at most: what [`Step::Wait`](crate::Step::Wait) said, or what is behind
    /// [`Step::Receive`](crate::Step::Receive); `None` while there is something to do and once the task is over.
    #[must_use]
    pub fn pause(&self) -> Option<(Timestamp, Why)> {
        if self.exchange_is_underway() || self.phase.is_ended() {
            return None;
        }
        let plan = self.plan();
        let waits = plan.due > self.now || plan.what.is_none();
        waits.then(|| self.pause_of(&plan))
    }
}
