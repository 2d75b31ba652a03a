//! What to do with a task, before anything is done, and whom to ask and tell on the way.

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

/// Is told every event.
pub type OnEvent = Box<dyn FnMut(&NumberedEvent) + Send>;

/// A hook of the caller's as a journal.
pub struct SaveHook<F>(Mutex<F>);

impl<F> SaveHook<F> {
    /// The journal that gives every state to `hook`.
    pub fn new(hook: F) -> Self {
        Self(Mutex::new(hook))
    }
}

impl<F> Journal for SaveHook<F>
where
    F: FnMut(&Snapshot) -> Result<(), BoxError> + Send,
{
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        // What a hook that panicked has left behind is its own business.
        let mut hook = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hook(snapshot)
    }
}

/// What the caller wants to be asked and told; `Q` is the adapter's handler of questions.
pub struct Hooks<Q> {
    /// Answers questions.
    pub question: Option<Q>,
    /// Is told every event.
    pub event: Option<OnEvent>,
    /// Keeps the task, in place of the client's journal.
    pub journal: Option<Arc<dyn Journal>>,
    /// Whether to leave when the task pauses for a review.
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
    /// A new one.
    Start(Box<P::Job>),
    /// A new one, started as another one was.
    Again(Result<Box<StartAgain>, StartAgainError>),
    /// One that is there, by its id.
    Attach(TaskId),
    /// One that was stored.
    Resume(Box<Snapshot>),
    /// One whose start may or may not have made it, repeated under its key.
    Recover(Box<Snapshot>),
    /// One that is over, gone on with by a message.
    Continue(TaskId, String),
}

/// A task to follow, as it was asked for.
pub struct RunSpec<P: Provider> {
    /// Where it comes from.
    pub source: RunSource<P>,
    /// How it is followed, when not as the client says.
    pub policy: Option<Policy>,
    /// The caller's own idempotency key for a start.
    pub key: Option<IdempotencyKey>,
    /// Whether a start is made again although a file has changed, or nobody knows whether it made a task before.
    pub force_new: bool,
    /// The position after which a task that is there tells its events.
    pub after: Option<EventSeq>,
    /// How long the agent may work.
    pub work: Option<Duration>,
    /// How long a human may take.
    pub human: Option<Duration>,
    /// What is done about the task at the deadline.
    pub on_deadline: Option<OnDetach>,
    /// What is done about the task on an interrupt.
    pub on_interrupt: Option<OnDetach>,
}

impl<P: Provider> RunSpec<P> {
    /// A plan that leaves everything else to the client's policy.
    #[must_use]
    pub fn new(goal: RunSource<P>) -> Self {
        Self {
            source: goal,
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

    /// Whether there are files to look at before the task is made.
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

    /// Looks at the files. `fingerprints` says whether somebody keeps the task.
    ///
    /// # Errors
    /// When one cannot be sent, or is not what it was when the task was started that is started again.
    pub fn inspect_files(&mut self, fingerprints: Fingerprints) -> Result<(), Error> {
        let force_new = self.force_new;
        match self.source {
            RunSource::Again(_) => source::compare(self.sources(), fingerprints, force_new),
            _ => source::resolve(self.sources(), fingerprints),
        }
    }

    /// The task, of the server at `origin`; `policy` is the client's.
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
        // What cannot be done at the end is refused at the beginning, before it costs anything.
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

/// A wish that the provider has no request for.
#[must_use]
pub fn unsupported(error: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Input, error.to_string())
}
