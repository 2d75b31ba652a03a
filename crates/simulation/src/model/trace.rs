//! What is reported: events in their order, and one outcome.

use taskward_core::Event;

use super::super::observation::Observation;
use super::CheckResult::{Broken, Silent};
use super::{CheckResult, Model, hold};

/// How many events may be reported before they are recorded.
const MOST_UNRECORDED: usize = 32;

impl Model {
    /// I-4.
    pub(super) fn tells_in_order(&self, fact: &Observation) -> CheckResult {
        let event = match fact {
            Observation::Told(event) => event,
            // Once an outcome is reported, a resume begins from a state that knows all events before it.
            Observation::Done(_) | Observation::HandedOver(_) => return self.recorded(0),
            _ => return Silent,
        };
        if let Broken(why) = self.recorded(MOST_UNRECORDED) {
            return Broken(why);
        }
        match &**event {
            Event::Provider(event) => {
                let Some(position) = event.seq.map(|position| position.0) else {
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
                // could be read, is unknown.
                let before = self.events.iter().filter(|seq| **seq < position).max();
                let before = before.filter(|_| self.tells_events());
                let missing = before.filter(|seq| !self.was_told(**seq));
                hold(missing.is_none(), || {
                    format!("event {missing:?} was never told, and {position} is")
                })
            }
            Event::Gap { after, before } => {
                let again = self.of_this_process().any(|fact| {
                    matches!(fact, Observation::Told(event) if matches!(&**event,
                        Event::Gap { after: a, before: b } if a == after && b == before))
                });
                hold(!again, || {
                    format!("the gap from {after} to {before} is told twice")
                })
            }
            _ => Silent,
        }
    }

    /// Returns whether no more events than this were reported since a state was last stored.
    fn recorded(&self, most: usize) -> CheckResult {
        let stored = |fact: &&Observation| !matches!(fact, Observation::Stored(_));
        let told = |fact: &&Observation| matches!(fact, Observation::Told(_));
        let since = self.of_this_process().take_while(stored);
        let told = since.filter(told).count();
        hold(told <= most, || {
            format!("{told} events were told that nothing stored knows of")
        })
    }

    /// Returns the position after which this process continues.
    pub(in super::super) fn position(&self) -> Option<u64> {
        for fact in self.past().rev() {
            match fact {
                Observation::Told(event) => {
                    if let Event::Provider(event) = &**event
                        && let Some(position) = event.seq
                    {
                        return Some(position.0);
                    }
                }
                Observation::Born(birth) => {
                    return birth.from.as_ref().and_then(|from| from.position);
                }
                _ => {}
            }
        }
        None
    }

    /// Returns whether any event of the platform was reported.
    fn tells_events(&self) -> bool {
        self.told().any(|event| matches!(event, Event::Provider(_)))
    }

    /// Returns whether any process reported this event, or reported it as missing.
    fn was_told(&self, seq: u64) -> bool {
        self.told().rev().any(|event| match event {
            Event::Provider(event) => event.seq.is_some_and(|at| at.0 == seq),
            Event::Gap { after, before } => after.0 < seq && seq < before.0,
            _ => false,
        })
    }

    /// I-5.
    pub(super) fn ends_once(&self, fact: &Observation) -> CheckResult {
        let has_ended = || {
            let done = |fact: &Observation| matches!(fact, Observation::Done(_));
            self.of_this_process().any(done)
        };
        match fact {
            Observation::Done(end) => hold(!has_ended(), || format!("a second end: {}", end.code)),
            Observation::Told(event) => {
                hold(!has_ended(), || format!("{event:?} is told after the end"))
            }
            Observation::Left(outgoing) => hold(!has_ended(), || {
                format!("a {} leaves after the end", outgoing.effect.name())
            }),
            _ => Silent,
        }
    }
}
