//! One driver for tests (feature `testing`): the loop around a [`Task`], while the test plays everything else.
//!
//! [`drive`] asks a task for its next step, checks that asking is harmless, has a [`TestWorld`] perform the step, and
//! acknowledges it. [`settle`] and [`past_saves`] are for a task that a test drives by hand. A failed check panics.
//!
//! It does *not* decide what the wire, the disk or a human does, nor how time passes.

use std::sync::Arc;

use crate::budget::OriginBudget;
use crate::event::Event;
use crate::failure::ExchangeFailure;
use crate::id::{EventId, ExchangeId};
use crate::limits::Limits;
use crate::provider::Provider;
use crate::reason::{RequestPurpose, WaitReason};
use crate::request::Request;
use crate::step::Step;
use crate::task::Task;
use crate::time::Timestamp;

/// Everything around a task in a test: time, the wire, the disk, the application.
///
/// [`drive`] calls these for one step after the other, each with the task, so that it can be told what came of it. An
/// `Err` stops the driving there and then: what was to be acknowledged is not.
pub trait TestWorld<P: Provider> {
    /// Why the driving stopped.
    type Stop;

    /// Returns what the clock of the client shows.
    fn now(&self) -> Timestamp;

    /// Returns the budget of the server.
    fn budget(&self) -> &OriginBudget;

    /// Does what happens between two steps: requests of the application, late reports.
    ///
    /// # Errors
    /// To stop.
    fn before_step(&mut self, _task: &mut Task<P>) -> Result<(), Self::Stop> {
        Ok(())
    }

    /// Sees the next step; returns whether it is performed, or asked for again.
    ///
    /// # Errors
    /// To stop.
    fn planned(&mut self, _task: &mut Task<P>, _step: &Step) -> Result<bool, Self::Stop> {
        Ok(true)
    }

    /// Stores the task; returns whether it is stored.
    ///
    /// # Errors
    /// To stop before the task learns of it.
    fn save(&mut self, task: &Task<P>) -> Result<bool, Self::Stop>;

    /// Begins an exchange, of which the task was told already, and reports it now or later.
    ///
    /// # Errors
    /// To stop.
    fn send(&mut self, task: &mut Task<P>, exchange: Outgoing<'_>) -> Result<(), Self::Stop>;

    /// Waits for the report of an exchange, or for what the stream says meanwhile.
    ///
    /// # Errors
    /// To stop.
    fn in_flight(
        &mut self,
        task: &mut Task<P>,
        id: ExchangeId,
        _stream: Option<ExchangeId>,
    ) -> Result<(), Self::Stop> {
        task.handle_failure(id, ExchangeFailure::abandoned(), self.now());
        Ok(())
    }

    /// Drops the stream; returns whether it is dropped.
    ///
    /// # Errors
    /// To stop.
    fn close(&mut self, _task: &mut Task<P>, _id: ExchangeId) -> Result<bool, Self::Stop> {
        Ok(true)
    }

    /// Lets time pass, or reports what the stream says before.
    ///
    /// # Errors
    /// To stop.
    fn pause(&mut self, task: &mut Task<P>, pause: Pause) -> Result<(), Self::Stop>;

    /// Takes an event.
    ///
    /// # Errors
    /// To stop before the event counts as taken: it comes again.
    fn deliver(&mut self, _id: EventId, _event: &Event) -> Result<(), Self::Stop> {
        Ok(())
    }

    /// Reacts to an event that was taken.
    ///
    /// # Errors
    /// To stop.
    fn react(&mut self, task: &mut Task<P>, event: &Event) -> Result<(), Self::Stop>;

    /// Says how a task that is over stops.
    fn done(&mut self, task: &mut Task<P>) -> Self::Stop;
}

/// An exchange that begins.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The id to report under.
    pub id: ExchangeId,
    /// What it is for.
    pub purpose: RequestPurpose,
    /// What is sent.
    pub request: &'a Request,
    /// How long it may take.
    pub limits: Limits,
    /// Whether it opens the stream.
    pub opens_stream: bool,
}

/// A wait, at most until this time.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// When to ask for the next step again.
    pub until: Timestamp,
    /// What the task waits for.
    pub why: WaitReason,
    /// The stream, open or being opened, that is received meanwhile.
    pub stream: Option<ExchangeId>,
}

/// Drives a task until its world stops it.
pub fn drive<P: Provider, W: TestWorld<P>>(task: &mut Task<P>, world: &mut W) -> W::Stop {
    loop {
        if let Err(stop) = drive_step(task, world) {
            return stop;
        }
    }
}

/// Stores the task for as long as that is what comes next, as whoever detaches from it has to.
///
/// # Errors
/// When the world stops it.
pub fn save_pending<P: Provider, W: TestWorld<P>>(
    task: &mut Task<P>,
    world: &mut W,
) -> Result<(), W::Stop> {
    loop {
        match next_step(task, world.now(), world.budget()) {
            step @ Step::Save { .. } => perform(task, world, step)?,
            _ => return Ok(()),
        }
    }
}

/// Stores the task and takes its events until something else comes next; returns the events, and what that is.
pub fn settle<P: Provider>(
    task: &mut Task<P>,
    now: Timestamp,
    budget: &OriginBudget,
) -> (Vec<Arc<Event>>, Step) {
    let mut events = Vec::new();
    loop {
        match past_saves(task, now, budget) {
            Step::Event { no, event, .. } => {
                events.push(event);
                task.taken(no);
            }
            other => return (events, other),
        }
    }
}

