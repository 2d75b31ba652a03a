//! The policy: plain data with pure functions over it. Nothing here knows the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::LimitTable;

/// How a task is followed. All of it is data: the snapshot stores it and `-v` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Policy {
    /// How long the agent may work; `None` sets no limit. Time in which a human is asked does not count.
    #[serde(with = "crate::time::stored::optional")]
    pub work: Option<Duration>,
    /// How long a human may take to answer; `None` sets no limit. This time runs only while a question or a review is
    /// open.
    #[serde(with = "crate::time::stored::optional")]
    pub human: Option<Duration>,
    /// How often the status is polled.
    pub poll_backoff: PollBackoff,
    /// How failed requests are repeated.
    pub retry: Retry,
    /// Time and size limits of single exchanges.
    pub limits: LimitTable,
    /// Whether the steps of a failed or stopped task are read.
    pub read_steps: bool,
    /// How long the answer of a completed task may stay unreadable before the client gives it up.
    #[serde(with = "crate::time::stored")]
    pub result_patience: Duration,
    /// How long after the start a 404 means that the task's record is not visible yet.
    #[serde(with = "crate::time::stored")]
    pub not_found_grace: Duration,
    /// Wait between the reads that confirm a 404 or 410 of a task that was seen before.
    #[serde(with = "crate::time::stored")]
    pub not_found_wait: Duration,
    /// For how long the status may stay the same, by the server's own clock, before
    /// [`NoProgress`](crate::Event::NoProgress) says so.
    #[serde(with = "crate::time::stored")]
    pub no_progress: Duration,
    /// Whether a task is started by a stream where the platform has such a start: its id is known earlier, and a lost
    /// connection loses less. A driver that performs one exchange in each process sets this to `false`.
    #[serde(skip_serializing_if = "is_true")]
    pub start_by_stream: bool,
    /// What to do about the task at the deadline.
    #[serde(skip_serializing_if = "OnDetach::is_detach")]
    pub on_deadline: OnDetach,
    /// What to do about the task when the application interrupts the following of it.
    #[serde(skip_serializing_if = "OnDetach::is_detach")]
    pub on_interrupt: OnDetach,
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            work: None,
            human: None,
            poll_backoff: PollBackoff::default(),
            retry: Retry::default(),
            limits: LimitTable::default(),
            read_steps: true,
            result_patience: Duration::from_secs(60),
            not_found_grace: Duration::from_secs(30),
            not_found_wait: Duration::from_secs(5),
            no_progress: Duration::from_secs(600),
            start_by_stream: true,
            on_deadline: OnDetach::Detach,
            on_interrupt: OnDetach::Detach,
        }
    }
}

/// What to do about a task that the client stops following before it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDetach {
    /// Detach: the task keeps running.
    #[default]
    Detach,
    /// Ask the server to cancel the task, and rely on its reply.
    Cancel {
        /// How long to try at most.
        #[serde(with = "crate::time::stored")]
        within: Duration,
    },
    /// Ask the server to cancel the task, and poll until it has stopped.
    CancelAndConfirm {
        /// How long both may take at most.
        #[serde(with = "crate::time::stored")]
        within: Duration,
    },
}

impl OnDetach {
    fn is_detach(&self) -> bool {
        *self == Self::Detach
    }
}

/// The polling schedule: 2 s, then a quarter longer each time, up to 10 s, each a little shorter or longer. It was chosen for
/// the least product of polls and delay over short and long tasks (the bench `pace`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PollBackoff {
    /// Wait before the first poll.
    #[serde(with = "crate::time::stored")]
    pub first: Duration,
    /// Longest wait between polls.
    #[serde(with = "crate::time::stored")]
    pub cap: Duration,
    /// By how much each wait is longer than the one before, in percent.
    pub growth_percent: u8,
    /// Shortest interval between two status reads.
    #[serde(with = "crate::time::stored")]
    pub floor: Duration,
    /// The most by which jitter shortens or lengthens a wait, in percent. No wait is shorter than the floor.
    pub jitter_percent: u8,
}

