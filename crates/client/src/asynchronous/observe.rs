//! One operation whose reply is shown as it came, for a diagnosis.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;

use taskward_core::{Call, CallStep, Error, ExchangeFailure, Operation, Provider, Response, Retry};

use super::AsyncClient;
use super::exchange::{EventStream, Exchange};
use crate::reply::{Report, StreamMode};
use crate::trace;
use crate::transport::AsyncTransport;

/// Bytes of an event stream after which no more of it is read.
const MAX_STREAM: usize = 1024 * 1024;

impl<P: Provider, T: AsyncTransport> AsyncClient<P, T> {
    /// Performs one operation once, and shows its reply as it came (without the key), whatever its status. Of an event
    /// stream it shows what arrives within this time.
    ///
    /// # Errors
    /// As [`call`](Self::call), also after the reply was shown.
    ///
    /// # Cancel safety
    /// A write whose future is dropped may or may not have been applied.
    pub async fn observe<O>(
        &self,
        within: Duration,
        operation: O,
        on_reply: impl FnOnce(&Response) + Send,
    ) -> Result<O::Output, Error>
    where
        O: Operation + Send + 'static,
        O::Output: Send,
    {
        let (transport, inner) = (self.transport(), self.inner());
        let mut policy = self.policy().clone();
        policy.work = Some(within);
        policy.retry = Retry::none();
        let mut call = Call::new(operation, policy, &transport.seed()?, transport.now())?;
        let CallStep::Send {
            id,
            request,
            limits,
        } = call.next_step(transport.now(), &inner.budget)
        else {
            return call.finish();
        };
        let request = request.clone();
        call.sent(id);
        let span = trace::request(O::NAME, &request);
        let (endpoint, mode) = (inner.endpoint.clone(), StreamMode::Open);
        let mut exchange = Exchange::new(endpoint, request, limits, mode, None, span);
        let report = match poll_fn(|cx| exchange.poll(cx)).await {
            Report::Stream(head, stream) => {
                let body = beginning(*stream, transport.sleep(within)).await;
                body.map_or_else(Report::Failed, |body| {
                    Report::<()>::Reply(Response { head, body })
                })
            }
            other => other.split().0,
        };
        if let Report::Reply(reply) = &report {
            on_reply(reply);
        }
        report.conclude(&mut call, id, transport.now());
        // Without retries a report ends the call.
        match call.next_step(transport.now(), &inner.budget) {
            CallStep::Done => {}
            CallStep::Send { .. } | CallStep::InFlight { .. } | CallStep::Wait { .. } => {
                unreachable!("a call without retries is over after its report")
            }
        }
        call.finish()
    }
}

/// Reads a stream to its end, or for as long as `until` is pending; what broke off after some bytes still shows those.
async fn beginning<T: AsyncTransport>(
    mut stream: EventStream<T>,
    until: T::Wait,
) -> Result<bytes::Bytes, ExchangeFailure> {
    let mut until = pin!(until);
    let mut body = BytesMut::new();
    let failure = poll_fn(|cx| {
        while body.len() < MAX_STREAM {
            match stream.poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => body.extend_from_slice(&bytes),
                Poll::Ready(Some(Err(failure))) => return Poll::Ready(Some(failure)),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return until.as_mut().poll(cx).map(|()| None),
            }
        }
        Poll::Ready(None)
    });
    match failure.await {
        Some(failure) if body.is_empty() => Err(failure),
        _ => Ok(body.freeze()),
    }
}
