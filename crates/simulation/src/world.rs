//! Everything around the task: time, the server, the disk, the people.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use taskward_core::{
    Answer, Event, EventId, ExchangeFailure, ExchangeId, OriginBudget, Provider, QuestionId,
    Response, Timestamp,
};

use super::fault::{Chance, FaultEvent};
use super::model::{Model, Rules};
use super::observation::{Durable, Observation};
use super::replies::response;
use super::report::{Counted, Reads, Trace, Violation};

use super::{Beginning, START, Simulation};
use taskward_sim::platform::{
    Effect, Interference, QuestionAccount, ServerState, SimPlatform, TaskStanding,
};
use taskward_sim::{Reply, Request, StreamId};

/// How long a human in the dashboard reviews a task before approving it.
const REVIEW: u64 = 20_000;

/// A request that its sender has given up, on its way.
pub(super) struct Late {
    pub(super) no: u64,
    pub(super) at: u64,
    pub(super) request: Request,
}

/// The exchange that is under way, and what will be reported of it.
pub(super) struct Flight {
    pub(super) no: u64,
    pub(super) id: ExchangeId,
    pub(super) effect: Effect,
    pub(super) due: u64,
    /// Whether the stream is read first.
    pub(super) yields: bool,
    pub(super) news: News,
}

/// What will be reported of an exchange.
pub(super) enum News {
    Reply {
        reply: Response,
        is_whole: bool,
        as_of: u64,
    },
    Stream {
        head: taskward_core::Head,
        sim: StreamId,
    },
    Failure(ExchangeFailure),
}

/// A stream that is open.
pub(super) struct Open {
    pub(super) id: ExchangeId,
    pub(super) sim: StreamId,
    /// What came and is not handed over.
    pub(super) ready: VecDeque<u8>,
    /// Until when nothing comes.
    pub(super) stalled_until: u64,
}

/// An answer that a human has in mind.
pub(super) struct Want {
    pub(super) at: u64,
    pub(super) question: QuestionId,
    pub(super) answer: Answer,
}

/// What is on the wire, and what the wire does.
#[derive(Default)]
pub(super) struct Wire {
    pub(super) flight: Option<Flight>,
    /// The exchange that opens the stream, beside the other.
    pub(super) opening: Option<Flight>,
    pub(super) stream: Option<Open>,
    pub(super) late: Vec<Late>,
    /// Reports that are handed over again.
    pub(super) echoes: Vec<(ExchangeId, Result<Response, ExchangeFailure>)>,
    /// The newest reply to each read, and when it was made.
    pub(super) memory: BTreeMap<String, (Reply, u64)>,
    /// How the server refuses, and for how many requests.
    pub(super) storm: (u16, u32),
}

/// How much was done.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) processes: u32,
    pub(super) requests: u64,
    pub(super) reads: Reads,
    /// How often the task was parked.
    pub(super) parked: u64,
    /// How often an unknown start was recovered.
    pub(super) recoveries: u32,
}

/// The events that were reported.
#[derive(Default)]
pub(super) struct Told {
    pub(super) events: Vec<Event>,
    /// Their numbers: an event that comes again has its number.
    pub(super) ids: BTreeSet<EventId>,
    /// Whether the event that is being delivered was told before.
    pub(super) is_again: bool,
}

/// A simulation under way: its server, its network, its clocks and its people.
pub(super) struct World<P: Provider, M: SimPlatform> {
    pub(super) setup: Simulation<P, M>,
    pub(super) chance: Chance,
    pub(super) model: Model,
    pub(super) trace: Trace,
    pub(super) struck: Counted<FaultEvent>,
    pub(super) counts: Counts,
    pub(super) told: Told,
    pub(super) wire: Wire,
    pub(super) shared: OriginBudget,
    /// What is on the disk.
    pub(super) durable: Option<Durable>,
    /// The task that is followed, or was made by our start.
    pub(super) subject: Option<String>,
    pub(super) wants: Vec<Want>,
    /// Whether the process has yet to ask its task what is open.
    pub(super) doubts: bool,
    /// The time as it is.
    pub(super) now: u64,
    /// By how much the client's clock is ahead.
    pub(super) skew: i64,
    /// By how much that clock was put ahead, in all.
    pub(super) put_ahead: u64,
    /// Since when time stands still, and for how many steps.
    pub(super) still_since: u64,
    pub(super) still: u64,
    pub(super) cancel_at: u64,
    pub(super) interrupt_at: u64,
    /// How long a task may take to be cancelled before detaching, once its id is known.
    pub(super) to_stop: Option<Duration>,
    /// When the last request was sent.
    pub(super) last_left: u64,
    /// When the deadlines of the task pass at the latest, by the client's clock.
    pub(super) deadline: u64,
    /// When a task that this process cancels is stopped, or given up, by that clock.
    pub(super) left_by: u64,
    /// When nothing goes wrong any more.
    pub(super) healed_at: u64,
    /// Since when a task is in review.
    reviewed_since: Option<u64>,
}

