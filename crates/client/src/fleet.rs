//! Many tasks under one driver: what both flavours share, without I/O. How a fleet is driven is in the folder of each flavour.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use taskward_core::{
    Answer, BoxError, Error, ErrorKind, ExchangeId, Fleet, FleetStep, Journal, MemberId, MessageNo,
    NumberedEvent, OriginBudget, Outcome, Provider, Question, QuestionId, RequestPurpose, Revision,
    Snapshot, Status, Task, TaskId, Timestamp,
};

use crate::client::{Client, Flavour};
use crate::driver::NewExchange;
use crate::reply::Report;
use crate::run::{FleetTask, Run};
use crate::running::OnEvent;
use crate::trace::{self, Span};
use crate::transport::Transport;

/// How long after a failure the state of a task is stored again.
const SAVED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a fleet reports of one of its tasks.
#[derive(Debug)]
#[non_exhaustive]
pub enum FleetEvent<O> {
    /// Something happened. Whoever gets a question has to answer it: a fleet has no handler.
    Event(NumberedEvent),
    /// The task is over, and no longer in the fleet.
    Ended(Outcome<O>),
    /// The state of the task could not be stored. Nothing is sent for it until it is, which is tried again soon.
    NotSaved(Error),
}

/// What a fleet reports next: the key of a task, and what of it.
pub type FleetReport<K, P> = (K, FleetEvent<<P as Provider>::Output>);

/// The tasks of a fleet, with what was asked for some of them.
pub(crate) struct FleetDriver<K, P: Provider> {
    fleet: Fleet<K, P>,
    journal: Option<Arc<dyn Journal>>,
    /// Of the tasks that have any.
    hooks: BTreeMap<K, Hooks>,
}

/// What a run asks for beside its task.
struct Hooks {
    journal: Option<Arc<dyn Journal>>,
    on_event: Option<OnEvent>,
}

/// For whom a fleet sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// For one task.
    Task(MemberId),
    /// For all of them: a page of the account's list.
    Fleet,
}

/// What to do next for a fleet.
pub(crate) enum FleetEffect<K, O> {
    /// Store the state of a task.
    Save(Save),
    /// Send this request.
    Send(Sender, NewExchange),
    /// Hand this out.
    Report(K, FleetEvent<O>),
    /// Wait until then.
    Wait(Timestamp),
    /// There is nothing to do any more, unless a task is added.
    AtRest,
}

/// A state to store.
pub(crate) struct Save {
    pub(crate) member: MemberId,
    pub(crate) revision: Revision,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) snapshot: Box<Snapshot>,
}

impl<K: Clone + Ord, P: Provider> FleetDriver<K, P> {
    pub(crate) fn new(most: usize, journal: Option<Arc<dyn Journal>>) -> Self {
        Self {
            fleet: Fleet::new(most),
            journal,
            hooks: BTreeMap::new(),
        }
    }

    pub(crate) fn fleet(&self) -> &Fleet<K, P> {
        &self.fleet
    }

    pub(crate) fn set_most(&mut self, most: usize) {
        self.fleet.set_most(most);
    }

    /// Takes in a run that was prepared.
    pub(crate) fn add<T: Transport, F: Flavour<T>>(
        &mut self,
        client: &Client<P, T, F>,
        key: K,
        run: Run<P, T, F>,
    ) -> Result<(), Error> {
        if !Arc::ptr_eq(&run.client.inner().endpoint, &client.inner().endpoint) {
            let text =
                "the run is of another client than the fleet: each client has a fleet of its own";
            return Err(Error::new(ErrorKind::Input, text));
        }
        let FleetTask {
            task,
            journal,
            on_event,
        } = run.into_fleet_task()?;
        let now = client.transport().now();
        self.fleet.add(key.clone(), task, now)?;
        if journal.is_some() || on_event.is_some() {
            self.hooks.insert(key, Hooks { journal, on_event });
        }
        Ok(())
    }

    /// Takes a task out, and returns its state.
    pub(crate) fn remove(&mut self, key: &K) -> Option<(MemberId, Snapshot)> {
        let member = self.fleet.member(key)?;
        let task = self.fleet.remove(key)?;
        self.hooks.remove(key);
        Some((member, task.snapshot()))
    }

    // What it does next.

    pub(crate) fn next_effect(
        &mut self,
        now: Timestamp,
        budget: &OriginBudget,
    ) -> FleetEffect<K, P::Output> {
        loop {
            match self.fleet.next_step(now, budget) {
                FleetStep::Save { member, revision } => match self.to_save(member, revision) {
                    Some(save) => return FleetEffect::Save(save),
                    None => self.fleet.saved(member, revision),
                },
                FleetStep::Send {
                    member,
                    id,
                    request,
                    limits,
                } => {
                    let purpose = self.fleet.task(member).and_then(Task::request_purpose);
                    let purpose = purpose.map_or("", RequestPurpose::as_str);
                    let span = trace::request(purpose, &request);
                    self.fleet.sent(member, id);
                    let new = NewExchange {
                        id,
                        request,
                        limits,
                        span,
                        opens_stream: false,
                    };
                    return FleetEffect::Send(Sender::Task(member), new);
                }
                FleetStep::List {
                    id,
                    request,
                    limits,
                } => {
                    let span = trace::request("list the tasks at work", &request);
                    let new = NewExchange {
                        id,
                        request,
                        limits,
                        span,
                        opens_stream: false,
                    };
                    return FleetEffect::Send(Sender::Fleet, new);
                }
                FleetStep::Event {
                    member,
                    no,
                    id,
                    event,
                } => {
                    self.fleet.taken(member, no);
                    let event = NumberedEvent::new(id, Arc::unwrap_or_clone(event));
                    if let Some(key) = self.tell(member, &event) {
                        return FleetEffect::Report(key, FleetEvent::Event(event));
                    }
                }
                FleetStep::Done { member } => {
                    if let Some((key, outcome)) = self.take_out(member) {
                        return FleetEffect::Report(key, FleetEvent::Ended(outcome));
                    }
                }
                FleetStep::Wait { .. } if self.fleet.is_at_rest() => return FleetEffect::AtRest,
                FleetStep::Wait { until } => return FleetEffect::Wait(until),
            }
        }
    }

