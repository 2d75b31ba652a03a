//! When what was told is recorded: so that no event is told twice after an orderly stop, few after a crash, and none under
//! another number.
//!
//! - An event of our own that is told again, or whose number is kept, is stored before it is told.
//! - What was told is stored before control is handed back, at the end of the watch, after so many events or so much time,
//!   and whenever there is nothing else to do and the last time is so long ago.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::id::EventId;
use crate::provider::Provider;
use crate::time::Timestamp;

use super::Task;
use super::event_queue::EventQueue;

/// Events told before they are recorded.
pub(super) const MAX_UNRECORDED: u64 = 32;
/// How long an event is told and not recorded, while the machine is asked what to do.
const RECORD_WITHIN: Duration = Duration::from_secs(5);

/// How far events had come in a state.
#[derive(Debug, Default, Clone, Copy)]
struct EventCounts {
    taken: u64,
    numbered: u64,
}

impl EventCounts {
    fn of(events: &EventQueue) -> Self {
        Self {
            taken: events.taken(),
            numbered: events.numbered(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Record {
    /// In the state that is stored.
    stored: EventCounts,
    /// In the state that is about to be.
    storing: EventCounts,
    /// When the first event was told that is not recorded.
    since: Option<Timestamp>,
    /// When a state was last stored.
    last: Option<Timestamp>,
}

impl Record {
    /// Nothing was told since the state that a task is resumed from.
    pub(super) fn resumed(events: &EventQueue) -> Self {
        let mark = EventCounts::of(events);
        Self {
            stored: mark,
            storing: mark,
            since: None,
            last: None,
        }
    }

    pub(super) fn told(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// The state that is about to be stored is the present one.
    pub(super) fn begin(&mut self, events: &EventQueue) {
        self.storing = EventCounts::of(events);
    }

    pub(super) fn stored(&mut self, events: &EventQueue, now: Timestamp) {
        self.stored = self.storing;
        self.last = Some(now);
        self.since = self.is_behind(events).then_some(now);
    }

    /// Whether anything was told that is not recorded.
    pub(super) fn is_behind(&self, events: &EventQueue) -> bool {
        self.stored.taken < events.taken()
    }

    /// Whether it has to be recorded before anything else is told.
    pub(super) fn is_due(&self, events: &EventQueue, now: Timestamp) -> bool {
        let first = events.first();
        let is_unstored = |(_, id, event): (_, EventId, &Arc<Event>)| match id {
            EventId::Own(no) => no > self.stored.numbered && event.is_kept(),
            EventId::Stream(_) => false,
        };
        let many = events.taken() - self.stored.taken >= MAX_UNRECORDED;
        let long = self
            .since
            .is_some_and(|since| now >= since.after(RECORD_WITHIN));
        // At these control may be handed back.
        let stops = |(_, _, event): (_, _, &Arc<Event>)| {
            matches!(**event, Event::Question(_) | Event::Paused(_))
        };
        let behind = self.is_behind(events);
        first.is_some_and(is_unstored) || (behind && (many || long || first.is_some_and(stops)))
    }

    /// When it is to be recorded if nothing else is to be done until then.
    pub(super) fn due_when_idle(&self, events: &EventQueue) -> Option<Timestamp> {
        let since = self.since.filter(|_| self.is_behind(events))?;
        let last = self.last.unwrap_or_default();
        Some(since.min(last).after(RECORD_WITHIN))
    }
}

impl<P: Provider> Task<P> {
    /// Says that control is handed back to the application: what was told is stored first. Poll on until no
    /// [`Step::Save`](crate::Step::Save) comes any more.
    pub fn detach(&mut self) {
        if self.record.is_behind(&self.events) && !self.save.is_due() {
            self.save.need();
        }
    }
}
