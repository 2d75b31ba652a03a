//! The inbox of a driver: requests of handles. It is bounded, so that a sender that is faster than the driver waits for it, and
//! takes next to no memory while it is empty, as that of nearly every task is.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use taskward_core::Error;
use tokio::sync::Semaphore;

use crate::requests::{HandleRequest, gone};

/// How many requests of handles are queued before their senders wait.
const MAX_REQUESTS: usize = 16;

/// The meeting place of the driver and its handles.
pub(super) struct Inbox {
    /// Room for so many more requests; closed once nobody drives any more.
    room: Semaphore,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<HandleRequest>,
    /// Whoever drives the task.
    driver: Option<Waker>,
}

/// The driver's own end of it: dropped, nobody drives any more.
pub(super) struct DriversInbox(pub(super) Arc<Inbox>);

impl DriversInbox {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inbox {
            room: Semaphore::new(MAX_REQUESTS),
            queue: Mutex::default(),
        }))
    }
}

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

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Plain data: a panic leaves nothing half-written.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request once there is room, and wakes the driver.
    ///
    /// # Errors
    /// When nobody drives the task any more.
    ///
    /// # Cancel safety
    /// A dropped future has queued nothing.
    pub(super) async fn send(&self, request: HandleRequest) -> Result<(), Error> {
        let room = self.room.acquire().await.map_err(|_| gone())?;
        let driver = {
            let mut queue = self.lock();
            // It may have ended meanwhile; `end` closes the room under this lock.
            if self.room.is_closed() {
                return Err(gone());
            }
            room.forget();
            queue.requests.push_back(request);
            queue.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        Ok(())
    }

    /// Returns the next request, for the driver.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<HandleRequest> {
        let mut queue = self.lock();
        if let Some(request) = queue.requests.pop_front() {
            drop(queue);
            self.room.add_permits(1);
            return Poll::Ready(request);
        }
        if (queue.driver.as_ref()).is_none_or(|held| !held.will_wake(cx.waker())) {
            queue.driver = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes no more requests: senders learn at once that nobody drives the task any more.
    pub(super) fn end(&self) {
        let left = {
            let mut queue = self.lock();
            self.room.close();
            std::mem::take(&mut *queue)
        };
        // Outside of the lock: a request wakes its sender as it is dropped.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::requests::{Claim, HandleCommand};

    fn request() -> HandleRequest {
        let command = HandleCommand::Interrupt(Box::new(|_| ()));
        HandleRequest::new(command, &Claim::default())
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_sender_beyond_the_room_waits_until_the_driver_takes_a_request_and_queues_nothing_if_dropped()
     {
        let inbox = DriversInbox::new();
        for _ in 0..MAX_REQUESTS {
            assert!(matches!(
                poll(pin!(inbox.send(request()))),
                Poll::Ready(Ok(()))
            ));
        }
        assert!(poll(pin!(inbox.send(request()))).is_pending());
        let mut late = pin!(inbox.send(request()));
        assert!(poll(late.as_mut()).is_pending());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(inbox.poll_next(&mut cx).is_ready());
        assert!(matches!(poll(late), Poll::Ready(Ok(()))));
        let taken = std::iter::from_fn(|| match inbox.poll_next(&mut cx) {
            Poll::Ready(request) => Some(request),
            Poll::Pending => None,
        });
        assert_eq!(taken.count(), MAX_REQUESTS);
    }

    #[test]
    fn once_nobody_drives_what_waits_is_dropped_and_senders_are_told() {
        let inbox = DriversInbox::new();
        let shared = inbox.0.clone();
        for _ in 0..MAX_REQUESTS {
            assert!(poll(pin!(shared.send(request()))).is_ready());
        }
        let mut waiting = pin!(shared.send(request()));
        assert!(poll(waiting.as_mut()).is_pending());
        drop(inbox);
        assert!(matches!(poll(waiting), Poll::Ready(Err(_))));
        assert!(matches!(
            poll(pin!(shared.send(request()))),
            Poll::Ready(Err(_))
        ));
        assert!(shared.lock().requests.is_empty());
    }
}
