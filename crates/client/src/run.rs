//! What to do with a task, before anything is done, and the hooks to call on the way.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taskward_core::{
    Error, ErrorKind, EventSeq, IdempotencyKey, IntentId, Job as _, Journal, NumberedEvent,
    OnDetach, Origin, Policy, Provider, Safety, Snapshot, Source, StartAgain, StartAgainError,
    Task, TaskId,
};

use crate::client::{Client, Flavour};
use crate::driver::{TaskDriver, unsupported};
use crate::running::{OnEvent, Running};
use crate::source::{self, Fingerprints};
use crate::transport::Transport;

#[doc(inline)]
pub use taskward_core::BoxError;

/// A journal that calls a hook of the caller's.
pub(crate) struct SaveHook<F>(Mutex<F>);

impl<F> SaveHook<F> {
    fn new(hook: F) -> Self {
        Self(Mutex::new(hook))
    }
}

impl<F> Journal for SaveHook<F>
where
    F: FnMut(&Snapshot) -> Result<(), BoxError> + Send,
{
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        // The state behind a hook that panicked is the hook's own affair.
        let mut hook = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hook(snapshot)
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> Client<P, T, F> {
    /// Starts a task and follows it to its end.
    ///
    /// If the process ends, or the future is dropped, before the task's id is known, the outcome of the start is unknown.
    pub fn run(&self, job: P::Job) -> Run<P, T, F> {
        Run::new(self.clone(), RunSource::Start(Box::new(job)))
    }

    /// Repeats the start request of a stored task, as a new task under a new key: the new task is independent of the first
    /// and may be billed like it. Pass an entry of the journal, or a [`Snapshot`].
    ///
    /// The start fails before anything is sent if its request was not stored, or a file has changed since
    /// ([`StartAgainError`](taskward_core::StartAgainError) is the error's source); see [`Run::force_new`].
    pub fn run_again(&self, entry: impl AsRef<Snapshot>) -> Run<P, T, F> {
        let again = entry.as_ref().start_again().map(Box::new);
        Run::new(self.clone(), RunSource::Again(again))
    }

    /// Follows an existing task.
    pub fn attach(&self, id: impl Into<TaskId>) -> Run<P, T, F> {
        Run::new(self.clone(), RunSource::Attach(id.into()))
    }

    /// Follows a stored task from the position at which it was stored.
    pub fn resume(&self, snapshot: Snapshot) -> Run<P, T, F> {
        Run::new(self.clone(), RunSource::Resume(Box::new(snapshot)))
    }

    /// Sends a message to a task that exists, whatever its state, and follows it to the next pause or end.
    pub fn continue_with(&self, id: impl Into<TaskId>, text: impl Into<String>) -> Run<P, T, F> {
        Run::new(self.clone(), RunSource::Continue(id.into(), text.into()))
    }
}

/// A task to follow, described but not started: await it or wait for it, or start it to follow its events.
#[must_use = "nothing happens until it is awaited, waited for or started"]
pub struct Run<P: Provider, T: Transport, F: Flavour<T>> {
    pub(crate) client: Client<P, T, F>,
    pub(crate) spec: RunSpec<P>,
    pub(crate) on_question: Option<F::OnQuestion>,
    on_event: Option<OnEvent>,
    journal: Option<Arc<dyn Journal>>,
    leave_review: bool,
}

impl<P: Provider, T: Transport, F: Flavour<T>> fmt::Debug for Run<P, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl<P: Provider, T: Transport, F: Flavour<T>> Run<P, T, F> {
    pub(crate) fn new(client: Client<P, T, F>, source: RunSource<P>) -> Self {
        Self {
            client,
            spec: RunSpec::new(source),
            on_question: None,
            on_event: None,
            journal: None,
            leave_review: false,
        }
    }

    /// Sets how long the agent may work. At that deadline following ends, and the task keeps running. A resumed task has the
    /// deadlines and the policy that it was stored with.
    pub fn deadline(mut self, work: Duration) -> Self {
        self.spec.work = Some(work);
        self
    }

    /// Sets how long a human may take over a question or a review.
    pub fn answer_deadline(mut self, human: Duration) -> Self {
        self.spec.human = Some(human);
        self
    }

    /// Sets what happens to the task at the deadline: by default nothing, and the task keeps running. The time given here is
    /// added to the deadline. [`DeadlineExceeded`](taskward_core::Outcome::DeadlineExceeded) says what was done and whether it
    /// is certain; a task that completed meanwhile has succeeded.
    ///
    /// Where the platform cannot cancel, the run is refused before anything is sent.
    pub fn on_deadline(mut self, how: OnDetach) -> Self {
        self.spec.on_deadline = Some(how);
        self
    }

    /// Sets what happens to the task when a handle interrupts: by default nothing, and the task keeps
    /// running. [`Detached`](taskward_core::Detached) says what was done. A second interrupt does not wait for it. Dropping a
    /// [`Running`] never stops its task: a drop can wait for nothing.
    ///
    /// A blocking client waits for a request in flight, within its own limits, even beyond the time for stopping the task.
    ///
    /// Where the platform cannot cancel, the run is refused before anything is sent.
    pub fn on_interrupt(mut self, how: OnDetach) -> Self {
        self.spec.on_interrupt = Some(how);
        self
    }

    /// Starts the task under the caller's idempotency key: a start repeated with the same key, in any process, returns the
    /// task that the first one created. Only for platforms that take keys; by default a key is generated.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.spec.key = Some(IdempotencyKey::new(key));
        self
    }

    /// Starts the task under a name of the caller's, such as the number of an order, once: whoever runs a job under this name
    /// again, in whichever process, follows the task that was started under it, and the job that it then gives is not looked
    /// at. A start of unknown outcome is sent again under its key, or its task is looked for by the id of ours that it
    /// contains; where neither is possible nothing is sent, and the error's kind is
    /// [`OutcomeUnknown`](taskward_core::ErrorKind): [`recover`](crate::Client::recover) names the candidates. Of two
    /// processes that run the same name at once, one starts the task, and the other gets an error of its journal.
    ///
    /// The name is looked up in the journal, so that a start without one is refused; it belongs to the platform and the server
    /// of this client.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.spec.name = Some(name.into());
        self
    }

    /// Repeats a start ([`run_again`](crate::Client::run_again)) even if a file has changed since, which is then sent as it is
    /// now, or if the outcome of the first start is unknown.
    pub fn force_new(mut self, force: bool) -> Self {
        self.spec.force_new = force;
        self
    }

    /// Reports only the events after this sequence number, for a task that is attached to.
    pub fn after(mut self, position: EventSeq) -> Self {
        self.spec.after = Some(position);
        self
    }

    /// Sets the policy by which the task is followed; the client's by default. Deadlines of this run replace those of the policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.spec.policy = Some(policy);
        self
    }

    /// Calls the hook with every event.
    pub fn on_event(mut self, hook: impl FnMut(&NumberedEvent) + Send + 'static) -> Self {
        self.on_event = Some(Box::new(hook));
        self
    }

    /// Stores this task in `journal` instead of the client's.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Some(Arc::new(journal));
        self
    }

    /// Passes every state that must survive to `hook` instead of the client's journal: before any write is sent, and before
    /// the task's id is reported. An error of the hook ends the following before that write.
    pub fn on_save(
        mut self,
        hook: impl FnMut(&Snapshot) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.journal = Some(Arc::new(SaveHook::new(hook)));
        self
    }

    /// Sets whether to detach when the task pauses for a review that no answer resolves; by default the review is waited for.
    pub fn leave_review(mut self, leave: bool) -> Self {
        self.leave_review = leave;
        self
    }

    /// Returns whether the content of files is digested before it is sent, for a start that is repeated later.
    pub(crate) fn fingerprints(&self) -> Fingerprints {
        Fingerprints::if_kept(self.journal.is_some() || self.client.inner().journal.is_some())
    }

    /// Returns what is done where it may block, before the task is set up: its name is looked up, and its files are
    /// inspected; `None` if there is nothing to do.
    pub(crate) fn preparation(&mut self) -> Option<Preparation> {
        if self.spec.name.is_none() && !self.spec.has_files() {
            return None;
        }
        let inner = self.client.inner();
        Some(Preparation {
            fingerprints: self.fingerprints(),
            journal: self.journal.clone().or_else(|| inner.journal.clone()),
            origin: inner.endpoint.origin.to_string(),
        })
    }

    /// Sets the task up, once it was prepared.
    pub(crate) fn into_running(self, io: F::Io) -> Result<Running<P, T, F>, Error> {
        let client = self.client;
        let task = self.spec.into_client_task(&client)?;
        let journal = self.journal.or_else(|| client.inner().journal.clone());
        Ok(Running {
            driver: TaskDriver::new(task, journal, self.leave_review),
            client,
            io,
            on_event: self.on_event,
            on_question: self.on_question,
            detaching: None,
        })
    }

    /// Sets the task up for a fleet, once it was prepared.
    pub(crate) fn into_fleet_task(self) -> Result<FleetTask<P>, Error> {
        let refused = |why: &str| Err(Error::new(ErrorKind::Input, why.to_owned()));
        if self.on_question.is_some() {
            return refused(
                "a fleet has no handler of questions: they come as events, and are answered with `answer`",
            );
        }
        if self.leave_review {
            return refused(
                "a fleet waits for reviews: `remove` the task when its event `Paused` comes",
            );
        }
        Ok(FleetTask {
            task: self.spec.into_client_task(&self.client)?,
            journal: self.journal,
            on_event: self.on_event,
        })
    }
}

