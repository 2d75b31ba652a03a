//! What to do about a start of unknown outcome.

use taskward_core::{
    Error, ErrorKind, Origin, Provider, Search, SearchResult, Snapshot, Task, TaskId, Timestamp,
};

/// What can be done about a stored task; `R` is the adapter's run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Recovery<R> {
    /// Its id is known, or its start can be repeated under its idempotency key: follow the task.
    Follow(R),
    /// Its start cannot be repeated. These are the tasks that it may have created: none, one or several. A human has to say
    /// which of them it is, if any; none is adopted automatically. [`Snapshot::adopting`] applies that decision.
    Found(SearchResult),
}

/// How a stored task is recovered.
pub enum RecoveryPlan<P> {
    /// By following it.
    Follow(Box<Snapshot>),
    /// By searching for it.
    Search(Box<Search<P>>),
}

/// Chooses how to recover this snapshot; the tasks in `others` belong to other starts.
///
/// # Errors
/// When it was never started, or has no criteria to find its task by.
pub fn recovery_plan<P: Provider>(
    provider: P,
    origin: &Origin,
    snapshot: Snapshot,
    others: Vec<TaskId>,
    now: Timestamp,
) -> Result<RecoveryPlan<P>, Error> {
    if snapshot.task().is_some() || snapshot.is_repeatable() {
        return Ok(RecoveryPlan::Follow(Box::new(snapshot)));
    }
    if !snapshot.is_unknown() {
        let text = "there is nothing to recover: the start is known to have made no task";
        return Err(Error::new(ErrorKind::Input, text));
    }
    let task = Task::resume(provider.clone(), snapshot, now)?.bind_origin(origin)?;
    let Some(start) = task.unconfirmed_start() else {
        let text =
            "the start left nothing to know its task by: look through the tasks of its agent";
        return Err(Error::new(ErrorKind::Input, text));
    };
    let search = Search::new(provider, start).except(others);
    Ok(RecoveryPlan::Search(Box::new(search)))
}
