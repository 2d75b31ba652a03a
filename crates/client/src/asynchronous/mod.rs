//! The client of futures, over any [`AsyncTransport`].

use std::pin::Pin;

use taskward_core::{
    Call, CallStep, Error, ErrorKind, ExchangeFailure, List, Operation, Policy, Provider, Question,
    Reply, Retrying, RunResult, Search, SearchResult, SearchStep, Snapshot, TaskId,
};

use crate::client::{Async, Client, Flavour, sealed};
use crate::list::Entries;
use crate::recover::{self, Recoveries, Recovery, RecoveryPlan};
use crate::reply::StreamMode;
use crate::run::{BoxError, Run};
use crate::running::{Running, Started};
use crate::source::{self, Fingerprints};
use crate::trace;
use crate::transport::AsyncTransport;

mod active;
mod batch;
mod drive;
mod exchange;
mod fleet;
mod handle;
mod inbox;
mod list;
mod observe;
mod running;
mod slots;
mod work;

use active::ActiveRun;
pub use batch::AsyncBatch;
use exchange::Exchange;
pub use fleet::AsyncFleet;
pub use handle::AsyncHandle;
use work::Work;

/// A [`Client`] whose methods are futures.
pub type AsyncClient<P, T> = Client<P, T, Async>;

type Asking = Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>;

impl<T: AsyncTransport> Flavour<T> for Async {}

impl<T: AsyncTransport> sealed::Flavour<T> for Async {
    type OnQuestion = Box<dyn FnMut(Question) -> Asking + Send>;
    type Io = drive::AsyncIo<T>;
    type PageCall<O: Operation> = Option<list::PageCall<O>>;
}

impl<P: Provider, T: AsyncTransport> AsyncClient<P, T> {
    /// Recovers a stored task whose end nobody saw. If its id is known, or its start can be repeated under its idempotency
    /// key, the task is ready to be followed. For any other start this searches the server for the task, and once more with
    /// a wider time window if the first search finds nothing; it never adopts a task by itself.
    ///
    /// # Errors
    /// When the snapshot is of a start that created no task, or has no criteria to find its task by; or the search fails.
    ///
    /// # Cancel safety
    /// It only reads: a dropped future has changed nothing.
    pub async fn recover(&self, snapshot: Snapshot) -> Result<Recovery<Run<P, T, Async>>, Error> {
        self.recover_except(snapshot, Vec::new()).await
    }

