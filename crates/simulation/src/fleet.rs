//! Fifty tasks under one driver, on one server, in virtual time, with faults.
//!
//! What is true of each task by itself is the business of the other simulations. Here it is that of many: none is lost, none
//! is started or answered twice, none waits for its turn longer than is promised, and a server that limits the rate is not
//! asked faster than the rate that it was found to have, whatever happens to the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use taskward_core::{
    Answer, Answered, Cause, Event, ExchangeFailure, ExchangeId, ExchangeProgress, Fleet,
    FleetStep, MemberId, OriginBudget, Outcome, Policy, Provider, Question, QuestionId, Request,
    RequestPurpose, Response, Revision, Seed, Snapshot, Task, Timestamp,
};
use taskward_sim::Answer as Served;
use taskward_sim::platform::{Effect, ServerState, SimPlatform, TaskStanding};

use super::START;
use super::invariant::Invariant;
use super::replies::response;
use super::report::{Counted, Done, Trace, Violation};
use super::wire::translate;
use super::world::made;

/// How many tasks a fleet has.
pub(super) const TASKS: usize = 50;
/// How long things go wrong, and how long the rest may take.
const HEALED_AFTER: u64 = 120_000;
const LONGEST: u64 = 1_200_000;
/// The longest exchange.
const SLOW: u64 = 4_000;
/// So many steps without time going on are a circle.
const CIRCLE: u64 = 20_000;

/// What a fleet is made of.
pub(super) struct Plan<P: Provider, M> {
    pub(super) provider: P,
    pub(super) machine: M,
    pub(super) jobs: Vec<P::Job>,
    pub(super) answer: Box<dyn FnMut(&Question) -> Answer>,
    pub(super) seed: u64,
    pub(super) is_told: bool,
}

/// What a fleet came to.
pub(super) struct FleetReport {
    pub(super) steps: u64,
    pub(super) processes: u64,
    pub(super) elapsed: Duration,
    pub(super) ends: Counted<&'static str>,
    pub(super) checked: Counted<Invariant>,
    pub(super) trace: u64,
    pub(super) log: Vec<String>,
}

/// One task of the fleet, as this world knows it.
#[derive(Default)]
struct Member {
    /// What was stored of it.
    stored: Option<(Revision, String)>,
    /// The tasks that its start made.
    made: Vec<String>,
    /// Whether the reply to its start may have been lost.
    was_lost: bool,
    end: Option<&'static str>,
    /// While it is due: how many requests had been sent when it became so.
    due: Option<u64>,
    /// Until when it is not stored again after the disk refused it: it is not due before.
    refused_until: u64,
}

impl Member {
    /// Its process ends: whether a start that is not stored with a task was sent is not known any more.
    fn lose_start(&mut self) {
        let is_created = |(_, text): &(Revision, String)| {
            let saved: Snapshot = serde_json::from_str(text).expect("a snapshot is JSON");
            saved.task().is_some()
        };
        self.was_lost |= self
            .stored
            .as_ref()
            .is_none_or(|stored| !is_created(stored));
    }
}

/// How many requests the server accepts in each second, and what the fleet may send by the rate that it knows of.
struct Limit {
    accepts: Option<u32>,
    /// The second, and what was accepted in it.
    second: (u64, u32),
    /// What may be sent now by the known rate, of what no human waits for.
    credit: f64,
    counted_at: u64,
}

/// So many requests may be sent at any time, whatever the rate.
const SPARE: f64 = 10.0;

impl Limit {
    fn new(accepts: Option<u32>) -> Self {
        Self {
            accepts,
            second: (0, 0),
            credit: SPARE,
            counted_at: START,
        }
    }

    /// Returns whether the server takes one more request now.
    fn takes(&mut self, now: u64) -> bool {
        let Some(most) = self.accepts else {
            return true;
        };
        if self.second.0 != now / 1_000 {
            self.second = (now / 1_000, 0);
        }
        self.second.1 += 1;
        self.second.1 <= most
    }

    /// Counts a request that is sent at a time by this rate; returns whether it is one too many.
    fn exceeds(&mut self, rate: Option<f64>, now: u64) -> bool {
        let seconds = (now - self.counted_at) as f64 / 1e3;
        self.counted_at = now;
        let Some(rate) = rate else {
            self.credit = SPARE;
            return false;
        };
        // Each task may have had its turn, and wait for a free exchange.
        let most = SPARE.max(rate / 10.0) + TASKS as f64;
        self.credit = (self.credit + rate * seconds).min(most) - 1.0;
        // The rate may have changed several times since it was counted last.
        self.credit < -SPARE
    }
}

