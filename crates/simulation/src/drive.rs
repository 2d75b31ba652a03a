//! What a driver does with the steps of a task, and what may come between.

use std::time::Duration;

use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    CancelResult, Event, EventId, ExchangeFailure, ExchangeId, OnDetach, OriginBudget, Outcome,
    Provider, Seed, Step, Task, Timestamp,
};

use super::fault::FaultEvent;
use super::invariant::Invariant;
use super::observation::{Asked, Birth, Durable, End, Observation};
use super::recovery::After;
use super::report::{Done, Report, Violation};
use super::world::{World, millis};
use super::{Beginning, START, Shape};
use taskward_sim::platform::SimPlatform;

/// So many steps without time going on are a circle.
const CIRCLE: u64 = 20_000;
/// How often the size of a task is measured, in steps.
const WEIGHED: u64 = 64;
/// How long a driver waits before it stores again what the disk refused.
const SAVE_AGAIN: u64 = 1_000;

/// How the life of a process ends.
pub(super) enum Life {
    /// The watch is over.
    Over,
    /// It was killed.
    Killed,
    /// It was interrupted.
    Left,
    /// The caller detached from the task as it is.
    HandedOver(CancelResult),
    /// The time of the run is up.
    OutOfTime,
    /// An invariant does not hold.
    Broken(Box<Violation>),
}

impl From<Box<Violation>> for Life {
    fn from(violation: Box<Violation>) -> Self {
        Self::Broken(violation)
    }
}

fn name_of(step: &Step) -> &'static str {
    match step {
        Step::Save { .. } => "save",
        Step::Send { .. } => "send",
        Step::Open { .. } => "open",
        Step::Receive { .. } => "receive",
        Step::Close { .. } => "close",
        Step::InFlight { .. } => "in flight",
        Step::Wait { .. } => "wait",
        Step::Event { .. } => "event",
        Step::Done => "done",
    }
}

fn until_of(step: &Step) -> Option<u64> {
    match step {
        Step::Receive { until, .. } | Step::Wait { until, .. } => Some(until.as_millis()),
        _ => None,
    }
}

/// Returns how long a task may take to be stopped, if it is to be.
pub(super) fn time_to_stop(way: &OnDetach) -> Option<Duration> {
    match way {
        OnDetach::Cancel { within } | OnDetach::CancelAndConfirm { within } => Some(*within),
        _ => None,
    }
}

impl<P: Provider, M: SimPlatform> World<P, M> {
    pub(super) fn run(mut self) -> Done<Report<P::Output, M>> {
        let mut task = self.begin()?;
        loop {
            match self.live(&mut task) {
                Life::Broken(violation) => return Err(violation),
                Life::Over => match self.conclude(task)? {
                    After::Watch(next) => task = *next,
                    After::End(outcome) => return Ok(self.report_of(outcome, None)),
                },
                Life::Killed => task = self.go_on(self.durable.clone())?,
                Life::Left => {
                    let kept = self.keep(&task);
                    self.learn(Observation::Stored(kept.clone()))?;
                    self.durable = Some(kept.clone());
                    task = self.go_on(Some(kept))?;
                }
                Life::HandedOver(cancel) => {
                    self.learn(Observation::HandedOver(cancel.code()))?;
                    return Ok(self.report_of(None, Some(cancel)));
                }
                Life::OutOfTime => {
                    if self.setup.heal_after.is_some() {
                        let why = format!("the watch does not end: {task:?}");
                        return Err(self.broken(Violation::new(Invariant::I10, why)));
                    }
                    return Ok(self.report_of(None, None));
                }
            }
        }
    }

    fn report_of(
        mut self,
        outcome: Option<Outcome<P::Output>>,
        parted: Option<CancelResult>,
    ) -> Report<P::Output, M> {
        if self.setup.heal_after.is_some() {
            self.model.checked().count(Invariant::I10);
        }
        Report {
            outcome,
            handed_over: parted,
            elapsed: Duration::from_millis(self.now - START),
            machine: self.setup.machine,
            told: self.told.events,
            parked: self.counts.parked,
            reads: self.counts.reads,
            steps: self.counts.steps,
            processes: self.counts.processes,
            struck: self.struck,
            checked: self.model.checked().clone(),
            trace: self.trace.digest(),
            log: self.trace.take_log(),
        }
    }

    // --- processes ---------------------------------------------------------------------------------------------

