//! What a client needs of the world: a transport, in one of two flavours.
//!
//! A transport carries exchanges to one server, and tells the time. It decides nothing: the client builds each request with
//! its key, follows redirects, bounds and cleans what arrives, and the core decides what is repeated. Implement
//! [`AsyncTransport`] or [`BlockingTransport`] to send requests through another library, or to wrap one of ours, as the
//! example `count_requests` does.
//!
//! # What a dropped exchange means
//! The client cannot see a socket. It hands every exchange a [`ProgressCell`], and the transport moves it to *maybe sent*
//! **before** the first byte of the request may leave this machine. When an exchange fails, or is dropped before its
//! reply came, that cell alone decides what is known of it: what is *not sent* can be repeated, and what is *maybe sent*
//! is repeated only if that is safe. A cell that is moved too early costs a retry; one that is moved too late may start
//! paid work twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "async")]
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[cfg(feature = "async")]
use bytes::Bytes;
use http::HeaderName;
use taskward_core::{Body, ConfigError, Error, Limits, NamedOrigins, Origin, Seed, Timestamp};

pub use crate::failure::TransportFailure;
pub use crate::progress::ProgressCell;

/// What transports of both flavours have in common. Cheap to clone; clones share their connections.
pub trait Transport: Clone + 'static {
    /// The settings that a client's builder collects for it.
    type Settings: Default;
    /// The body of a reply, still to be read.
    type Body;

    /// Opens a transport to one server. Sends nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    fn open(settings: Self::Settings, server: Destination<'_>) -> Result<Self, ConfigError>;

    /// Returns the present moment. It never runs back.
    fn now(&self) -> Timestamp;

    /// Returns how long to sleep until `moment`; zero once it has passed.
    fn time_until(&self, moment: Timestamp) -> Duration;

    /// Returns fresh entropy for one task or call.
    ///
    /// # Errors
    /// When there is none.
    fn seed(&self) -> Result<Seed, Error> {
        crate::entropy::seed()
    }
}

/// The server that a transport is opened to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Destination<'a> {
    /// Its origin.
    pub origin: &'a Origin,
    /// The header that carries the client's credential: the settings may not add it.
    pub key_header: Option<&'a HeaderName>,
    /// The origins that the caller named: what the settings hold of a secret goes to no other.
    pub named: &'a NamedOrigins,
}

/// A transport for futures. Nothing here demands `Send`: the client's futures are `Send` when the transport's are.
#[cfg(feature = "async")]
pub trait AsyncTransport: Transport<Body: AsyncBody> {
    /// One exchange, up to the head of its reply. Everything happens while it is polled, and nothing once it is dropped.
    type Exchange: Future<Output = Result<http::Response<Self::Body>, TransportFailure>> + Unpin;
    /// A wait.
    type Wait: Future<Output = ()> + Unpin;

    /// Sends a request and waits for the head of its reply, within the request's limits.
    ///
    /// Moves `progress` to *maybe sent* before the first byte may leave. Follows no redirect and repeats nothing. Pulls the
    /// body as it is sent, files in chunks; one that is not as described is sent no further, and not at all where that shows
    /// before. A server may reply and close before the request is whole: its reply counts, not the failed write.
    ///
    /// # Cancel safety
    /// The client owns the future and may drop it at any point. `progress` then says whether the request may have been
    /// received: nothing of it leaves after the drop.
    fn exchange(&self, request: TransportRequest, progress: Arc<ProgressCell>) -> Self::Exchange;

    /// Waits that long.
    fn sleep(&self, time: Duration) -> Self::Wait;

    /// Lets the runtime turn once: others run, and sockets are polled. It is pending at least once; one that is ready at
    /// once, as a timer of no time may be, lets a fast stream starve all others.
    fn yield_now(&self) -> Self::Wait;

    /// Does this work where it may block: a journal is written, a file is read. The client waits for its end beside.
    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// The body of a reply, pulled by the client.
#[cfg(feature = "async")]
pub trait AsyncBody: Unpin {
    /// Returns its announced length.
    fn length(&self) -> Option<u64>;

    /// Says how it will be read. Called once, before the first read.
    fn read_as(&mut self, reading: BodyReading);

