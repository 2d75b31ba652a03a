//! Many tasks under one driver, without I/O.

mod lanes;
mod lists;

use std::collections::{BTreeMap, btree_map};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use crate::budget::OriginBudget;
use crate::error::Error;
use crate::event::Event;
use crate::failure::{Cause, ExchangeFailure, ExchangeProgress};
use crate::id::{EventId, EventNo, ExchangeId, MessageNo, QuestionId, Revision, TaskId};
use crate::limits::Limits;
use crate::provider::Provider;
use crate::question::{Answer, AnswerError};
use crate::request::Request;
use crate::response::Response;
use crate::step::Step;
use crate::task::Task;
use crate::time::Timestamp;
use crate::{ErrorKind, Unsupported};

use lanes::{Lane, Lanes};
use lists::Lists;

/// Many [`Task`]s under one driver, as a state machine without I/O. `K` is the caller's key of each task; it is cloned, so
/// that a number or an `Arc<str>` suits best.
///
/// # The driver's duty
/// It is that of a [`Task`]'s driver, with one difference: a step is *handed out*. The task that it is of is with the driver
/// then, and has no other step until the driver has reported what came of this one.
///
/// - [`FleetStep::Save`]: store the task's snapshot ([`task`](Self::task)), then call [`saved`](Self::saved) or
///   [`not_saved`](Self::not_saved).
/// - [`FleetStep::Send`]: call [`sent`](Self::sent) before the first byte may leave, perform the exchange, and report it with
///   [`handle_response`](Self::handle_response) or [`handle_failure`](Self::handle_failure).
/// - [`FleetStep::Event`]: deliver the event, then call [`taken`](Self::taken).
/// - [`FleetStep::Done`]: take the task out with [`remove_member`](Self::remove_member): it has its outcome.
/// - [`FleetStep::List`]: perform the exchange and report it with [`handle_list`](Self::handle_list).
/// - [`FleetStep::Wait`]: wait until then, for a report, or for a request of the application.
///
/// At most so many tasks are with the driver to be sent or stored as [`new`](Self::new) says. A report for a task that was
/// removed meanwhile changes nothing, even if another one has its key by now.
///
/// # In which order
/// Tasks of which something came (a report, an answer) come first, but only to be stored, to have their events delivered and
/// to be put to wait. What is to be sent waits in one of two queues, each first come, first served: that of tasks that go on
/// (the result after the status, the answer of a human), and that of tasks whose time has come. The two take turns. So no
/// task starves, and the bound is simple: **a task that is due is asked after at most twice as many requests as tasks were
/// due before it**, counted again once the application requests something of it. That is
/// `2 × due before it × time of an exchange ÷ exchanges at once`.
/// [`oldest_due`](Self::oldest_due) and [`worst_lateness`](Self::worst_lateness) show how long that is. Where the server
/// limits the rate, a task that is asked may have to wait for its turn at that besides ([`OriginBudget`]).
///
/// # Lists
/// Where a provider lists the tasks at work ([`Provider::list_at_work`]), a page of that list stands for the polls of the tasks
/// on it whose status it shows unchanged, as long as it spares more polls than it costs. No more than one page is under way, and
/// the task that is due comes before the next one; pages are not counted in the bound above. That a task is not on a page says
/// nothing, and every change is read from the task itself; so is every task at the seventh poll at the latest.
///
/// # No streams
/// A fleet polls: its tasks open no event streams, since a connection for each task would defeat it
/// ([`Task::without_stream`]). The events of a platform that lists them are read from the list, when the task asks and when
/// it has ended.
#[derive(Debug)]
pub struct Fleet<K, P: Provider> {
    slots: Vec<Slot<K, P>>,
    free: Vec<u32>,
    by_key: BTreeMap<K, u32>,
    /// By the digest of the task's id: a clash of digests makes two tasks of one id possible, and nothing worse.
    by_task: BTreeMap<u64, u32>,
    lanes: Lanes,
    lists: Lists<P>,
    /// How many tasks may be with the driver to be sent or stored, and how many are.
    most: usize,
    busy: usize,
    /// How many tasks have something to do, now or later.
    active: usize,
    now: Timestamp,
    worst: Duration,
    is_stopping: bool,
}

