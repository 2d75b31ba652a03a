//! Many runs as one iterator: so many threads that follow one run each.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use taskward_core::{Error, Provider, RunResult};

use super::BlockingHandle;
use crate::batch::{BatchHandle, BatchResult, Jobs, NextJob};
use crate::client::{Blocking, Client};
use crate::run::Run;
use crate::transport::BlockingTransport;

impl<P: Provider, T: BlockingTransport> Client<P, T, Blocking> {
    /// Follows many runs of this client, at most `limit` at once, each on a thread of its own: an iterator of each job's key
    /// with its result, in the order in which the runs end. A thread takes its next job from the iterator once its result
    /// was taken.
    ///
    /// Give each start a [name](Run::named) made of its key: then a batch that is run again, in whichever process and
    /// whenever the first one ended, starts nothing twice. A second job with a key that an earlier one has yields an error,
    /// and nothing is sent for it.
    ///
    /// A panic of a hook or of the iterator reaches whoever takes the results, behind all others.
    ///
    /// ```no_run
    /// # use std::num::NonZeroUsize;
    /// # use taskward_client::{BlockingClient, transport::BlockingTransport};
    /// # use taskward_core::Provider;
    /// # fn all<P: Provider, T: BlockingTransport>(client: BlockingClient<P, T>, jobs: Vec<(String, P::Job)>) {
    /// const LIMIT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
    /// let runner = client.clone();
    /// let runs = jobs.into_iter().map(move |(key, job)| (key.clone(), runner.run(job).named(key)));
    /// for (key, result) in client.run_all(runs, LIMIT) {
    ///     println!("{key}: {}", if result.is_ok() { "ended, or was handed back" } else { "not run" });
    /// }
    /// # }
    /// ```
    ///
    /// # What a drop does
    /// Dropping the iterator takes no more jobs, interrupts the runs under way, and waits until their threads have ended: for
    /// requests that are under way within their own limits, and for a handler of questions until it returns. A start that
    /// is on its way is waited for, too: nothing becomes unknown by a drop.
    pub fn run_all<K>(
        &self,
        runs: impl IntoIterator<Item = (K, Run<P, T, Blocking>), IntoIter: Send + 'static>,
        limit: NonZeroUsize,
    ) -> BlockingBatch<K, P, T>
    where
        K: Eq + Hash + Clone + Send + 'static,
    {
        // A thread waits until its result is taken.
        let (sender, results) = sync_channel(0);
        let shared = Arc::new(Shared {
            jobs: Mutex::new(Jobs::new(runs)),
            following: Mutex::default(),
            threads: Mutex::default(),
            limit: limit.get(),
        });
        shared.add_thread(&sender);
        BlockingBatch {
            client: self.clone(),
            shared,
            results: Some(results),
        }
    }
}

/// Many runs, so many at once: an iterator of each job's key and result, from [`Client::run_all`].
pub struct BlockingBatch<K, P: Provider, T: BlockingTransport>
where
    K: Eq + Hash + Clone + Send + 'static,
{
    client: Client<P, T, Blocking>,
    shared: Arc<Shared<K, P, T>>,
    /// `None` while the batch is dropped.
    results: Option<Receiver<BatchResult<K, P>>>,
}

struct Shared<K, P: Provider, T: BlockingTransport> {
    jobs: Mutex<Jobs<K, P, T, Blocking>>,
    following: Mutex<Following>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    limit: usize,
}

/// The runs under way.
#[derive(Default)]
struct Following {
    stopping: bool,
    next: usize,
    handles: HashMap<usize, BlockingHandle>,
}

/// Takes a poisoned lock, too: what is behind it is whole after each call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, P, T> Shared<K, P, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    /// Adds a thread unless there are enough. One that cannot be had is no loss: the others do its work.
    fn add_thread(self: &Arc<Self>, results: &SyncSender<BatchResult<K, P>>) {
        let mut threads = lock(&self.threads);
        if threads.len() >= self.limit {
            return;
        }
        let (shared, results) = (self.clone(), results.clone());
        let work = move || shared.work(&results);
        let thread = std::thread::Builder::new().name("taskward-batch".to_owned());
        threads.extend(thread.spawn(work));
    }

    fn work(self: &Arc<Self>, results: &SyncSender<BatchResult<K, P>>) {
        loop {
            let job = lock(&self.jobs).take();
            if !matches!(job, NextJob::None) {
                self.add_thread(results);
            }
            let Some(result) = self.perform(job) else {
                return;
            };
            if results.send(result).is_err() {
                return;
            }
        }
    }

    /// Returns the result of a job; `None` if there is no job, or the batch was stopped before anything was sent.
    fn perform(&self, job: NextJob<K, P, T, Blocking>) -> Option<BatchResult<K, P>> {
        match job {
            NextJob::Run(key, run) => Some((key, self.follow(*run)?)),
            NextJob::Refused(key, error) => Some((key, Err(error))),
            NextJob::None => None,
        }
    }

    /// Follows a run to its end; `None` if the batch was stopped before anything was sent.
    fn follow(&self, run: Run<P, T, Blocking>) -> Option<Result<RunResult<P::Output>, Error>> {
        let mut running = match run.start() {
            Ok(running) => running,
            Err(error) => return Some(Err(error)),
        };
        let number = {
            let mut following = lock(&self.following);
            if following.stopping {
                return None;
            }
            following.next += 1;
            let number = following.next;
            following.handles.insert(number, running.handle());
            number
        };
        let result = running.wait();
        lock(&self.following).handles.remove(&number);
        Some(result)
    }

    fn stop(&self) {
        let handles = {
            let mut following = lock(&self.following);
            following.stopping = true;
            std::mem::take(&mut following.handles)
        };
        // One that has ended meanwhile needs no interrupt.
        handles.values().for_each(BlockingHandle::interrupt_unheard);
        // Last: an iterator that waits for its next job holds the lock.
        lock(&self.jobs).stop();
    }

    /// Waits for all threads; returns the panic of one.
    fn join(&self) -> std::thread::Result<()> {
        let mut panic = Ok(());
        // Each adds the next one before it ends.
        while let Some(thread) = { lock(&self.threads).pop() } {
            panic = thread.join().and(panic);
        }
        panic
    }
}

impl<K, P, T> BlockingBatch<K, P, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    /// Returns a handle to stop the batch, from another thread too.
    #[must_use]
    pub fn handle(&self) -> BatchHandle {
        let shared = self.shared.clone();
        BatchHandle::new(move || shared.stop())
    }
}

impl<K, P, T> Iterator for BlockingBatch<K, P, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    type Item = BatchResult<K, P>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(Ok(result)) = self.results.as_ref().map(Receiver::recv) {
            return Some(result);
        }
        if let Err(panic) = self.shared.join() {
            resume_unwind(panic);
        }
        // Jobs are left if there was no thread at all: then this one does the work.
        let job = lock(&self.shared.jobs).take();
        self.shared.perform(job)
    }
}

impl<K, P, T> Drop for BlockingBatch<K, P, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    fn drop(&mut self) {
        // Whoever waits to hand over a result waits no longer.
        self.results = None;
        self.shared.stop();
        // The panic of a hook ends with its run.
        let _ = self.shared.join();
    }
}

impl<K, P, T> fmt::Debug for BlockingBatch<K, P, T>
where
    K: Eq + Hash + Clone + Send + 'static,
    P: Provider,
    T: BlockingTransport,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingBatch")
            .field("client", &self.client)
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}
