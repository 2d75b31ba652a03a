//! The reported outcome is the one that is true on the server.

use super::super::observation::{DeliveryFact, End, Observation, Sent};
use super::CheckResult::{Broken, Holds, Silent};
use super::{CheckResult, Model, hold};
use taskward_sim::platform::{Effect, TaskStanding};

impl Model {
    /// I-6.
    pub(super) fn ends_truly(&self, fact: &Observation) -> CheckResult {
        match fact {
            Observation::Done(end) => match self.is_reason_for(end) {
                Broken(why) => Broken(why),
                verdict @ (Silent | Holds) => match end.cancel {
                    Some(cancel) => self.is_said_truly(cancel, &end.stood),
                    None => verdict,
                },
            },
            Observation::HandedOver(cancel) => self.is_said_truly(cancel, &[]),
            _ => Silent,
        }
    }

    fn is_reason_for(&self, end: &End) -> CheckResult {
        let End {
            code,
            stood,
            told,
            answer,
            ..
        } = end;
        let has = |standing| {
            hold(stood.iter().any(|(stood, _)| *stood == standing), || {
                format!("{code}, and the task has stood at {stood:?}")
            })
        };
        match *code {
            "succeeded" if answer.is_some() && told != answer => {
                Broken(format!("{told:?} is told, and the answer is {answer:?}"))
            }
            "succeeded" => has(TaskStanding::Completed),
            "result_unavailable" => match has(TaskStanding::Completed) {
                Broken(why) => Broken(why),
                Silent | Holds => self.was_patient(end),
            },
            "task_failed" => has(TaskStanding::Failed),
            "task_stopped" => has(TaskStanding::Stopped),
            "not_started" | "refused" => {
                let made = self.made().next();
                hold(made.is_none() && !self.took_turn(), || {
                    format!("{code}, and {made:?} is there, or the message of the turn")
                })
            }
            "outcome_unknown" => self.is_unknown(end),
            "deadline" => hold(self.is_late(end), || "the deadline came early".to_owned()),
            "interrupted" => {
                let wished = |fact: &Observation| matches!(fact, Observation::Interrupted);
                hold(self.of_this_process().any(wished), || {
                    "interrupted, and nobody did".to_owned()
                })
            }
            other => Broken(format!(
                "{other}, which nothing on the server is a reason for"
            )),
        }
    }

    /// Returns whether any deadline can have passed.
    fn is_late(&self, end: &End) -> bool {
        let policy = &self.rules.policy;
        let shortest = policy.work.into_iter().chain(policy.human).min();
        let shortest = shortest.map_or(u128::MAX, |shortest| shortest.as_millis());
        u128::from(end.passed) >= shortest
    }

    /// Returns an answer that is there is given up only after a while, and not where nothing goes wrong any more.
    fn was_patient(&self, end: &End) -> CheckResult {
        // Whoever interrupts gives it a time of its own.
        let is_left = self
            .of_this_process()
            .any(|fact| matches!(fact, Observation::Interrupted));
        if self.is_late(end) || is_left {
            return Holds;
        }
        if end.is_healed {
            return Broken(format!("{}, and nothing is in its way", end.code));
        }
        let policy = &self.rules.policy;
        let completed = end
            .stood
            .iter()
            .find(|(standing, _)| *standing == TaskStanding::Completed);
        let waited = end.passed - completed.map_or(0, |(_, at)| *at);
        // It ends when the next try would come too late.
        let asked = self.past().filter_map(|fact| match fact {
            Observation::Reported { hint, .. } => Some(u128::from(*hint)),
            _ => None,
        });
        let step = policy.poll_backoff.cap.as_millis()
            * (100 + u128::from(policy.poll_backoff.jitter_percent))
            / 100;
        let step = asked.max().unwrap_or(0).max(step);
        let least = policy.result_patience.as_millis().saturating_sub(step);
        hold(u128::from(waited) >= least, || {
            format!(
                "{} after {waited} ms, and the patience is {least}",
                end.code
            )
        })
    }

    /// Checks that a start, or the message of a turn, is of unknown outcome only where it may have arrived, and a durable state leads
    /// back to it.
    fn is_unknown(&self, end: &End) -> CheckResult {
        let Some(durable) = self.durable() else {
            return Broken("an unknown outcome of nothing".to_owned());
        };
        let is_turn = self.rules.turn.is_some();
        let is_one = |outgoing: &&Sent| match is_turn {
            true => self.is_of_turn(outgoing),
            false => outgoing.effect == Effect::Start,
        };
        let may_have_arrived = self.all_left().filter(is_one).any(|outgoing| {
            self.delivery(outgoing.no)
                .is_none_or(DeliveryFact::may_have_happened)
        });
        // Whoever goes on from a state that says that something leaves cannot know whether it did.
        let goes_on = self
            .past()
            .any(|fact| matches!(fact, Observation::Born(birth) if birth.from.is_some()));
        if !may_have_arrived && !goes_on {
            return Broken("an unknown outcome of what never left".to_owned());
        }
        // A turn starts nothing that its name could lead to: its task does.
        let is_of_it = match is_turn {
            true => durable.id.is_some(),
            false => durable.id.is_none() && end.intent.is_some() && end.intent == durable.intent,
        };
        hold(is_of_it, || {
            format!(
                "an unknown outcome of {:?}, and what is stored is of {:?}, {:?}",
                end.intent, durable.intent, durable.id
            )
        })
    }

    /// Returns whether what is said to have been done about a task was done.
    fn is_said_truly(&self, cancel: &str, stood: &[(TaskStanding, u64)]) -> CheckResult {
        let sent = || {
            self.all_left()
                .any(|outgoing| outgoing.effect == Effect::Cancel)
        };
        match cancel {
            "cancel_confirmed" => {
                // Of a turn, too, whose message never came: its task was stopped anyway.
                let id = self.durable().and_then(|durable| durable.id.as_ref());
                let ever = id
                    .and_then(|id| self.stood.get(id.as_str()))
                    .map_or(stood, Vec::as_slice);
                let stopped =
                    |(standing, _): &(TaskStanding, u64)| *standing == TaskStanding::Stopped;
                hold(ever.iter().any(stopped), || {
                    format!("it is said to be stopped, and stood at {stood:?}")
                })
            }
            "cancel_accepted" => {
                let taken = self.taken().any(|one| one.effect == Effect::Cancel);
                hold(taken, || {
                    "a cancel is said to be accepted that was not taken".to_owned()
                })
            }
            "left_running" => hold(!sent(), || {
                "a task is said to be left as it is, and was told to stop".to_owned()
            }),
            "cancel_failed" | "cancel_unsupported" => Holds,
            other => Broken(format!("{other} is not known of a task that is left")),
        }
    }

    /// Returns whether the message of the turn was taken.
    fn took_turn(&self) -> bool {
        self.taken().any(|outgoing| self.is_of_turn(outgoing))
    }
}
