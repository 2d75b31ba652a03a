//! What a driver does with the steps of a task, and what may come between.

use std::time::Duration;

use taskward_core::{
    Answered, Event, EventNo, Failure, Outcome, Output as _, Provider, Question, Seed, Step, Task,
    Timestamp,
};

use super::START;
use super::facts::{Asked, Birth, Durable, End, Fact};
use super::machine::Machine;
use super::mishap::Mishap;
use super::model::Invariant;
use super::recovery::After;
use super::report::{Report, Violation};
use super::world::{Want, World, millis};

/// So many steps without time going on are a circle.
const CIRCLE: u64 = 20_000;
/// How often the size of a task is looked at, in steps.
const WEIGHED: u64 = 64;
/// How long a human waits before they say it again.
const AGAIN: Duration = Duration::from_secs(5);

type Done<T = ()> = Result<T, Box<Violation>>;

/// How the life of a process ends.
enum Life {
    /// The watch is over.
    Over,
    /// It was killed.
    Killed,
    /// It was told to hand over what it has.
    Left,
    /// The time of the run is up.
    OutOfTime,
}

/// A step, without what it borrows.
enum Next {
    Save(taskward_core::Revision),
    Send(
        taskward_core::ExchangeId,
        Box<taskward_core::Request>,
        taskward_core::Limits,
    ),
    Receive(Timestamp),
    Close(taskward_core::ExchangeId),
    InFlight(taskward_core::ExchangeId, bool),
    Wait(Timestamp),
    Event(EventNo, Box<Event>),
    Done,
}

impl Next {
    fn of<O>(step: Step<'_, O>) -> Self {
        match step {
            Step::Save { revision } => Self::Save(revision),
            Step::Send {
                id,
                request,
                limits,
            } => Self::Send(id, Box::new(request.clone()), limits),
            Step::Receive { until, .. } => Self::Receive(until),
            Step::Close { id } => Self::Close(id),
            Step::InFlight { id, stream } => Self::InFlight(id, stream.is_some()),
            Step::Wait { until, .. } => Self::Wait(until),
            Step::Event { no, event } => Self::Event(no, Box::new(event.clone())),
            Step::Done(_) => Self::Done,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Save(_) => "save",
            Self::Send(..) => "send",
            Self::Receive(_) => "receive",
            Self::Close(_) => "close",
            Self::InFlight(..) => "in flight",
            Self::Wait(_) => "wait",
            Self::Event(..) => "event",
            Self::Done => "done",
        }
    }

    fn until(&self) -> Option<u64> {
        match self {
            Self::Receive(until) | Self::Wait(until) => Some(until.as_millis()),
            _ => None,
        }
    }
}

impl<P: Provider, M: Machine> World<P, M> {
    pub(super) fn run(mut self) -> Done<Report<P::Output, M>> {
        let mut task = self.begin()?;
        loop {
            match self.live(&mut task)? {
                Life::Over => match self.conclude(task)? {
                    After::Watch(next) => task = *next,
                    After::End(outcome) => return Ok(self.report_of(outcome)),
                },
                Life::Killed => task = self.go_on(self.durable.clone())?,
                Life::Left => {
                    let kept = self.keep(&task);
                    self.learn(Fact::Stored(kept.clone()))?;
                    self.durable = Some(kept.clone());
                    task = self.go_on(Some(kept))?;
                }
                Life::OutOfTime => {
                    if self.setup.heal_after.is_some() {
                        let why = format!("the watch does not end: {task:?}");
                        return Err(self.broken(Violation::new(Invariant::I10, why)));
                    }
                    return Ok(self.report_of(None));
                }
            }
        }
    }

    fn report_of(mut self, outcome: Option<Outcome<P::Output>>) -> Report<P::Output, M> {
        if self.setup.heal_after.is_some() {
            self.model.checked().count(Invariant::I10);
        }
        Report {
            outcome,
            elapsed: Duration::from_millis(self.now - START),
            machine: self.setup.machine,
            told: self.told,
            steps: self.steps,
            processes: self.processes,
            struck: self.struck,
            checked: self.model.checked().clone(),
            trace: self.trace.digest(),
            log: self.trace.take_log(),
        }
    }

