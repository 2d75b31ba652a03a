//! The reference model: slow and obvious. It records everything that happened, and searches all of it to judge what
//! happens next.

mod bounds;
mod ends;
mod starts;
mod trace;
mod writes;

use std::collections::BTreeMap;

use taskward_core::{Event, Policy, Safety};

use super::invariant::Invariant;
use super::observation::{Aim, DeliveryFact, Durable, Observation, Sent};
use super::report::{Counted, Violation};
use taskward_sim::platform::{Effect, ServerState, TaskStanding};

/// What is known of the platform before anything happens.
pub(super) struct Rules {
    pub(super) start: Safety,
    pub(super) answer: Safety,
    pub(super) policy: Policy,
    /// The message of a turn of a task that was there before.
    pub(super) turn: Option<String>,
    /// What must not be seen anywhere.
    pub(super) secret: String,
}

/// Whether something holds.
enum CheckResult {
    /// It is not concerned.
    Silent,
    Holds,
    Broken(String),
}

use CheckResult::{Broken, Holds, Silent};

fn hold(holds: bool, why: impl FnOnce() -> String) -> CheckResult {
    if holds { Holds } else { Broken(why()) }
}

type Check = fn(&Model, &Observation) -> CheckResult;

const CHECKS: [(Invariant, Check); 9] = [
    (Invariant::I1, Model::makes_one_task),
    (Invariant::I2, Model::answers_once),
    (Invariant::I3, Model::loses_nothing),
    (Invariant::I4, Model::tells_in_order),
    (Invariant::I5, Model::ends_once),
    (Invariant::I6, Model::ends_truly),
    (Invariant::I7, Model::keeps_the_secret),
    (Invariant::I8, Model::keeps_its_bounds),
    (Invariant::I9, Model::stays_small),
];

pub(super) struct Model {
    rules: Rules,
    history: Vec<Observation>,
    /// When each question was first seen open on the server.
    opened: BTreeMap<String, u64>,
    /// What each question says, where questions are words.
    asked: BTreeMap<String, String>,
    /// Where each task has stood, and how much time had passed then.
    stood: BTreeMap<String, Vec<(TaskStanding, u64)>>,
    /// Of a turn, how many of these were there when its message came.
    stood_before: Option<usize>,
    /// The places of the events that the server shows now.
    events: Vec<u64>,
    checked: Counted<Invariant>,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            history: Vec::new(),
            opened: BTreeMap::new(),
            asked: BTreeMap::new(),
            stood: BTreeMap::new(),
            stood_before: None,
            events: Vec::new(),
            checked: Counted::default(),
        }
    }

    /// What is true on the server now, after so much time by whichever clock it was the most.
    pub(super) fn see(&mut self, account: &ServerState, now: u64, passed: u64) {
        for question in account.questions.iter().filter(|asked| asked.is_open) {
            self.opened.entry(question.id.clone()).or_insert(now);
            if let Some(text) = &question.text {
                self.asked.insert(question.id.clone(), text.clone());
            }
        }
        for task in &account.tasks {
            let stood = self.stood.entry(task.id.clone()).or_default();
            if stood.last().map(|(last, _)| *last) != Some(task.standing) {
                stood.push((task.standing, passed));
            }
        }
    }

    /// The places of the events that the server shows now.
    pub(super) fn see_events(&mut self, events: Vec<u64>) {
        self.events = events;
    }

    /// Returns where a task has stood: in a turn, since its message came.
    pub(super) fn stood(&self, task: &str) -> Vec<(TaskStanding, u64)> {
        let stood = self.stood.get(task).map_or(&[][..], Vec::as_slice);
        let before = match self.rules.turn.is_some() {
            true => self.stood_before.unwrap_or(stood.len()),
            false => 0,
        };
        stood[before.min(stood.len())..].to_vec()
    }

    /// Returns whether this is the message of the turn: its number is another when the caller spoke before.
    fn is_of_turn(&self, outgoing: &Sent) -> bool {
        let is_message = matches!(outgoing.aim, Some(Aim::Message(_)));
        let text = self.rules.turn.as_deref();
        is_message && text.is_some_and(|text| outgoing.content.contains(&writes::as_json(text)))
    }

    /// Something was taken. If it was the message of a turn, what its task did before is not of this turn.
    pub(super) fn begin_turn(&mut self, no: u64, task: &str) {
        if !self
            .left(no)
            .is_some_and(|outgoing| self.is_of_turn(outgoing))
        {
            return;
        }
        let stood = self.stood.get(task).map_or(0, Vec::len);
        self.stood_before.get_or_insert(stood);
    }

    pub(super) fn checked(&mut self) -> &mut Counted<Invariant> {
        &mut self.checked
    }

    /// Takes in what happened, and judges it.
    pub(super) fn learn(&mut self, fact: Observation) -> Result<(), Violation> {
        for (invariant, check) in CHECKS {
            match check(self, &fact) {
                Silent => {}
                Holds => self.checked.count(invariant),
                Broken(why) => return Err(Violation::new(invariant, why)),
            }
        }
        self.history.push(fact);
        Ok(())
    }

    // --- the past ----------------------------------------------------------------------------------------------

    fn past(&self) -> impl DoubleEndedIterator<Item = &Observation> {
        self.history.iter()
    }

    /// Returns what happened since the present process began, newest first.
    fn of_this_process(&self) -> impl Iterator<Item = &Observation> {
        let born = |fact: &&Observation| !matches!(fact, Observation::Born(_));
        self.history.iter().rev().take_while(born)
    }

    fn left(&self, no: u64) -> Option<&Sent> {
        self.past().find_map(|fact| match fact {
            Observation::Left(outgoing) if outgoing.no == no => Some(outgoing),
            _ => None,
        })
    }

    fn all_left(&self) -> impl Iterator<Item = &Sent> {
        self.past().filter_map(|fact| match fact {
            Observation::Left(outgoing) => Some(outgoing),
            _ => None,
        })
    }

    fn starts(&self) -> impl Iterator<Item = &Sent> {
        self.all_left()
            .filter(|outgoing| outgoing.effect == Effect::Start)
    }

    fn delivery(&self, of: u64) -> Option<DeliveryFact> {
        self.past().find_map(|fact| match fact {
            Observation::Reported { no, delivery, .. } if *no == of => Some(*delivery),
            _ => None,
        })
    }

    /// Returns the tasks that our starts made.
    fn made(&self) -> impl Iterator<Item = &String> {
        self.past().filter_map(|fact| match fact {
            Observation::Arrived { made, .. } => made.as_ref(),
            _ => None,
        })
    }

    /// Returns the requests that the server took.
    fn taken(&self) -> impl Iterator<Item = &Sent> {
        self.past().filter_map(|fact| match fact {
            Observation::Arrived {
                no, is_taken: true, ..
            } => self.left(*no),
            _ => None,
        })
    }

    /// Returns the events that were reported.
    fn told(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.past().filter_map(|fact| match fact {
            Observation::Told(event) => Some(&**event),
            _ => None,
        })
    }

    /// Returns the id that was reported.
    fn told_id(&self) -> Option<String> {
        self.told().find_map(|event| match event {
            Event::Created { id, .. } => Some(id.to_string()),
            _ => None,
        })
    }

    fn durable(&self) -> Option<&Durable> {
        self.past().rev().find_map(|fact| match fact {
            Observation::Stored(durable) => Some(durable),
            _ => None,
        })
    }
}
