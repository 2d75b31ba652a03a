//! The list of events, and the backfill that reads it page by page.

use std::time::Duration;

use crate::id::EventSeq;
use crate::lenient::ListEntry;
use crate::provider::{Page, StreamEvent};
use crate::question::Question;
use crate::reason::WaitReason;
use crate::time::Timestamp;

/// How long a page of the list is tried: until then nothing newer is reported.
pub(in crate::task) const FILL_PATIENCE: Duration = Duration::from_secs(60);
/// The same limit when a read has shown that the task is over.
pub(in crate::task) const FILL_PATIENCE_AT_END: Duration = Duration::from_secs(20);
/// Empty pages in a row that may be followed by another.
pub(in crate::task) const EMPTY_PAGES: u32 = 3;
/// Events that are kept of a list that comes newest first.
pub(in crate::task) const MAX_REVERSED: usize = 100_000;

/// What is known of the list between two backfills.
#[derive(Debug)]
pub(in crate::task) struct List {
    /// Where the next backfill begins: the newest page that was read.
    pub(in crate::task) cursor: Option<String>,
    /// When the platform said that there is no list; the client asks again now and then.
    pub(in crate::task) missing_since: Option<Timestamp>,
    pub(in crate::task) last_backfill: LastBackfill,
}

impl List {
    pub(in crate::task) const fn new() -> Self {
        Self {
            cursor: None,
            missing_since: None,
            last_backfill: LastBackfill::Incomplete,
        }
    }
}

/// How far the last backfill read the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum LastBackfill {
    /// It was given up, or there was none.
    Incomplete,
    /// To the end.
    Complete,
}

/// Whose cursor a backfill reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum CursorOrigin {
    /// One of an earlier backfill, which the platform may have forgotten.
    EarlierBackfill,
    /// The beginning of the list, or a cursor that a page of this backfill named.
    ThisBackfill,
}

/// Whether what a backfill reads and what the open connection brings are all that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Coverage {
    Whole,
    /// The stream was opened during the backfill: events between the earlier pages and that moment are in neither.
    Overtaken,
}

/// A backfill: the list of events is read page by page.
#[derive(Debug, Clone)]
pub(in crate::task) struct Backfill {
    pub(in crate::task) cursor: Option<String>,
    pub(in crate::task) due: Timestamp,
    pub(in crate::task) tries: u32,
    /// When the backfill began, or last received a page.
    pub(in crate::task) since: Timestamp,
    pub(in crate::task) cursor_of: CursorOrigin,
    /// The largest event sequence in any page of this backfill.
    pub(in crate::task) reached: Option<EventSeq>,
    /// The most events in any page of this backfill: a shorter page is the last one.
    pub(in crate::task) largest: usize,
    pub(in crate::task) coverage: Coverage,
    /// Empty pages in a row.
    pub(in crate::task) empty: u32,
    /// The events of a platform that lists newest first, until all of them are here.
    pub(in crate::task) reversed: Option<Vec<ListEntry<StreamEvent>>>,
    /// How many unreadable entries follow the last event of this backfill: what they would have reported is not known.
    pub(in crate::task) skipped: u64,
    /// The newest question among events known before, unless a later event shows the task at work.
    pub(in crate::task) past: Option<Question>,
}

impl Backfill {
    /// Returns why the list is read now.
    pub(in crate::task) fn reason(&self) -> WaitReason {
        if self.tries > 0 {
            WaitReason::Backoff
        } else {
            WaitReason::PollInterval
        }
    }

    pub(in crate::task) fn new(cursor: Option<String>, now: Timestamp) -> Self {
        Self {
            cursor_of: match cursor {
                Some(_) => CursorOrigin::EarlierBackfill,
                None => CursorOrigin::ThisBackfill,
            },
            cursor,
            due: now,
            tries: 0,
            since: now,
            reached: None,
            largest: 0,
            coverage: Coverage::Whole,
            empty: 0,
            reversed: None,
            skipped: 0,
            past: None,
        }
    }

    /// Notes a page, and returns whether another is to be read. `known` is the newest event that is known, `deferred`
    /// the event of the stream that waits for this backfill.
    pub(in crate::task) fn receive(
        &mut self,
        page: &Page,
        known: Option<EventSeq>,
        deferred: Option<EventSeq>,
        now: Timestamp,
    ) -> bool {
        let events = &page.events;
        let sequence = || events.readable().filter_map(|event| event.event.seq);
        let (newest, oldest) = (sequence().max(), sequence().min());
        let leading = events.readable().next().map(|event| event.event.seq);
        // One event is in either order.
        let is_first = self.reached.is_none();
        if is_first && events.readable().nth(1).is_some() && leading == Some(newest) {
            self.reversed = Some(Vec::new());
        }
        self.tries = 0;
        self.since = now;
        self.cursor_of = CursorOrigin::ThisBackfill;
        self.reached = self.reached.max(newest);
        let count = events.len();
        let more = match &page.next {
            None => false,
            // A server that names the same page again would be read without end.
            Some(next) if self.cursor.as_ref() == Some(next) => false,
            // Newest first: read until a known event.
            Some(_) if self.reversed.is_some() => count > 0 && oldest > known,
            Some(_) if count == 0 => {
                self.empty += 1;
                self.largest == 0 && self.empty < EMPTY_PAGES
            }
            // Either the stream continues from here, or this was everything when the page was made.
            Some(_) => {
                deferred.is_none_or(|deferred| self.reached < Some(deferred))
                    && count >= self.largest
            }
        };
        self.largest = self.largest.max(count);
        more
    }
}