/// Stores the task until something else comes next; returns what that is.
pub fn past_saves<P: Provider>(task: &mut Task<P>, now: Timestamp, budget: &OriginBudget) -> Step {
    loop {
        match next_step(task, now, budget) {
            Step::Save { revision } => {
                let stored = task.snapshot();
                assert_eq!((stored.task(), stored.revision()), (task.id(), revision));
                task.saved(revision);
            }
            other => return other,
        }
    }
}

/// Returns the next step, after checking that asking for it again, or at an earlier time, changes nothing.
pub fn next_step<P: Provider>(task: &mut Task<P>, now: Timestamp, budget: &OriginBudget) -> Step {
    let step = task.next_step(now, budget);
    for earlier in [now, Timestamp::default()] {
        let again = task.next_step(earlier, budget);
        assert!(
            is_same(&step, &again),
            "asking again, at {earlier:?}, gives another step: {again:?} after {step:?}"
        );
    }
    step
}

fn drive_step<P: Provider, W: TestWorld<P>>(
    task: &mut Task<P>,
    world: &mut W,
) -> Result<(), W::Stop> {
    world.before_step(task)?;
    let step = next_step(task, world.now(), world.budget());
    if world.planned(task, &step)? {
        perform(task, world, step)?;
    }
    Ok(())
}

fn perform<P: Provider, W: TestWorld<P>>(
    task: &mut Task<P>,
    world: &mut W,
    step: Step,
) -> Result<(), W::Stop> {
    match step {
        Step::Save { revision } => {
            if world.save(task)? {
                task.saved(revision);
            }
        }
        Step::Send {
            id,
            request,
            limits,
        } => send(task, world, (id, &request, limits), false)?,
        Step::Open {
            id,
            request,
            limits,
        } => send(task, world, (id, &request, limits), true)?,
        Step::InFlight { id, stream } => world.in_flight(task, id, stream)?,
        Step::Receive { id, until } => {
            let (end, why) = task
                .pause()
                .expect("a task that receives waits for something");
            // Delivered events may have to be stored first.
            assert!(
                until <= end,
                "{until:?} is after the end of the wait, {end:?}"
            );
            let stream = Some(id);
            world.pause(task, Pause { until, why, stream })?;
        }
        Step::Close { id } => {
            if world.close(task, id)? {
                task.closed(id);
            }
        }
        Step::Wait { until, why } => {
            assert_eq!(task.pause(), Some((until, why)), "the wait has its reason");
            let stream = None;
            world.pause(task, Pause { until, why, stream })?;
        }
        Step::Event { no, id, event } => {
            world.deliver(id, &event)?;
            task.taken(no);
            world.react(task, &event)?;
        }
        Step::Done => {
            assert!(task.outcome().is_some(), "what is over has an outcome");
            assert_eq!((task.pause(), task.request_purpose()), (None, None));
            return Err(world.done(task));
        }
    }
    Ok(())
}

fn send<P: Provider, W: TestWorld<P>>(
    task: &mut Task<P>,
    world: &mut W,
    (id, request, limits): (ExchangeId, &Request, Limits),
    opens_stream: bool,
) -> Result<(), W::Stop> {
    let purpose = task.request_purpose();
    let purpose = purpose.expect("a planned request is for something");
    assert_eq!(task.pause(), None, "{purpose:?} waits for nothing");
    task.sent(id);
    // Nothing waits for the stream: only another request has a purpose meanwhile.
    let expected = (!opens_stream).then_some(purpose);
    let now = task.request_purpose();
    assert_eq!(now, expected, "to be sent changes no purpose");
    let exchange = Outgoing {
        id,
        purpose,
        request,
        limits,
        opens_stream,
    };
    world.send(task, exchange)
}

/// Returns whether these two ask for the same.
fn is_same(one: &Step, other: &Step) -> bool {
    if std::mem::discriminant(one) != std::mem::discriminant(other) {
        return false;
    }
    let same_request = |one: &Arc<Request>, other: &Arc<Request>| {
        Arc::ptr_eq(one, other) || format!("{one:?}") == format!("{other:?}")
    };
    match one {
        Step::Save { revision } => matches!(other, Step::Save { revision: r } if r == revision),
        Step::Send {
            id,
            request,
            limits,
        }
        | Step::Open {
            id,
            request,
            limits,
        } => matches!(
            other,
            Step::Send { id: i, request: r, limits: l } | Step::Open { id: i, request: r, limits: l }
                if (i, l) == (id, limits) && same_request(r, request)
        ),
        Step::Receive { id, until } => {
            matches!(other, Step::Receive { id: i, until: u } if (i, u) == (id, until))
        }
        Step::Close { id } => matches!(other, Step::Close { id: i } if i == id),
        Step::InFlight { id, stream } => {
            matches!(other, Step::InFlight { id: i, stream: s } if (i, s) == (id, stream))
        }
        Step::Wait { until, why } => {
            matches!(other, Step::Wait { until: u, why: w } if (u, w) == (until, why))
        }
        Step::Event { no, id, event } => matches!(
            other,
            Step::Event { no: n, id: i, event: e }
                if (n, i) == (no, id) && (Arc::ptr_eq(e, event) || e == event)
        ),
        Step::Done => true,
    }
}
