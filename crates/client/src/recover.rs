//! What to do about a start of unknown outcome.

use std::sync::Arc;

use taskward_core::{
    Error, ErrorKind, IntentId, Journal, OpenStarts, Provider, Search, SearchResult, Snapshot,
    Task, TaskId,
};

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

/// What can be done about each of many starts, with the id of its start; `R` is the adapter's run.
pub type Recoveries<R> = Vec<(IntentId, Result<Recovery<R>, Error>)>;

/// The journal in which all open starts are looked up.
pub(crate) struct OpenStartsLookup {
    journal: Arc<dyn Journal>,
    provider: &'static str,
    origin: String,
}

impl OpenStartsLookup {
    /// Reads the open starts.
    pub(crate) fn read(&self) -> Result<OpenStarts, Error> {
        let read = self.journal.open_starts_on(self.provider, &self.origin);
        read.map_err(|error| {
            let what = "the starts of unknown outcome cannot be read";
            Error::new(ErrorKind::Local, what).with_source(error)
        })
    }
}

/// Returns the state of an open start, or the error that hides it.
pub(crate) fn readable(
    start: Result<Snapshot, taskward_core::BoxError>,
) -> Result<Snapshot, Error> {
    start.map_err(|error| {
        let what = "the start cannot be read in the journal, and may have created a task";
        Error::new(ErrorKind::Local, what).with_source(error)
    })
}

impl<P: Provider, T: Transport, F: Flavour<T>> Client<P, T, F> {
    /// Returns where the open starts on this server are looked up.
    ///
    /// # Errors
    /// When there is no journal.
    pub(crate) fn open_starts(&self) -> Result<OpenStartsLookup, Error> {
        let inner = self.inner();
        let Some(journal) = inner.journal.clone() else {
            let text = "the client has no journal in which starts of unknown outcome stand";
            return Err(Error::new(ErrorKind::Config, text));
        };
        Ok(OpenStartsLookup {
            journal,
            provider: P::NAME,
            origin: inner.endpoint.origin.canonical().to_owned(),
        })
    }

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
