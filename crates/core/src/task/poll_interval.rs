//! The polling schedule: the policy's backoff in whole milliseconds, and where in it a task is.

use crate::policy::PollBackoff;
use crate::time::millis;

/// A wait that grows by half with each poll, up to its cap. It is kept in milliseconds because it runs at every poll.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollInterval {
    first: u64,
    cap: u64,
    pub(super) floor: u64,
    jitter_percent: u64,
    /// The next wait, before jitter.
    interval: u64,
}

impl PollInterval {
    pub(super) fn new(pace: PollBackoff) -> Self {
        let first = millis(pace.first);
        Self {
            first,
            cap: millis(pace.cap),
            floor: millis(pace.floor),
            jitter_percent: u64::from(pace.jitter_percent),
            interval: first,
        }
    }

    /// Restarts the schedule, because something changed.
    pub(super) fn restart(&mut self) {
        self.interval = self.first;
    }

    /// Returns the next wait before jitter, in milliseconds, for the stored form.
    pub(super) fn interval(&self) -> u64 {
        self.interval
    }

    /// Continues the schedule at this wait.
    pub(super) fn resume(&mut self, interval: u64) {
        self.interval = interval.clamp(self.first.min(self.cap), self.cap.max(self.first));
    }

    /// Returns the next wait, never below the floor; `draw` lengthens it by its share of the jitter. It compares before
    /// it multiplies, so nothing overflows.
    pub(super) fn next(&mut self, draw: u8) -> u64 {
        let wait = self.interval;
        self.interval = if wait >= self.cap / 3 * 2 {
            self.cap
        } else {
            wait + wait / 2
        };
        let most = (wait / 100).saturating_mul(self.jitter_percent);
        let jitter = most.saturating_mul(u64::from(draw)) / u64::from(u8::MAX);
        wait.saturating_add(jitter).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_schedule_grows_by_half_to_its_cap_and_starts_again() {
        let mut interval = PollInterval::new(PollBackoff::default());
        let waits: Vec<u64> = (0..8).map(|_| interval.next(0)).collect();
        assert_eq!(waits, [1000, 1500, 2250, 3375, 5062, 7593, 10_000, 10_000]);
        interval.restart();
        assert_eq!(interval.next(0), 1000);
    }

    #[test]
    fn jitter_only_lengthens_and_the_floor_holds() {
        for draw in 0..=u8::MAX {
            let wait = PollInterval::new(PollBackoff::default()).next(draw);
            assert_eq!(wait, 1000 + 200 * u64::from(draw) / 255);
        }
        let eager = PollBackoff {
            first: Duration::ZERO,
            cap: Duration::ZERO,
            ..PollBackoff::default()
        };
        assert_eq!(PollInterval::new(eager).next(255), 1000);
    }

    #[test]
    fn absurd_paces_saturate() {
        let slow = PollBackoff {
            first: Duration::MAX,
            cap: Duration::MAX,
            jitter_percent: u8::MAX,
            ..PollBackoff::default()
        };
        let mut interval = PollInterval::new(slow);
        for _ in 0..1000 {
            assert_eq!(interval.next(u8::MAX), u64::MAX);
        }
    }
}