/// An exchange under way.
struct Flight {
    /// Whose it is; a page of the list is nobody's.
    member: Option<MemberId>,
    id: ExchangeId,
    report: Result<Response, ExchangeFailure>,
}

/// Everything around the fleet.
pub(super) struct FleetWorld<P: Provider, M: SimPlatform> {
    plan: Plan<P, M>,
    rng: fastrand::Rng,
    fleet: Fleet<usize, P>,
    budget: OriginBudget,
    limit: Limit,
    /// Whether the list of the account goes on saying of tasks that they are at work.
    is_list_still: bool,
    still_list: Option<taskward_sim::Reply>,
    members: Vec<Member>,
    now: u64,
    at_once: usize,
    /// Once in so many exchanges something goes wrong, and once in so many steps.
    fault: u32,
    upset: u32,
    underway: BTreeMap<(u64, u64), Flight>,
    /// Requests for tasks, and exchanges of all kinds.
    sent: u64,
    exchanges: u64,
    /// Answers that humans have in mind.
    wants: BTreeSet<(u64, usize, QuestionId)>,
    answers: BTreeMap<QuestionId, Answer>,
    asked: BTreeSet<(usize, QuestionId)>,
    is_stopped: bool,
    report: FleetReport,
    trace: Trace,
    still: u64,
}

impl<P: Provider, M: SimPlatform> FleetWorld<P, M> {
    pub(super) fn new(plan: Plan<P, M>) -> Self {
        let mut rng = fastrand::Rng::with_seed(plan.seed ^ 0x666c_6565);
        // Too few exchanges for what is due, or plenty.
        let at_once = [1, 1, 2, 4, 16][rng.usize(..5)];
        Self {
            fleet: Fleet::new(at_once),
            budget: OriginBudget::new(),
            members: plan.jobs.iter().map(|_| Member::default()).collect(),
            now: START,
            at_once,
            fault: [8, 20, 1_000][rng.usize(..3)],
            upset: [400, 2_000, 1_000_000][rng.usize(..3)],
            limit: Limit::new([None, None, Some(2), Some(5)][rng.usize(..4)]),
            is_list_still: rng.u8(..3) == 0,
            still_list: None,
            underway: BTreeMap::new(),
            sent: 0,
            exchanges: 0,
            wants: BTreeSet::new(),
            answers: BTreeMap::new(),
            asked: BTreeSet::new(),
            is_stopped: false,
            report: FleetReport {
                steps: 0,
                processes: 0,
                elapsed: Duration::ZERO,
                ends: Counted::default(),
                checked: Counted::default(),
                trace: 0,
                log: Vec::new(),
            },
            trace: Trace::new(plan.is_told),
            still: 0,
            rng,
            plan,
        }
    }

    /// Follows all tasks to their ends.
    pub(super) fn run(mut self) -> Done<FleetReport> {
        let outcome = self.follow();
        self.report.trace = self.trace.digest();
        self.report.log = self.trace.take_log();
        match outcome {
            Ok(()) => {
                self.report.elapsed = Duration::from_millis(self.now - START);
                Ok(self.report)
            }
            Err(mut violation) => {
                violation.step = self.report.steps;
                violation.log = self.report.log;
                Err(violation)
            }
        }
    }

    fn follow(&mut self) -> Done {
        self.begin()?;
        while !self.fleet.is_empty() {
            self.report.steps += 1;
            self.still += 1;
            if self.still > CIRCLE || self.now > START + HEALED_AFTER + LONGEST {
                let left: Vec<&usize> = self.fleet.keys().collect();
                return broken(Invariant::I10, format!("these do not end: {left:?}"));
            }
            match self.fleet.next_step(self.clock(), &self.budget) {
                FleetStep::Save { member, revision } => self.save(member, revision),
                FleetStep::Send {
                    member,
                    id,
                    request,
                    ..
                } => self.send(member, id, &request)?,
                FleetStep::List { id, request, .. } => self.send_list(id, &request)?,
                FleetStep::Event {
                    member, no, event, ..
                } => {
                    let key = self.key(member);
                    self.tell(format_args!("{key} event {event:?}"));
                    self.members[key].due = None;
                    self.fleet.taken(member, no);
                    self.hear(key, &event)?;
                }
                FleetStep::Done { member } => self.end(member)?,
                FleetStep::Wait { until } => self.wait(until)?,
            }
            self.upset()?;
        }
        self.conclude()
    }

