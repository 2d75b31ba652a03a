//! Many runs as one stream, which polls only what was woken.

use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use taskward_core::Provider;

use super::active::ActiveRun;
use super::slots::Slots;
use crate::batch::{BatchHandle, BatchResult, Jobs, NextJob};
use crate::client::{Async, Client};
use crate::run::Run;
use crate::transport::AsyncTransport;

impl<P, T> Client<P, T, Async>
where
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
{
    /// Follows many runs of this client, at most `limit` at once: a stream of each job's key with its result, in the order
    /// in which the runs end. The next job is taken from the iterator once there is room for it.
    ///
    /// Give each start a [name](Run::named) made of its key: then a batch that is run again, in whichever process and
    /// whenever the first one ended, starts nothing twice. A second job with a key that an earlier one has yields an error,
    /// and nothing is sent for it.
    ///
    /// ```no_run
    /// # use std::num::NonZeroUsize;
    /// # use taskward_client::{AsyncClient, transport::AsyncTransport};
    /// # use taskward_core::Provider;
    /// # async fn all<P, T>(client: AsyncClient<P, T>, jobs: Vec<(String, P::Job)>)
    /// # where P: Provider, T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync {
    /// const LIMIT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
    /// let runner = client.clone();
    /// let runs = jobs.into_iter().map(move |(key, job)| (key.clone(), runner.run(job).named(key)));
    /// let mut results = client.run_all(runs, LIMIT);
    /// while let Some((key, result)) = results.next().await {
    ///     println!("{key}: {}", if result.is_ok() { "ended, or was handed back" } else { "not run" });
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future of [`next`](AsyncBatch::next) loses nothing. Dropping the batch ends the following of all its runs
    /// at once: their tasks keep running, and a start that was on its way is of unknown outcome. To end a batch without
    /// that, [stop](BatchHandle::stop) it and take what it still yields.
    pub fn run_all<K>(
        &self,
        runs: impl IntoIterator<Item = (K, Run<P, T, Async>), IntoIter: Send + 'static>,
        limit: NonZeroUsize,
    ) -> AsyncBatch<K, P, T>
    where
        K: Eq + Hash + Clone,
    {
        AsyncBatch {
            client: self.clone(),
            jobs: Jobs::new(runs),
            limit: limit.get(),
            slots: Slots::new(),
            stopping: Arc::default(),
            is_stopped: false,
        }
    }
}

/// Many runs, so many at once: a stream of each job's key and result, from [`Client::run_all`].
///
/// Runs make progress while it is polled. What it costs to poll depends on how many of them have something to do, and not
/// on how many there are.
pub struct AsyncBatch<K, P: Provider, T: AsyncTransport> {
    client: Client<P, T, Async>,
    jobs: Jobs<K, P, T, Async>,
    limit: usize,
    slots: Slots<(K, ActiveRun<P, T>)>,
    /// Whether a handle has asked to stop.
    stopping: Arc<AtomicBool>,
    /// Whether the runs under way were interrupted.
    is_stopped: bool,
}

impl<K, P, T> AsyncBatch<K, P, T>
where
    K: Eq + Hash + Clone,
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
{
    /// Returns the key and the result of the next run that ends; `None` once all have.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next one goes on where it was.
    pub async fn next(&mut self) -> Option<BatchResult<K, P>> {
        poll_fn(|cx| self.poll_result(cx)).await
    }

    /// Returns a handle to stop the batch, while it is polled.
    #[must_use]
    pub fn handle(&self) -> BatchHandle {
        let (woken, stopping) = (self.slots.woken(), self.stopping.clone());
        BatchHandle::new(move || {
            stopping.store(true, Ordering::Release);
            woken.wake();
        })
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<BatchResult<K, P>>> {
        self.slots.polled_by(cx.waker());
        if self.stopping.load(Ordering::Acquire) && !self.is_stopped {
            self.stop();
        }
        if let Some(refused) = self.fill() {
            return Poll::Ready(Some(refused));
        }
        if let Some(((key, _), result)) =
            self.slots.poll_woken(|(_, run), cx| Pin::new(run).poll(cx))
        {
            return Poll::Ready(Some((key, result)));
        }
        match self.slots.len() == 0 && self.jobs.is_over() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// Takes jobs while there is room for them; returns the first that is refused.
    fn fill(&mut self) -> Option<BatchResult<K, P>> {
        while !self.jobs.is_over() && self.slots.len() < self.limit {
            let (key, run) = match self.jobs.take() {
                NextJob::Run(key, run) => (key, run),
                NextJob::Refused(key, error) => return Some((key, Err(error))),
                NextJob::None => break,
            };
            self.slots.insert((key, ActiveRun::new(*run)));
        }
        None
    }

    /// Interrupts the runs under way, and drops the jobs of which nothing was sent.
    fn stop(&mut self) {
        self.is_stopped = true;
        self.jobs.stop();
        let now = self.client.transport().now();
        self.slots.retain(|(_, run)| match run {
            ActiveRun::Starting(_) => false,
            ActiveRun::Following(running) => {
                running.interrupt(now);
                true
            }
        });
    }
}

impl<K, P: Provider, T: AsyncTransport> fmt::Debug for AsyncBatch<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncBatch")
            .field("client", &self.client)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Nothing in it is pinned in place.
impl<K, P: Provider, T: AsyncTransport> Unpin for AsyncBatch<K, P, T> {}

impl<K, P, T> futures_core::Stream for AsyncBatch<K, P, T>
where
    K: Eq + Hash + Clone,
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
{
    type Item = BatchResult<K, P>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_result(cx)
    }
}
