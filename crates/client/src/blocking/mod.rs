//! The client of threads, over any [`BlockingTransport`].

use std::sync::Arc;

use taskward_core::{
    Call, CallStep, Error, ExchangeFailure, List, Operation, Policy, Provider, Question, Reply,
    Retrying, RunResult, Search, SearchResult, SearchStep, Snapshot, TaskId,
};

use crate::client::{Blocking, Client, Flavour, sealed};
use crate::list::Entries;
use crate::recover::{self, Recoveries, Recovery, RecoveryPlan};
use crate::run::{BoxError, Run};
use crate::running::{Running, Started};
use crate::source::{self, Fingerprints};
use crate::trace;
use crate::transport::BlockingTransport;

mod batch;
mod drive;
mod exchange;
mod fleet;
mod handle;
mod inbox;
mod list;
mod running;

pub use batch::BlockingBatch;
use exchange::exchange;
pub use fleet::BlockingFleet;
pub use handle::BlockingHandle;

/// A [`Client`] whose methods block.
pub type BlockingClient<P, T> = Client<P, T, Blocking>;

impl<T: BlockingTransport> Flavour<T> for Blocking {}

impl<T: BlockingTransport> sealed::Flavour<T> for Blocking {
    type OnQuestion = Box<dyn FnMut(Question) -> Result<Reply, BoxError> + Send>;
    type Io = drive::BlockingIo;
    type PageCall<O: Operation> = ();
}

impl<P: Provider, T: BlockingTransport> BlockingClient<P, T> {
    /// Recovers a stored task whose end nobody saw. If its id is known, or its start can be repeated under its idempotency
    /// key, the task is ready to be followed. For any other start this searches the server for the task, and once more with
    /// a wider time window if the first search finds nothing; it never adopts a task by itself.
    ///
    /// # Errors
    /// When the snapshot is of a start that created no task, or has no criteria to find its task by; or the search fails.
    pub fn recover(&self, snapshot: Snapshot) -> Result<Recovery<Run<P, T, Blocking>>, Error> {
        self.recover_except(snapshot, Vec::new())
    }