/// A task of a fleet. Another task has another number, even if it has the key of one that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemberId {
    slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<K, P: Provider> {
    generation: u32,
    place: Place,
    /// Since when it is due, where it is.
    since: Timestamp,
    /// Whether its id is in the index of ids.
    is_indexed: bool,
    member: Option<(K, Box<Task<P>>)>,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In this queue.
    Queued(Lane),
    /// It waits for its time, which has this number.
    Waiting(u32),
    /// With the driver.
    Out(Out),
    /// The fleet is stopped.
    Resting,
}

/// What the driver has a task for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Saving(Revision),
    Sending(ExchangeId),
    InFlight(ExchangeId),
    Telling(EventNo),
    Over,
}

impl Out {
    /// Returns whether it takes one of the places that are bounded.
    fn is_busy(self) -> bool {
        match self {
            Self::Saving(_) | Self::Sending(_) | Self::InFlight(_) => true,
            Self::Telling(_) | Self::Over => false,
        }
    }
}

/// One thing to do for a fleet.
#[derive(Clone, Debug)]
pub enum FleetStep {
    /// Store the state of this task.
    Save {
        /// The task.
        member: MemberId,
        /// The revision to acknowledge.
        revision: Revision,
    },
    /// Send this request.
    Send {
        /// The task.
        member: MemberId,
        /// The id to report under.
        id: ExchangeId,
        /// The request to send.
        request: Arc<Request>,
        /// The limits of the exchange.
        limits: Limits,
    },
    /// Read this page of a list, in the place of polls.
    List {
        /// The id to report under.
        id: ExchangeId,
        /// The request to send.
        request: Arc<Request>,
        /// The limits of the exchange.
        limits: Limits,
    },
    /// Deliver this event.
    Event {
        /// The task.
        member: MemberId,
        /// The number to acknowledge.
        no: EventNo,
        /// The event's number, the same in every process.
        id: EventId,
        /// What happened.
        event: Arc<Event>,
    },
    /// This task is over: take it out.
    Done {
        /// The task.
        member: MemberId,
    },
    /// Nothing to do until then, unless a report or a request of the application comes; [`Timestamp::MAX`] when only those
    /// can bring anything.
    Wait {
        /// When to ask for the next step again.
        until: Timestamp,
    },
}

/// Why a fleet does not take a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FleetAddError {
    /// It has a task under this key.
    KeyTaken,
    /// It has a task of this id.
    TaskTaken,
    /// It is stopped.
    Stopped,
    /// It has as many tasks as can be numbered.
    Full,
}

impl std::fmt::Display for FleetAddError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::KeyTaken => {
                "the fleet has a task under this key: choose another key, or remove that task first"
            }
            Self::TaskTaken => "the fleet follows this task under another key",
            Self::Stopped => "the fleet is stopped, and takes no more tasks",
            Self::Full => "the fleet has as many tasks as can be numbered",
        })
    }
}

impl std::error::Error for FleetAddError {}

impl From<FleetAddError> for Error {
    fn from(error: FleetAddError) -> Self {
        Self::new(ErrorKind::Input, error.to_string())
    }
}

