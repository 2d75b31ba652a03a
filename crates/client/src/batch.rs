//! Many runs, so many at once: what both flavours share. How they are driven is in the folder of each flavour.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use taskward_core::{Error, ErrorKind, Provider, RunResult};

use crate::client::Flavour;
use crate::run::Run;
use crate::transport::Transport;

/// What a batch yields of one job: its key, and how its run ended.
pub type BatchResult<K, P> = (K, Result<RunResult<<P as Provider>::Output>, Error>);

/// Stops a batch from elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct BatchHandle(Arc<dyn Fn() + Send + Sync>);

impl BatchHandle {
    pub(crate) fn new(stop: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(stop))
    }

    /// Takes no more jobs from the iterator, and interrupts the runs under way: each yields its result, most of them
    /// [`Detached`](taskward_core::Detached), as soon as its task's id is known and what is on its way has arrived. The tasks
    /// keep running, unless [`Run::on_interrupt`] says otherwise. A job of which nothing was sent yet yields nothing.
    ///
    /// Does nothing when the batch is over, or was stopped before.
    pub fn stop(&self) {
        (self.0)();
    }
}

impl fmt::Debug for BatchHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHandle").finish_non_exhaustive()
    }
}

/// The jobs of a batch that were not begun.
pub(crate) struct Jobs<K, P: Provider, T: Transport, F: Flavour<T>> {
    runs: Option<Runs<K, P, T, F>>,
    seen: HashSet<K>,
}

type Runs<K, P, T, F> = Box<dyn Iterator<Item = (K, Run<P, T, F>)> + Send>;

/// The next job of a batch.
pub(crate) enum NextJob<K, P: Provider, T: Transport, F: Flavour<T>> {
    /// It is to be run.
    Run(K, Box<Run<P, T, F>>),
    /// Another job before it has its key.
    Refused(K, Error),
    /// There is none any more.
    None,
}

impl<K, P, T, F> Jobs<K, P, T, F>
where
    K: Eq + Hash + Clone,
    P: Provider,
    T: Transport,
    F: Flavour<T>,
{
    pub(crate) fn new(
        runs: impl IntoIterator<Item = (K, Run<P, T, F>), IntoIter: Send + 'static>,
    ) -> Self {
        Self {
            runs: Some(Box::new(runs.into_iter())),
            seen: HashSet::new(),
        }
    }

    /// Takes the next job. An iterator that has ended is not asked again.
    pub(crate) fn take(&mut self) -> NextJob<K, P, T, F> {
        let Some((key, run)) = self.runs.as_mut().and_then(Iterator::next) else {
            self.stop();
            return NextJob::None;
        };
        if !self.seen.insert(key.clone()) {
            let text =
                "an earlier job of the batch has the same key; nothing was sent for this one";
            return NextJob::Refused(key, Error::new(ErrorKind::Input, text));
        }
        NextJob::Run(key, Box::new(run))
    }

    /// Returns whether no job is left.
    pub(crate) fn is_over(&self) -> bool {
        self.runs.is_none()
    }

    /// Drops the jobs that are left.
    pub(crate) fn stop(&mut self) {
        self.runs = None;
    }
}
