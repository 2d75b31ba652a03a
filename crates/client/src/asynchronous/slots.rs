//! Places for futures that are polled together, of which only those are polled that were woken: each has a waker of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Places for jobs.
pub(super) struct Slots<J> {
    slots: Vec<Slot<J>>,
    /// The places without a job.
    free: Vec<usize>,
    woken: Arc<Woken>,
}

/// A place for a job, with a waker of its own.
struct Slot<J> {
    wake: Arc<SlotWaker>,
    waker: Waker,
    job: Option<J>,
}

/// Which places were woken since they were polled.
#[derive(Default)]
pub(super) struct Woken(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    slots: VecDeque<usize>,
    /// Whoever polls all of them.
    outer: Option<Waker>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Plain data: a panic leaves nothing half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever polls.
    pub(super) fn wake(&self) {
        let outer = self.lock().outer.take();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

/// Wakes whoever polls for one of the places.
struct SlotWaker {
    slot: usize,
    /// Whether the place is in the queue.
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.woken.lock().slots.push_back(self.slot);
            self.woken.wake();
        }
    }
}

impl<J> Slots<J> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            woken: Arc::default(),
        }
    }

    /// Returns what wakes whoever polls.
    pub(super) fn woken(&self) -> Arc<Woken> {
        self.woken.clone()
    }

    /// Notes who polls from now on.
    pub(super) fn polled_by(&self, outer: &Waker) {
        let mut queue = self.woken.lock();
        if (queue.outer.as_ref()).is_none_or(|held| !held.will_wake(outer)) {
            queue.outer = Some(outer.clone());
        }
    }

    /// Returns how many jobs there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a job in, to be polled by whoever polls now, who is not woken for it.
    pub(super) fn insert(&mut self, job: J) {
        let index = self.free.pop().unwrap_or_else(|| self.add());
        let slot = &mut self.slots[index];
        slot.job = Some(job);
        if !slot.wake.queued.swap(true, Ordering::AcqRel) {
            self.woken.lock().slots.push_back(index);
        }
    }

    fn add(&mut self) -> usize {
        let slot = self.slots.len();
        let wake = Arc::new(SlotWaker {
            slot,
            queued: AtomicBool::new(false),
            woken: self.woken.clone(),
        });
        let waker = wake.clone().into();
        self.slots.push(Slot {
            wake,
            waker,
            job: None,
        });
        slot
    }

    /// Polls the jobs that were woken up to now, until one is over: whoever wakes itself meanwhile has its turn when the
    /// runtime has had its own. Returns the job that is over, and its result.
    pub(super) fn poll_woken<R>(
        &mut self,
        mut poll: impl FnMut(&mut J, &mut Context<'_>) -> Poll<R>,
    ) -> Option<(J, R)> {
        let turns = self.woken.lock().slots.len();
        for _ in 0..turns {
            let index = self.woken.lock().slots.pop_front()?;
            let slot = &mut self.slots[index];
            // Before the poll: a wake during it is one more.
            slot.wake.queued.store(false, Ordering::Release);
            // The waker of a job that is over may still be held somewhere.
            let Some(job) = &mut slot.job else {
                continue;
            };
            if let Poll::Ready(result) = poll(job, &mut Context::from_waker(&slot.waker))
                && let Some(job) = slot.job.take()
            {
                self.free.push(index);
                return Some((job, result));
            }
        }
        None
    }

    /// Drops the jobs that are not to be kept, and wakes the others.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut J) -> bool) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(job) = &mut slot.job else { continue };
            if keep(job) {
                slot.wake.wake_by_ref();
            } else {
                slot.job = None;
                self.free.push(index);
            }
        }
    }
}
