//! A run under way, as one future.

use std::pin::Pin;
use std::task::{Context, Poll};

use taskward_core::{Error, Provider, RunResult};

use crate::client::Async;
use crate::run::Run;
use crate::running::Running;
use crate::transport::AsyncTransport;

type Starting<P, T> = Pin<Box<dyn Future<Output = Result<Running<P, T, Async>, Error>> + Send>>;

/// A run under way. What sets it up is large, and dropped once it has: a task waits for most of its life.
pub(super) enum ActiveRun<P: Provider, T: AsyncTransport> {
    /// Nothing was sent yet.
    Starting(Starting<P, T>),
    Following(Box<Running<P, T, Async>>),
}

impl<P, T> ActiveRun<P, T>
where
    P: Provider,
    T: AsyncTransport<Exchange: Send, Wait: Send, Body: Send> + Send + Sync,
{
    pub(super) fn new(run: Run<P, T, Async>) -> Self {
        Self::Starting(Box::pin(run.start()))
    }
}

impl<P: Provider, T: AsyncTransport> Future for ActiveRun<P, T> {
    type Output = Result<RunResult<P::Output>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut *self {
                Self::Starting(starting) => match starting.as_mut().poll(cx) {
                    Poll::Ready(Ok(running)) => *self = Self::Following(Box::new(running)),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                },
                Self::Following(running) => return running.poll_end(cx),
            }
        }
    }
}