    /// Recovers like [`recover`](Self::recover), but leaves out these tasks, which are known to belong to other starts.
    ///
    /// # Errors
    /// As [`recover`](Self::recover).
    pub async fn recover_except(
        &self,
        snapshot: Snapshot,
        others: impl IntoIterator<Item = TaskId>,
    ) -> Result<Recovery<Run<P, T, Async>>, Error> {
        match self.plan_recovery(snapshot, others)? {
            RecoveryPlan::Follow(run) => Ok(Recovery::Follow(run)),
            RecoveryPlan::Search(start) => Ok(Recovery::Found(self.search(*start).await?)),
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
    ///
    /// # Cancel safety
    /// It only reads: a dropped future has changed nothing.
    pub async fn recover_all(&self) -> Result<Recoveries<Run<P, T, Async>>, Error> {
        let lookup = self.open_starts()?;
        let open = beside_the_runtime(self.transport(), move || lookup.read()).await?;
        let mut recoveries = Recoveries::new();
        for (start, stored) in open.starts {
            let recovery = match recover::readable(stored) {
                Ok(snapshot) => self.recover_except(snapshot, open.known.clone()).await,
                Err(error) => Err(error),
            };
            recoveries.push((start, recovery));
        }
        Ok(recoveries)
    }

    async fn search(&self, mut search: Search<P>) -> Result<SearchResult, Error> {
        let transport = self.transport();
        loop {
            match search.next(transport.now()) {
                SearchStep::Done => return Ok(search.finish()),
                SearchStep::Wait(until) => transport.sleep(transport.time_until(until)).await,
                SearchStep::Send(probe) => {
                    let remembered = &self.inner().first_messages;
                    if let Some(seen) = remembered.known(&probe) {
                        search.take(seen, transport.now());
                        continue;
                    }
                    let task = probe.first_message_of().cloned();
                    match self.call(probe).await {
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
    /// # Errors
    /// When no task is known to exist: the start was refused, was not sent, or its outcome is unknown.
    ///
    /// # Cancel safety
    /// Not cancel-safe: the outcome of a start whose future is dropped before it is ready is unknown.
    pub async fn start(&self, job: P::Job) -> Result<Started<P, T, Async>, Error> {
        self.run(job).start().await?.started().await
    }

    /// Performs one operation, with retries.
    ///
    /// # Errors
    /// When the operation is refused, fails until its budget is spent, or its outcome is unknown.
    ///
    /// # Cancel safety
    /// A write whose future is dropped may or may not have been applied.
    pub async fn call<O>(&self, operation: O) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        self.perform(self.policy().clone(), operation, |_| ()).await
    }

    /// Performs one operation like [`call`](Self::call), and reports each failure that is retried, before the wait.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_reporting_retries<O>(
        &self,
        operation: O,
        on_retry: impl FnMut(&Retrying) + Send,
    ) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        self.perform(self.policy().clone(), operation, on_retry)
            .await
    }

    /// Performs one operation like [`call_reporting_retries`](Self::call_reporting_retries), within this time instead of the
    /// policy's.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within<O>(
        &self,
        within: std::time::Duration,
        operation: O,
        on_retry: impl FnMut(&Retrying) + Send,
    ) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        let mut policy = self.policy().clone();
        policy.work = Some(within);
        self.perform(policy, operation, on_retry).await
    }

    /// Reads a list to its end, page by page, each like a [`call`](Self::call): its entries as a stream.
    ///
    /// ```no_run
    /// # use taskward_client::{AsyncClient, transport::AsyncTransport};
    /// # use taskward_core::{List, Provider};
    /// # async fn count<P, T, O>(client: AsyncClient<P, T>, agents: O) -> Result<(), taskward_core::Error>
    /// # where P: Provider, O: List + Clone + Send + 'static, O::Output: Send,
    /// #     T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync {
    /// let mut list = client.list(agents);
    /// while let Some(page) = list.next_page().await? {
    ///     println!("{} more", page.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list<O>(&self, operation: O) -> Entries<P, T, Async, O>
    where
        O: List + Clone + Send + 'static,
        O::Output: Send,
    {
        Entries::new(self.clone(), operation)
    }

    async fn perform<O>(
        &self,
        policy: Policy,
        mut operation: O,
        mut on_retry: impl FnMut(&Retrying) + Send,
    ) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        let (transport, inner) = (self.transport(), self.inner());
        if !operation.sources().is_empty() {
            operation = beside_the_runtime(transport, move || {
                source::resolve(operation.sources(), Fingerprints::Left)?;
                Ok(operation)
            })
            .await?;
        }
        let mut call = Call::new(operation, policy, &transport.seed()?, transport.now())?;
        loop {
            match call.next_step(transport.now(), &inner.budget) {
                CallStep::Send {
                    id,
                    request,
                    limits,
                } => {
                    let request = request.clone();
                    call.sent(id);
                    let span = trace::request(O::NAME, &request);
                    let (endpoint, mode) = (inner.endpoint.clone(), StreamMode::Whole);
                    let mut exchange = Exchange::new(endpoint, request, limits, mode, None, span);
                    let report = std::future::poll_fn(|cx| exchange.poll(cx)).await;
                    report.conclude(&mut call, id, transport.now());
                }
                CallStep::InFlight { id } => {
                    call.handle_failure(id, ExchangeFailure::abandoned(), transport.now());
                }
                CallStep::Wait { until, retrying } => {
                    on_retry(retrying);
                    transport.sleep(transport.time_until(until)).await;
                }
                CallStep::Done => return call.finish(),
            }
        }
    }
}

/// Looks at files, and into the journal, without blocking the runtime.
async fn beside_the_runtime<T: AsyncTransport, R: Send + 'static>(
    transport: &T,
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    let mut work = Work::new(transport, work);
    let result = std::future::poll_fn(|cx| work.poll(cx)).await;
    result.unwrap_or_else(|lost| {
        let text = format!("looking at the files or into the journal was interrupted: {lost}");
        Err(Error::new(ErrorKind::Local, text))
    })
}

impl<P: Provider, T: AsyncTransport> Run<P, T, Async> {
    /// Sets the handler that answers the agent's questions, one at a time and each once. Its future runs while the task is
    /// followed; it is dropped when the question is withdrawn or the task ends. An error of the handler ends the following
    /// and does not touch the task.
    ///
    /// Without a handler a question hands control back: [`DetachReason::Question`](taskward_core::DetachReason).
    pub fn on_question<F, Fut, R>(mut self, mut handler: F) -> Self
    where
        F: FnMut(Question) -> Fut + Send + 'static,
        Fut: Future<Output = Result<R, BoxError>> + Send + 'static,
        R: Into<Reply>,
    {
        self.on_question = Some(Box::new(move |question| {
            let reply = handler(question);
            Box::pin(async move { reply.await.map(Into::into) })
        }));
        self
    }

    /// Inspects the files to send and sets the task up; nothing is sent before the returned [`Running`] is used.
    ///
    /// # Errors
    /// When the job, a file, a snapshot or a setting cannot be used.
    ///
    /// # Cancel safety
    /// Nothing was sent yet: a dropped future has changed nothing.
    pub async fn start(self) -> Result<Running<P, T, Async>, Error> {
        self.prepared().await?.into_running(drive::AsyncIo::new())
    }

    /// Looks the name up, and inspects the files to send.
    async fn prepared(mut self) -> Result<Self, Error> {
        if let Some(with) = self.preparation() {
            let mut spec = self.spec;
            self.spec = beside_the_runtime(self.client.transport(), move || {
                spec.prepare(&with)?;
                Ok(spec)
            })
            .await?;
        }
        Ok(self)
    }
}

/// What a boxed future of a run needs of its transport to be `Send`.
impl<P, T> IntoFuture for Run<P, T, Async>
where
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
{
    type Output = Result<RunResult<P::Output>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Follows the task until it ends or control is handed back.
    ///
    /// Not cancel-safe before the task's id is known: the outcome of a start whose future is dropped then is unknown.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(ActiveRun::new(self))
    }
}
