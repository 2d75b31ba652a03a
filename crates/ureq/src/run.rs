//! What to do with a task, before anything is done.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use taskward_core::{
    Error, EventSeq, IdempotencyKey, Journal, NumberedEvent, OnDetach, Policy, Provider, Question,
    Reply, RunResult, Snapshot,
};
use taskward_edge::run::{Hooks, RunSource, RunSpec, SaveHook};
use taskward_edge::source::Fingerprints;

use crate::client::Client;
use crate::running::Running;

#[doc(inline)]
pub use taskward_edge::run::BoxError;

pub(crate) type OnQuestion = Box<dyn FnMut(Question) -> Result<Reply, BoxError> + Send>;

/// A task to follow, described but not begun: [`wait`](Self::wait) for it, or [`start`](Self::start) it.
#[must_use = "nothing happens until it is waited for or started"]
pub struct Run<P: Provider> {
    client: Client<P>,
    plan: RunSpec<P>,
    hooks: Hooks<OnQuestion>,
}

impl<P: Provider> fmt::Debug for Run<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl<P: Provider> Run<P> {
    pub(crate) fn new(client: Client<P>, goal: RunSource<P>) -> Self {
        Self {
            client,
            plan: RunSpec::new(goal),
            hooks: Hooks::default(),
        }
    }

    /// How long the agent may work. When it is over, the watch ends and the task goes on. A resumed task keeps the
    /// deadlines and the policy that it was stored with.
    pub fn deadline(mut self, work: Duration) -> Self {
        self.plan.work = Some(work);
        self
    }

    /// How long a human may take over a question or a review.
    pub fn answer_deadline(mut self, human: Duration) -> Self {
        self.plan.human = Some(human);
        self
    }

    /// What is done about the task at the deadline: by default nothing, and it goes on. The time given here comes on top
    /// of the deadline. What was done, and whether it is certain, stands in
    /// [`DeadlineExceeded`](taskward_core::Outcome::DeadlineExceeded); a task that completed meanwhile has succeeded.
    ///
    /// Where the platform cannot cancel, the run is refused before anything is sent.
    pub fn on_deadline(mut self, how: OnDetach) -> Self {
        self.plan.on_deadline = Some(how);
        self
    }

    /// What is done about the task when a [`Handle`](crate::Handle) interrupts its watch: by default nothing, and it goes
    /// on. What was done stands in [`Detached`](taskward_core::Detached). A second interrupt does not wait for it. Dropping a
    /// [`Running`] never stops its task: a drop can wait for nothing.
    ///
    /// A request under way is waited for, within its own limits, even beyond the time for stopping the task.
    ///
    /// Where the platform cannot cancel, the run is refused before anything is sent.
    pub fn on_interrupt(mut self, how: OnDetach) -> Self {
        self.plan.on_interrupt = Some(how);
        self
    }

    /// Starts the task under a key of the caller's: a start repeated with it, by whatever process, gives the task that
    /// it made the first time. Only where the platform takes keys; without this one is made.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.plan.key = Some(IdempotencyKey::new(key));
        self
    }

    /// Of a start that is made again ([`run_again`](crate::Client::run_again)): starts it although a file has changed
    /// since, as it is now, or although nobody knows whether that start made a task.
    pub fn force_new(mut self, force: bool) -> Self {
        self.plan.force_new = force;
        self
    }

    /// Tells only the events after this position, of a task that is attached to.
    pub fn after(mut self, position: EventSeq) -> Self {
        self.plan.after = Some(position);
        self
    }

    /// How the task is followed; the client's policy by default. Deadlines given here come on top.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.plan.policy = Some(policy);
        self
    }

    /// Answers the agent's questions, one at a time and each once, on the thread that waits. An error ends the watch and
    /// leaves the task alone; so does a panic, which goes on to the caller.
    ///
    /// Without a handler a question ends the watch: [`DetachReason::Question`](taskward_core::DetachReason).
    pub fn on_question<F, R>(mut self, mut handler: F) -> Self
    where
        F: FnMut(Question) -> Result<R, BoxError> + Send + 'static,
        R: Into<Reply>,
    {
        self.hooks.question = Some(Box::new(move |question| handler(question).map(Into::into)));
        self
    }

    /// Is told every event.
    pub fn on_event(mut self, hook: impl FnMut(&NumberedEvent) + Send + 'static) -> Self {
        self.hooks.event = Some(Box::new(hook));
        self
    }

    /// Keeps this task in `journal`, in place of the client's.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.hooks.journal = Some(Arc::new(journal));
        self
    }

    /// Gives every state that must survive to `hook`, in place of the client's journal: before any write leaves, and
    /// before the task's id is told. An error ends the watch before that write.
    pub fn on_save(
        mut self,
        hook: impl FnMut(&Snapshot) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.hooks.journal = Some(Arc::new(SaveHook::new(hook)));
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
    pub fn wait(self) -> Result<RunResult<P::Output>, Error> {
        self.start()?.wait()
    }

    /// Looks at the files to send and sets the task up; nothing is sent before the handle is used.
    ///
    /// # Errors
    /// When the job, a file, a snapshot or a setting cannot be used.
    pub fn start(self) -> Result<Running<P>, Error> {
        let (client, mut plan) = (self.client, self.plan);
        let inner = client.inner();
        let kept = self.hooks.journal.is_some() || inner.journal.is_some();
        plan.inspect_files(Fingerprints::if_kept(kept))?;
        let task = plan.into_task(
            inner.provider.clone(),
            &inner.transport.origin,
            &inner.policy,
            inner.clock.now(),
        )?;
        let task = task.with_credential(&inner.transport.credential);
        Ok(Running::new(client, task, self.hooks))
    }
}
