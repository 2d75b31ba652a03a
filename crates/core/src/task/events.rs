//! Events wait here, numbered, until the driver has taken them.

use std::collections::VecDeque;

use crate::event::Event;
use crate::id::{EventNo, QuestionId};

#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<Event>,
    taken: u64,
}

impl Events {
    /// Goes on numbering after `taken` events with those that nobody has heard.
    pub(super) fn after(taken: u64, untold: Vec<Event>) -> Self {
        Self {
            queue: untold.into(),
            taken,
        }
    }

    /// What nobody has heard yet and no later read would bring again.
    pub(super) fn untold(&self) -> Vec<Event> {
        let mut asked: Vec<&QuestionId> = Vec::new();
        let mut untold = Vec::new();
        for event in &self.queue {
            match event {
                Event::Question(question) => asked.push(&question.id),
                // Nobody will hear that it was asked.
                Event::Withdrawn { question, .. } if asked.contains(&question) => {}
                event if event.comes_again() => {}
                event => untold.push(event.clone()),
            }
        }
        untold
    }

    pub(super) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(super) fn first(&self) -> Option<(EventNo, &Event)> {
        self.queue
            .front()
            .map(|event| (EventNo(self.taken + 1), event))
    }

    /// Lets go of the first event if it is this one.
    pub(super) fn take(&mut self, no: EventNo) -> Option<Event> {
        if no.0 != self.taken + 1 {
            return None;
        }
        let event = self.queue.pop_front()?;
        self.taken += 1;
        Some(event)
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}