impl<P: Provider, M: SimPlatform> World<P, M> {
    pub(super) fn new(setup: Simulation<P, M>) -> Self {
        let rules = Rules {
            start: setup.provider.capabilities().start,
            answer: setup.provider.capabilities().answer,
            turn: match &setup.beginning {
                Beginning::Start(_) => None,
                Beginning::Turn { text, .. } => Some(text.clone()),
            },
            policy: setup.policy.clone(),
            secret: setup.machine.api_key().to_owned(),
        };
        let at = |after: Option<Duration>| {
            after.map_or(u64::MAX, |after| START.saturating_add(millis(after)))
        };
        Self {
            chance: Chance::new(setup.seed),
            model: Model::new(rules),
            trace: Trace::new(setup.is_told),
            struck: Counted::default(),
            counts: Counts::default(),
            told: Told::default(),
            wire: Wire::default(),
            shared: OriginBudget::new(),
            durable: None,
            subject: None,
            wants: Vec::new(),
            doubts: false,
            now: START,
            skew: 0,
            put_ahead: 0,
            still_since: START,
            still: 0,
            cancel_at: at(setup.cancel_after),
            interrupt_at: at(setup.interrupt_after),
            to_stop: None,
            last_left: START,
            deadline: u64::MAX,
            left_by: u64::MAX,
            healed_at: at(setup.heal_after),
            reviewed_since: None,
            setup,
        }
    }

    pub(super) fn learn(&mut self, fact: Observation) -> Result<(), Box<Violation>> {
        self.model
            .learn(fact)
            .map_err(|violation| self.broken(violation))
    }

    /// Returns the violation, with where it happened.
    pub(super) fn broken(&mut self, mut violation: Violation) -> Box<Violation> {
        violation.step = self.counts.steps;
        self.tell(format_args!("{violation}"));
        violation.log = self.trace.take_log();
        Box::new(violation)
    }

