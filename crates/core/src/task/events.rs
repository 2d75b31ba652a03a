//! Events wait here, numbered, until the driver has taken them.

use std::collections::VecDeque;

use crate::event::{Event, RawEvent};
use crate::id::{EventId, EventNo, QuestionId};

use super::record::MAX_UNRECORDED;

#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<(EventId, Event)>,
    taken: u64,
    /// The last number that was given to an event of our own.
    numbered: u64,
}

/// An event that nobody has heard, as it is stored.
pub(super) struct Untold {
    pub(super) id: Option<EventId>,
    pub(super) event: Event,
}

impl Events {
    /// Goes on numbering after `taken` events with those that nobody has heard.
    pub(super) fn after(taken: u64, numbered: u64, untold: impl Iterator<Item = Untold>) -> Self {
        let mut events = Self {
            queue: VecDeque::new(),
            taken,
            numbered: numbered.max(taken),
        };
        for Untold { id, event } in untold {
            let id = id.unwrap_or_else(|| events.number(&event));
            events.queue.push_back((id, event));
        }
        events
    }

    /// What nobody has heard yet and no later read would bring again.
    pub(super) fn untold(&self) -> Vec<&(EventId, Event)> {
        let mut asked: Vec<&QuestionId> = Vec::new();
        let mut untold = Vec::new();
        for numbered in &self.queue {
            match &numbered.1 {
                Event::Question(question) => asked.push(&question.id),
                // Nobody will hear that it was asked.
                Event::Withdrawn { question, .. } if asked.contains(&question) => {}
                event if event.comes_again() => {}
                _ => untold.push(numbered),
            }
        }
        untold
    }

    pub(super) fn push(&mut self, event: Event) -> EventId {
        let id = self.number(&event);
        self.queue.push_back((id, event));
        id
    }

    /// Tells an event once more.
    pub(super) fn push_again(&mut self, id: EventId, event: Event) {
        self.queue.push_back((id, event));
    }

    /// Leaves out the numbers that the process before may have given without storing anything.
    pub(super) fn skip_unrecorded(&mut self) {
        self.numbered += MAX_UNRECORDED;
    }

    fn number(&mut self, event: &Event) -> EventId {
        match event {
            Event::Provider(RawEvent {
                position: Some(position),
                ..
            }) => EventId::Stream(*position),
            _ => {
                self.numbered += 1;
                EventId::Own(self.numbered)
            }
        }
    }

    pub(super) fn first(&self) -> Option<(EventNo, EventId, &Event)> {
        self.queue
            .front()
            .map(|(id, event)| (EventNo(self.taken + 1), *id, event))
    }

    /// Lets go of the first event if it is this one.
    pub(super) fn take(&mut self, no: EventNo) -> Option<Event> {
        if no.0 != self.taken + 1 {
            return None;
        }
        let (_, event) = self.queue.pop_front()?;
        self.taken += 1;
        Some(event)
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }
}
