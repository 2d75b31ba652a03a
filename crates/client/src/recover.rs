//! What to do about a start of unknown outcome.

use taskward_core::{Error, ErrorKind, Provider, Search, SearchResult, Snapshot, Task, TaskId};

use crate::client::{Client, Flavour};
use crate::run::{Run, RunSource};
use crate::transport::Transport;

/// What can be done about a stored task; `R` is the adapter's run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Recovery<R> {
    /// Its id is known, its start can be repeated under its idempotency key, or an id of ours in its request finds its task
    /// exactly: follow the task.
    Follow(R),
    /// Its start cannot be repeated. These are the tasks that it may have created: none, one or several. A human has to say
    /// which of them it is, if any; none is adopted automatically. [`Snapshot::adopting`] applies that decision.
    Found(SearchResult),
}

/// How a stored task is recovered.
pub(crate) enum RecoveryPlan<P, R> {
    /// By following it.
    Follow(R),
    /// By searching for it.
    Search(Box<Search<P>>),
}

impl<P: Provider, T: Transport, F: Flavour<T>> Client<P, T, F> {
    /// Chooses how to recover this snapshot; the tasks in `others` belong to other starts.
    ///
    /// # Errors
    /// When it was never started, or has no criteria to find its task by.
    pub(crate) fn plan_recovery(
        &self,
        snapshot: Snapshot,
        others: impl IntoIterator<Item = TaskId>,
    ) -> Result<RecoveryPlan<P, Run<P, T, F>>, Error> {
        if snapshot.task().is_some() || snapshot.is_repeatable() || snapshot.is_traceable() {
            let source = RunSource::Recover(Box::new(snapshot));
            return Ok(RecoveryPlan::Follow(Run::new(self.clone(), source)));
        }
        if !snapshot.is_unknown() {
            let text = "there is nothing to recover: the start is known to have made no task";
            return Err(Error::new(ErrorKind::Input, text));
        }
        let provider = self.inner().provider.clone();
        let task = Task::resume(provider.clone(), snapshot, self.transport().now())?
            .bind_origin(&self.inner().endpoint.origin)?;
        let Some(start) = task.unconfirmed_start() else {
            let text =
                "the start left nothing to know its task by: look through the tasks of its agent";
            return Err(Error::new(ErrorKind::Input, text));
        };
        let search = Search::new(provider, start).except(others);
        Ok(RecoveryPlan::Search(Box::new(search)))
    }
}
