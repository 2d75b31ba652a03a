//! What a task says about its own activity: computed only when asked for, so that polling costs nothing more.

use crate::provider::Provider;
use crate::reason::{RequestPurpose, WaitReason};
use crate::time::Timestamp;

use super::Task;
use super::intent::{UnconfirmedStart, is_key_old};
use super::link::{Purpose, Read};
use super::phase::{Last, Phase};
use super::starting::Starting;
use super::writes::WriteKind;

impl<P: Provider> Task<P> {
    /// Returns what the request is for that [`next_step`](Self::next_step) last returned, while it is planned or under
    /// way; for the request that opens a stream, until it is sent.
    #[must_use]
    pub fn request_purpose(&self) -> Option<RequestPurpose> {
        Some(match self.link.purpose()? {
            Purpose::Locate => RequestPurpose::Locate,
            Purpose::Start | Purpose::StartStream => match &self.phase {
                Phase::Starting(starting) if starting.has_left_before(self.link.is_busy()) => {
                    RequestPurpose::StartAgain
                }
                _ => RequestPurpose::Start,
            },
            Purpose::Read(read) => match read {
                Read::Status => RequestPurpose::Status,
                Read::Questions => RequestPurpose::Questions,
                Read::Events => RequestPurpose::Events,
                Read::Steps => RequestPurpose::Steps,
                Read::Result => RequestPurpose::Result,
            },
            Purpose::Check => RequestPurpose::Check,
            Purpose::Write => match self.phase.writes().front().map(|write| &write.kind) {
                Some(WriteKind::Message { .. }) => RequestPurpose::Message,
                Some(WriteKind::Answer { .. }) | None => RequestPurpose::Answer,
            },
            Purpose::Reconcile => RequestPurpose::Reconcile,
            Purpose::Cancel => RequestPurpose::Cancel,
            Purpose::OpenStream(Some(_)) => RequestPurpose::StreamAfter,
            Purpose::OpenStream(None) => RequestPurpose::Stream,
        })
    }

    /// Returns why the task waits, and until when at most: what [`Step::Wait`](crate::Step::Wait) said, or what is
    /// behind [`Step::Receive`](crate::Step::Receive); `None` while there is something to do and once the task is over.
    #[must_use]
    pub fn pause(&self) -> Option<(Timestamp, WaitReason)> {
        if self.link.is_busy() || self.phase.is_ended() {
            return None;
        }
        let later = match self.plan().due_purpose(self.env.now) {
            Ok(purpose) => (self.turn_of(purpose).err()?, WaitReason::Rate),
            Err(later) => later,
        };
        Some(self.pause_until(later))
    }
}

impl<P: Provider> Task<P> {
    /// Returns what to search for, if the outcome of the start is unknown, the start cannot be repeated, and it left
    /// something by which its task can be recognised.
    #[must_use]
    pub fn unconfirmed_start(&self) -> Option<UnconfirmedStart> {
        let Phase::Ended(ended) = &self.phase else {
            return None;
        };
        let Last::Start {
            unresolved: Some(unresolved),
            ..
        } = &ended.last
        else {
            return None;
        };
        let intent = self.env.intent.as_ref()?;
        Some(UnconfirmedStart {
            intent: intent.id.clone(),
            criteria: intent.criteria.clone()?,
            begun_at: intent.begun_at,
            ended_at: unresolved.ended_at,
        })
    }

    /// Returns whether the server may have received the start and its key is too old to be sent again, even if this
    /// process slept meanwhile.
    pub(super) fn is_past_repeating(&self) -> bool {
        let begun_at = self.env.intent.as_ref().map(|intent| intent.begun_at);
        let is_sent =
            |starting: &Starting<P>| starting.maybe_received && starting.request().is_some();
        matches!(&self.phase, Phase::Starting(starting) if is_sent(starting))
            && begun_at.is_some_and(|begun_at| is_key_old(begun_at, self.env.now))
    }
}
