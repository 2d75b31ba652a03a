//! Whether the platform's streams can be relied upon.

use std::time::Duration;

/// How long a stream must live for its failures to be forgotten.
pub(in crate::task) const UPTIME: Duration = Duration::from_secs(30);
/// Failures in a row after which the task is polled while the client still tries to open the stream.
const FALLBACK: u32 = 3;
/// Unreadable events in a row after which the stream is given up for a while.
pub(in crate::task) const MAX_UNREADABLE: u32 = 10;

/// Whether the platform has a stream of this task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::task) enum Availability {
    /// It was opened, or nothing says that there is none.
    Expected,
    /// The platform said that there is none; the client asks again now and then.
    Missing,
}

/// What went wrong with the stream lately.
#[derive(Debug)]
pub(in crate::task) struct Health {
    /// Failures in a row; a new event or half a minute of uptime resets them.
    pub(in crate::task) failures: u32,
    /// Unreadable events in a row.
    pub(in crate::task) unreadable: u32,
    pub(in crate::task) availability: Availability,
    /// Which form of the request the server knows, as far as it was tried.
    pub(in crate::task) form: u8,
}

impl Health {
    pub(in crate::task) const fn new() -> Self {
        Self {
            failures: 0,
            unreadable: 0,
            availability: Availability::Expected,
            form: 0,
        }
    }

    /// Returns whether the task is polled because the stream is unavailable.
    pub(in crate::task) fn fell_back(&self) -> bool {
        self.availability == Availability::Missing || self.failures >= FALLBACK
    }

    /// Counts a failure and returns how many there have been in a row.
    pub(in crate::task) fn fail(&mut self) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Lets the task be polled from now on, because another connection would bring the same.
    pub(in crate::task) fn fall_back(&mut self) {
        self.failures = self.failures.max(FALLBACK);
    }
}
