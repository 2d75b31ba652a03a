//! What to do with a task, before anything is done.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use taskward_core::{
    End, Error, ErrorKind, Event, Job as _, Policy, Provider, Question, Reply, Snapshot, Task,
    TaskId,
};
use taskward_edge::entropy::seed;
use taskward_edge::source;

use crate::client::Client;
use crate::running::Running;

/// The error of a hook: anything that `?` turns into a boxed one.
pub type BoxError = Box<dyn StdError + Send + Sync>;

pub(crate) type OnQuestion = Box<dyn FnMut(Question) -> Result<Reply, BoxError> + Send>;
pub(crate) type OnEvent = Box<dyn FnMut(&Event) + Send>;
pub(crate) type OnSave = Box<dyn FnMut(&Snapshot) -> Result<(), BoxError> + Send>;

/// Where a task comes from.
pub(crate) enum Goal<P: Provider> {
    Start(Box<P::Job>),
    Attach(TaskId),
    Resume(Box<Snapshot>),
    Continue(TaskId, String),
}

/// What the caller wants to be asked and told.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) question: Option<OnQuestion>,
    pub(crate) event: Option<OnEvent>,
    pub(crate) save: Option<OnSave>,
    pub(crate) leave_review: bool,
}

/// A task to follow, described but not begun: [`wait`](Self::wait) for it, or [`start`](Self::start) it.
#[must_use = "nothing happens until it is waited for or started"]
pub struct Run<P: Provider> {
    client: Client<P>,
    goal: Goal<P>,
    policy: Option<Policy>,
    work: Option<Duration>,
    human: Option<Duration>,
    hooks: Hooks,
}

impl<P: Provider> fmt::Debug for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl<P: Provider> Run<P> {
    pub(crate) fn new(client: Client<P>, goal: Goal<P>) -> Self {
        Self {
            client,
            goal,
            policy: None,
            work: None,
            human: None,
            hooks: Hooks::default(),
        }
    }

    /// How long the agent may work. When it is over, the watch ends and the task goes on. A resumed task keeps the
    /// deadlines and the policy that it was stored with.
    pub fn deadline(mut self, work: Duration) -> Self {
        self.work = Some(work);
        self
    }

    /// How long a human may take over a question or a review.
    pub fn answer_deadline(mut self, human: Duration) -> Self {
        self.human = Some(human);
        self
    }

    /// How the task is followed; the client's policy by default. Deadlines given here come on top.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Answers the agent's questions, one at a time and each once, on the thread that waits. An error ends the watch and
    /// leaves the task alone; so does a panic, which goes on to the caller.
    ///
    /// Without a handler a question ends the watch: [`LeftWhy::Question`](taskward_core::LeftWhy).
    pub fn on_question<F, R>(mut self, mut handler: F) -> Self
    where
        F: FnMut(Question) -> Result<R, BoxError> + Send + 'static,
        R: Into<Reply>,
    {
        self.hooks.question = Some(Box::new(move |question| handler(question).map(Into::into)));
        self
    }

    /// Is told every event.
    pub fn on_event(mut self, hook: impl FnMut(&Event) + Send + 'static) -> Self {
        self.hooks.event = Some(Box::new(hook));
        self
    }

    /// Stores the task at every point worth it, before any write leaves. An error ends the watch before that write.
    pub fn on_save(
        mut self,
        hook: impl FnMut(&Snapshot) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.hooks.save = Some(Box::new(hook));
        self
    }

    /// Whether to leave when the task pauses for a review that no answer resolves; it is waited out by default.
    pub fn leave_review(mut self, leave: bool) -> Self {
        self.hooks.leave_review = leave;
        self
    }

    /// Follows the task to its end, or until control is handed back.
    ///
    /// A process that ends before the task's id is known leaves a start of unknown fate.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`Running::wait`].
    pub fn wait(self) -> Result<End<P::Output>, Error> {
        self.start()?.wait()
    }

    /// Looks at the files to send and sets the task up; nothing is sent before the handle is used.
    ///
    /// # Errors
    /// When the job, a file, a snapshot or a setting cannot be used.
    pub fn start(self) -> Result<Running<P>, Error> {
        let client = self.client;
        let inner = client.inner();
        let own = self.policy.is_some() || self.work.is_some() || self.human.is_some();
        let policy = policy(
            self.policy.unwrap_or_else(|| inner.policy.clone()),
            self.work,
            self.human,
        );
        let provider = inner.provider.clone();
        let task = match self.goal {
            Goal::Start(mut job) => {
                source::resolve(job.sources())?;
                Task::start(provider, &job, policy, seed()?, inner.clock.now())?
            }
            Goal::Attach(id) => {
                Task::attach(provider, id, None, policy, seed()?, inner.clock.now())
            }
            Goal::Continue(id, text) => {
                let now = inner.clock.now();
                Task::continue_with(provider, id.clone(), text, policy, seed()?, now)
                    .map_err(|e| unsupported(&e).with_task(id))?
            }
            Goal::Resume(_) if own => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "a stored task keeps the policy and the deadlines it was stored with",
                ));
            }
            Goal::Resume(snapshot) => Task::resume(provider, *snapshot, inner.clock.now())
                .map_err(|e| Error::new(ErrorKind::Input, e.to_string()))?,
        };
        Ok(Running::new(client, task, self.hooks))
    }
}

fn policy(mut policy: Policy, work: Option<Duration>, human: Option<Duration>) -> Policy {
    policy.work = work.or(policy.work);
    policy.human = human.or(policy.human);
    policy
}

/// A wish that the provider has no request for.
pub(crate) fn unsupported(error: &impl fmt::Display) -> Error {
    Error::new(ErrorKind::Input, error.to_string())
}