    /// Recovers like [`recover`](Self::recover), but leaves out these tasks, which are known to belong to other starts.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub fn recover_except(
        &self,
        snapshot: Snapshot,
        others: impl IntoIterator<Item = TaskId>,
    ) -> Result<Recovery<Run<P, T, Blocking>>, Error> {
        match self.plan_recovery(snapshot, others)? {
            RecoveryPlan::Follow(run) => Ok(Recovery::Follow(run)),
            RecoveryPlan::Search(start) => Ok(Recovery::Found(self.search(*start)?)),
        }
    }

    /// Recovers every start in the client's journal whose outcome is unknown, on this server, and returns what can be done
    /// about each, with the id of the start: as [`recover`](Self::recover), a task that is ready to be followed, or the
    /// candidates. None is adopted automatically, and the tasks of other starts in the journal are no candidates. Follow the
    /// runs with [`run_all`](Self::run_all).
    ///
    /// Call it before anything is started: a start that is under way is of unknown outcome, too.
    ///
    /// # Errors
    /// When the client has no journal, or its journal does not list such starts. What is wrong with one of them is its own
    /// result.
    pub fn recover_all(&self) -> Result<Recoveries<Run<P, T, Blocking>>, Error> {
        let open = self.open_starts()?.read()?;
        let recover = |(start, stored)| {
            let recovery = recover::readable(stored)
                .and_then(|snapshot| self.recover_except(snapshot, open.known.clone()));
            (start, recovery)
        };
        Ok(open.starts.into_iter().map(recover).collect())
    }

    fn search(&self, mut search: Search<P>) -> Result<SearchResult, Error> {
        let transport = self.transport();
        loop {
            match search.next(transport.now()) {
                SearchStep::Done => return Ok(search.finish()),
                SearchStep::Wait(until) => transport.sleep(transport.time_until(until)),
                SearchStep::Send(probe) => {
                    let remembered = &self.inner().first_messages;
                    if let Some(seen) = remembered.known(&probe) {
                        search.take(seen, transport.now());
                        continue;
                    }
                    let task = probe.first_message_of().cloned();
                    match self.call(probe) {
                        Ok(seen) => {
                            remembered.remember(task, &seen);
                            search.take(seen, transport.now());
                        }
                        // A conversation that cannot be read says nothing against its task.
                        Err(_) if search.skip(transport.now()) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    /// Starts a task and returns once its id is known.
    ///
    /// If the process ends before this returns, the outcome of its start is unknown.
    ///
    /// # Errors
    /// When no task is known to exist: the start was refused, was not sent, or its outcome is unknown.
    pub fn start(&self, job: P::Job) -> Result<Started<P, T, Blocking>, Error> {
        self.run(job).start()?.started()
    }

    /// Performs one operation, with retries.
    ///
    /// # Errors
    /// When the operation is refused, fails until its budget is spent, or its outcome is unknown.
    pub fn call<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        self.perform(self.policy().clone(), operation, |_| ())
    }

    /// Performs one operation like [`call`](Self::call), and reports each failure that is retried, before the wait.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_reporting_retries<O: Operation>(
        &self,
        operation: O,
        on_retry: impl FnMut(&Retrying),
    ) -> Result<O::Output, Error> {
        self.perform(self.policy().clone(), operation, on_retry)
    }

    /// Performs one operation like [`call_reporting_retries`](Self::call_reporting_retries), within this time instead of the
    /// policy's.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_within<O: Operation>(
        &self,
        within: std::time::Duration,
        operation: O,
        on_retry: impl FnMut(&Retrying),
    ) -> Result<O::Output, Error> {
        let mut policy = self.policy().clone();
        policy.work = Some(within);
        self.perform(policy, operation, on_retry)
    }

    /// Reads a list to its end, page by page, each like a [`call`](Self::call): its entries as an iterator.
    ///
    /// ```no_run
    /// # use taskward_client::{BlockingClient, transport::BlockingTransport};
    /// # use taskward_core::{List, Provider};
    /// # fn count<P: Provider, T: BlockingTransport, O: List + Clone>(client: BlockingClient<P, T>, agents: O)
    /// # -> Result<(), taskward_core::Error> {
    /// for agent in client.list(agents) {
    ///     let agent = agent?;
    /// #   drop(agent);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list<O: List + Clone>(&self, operation: O) -> Entries<P, T, Blocking, O> {
        Entries::new(self.clone(), operation)
    }

    fn perform<O: Operation>(
        &self,
        policy: Policy,
        mut operation: O,
        mut on_retry: impl FnMut(&Retrying),
    ) -> Result<O::Output, Error> {
        let (transport, inner) = (self.transport(), self.inner());
        source::resolve(operation.sources(), Fingerprints::Left)?;
        let mut call = Call::new(operation, policy, &transport.seed()?, transport.now())?;
        loop {
            match call.next_step(transport.now(), &inner.budget) {
                CallStep::Send {
                    id,
                    request,
                    limits,
                } => {
                    let request: Arc<_> = request.clone();
                    call.sent(id);
                    let span = trace::request(O::NAME, &request);
                    let report = exchange(&inner.endpoint, request, limits, None, span);
                    report.conclude(&mut call, id, transport.now());
                }
                CallStep::InFlight { id } => {
                    call.handle_failure(id, ExchangeFailure::abandoned(), transport.now());
                }
                CallStep::Wait { until, retrying } => {
                    on_retry(retrying);
                    transport.sleep(transport.time_until(until));
                }
                CallStep::Done => return call.finish(),
            }
        }
    }
}

impl<P: Provider, T: BlockingTransport> Run<P, T, Blocking> {
    /// Sets the handler that answers the agent's questions, one at a time and each once, on the thread that waits. An error
    /// of the handler ends the following and does not touch the task; so does a panic, which reaches the caller.
    ///
    /// Without a handler a question hands control back: [`DetachReason::Question`](taskward_core::DetachReason).
    pub fn on_question<F, R>(mut self, mut handler: F) -> Self
    where
        F: FnMut(Question) -> Result<R, BoxError> + Send + 'static,
        R: Into<Reply>,
    {
        self.on_question = Some(Box::new(move |question| handler(question).map(Into::into)));
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
    pub fn start(self) -> Result<Running<P, T, Blocking>, Error> {
        self.prepared()?.into_running(drive::BlockingIo::default())
    }

    /// Looks the name up, and inspects the files to send.
    fn prepared(mut self) -> Result<Self, Error> {
        if let Some(with) = self.preparation() {
            self.spec.prepare(&with)?;
        }
        Ok(self)
    }
}
