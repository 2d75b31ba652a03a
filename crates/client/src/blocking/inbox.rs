//! The inbox that a driver waits in: requests of handles, and what the reader of the stream has read. Both are bounded: a
//! sender that is faster than the driver waits for it.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use taskward_core::{Error, ExchangeFailure, ExchangeId};

use crate::clock::later;
use crate::reply::Report;
use crate::requests::{HandleRequest, gone, not_driven};

/// How many requests of handles are queued before their senders wait.
const MAX_REQUESTS: usize = 16;
/// How long a sender sleeps before it checks again whether the task is driven.
const GLANCE: Duration = Duration::from_millis(50);
/// How many chunks of a stream are queued before its reader waits, and with it the server.
const MAX_CHUNKS: usize = 16;

/// What a stream brought; `None` is its end.
pub(super) type Chunk = Option<Result<Bytes, ExchangeFailure>>;

/// What the reader of a stream has for its driver.
pub(super) enum Brought {
    /// How the exchange ended that was to open it.
    Opened(Report<()>),
    Chunk(Chunk),
}

/// What came in.
pub(super) enum Input {
    Request(HandleRequest),
    Stream(ExchangeId, Brought),
}

/// The meeting place of the driver, its handles and the reader of its stream.
#[derive(Default)]
pub(super) struct Inbox {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    requests: VecDeque<HandleRequest>,
    /// The stream that is open, or being opened.
    stream: Option<ExchangeId>,
    brought: VecDeque<Brought>,
    /// Whether somebody drives the task now, or when somebody last did.
    driven: Driven,
    /// Whether nobody drives any more.
    over: bool,
}

#[derive(Clone, Copy, Default)]
enum Driven {
    #[default]
    Never,
    Now,
    Until(Instant),
}

/// Since when somebody waits for the driver, and for how long they do while nobody drives.
pub(super) struct Idle {
    since: Instant,
    timeout: Duration,
}

impl Idle {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            since: Instant::now(),
            timeout,
        }
    }

    /// Returns the rest of the timeout; `None` while the task is driven.
    fn left(&self, driven: Driven) -> Option<Duration> {
        let since = match driven {
            Driven::Now => return None,
            Driven::Never => self.since,
            Driven::Until(until) => self.since.max(until),
        };
        Some(self.timeout.saturating_sub(since.elapsed()))
    }
}

/// Says while it lives that the task is driven.
pub(super) struct Driving(Arc<Inbox>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.lock().driven = Driven::Until(Instant::now());
    }
}

/// The driver's own end of it: dropped, nobody drives any more.
#[derive(Default)]
pub(super) struct DriversInbox(pub(super) Arc<Inbox>);

impl Deref for DriversInbox {
    type Target = Inbox;

    fn deref(&self) -> &Inbox {
        &self.0
    }
}

impl Drop for DriversInbox {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Plain data: a panic leaves nothing half-written.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the task as driven, as long as the returned guard lives.
    pub(super) fn driving(self: &Arc<Self>) -> Driving {
        self.lock().driven = Driven::Now;
        Driving(self.clone())
    }

    /// Returns how long a sender may wait before it checks again whether the task is driven.
    pub(super) fn patience(&self, idle: &Idle) -> Duration {
        idle.left(self.lock().driven).unwrap_or(GLANCE)
    }

    /// Returns whether nobody has driven the task for this long.
    pub(super) fn is_idle(&self, idle: &Idle) -> bool {
        idle.left(self.lock().driven)
            .is_some_and(|left| left.is_zero())
    }