    // --- processes ---------------------------------------------------------------------------------------------

    /// A new start.
    fn begin(&mut self) -> Done<Task<P>> {
        let seed = Seed(self.chance.bytes32());
        let (provider, policy) = (self.setup.provider.clone(), self.setup.policy.clone());
        let now = self.clock();
        let task = match Task::start(provider, &self.setup.job, policy, seed, now) {
            Ok(task) => task,
            Err(error) => {
                let why = format!("the job cannot be started: {error}");
                return Err(self.broken(Violation::new(Invariant::I10, why)));
            }
        };
        self.reopen();
        self.born(&task, None)?;
        Ok(task)
    }

    /// New deadlines.
    pub(super) fn reopen(&mut self) {
        let policy = &self.setup.policy;
        self.deadline = match (policy.work, policy.human) {
            (Some(work), Some(human)) => self.clock().after(work).after(human).as_millis(),
            _ => u64::MAX,
        };
    }

    pub(super) fn born(&mut self, task: &Task<P>, from: Option<Durable>) -> Done {
        self.processes += 1;
        let id = task.id().map(ToString::to_string);
        let number = self.processes;
        self.tell(format_args!("process {number} of {id:?}"));
        let deadline = self.deadline;
        self.doubts = from.is_some();
        self.learn(Fact::Born(Birth { id, from, deadline }))
    }

    /// Another process, some time later, on a machine whose clock may be another.
    fn go_on(&mut self, from: Option<Durable>) -> Done<Task<P>> {
        self.die();
        let down = self.chance.millis(1, 60_000);
        self.pass(self.now + down);
        if self.strikes(Mishap::ClockJump) {
            let jumps = [-3_600_000, -10_000, 10_000, 3_600_000];
            let jump = *self.chance.pick(&jumps);
            self.skew += jump;
            if jump < 0 {
                // No time has passed by the new clock: what was left is left.
                self.deadline = self.deadline.saturating_add(jump.unsigned_abs());
            } else {
                self.put_ahead += jump.unsigned_abs();
            }
        }
        self.cancel_at = self
            .setup
            .cancel_after
            .map_or(u64::MAX, |after| self.now.max(START + millis(after)));
        self.catch_up()?;
        let Some(from) = from else {
            // Nothing was stored, so nothing left: whoever started it starts it.
            return self.begin();
        };
        let saved = serde_json::from_str(&from.text).expect("a snapshot is JSON");
        let task = Task::resume(self.setup.provider.clone(), saved, self.clock())
            .expect("what was stored can be gone on with");
        self.born(&task, Some(from))?;
        Ok(task)
    }

    /// The state of the task, as it is written down.
    fn keep(&self, task: &Task<P>) -> Durable {
        let snapshot = task.snapshot();
        let text = serde_json::to_string(&snapshot).expect("a snapshot is JSON");
        Durable {
            id: snapshot.task().map(ToString::to_string),
            has_intent: snapshot.intent().is_some(),
            position: self.model.position(),
            text,
        }
    }

    // --- one process -------------------------------------------------------------------------------------------

