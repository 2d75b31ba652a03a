//! What to do with a task, before anything is done, and the hooks to call on the way.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taskward_core::{
    Error, ErrorKind, EventSeq, IdempotencyKey, Job as _, Journal, NumberedEvent, OnDetach, Origin,
    Policy, Provider, Safety, Snapshot, Source, StartAgain, StartAgainError, Task, TaskId,
    Timestamp,
};

use crate::entropy::seed;
use crate::source::{self, Fingerprints};

#[doc(inline)]
pub use taskward_core::BoxError;

/// The hook for every event.
pub type OnEvent = Box<dyn FnMut(&NumberedEvent) + Send>;

/// A journal that calls a hook of the caller's.
pub struct SaveHook<F>(Mutex<F>);

impl<F> SaveHook<F> {
    /// Builds the journal that passes every state to `hook`.
    pub fn new(hook: F) -> Self {
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

/// The caller's hooks; `Q` is the adapter's handler of questions.
pub struct Hooks<Q> {
    /// The handler of questions.
    pub question: Option<Q>,
    /// The hook for every event.
    pub event: Option<OnEvent>,
    /// Where the task is stored, instead of the client's journal.
    pub journal: Option<Arc<dyn Journal>>,
    /// Whether to detach when the task pauses for a review.
    pub leave_review: bool,
}

impl<Q> Default for Hooks<Q> {
    fn default() -> Self {
        Self {
            question: None,
            event: None,
            journal: None,
            leave_review: false,
        }
    }
}

/// Where a task comes from.
pub enum RunSource<P: Provider> {
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
pub struct RunSpec<P: Provider> {
    /// Where it comes from.
    pub source: RunSource<P>,
    /// The policy, when it is not the client's.
    pub policy: Option<Policy>,
    /// The caller's own idempotency key for a start.
    pub key: Option<IdempotencyKey>,
    /// Whether a start is repeated although a file has changed, or the outcome of the first start is unknown.
    pub force_new: bool,
    /// The sequence number after which an existing task reports its events.
    pub after: Option<EventSeq>,
    /// How long the agent may work.
    pub work: Option<Duration>,
    /// How long a human may take.
    pub human: Option<Duration>,
    /// What happens to the task at the deadline.
    pub on_deadline: Option<OnDetach>,
    /// What happens to the task on an interrupt.
    pub on_interrupt: Option<OnDetach>,
}

impl<P: Provider> RunSpec<P> {
    /// Describes a task to follow by the client's policy.
    #[must_use]
    pub fn new(source: RunSource<P>) -> Self {
        Self {
            source,
            policy: None,
            key: None,
            force_new: false,
            after: None,
            work: None,
            human: None,
            on_deadline: None,
            on_interrupt: None,
        }
    }

    /// Returns whether there are files to inspect before the task is created.
    pub fn has_files(&mut self) -> bool {
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

    /// Inspects the files. `fingerprints` says whether the task is stored.
    ///
    /// # Errors
    /// When one cannot be sent, or has changed since the first start of a start that is repeated.
    pub fn inspect_files(&mut self, fingerprints: Fingerprints) -> Result<(), Error> {
        let force_new = self.force_new;
        match self.source {
            RunSource::Again(_) => source::compare(self.sources(), fingerprints, force_new),
            _ => source::resolve(self.sources(), fingerprints),
        }
    }

    /// Builds the task, bound to the server at `origin`; `policy` is the client's.
    ///
    /// # Errors
    /// When the job, a snapshot or a setting cannot be used.
    pub fn into_task(
        self,
        provider: P,
        origin: &Origin,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Task<P>, Error> {
        let (on_deadline, on_interrupt) = (self.on_deadline, self.on_interrupt);
        let mut task = self.task(provider, policy, now)?;
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

    fn task(self, provider: P, policy: &Policy, now: Timestamp) -> Result<Task<P>, Error> {
        let own = self.policy.is_some() || self.work.is_some() || self.human.is_some();
        let mut policy = self.policy.unwrap_or_else(|| policy.clone());
        policy.work = self.work.or(policy.work);
        policy.human = self.human.or(policy.human);
        let starts = matches!(self.source, RunSource::Start(_) | RunSource::Again(_));
        if self.key.is_some() && !(starts && P::CAPABILITIES.start == Safety::Keyed) {
            let why = if starts {
                format!("a start on {} takes no idempotency key", P::NAME)
            } else {
                "only a start takes an idempotency key".to_owned()
            };
            return Err(Error::new(ErrorKind::Input, why));
        }
        if self.after.is_some()
            && !(P::CAPABILITIES.stream && matches!(self.source, RunSource::Attach(_)))
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
            RunSource::Recover(snapshot) => Task::recover(provider, *snapshot, policy, now)
                .map_err(|e| Error::new(ErrorKind::Input, e.to_string())),
            RunSource::Resume(snapshot) => Task::resume(provider, *snapshot, now)
                .map_err(|e| Error::new(ErrorKind::Input, e.to_string())),
        }
    }
}

/// Converts the error of a request that the provider does not support.
#[must_use]
pub fn unsupported(error: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Input, error.to_string())
}