impl<K: Clone + Ord, P: Provider> Fleet<K, P> {
    /// Creates an empty fleet, of which so many tasks are sent or stored at once; at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: BTreeMap::new(),
            by_task: BTreeMap::new(),
            lanes: Lanes::default(),
            lists: Lists::new(),
            most: most.max(1),
            busy: 0,
            active: 0,
            now: Timestamp::default(),
            worst: Duration::ZERO,
            is_stopping: false,
        }
    }

    /// Sets how many tasks are sent or stored at once; at least one.
    pub fn set_most(&mut self, most: usize) {
        self.most = most.max(1);
    }

    // Who is in it.

    /// Takes a task in under this key. It opens no stream from now on ([`Task::without_stream`]); an exchange that another
    /// driver has begun counts as abandoned.
    ///
    /// # Errors
    /// Returns an error if the fleet has a task under this key or of this id, or is stopped.
    pub fn add(
        &mut self,
        key: K,
        task: Task<P>,
        now: Timestamp,
    ) -> Result<MemberId, FleetAddError> {
        self.advance(now);
        if self.is_stopping {
            return Err(FleetAddError::Stopped);
        }
        if self.by_key.contains_key(&key) {
            return Err(FleetAddError::KeyTaken);
        }
        if task.id().is_some_and(|id| self.has_task(id)) {
            return Err(FleetAddError::TaskTaken);
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = u32::try_from(self.slots.len()).map_err(|_| FleetAddError::Full)?;
                if self.slots.len() == self.slots.capacity() {
                    // Doubling would leave room for as many tasks as there are.
                    self.slots.reserve_exact(self.slots.len() / 8 + 16);
                }
                self.slots.push(Slot {
                    generation: 0,
                    place: Place::Resting,
                    since: self.now,
                    is_indexed: false,
                    member: None,
                });
                slot
            }
        };
        self.by_key.insert(key.clone(), slot);
        let entry = &mut self.slots[slot as usize];
        entry.member = Some((key, Box::new(task.without_stream())));
        self.index_task(slot);
        let now = self.now;
        self.queue(slot, Lane::Due, now);
        Ok(self.member_at(slot))
    }

    /// Returns how many tasks the fleet has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether the fleet has no task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Returns the keys of all tasks, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.by_key.keys()
    }

    /// Returns the task under this key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&Task<P>> {
        let slot = *self.by_key.get(key)?;
        self.task_at(slot)
    }

    /// Returns the number of the task under this key.
    #[must_use]
    pub fn member(&self, key: &K) -> Option<MemberId> {
        Some(self.member_at(*self.by_key.get(key)?))
    }

    /// Returns the key of a task; `None` once it was removed.
    #[must_use]
    pub fn key(&self, member: MemberId) -> Option<&K> {
        let entry = self.slots.get(self.slot_of(member)? as usize)?;
        entry.member.as_ref().map(|(key, _)| key)
    }

    /// Returns a task; `None` once it was removed.
    #[must_use]
    pub fn task(&self, member: MemberId) -> Option<&Task<P>> {
        self.task_at(self.slot_of(member)?)
    }

    /// Takes the task under this key out, wherever it is. If its exchange is under way, drop that: its report changes nothing
    /// any more, and the task counts it as abandoned.
    pub fn remove(&mut self, key: &K) -> Option<Task<P>> {
        let slot = *self.by_key.get(key)?;
        self.take_out(slot)
    }

    /// Takes a task out, as [`remove`](Self::remove) does.
    pub fn remove_member(&mut self, member: MemberId) -> Option<Task<P>> {
        let slot = self.slot_of(member)?;
        self.take_out(slot)
    }

    fn take_out(&mut self, slot: u32) -> Option<Task<P>> {
        self.place(slot, Place::Resting);
        let entry = &mut self.slots[slot as usize];
        let (key, task) = entry.member.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.by_key.remove(&key);
        if std::mem::take(&mut self.slots[slot as usize].is_indexed)
            && let Some(id) = task.id()
        {
            self.by_task.remove(&digest(id));
        }
        self.free.push(slot);
        Some(*task)
    }

    // What is to be done.

    /// Returns what to do next, and hands it out. A `now` earlier than one seen before counts as that one.
    pub fn next_step(&mut self, now: Timestamp, budget: &OriginBudget) -> FleetStep {
        self.advance(now);
        self.take_list(budget);
        loop {
            let can_begin = self.busy + usize::from(self.lists.is_under_way()) < self.most;
            let Some((slot, lane)) = self.pick(can_begin) else {
                let until = self.next_wake();
                return FleetStep::Wait { until };
            };
            if lane == Lane::Due
                && let Some(step) = self.list_before(slot, budget)
            {
                return step;
            }
            let late = self.now.since(self.slots[slot as usize].since);
            self.worst = self.worst.max(late);
            if let Some(step) = self.ask(slot, lane, can_begin, budget) {
                return step;
            }
        }
    }

    /// Returns the step that reads a list before this task is polled, if that is worth it.
    fn list_before(&mut self, slot: u32, budget: &OriginBudget) -> Option<FleetStep> {
        if self.is_stopping || !self.lists.may_read(self.now, self.by_key.len()) {
            return None;
        }
        let (_, task) = self.slots[slot as usize].member.as_mut()?;
        let unseen = task.unseen_for(self.now)?;
        let limits = task.list_limits();
        let (id, request) = self
            .lists
            .begin(task.provider(), unseen, self.now, budget)?;
        self.lanes.put_back(slot);
        Some(FleetStep::List {
            id,
            request,
            limits,
        })
    }

    /// Takes in the page of a list that came: the tasks on it wait on.
    fn take_list(&mut self, budget: &OriginBudget) {
        let Some(page) = self.lists.take(self.now, budget) else {
            return;
        };
        let mut spared = 0;
        for (id, status) in &page.tasks {
            let Some(slot) = self.by_task.get(&digest(id)).copied() else {
                continue;
            };
            let entry = &mut self.slots[slot as usize];
            if let (Place::Waiting(_) | Place::Queued(Lane::Due), Some((_, task))) =
                (entry.place, &mut entry.member)
                && task.id() == Some(id)
                && let Some(share) = task.listed(status, page.sent, self.now)
            {
                spared += share;
                let now = self.now;
                self.queue(slot, Lane::News, now);
            }
        }
        self.lists.judged(page, spared, self.now);
    }

    /// Returns since when the task is due that has been due for longest; `None` if none is.
    #[must_use]
    pub fn oldest_due(&self) -> Option<Timestamp> {
        let queued = [Lane::News, Lane::GoingOn, Lane::Due]
            .into_iter()
            .filter_map(|lane| {
                let first = self
                    .lanes
                    .queued(lane)
                    .find(|slot| self.is_in(*slot, lane))?;
                Some(self.slots[first as usize].since)
            });
        queued.min()
    }

    /// Returns the longest time that any task was due before it was asked what to do.
    #[must_use]
    pub fn worst_lateness(&self) -> Duration {
        self.worst
    }

    /// Returns how many tasks are with the driver to be sent or stored.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.busy
    }

    /// Returns whether nothing will ever be to do by itself: the fleet is empty, or it was [stopped](Self::stop) and
    /// everything that was under way is over.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.active == 0
    }

    /// Stops the fleet: no further request is sent, and no task is taken in. What is under way may be reported, events go on
    /// being delivered, and every state is stored; once the fleet [is at rest](Self::is_at_rest), each task can be resumed
    /// from its snapshot. A start of which nothing was sent ends as
    /// [`NotStarted`](crate::Outcome::NotStarted): nobody could tell later that nothing was.
    pub fn stop(&mut self, now: Timestamp) {
        self.advance(now);
        self.is_stopping = true;
        for slot in 0..self.slots.len() {
            let entry = &self.slots[slot];
            if entry.member.is_some() && !matches!(entry.place, Place::Out(_)) {
                let now = self.now;
                self.queue(slot as u32, Lane::News, now);
            }
        }
    }

    /// Takes the next task out of its queue.
    fn pick(&mut self, can_begin: bool) -> Option<(u32, Lane)> {
        loop {
            let (slot, lane) = self.lanes.next(can_begin)?;
            if self.is_in(slot, lane) {
                return Some((slot, lane));
            }
        }
    }

    fn is_in(&self, slot: u32, lane: Lane) -> bool {
        self.slots[slot as usize].place == Place::Queued(lane)
    }

    /// Asks a task what to do, and hands that out; `None` if there is nothing to do for it now.
    fn ask(
        &mut self,
        slot: u32,
        lane: Lane,
        can_begin: bool,
        budget: &OriginBudget,
    ) -> Option<FleetStep> {
        let now = self.now;
        loop {
            let (_, task) = self.slots[slot as usize].member.as_mut()?;
            if self.is_stopping {
                task.end_unsent();
                task.detach();
            }
            let step = task.next_step(now, budget);
            self.index_task(slot);
            return match step {
                Step::Send { .. } | Step::Wait { .. } if self.is_stopping => {
                    // A start that failed before it left, too.
                    let (_, task) = self.slots[slot as usize].member.as_mut()?;
                    if task.end_unsent() {
                        continue;
                    }
                    self.place(slot, Place::Resting);
                    None
                }
                Step::Save { .. } | Step::Send { .. } if !can_begin => {
                    self.queue(slot, Lane::GoingOn, now);
                    None
                }
                // It takes its turn among those that go on.
                Step::Send { .. } if lane == Lane::News => {
                    self.queue(slot, Lane::GoingOn, now);
                    None
                }
                Step::Wait { until, .. } => {
                    self.wait(slot, until);
                    None
                }
                Step::InFlight { .. }
                | Step::Open { .. }
                | Step::Receive { .. }
                | Step::Close { .. } => {
                    self.give_up_foreign(slot, &step);
                    continue;
                }
                step => self.hand_out(slot, step),
            };
        }
    }

    /// Hands out the step of a task, which waits for its acknowledgement from now on.
    fn hand_out(&mut self, slot: u32, step: Step) -> Option<FleetStep> {
        let member = self.member_at(slot);
        let (out, step) = match step {
            Step::Save { revision } => {
                (Out::Saving(revision), FleetStep::Save { member, revision })
            }
            Step::Send {
                id,
                request,
                limits,
            } => (
                Out::Sending(id),
                FleetStep::Send {
                    member,
                    id,
                    request,
                    limits,
                },
            ),
            Step::Event { no, id, event } => (
                Out::Telling(no),
                FleetStep::Event {
                    member,
                    no,
                    id,
                    event,
                },
            ),
            Step::Done => (Out::Over, FleetStep::Done { member }),
            Step::Wait { .. }
            | Step::InFlight { .. }
            | Step::Open { .. }
            | Step::Receive { .. }
            | Step::Close { .. } => return None,
        };
        self.place(slot, Place::Out(out));
        Some(step)
    }

    /// Reports what a driver before this one had under way: an exchange, or a stream.
    fn give_up_foreign(&mut self, slot: u32, step: &Step) {
        let now = self.now;
        let Some((_, task)) = self.slots[slot as usize].member.as_mut() else {
            return;
        };
        match step {
            Step::Close { id } => task.closed(*id),
            Step::InFlight { id, .. } | Step::Receive { id, .. } => {
                task.handle_failure(*id, ExchangeFailure::abandoned(), now);
            }
            Step::Open { id, .. } => {
                task.sent(*id);
                let text = "a fleet opens no stream";
                let failure =
                    ExchangeFailure::new(ExchangeProgress::NotSent, Cause::Abandoned, text);
                task.handle_failure(*id, failure, now);
            }
            Step::Save { .. }
            | Step::Send { .. }
            | Step::Wait { .. }
            | Step::Event { .. }
            | Step::Done => {}
        }
    }

    // What came of it.

    /// Acknowledges [`FleetStep::Save`].
    pub fn saved(&mut self, member: MemberId, revision: Revision) {
        self.acknowledge(member, Out::Saving(revision), |task| task.saved(revision));
    }

    /// Reports that the state of a task could not be stored: nothing is sent for it, and it asks for that again then, in a
    /// stopped fleet, too.
    pub fn not_saved(&mut self, member: MemberId, again_at: Timestamp) {
        if let Some(slot) = self.slot_of(member)
            && let Place::Out(Out::Saving(_)) = self.slots[slot as usize].place
        {
            self.wait(slot, again_at);
        }
    }

    /// Acknowledges [`FleetStep::Send`]: from now on the request may have reached the server.
    pub fn sent(&mut self, member: MemberId, id: ExchangeId) {
        let Some(slot) = self.slot_of(member) else {
            return;
        };
        if self.slots[slot as usize].place == Place::Out(Out::Sending(id)) {
            if let Some((_, task)) = &mut self.slots[slot as usize].member {
                task.sent(id);
            }
            self.place(slot, Place::Out(Out::InFlight(id)));
        }
    }

    /// Records a complete reply.
    pub fn handle_response(
        &mut self,
        member: MemberId,
        id: ExchangeId,
        reply: Response,
        now: Timestamp,
    ) {
        let now = self.advance(now);
        self.acknowledge(member, Out::InFlight(id), |task| {
            task.handle_response(id, reply, now);
        });
    }

    /// Records a failed exchange.
    pub fn handle_failure(
        &mut self,
        member: MemberId,
        id: ExchangeId,
        failure: ExchangeFailure,
        now: Timestamp,
    ) {
        let now = self.advance(now);
        self.acknowledge(member, Out::InFlight(id), |task| {
            task.handle_failure(id, failure, now);
        });
    }

    /// Records how the exchange of [`FleetStep::List`] ended. A driver that drops it reports a failure, too.
    pub fn handle_list(
        &mut self,
        id: ExchangeId,
        report: Result<Response, ExchangeFailure>,
        now: Timestamp,
    ) {
        self.advance(now);
        self.lists.reported(id, report);
    }

    /// Acknowledges [`FleetStep::Event`].
    pub fn taken(&mut self, member: MemberId, no: EventNo) {
        self.acknowledge(member, Out::Telling(no), |task| task.taken(no));
    }

    /// Tells a task what came of the step that the driver has it for, and queues it.
    fn acknowledge(&mut self, member: MemberId, of: Out, tell: impl FnOnce(&mut Task<P>)) {
        let Some(slot) = self.slot_of(member) else {
            return;
        };
        if self.slots[slot as usize].place != Place::Out(of) {
            return;
        }
        if let Some((_, task)) = &mut self.slots[slot as usize].member {
            tell(task);
        }
        let now = self.now;
        self.queue(slot, Lane::News, now);
    }

    // What the application requests.

    /// Answers an open question of the task under this key.
    ///
    /// # Errors
    /// Returns an error if the fleet has no such task, or as [`Task::answer`] does.
    pub fn answer(
        &mut self,
        key: &K,
        question: &QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), Error> {
        let answered = |task: &mut Task<P>, now| {
            let result: Result<(), AnswerError> = task.answer(question, answer, now);
            result.map_err(Error::from)
        };
        self.request(key, now, answered)
    }

    /// Sends a message to the task under this key.
    ///
    /// # Errors
    /// Returns an error if the fleet has no such task, or as [`Task::send_message`] does.
    pub fn send_message(
        &mut self,
        key: &K,
        text: String,
        now: Timestamp,
    ) -> Result<MessageNo, Error> {
        let send = |task: &mut Task<P>, now| {
            let result: Result<MessageNo, Unsupported> = task.send_message(text, now);
            result.map_err(Error::from)
        };
        self.request(key, now, send)
    }

    /// Asks the server to stop the task under this key.
    ///
    /// # Errors
    /// Returns an error if the fleet has no such task, or as [`Task::cancel`] does.
    pub fn cancel(&mut self, key: &K, now: Timestamp) -> Result<(), Error> {
        let cancel = |task: &mut Task<P>, now| {
            let result: Result<(), Unsupported> = task.cancel(now);
            result.map_err(Error::from)
        };
        self.request(key, now, cancel)
    }

    /// Passes a request to a task, and queues the task if it is not with the driver: a human does not wait behind polls.
    fn request<R>(
        &mut self,
        key: &K,
        now: Timestamp,
        request: impl FnOnce(&mut Task<P>, Timestamp) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let now = self.advance(now);
        let found = self.by_key.get(key).copied();
        let task = found.and_then(|slot| self.slots[slot as usize].member.as_mut());
        let (Some(slot), Some((_, task))) = (found, task) else {
            let text = "the fleet has no task under this key: it is over, or it was removed; resume it from its snapshot";
            return Err(Error::new(ErrorKind::NotDriven, text));
        };
        let result = request(task, now)?;
        if !matches!(self.slots[slot as usize].place, Place::Out(_)) {
            self.queue(slot, Lane::News, now);
        }
        Ok(result)
    }

    // Where each task is.

    /// Moves time on, and queues the tasks whose time has come, in its order.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        while let Some((at, number, slot)) = self.lanes.due_wake(self.now) {
            if self.slots[slot as usize].place == Place::Waiting(number) {
                self.queue(slot, Lane::Due, at);
            }
        }
        self.now
    }

    /// Returns when the next task is due.
    fn next_wake(&mut self) -> Timestamp {
        let slots = &self.slots;
        let is_current = |number, slot: u32| slots[slot as usize].place == Place::Waiting(number);
        self.lanes.first_wake(is_current)
    }

    fn wait(&mut self, slot: u32, until: Timestamp) {
        let number = self.lanes.wake_at(until, slot);
        self.place(slot, Place::Waiting(number));
    }

    fn queue(&mut self, slot: u32, lane: Lane, since: Timestamp) {
        self.slots[slot as usize].since = since;
        self.lanes.push(lane, slot);
        self.place(slot, Place::Queued(lane));
    }

    /// Moves a task: the one place that does.
    fn place(&mut self, slot: u32, place: Place) {
        let is_busy = |place| matches!(place, Place::Out(out) if Out::is_busy(out));
        let entry = &mut self.slots[slot as usize];
        let before = std::mem::replace(&mut entry.place, place);
        self.busy = self.busy + usize::from(is_busy(place)) - usize::from(is_busy(before));
        let is_active = |place| place != Place::Resting;
        self.active = self.active + usize::from(is_active(place)) - usize::from(is_active(before));
    }

    fn slot_of(&self, member: MemberId) -> Option<u32> {
        let entry = self.slots.get(member.slot as usize)?;
        (entry.generation == member.generation && entry.member.is_some()).then_some(member.slot)
    }

    fn member_at(&self, slot: u32) -> MemberId {
        MemberId {
            slot,
            generation: self.slots[slot as usize].generation,
        }
    }

    fn task_at(&self, slot: u32) -> Option<&Task<P>> {
        let (_, task) = self.slots[slot as usize].member.as_ref()?;
        Some(task)
    }

    // Which tasks they are.

    fn has_task(&self, id: &TaskId) -> bool {
        let slot = self.by_task.get(&digest(id));
        let task = slot.and_then(|slot| self.task_at(*slot));
        task.and_then(Task::id) == Some(id)
    }

    /// Notes the id of a task, once it is known.
    fn index_task(&mut self, slot: u32) {
        let entry = &self.slots[slot as usize];
        if entry.is_indexed {
            return;
        }
        let Some(id) = self.task_at(slot).and_then(Task::id) else {
            return;
        };
        let digest = digest(id);
        if let btree_map::Entry::Vacant(vacant) = self.by_task.entry(digest) {
            vacant.insert(slot);
            self.slots[slot as usize].is_indexed = true;
        }
    }
}

/// Returns the same number for the same id, in every process: nothing here is random.
fn digest(id: &TaskId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
