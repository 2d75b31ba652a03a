//! The reference model: slow and obvious. It keeps everything that happened, and looks through all of it to judge what
//! happens next.

use std::collections::BTreeMap;
use std::fmt;

use taskward_core::{Answered, Event, Policy, Safety};

use super::facts::{Asked, End, Fact, Fate, Leaving};
use super::machine::{Account, Effect, Standing};
use super::report::{Checked, Violation};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// One run makes at most one task.
    I1,
    /// An answer is applied at most once, and to the question that it was written for.
    I2,
    /// The intent is durable before the start leaves, the id before it is told; no restart loses either.
    I3,
    /// Events come in rising order, once, without a hole that is not told.
    I4,
    /// A watch has one end, and nothing after it.
    I5,
    /// The end that is told is the one that is true on the server.
    I6,
    /// The key is in nothing that is stored or told.
    I7,
    /// Attempts, pace and deadlines are kept.
    I8,
    /// What a task holds does not grow with what has happened.
    I9,
    /// Once nothing goes wrong any more, the watch ends.
    I10,
    /// The same seed gives the same run.
    I11,
}

impl Invariant {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I-{}", *self as usize + 1)
    }
}

/// The most bytes that show what a task holds, and the most of what is stored of it.
const MOST_HELD: usize = 512 << 10;

/// Attempts of a start beyond the budget: a keyed one whose repetition meets a conflict is asked for again.
const CONFLICTS: usize = 2;

/// What is known of the platform before anything happens.
pub(super) struct Rules {
    pub(super) start: Safety,
    pub(super) policy: Policy,
    /// What must not be seen anywhere.
    pub(super) secret: String,
}

/// Whether something holds.
enum Verdict {
    /// It is not concerned.
    Silent,
    Holds,
    Broken(String),
}

use Verdict::{Broken, Holds, Silent};

fn hold(holds: bool, why: impl FnOnce() -> String) -> Verdict {
    if holds { Holds } else { Broken(why()) }
}