    /// Returns what the simulation is of, from its beginning.
    fn begin(&mut self) -> Done<Task<P>> {
        let seed = Seed(self.chance.bytes32());
        let (provider, policy) = (self.setup.provider.clone(), self.setup.policy.clone());
        let now = self.clock();
        let task = match &self.setup.beginning {
            Beginning::Start(job) => {
                Task::start(provider, job, policy, seed, now).map_err(|error| error.to_string())
            }
            Beginning::Turn { task, text } => {
                let (task, text) = (task.clone(), text.clone());
                Task::continue_with(provider, task, text, policy, seed, now)
                    .map_err(|error| error.to_string())
            }
        };
        let task = match task {
            Ok(task) => task,
            Err(error) => {
                let why = format!("it cannot be begun: {error}");
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
            (Some(work), Some(human)) => {
                let longest = work.saturating_add(human).saturating_add(self.to_stop());
                self.clock().after(longest).as_millis()
            }
            _ => u64::MAX,
        };
    }

    /// Returns how long a task may take to be stopped at its deadline.
    fn to_stop(&self) -> Duration {
        time_to_stop(&self.setup.policy.on_deadline).unwrap_or_default()
    }

    pub(super) fn born(&mut self, task: &Task<P>, from: Option<Durable>) -> Done {
        self.counts.processes += 1;
        let id = task.id().map(ToString::to_string);
        let number = self.counts.processes;
        self.tell(format_args!("process {number} of {id:?}"));
        self.doubts = from.is_some();
        let to_stop = self.to_stop();
        if !to_stop.is_zero() {
            // Each process takes its time over it.
            let by = self.clock().after(to_stop).as_millis();
            self.deadline = self.deadline.max(by);
        }
        self.to_stop = None;
        self.left_by = u64::MAX;
        if let Some(id) = &id {
            self.subject = Some(id.clone());
        }
        let deadline = self.deadline;
        self.learn(Observation::Born(Birth { id, from, deadline }))
    }

    /// Another process, some time later, on a machine whose clock may be another.
    fn go_on(&mut self, from: Option<Durable>) -> Done<Task<P>> {
        self.die();
        let down = self.chance.millis(1, 60_000);
        self.pass(self.now + down);
        if self.strikes(FaultEvent::ClockJump) {
            let jumps = [-3_600_000, -10_000, 10_000, 3_600_000];
            let jump = *self.chance.pick(&jumps);
            self.skew += jump;
            if jump < 0 {
                // No time has passed by the new clock: the remaining time is the same.
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
            // Nothing was stored, so nothing was sent: the caller starts it again.
            return self.begin();
        };
        self.resumed(from)
    }

    /// Returns the task that was stored.
    fn resumed(&mut self, from: Durable) -> Done<Task<P>> {
        let saved = serde_json::from_str(&from.text).expect("a snapshot is JSON");
        let task = Task::resume(self.setup.provider.clone(), saved, self.clock())
            .expect("what was stored can be gone on with");
        self.born(&task, Some(from))?;
        Ok(task)
    }

    /// Returns the state of the task, as it is written down.
    fn keep(&self, task: &Task<P>) -> Durable {
        let snapshot = task.snapshot();
        let text = serde_json::to_string(&snapshot).expect("a snapshot is JSON");
        Durable {
            id: snapshot.task().map(ToString::to_string),
            intent: snapshot.intent().map(ToString::to_string),
            position: self.model.position(),
            revision: snapshot.revision(),
            text,
        }
    }

    // --- one process -------------------------------------------------------------------------------------------

    fn live(&mut self, task: &mut Task<P>) -> Life {
        (self.still_since, self.still) = (self.now, 0);
        testing::drive(task, self)
    }

    /// The process ends over a wait, and the next one resumes the task. Whoever was asked still knows what.
    fn resume_after(&mut self, task: &mut Task<P>, until: u64) -> Done {
        let kept = self.keep(task);
        self.learn(Observation::Stored(kept.clone()))?;
        self.durable = Some(kept.clone());
        self.die();
        self.pass(until);
        *task = self.resumed(kept)?;
        self.doubts = false;
        Ok(())
    }

    /// The task is parked over a wait, if it is quiet, and nothing else is kept of it.
    fn park_until(&mut self, task: &mut Task<P>, until: u64) {
        let Some(parked) = task.park() else {
            return self.pass(until);
        };
        self.pass(until);
        let provider = self.setup.provider.clone();
        *task = Task::unpark(provider, &parked, self.clock()).expect("what was parked goes on");
        self.counts.parked += 1;
    }

    /// The machine sleeps.
    fn sleep(&mut self) -> Done {
        let asleep = [1_000, 60_000, 3_600_000, 12 * 3_600_000];
        let asleep = *self.chance.pick(&asleep);
        self.now += asleep;
        // A deadline that passed meanwhile may be found out late, and the other clock run from then on.
        self.deadline = self.deadline.saturating_add(asleep);
        self.left_by = self.left_by.saturating_add(asleep);
        self.learn(Observation::Bounded(self.deadline.min(self.left_by)))?;
        if self.has_healed() {
            // Nothing could be done before.
            self.healed_at = self.now;
        }
        self.catch_up()
    }

    fn await_report(&mut self, task: &mut Task<P>, id: ExchangeId, readable: bool) -> Done {
        let Some(flight) = self.wire.flight.as_mut().filter(|flight| flight.id == id) else {
            task.handle_failure(id, ExchangeFailure::abandoned(), self.clock());
            return Ok(());
        };
        let due = flight.due;
        if readable
            && self
                .wire
                .opening
                .as_ref()
                .is_some_and(|opening| opening.due <= due)
        {
            return self.await_head(task, due);
        }
        let Some(flight) = self.wire.flight.as_mut() else {
            return Ok(());
        };
        if readable && flight.yields && self.wire.stream.is_some() {
            // What the stream says later comes first.
            flight.yields = false;
            let until = self.now + 1_000;
            while self.now < until && self.wire.stream.is_some() {
                if self.listen(task, until)? {
                    break;
                }
            }
            return Ok(());
        }
        if due > self.now {
            // A caller that waits for a reply may make another request meanwhile.
            self.pass(due);
            if self.now < due {
                return Ok(());
            }
        }
        match self.wire.flight.take() {
            Some(flight) => self.report(task, flight),
            None => Ok(()),
        }
    }

    /// Waits for the reply to the request that opens the stream, for so long at most.
    fn await_head(&mut self, task: &mut Task<P>, until: u64) -> Done {
        let due = self
            .wire
            .opening
            .as_ref()
            .map_or(until, |opening| opening.due);
        if due > self.now {
            self.pass(until.min(due));
        }
        match self.wire.opening.take_if(|opening| opening.due <= self.now) {
            Some(opening) => self.report(task, opening),
            None => Ok(()),
        }
    }

    /// Checks that nothing changes once following has ended.
    fn is_over(&mut self, task: &mut Task<P>) -> Done {
        let now = self.clock();
        let step = task.next_step(now, &self.shared);
        let (Step::Done, Some(outcome)) = (&step, task.outcome()) else {
            let why = format!("after the end comes {step:?}");
            return Err(self.broken(Violation::new(Invariant::I5, why)));
        };
        let id = outcome.task().map(ToString::to_string);
        let (mut end, shown) = (end_of(outcome), format!("{outcome:?}"));
        end.answer = self.inspect();
        self.tell(format_args!("end: {shown}"));
        end.stood = id.as_ref().map_or_else(Vec::new, |id| self.model.stood(id));
        end.passed = self.now - START + self.put_ahead;
        end.is_healed = self.last_left >= self.healed_at;
        let code = end.code;
        self.learn(Observation::Said(shown))?;
        self.learn(Observation::Done(end))?;
        for (id, report) in std::mem::take(&mut self.wire.echoes) {
            match report {
                Ok(reply) => task.handle_response(id, reply, now),
                Err(failure) => task.handle_failure(id, failure, now),
            }
        }
        let later = now.after(Duration::from_secs(3600));
        let again = match (task.next_step(later, &self.shared), task.outcome()) {
            (Step::Done, Some(outcome)) => Ok(outcome.code()),
            (other, _) => Err(format!("{other:?}")),
        };
        if again != Ok(code) {
            let why = format!("after the end, {code}, comes {again:?}");
            return Err(self.broken(Violation::new(Invariant::I5, why)));
        }
        Ok(())
    }
}

impl<P: Provider, M: SimPlatform> TestWorld<P> for World<P, M> {
    type Stop = Life;

    fn now(&self) -> Timestamp {
        self.clock()
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<P>) -> Result<(), Life> {
        self.counts.steps += 1;
        if self.still_since == self.now {
            self.still += 1;
        } else {
            (self.still_since, self.still) = (self.now, 0);
        }
        if self.still > CIRCLE {
            let why = "it goes in circles, and time stands still";
            return Err(self.broken(Violation::new(Invariant::I10, why)).into());
        }
        if self.now > self.end() {
            return Err(Life::OutOfTime);
        }
        self.catch_up()?;
        self.request(task)?;
        self.echo(task);
        if self.strikes(FaultEvent::Kill) {
            return Err(Life::Killed);
        }
        if self.strikes(FaultEvent::HandOver) {
            return Err(Life::Left);
        }
        if self.strikes(FaultEvent::ClockJump) {
            self.sleep()?;
        }
        if self.counts.steps.is_multiple_of(WEIGHED) {
            let shown = format!("{task:?}");
            self.learn(Observation::Holds(shown.len()))?;
            self.learn(Observation::Said(shown))?;
        }
        Ok(())
    }

    fn planned(&mut self, task: &mut Task<P>, step: &Step) -> Result<bool, Life> {
        let asked = Asked {
            step: name_of(step),
            now: self.clock().as_millis(),
            until: until_of(step),
            id: task.id().map(ToString::to_string),
        };
        self.learn(Observation::Asked(asked))?;
        if let Step::Event { no, event, .. } = step {
            let shown = format!("{event:?}");
            self.tell(format_args!("* {no} {shown}"));
            self.inspect();
            self.learn(Observation::Said(shown))?;
        }
        Ok(true)
    }

    fn save(&mut self, task: &Task<P>) -> Result<bool, Life> {
        let durable = self.keep(task);
        self.tell(format_args!("save {}", durable.revision));
        if self.strikes(FaultEvent::Kill) {
            return Err(Life::Killed);
        }
        if self.strikes(FaultEvent::FailedSave) {
            self.learn(Observation::Unsaved)?;
            // Some give up then, others try again.
            if self.chance.once_in(3) {
                return Err(Life::Killed);
            }
            self.pass(self.now + SAVE_AGAIN);
            return Ok(false);
        }
        self.learn(Observation::Stored(durable.clone()))?;
        self.durable = Some(durable);
        if self.strikes(FaultEvent::Kill) {
            return Err(Life::Killed);
        }
        Ok(true)
    }

    fn send(&mut self, task: &mut Task<P>, exchange: Outgoing<'_>) -> Result<(), Life> {
        // A task that is being cancelled drops an exchange that blocks the cancel.
        let why = if exchange.opens_stream {
            (self.wire.stream.is_some() || self.wire.opening.is_some())
                .then_some("a second stream is opened while there is one")
        } else {
            (self.wire.flight.is_some() && task.cancel_deadline().is_none())
                .then_some("a second request leaves while one is under way")
        };
        if let Some(why) = why {
            return Err(self.broken(Violation::new(Invariant::I8, why)).into());
        }
        let flight = self.begin_exchange(task, exchange)?.ok_or(Life::Killed)?;
        if exchange.opens_stream {
            self.wire.opening = Some(flight);
        } else {
            self.wire.flight = Some(flight);
        }
        Ok(())
    }

    fn in_flight(
        &mut self,
        task: &mut Task<P>,
        id: ExchangeId,
        stream: Option<ExchangeId>,
    ) -> Result<(), Life> {
        Ok(self.await_report(task, id, stream.is_some())?)
    }

    fn pause(&mut self, task: &mut Task<P>, pause: Pause) -> Result<(), Life> {
        self.doubt(task);
        let until = self.when(pause.until);
        if pause.stream.is_none() {
            self.tell(format_args!("waits until {}", until - START.min(until)));
            match self.setup.shape {
                Shape::Stays => self.pass(until),
                // Whoever takes a task up follows it: a process that is detaching goes on to its end.
                Shape::ResumeAtWaits if task.cancel_deadline().is_some() => self.pass(until),
                Shape::ResumeAtWaits => self.resume_after(task, until)?,
                Shape::ParkAtWaits => self.park_until(task, until),
            }
        } else if self.wire.opening.is_some() {
            self.await_head(task, until)?;
        } else if !self.listen(task, until)? && self.wire.stream.is_some() {
            self.tell(format_args!("listens"));
        }
        Ok(())
    }

    fn close(&mut self, _task: &mut Task<P>, _id: ExchangeId) -> Result<bool, Life> {
        self.close_stream();
        self.tell(format_args!("closes the stream"));
        Ok(true)
    }

    fn deliver(&mut self, id: EventId, _event: &Event) -> Result<(), Life> {
        // Only an acknowledged event counts as reported: one that a killed process did not acknowledge comes again.
        if self.strikes(FaultEvent::Kill) {
            return Err(Life::Killed);
        }
        if self.strikes(FaultEvent::HandOver) {
            return Err(Life::Left);
        }
        self.told.is_again = !self.told.ids.insert(id);
        Ok(())
    }

    fn react(&mut self, task: &mut Task<P>, event: &Event) -> Result<(), Life> {
        Ok(self.event(task, event)?)
    }

    fn done(&mut self, task: &mut Task<P>) -> Life {
        match self.is_over(task) {
            Ok(()) => Life::Over,
            Err(violation) => violation.into(),
        }
    }
}

/// Returns what an outcome says; what is true of it is filled in.
fn end_of<O: taskward_core::Output>(outcome: &Outcome<O>) -> End {
    End {
        code: outcome.code(),
        passed: 0,
        intent: match outcome {
            Outcome::Unknown { intent, .. } => Some(intent.to_string()),
            _ => None,
        },
        cancel: match outcome {
            Outcome::DeadlineExceeded {
                id: Some(_),
                cancel,
                ..
            }
            | Outcome::Interrupted { cancel, .. } => Some(cancel.code()),
            _ => None,
        },
        is_healed: false,
        told: match outcome {
            Outcome::Succeeded { output, .. } => output.text(),
            _ => None,
        },
        answer: None,
        stood: Vec::new(),
    }
}
