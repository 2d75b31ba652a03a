//! The outbox: everything that a task gives to its driver besides requests, which is events and states to store.

use crate::id::Revision;
use crate::time::Timestamp;

use super::event_queue::EventQueue;
use super::record::Record;

/// The events to deliver, and the states to store.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) events: EventQueue,
    pub(super) record: Record,
    pub(super) save: Revisions,
}

impl Outbox {
    /// Requires delivered events to be stored before anything else, unless all of them are.
    pub(super) fn flush(&mut self) {
        if self.record.is_behind(&self.events) && !self.save.is_due() {
            self.save.need();
        }
    }

    /// Returns the revision that must be stored before anything else leaves, if one must.
    #[inline]
    pub(super) fn due_revision(&mut self, now: Timestamp) -> Option<Revision> {
        if self.record.is_due(&self.events, now) && !self.save.is_due() {
            self.save.need();
        }
        self.save.is_due().then(|| {
            self.record.begin(&self.events);
            self.save.revision
        })
    }

    /// Returns whether nothing waits to be delivered or stored.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.save.is_due() && !self.is_behind()
    }

    /// Notes that this revision is stored.
    pub(super) fn saved(&mut self, revision: Revision, now: Timestamp) {
        let was_due = self.save.is_due();
        self.save.saved = self.save.saved.max(revision.min(self.save.revision));
        // An acknowledgement that comes twice stored nothing more, and must not postpone the next record.
        if was_due && !self.save.is_due() {
            self.record.stored(&self.events, now);
            self.events.shrink();
        }
    }

    /// Returns when to record delivered events if there is nothing else to do until then.
    pub(super) fn record_due_when_idle(&self) -> Option<Timestamp> {
        self.record.due_when_idle(&self.events)
    }

    /// Returns whether a delivered event is not recorded.
    pub(super) fn is_behind(&self) -> bool {
        self.record.is_behind(&self.events)
    }
}

/// Which revisions of the state exist and which of them are stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Revisions {
    pub(super) revision: Revision,
    pub(super) saved: Revision,
}

impl Revisions {
    /// Requires the present state to be stored before another write leaves.
    pub(super) fn need(&mut self) {
        self.revision.0 += 1;
    }

    pub(super) fn is_due(self) -> bool {
        self.saved < self.revision
    }
}