    /// Reads the next bytes; `None` at its end. Reads nothing ahead that the client did not ask for, so that a server that
    /// is faster than its reader waits. Dropping the body closes it.
    fn poll_chunk(&mut self, cx: &mut Context<'_>)
    -> Poll<Option<Result<Bytes, TransportFailure>>>;
}

/// A transport for threads. Streams are read by a thread of their own, hence `Send`. The driver waits in its inbox, for
/// requests of handles and for what that thread brings: a transport of this flavour need not sleep.
#[cfg(feature = "blocking")]
pub trait BlockingTransport: Transport<Body: BlockingBody + Send> + Send + Sync {
    /// Sends a request and returns once the head of its reply came, or the request's limits are over.
    ///
    /// Moves `progress` to *maybe sent* before the first byte may leave. Follows no redirect and repeats nothing. Pulls the
    /// body as it is sent, files in chunks; one that is not as described is sent no further, and not at all where that shows
    /// before. A server may reply and close before the request is whole: its reply counts, not the failed write. With a
    /// [`StreamCloser`] in the request, its closing from another thread ends the call.
    ///
    /// # Errors
    /// When there is no reply.
    fn exchange(
        &self,
        request: TransportRequest,
        progress: &Arc<ProgressCell>,
    ) -> Result<http::Response<Self::Body>, TransportFailure>;

    /// Waits that long on this thread.
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The body of a reply, pulled by the client.
#[cfg(feature = "blocking")]
pub trait BlockingBody {
    /// Returns its announced length.
    fn length(&self) -> Option<u64>;

    /// Says how it will be read. Called once, before the first read.
    fn read_as(&mut self, reading: BodyReading);

    /// Reads the next bytes into `out` and returns how many; 0 at its end.
    ///
    /// # Errors
    /// When the body breaks off, or its time is over.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, TransportFailure>;
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyReading {
    /// To its end: silence ends it after the request's idle limit, and this moment whatever arrives.
    Whole {
        /// When it has to be complete.
        until: Option<Instant>,
    },
    /// As a stream without limits, whose silence is judged by the core. Its connection serves nothing else afterwards.
    Stream,
}

/// One request, ready to be sent to the transport's server.
#[derive(Debug)]
pub struct TransportRequest {
    /// Method, absolute URL and headers, the key among them: send it nowhere else.
    pub head: http::Request<()>,
    /// What follows the head. Its length is announced there.
    pub body: Body,
    /// How long each phase may take, and whether the request needs a connection of its own.
    pub limits: Limits,
    /// When the exchange has to be over, redirects included.
    pub until: Option<Instant>,
    /// What closes the exchange, and the stream that it opens, from another thread; blocking transports only.
    pub closer: Option<Arc<StreamCloser>>,
}

/// Closes an exchange that is under way in another thread, and the stream that it opened.
#[derive(Debug, Default)]
pub struct StreamCloser(Mutex<Closing>);

type Close = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Closing {
    closed: bool,
    close: Option<Close>,
}

impl std::fmt::Debug for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Closing")
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl StreamCloser {
    fn lock(&self) -> MutexGuard<'_, Closing> {
        // Plain data: a panic leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers what closes the connection that the exchange uses from now on. It is called at once if the exchange was
    /// closed before.
    pub fn on_close(&self, close: impl FnOnce() + Send + 'static) {
        let mut closing = self.lock();
        if closing.closed {
            drop(closing);
            close();
        } else {
            closing.close = Some(Box::new(close));
        }
    }

    /// Forgets the connection: it may serve another exchange.
    pub fn release(&self) {
        self.lock().close = None;
    }

    /// Closes the connection, and every later one of the exchange.
    pub fn close(&self) {
        let close = {
            let mut closing = self.lock();
            closing.closed = true;
            closing.close.take()
        };
        if let Some(close) = close {
            close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[test]
    fn a_closer_closes_what_is_registered_before_and_after_and_nothing_that_was_released() {
        let closed = Arc::new(AtomicU8::new(0));
        let count = || {
            let closed = closed.clone();
            move || {
                closed.fetch_add(1, Ordering::Relaxed);
            }
        };
        let closer = StreamCloser::default();
        closer.on_close(count());
        closer.release();
        closer.close();
        assert_eq!(closed.load(Ordering::Relaxed), 0);
        closer.on_close(count());
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        let closer = StreamCloser::default();
        closer.on_close(count());
        closer.close();
        closer.close();
        assert_eq!(closed.load(Ordering::Relaxed), 2);
    }
}