    fn wait_while(&self, condition: impl FnMut(&mut Kept) -> bool) -> MutexGuard<'_, Kept> {
        self.changed
            .wait_while(self.lock(), condition)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request.
    pub(super) fn ask(&self, request: HandleRequest, idle: &Idle) -> Result<(), Error> {
        let mut kept = self.lock();
        while !kept.over && kept.requests.len() >= MAX_REQUESTS {
            let left = idle.left(kept.driven);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(not_driven(idle.timeout));
            }
            (kept, _) = self
                .changed
                .wait_timeout(kept, left.unwrap_or(GLANCE))
                .unwrap_or_else(PoisonError::into_inner);
        }
        if kept.over {
            return Err(gone());
        }
        kept.requests.push_back(request);
        self.changed.notify_all();
        Ok(())
    }

    /// Makes this the stream that is read.
    pub(super) fn open(&self, id: ExchangeId) {
        let mut kept = self.lock();
        kept.stream = Some(id);
        kept.brought.clear();
    }

    /// Queues a chunk of a stream; `false` when nobody reads that stream any more.
    pub(super) fn bring(&self, id: ExchangeId, brought: Brought) -> bool {
        let mut kept =
            self.wait_while(|kept| kept.stream == Some(id) && kept.brought.len() >= MAX_CHUNKS);
        if kept.stream != Some(id) {
            return false;
        }
        kept.brought.push_back(brought);
        self.changed.notify_all();
        true
    }

    /// Drops the rest of a stream and releases its reader.
    pub(super) fn close(&self, id: ExchangeId) {
        let mut kept = self.lock();
        if kept.stream == Some(id) {
            kept.stream = None;
            kept.brought.clear();
            self.changed.notify_all();
        }
    }

    /// Closes the inbox: nobody drives the task any more.
    pub(super) fn end(&self) {
        let requests = {
            let mut kept = self.lock();
            kept.over = true;
            kept.stream = None;
            kept.brought.clear();
            std::mem::take(&mut kept.requests)
        };
        self.changed.notify_all();
        // Dropped outside the lock: each sender learns that its request is gone.
        drop(requests);
    }

    /// Takes a request, when there is one.
    pub(super) fn take_request(&self) -> Option<HandleRequest> {
        let request = self.lock().requests.pop_front()?;
        self.changed.notify_all();
        Some(request)
    }

    /// Returns whether the stream has brought something that was not taken yet.
    pub(super) fn has_chunk(&self) -> bool {
        !self.lock().brought.is_empty()
    }

    /// Waits so long for a request, or for the next of the stream when it is to be read.
    pub(super) fn wait(&self, left: Duration, reads: bool) -> Option<Input> {
        let until = later(Instant::now(), left);
        let mut kept = self.lock();
        loop {
            let input = match kept.requests.pop_front() {
                Some(request) => Some(Input::Request(request)),
                None if reads => kept
                    .stream
                    .zip(kept.brought.pop_front())
                    .map(|(id, brought)| Input::Stream(id, brought)),
                None => None,
            };
            if input.is_some() {
                self.changed.notify_all();
                return input;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            (kept, _) = self
                .changed
                .wait_timeout(kept, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::{Claim, HandleCommand};

    const LONG: Duration = Duration::from_secs(600);

    fn cancel(reported: impl FnOnce(Result<(), Error>) + Send + 'static) -> HandleRequest {
        HandleRequest::new(HandleCommand::Cancel(Box::new(reported)), &Claim::default())
    }

    const STREAM: ExchangeId = ExchangeId(3);

    fn chunk() -> Brought {
        Brought::Chunk(Some(Ok(Bytes::from_static(b"x"))))
    }

    #[test]
    fn a_reader_that_is_ahead_waits_and_a_request_does_not_wait_behind_it() {
        let inbox = Arc::new(Inbox::default());
        inbox.open(STREAM);
        let reader = {
            let inbox = inbox.clone();
            std::thread::spawn(move || (0..).take_while(|_| inbox.bring(STREAM, chunk())).count())
        };
        while inbox.lock().brought.len() < MAX_CHUNKS {
            std::thread::yield_now();
        }
        inbox
            .ask(cancel(|_| ()), &Idle::new(LONG))
            .expect("somebody drives");
        let next = |reads| inbox.wait(Duration::from_secs(5), reads);
        assert!(matches!(next(true), Some(Input::Request(_))));
        for _ in 0..3 * MAX_CHUNKS {
            assert!(matches!(
                next(true),
                Some(Input::Stream(STREAM, Brought::Chunk(Some(Ok(_)))))
            ));
            assert!(inbox.lock().brought.len() <= MAX_CHUNKS);
        }
        assert!(inbox.wait(Duration::ZERO, false).is_none(), "not asked for");
        inbox.close(STREAM);
        assert!(reader.join().expect("no panic") >= 3 * MAX_CHUNKS);
        assert!(!inbox.has_chunk());
    }

    #[test]
    fn an_end_is_told_to_whoever_waits() {
        let inbox = Arc::new(Inbox::default());
        let (reported, reply) = std::sync::mpsc::channel();
        for _ in 0..MAX_REQUESTS {
            let reported = reported.clone();
            let request = cancel(move |result| drop(reported.send(result)));
            inbox.ask(request, &Idle::new(LONG)).expect("room");
        }
        drop(reported);
        let late = {
            let inbox = inbox.clone();
            std::thread::spawn(move || inbox.ask(cancel(|_| ()), &Idle::new(LONG)))
        };
        inbox.end();
        assert!(late.join().expect("no panic").is_err());
        assert!(reply.recv().is_err(), "nobody took it");
        assert!(inbox.take_request().is_none());
    }
}