    fn clock(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn has_healed(&self) -> bool {
        self.now >= START + HEALED_AFTER
    }

    fn once_in(&mut self, of: u32) -> bool {
        !self.has_healed() && self.rng.u32(..of) == 0
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.tell(self.now - START, what);
    }

    fn key(&self, member: MemberId) -> usize {
        *self
            .fleet
            .key(member)
            .expect("a step is of a task that is there")
    }

    // --- processes ---------------------------------------------------------------------------------------------

    /// A process begins: it goes on with what is stored, and starts what is not.
    fn begin(&mut self) -> Done {
        self.report.processes += 1;
        self.fleet = Fleet::new(self.at_once);
        self.underway.clear();
        self.is_stopped = false;
        let now = self.clock();
        // Whoever was asked says it again to this process.
        let asked: Vec<(usize, QuestionId)> = self.asked.iter().cloned().collect();
        for (key, question) in asked {
            let at = self.now + self.rng.u64(1..20_000);
            self.wants.insert((at, key, question));
        }
        for key in 0..self.members.len() {
            if self.members[key].end.is_some() {
                continue;
            }
            let provider = self.plan.provider.clone();
            let task = match &self.members[key].stored {
                Some((_, text)) => {
                    let saved = serde_json::from_str(text).expect("a snapshot is JSON");
                    Task::resume(provider, saved, now).expect("what was stored can be gone on with")
                }
                None => {
                    let mut seed = [0; 32];
                    self.rng.fill(&mut seed);
                    let job = &self.plan.jobs[key];
                    Task::start(provider, job, Policy::default(), Seed(seed), now)
                        .expect("the job is right")
                }
            };
            if let Err(error) = self.fleet.add(key, task, now) {
                return broken(Invariant::I3, format!("{key} is not taken: {error}"));
            }
            self.members[key].due = Some(self.sent);
        }
        Ok(())
    }

    /// Now and then the process is killed, the fleet is stopped, or a task is taken out and put in again.
    fn upset(&mut self) -> Done {
        if self.is_stopped && self.fleet.is_at_rest() {
            self.tell(format_args!("stopped"));
            for (key, member) in self.members.iter().enumerate() {
                let left = self.fleet.get(&key).map(|task| task.snapshot().revision());
                let stored = member.stored.as_ref().map(|(revision, _)| *revision);
                if left.is_some() && stored.is_some() && left != stored {
                    let why = format!("{key} is at rest at {left:?}, and {stored:?} is stored");
                    return broken(Invariant::I3, why);
                }
            }
            self.report.checked.count(Invariant::I3);
            return self.begin();
        }
        if self.is_stopped || !self.once_in(self.upset) {
            return Ok(());
        }
        match self.rng.u8(..3) {
            0 => {
                self.tell(format_args!("killed"));
                for member in &mut self.members {
                    member.lose_start();
                }
                self.now += self.rng.u64(1..30_000);
                self.still = 0;
                self.begin()
            }
            1 => {
                self.tell(format_args!("to be stopped"));
                self.is_stopped = true;
                let now = self.clock();
                self.fleet.stop(now);
                Ok(())
            }
            _ => {
                let key = self.rng.usize(..self.members.len());
                let Some(task) = self.fleet.remove(&key) else {
                    return Ok(());
                };
                self.tell(format_args!("{key} is taken out and put in again"));
                self.members[key].lose_start();
                let now = self.clock();
                let saved = task.snapshot();
                let provider = self.plan.provider.clone();
                let task = Task::resume(provider, saved, now).expect("it can be gone on with");
                self.members[key].due = Some(self.sent);
                match self.fleet.add(key, task, now) {
                    Ok(_) => Ok(()),
                    Err(error) => broken(Invariant::I3, format!("{key} is not taken: {error}")),
                }
            }
        }
    }

    // --- steps -------------------------------------------------------------------------------------------------

    fn save(&mut self, member: MemberId, revision: Revision) {
        let key = self.key(member);
        self.members[key].due = None;
        if self.once_in(self.fault) {
            self.tell(format_args!("{key} not saved"));
            self.members[key].refused_until = self.now + 1_000;
            let again = self.clock().after(Duration::from_secs(1));
            return self.fleet.not_saved(member, again);
        }
        let snapshot = self.fleet.task(member).map(Task::snapshot);
        let text = snapshot.map(|snapshot| serde_json::to_string(&snapshot));
        let text = text.expect("it is there").expect("a snapshot is JSON");
        self.members[key].stored = Some((revision, text));
        self.fleet.saved(member, revision);
    }

    fn send(&mut self, member: MemberId, id: ExchangeId, request: &Request) -> Done {
        let key = self.key(member);
        if self.is_stopped {
            return broken(Invariant::I3, format!("{key} is sent after a stop"));
        }
        if self.fleet.busy() > self.at_once {
            return broken(Invariant::I8, format!("{} at once", self.fleet.busy()));
        }
        let sim = translate(request, self.plan.machine.api_key());
        let effect = M::effect(&sim);
        self.tell(format_args!("{key} sends {}", effect.name()));
        if effect == Effect::Stream {
            return broken(Invariant::I8, format!("{key} opens a stream"));
        }
        let revision = self
            .fleet
            .task(member)
            .map(|task| task.snapshot().revision());
        let stored = self.members[key]
            .stored
            .as_ref()
            .map(|(revision, _)| *revision);
        if effect.is_write() && stored != revision {
            return broken(Invariant::I3, format!("{key} is sent and not stored"));
        }
        self.check_turns(key)?;
        let rate = self.budget.requests_per_second();
        let purpose = self.fleet.task(member).and_then(Task::request_purpose);
        let is_urgent = matches!(
            purpose,
            Some(
                RequestPurpose::Check
                    | RequestPurpose::Answer
                    | RequestPurpose::Message
                    | RequestPurpose::Reconcile
                    | RequestPurpose::Cancel
            )
        );
        if !is_urgent {
            self.check_rate(rate)?;
        }
        self.fleet.sent(member, id);
        self.sent += 1;
        let report = self.exchange(key, sim, effect)?;
        self.fly(Some(member), id, report);
        Ok(())
    }

    /// Sends the request for a page of the account's list, which counts as the turn of no task.
    fn send_list(&mut self, id: ExchangeId, request: &Request) -> Done {
        if self.is_stopped || self.fleet.busy() >= self.at_once {
            return broken(Invariant::I8, "a list is read out of turn".to_owned());
        }
        self.check_rate(self.budget.requests_per_second())?;
        let sim = translate(request, self.plan.machine.api_key());
        let effect = M::effect(&sim);
        self.tell(format_args!("a list is read: {}", effect.name()));
        if effect.is_write() {
            return broken(Invariant::I3, "a list writes".to_owned());
        }
        let report = if self.once_in(self.fault) {
            let (progress, cause) = (ExchangeProgress::MaybeSent, Cause::Reset);
            Err(ExchangeFailure::new(progress, cause, "as it has it"))
        } else if !self.limit.takes(self.now) {
            Ok(response(&taskward_sim::Reply::error(429, "one too many")))
        } else {
            match self.plan.machine.handle(sim, self.now) {
                Served::Whole(reply) => Ok(response(&self.still(reply))),
                _ => return broken(Invariant::I8, "a list has no end".to_owned()),
            }
        };
        self.fly(None, id, report);
        Ok(())
    }

    /// Returns what the server lists; where its list stands still, the page that had most tasks at work.
    fn still(&mut self, reply: taskward_sim::Reply) -> taskward_sim::Reply {
        if !self.is_list_still {
            return reply;
        }
        let at_work = |reply: &taskward_sim::Reply| {
            let page = String::from_utf8_lossy(&reply.body).into_owned();
            page.matches("\"running\"").count()
        };
        if (self.still_list.as_ref()).is_none_or(|still| at_work(still) < at_work(&reply)) {
            self.still_list = Some(reply.clone());
        }
        self.still_list.clone().unwrap_or(reply)
    }

    /// Checks that a request which no human waits for keeps to the rate that is known.
    fn check_rate(&mut self, rate: Option<f64>) -> Done {
        if self.limit.exceeds(rate, self.now) {
            let why = format!("more than {rate:?} requests a second are sent");
            return broken(Invariant::I14, why);
        }
        if rate.is_some() {
            self.report.checked.count(Invariant::I14);
        }
        Ok(())
    }

    /// Lets the exchange take its time.
    fn fly(
        &mut self,
        member: Option<MemberId>,
        id: ExchangeId,
        report: Result<Response, ExchangeFailure>,
    ) {
        let slow = self.rng.u8(..10) == 0;
        let due = self.now + if slow { self.rng.u64(20..SLOW) } else { 20 };
        self.exchanges += 1;
        let flight = Flight { member, id, report };
        self.underway.insert((due, self.exchanges), flight);
    }

    /// Returns what is reported of an exchange.
    fn exchange(
        &mut self,
        key: usize,
        sim: taskward_sim::Request,
        effect: Effect,
    ) -> Done<Result<Response, ExchangeFailure>> {
        let fails = self.once_in(self.fault);
        let way = self.rng.u8(..4);
        let failed = |progress, cause| Err(ExchangeFailure::new(progress, cause, "as it has it"));
        match (fails, way) {
            (true, 0) => return Ok(failed(ExchangeProgress::NotSent, Cause::Refused)),
            (true, 1) => {
                self.members[key].was_lost |= effect == Effect::Start;
                return Ok(failed(ExchangeProgress::MaybeSent, Cause::Reset));
            }
            _ => {}
        }
        if !self.limit.takes(self.now) {
            self.tell(format_args!("{key} is refused"));
            let mut reply = taskward_sim::Reply::error(429, "one too many");
            reply.headers.push(("retry-after", "1".to_owned()));
            return Ok(Ok(response(&reply)));
        }
        let before = (effect == Effect::Start).then(|| self.account());
        let answer = self.plan.machine.handle(sim, self.now);
        if let Some(before) = before
            && let Some(id) = made(&before, &self.account())
        {
            self.members[key].made.push(id);
        }
        if self.members[key].made.len() > 1 {
            let made = &self.members[key].made;
            return broken(Invariant::I1, format!("{key} made {made:?}"));
        }
        self.report.checked.count(Invariant::I1);
        let Served::Whole(reply) = answer else {
            return broken(Invariant::I8, format!("{key} has a reply without an end"));
        };
        if fails {
            self.members[key].was_lost |= effect == Effect::Start;
            return Ok(match way {
                2 => failed(ExchangeProgress::MaybeSent, Cause::Reset),
                _ => Ok(response(&taskward_sim::Reply::error(502, "a gateway"))),
            });
        }
        Ok(Ok(response(&reply)))
    }

    fn account(&mut self) -> ServerState {
        self.plan.machine.account(self.now)
    }

    /// Lets time pass until something happens, and reports what is over.
    fn wait(&mut self, until: Timestamp) -> Done {
        let reply = self.underway.keys().next().map(|(at, _)| *at);
        let want = self.wants.first().map(|(at, ..)| *at);
        let first = [reply, want].into_iter().flatten().min();
        let next = until.as_millis().min(first.unwrap_or(u64::MAX));
        if next == u64::MAX && !(self.is_stopped && self.fleet.is_at_rest()) {
            let left: Vec<&usize> = self.fleet.keys().collect();
            return broken(Invariant::I10, format!("nobody wakes {left:?}"));
        }
        if next == u64::MAX {
            return Ok(());
        }
        if next > self.now {
            (self.now, self.still) = (next, 0);
        }
        let now = self.clock();
        while let Some(entry) = self.underway.first_entry()
            && entry.key().0 <= self.now
        {
            let Flight { member, id, report } = entry.remove();
            match (member, report) {
                (None, report) => self.fleet.handle_list(id, report, now),
                (Some(task), Ok(reply)) => self.fleet.handle_response(task, id, reply, now),
                (Some(task), Err(failure)) => self.fleet.handle_failure(task, id, failure, now),
            }
        }
        while let Some((at, key, question)) = self.wants.first().cloned()
            && at <= self.now
        {
            self.wants.remove(&(at, key, question.clone()));
            if let Some(answer) = self.answers.get(&question).cloned()
                && self.fleet.get(&key).is_some()
            {
                let answered = self.fleet.answer(&key, &question, answer, now).is_ok();
                self.tell(format_args!("{key} is answered: {answered}"));
                if answered {
                    // It is asked at once, and takes its turn among those that go on.
                    self.members[key].due = None;
                }
            }
        }
        self.note_due();
        Ok(())
    }

    fn hear(&mut self, key: usize, event: &Event) -> Done {
        match event {
            Event::Question(question) => {
                let at = self.now + self.rng.u64(1..20_000);
                let answer = (self.plan.answer)(question);
                self.answers.insert(question.id.clone(), answer);
                self.wants.insert((at, key, question.id.clone()));
                self.asked.insert((key, question.id.clone()));
            }
            Event::Answered { question, how, .. } => {
                if *how != Answered::Applied {
                    // They say it again, if it is still asked.
                    self.wants.insert((self.now + 1_000, key, question.clone()));
                }
            }
            _ => return Ok(()),
        }
        let twice = (self.account().questions.into_iter()).find(|asked| asked.answers > 1);
        if let Some(asked) = twice {
            return broken(Invariant::I2, format!("answered twice: {asked:?}"));
        }
        self.report.checked.count(Invariant::I2);
        Ok(())
    }

    /// Takes out a task that is over, and checks its outcome against the server.
    fn end(&mut self, member: MemberId) -> Done {
        let key = self.key(member);
        let task = self.fleet.remove_member(member).expect("it is there");
        let outcome = task.into_outcome().expect("it has an outcome");
        let code = outcome.code();
        self.tell(format_args!("{key} ends: {code}"));
        if let Some(before) = self.members[key].end.replace(code) {
            return broken(
                Invariant::I5,
                format!("{key} ends as {before}, and as {code}"),
            );
        }
        self.members[key].due = None;
        self.report.checked.count(Invariant::I5);
        self.report.ends.count(code);
        let account = self.account();
        let id = outcome.task().map(ToString::to_string);
        let truth = id
            .as_ref()
            .and_then(|id| account.tasks.iter().find(|task| task.id == *id));
        let standing = truth.map(|task| task.standing);
        let member = &self.members[key];
        let is_own = id.is_none_or(|id| member.made.contains(&id));
        let holds = is_own
            && match &outcome {
                Outcome::Succeeded { .. } => standing == Some(TaskStanding::Completed),
                Outcome::ResultUnavailable { .. } => standing == Some(TaskStanding::Completed),
                Outcome::Failed { .. } => standing == Some(TaskStanding::Failed),
                Outcome::Stopped { .. } => standing == Some(TaskStanding::Stopped),
                Outcome::NotStarted { .. } => member.made.is_empty(),
                Outcome::Unknown { .. } => member.was_lost,
                _ => false,
            };
        if !holds {
            let why = format!(
                "{key} ends as {code}, and is {standing:?}: {:?}",
                member.made
            );
            return broken(Invariant::I6, why);
        }
        self.report.checked.count(Invariant::I6);
        Ok(())
    }

    // --- turns -------------------------------------------------------------------------------------------------

    /// Notes which tasks have become due, and which no longer are: what a task waits for says so, and not the fleet.
    fn note_due(&mut self) {
        let now = self.clock();
        for (key, member) in self.members.iter_mut().enumerate() {
            match self.fleet.get(&key).and_then(Task::pause) {
                Some(_) if self.now < member.refused_until => member.due = None,
                Some((until, _)) if until <= now => {
                    member.due.get_or_insert(self.sent);
                }
                Some(_) => member.due = None,
                // Something came of it, or was never asked.
                None => {}
            }
        }
    }

    /// Checks that no task waits for its turn for longer than is promised.
    fn check_turns(&mut self, key: usize) -> Done {
        let most = 2 * self.members.len() as u64 + 2;
        let sent = self.sent;
        let waits_too_long = |member: &Member| member.due.is_some_and(|since| sent - since > most);
        if let Some(starving) = self.members.iter().position(waits_too_long) {
            let why = format!("{starving} was due for more than {most} requests of others");
            return broken(Invariant::I13, why);
        }
        self.members[key].due = None;
        self.report.checked.count(Invariant::I13);
        Ok(())
    }

    fn conclude(&mut self) -> Done {
        for (key, member) in self.members.iter().enumerate() {
            if member.end.is_none() {
                return broken(Invariant::I10, format!("{key} is lost: it has no end"));
            }
        }
        self.report.checked.count(Invariant::I10);
        let made: usize = self.members.iter().map(|member| member.made.len()).sum();
        let tasks = self.account().tasks.len();
        if tasks != made {
            return broken(
                Invariant::I1,
                format!("{tasks} tasks, of which {made} are ours"),
            );
        }
        Ok(())
    }
}

fn broken<T>(invariant: Invariant, why: String) -> Done<T> {
    Err(Box::new(Violation::new(invariant, why)))
}