    pub(super) fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.tell(self.now - START, what);
    }

    // --- time --------------------------------------------------------------------------------------------------

    /// Returns what the client's clock shows.
    pub(super) fn clock(&self) -> Timestamp {
        Timestamp::from_millis(self.now.saturating_add_signed(self.skew))
    }

    /// Returns when the client's clock will show this.
    pub(super) fn when(&self, clock: Timestamp) -> u64 {
        clock.as_millis().saturating_add_signed(-self.skew)
    }

    pub(super) fn has_healed(&self) -> bool {
        self.now >= self.healed_at
    }

    /// Returns when the run must be over.
    pub(super) fn end(&self) -> u64 {
        let from = self.setup.heal_after.map_or(START, |_| self.healed_at);
        from.saturating_add(millis(self.setup.longest))
    }

    /// Lets time pass until then, or until something else happens before.
    pub(super) fn pass(&mut self, until: u64) {
        let wants = self.wants.iter().map(|want| want.at);
        let late = self.wire.late.iter().map(|late| late.at);
        let requests = [self.cancel_at, self.interrupt_at];
        let messages = self.setup.messages.iter().map(|(at, _)| *at);
        let others = self.setup.others.iter().map(|(at, _)| *at);
        let review = self.reviewed_since.map(|since| since + REVIEW);
        let other = wants.chain(late).chain(requests).chain(review);
        let other = other.chain(messages).chain(others);
        let first = other.filter(|at| *at > self.now).min();
        let until = until.min(first.unwrap_or(u64::MAX)).min(self.end() + 1);
        self.now = until.max(self.now + 1);
    }

    // --- chance ------------------------------------------------------------------------------------------------

    /// Returns whether this happens now.
    pub(super) fn strikes(&mut self, fault: FaultEvent) -> bool {
        let Some(one_in) = self.setup.faults.one_in(fault) else {
            return false;
        };
        if self.has_healed() || !self.chance.once_in(one_in) {
            return false;
        }
        self.count(fault);
        true
    }

    pub(super) fn count(&mut self, fault: FaultEvent) {
        self.struck.count(fault);
        self.tell(format_args!("! {fault}"));
    }

    // --- the server --------------------------------------------------------------------------------------------

    /// Records what is true on the server; returns the answer of the task.
    pub(super) fn inspect(&mut self) -> Option<String> {
        let account = self.account();
        let subject = self.subject.as_ref()?;
        if self.setup.provider.capabilities().stream {
            let events = self.setup.machine.events(subject);
            self.model.see_events(events);
        }
        let task = account.tasks.into_iter().find(|task| task.id == *subject);
        task?.answer
    }

    /// Returns what is true on the server now; nothing that happened meanwhile is missed.
    fn account(&mut self) -> ServerState {
        while let Some(at) = self.setup.machine.next_change().filter(|at| *at < self.now) {
            let account = self.setup.machine.account(at);
            self.see(&account, at);
        }
        let account = self.setup.machine.account(self.now);
        self.see(&account, self.now);
        account
    }

    fn see(&mut self, account: &ServerState, at: u64) {
        let passed = at - START.min(at) + self.put_ahead;
        self.model.see(account, at, passed);
    }

    /// Returns a request of ours arrives.
    pub(super) fn arrive(
        &mut self,
        no: u64,
        request: Request,
    ) -> Result<taskward_sim::Answer, Box<Violation>> {
        self.inspect();
        let is_keyed = request.head.header("idempotency-key").is_some();
        let is_write = M::effect(&request).is_write();
        let before = self.setup.machine.account(self.now);
        let answer = self.setup.machine.handle(request, self.now);
        if !is_write {
            return Ok(answer);
        }
        let after = self.setup.machine.account(self.now);
        let made = made(&before, &after);
        let answered = answered(&before, &after);
        let is_success = match &answer {
            taskward_sim::Answer::Whole(reply) => {
                self.setup.provider.classify(&response(reply)).is_ok()
            }
            taskward_sim::Answer::Stream { head, .. } => (200..300).contains(&head.status),
            // It was taken; what is said of it comes later.
            taskward_sim::Answer::Later { .. } => true,
        };
        let fact = Observation::Arrived {
            no,
            made: made.clone(),
            // Under a key the server may say so again and do nothing.
            is_taken: if is_keyed {
                is_success && (answered.is_some() || made.is_some())
            } else {
                is_success
            },
            answered,
        };
        if let Some(made) = made {
            self.subject.get_or_insert(made);
        }
        if let Some(subject) = &self.subject
            && is_success
        {
            self.model.begin_turn(no, subject);
        }
        self.tell(format_args!("  {fact:?}"));
        self.learn(fact)?;
        self.inspect();
        Ok(answer)
    }

    /// Returns what is due on the wire and elsewhere.
    pub(super) fn catch_up(&mut self) -> Result<(), Box<Violation>> {
        while let Some(at) = self.wire.late.iter().position(|late| late.at <= self.now) {
            let late = self.wire.late.remove(at);
            self.tell(format_args!("  request {} arrives late", late.no));
            let answer = self.arrive(late.no, late.request)?;
            self.forget(&answer);
        }
        self.start_others()?;
        self.interfere()
    }

    /// Returns what others do to the task.
    fn interfere(&mut self) -> Result<(), Box<Violation>> {
        let account = self.account();
        let subject = self.subject.as_ref();
        let Some(task) = subject.and_then(|id| account.tasks.iter().find(|task| task.id == *id))
        else {
            return Ok(());
        };
        let meddling = match task.standing {
            TaskStanding::Waiting if self.strikes(FaultEvent::SecondClient) => {
                Interference::AnswerByClient
            }
            TaskStanding::Waiting if self.strikes(FaultEvent::Dashboard) => {
                Interference::AnswerInDashboard
            }
            TaskStanding::Waiting if self.strikes(FaultEvent::Reword) => {
                match self.chance.once_in(2) {
                    true => Interference::Reword,
                    false => Interference::AskMore,
                }
            }
            TaskStanding::Review => {
                let since = *self.reviewed_since.get_or_insert(self.now);
                if self.now < since + REVIEW {
                    return Ok(());
                }
                Interference::Approve
            }
            TaskStanding::Going if self.strikes(FaultEvent::Dashboard) => {
                // Mostly they let it go on.
                if !self.chance.once_in(4) {
                    return Ok(());
                }
                Interference::Stop
            }
            _ => return Ok(()),
        };
        self.reviewed_since = None;
        let is_done = self.setup.machine.interfere(&task.id, &meddling, self.now);
        self.tell(format_args!("  others: {meddling:?} {is_done}"));
        let after = self.setup.machine.account(self.now);
        if let Some(question) = answered(&account, &after) {
            self.learn(Observation::AnsweredByOther { question })?;
        }
        self.inspect();
        Ok(())
    }
}

/// Returns the task that was made between these two.
pub(super) fn made(before: &ServerState, after: &ServerState) -> Option<String> {
    let is_old = |id: &String| before.tasks.iter().any(|task| task.id == *id);
    let mut ids = after.tasks.iter().map(|task| &task.id);
    ids.find(|id| !is_old(id)).cloned()
}

/// Returns the question that was answered between these two.
fn answered(before: &ServerState, after: &ServerState) -> Option<String> {
    let is_answered = |asked: &&QuestionAccount| {
        let earlier = before
            .questions
            .iter()
            .find(|earlier| (&earlier.id, &earlier.task) == (&asked.id, &asked.task));
        earlier.map_or(0, |earlier| earlier.answers) < asked.answers
    };
    after
        .questions
        .iter()
        .find(is_answered)
        .map(|asked| asked.id.clone())
}

/// Returns a time in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
