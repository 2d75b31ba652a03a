//! One run, one task: what may be started, what must be durable before, and what a search may take for ours.

use taskward_core::Event;

use super::super::observation::{Another, Birth, DeliveryFact, Found, Observation, Sent};
use super::CheckResult::{Broken, Holds, Silent};
use super::{CheckResult, Model, hold};
use taskward_sim::platform::Effect;

/// No platform forgets an idempotency key sooner, as far as is known.
const KEY_KEPT: u64 = 24 * 3_600_000;
/// A task that was made by so much before the start is not of it, however wide the margins of a search.
const LONG_BEFORE: u64 = 600_000;

impl Model {
    /// I-1.
    pub(super) fn makes_one_task(&self, fact: &Observation) -> CheckResult {
        match fact {
            Observation::Arrived { made: Some(id), .. } => {
                hold(self.made().next().is_none(), || {
                    format!("task {id} is made beside {:?}", self.made().next())
                })
            }
            Observation::Left(outgoing) if outgoing.effect == Effect::Start => {
                if !self.rules.start.is_repeatable() {
                    // A request without a report may have arrived, too.
                    let lost = self.starts().find(|start| {
                        self.delivery(start.no)
                            .is_none_or(DeliveryFact::may_have_happened)
                    });
                    return hold(lost.is_none(), || {
                        "a start without a key that may have been received is sent again".to_owned()
                    });
                }
                let first = self.starts().next();
                if first.is_some_and(|first| outgoing.at > first.at + KEY_KEPT) {
                    return Broken("a start is sent again under a key of yesterday".to_owned());
                }
                let other = self
                    .starts()
                    .find(|start| start.key != outgoing.key || start.content != outgoing.content);
                hold(outgoing.key.is_some() && other.is_none(), || {
                    "a start goes out under two keys, or with other bytes".to_owned()
                })
            }
            _ => Silent,
        }
    }

    /// I-3.
    pub(super) fn loses_nothing(&self, fact: &Observation) -> CheckResult {
        match fact {
            Observation::Left(outgoing) => self.is_durable_before(outgoing),
            Observation::Told(event) => self.is_stored_before(event),
            Observation::Born(birth) => self.goes_on(birth),
            Observation::Asked(asked) if asked.id.is_none() => {
                // Of a reply that came whole the id is taken, whatever else it has or lacks.
                let has_come = self.of_this_process().any(|fact| {
                    matches!(fact, Observation::Reported { effect: Effect::Start, delivery: DeliveryFact::Whole { status, .. }, .. }
                        if (200..300).contains(status))
                });
                hold(!has_come, || {
                    "the reply to the start was whole, and its id is not taken".to_owned()
                })
            }
            Observation::Searched {
                found,
                is_complete,
                is_reliable,
            } => match self.finds_nobody_elses(found, *is_reliable) {
                Broken(why) => Broken(why),
                Silent | Holds => self.finds_ours(found, *is_complete),
            },
            _ => Silent,
        }
    }

    /// Returns whether this process was to store something and could not.
    fn is_unsaved(&self) -> bool {
        let newest = self.of_this_process().find_map(|fact| match fact {
            Observation::Stored(_) => Some(false),
            Observation::Unsaved => Some(true),
            _ => None,
        });
        newest.unwrap_or(false)
    }

    /// Checks that what is sent is stored before as about to be sent.
    fn is_durable_before(&self, outgoing: &Sent) -> CheckResult {
        let what = outgoing.effect.name();
        if self.is_unsaved() {
            return Broken(format!(
                "a {what} leaves, and its state could not be stored"
            ));
        }
        let durable = self.durable();
        let is_durable = match (outgoing.effect, &outgoing.aim) {
            (Effect::Start, _) => durable.is_some_and(|durable| durable.intent.is_some()),
            (Effect::Answer, Some(aim)) => {
                durable.is_some_and(|durable| durable.sent().contains(aim))
            }
            (Effect::Answer, None) => false,
            (Effect::Cancel, _) => durable.is_some_and(|durable| durable.wants_stop()),
            (Effect::Status | Effect::Read | Effect::Stream, _) => return Silent,
        };
        hold(is_durable, || {
            format!("a {what} leaves, and no durable state says so")
        })
    }

    fn is_stored_before(&self, event: &Event) -> CheckResult {
        if self.is_unsaved() {
            return Broken(format!(
                "{event:?} is told, and its state could not be stored"
            ));
        }
        let Event::Created { id, .. } = event else {
            return Silent;
        };
        let stored = self.durable().and_then(|durable| durable.id.clone());
        hold(stored.as_deref() == Some(id.as_str()), || {
            format!("id {id} is told before it is durable")
        })
    }

    fn goes_on(&self, birth: &Birth) -> CheckResult {
        let stored = birth.from.as_ref().and_then(|from| from.id.clone());
        let known = self.told_id().or(stored);
        if known.is_none() {
            return Silent;
        }
        hold(birth.id == known, || {
            format!("the id {known:?} is forgotten: {:?}", birth.id)
        })
    }

    /// Checks that a search finds nothing that our start cannot have created.
    fn finds_nobody_elses(&self, found: &[Found], is_reliable: bool) -> CheckResult {
        let began = self.starts().next().map_or(0, |start| start.at);
        for Found { id, is_off_time } in found {
            let Some(foreign) = self.foreign(id) else {
                continue;
            };
            if !foreign.is_alike {
                return Broken(format!("{id} is found, which was told something else"));
            }
            if is_reliable && !is_off_time && foreign.at + LONG_BEFORE < began {
                return Broken(format!("{id} is found, which was there long before"));
            }
        }
        Holds
    }

    /// Checks that a search that claims to be complete finds what was started.
    fn finds_ours(&self, found: &[Found], is_complete: bool) -> CheckResult {
        if !is_complete {
            return Silent;
        }
        let missed = self
            .made()
            .find(|id| !found.iter().any(|one| one.id == **id));
        hold(missed.is_none(), || {
            format!("{missed:?} was started and is not found")
        })
    }

    /// Returns the task of this id, when somebody else started it.
    fn foreign(&self, id: &str) -> Option<&Another> {
        self.past().find_map(|fact| match fact {
            Observation::Another(another) if another.id == id => Some(another),
            _ => None,
        })
    }
}
