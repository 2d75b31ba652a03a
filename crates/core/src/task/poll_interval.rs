//! The polling schedule: the policy's backoff in whole milliseconds, and where in it a task is.

use crate::policy::PollBackoff;
use crate::time::millis;

/// A time that no task is waited for, in milliseconds.
const DECADES: u64 = 1 << 40;

/// A wait that grows with each poll, up to its cap. It is kept in milliseconds because it runs at every poll.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollInterval {
    first: u64,
    cap: u64,
    growth_percent: u64,
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
            growth_percent: u64::from(pace.growth_percent),
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
        let least = self.floor.min(self.first).max(1);
        self.interval = interval.clamp(least, self.cap.max(self.first).max(least));
    }

    /// Returns the next wait, never below the floor; `draw` shortens it (0) or lengthens it (255) by up to the jitter. A wait
    /// of decades has none, so that nothing overflows.
    pub(super) fn next(&mut self, draw: u8) -> u64 {
        let wait = self.interval;
        if wait >= DECADES {
            return wait.max(self.floor);
        }
        let longer = wait + wait * self.growth_percent / 100;
        self.interval = longer.min(self.cap);
        let most = wait / 100 * self.jitter_percent;
        let jitter = most * 2 * u64::from(draw) / u64::from(u8::MAX);
        (wait.saturating_sub(most) + jitter).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_schedule_grows_by_a_quarter_to_its_cap_and_starts_again() {
        let mut interval = PollInterval::new(PollBackoff::default());
        interval.jitter_percent = 0;
        let waits: Vec<u64> = (0..8).map(|_| interval.next(0)).collect();
        assert_eq!(waits, [2000, 2500, 3125, 3906, 4882, 6102, 7627, 9533]);
        assert_eq!((interval.next(0), interval.next(0)), (10_000, 10_000));
        interval.restart();
        assert_eq!(interval.next(0), 2000);
    }

    #[test]
    fn jitter_is_as_often_shorter_as_longer_and_the_floor_holds() {
        let pace = PollBackoff {
            first: Duration::from_secs(10),
            ..PollBackoff::default()
        };
        let waits: Vec<u64> = (0..=u8::MAX)
            .map(|draw| PollInterval::new(pace).next(draw))
            .collect();
        assert_eq!((waits[0], waits[255]), (9000, 11_000));
        assert_eq!(waits.iter().sum::<u64>() / 256, 9999);
        for draw in 0..=u8::MAX {
            let eager = PollBackoff {
                first: Duration::from_secs(1),
                ..PollBackoff::default()
            };
            let wait = PollInterval::new(eager).next(draw);
            assert!((1000..=1100).contains(&wait), "{wait}");
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
