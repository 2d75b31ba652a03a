//! Blocking work beside the runtime, whose result is waited for.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use taskward_core::BoxError;
use tokio::sync::oneshot;

use crate::transport::AsyncTransport;

/// Blocking work that is under way.
pub(super) struct Work<R>(oneshot::Receiver<Result<R, Box<dyn Any + Send>>>);

/// Why blocking work has no result.
pub(super) enum Lost {
    /// It panicked.
    Panicked(Box<dyn Any + Send>),
    /// The runtime dropped it.
    Dropped,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Panicked(_) => "it panicked",
            Self::Dropped => "the runtime dropped it",
        })
    }
}

impl Lost {
    /// Passes a panic on to the caller whose work it was.
    pub(super) fn resume(self) -> BoxError {
        match self {
            Self::Panicked(panic) => std::panic::resume_unwind(panic),
            lost => lost.to_string().into(),
        }
    }
}

impl<R: Send + 'static> Work<R> {
    pub(super) fn new<T: AsyncTransport>(
        transport: &T,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Self {
        let (done, result) = oneshot::channel();
        transport.run_blocking(Box::new(move || {
            // Nobody waits any more when the task was dropped.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        }));
        Self(result)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<R, Lost>> {
        let result = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(match result {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => Err(Lost::Panicked(panic)),
            Err(_) => Err(Lost::Dropped),
        })
    }
}
