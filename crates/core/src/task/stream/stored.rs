//! The stored form of the stream region.

use super::asked::AskedInStream;
use super::health::{Availability, Health};
use super::list::{LastBackfill, List};
use super::sequence::{Gaps, Sequence, SinceLast};
use super::{Aftermath, EndConfirmation, Interruption, LastWait, Stream, StreamState};
use crate::id::QuestionId;
use crate::snapshot::{
    Saved, SavedAftermath, SavedInterruption, SavedStream, SavedUnconfirmedEnd, Since,
};

/// Bytes of text in the events that are stored to be shown with the next question.
const MAX_RECENT_TEXT: usize = 8 * 1024;

impl Stream {
    /// Adds the stream to the stored form of its task.
    pub(in crate::task) fn store(&self, saved: &mut Saved) {
        let Self {
            state,
            health,
            sequence,
            asked,
            no_wait_since,
            aftermath,
            end,
            recent,
            // The list is read again.
            backfill: _,
            list,
            // It is true for a moment only.
            whole_at: _,
            last_wait,
            // The first event of the next connection says how the task is.
            rests: _,
            interruption,
        } = self;
        let Health {
            failures,
            // A row of unreadable events is counted in one process.
            unreadable: _,
            availability,
            // Whoever takes the task up tries them again.
            form: _,
        } = health;
        let Sequence {
            // They only notice what a server should not do.
            seen_digests: _,
            // Events that were not acknowledged come again.
            last_decoded: _,
            last_taken,
            gaps,
            // Every resumed stream is a reopened one.
            joint: _,
            since_last,
        } = sequence;
        let List {
            cursor,
            missing_since,
            last_backfill,
        } = list;
        saved.event_seq = *last_taken;
        // An event that was not acknowledged comes again, and with it the unconfirmed end.
        let end = end.as_deref().filter(|end| end.event.seq <= *last_taken);
        saved.stream = SavedStream {
            due: state.reopens_at(),
            failures: *failures,
            missing: *availability == Availability::Missing,
            asked: asked.as_deref().map(AskedInStream::stored),
            no_wait_since: *no_wait_since,
            aftermath: aftermath.as_deref().map(stored_aftermath),
            end: end.map(EndConfirmation::stored),
            recent: recent.newest(MAX_RECENT_TEXT).cloned().collect(),
            cursor: cursor.clone(),
            waits_without_event: *last_wait == LastWait::Unnamed,
            gaps_are_normal: *gaps == Gaps::Normal,
            list_missing_since: *missing_since,
            backfill_done: *last_backfill == LastBackfill::Complete,
            skipped: *since_last == SinceLast::Unreadable,
            interruption: match interruption {
                Interruption::None => None,
                Interruption::AtRest => Some(SavedInterruption::AtRest),
                // Whoever takes the task up opens another connection.
                Interruption::Joined | Interruption::Lost => Some(SavedInterruption::Lost),
            },
        };
    }

    /// Takes up what is stored.
    pub(in crate::task) fn restore(&mut self, saved: &Saved, time: &Since) {
        let SavedStream {
            due,
            failures,
            missing,
            asked,
            no_wait_since,
            aftermath,
            end,
            recent,
            cursor,
            waits_without_event,
            gaps_are_normal,
            list_missing_since,
            backfill_done,
            skipped,
            interruption,
        } = saved.stream.clone();
        self.interruption = match interruption {
            None => Interruption::None,
            Some(SavedInterruption::AtRest) => Interruption::AtRest,
            Some(SavedInterruption::Lost) => Interruption::Lost,
        };
        self.state = StreamState::Closed {
            due: due.map_or(time.now(), |due| time.due(due)),
        };
        self.health.failures = failures;
        if missing {
            self.health.availability = Availability::Missing;
        }
        self.asked = asked.map(|asked| Box::new(AskedInStream::restore(asked, time)));
        self.no_wait_since = no_wait_since;
        self.aftermath = aftermath.map(|(id, told)| Box::new((id, Aftermath::restore(told))));
        self.end = end.map(|end| Box::new(EndConfirmation::restore(end, time)));
        for event in recent {
            self.recent.push(event);
        }
        self.list = List {
            cursor,
            missing_since: list_missing_since.map(|at| time.past(at)),
            last_backfill: match backfill_done {
                true => LastBackfill::Complete,
                false => LastBackfill::Incomplete,
            },
        };
        if waits_without_event {
            self.last_wait = LastWait::Unnamed;
        }
        if gaps_are_normal {
            self.sequence.gaps = Gaps::Normal;
        }
        if skipped {
            self.sequence.since_last = SinceLast::Unreadable;
        }
    }
}

fn stored_aftermath((id, aftermath): &(QuestionId, Aftermath)) -> (QuestionId, SavedAftermath) {
    (id.clone(), aftermath.stored())
}

impl EndConfirmation {
    fn stored(&self) -> SavedUnconfirmedEnd {
        SavedUnconfirmedEnd {
            end: self.end.clone(),
            event: self.event.clone(),
            contradicted_at: self.contradicted_at,
            tries: self.tries,
        }
    }

    fn restore(saved: SavedUnconfirmedEnd, time: &Since) -> Self {
        Self {
            end: saved.end,
            event: saved.event,
            contradicted_at: saved.contradicted_at.map(|at| time.past(at)),
            tries: saved.tries,
            reply: None,
        }
    }
}

impl Aftermath {
    fn stored(self) -> SavedAftermath {
        match self {
            Self::Worked => SavedAftermath::Worked,
            Self::AskedAgain => SavedAftermath::AskedAgain,
            Self::Failed => SavedAftermath::Failed,
            Self::Stopped => SavedAftermath::Stopped,
        }
    }

    fn restore(saved: SavedAftermath) -> Self {
        match saved {
            SavedAftermath::Worked => Self::Worked,
            SavedAftermath::AskedAgain => Self::AskedAgain,
            SavedAftermath::Failed => Self::Failed,
            SavedAftermath::Stopped => Self::Stopped,
        }
    }
}
