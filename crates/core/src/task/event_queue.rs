//! The queue of numbered events: each stays until the driver acknowledges it, and some are held back until no part of
//! the API key can be in them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::credential::Credential;
use crate::event::{Event, RawEvent};
use crate::id::{EventId, EventNo, QuestionId};
use crate::redact::{HoldBack, MAX_BEHIND, Piece};

/// Events that may be delivered before they are recorded.
pub(super) const MAX_UNRECORDED: u64 = 32;

#[derive(Debug, Default)]
pub(super) struct EventQueue {
    queue: VecDeque<(EventId, Arc<Event>)>,
    taken: u64,
    /// The last number that was given to an event of our own.
    numbered: u64,
    hold_back: HoldBack,
}

/// An undelivered event in its stored form.
pub(super) struct PendingEvent {
    pub(super) id: Option<EventId>,
    pub(super) event: Event,
}

impl EventQueue {
    /// Restores the queue after `taken` acknowledged events, with those that were not delivered.
    pub(super) fn after(
        taken: u64,
        numbered: u64,
        pending: impl Iterator<Item = PendingEvent>,
    ) -> Self {
        let mut events = Self {
            queue: VecDeque::new(),
            taken,
            numbered: numbered.max(taken),
            hold_back: HoldBack::default(),
        };
        for PendingEvent { id, event } in pending {
            let id = id.unwrap_or_else(|| events.number(&event));
            events.queue.push_back((id, Arc::new(event)));
        }
        events
    }

    /// Returns the undelivered events that no later read would report again.
    pub(super) fn pending(&self) -> Vec<&(EventId, Arc<Event>)> {
        let mut asked: Vec<&QuestionId> = Vec::new();
        let mut pending = Vec::new();
        for numbered in &self.queue {
            match &*numbered.1 {
                Event::Question(question) => asked.push(&question.id),
                // The question was not delivered either, so nobody needs to hear that it was withdrawn.
                Event::Withdrawn { question, .. } if asked.contains(&question) => {}
                event if event.comes_again() => {}
                _ => pending.push(numbered),
            }
        }
        pending
    }

    /// Holds back events that may contain a piece of this key.
    pub(super) fn hold_back(&mut self, credential: &Credential) {
        self.hold_back.search_for(credential);
    }

    /// Releases what was held back: no text continues.
    pub(super) fn release(&mut self) {
        let pieces = self.hold_back.release();
        self.mask(pieces);
    }

    pub(super) fn push(&mut self, mut event: Event) -> EventId {
        let id = self.number(&event);
        let no = self.taken + self.queue.len() as u64 + 1;
        let pieces = match &mut event {
            Event::Provider(RawEvent { name, data, .. }) => self.hold_back.take(no, name, data),
            // Events about the connection or about a read contain no text of the agent.
            Event::Retrying { .. }
            | Event::Gap { .. }
            | Event::Altered { .. }
            | Event::Status(_) => Vec::new(),
            _ => self.hold_back.release(),
        };
        self.queue.push_back((id, Arc::new(event)));
        self.mask(pieces);
        let held = self.hold_back.first();
        if held.is_some_and(|held| no - held >= MAX_BEHIND as u64) {
            self.release();
        }
        id
    }

    fn mask(&mut self, mut pieces: Vec<Piece>) {
        pieces.sort_unstable();
        for piece in pieces.into_iter().rev() {
            let at = piece.event().checked_sub(self.taken + 1);
            let place = at.and_then(|at| usize::try_from(at).ok());
            let Some((_, event)) = place.and_then(|at| self.queue.get_mut(at)) else {
                continue;
            };
            if let Event::Provider(event) = Arc::make_mut(event) {
                piece.mask(&mut event.data);
            }
        }
    }

    /// Queues an event again under its number.
    pub(super) fn push_again(&mut self, id: EventId, event: Event) {
        self.release();
        self.queue.push_back((id, Arc::new(event)));
    }

    /// Skips the numbers that an earlier process may have used without storing them.
    pub(super) fn skip_unrecorded(&mut self) {
        self.numbered += MAX_UNRECORDED;
    }

    fn number(&mut self, event: &Event) -> EventId {
        match event {
            Event::Provider(RawEvent {
                seq: Some(position),
                ..
            }) => EventId::Stream(*position),
            _ => {
                self.numbered += 1;
                EventId::Own(self.numbered)
            }
        }
    }

    /// Returns the event to deliver next, unless it is held back.
    #[inline]
    pub(super) fn first(&self) -> Option<(EventNo, EventId, &Arc<Event>)> {
        let (id, event) = self.queue.front()?;
        let no = EventNo(self.taken + 1);
        (self.hold_back.first() != Some(no.0)).then_some((no, *id, event))
    }

    /// Removes the first event, if it has this number.
    pub(super) fn take(&mut self, no: EventNo) -> Option<Arc<Event>> {
        if no.0 != self.taken + 1 {
            return None;
        }
        let (_, event) = self.queue.pop_front()?;
        self.taken += 1;
        self.hold_back.told(no.0);
        Some(event)
    }

    /// Gives back the memory of events that are no longer here: most tasks wait for long after a few events.
    pub(super) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }
}
