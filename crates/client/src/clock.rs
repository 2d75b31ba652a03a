//! The one reader of clocks: wall time once, then monotonic time.

use std::time::{Duration, Instant, SystemTime};

use taskward_core::Timestamp;

/// Wall clock time that moves with a clock that never runs back.
///
/// On Linux and Android that clock keeps running while the machine sleeps, so that deadlines count the sleep. Elsewhere it
/// may stop meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Timestamp,
    since: Duration,
    speed: u32,
}

impl Clock {
    /// Builds a clock that runs `speed` times as fast as the world; 1 unless the server is a simulator that does the same.
    #[must_use]
    pub(crate) fn new(speed: u32) -> Self {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            anchor: Timestamp::from_millis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            since: uptime(),
            speed: speed.max(1),
        }
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = uptime()
            .saturating_sub(self.since)
            .saturating_mul(self.speed);
        // Rounded down: a wait that seems over is over.
        let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(self.anchor.as_millis().saturating_add(millis))
    }

    /// Returns how long to sleep until `until`.
    #[must_use]
    pub fn left(&self, until: Timestamp) -> Duration {
        until.since(self.now()) / self.speed
    }
}

/// Returns the time since some moment in the past, sleep of the machine included.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // Neither is negative: the moment is that of the start of the system.
    let (seconds, nanoseconds) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}

/// Returns the time since some moment in the past.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn uptime() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// Returns the moment `wait` after `from`; a wait too long for the clock ends in thirty years.
#[must_use]
pub fn later(from: Instant, wait: Duration) -> Instant {
    from.checked_add(wait)
        .unwrap_or_else(|| from + Duration::from_secs(30 * 365 * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_limit_is_a_very_late_moment() {
        let now = Instant::now();
        assert!(later(now, Duration::MAX) > now + Duration::from_secs(86_400));
        assert_eq!(later(now, Duration::ZERO), now);
    }

    #[test]
    fn a_fast_clock_shortens_waits_and_never_runs_back() {
        let clock = Clock::new(20);
        let start = clock.now();
        let left = clock.left(start.after(Duration::from_secs(20)));
        assert!(left <= Duration::from_secs(1), "{left:?}");
        let whole = clock.left(start.after(Duration::from_secs(20 * 3600)));
        assert!(whole > Duration::from_secs(60) && whole <= Duration::from_secs(3600));
        assert!(clock.now() >= start);
        assert_eq!(clock.left(start), Duration::ZERO);
        assert_eq!(
            Clock::new(0).left(Timestamp::from_millis(0)),
            Duration::ZERO
        );
    }
}
