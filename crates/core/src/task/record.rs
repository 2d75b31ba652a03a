//! When delivered events are recorded, so that no event is delivered twice after an orderly stop, only a few after a
//! crash, and none under another number.
//!
//! - An event of our own that would be repeated, or whose number is kept, is stored before it is delivered.
//! - Delivered events are recorded before control is returned, at the end of the task, after a number of events or some
//!   time, and whenever there is nothing else to do and the last record is old enough.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::id::EventId;
use crate::provider::Provider;
use crate::time::Timestamp;

use super::Task;
use super::event_queue::{EventQueue, MAX_UNRECORDED};

/// How long a delivered event may stay unrecorded while the machine is asked for steps.
const RECORD_WITHIN: Duration = Duration::from_secs(5);

/// How far the events had come in a stored state.
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
    /// The events in the state that is stored.
    stored: EventCounts,
    /// The events in the state that is being stored.
    storing: EventCounts,
    /// When the first event was delivered that is not recorded.
    since: Option<Timestamp>,
    /// When a state was last stored.
    last: Option<Timestamp>,
}

impl Record {
    /// Creates the record of a resumed task: nothing was delivered since its stored state.
    pub(super) fn resumed(events: &EventQueue) -> Self {
        let counts = EventCounts::of(events);
        Self {
            stored: counts,
            storing: counts,
            since: None,
            last: None,
        }
    }

    pub(super) fn told(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// Notes that the present state is being stored.
    pub(super) fn begin(&mut self, events: &EventQueue) {
        self.storing = EventCounts::of(events);
    }

    pub(super) fn stored(&mut self, events: &EventQueue, now: Timestamp) {
        self.stored = self.storing;
        self.last = Some(now);
        self.since = self.is_behind(events).then_some(now);
    }

    /// Returns whether a delivered event is not recorded.
    pub(super) fn is_behind(&self, events: &EventQueue) -> bool {
        self.stored.taken < events.taken()
    }

    /// Returns whether delivered events must be recorded before the next one is delivered.
    #[inline]
    pub(super) fn is_due(&self, events: &EventQueue, now: Timestamp) -> bool {
        // In line, because it is asked before every step and mostly there is nothing.
        (!events.is_empty() || self.is_behind(events)) && self.is_due_now(events, now)
    }

    fn is_due_now(&self, events: &EventQueue, now: Timestamp) -> bool {
        let behind = self.is_behind(events);
        let first = events.first();
        let is_unstored = |(_, id, event): (_, EventId, &Arc<Event>)| match id {
            EventId::Own(no) => no > self.stored.numbered && event.is_kept(),
            EventId::Stream(_) => false,
        };
        let many = events.taken() - self.stored.taken >= MAX_UNRECORDED;
        let long = self
            .since
            .is_some_and(|since| now >= since.after(RECORD_WITHIN));
        // After one of these events, control may return to the caller.
        let stops = |(_, _, event): (_, _, &Arc<Event>)| {
            matches!(**event, Event::Question(_) | Event::Paused(_))
        };
        first.is_some_and(is_unstored) || (behind && (many || long || first.is_some_and(stops)))
    }

    /// Returns when to record if there is nothing else to do until then.
    pub(super) fn due_when_idle(&self, events: &EventQueue) -> Option<Timestamp> {
        let since = self.since.filter(|_| self.is_behind(events))?;
        let last = self.last.unwrap_or_default();
        Some(since.min(last).after(RECORD_WITHIN))
    }
}

impl<P: Provider> Task<P> {
    /// Announces that control returns to the application: delivered events are recorded first. Ask for steps until no
    /// [`Step::Save`](crate::Step::Save) comes any more.
    pub fn detach(&mut self) {
        self.out.flush();
    }
}