/// A task for a fleet, with what its run asks for.
pub(crate) struct FleetTask<P: Provider> {
    pub(crate) task: Task<P>,
    /// Instead of the client's.
    pub(crate) journal: Option<Arc<dyn Journal>>,
    pub(crate) on_event: Option<OnEvent>,
}

/// What a task is prepared with.
pub(crate) struct Preparation {
    fingerprints: Fingerprints,
    journal: Option<Arc<dyn Journal>>,
    origin: String,
}

/// Where a task comes from.
pub(crate) enum RunSource<P: Provider> {
    /// A new task.
    Start(Box<P::Job>),
    /// A new task with the start request of a stored one.
    Again(Result<Box<StartAgain>, StartAgainError>),
    /// An existing task, by its id.
    Attach(TaskId),
    /// A stored task.
    Resume(Box<Snapshot>),
    /// A task whose start is unconfirmed, repeated under its key.
    Recover(Box<Snapshot>),
    /// A task that is over, continued with a message.
    Continue(TaskId, String),
}

/// A task to follow, as the caller described it.
pub(crate) struct RunSpec<P: Provider> {
    /// Where it comes from.
    pub(crate) source: RunSource<P>,
    /// The policy, when it is not the client's.
    pub(crate) policy: Option<Policy>,
    /// The caller's own idempotency key for a start.
    pub(crate) key: Option<IdempotencyKey>,
    /// The caller's name for a start.
    pub(crate) name: Option<String>,
    /// The id of a start that has a name, once that was looked up.
    intent: Option<IntentId>,
    /// Whether a start is repeated although a file has changed, or the outcome of the first start is unknown.
    pub(crate) force_new: bool,
    /// The sequence number after which an existing task reports its events.
    pub(crate) after: Option<EventSeq>,
    /// How long the agent may work.
    pub(crate) work: Option<Duration>,
    /// How long a human may take.
    pub(crate) human: Option<Duration>,
    /// What happens to the task at the deadline.
    pub(crate) on_deadline: Option<OnDetach>,
    /// What happens to the task on an interrupt.
    pub(crate) on_interrupt: Option<OnDetach>,
}

