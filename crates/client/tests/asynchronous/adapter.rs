//! How the suite uses a client of futures: every future on the test's own thread. The binary's module `runtime` says over
//! which transport, and by which runtime.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use taskward_client::{Async, Entries, Run};
pub(crate) use taskward_client::{BoxError, Recovery};
use taskward_core::{Error, List, Operation, Provider, Question, RunResult};

use crate::runtime::Transport;
pub(crate) use crate::runtime::block_on;

#[allow(
    dead_code,
    reason = "not every transport runs the tests of all settings"
)]
pub(crate) type Builder<P> = taskward_client::Builder<P, Transport, Async>;
pub(crate) type Client<P> = taskward_client::AsyncClient<P, Transport>;
pub(crate) type Handle = taskward_client::AsyncHandle<Transport>;
pub(crate) type Running<P> = taskward_client::Running<P, Transport, Async>;

/// Performs operations one after another.
pub(crate) fn calls<P, O>(client: &Client<P>, operations: &[O]) -> Vec<Result<O::Output, Error>>
where
    P: Provider,
    O: Operation + Clone + Send + 'static,
    O::Output: Send,
{
    block_on(async {
        let mut results = Vec::new();
        for operation in operations {
            results.push(client.call(operation.clone()).await);
        }
        results
    })
}

/// Reads a list to its end, or to an error.
pub(crate) fn entries<P, O>(
    list: &mut Entries<P, Transport, Async, O>,
) -> Vec<Result<O::Item, Error>>
where
    P: Provider,
    O: List + Clone + Send + 'static,
    O::Output: Send,
{
    block_on(async {
        let mut found = Vec::new();
        while let Some(entry) = poll_fn(|cx| Pin::new(&mut *list).poll_next(cx)).await {
            found.push(entry);
        }
        found
    })
}

/// Follows a task to its end.
pub(crate) fn follow<P: Provider>(
    run: Run<P, Transport, Async>,
) -> Result<RunResult<P::Output>, Error> {
    block_on(run)
}

type Asking<R> = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;

/// Returns a handler of questions that does not answer at once.
pub(crate) fn handler<R: Send + 'static>(
    mut answer: impl FnMut(Question) -> Result<R, BoxError> + Send + 'static,
) -> impl FnMut(Question) -> Asking<R> + Send + 'static {
    move |question| {
        let reply = answer(question);
        Box::pin(async move {
            smol::future::yield_now().await;
            reply
        })
    }
}
