//! The poller region: which read of the task is made next, when, and why then.

use std::sync::Arc;
use std::time::Duration;

use crate::error::ApiError;
use crate::policy::Policy;
use crate::provider::Provider;
use crate::reason::WaitReason;
use crate::request::Request;
use crate::snapshot::{ResumeError, SavedApiError, SavedNotFound, SavedPoll, SavedRead, Since};
use crate::time::{Timestamp, millis};

use super::env::Env;
use super::link::Read;
use super::poll_interval::PollInterval;

/// The next poll, and what earlier polls have shown about polling.
#[derive(Debug)]
pub(super) struct Poller {
    next: NextPoll,
    interval: PollInterval,
    /// What the last good status reply says about when to poll next.
    hint: Option<PollHint>,
    /// The status request, built once: it is sent more often than any other.
    status_request: Option<Arc<Request>>,
    /// When the status was last asked for, by a request of its own or by a list: the shortest polling interval counts from
    /// here.
    pub(super) last_polled_at: Option<Timestamp>,
    /// How many more entries of lists may stand for polls before the status is read itself; `None` until one does.
    lists_left: Option<u8>,
    /// Polls that failed in a row.
    pub(super) failed: u32,
    /// The reads that have to confirm that the task is gone.
    pub(super) not_found: Option<Box<NotFound>>,
}

/// When a server would be polled next, of a task that it says is still at work.
#[derive(Debug, Clone, Copy)]
pub(super) enum PollHint {
    /// It asks to wait for so many milliseconds.
    Wait(u64),
    /// It expects the task to work for so many milliseconds.
    TimeLeft(u64),
}

/// The longest wait for a task that is said to work for long: what is expected may come sooner.
const LONGEST_BY_TIME_LEFT: Duration = Duration::from_secs(30);

impl PollHint {
    /// Returns how many milliseconds to wait because of it.
    fn wait(self) -> u64 {
        match self {
            Self::Wait(asked) => asked.min(millis(crate::failure::MAX_HINT)),
            // A little early: what comes then is small, and a poll that comes late is not.
            Self::TimeLeft(left) => {
                let most = millis(LONGEST_BY_TIME_LEFT);
                (left.min(most * 2) * 4).div_ceil(5).min(most)
            }
        }
    }
}

/// A planned read of the task.
#[derive(Debug, Clone)]
pub(super) struct NextPoll {
    pub(super) read: Read,
    pub(super) due: Timestamp,
    pub(super) why: WaitReason,
}

/// The reads that have to confirm that a task is gone.
#[derive(Debug, Clone)]
pub(super) struct NotFound {
    pub(super) reads: u32,
    pub(super) error: ApiError,
}

/// How many entries of lists stand for polls in a row, and by how many more that differs from one task to the next: tasks
/// that are listed together would otherwise be read together.
const LISTED_IN_A_ROW: u8 = 3;
const LISTED_MORE: u8 = 3;

/// How many reads in a row must answer 404 or 410.
pub(super) const NOT_FOUND_READS: u32 = 3;

impl Poller {
    /// Creates the poller of a task that is polled at once.
    pub(super) fn new(policy: &Policy, now: Timestamp) -> Self {
        Self {
            next: NextPoll {
                read: Read::Status,
                due: now,
                why: WaitReason::PollInterval,
            },
            interval: PollInterval::new(&policy.poll_backoff),
            hint: None,
            status_request: None,
            last_polled_at: None,
            lists_left: None,
            failed: 0,
            not_found: None,
        }
    }

    /// Returns the planned poll.
    pub(super) fn planned(&self) -> &NextPoll {
        &self.next
    }

    /// Plans the next poll. This is the only place that does.
    pub(super) fn plan(&mut self, read: Read, due: Timestamp, why: WaitReason) {
        self.next = NextPoll { read, due, why };
    }

    /// Plans a status poll for now.
    pub(super) fn poll_now(&mut self, now: Timestamp) {
        self.plan(Read::Status, now, WaitReason::PollInterval);
    }

    /// Plans this read for now, because a status poll or an event asks for it.
    pub(super) fn read_now(&mut self, read: Read, now: Timestamp) {
        self.plan(read, now, WaitReason::PollInterval);
    }

    /// Moves the planned poll to another time.
    pub(super) fn postpone(&mut self, due: Timestamp, why: WaitReason) {
        self.plan(self.next.read, due, why);
    }

    /// Returns the time of the next poll, and why then: the server's hint, or else the schedule's wait with its jitter; never
    /// less than the floor.
    pub(super) fn schedule<P: Provider>(&mut self, env: &mut Env<P>) -> (Timestamp, WaitReason) {
        let backoff = &env.policy.poll_backoff;
        let by_schedule = self.interval.next(backoff, env.rng.u8(..));
        let (wait, why) = match self.hint.take() {
            None => (by_schedule, WaitReason::PollInterval),
            Some(hint) => (
                hint.wait().max(millis(backoff.floor)),
                WaitReason::ServerDelay,
            ),
        };
        (env.now.after_millis(wait), why)
    }