    fn live(&mut self, task: &mut Task<P>) -> Done<Life> {
        let (mut still_since, mut still) = (self.now, 0);
        loop {
            self.steps += 1;
            if still_since == self.now {
                still += 1;
            } else {
                (still_since, still) = (self.now, 0);
            }
            if still > CIRCLE {
                let why = "it goes in circles, and time stands still";
                return Err(self.broken(Violation::new(Invariant::I10, why)));
            }
            if self.now > self.end() {
                return Ok(Life::OutOfTime);
            }
            self.catch_up()?;
            self.wish(task)?;
            self.echo(task);
            if self.strikes(Mishap::Kill) {
                return Ok(Life::Killed);
            }
            if self.strikes(Mishap::HandOver) {
                return Ok(Life::Left);
            }
            if self.strikes(Mishap::ClockJump) {
                // The machine sleeps.
                let asleep = [1_000, 60_000, 3_600_000, 12 * 3_600_000];
                let asleep = *self.chance.pick(&asleep);
                self.now += asleep;
                // A deadline that passed meanwhile may be found out late, and the other clock run from then on.
                self.deadline = self.deadline.saturating_add(asleep);
                self.learn(Fact::Slept(self.deadline))?;
                if self.has_healed() {
                    // Nothing could be done before.
                    self.healed_at = self.now;
                }
                self.catch_up()?;
            }
            if self.steps.is_multiple_of(WEIGHED) {
                let shown = format!("{task:?}");
                self.learn(Fact::Holds(shown.len()))?;
                self.learn(Fact::Said(shown))?;
            }
            let now = self.clock();
            let next = Next::of(task.poll(now, &mut self.shared));
            let asked = Asked {
                step: next.name(),
                now: now.as_millis(),
                until: next.until(),
                id: task.id().map(ToString::to_string),
            };
            self.learn(Fact::Asked(asked))?;
            if let Some(life) = self.act(task, next)? {
                return Ok(life);
            }
        }
    }

    /// Does one step.
    fn act(&mut self, task: &mut Task<P>, next: Next) -> Done<Option<Life>> {
        match next {
            Next::Save(revision) => {
                let durable = self.keep(task);
                self.tell(format_args!("save {revision}"));
                if self.strikes(Mishap::Kill) {
                    return Ok(Some(Life::Killed));
                }
                self.learn(Fact::Stored(durable.clone()))?;
                self.durable = Some(durable);
                if self.strikes(Mishap::Kill) {
                    return Ok(Some(Life::Killed));
                }
                task.saved(revision);
            }
            Next::Event(no, event) => return self.event(task, no, *event),
            Next::Send(id, request, limits) => {
                if !self.send(task, id, &request, &limits)? {
                    return Ok(Some(Life::Killed));
                }
            }
            Next::InFlight(id, readable) => self.await_report(task, id, readable)?,
            Next::Receive(until) => {
                self.doubt(task);
                let until = self.when(until);
                if !self.listen(task, until)? && self.stream.is_some() {
                    self.tell(format_args!("listens"));
                }
            }
            Next::Close(id) => {
                self.close_stream();
                self.tell(format_args!("closes the stream"));
                task.closed(id);
            }
            Next::Wait(until) => {
                self.doubt(task);
                let until = self.when(until);
                self.tell(format_args!("waits until {}", until - START.min(until)));
                self.pass(until);
            }
            Next::Done => {
                self.is_over(task)?;
                return Ok(Some(Life::Over));
            }
        }
        Ok(None)
    }

