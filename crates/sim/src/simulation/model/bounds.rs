//! Secrets, attempts, pace, deadlines and sizes.

use super::super::facts::{Asked, Fact};
use super::super::machine::Effect;
use super::Verdict::{Broken, Holds, Silent};
use super::{Model, Verdict, hold};

/// The most bytes that show what a task holds, and the most of what is stored of it.
const MOST_HELD: usize = 512 << 10;

/// Attempts of a start beyond the budget: a keyed one whose repetition meets a conflict is asked for again.
const CONFLICTS: usize = 2;

impl Model {
    /// I-7.
    pub(super) fn keeps_the_secret(&self, fact: &Fact) -> Verdict {
        let shown = |text: &str| {
            hold(!text.contains(&self.rules.secret), || {
                format!("the key is told: {fact:?}")
            })
        };
        match fact {
            Fact::Stored(durable) => shown(&durable.text),
            Fact::Said(text) => shown(text),
            _ => Silent,
        }
    }

    /// I-8.
    pub(super) fn keeps_its_bounds(&self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Left(leaving) if leaving.effect.is_write() => {
                let of_this = |fact: &&Fact| match fact {
                    Fact::Left(earlier) => {
                        earlier.effect == leaving.effect && earlier.aim == leaving.aim
                    }
                    _ => false,
                };
                let anew = |fact: &&Fact| !matches!(fact, Fact::Wished { aim, .. } if Some(aim) == leaving.aim.as_ref());
                let earlier = self
                    .of_this_process()
                    .take_while(anew)
                    .filter(of_this)
                    .count();
                let most = self.rules.policy.retry.writes as usize
                    + if leaving.effect == Effect::Start {
                        CONFLICTS
                    } else {
                        0
                    };
                let is_bounded = leaving.effect == Effect::Cancel || earlier < most;
                hold(is_bounded, || {
                    format!(
                        "a {} is sent for the {}th time",
                        leaving.effect.name(),
                        earlier + 1
                    )
                })
            }
            Fact::Left(leaving) if leaving.effect == Effect::Status => {
                let last = self.of_this_process().find_map(|fact| match fact {
                    Fact::Left(earlier) if earlier.effect == Effect::Status => Some(earlier.now),
                    _ => None,
                });
                let Some(last) = last else {
                    return Silent;
                };
                let floor = self.rules.policy.pace.floor.as_millis();
                let passed = leaving.now.saturating_sub(last);
                hold(u128::from(passed) >= floor, || {
                    format!("two status reads are {passed} ms apart")
                })
            }
            Fact::Asked(asked) => self.keeps_its_deadline(asked),
            _ => Silent,
        }
    }

    fn keeps_its_deadline(&self, asked: &Asked) -> Verdict {
        let deadline = self.past().rev().find_map(|fact| match fact {
            Fact::Born(birth) => Some(birth.deadline),
            Fact::Bounded(deadline) => Some(*deadline),
            _ => None,
        });
        let Some(deadline) = deadline else {
            return Silent;
        };
        let goes_on = matches!(asked.step, "send" | "receive" | "in flight" | "wait");
        if goes_on && asked.now > deadline {
            return Broken(format!("{} behind the deadline", asked.step));
        }
        let Some(until) = asked.until else {
            return Holds;
        };
        if until <= asked.now {
            return Broken(format!("{} until now: time does not go on", asked.step));
        }
        hold(until <= deadline, || {
            format!("{} beyond the deadline", asked.step)
        })
    }

    /// I-9.
    pub(super) fn stays_small(&self, fact: &Fact) -> Verdict {
        let bytes = match fact {
            Fact::Stored(durable) => durable.text.len(),
            Fact::Holds(bytes) => *bytes,
            _ => return Silent,
        };
        hold(bytes <= MOST_HELD, || format!("{bytes} bytes are held"))
    }
}