    /// Notes that the status is asked for.
    pub(super) fn polled(&mut self, now: Timestamp) {
        self.last_polled_at = Some(now);
        self.lists_left = None;
    }

    /// Returns whether so many polls were spared that the next one has to be made.
    pub(super) fn is_own_turn(&self) -> bool {
        self.lists_left == Some(0)
    }

    /// Notes that a list which was requested at `sent` stands for a poll, and plans the next one.
    pub(super) fn listed<P: Provider>(&mut self, env: &mut Env<P>, sent: Timestamp) {
        let draw = || LISTED_IN_A_ROW + env.rng.u8(..=LISTED_MORE);
        let left = self.lists_left.unwrap_or_else(draw);
        self.lists_left = Some(left.saturating_sub(1));
        self.last_polled_at = Some(sent);
        // Pages come more often than polls would: the waits grow with the polls alone, or an end would be seen late.
        let interval = self.interval;
        let (due, why) = self.schedule(env);
        self.interval = interval;
        self.plan(Read::Status, due, why);
    }

    /// Stores how long a good status reply asks to wait, if it does.
    pub(super) fn asked_to_wait(&mut self, asked: Option<Duration>) {
        self.hint = asked.map(|asked| PollHint::Wait(millis(asked)));
    }

    /// Stores how long the task is expected to work, unless the reply asked for a wait.
    pub(super) fn expects(&mut self, left: Duration) {
        self.hint.get_or_insert(PollHint::TimeLeft(millis(left)));
    }

    /// Restarts the schedule, because something changed.
    pub(super) fn restart(&mut self, policy: &Policy) {
        self.interval = PollInterval::new(&policy.poll_backoff);
    }

    /// Notes that a read succeeded: the task exists, and its server replies.
    #[inline]
    pub(super) fn succeeded(&mut self) {
        self.failed = 0;
        self.not_found = None;
    }

    /// Returns when the planned poll may be made at the earliest, and why not before: a status poll keeps the shortest
    /// interval from the last one.
    pub(super) fn due(&self, policy: &Policy) -> (Timestamp, WaitReason) {
        let next = &self.next;
        if let (Read::Status, Some(polled)) = (&next.read, self.last_polled_at) {
            let floor = polled.after(policy.poll_backoff.floor);
            if next.due < floor {
                return (floor, WaitReason::Floor);
            }
        }
        (next.due, next.why)
    }

    /// Converts the poller to its stored form.
    pub(super) fn stored(&self) -> SavedPoll {
        let Self {
            next: NextPoll { read, due, why: _ },
            interval,
            // What it said is in the time that is due.
            hint: _,
            // It follows from the id.
            status_request: _,
            last_polled_at,
            // After a restart the task is read itself.
            lists_left: _,
            failed,
            not_found,
        } = self;
        SavedPoll {
            read: match read {
                Read::Questions => SavedRead::Questions,
                // A status poll asks again for every other read.
                _ => SavedRead::Status,
            },
            due: *due,
            interval: interval.interval(),
            last: *last_polled_at,
            failed: *failed,
            not_found: not_found.as_ref().map(|seen| SavedNotFound {
                reads: seen.reads,
                error: SavedApiError::of(&seen.error),
            }),
        }
    }

    /// Takes up the stored polls.
    pub(super) fn restore(
        &mut self,
        saved: SavedPoll,
        policy: &Policy,
        time: &Since,
    ) -> Result<(), ResumeError> {
        let SavedPoll {
            read,
            due,
            interval,
            last,
            failed,
            not_found,
        } = saved;
        let read = match read {
            SavedRead::Status => Read::Status,
            SavedRead::Questions => Read::Questions,
        };
        self.plan(read, time.due(due), WaitReason::PollInterval);
        self.interval = PollInterval::resumed(&policy.poll_backoff, interval);
        self.last_polled_at = last.map(|last| time.past(last));
        self.failed = failed;
        self.not_found = match not_found {
            Some(seen) => Some(Box::new(NotFound {
                reads: seen.reads,
                error: seen.error.load()?,
            })),
            None => None,
        };
        Ok(())
    }

    /// Returns the status request; `build` builds it the first time.
    pub(super) fn status_request<E>(
        &mut self,
        build: impl FnOnce() -> Result<Request, E>,
    ) -> Result<Arc<Request>, E> {
        match &self.status_request {
            Some(request) => Ok(request.clone()),
            None => {
                let request = Arc::new(build()?);
                self.status_request = Some(request.clone());
                Ok(request)
            }
        }
    }
}
