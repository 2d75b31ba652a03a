//! What is told: events in their order, and one end.

use taskward_core::Event;

use super::super::facts::Fact;
use super::Verdict::{Broken, Silent};
use super::{Model, Verdict, hold};

/// Events that are told before they are recorded.
const MOST_UNRECORDED: usize = 32;

impl Model {
    /// I-4.
    pub(super) fn tells_in_order(&self, fact: &Fact) -> Verdict {
        let event = match fact {
            Fact::Told(event) => event,
            // Whoever is told of an end comes back to a state that knows all that was told before it.
            Fact::Done(_) | Fact::Parted(_) => return self.recorded(0),
            _ => return Silent,
        };
        if let Broken(why) = self.recorded(MOST_UNRECORDED) {
            return Broken(why);
        }
        match &**event {
            Event::Provider(event) => {
                let Some(position) = event.position.map(|position| position.0) else {
                    return Silent;
                };
                let last = self.position();
                if last.is_some_and(|last| position <= last) {
                    return Broken(format!("event {position} is told behind {last:?}"));
                }
                if !self.events.contains(&position) {
                    return Broken(format!("event {position} is made up"));
                }
                // So it was with the one before, and the one before that. Whether there was one before the first that
                // could be read, nobody can tell.
                let before = self.events.iter().filter(|seq| **seq < position).max();
                let before = before.filter(|_| self.tells_events());
                let missing = before.filter(|seq| !self.was_told(**seq));
                hold(missing.is_none(), || {
                    format!("event {missing:?} was never told, and {position} is")
                })
            }
            Event::Gap { after, before } => {
                let again = self.of_this_process().any(|fact| {
                    matches!(fact, Fact::Told(event) if matches!(&**event,
                        Event::Gap { after: a, before: b } if a == after && b == before))
                });
                hold(!again, || {
                    format!("the gap from {after} to {before} is told twice")
                })
            }
            _ => Silent,
        }
    }

    /// Whether no more events than this were told since a state was last stored.
    fn recorded(&self, most: usize) -> Verdict {
        let stored = |fact: &&Fact| !matches!(fact, Fact::Stored(_));
        let told = |fact: &&Fact| matches!(fact, Fact::Told(_));
        let since = self.of_this_process().take_while(stored);
        let told = since.filter(told).count();
        hold(told <= most, || {
            format!("{told} events were told that nothing stored knows of")
        })
    }

    /// The place behind which this process goes on.
    pub(in super::super) fn position(&self) -> Option<u64> {
        for fact in self.past().rev() {
            match fact {
                Fact::Told(event) => {
                    if let Event::Provider(event) = &**event
                        && let Some(position) = event.position
                    {
                        return Some(position.0);
                    }
                }
                Fact::Born(birth) => return birth.from.as_ref().and_then(|from| from.position),
                _ => {}
            }
        }
        None
    }

    /// Whether any event of the platform was told.
    fn tells_events(&self) -> bool {
        self.past()
            .any(|fact| matches!(fact, Fact::Told(event) if matches!(**event, Event::Provider(_))))
    }

    /// Whether an event was told by any process, or said to be missing.
    fn was_told(&self, seq: u64) -> bool {
        self.past().rev().any(|fact| match fact {
            Fact::Told(event) => match &**event {
                Event::Provider(event) => event.position.is_some_and(|at| at.0 == seq),
                Event::Gap { after, before } => after.0 < seq && seq < before.0,
                _ => false,
            },
            _ => false,
        })
    }

    /// I-5.
    pub(super) fn ends_once(&self, fact: &Fact) -> Verdict {
        let has_ended = || {
            let done = |fact: &Fact| matches!(fact, Fact::Done(_));
            self.of_this_process().any(done)
        };
        match fact {
            Fact::Done(end) => hold(!has_ended(), || format!("a second end: {}", end.code)),
            Fact::Told(event) => hold(!has_ended(), || format!("{event:?} is told after the end")),
            Fact::Left(leaving) => hold(!has_ended(), || {
                format!("a {} leaves after the end", leaving.effect.name())
            }),
            _ => Silent,
        }
    }
}