    /// Calls the hook of a task with its event; returns the task's key.
    fn tell(&mut self, member: MemberId, event: &NumberedEvent) -> Option<K> {
        let key = self.fleet.key(member)?.clone();
        let task = self.fleet.task(member).and_then(Task::id);
        trace::reported(&Span::none(), task, &event.event);
        let hooks = self.hooks.get_mut(&key);
        if let Some(hook) = hooks.and_then(|hooks| hooks.on_event.as_mut()) {
            hook(event);
        }
        Some(key)
    }

    /// Takes out a task that is over; returns its key and its outcome.
    fn take_out(&mut self, member: MemberId) -> Option<(K, Outcome<P::Output>)> {
        let key = self.fleet.key(member)?.clone();
        let task = self.fleet.remove_member(member)?;
        self.hooks.remove(&key);
        let snapshot = task.snapshot();
        let outcome = task.into_outcome()?;
        trace::ended(&Span::none(), snapshot.intent(), &outcome);
        Some((key, outcome))
    }

    /// Returns what to store, and where; `None` without a journal, or when there is nothing but an id that may be mistyped.
    fn to_save(&self, member: MemberId, revision: Revision) -> Option<Save> {
        let own = self.fleet.key(member).and_then(|key| self.hooks.get(key));
        let own = own.and_then(|hooks| hooks.journal.as_ref());
        let journal = own.or(self.journal.as_ref())?.clone();
        let snapshot = self.fleet.task(member)?.snapshot();
        (!snapshot.has_unconfirmed_end()).then_some(Save {
            member,
            revision,
            journal,
            snapshot: Box::new(snapshot),
        })
    }

    // What happened.

    /// Takes in whether the state of a task was stored; returns what is reported if it was not.
    pub(crate) fn saved(
        &mut self,
        member: MemberId,
        revision: Revision,
        how: Result<(), BoxError>,
        now: Timestamp,
    ) -> Option<FleetReport<K, P>> {
        let Err(error) = how else {
            self.fleet.saved(member, revision);
            return None;
        };
        self.fleet.not_saved(member, now.after(SAVED_AGAIN_AFTER));
        let text = "the task could not be stored, so nothing more was sent for it";
        let error = Error::new(ErrorKind::Local, text).with_source(error);
        let error = match self.fleet.task(member).and_then(Task::id) {
            Some(id) => error.with_task(id.clone()),
            None => error,
        };
        Some((self.fleet.key(member)?.clone(), FleetEvent::NotSaved(error)))
    }

    /// Reports how an exchange ended.
    pub(crate) fn report<S>(
        &mut self,
        sender: Sender,
        id: ExchangeId,
        report: Report<S>,
        now: Timestamp,
    ) {
        match (sender, report.whole()) {
            (Sender::Fleet, report) => self.fleet.handle_list(id, report, now),
            (Sender::Task(member), Ok(reply)) => {
                self.fleet.handle_response(member, id, reply, now);
            }
            (Sender::Task(member), Err(failure)) => {
                self.fleet.handle_failure(member, id, failure, now);
            }
        }
    }

    // What the application requests.

    pub(crate) fn answer(
        &mut self,
        key: &K,
        question: &QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.fleet.answer(key, question, answer, now)
    }

    pub(crate) fn send_message(
        &mut self,
        key: &K,
        text: String,
        now: Timestamp,
    ) -> Result<MessageNo, Error> {
        self.fleet.send_message(key, text, now)
    }

    pub(crate) fn cancel(&mut self, key: &K, now: Timestamp) -> Result<(), Error> {
        self.fleet.cancel(key, now)
    }

    pub(crate) fn stop(&mut self, now: Timestamp) {
        self.fleet.stop(now);
    }

    /// Returns what is followed, to be resumed later.
    pub(crate) fn snapshots(&self) -> Vec<(K, Snapshot)> {
        let keys = self.fleet.keys();
        keys.filter_map(|key| Some((key.clone(), self.fleet.get(key)?.snapshot())))
            .collect()
    }

    // What a task is.

    pub(crate) fn id(&self, key: &K) -> Option<&TaskId> {
        self.fleet.get(key)?.id()
    }

    pub(crate) fn status(&self, key: &K) -> Option<&Status> {
        self.fleet.get(key)?.status()
    }

    pub(crate) fn questions(&self, key: &K) -> impl Iterator<Item = &Question> {
        self.fleet.get(key).into_iter().flat_map(Task::questions)
    }
}