impl Default for PollBackoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(10),
            growth_percent: 25,
            floor: Duration::from_secs(1),
            jitter_percent: 10,
        }
    }
}

impl PollBackoff {
    /// Divides every wait by `factor`, for a simulator that runs faster than real time.
    #[must_use]
    pub fn sped_up(self, factor: u32) -> Self {
        let factor = factor.max(1);
        Self {
            first: self.first / factor,
            cap: self.cap / factor,
            floor: self.floor / factor,
            ..self
        }
    }
}

/// Retries of single requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Retry {
    /// Requests made for one read, the first included.
    pub reads: u32,
    /// Requests made for one write, the first included.
    pub writes: u32,
    /// Largest first backoff; it doubles with each failure.
    #[serde(with = "crate::time::stored")]
    pub base: Duration,
    /// Largest backoff that the client chooses itself.
    #[serde(with = "crate::time::stored")]
    pub cap: Duration,
    /// Largest `Retry-After` that is honoured.
    #[serde(with = "crate::time::stored")]
    pub hint_cap: Duration,
    /// Whether a 503 with `Retry-After` proves that a write without a key was not processed.
    pub unkeyed_503: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            reads: 5,
            writes: 4,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            hint_cap: crate::failure::MAX_HINT,
            unkeyed_503: true,
        }
    }
}

impl Retry {
    /// Returns a policy that never repeats a request.
    #[must_use]
    pub fn none() -> Self {
        Self {
            reads: 1,
            writes: 1,
            ..Self::default()
        }
    }

    /// Returns the upper end of the backoff after `failures` failures in a row, in milliseconds.
    pub(crate) fn ceiling(self, failures: u32) -> u64 {
        let base = crate::time::millis(self.base);
        let cap = crate::time::millis(self.cap);
        let doublings = failures.saturating_sub(1);
        // Compare before shifting: `base << doublings` may not fit into 64 bits.
        if doublings >= 63 || base > cap >> doublings {
            cap
        } else {
            base << doublings
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: F14.
    #[test]
    fn backoff_saturates_however_often_it_is_asked() {
        let retry = Retry::default();
        let ceilings: Vec<u64> = (1..=9).map(|n| retry.ceiling(n)).collect();
        assert_eq!(
            ceilings,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
        for failures in 0..10_000 {
            assert!(retry.ceiling(failures) <= 30_000);
        }
        let odd = Retry {
            base: Duration::MAX,
            cap: Duration::MAX,
            ..retry
        };
        assert_eq!(odd.ceiling(u32::MAX), u64::MAX);
    }

    #[test]
    fn a_faster_clock_divides_every_wait_and_nothing_else() {
        let pace = PollBackoff::default().sped_up(10);
        let millis = Duration::from_millis;
        assert_eq!((pace.first, pace.floor), (millis(200), millis(100)));
        assert_eq!((pace.cap, pace.jitter_percent), (millis(1000), 10));
        // By nothing it is not divided.
        assert_eq!(PollBackoff::default().sped_up(0), PollBackoff::default());
    }

    /// A policy is stored with its task, and what a later version adds has a default.
    #[test]
    fn a_policy_is_read_back_as_it_was_stored() {
        let within = Duration::from_secs(9);
        let mut policy = Policy {
            work: Some(Duration::from_millis(1500)),
            ..Policy::default()
        };
        for abandon in [
            OnDetach::Detach,
            OnDetach::Cancel { within },
            OnDetach::CancelAndConfirm { within },
        ] {
            policy.on_deadline = abandon;
            policy.on_interrupt = abandon;
            let text = serde_json::to_string(&policy).expect("json");
            let read: Policy = serde_json::from_str(&text).expect("a policy");
            assert_eq!(read, policy, "{text}");
        }
        assert_eq!(
            serde_json::from_str::<Policy>("{}").expect("a policy"),
            Policy::default()
        );
    }

    #[test]
    fn without_retries_every_request_is_made_once() {
        let none = Retry::none();
        assert_eq!((none.reads, none.writes), (1, 1));
        assert_eq!(none.base, Retry::default().base);
    }
}