impl<P: Provider> RunSpec<P> {
    /// Describes a task to follow by the client's policy.
    pub(crate) fn new(source: RunSource<P>) -> Self {
        Self {
            source,
            policy: None,
            key: None,
            name: None,
            intent: None,
            force_new: false,
            after: None,
            work: None,
            human: None,
            on_deadline: None,
            on_interrupt: None,
        }
    }

    /// Returns whether there are files to inspect before the task is created.
    pub(crate) fn has_files(&mut self) -> bool {
        !self.sources().is_empty()
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        match &mut self.source {
            RunSource::Start(job) => job.sources(),
            RunSource::Again(Ok(again)) => again.sources(),
            RunSource::Again(Err(_))
            | RunSource::Attach(_)
            | RunSource::Resume(_)
            | RunSource::Recover(_)
            | RunSource::Continue(..) => Vec::new(),
        }
    }

    /// Looks the name up, and inspects the files of what is started.
    ///
    /// # Errors
    /// When the journal cannot look it up, nobody knows what was started under it, or a file cannot be sent, or has changed
    /// since the first start of a start that is repeated.
    pub(crate) fn prepare(&mut self, with: &Preparation) -> Result<(), Error> {
        self.find_named(with)?;
        let force_new = self.force_new;
        let fingerprints = with.fingerprints;
        match self.source {
            RunSource::Again(_) => source::compare(self.sources(), fingerprints, force_new),
            _ => source::resolve(self.sources(), fingerprints),
        }
    }

