//! How the suite uses this adapter: every future on the test's own thread, by smol and without tokio.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use taskward_client::{Async, Entries, Run};
pub(crate) use taskward_client::{BoxError, Recovery};
use taskward_core::{Error, List, Operation, Provider, Question, RunResult};

use crate::transport::Smol;

pub(crate) type Client<P> = taskward_client::AsyncClient<P, Smol>;
pub(crate) type Handle = taskward_client::AsyncHandle<Smol>;
pub(crate) type Running<P> = taskward_client::Running<P, Smol, Async>;

/// Waits for a call.
pub(crate) fn block_on<F: IntoFuture>(call: F) -> F::Output {
    smol::block_on(call.into_future())
}

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
pub(crate) fn entries<P, O>(list: &mut Entries<P, Smol, Async, O>) -> Vec<Result<O::Item, Error>>
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
pub(crate) fn follow<P: Provider>(run: Run<P, Smol, Async>) -> Result<RunResult<P::Output>, Error> {
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
