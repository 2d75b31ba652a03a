//! The polling schedule: the policy's backoff in whole milliseconds, and where in it a task is.

use crate::policy::PollBackoff;
use crate::time::millis;

/// A time that no task is waited for, in milliseconds.
const DECADES: u64 = 1 << 40;

/// A wait that grows with each poll, up to its cap. The policy's backoff says how, and stands only there: each task keeps
/// no more than where in the schedule it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct PollInterval {
    /// The next wait in milliseconds, before jitter.
    next: u64,
}

impl PollInterval {
    /// Begins the schedule.
    pub(super) fn new(pace: &PollBackoff) -> Self {
        Self {
            next: millis(pace.first),
        }
    }

    /// Continues the schedule at this wait.
    pub(super) fn resumed(pace: &PollBackoff, wait: u64) -> Self {
        let (first, cap) = (millis(pace.first), millis(pace.cap));
        let least = millis(pace.floor).min(first).max(1);
        Self {
            next: wait.clamp(least, cap.max(first).max(least)),
        }
    }

    /// Returns the next wait before jitter, in milliseconds, for the stored form.
    pub(super) fn interval(self) -> u64 {
        self.next
    }

    /// Returns the next wait, never below the floor; `draw` shortens it (0) or lengthens it (255) by up to the jitter. A wait
    /// of decades has none, so that nothing overflows.
    #[inline]
    pub(super) fn next(&mut self, pace: &PollBackoff, draw: u8) -> u64 {
        let (wait, floor) = (self.next, millis(pace.floor));
        if wait >= DECADES {
            return wait.max(floor);
        }
        let longer = wait + wait * u64::from(pace.growth_percent) / 100;
        self.next = longer.min(millis(pace.cap));
        let most = wait / 100 * u64::from(pace.jitter_percent);
        let jitter = most * 2 * u64::from(draw) / u64::from(u8::MAX);
        (wait.saturating_sub(most) + jitter).max(floor)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_schedule_grows_by_a_quarter_to_its_cap_and_starts_again() {
        let pace = PollBackoff {
            jitter_percent: 0,
            ..PollBackoff::default()
        };
        let mut interval = PollInterval::new(&pace);
        let waits: Vec<u64> = (0..8).map(|_| interval.next(&pace, 0)).collect();
        assert_eq!(waits, [2000, 2500, 3125, 3906, 4882, 6102, 7627, 9533]);
        let capped = [interval.next(&pace, 0), interval.next(&pace, 0)];
        assert_eq!(capped, [10_000, 10_000]);
        assert_eq!(PollInterval::new(&pace).next(&pace, 0), 2000);
    }

    #[test]
    fn jitter_is_as_often_shorter_as_longer_and_the_floor_holds() {
        let pace = PollBackoff {
            first: Duration::from_secs(10),
            ..PollBackoff::default()
        };
        let waits: Vec<u64> = (0..=u8::MAX)
            .map(|draw| PollInterval::new(&pace).next(&pace, draw))
            .collect();
        assert_eq!((waits[0], waits[255]), (9000, 11_000));
        assert_eq!(waits.iter().sum::<u64>() / 256, 9999);
        for draw in 0..=u8::MAX {
            let eager = PollBackoff {
                first: Duration::from_secs(1),
                ..PollBackoff::default()
            };
            let wait = PollInterval::new(&eager).next(&eager, draw);
            assert!((1000..=1100).contains(&wait), "{wait}");
        }
        let eager = PollBackoff {
            first: Duration::ZERO,
            cap: Duration::ZERO,
            ..PollBackoff::default()
        };
        assert_eq!(PollInterval::new(&eager).next(&eager, 255), 1000);
    }

    #[test]
    fn absurd_paces_saturate() {
        let slow = PollBackoff {
            first: Duration::MAX,
            cap: Duration::MAX,
            jitter_percent: u8::MAX,
            ..PollBackoff::default()
        };
        let mut interval = PollInterval::new(&slow);
        for _ in 0..1000 {
            assert_eq!(interval.next(&slow, u8::MAX), u64::MAX);
        }
    }
}
