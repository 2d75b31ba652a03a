//! How the suite uses this adapter: a call that returns has been waited for.

use taskward_core::{Error, List, Operation, Provider, Question, RunResult};
pub(crate) use taskward_ureq::{BoxError, Builder, Client, Handle, Recovery, Running};
use taskward_ureq::{Entries, Run};

/// Waits for a call: it did.
pub(crate) fn block_on<T>(result: T) -> T {
    result
}

/// Performs operations one after another.
pub(crate) fn calls<P, O>(client: &Client<P>, operations: &[O]) -> Vec<Result<O::Output, Error>>
where
    P: Provider,
    O: Operation + Clone,
{
    operations
        .iter()
        .map(|operation| client.call(operation.clone()))
        .collect()
}

/// Reads a list to its end, or to an error.
pub(crate) fn entries<P, O>(list: &mut Entries<P, O>) -> Vec<Result<O::Item, Error>>
where
    P: Provider,
    O: List + Clone,
{
    list.collect()
}

/// Follows a task to its end.
pub(crate) fn follow<P: Provider>(run: Run<P>) -> Result<RunResult<P::Output>, Error> {
    run.wait()
}

/// Returns a handler of questions.
pub(crate) fn handler<R>(
    answer: impl FnMut(Question) -> Result<R, BoxError> + Send + 'static,
) -> impl FnMut(Question) -> Result<R, BoxError> + Send + 'static {
    answer
}