type Check = fn(&Model, &Fact) -> Verdict;

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
    history: Vec<Fact>,
    /// When each question was first seen open on the server.
    opened: BTreeMap<String, u64>,
    /// Where each task has stood.
    stood: BTreeMap<String, Vec<Standing>>,
    /// The places of the events that the server shows now.
    events: Vec<u64>,
    checked: Checked,
}

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            history: Vec::new(),
            opened: BTreeMap::new(),
            stood: BTreeMap::new(),
            events: Vec::new(),
            checked: Checked::default(),
        }
    }

    /// What is true on the server now.
    pub(super) fn see(&mut self, account: &Account, now: u64) {
        for question in account.questions.iter().filter(|asked| asked.is_open) {
            self.opened.entry(question.id.clone()).or_insert(now);
        }
        for task in &account.tasks {
            let stood = self.stood.entry(task.id.clone()).or_default();
            if stood.last() != Some(&task.standing) {
                stood.push(task.standing);
            }
        }
    }

    /// The places of the events that the server shows now.
    pub(super) fn see_events(&mut self, events: Vec<u64>) {
        self.events = events;
    }

    pub(super) fn stood(&self, task: &str) -> Vec<Standing> {
        self.stood.get(task).cloned().unwrap_or_default()
    }

    pub(super) fn checked(&mut self) -> &mut Checked {
        &mut self.checked
    }

    /// Takes in what happened, and judges it.
    pub(super) fn learn(&mut self, fact: Fact) -> Result<(), Violation> {
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

    fn past(&self) -> impl DoubleEndedIterator<Item = &Fact> {
        self.history.iter()
    }

    /// What happened since the present process began, newest first.
    fn of_this_process(&self) -> impl Iterator<Item = &Fact> {
        let born = |fact: &&Fact| !matches!(fact, Fact::Born(_));
        self.history.iter().rev().take_while(born)
    }

    fn left(&self, no: u64) -> Option<&Leaving> {
        self.past().find_map(|fact| match fact {
            Fact::Left(leaving) if leaving.no == no => Some(leaving),
            _ => None,
        })
    }

    fn starts(&self) -> impl Iterator<Item = &Leaving> {
        self.past().filter_map(|fact| match fact {
            Fact::Left(leaving) if leaving.effect == Effect::Start => Some(leaving),
            _ => None,
        })
    }

    fn fate(&self, of: u64) -> Option<Fate> {
        self.past().find_map(|fact| match fact {
            Fact::Reported { no, fate, .. } if *no == of => Some(*fate),
            _ => None,
        })
    }

    /// The tasks that our starts made.
    fn made(&self) -> impl Iterator<Item = &String> {
        self.past().filter_map(|fact| match fact {
            Fact::Arrived { made, .. } => made.as_ref(),
            _ => None,
        })
    }

    /// The id that was told.
    fn told_id(&self) -> Option<String> {
        self.past().find_map(|fact| match fact {
            Fact::Told(event) => match &**event {
                Event::Started { id, .. } => Some(id.to_string()),
                _ => None,
            },
            _ => None,
        })
    }

    fn durable(&self) -> Option<&super::facts::Durable> {
        self.past().rev().find_map(|fact| match fact {
            Fact::Stored(durable) => Some(durable),
            _ => None,
        })
    }

    // --- what must hold ----------------------------------------------------------------------------------------

    /// I-1.
    fn makes_one_task(&self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Arrived { made: Some(id), .. } => hold(self.made().next().is_none(), || {
                format!("task {id} is made beside {:?}", self.made().next())
            }),
            Fact::Left(leaving) if leaving.effect == Effect::Start => {
                if self.rules.start == Safety::Once {
                    // A request of which nothing was told may have arrived, too.
                    let lost = self
                        .starts()
                        .find(|start| self.fate(start.no).is_none_or(Fate::may_have_happened));
                    return hold(lost.is_none(), || {
                        "a start without a key that may have been received is sent again".to_owned()
                    });
                }
                let other = self
                    .starts()
                    .find(|start| start.key != leaving.key || start.digest != leaving.digest);
                hold(leaving.key.is_some() && other.is_none(), || {
                    "a start goes out under two keys, or with other bytes".to_owned()
                })
            }
            _ => Silent,
        }
    }

    /// I-2.
    fn answers_once(&self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Left(leaving) if leaving.effect == Effect::Answer => {
                hold(self.was_checked(leaving), || {
                    format!("an answer to {:?} leaves unchecked", leaving.meant)
                })
            }
            Fact::Arrived {
                no,
                answered: Some(question),
                ..
            } => {
                let meant = self.left(*no).and_then(|leaving| leaving.meant.as_ref());
                if meant == Some(question) {
                    let before = self.applied(question);
                    let allowed = self.repetitions(question);
                    return hold(before <= allowed, || {
                        format!("question {question} is answered again, {before} times before")
                    });
                }
                let (Some(meant), Some(opened)) = (meant, self.opened.get(question)) else {
                    return Silent;
                };
                if !self.opened.contains_key(meant) {
                    // A stand-in: it is not known on the server.
                    return Silent;
                }
                let seen = self.last_read_before(*no);
                hold(seen.is_none_or(|as_of| as_of <= *opened), || {
                    format!("an answer to {meant} is sent when {question} was already to be seen")
                })
            }
            _ => Silent,
        }
    }

    /// Whether a read was made and understood after the answer was wished for, or last sent, or the process began.
    fn was_checked(&self, leaving: &Leaving) -> bool {
        let mut read = Vec::new();
        for fact in self.past().rev() {
            match fact {
                Fact::Read { no, .. } => read.push(*no),
                Fact::Left(earlier) if read.contains(&earlier.no) => return true,
                Fact::Left(earlier) if earlier.effect == Effect::Answer => return false,
                Fact::Wished { question } if Some(question) == leaving.meant.as_ref() => {
                    return false;
                }
                Fact::Born(_) => return false,
                _ => {}
            }
        }
        false
    }

    /// How often an answer of ours that was meant for this question was applied to it.
    fn applied(&self, question: &str) -> usize {
        let applied = self.past().filter(|fact| match fact {
            Fact::Arrived {
                no,
                answered: Some(to),
                ..
            } => {
                let meant = self.left(*no).and_then(|leaving| leaving.meant.as_ref());
                to == question && meant == Some(to)
            }
            _ => false,
        });
        applied.count()
    }

    /// How often a human repeated an answer whose fate they were told is unknown.
    fn repetitions(&self, question: &str) -> usize {
        let mut unknown = false;
        let mut repeated = 0;
        for fact in self.past() {
            match fact {
                Fact::Told(event) => {
                    if let Event::Answered {
                        question: of,
                        how: Answered::Unknown,
                        ..
                    } = &**event
                        && of.as_str() == question
                    {
                        unknown = true;
                    }
                }
                Fact::Wished { question: of } if of == question && unknown => repeated += 1,
                _ => {}
            }
        }
        repeated
    }

    /// When what was read last before a request left was true.
    fn last_read_before(&self, no: u64) -> Option<u64> {
        let mut seen = None;
        for fact in self.past() {
            match fact {
                Fact::Read { as_of, .. } => seen = Some(*as_of),
                Fact::Left(leaving) if leaving.no == no => break,
                _ => {}
            }
        }
        seen
    }

    /// I-3.
    fn loses_nothing(&self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Left(leaving) if leaving.effect == Effect::Start => {
                let is_durable = self.durable().is_some_and(|durable| durable.has_intent);
                hold(is_durable, || {
                    "a start leaves before its intent is durable".to_owned()
                })
            }
            Fact::Told(event) => match &**event {
                Event::Started { id, .. } => {
                    let stored = self.durable().and_then(|durable| durable.id.clone());
                    hold(stored.as_deref() == Some(id.as_str()), || {
                        format!("id {id} is told before it is durable")
                    })
                }
                _ => Silent,
            },
            Fact::Born(birth) => {
                let stored = birth.from.as_ref().and_then(|from| from.id.clone());
                let known = self.told_id().or(stored);
                if known.is_none() {
                    return Silent;
                }
                hold(birth.id == known, || {
                    format!("the id {known:?} is forgotten: {:?}", birth.id)
                })
            }
            Fact::Asked(asked) if asked.id.is_none() => {
                // Of a reply that came whole the id is taken, whatever else it has or lacks.
                let has_come = self.of_this_process().any(|fact| {
                    matches!(fact, Fact::Reported { effect: Effect::Start, fate: Fate::Whole { status, .. }, .. }
                        if (200..300).contains(status))
                });
                hold(!has_come, || {
                    "the reply to the start was whole, and its id is not taken".to_owned()
                })
            }
            Fact::Searched {
                found,
                is_reliable: true,
            } => {
                let missed = self.made().find(|id| !found.contains(id));
                hold(missed.is_none(), || {
                    format!("{missed:?} was started and is not found")
                })
            }
            _ => Silent,
        }
    }

    /// I-4.
    fn tells_in_order(&self, fact: &Fact) -> Verdict {
        let Fact::Told(event) = fact else {
            return Silent;
        };
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

    /// The place behind which this process goes on.
    pub(super) fn position(&self) -> Option<u64> {
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
    fn ends_once(&self, fact: &Fact) -> Verdict {
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

    /// I-6.
    fn ends_truly(&self, fact: &Fact) -> Verdict {
        let Fact::Done(end) = fact else {
            return Silent;
        };
        let End {
            code,
            stood,
            passed,
            told,
            answer,
        } = end;
        let has = |standing| {
            hold(stood.contains(&standing), || {
                format!("{code}, and the task has stood at {stood:?}")
            })
        };
        match *code {
            "succeeded" if answer.is_some() && told != answer => {
                Broken(format!("{told:?} is told, and the answer is {answer:?}"))
            }
            "succeeded" | "result_unavailable" => has(Standing::Completed),
            "task_failed" => has(Standing::Failed),
            "task_stopped" => has(Standing::Stopped),
            "not_started" | "refused" => {
                let made = self.made().next();
                hold(made.is_none(), || format!("{code}, and {made:?} is there"))
            }
            "outcome_unknown" => hold(self.durable().is_some(), || {
                "an unknown outcome of nothing".to_owned()
            }),
            "deadline" => {
                let policy = &self.rules.policy;
                let shortest = policy.work.into_iter().chain(policy.human).min();
                let shortest = shortest.map_or(u128::MAX, |shortest| shortest.as_millis());
                hold(u128::from(*passed) >= shortest, || {
                    "the deadline came early".to_owned()
                })
            }
            other => Broken(format!(
                "{other}, which nothing on the server is a reason for"
            )),
        }
    }

    /// I-7.
    fn keeps_the_secret(&self, fact: &Fact) -> Verdict {
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
    fn keeps_its_bounds(&self, fact: &Fact) -> Verdict {
        match fact {
            Fact::Left(leaving) if leaving.effect.is_write() => {
                let of_this = |fact: &&Fact| match fact {
                    Fact::Left(earlier) => {
                        earlier.effect == leaving.effect && earlier.meant == leaving.meant
                    }
                    _ => false,
                };
                let anew = |fact: &&Fact| !matches!(fact, Fact::Wished { question } if Some(question) == leaving.meant.as_ref());
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
            Fact::Slept(deadline) => Some(*deadline),
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
    fn stays_small(&self, fact: &Fact) -> Verdict {
        let bytes = match fact {
            Fact::Stored(durable) => durable.text.len(),
            Fact::Holds(bytes) => *bytes,
            _ => return Silent,
        };
        hold(bytes <= MOST_HELD, || format!("{bytes} bytes are held"))
    }
}