    /// Takes up what was started under the name of this start, if anything was.
    fn find_named(&mut self, with: &Preparation) -> Result<(), Error> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        let refused = |why: &str| Err(Error::new(ErrorKind::Input, why.to_owned()));
        if !matches!(self.source, RunSource::Start(_)) {
            return refused("only a start has a name");
        }
        let Some(journal) = &with.journal else {
            return refused(
                "a start by name needs a journal, which knows what was started under it",
            );
        };
        let intent = IntentId::named(P::NAME, &with.origin, name);
        let stored = journal.stored(&intent).map_err(|error| {
            let what =
                format!("nothing was sent: it cannot be looked up what was started as {name:?}");
            Error::new(ErrorKind::Local, what).with_source(error)
        })?;
        match stored {
            Some(stored) if !stored.has_started_nothing() => {
                let is_found = stored.is_repeatable() || stored.is_traceable();
                if stored.is_unknown() && !is_found {
                    let what = format!(
                        "what was started as {name:?} is unknown, and nothing was sent now"
                    );
                    let error = Error::new(ErrorKind::OutcomeUnknown, what);
                    return Err(error.into_unknown(Some(intent)));
                }
                // The key of what was started is in it.
                self.key = None;
                self.source = RunSource::Recover(Box::new(stored));
            }
            _ => self.intent = Some(intent),
        }
        Ok(())
    }

    /// Builds the task of a client.
    ///
    /// # Errors
    /// When the job, a snapshot or a setting cannot be used.
    fn into_client_task<T: Transport, F>(self, client: &Client<P, T, F>) -> Result<Task<P>, Error>
    where
        F: Flavour<T>,
    {
        let inner = client.inner();
        let endpoint = &inner.endpoint;
        let (origin, transport) = (&endpoint.origin, &endpoint.transport);
        let task = self.into_task(inner.provider.clone(), origin, &inner.policy, transport)?;
        Ok(match &endpoint.credential {
            Some(credential) => task.with_credential(credential),
            None => task,
        })
    }

    /// Builds the task, bound to the server at `origin`; `policy` is the client's.
    ///
    /// # Errors
    /// When the job, a snapshot or a setting cannot be used.
    pub(crate) fn into_task(
        self,
        provider: P,
        origin: &Origin,
        policy: &Arc<Policy>,
        transport: &impl Transport,
    ) -> Result<Task<P>, Error> {
        let (on_deadline, on_interrupt) = (self.on_deadline, self.on_interrupt);
        let intent = self.intent.clone();
        let mut task = self.task(provider, policy, transport)?;
        if let Some(intent) = intent {
            task = task.named(intent);
        }
        // A cancel that the platform cannot do is refused here, before the task costs anything.
        if let Some(how) = on_deadline {
            task = task.on_deadline(how).map_err(|e| unsupported(&e))?;
        }
        if let Some(how) = on_interrupt {
            task = task.on_interrupt(how).map_err(|e| unsupported(&e))?;
        }
        task.bind_origin(origin)
            .map_err(|e| Error::new(ErrorKind::Config, e.to_string()))
    }

    fn task(
        self,
        provider: P,
        policy: &Arc<Policy>,
        transport: &impl Transport,
    ) -> Result<Task<P>, Error> {
        let now = transport.now();
        let seed = || transport.seed();
        let own = self.policy.is_some() || self.work.is_some() || self.human.is_some();
        let mut policy = self.policy.map_or_else(|| policy.clone(), Arc::new);
        if self.work.is_some() || self.human.is_some() {
            let own = Arc::make_mut(&mut policy);
            own.work = self.work.or(own.work);
            own.human = self.human.or(own.human);
        }
        let starts = matches!(self.source, RunSource::Start(_) | RunSource::Again(_));
        if self.key.is_some() && !(starts && provider.capabilities().start == Safety::Keyed) {
            let why = if starts {
                format!("a start on {} takes no idempotency key", P::NAME)
            } else {
                "only a start takes an idempotency key".to_owned()
            };
            return Err(Error::new(ErrorKind::Input, why));
        }
        if self.after.is_some()
            && !(provider.capabilities().stream && matches!(self.source, RunSource::Attach(_)))
        {
            let why = "only a task that is attached to and has events has a position";
            return Err(Error::new(ErrorKind::Input, why));
        }
        match self.source {
            RunSource::Start(job) => {
                Task::start_keyed(provider, &job, self.key, policy, seed()?, now)
            }
            RunSource::Again(again) => {
                let again = again?;
                if let Some(intent) = again.unresolved().filter(|_| !self.force_new) {
                    return Err(StartAgainError::OutcomeUnknown(intent.clone()).into());
                }
                Task::start_again(provider, *again, self.key, policy, seed()?, now)
            }
            RunSource::Attach(id) => {
                id.check()?;
                Ok(Task::attach(provider, id, self.after, policy, seed()?, now))
            }
            RunSource::Continue(id, text) => {
                id.check()?;
                Task::continue_with(provider, id.clone(), text, policy, seed()?, now)
                    .map_err(|e| unsupported(&e).with_task(id))
            }
            RunSource::Resume(_) if own => Err(Error::new(
                ErrorKind::Config,
                "a stored task keeps the policy and the deadlines it was stored with",
            )),
            RunSource::Recover(snapshot) => {
                Task::recover(provider, *snapshot, Policy::clone(&policy), now)
                    .map_err(|e| Error::new(ErrorKind::Input, e.to_string()))
            }
            RunSource::Resume(snapshot) => Task::resume(provider, *snapshot, now)
                .map_err(|e| Error::new(ErrorKind::Input, e.to_string())),
        }
    }
}
