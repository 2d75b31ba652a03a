//! Secrets, attempts, poll intervals, deadlines and sizes.

use super::super::observation::{Asked, Observation};
use super::CheckResult::{Broken, Holds, Silent};
use super::{CheckResult, Model, hold};
use taskward_sim::platform::Effect;

/// The most bytes that show what a task holds, and the most of what is stored of it.
const MOST_HELD: usize = 512 << 10;

/// Attempts of a start beyond the budget: a keyed one whose repetition meets a conflict is asked for again.
const CONFLICTS: usize = 2;

impl Model {
    /// I-7.
    pub(super) fn keeps_the_secret(&self, fact: &Observation) -> CheckResult {
        let shown = |text: &str| {
            hold(!text.contains(&self.rules.secret), || {
                format!("the key is told: {fact:?}")
            })
        };
        match fact {
            Observation::Stored(durable) => shown(&durable.text),
            Observation::Said(text) => shown(text),
            _ => Silent,
        }
    }

    /// I-8.
    pub(super) fn keeps_its_bounds(&self, fact: &Observation) -> CheckResult {
        match fact {
            Observation::Left(outgoing) if outgoing.effect.is_write() => {
                let of_this = |fact: &&Observation| match fact {
                    Observation::Left(earlier) => {
                        earlier.effect == outgoing.effect && earlier.aim == outgoing.aim
                    }
                    _ => false,
                };
                let since_request = |fact: &&Observation| !matches!(fact, Observation::Requested { aim, .. } if Some(aim) == outgoing.aim.as_ref());
                let earlier = self
                    .of_this_process()
                    .take_while(since_request)
                    .filter(of_this)
                    .count();
                let most = self.rules.policy.retry.writes as usize
                    + if outgoing.effect == Effect::Start {
                        CONFLICTS
                    } else {
                        0
                    };
                let is_bounded = outgoing.effect == Effect::Cancel || earlier < most;
                hold(is_bounded, || {
                    format!(
                        "a {} is sent for the {}th time",
                        outgoing.effect.name(),
                        earlier + 1
                    )
                })
            }
            Observation::Left(outgoing) if outgoing.effect == Effect::Status => {
                let last = self.of_this_process().find_map(|fact| match fact {
                    Observation::Left(earlier) if earlier.effect == Effect::Status => {
                        Some(earlier.now)
                    }
                    _ => None,
                });
                let Some(last) = last else {
                    return Silent;
                };
                let floor = self.rules.policy.poll_backoff.floor.as_millis();
                let passed = outgoing.now.saturating_sub(last);
                hold(u128::from(passed) >= floor, || {
                    format!("two status reads are {passed} ms apart")
                })
            }
            Observation::Asked(asked) => self.keeps_its_deadline(asked),
            _ => Silent,
        }
    }

    fn keeps_its_deadline(&self, asked: &Asked) -> CheckResult {
        let deadline = self.past().rev().find_map(|fact| match fact {
            Observation::Born(birth) => Some(birth.deadline),
            Observation::Bounded(deadline) => Some(*deadline),
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
    pub(super) fn stays_small(&self, fact: &Observation) -> CheckResult {
        let bytes = match fact {
            Observation::Stored(durable) => durable.text.len(),
            Observation::Holds(bytes) => *bytes,
            _ => return Silent,
        };
        hold(bytes <= MOST_HELD, || format!("{bytes} bytes are held"))
    }
}
