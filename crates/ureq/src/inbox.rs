//! What comes in while the driver is busy or waits: wishes, and what the reader of the stream has read. Both are bounded:
//! whoever is faster than the driver waits for it.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use taskward_core::{Error, ExchangeId, Failure};
use taskward_edge::clock::later;
use taskward_edge::watch::{Wish, gone};

/// Wishes kept before whoever sends them waits.
const MAX_WISHES: usize = 16;
/// Chunks of a stream kept before its reader waits, and with it the server.
const MAX_CHUNKS: usize = 16;

/// What a stream brought; `None` is its end.
pub(crate) type Chunk = Option<Result<Bytes, Failure>>;

/// What came in.
pub(crate) enum Input {
    Wish(Wish),
    Chunk(ExchangeId, Chunk),
}

/// The meeting place of the driver, its handles and the reader of its stream.
#[derive(Default)]
pub(crate) struct Inbox {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Default)]
struct Kept {
    wishes: VecDeque<Wish>,
    /// The stream that is open.
    stream: Option<ExchangeId>,
    chunks: VecDeque<Chunk>,
    /// Whether nobody drives any more.
    over: bool,
}

/// The driver's own end of it: dropped, nobody drives any more.
#[derive(Default)]
pub(crate) struct DriversInbox(pub(crate) Arc<Inbox>);

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
        // Plain data: nothing is left half-written by a panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut Kept) -> bool) -> MutexGuard<'_, Kept> {
        self.changed
            .wait_while(self.lock(), condition)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a wish.
    pub(crate) fn wish(&self, wish: Wish) -> Result<(), Error> {
        let mut kept = self.wait_while(|kept| !kept.over && kept.wishes.len() >= MAX_WISHES);
        if kept.over {
            return Err(gone());
        }
        kept.wishes.push_back(wish);
        self.changed.notify_all();
        Ok(())
    }

    /// From now on this stream is read.
    pub(crate) fn open(&self, id: ExchangeId) {
        let mut kept = self.lock();
        kept.stream = Some(id);
        kept.chunks.clear();
    }

    /// Leaves what a stream brought; `false` when nobody wants it any more.
    pub(crate) fn bring(&self, id: ExchangeId, chunk: Chunk) -> bool {
        let mut kept =
            self.wait_while(|kept| kept.stream == Some(id) && kept.chunks.len() >= MAX_CHUNKS);
        if kept.stream != Some(id) {
            return false;
        }
        kept.chunks.push_back(chunk);
        self.changed.notify_all();
        true
    }

    /// Drops what is left of a stream and lets its reader go.
    pub(crate) fn close(&self, id: ExchangeId) {
        let mut kept = self.lock();
        if kept.stream == Some(id) {
            kept.stream = None;
            kept.chunks.clear();
            self.changed.notify_all();
        }
    }

    /// Nobody drives any more.
    fn end(&self) {
        let wishes = {
            let mut kept = self.lock();
            kept.over = true;
            kept.stream = None;
            kept.chunks.clear();
            std::mem::take(&mut kept.wishes)
        };
        self.changed.notify_all();
        // Outside the lock: whoever waits for one learns that it is gone.
        drop(wishes);
    }

    /// A wish, when there is one.
    pub(crate) fn take_wish(&self) -> Option<Wish> {
        let wish = self.lock().wishes.pop_front()?;
        self.changed.notify_all();
        Some(wish)
    }

    /// Whether the stream has brought something that was not taken yet.
    pub(crate) fn has_chunk(&self) -> bool {
        !self.lock().chunks.is_empty()
    }

    /// Waits so long for a wish, or for the next of the stream when it is to be read.
    pub(crate) fn wait(&self, left: Duration, reads: bool) -> Option<Input> {
        let until = later(Instant::now(), left);
        let mut kept = self.lock();
        loop {
            let input = match kept.wishes.pop_front() {
                Some(wish) => Some(Input::Wish(wish)),
                None if reads => kept
                    .stream
                    .zip(kept.chunks.pop_front())
                    .map(|(id, chunk)| Input::Chunk(id, chunk)),
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

    const STREAM: ExchangeId = ExchangeId(3);

    fn chunk() -> Chunk {
        Some(Ok(Bytes::from_static(b"x")))
    }

    #[test]
    fn a_reader_that_is_ahead_waits_and_a_wish_does_not_wait_behind_it() {
        let inbox = Arc::new(Inbox::default());
        inbox.open(STREAM);
        let reader = {
            let inbox = inbox.clone();
            std::thread::spawn(move || (0..).take_while(|_| inbox.bring(STREAM, chunk())).count())
        };
        while inbox.lock().chunks.len() < MAX_CHUNKS {
            std::thread::yield_now();
        }
        inbox
            .wish(Wish::Cancel(Box::new(|_| ())))
            .expect("somebody drives");
        let next = |reads| inbox.wait(Duration::from_secs(5), reads);
        assert!(matches!(next(true), Some(Input::Wish(_))));
        for _ in 0..3 * MAX_CHUNKS {
            assert!(matches!(
                next(true),
                Some(Input::Chunk(STREAM, Some(Ok(_))))
            ));
            assert!(inbox.lock().chunks.len() <= MAX_CHUNKS);
        }
        assert!(inbox.wait(Duration::ZERO, false).is_none(), "not asked for");
        inbox.close(STREAM);
        assert!(reader.join().expect("no panic") >= 3 * MAX_CHUNKS);
        assert!(!inbox.has_chunk());
    }

    #[test]
    fn an_end_is_told_to_whoever_waits() {
        let inbox = Arc::new(Inbox::default());
        let (told, reply) = std::sync::mpsc::channel();
        for _ in 0..MAX_WISHES {
            let told = told.clone();
            let wish = Wish::Cancel(Box::new(move |result| drop(told.send(result))));
            inbox.wish(wish).expect("room");
        }
        drop(told);
        let late = {
            let inbox = inbox.clone();
            std::thread::spawn(move || inbox.wish(Wish::Cancel(Box::new(|_| ()))))
        };
        inbox.end();
        assert!(late.join().expect("no panic").is_err());
        assert!(reply.recv().is_err(), "nobody took it");
        assert!(inbox.take_wish().is_none());
    }
}
