//! How many exchanges with one server are under way at once: each waits for its turn, in the order in which they came.
//!
//! Ten thousand tasks that are followed at once would otherwise open as many connections as they have polls, and a process
//! has descriptors for few of them. Opened event streams are not counted: each task may have one. That they are *opened* is:
//! apart from the other exchanges, since a server may take its time over it.

#[cfg(feature = "async")]
use std::pin::Pin;
#[cfg(feature = "async")]
use std::sync::Arc;
#[cfg(feature = "blocking")]
use std::sync::Condvar;
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "async")]
use std::time::Duration;
#[cfg(feature = "async")]
use std::time::Instant;

#[cfg(feature = "async")]
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections to a server are in use at once unless the client says otherwise.
pub(crate) const MOST_CONNECTIONS: usize = 64;

/// How long no turn ends before nobody waits any longer: futures that nobody polls hold theirs for ever.
#[cfg(feature = "async")]
pub(crate) const STUCK: Duration = Duration::from_secs(30);

/// The turns of one server.
#[derive(Debug)]
pub(crate) struct Turns {
    most: usize,
    #[cfg(feature = "async")]
    exchanges: Arc<Queue>,
    #[cfg(feature = "async")]
    openings: Arc<Queue>,
    #[cfg(feature = "blocking")]
    threads: Threads,
}

impl Turns {
    /// Makes room for so many at once.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            #[cfg(feature = "async")]
            exchanges: Arc::new(Queue::new(most)),
            #[cfg(feature = "async")]
            openings: Arc::new(Queue::new(most)),
            #[cfg(feature = "blocking")]
            threads: Threads {
                free: Mutex::new(most),
                freed: Condvar::new(),
            },
        }
    }

    /// Returns for how many there is room.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Returns the turns of exchanges, or of those that open a stream.
    #[cfg(feature = "async")]
    pub(crate) fn of(&self, opens_stream: bool) -> &Arc<Queue> {
        match opens_stream {
            true => &self.openings,
            false => &self.exchanges,
        }
    }
}

/// Who waits for a turn, and who has one.
#[cfg(feature = "async")]
#[derive(Debug)]
pub(crate) struct Queue {
    free: Arc<Semaphore>,
    /// When a turn ended last.
    ended_at: Mutex<Instant>,
}

/// The turn of one exchange, until it is dropped.
#[cfg(feature = "async")]
#[derive(Debug)]
pub(crate) struct Turn {
    /// None of one that waited for nobody.
    permit: Option<OwnedSemaphorePermit>,
    queue: Arc<Queue>,
}

/// A turn that is waited for.
#[cfg(feature = "async")]
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Turn> + Send>>;

#[cfg(feature = "async")]
impl Queue {
    fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            ended_at: Mutex::new(Instant::now()),
        }
    }

    /// Takes a turn if it has come.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Turn> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(self.turn(Some(permit)))
    }

    /// Waits for a turn.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        let queue = self.clone();
        Box::pin(async move {
            let permit = queue.free.clone().acquire_owned().await;
            queue.turn(permit.ok())
        })
    }

    /// Takes a turn out of order, if none has ended for long; one a second, and not all who wait.
    pub(crate) fn take_if_stuck(self: &Arc<Self>) -> Option<Turn> {
        let now = Instant::now();
        let mut ended_at = self.ended_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stuck = now.duration_since(*ended_at) >= STUCK;
        if is_stuck {
            let a_second_later = now
                .checked_sub(STUCK)
                .map(|long_ago| long_ago + Duration::from_secs(1));
            *ended_at = a_second_later.unwrap_or(now);
        }
        drop(ended_at);
        is_stuck.then(|| self.turn(None))
    }

    fn turn(self: &Arc<Self>, permit: Option<OwnedSemaphorePermit>) -> Turn {
        Turn {
            permit,
            queue: self.clone(),
        }
    }
}

#[cfg(feature = "async")]
impl Drop for Turn {
    fn drop(&mut self) {
        if self.permit.is_some() {
            let ended_at = self.queue.ended_at.lock();
            *ended_at.unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

/// The turns of threads.
#[cfg(feature = "blocking")]
#[derive(Debug)]
struct Threads {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The turn of one thread, until it is dropped.
#[cfg(feature = "blocking")]
#[derive(Debug)]
pub(crate) struct ThreadTurn<'a>(&'a Threads);

#[cfg(feature = "blocking")]
impl Turns {
    /// Waits on this thread for a turn.
    pub(crate) fn block(&self) -> ThreadTurn<'_> {
        let Threads { free, freed } = &self.threads;
        // A count: a panic leaves nothing half-done.
        let free = free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = freed.wait_while(free, |free| *free == 0);
        *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
        ThreadTurn(&self.threads)
    }
}

#[cfg(feature = "blocking")]
impl Drop for ThreadTurn<'_> {
    fn drop(&mut self) {
        let Threads { free, freed } = self.0;
        *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}

#[cfg(all(test, feature = "async"))]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_behind_futures_that_nobody_polls_goes_ahead_after_a_while() {
        let turns = Turns::new(1);
        let queue = turns.of(false);
        let held = queue.take().expect("it is free");
        assert!(queue.take().is_none() && queue.take_if_stuck().is_none());
        let long_ago = Instant::now()
            .checked_sub(STUCK)
            .expect("the clock runs for longer");
        *queue.ended_at.lock().expect("a time") = long_ago;
        let ahead = queue.take_if_stuck().expect("nothing moves");
        assert!(queue.take_if_stuck().is_none(), "one at a time");
        // It gives no turn away, since it took none.
        drop(ahead);
        assert!(queue.take().is_none());
        drop(held);
        assert!(queue.take().is_some() && queue.take_if_stuck().is_none());
        assert!(turns.of(true).take().is_some(), "streams are opened apart");
    }
}
