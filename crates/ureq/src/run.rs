//! What to do with a task, before anything is done.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use taskward_client::run::{Hooks, RunSource, RunSpec, SaveHook};
use taskward_client::source::Fingerprints;
use taskward_core::{
    Error, EventSeq, IdempotencyKey, Journal, NumberedEvent, OnDetach, Policy, Provider, Question,
    Reply, RunResult, Snapshot,
};

use crate::client::Client;
use crate::running::Running;

#[doc(inline)]
pub use taskward_client::run::BoxError;

pub(crate) type OnQuestion = Box<dyn FnMut(Question) -> Result<Reply, BoxError> + Send>;

/// A task to follow, described but not started: [`wait`](Self::wait) for it, or [`start`](Self::start) it.
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

    /// Sets how long the agent may work. At that deadline following ends, and the task keeps running. A resumed task has the
    /// deadlines and the policy that it was stored with.
    pub fn deadline(mut self, work: Duration) -> Self {
        self.plan.work = Some(work);
        self
    }

    /// Sets how long a human may take over a question or a review.
    pub fn answer_deadline(mut self, human: Duration) -> Self {
        self.plan.human = Some(human);
        self
    }

    /// Sets what happens to the task at the deadline: by default nothing, and the task keeps running. The time given here is
    /// added to the deadline. [`DeadlineExceeded`](taskward_core::Outcome::DeadlineExceeded) says what was done and whether it
    /// is certain; a task that completed meanwhile has succeeded.
    ///
    /// Where the platform cannot cancel, the run is refused before anything is sent.
    pub fn on_deadline(mut self, how: OnDetach) -> Self {
        self.plan.on_deadline = Some(how);
        self
    }

    /// Sets what happens to the task when a [`Handle`](crate::Handle) interrupts: by default nothing, and the task keeps
    /// running. [`Detached`](taskward_core::Detached) says what was done. A second interrupt does not wait for it. Dropping a
    /// [`Running`] never stops its task: a drop can wait for nothing.
    ///
    /// A request in flight is waited for, within its own limits, even beyond the time for stopping the task.
    ///
    /// Where the platform cannot cancel, the run is refused before anything is sent.
    pub fn on_interrupt(mut self, how: OnDetach) -> Self {
        self.plan.on_interrupt = Some(how);
        self
    }

    /// Starts the task under the caller's idempotency key: a start repeated with the same key, in any process, returns the
    /// task that the first one created. Only for platforms that take keys; by default a key is generated.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.plan.key = Some(IdempotencyKey::new(key));
        self
    }

    /// Repeats a start ([`run_again`](crate::Client::run_again)) even if a file has changed since, which is then sent as it is
    /// now, or if the outcome of the first start is unknown.
    pub fn force_new(mut self, force: bool) -> Self {
        self.plan.force_new = force;
        self
    }

    /// Reports only the events after this sequence number, for a task that is attached to.
    pub fn after(mut self, position: EventSeq) -> Self {
        self.plan.after = Some(position);
        self
    }

    /// Sets the policy by which the task is followed; the client's by default. Deadlines of this run replace those of the policy.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.plan.policy = Some(policy);
        self
    }

    /// Sets the handler that answers the agent's questions, one at a time and each once, on the thread that waits. An error
    /// of the handler ends the following and does not touch the task; so does a panic, which reaches the caller.
    ///
    /// Without a handler a question hands control back: [`DetachReason::Question`](taskward_core::DetachReason).
    pub fn on_question<F, R>(mut self, mut handler: F) -> Self
    where
        F: FnMut(Question) -> Result<R, BoxError> + Send + 'static,
        R: Into<Reply>,
    {
        self.hooks.question = Some(Box::new(move |question| handler(question).map(Into::into)));
        self
    }

    /// Calls the hook with every event.
    pub fn on_event(mut self, hook: impl FnMut(&NumberedEvent) + Send + 'static) -> Self {
        self.hooks.event = Some(Box::new(hook));
        self
    }

    /// Stores this task in `journal` instead of the client's.
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.hooks.journal = Some(Arc::new(journal));
        self
    }

    /// Passes every state that must survive to `hook` instead of the client's journal: before any write is sent, and before
    /// the task's id is reported. An error of the hook ends the following before that write.
    pub fn on_save(
        mut self,
        hook: impl FnMut(&Snapshot) -> Result<(), BoxError> + Send + 'static,
    ) -> Self {
        self.hooks.journal = Some(Arc::new(SaveHook::new(hook)));
        self
    }

    /// Sets whether to detach when the task pauses for a review that no answer resolves; by default the review is waited for.
    pub fn leave_review(mut self, leave: bool) -> Self {
        self.hooks.leave_review = leave;
        self
    }

    /// Follows the task until it ends or control is handed back.
    ///
    /// If the process ends before the task's id is known, the outcome of its start is unknown.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`Running::wait`].
    pub fn wait(self) -> Result<RunResult<P::Output>, Error> {
        self.start()?.wait()
    }

    /// Inspects the files to send and sets the task up; nothing is sent before the returned [`Running`] is used.
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