    fn await_report(
        &mut self,
        task: &mut Task<P>,
        id: taskward_core::ExchangeId,
        readable: bool,
    ) -> Done {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.id == id) else {
            task.handle_failure(id, Failure::abandoned(), self.clock());
            return Ok(());
        };
        let due = flight.due;
        if readable && flight.yields && self.stream.is_some() {
            // What the stream says later comes first.
            flight.yields = false;
            let until = self.now + 1_000;
            while self.now < until && self.stream.is_some() {
                if self.listen(task, until)? {
                    break;
                }
            }
            return Ok(());
        }
        if due > self.now {
            // Whoever waits for a reply may be disturbed by what they want meanwhile.
            self.pass(due);
            if self.now < due {
                return Ok(());
            }
        }
        self.report(task)
    }

    /// The watch is over: nothing changes any more.
    fn is_over(&mut self, task: &mut Task<P>) -> Done {
        let now = self.clock();
        let (code, id, told, shown) = match task.poll(now, &mut self.shared) {
            Step::Done(outcome) => {
                let id = outcome.task().map(ToString::to_string);
                let told = match outcome {
                    Outcome::Succeeded { output, .. } => output.text(),
                    _ => None,
                };
                (outcome.code(), id, told, format!("{outcome:?}"))
            }
            other => {
                let why = format!("after the end comes {other:?}");
                return Err(self.broken(Violation::new(Invariant::I5, why)));
            }
        };
        let answer = self.look();
        self.tell(format_args!("end: {shown}"));
        let stood = id.as_ref().map_or_else(Vec::new, |id| self.model.stood(id));
        let passed = self.now - START + self.put_ahead;
        self.learn(Fact::Said(shown))?;
        self.learn(Fact::Done(End {
            code,
            passed,
            told,
            answer,
            stood,
        }))?;
        for (id, report) in std::mem::take(&mut self.echoes) {
            match report {
                Ok(reply) => task.handle_response(id, reply, now),
                Err(failure) => task.handle_failure(id, failure, now),
            }
        }
        let later = now.after(Duration::from_secs(3600));
        let again = match task.poll(later, &mut self.shared) {
            Step::Done(outcome) => Ok(outcome.code()),
            other => Err(format!("{other:?}")),
        };
        if again != Ok(code) {
            let why = format!("after the end, {code}, comes {again:?}");
            return Err(self.broken(Violation::new(Invariant::I5, why)));
        }
        Ok(())
    }

    // --- the people --------------------------------------------------------------------------------------------

    /// What the caller and the human want by now.
    fn wish(&mut self, task: &mut Task<P>) -> Done {
        let now = self.clock();
        if self.now >= self.cancel_at {
            self.cancel_at = u64::MAX;
            let is_taken = task.cancel(now).is_ok();
            self.tell(format_args!("  the caller cancels: {is_taken}"));
        }
        while let Some(at) = self.wants.iter().position(|want| want.at <= self.now) {
            let Want {
                question, answer, ..
            } = self.wants.remove(at);
            let taken = task.answer(&question, answer.clone(), now);
            self.tell(format_args!("  the human answers {question}: {taken:?}"));
            if taken.is_ok() {
                self.wished.push((question.clone(), answer));
                let question = question.to_string();
                self.learn(Fact::Wished { question })?;
            }
        }
        Ok(())
    }

    fn event(&mut self, task: &mut Task<P>, no: EventNo, event: Event) -> Done<Option<Life>> {
        let shown = format!("{event:?}");
        self.tell(format_args!("* {no} {shown}"));
        self.look();
        self.learn(Fact::Said(shown))?;
        // Told is what is acknowledged: what a process did not live to acknowledge comes again.
        if self.strikes(Mishap::Kill) {
            return Ok(Some(Life::Killed));
        }
        if self.strikes(Mishap::HandOver) {
            return Ok(Some(Life::Left));
        }
        task.taken(no);
        self.told.push(event.clone());
        self.learn(Fact::Told(Box::new(event.clone())))?;
        match event {
            Event::Question(question) => self.ask(&question, Duration::ZERO),
            Event::Withdrawn(question) => self.wants.retain(|want| want.question != question),
            Event::Answered { question, how, .. } if how != Answered::Applied => {
                let open = task.questions().find(|open| open.id == question).cloned();
                if let Some(open) = open {
                    self.ask(&open, AGAIN);
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// Whoever goes on with a task asks it what is open: of an answer whose fate is unknown nothing is told again.
    fn doubt(&mut self, task: &Task<P>) {
        if !std::mem::take(&mut self.doubts) {
            return;
        }
        let open: Vec<Question> = task.questions().cloned().collect();
        for question in open {
            self.ask(&question, AGAIN);
        }
    }

    /// A human is asked.
    fn ask(&mut self, question: &Question, later: Duration) {
        if self.wants.iter().any(|want| want.question == question.id) {
            // They think about it already.
            return;
        }
        let Some((after, answer)) = (self.setup.human)(question) else {
            return;
        };
        let at = self
            .now
            .saturating_add(millis(after))
            .saturating_add(millis(later));
        let question = question.id.clone();
        self.tell(format_args!("  {} is put to the human", question));
        self.wants.push(Want {
            at,
            question,
            answer,
        });
    }
}
