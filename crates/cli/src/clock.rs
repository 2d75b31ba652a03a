//! Time as the client counts it: the world's, or faster in front of a simulator.

use std::time::{Duration, Instant, SystemTime};

use taskward::core::Timestamp;
use taskward::wire::DateTime;

/// By how much the clocks of two machines may differ before a time is told instead of an age.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// The client's clock, for display.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    anchor: Timestamp,
    since: Instant,
    speed: u32,
}

impl Clock {
    /// A clock that runs `speed` times as fast as the world.
    pub(crate) fn new(speed: u32) -> Self {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            anchor: Timestamp::from_millis(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
            since: Instant::now(),
            speed,
        }
    }

    /// How many times as fast as the world it runs.
    pub(crate) fn speed(&self) -> u32 {
        self.speed
    }

    /// The time since it was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed().saturating_mul(self.speed)
    }

    /// How long it is until `until`.
    pub(crate) fn left(&self, until: Timestamp) -> Duration {
        until.since(self.anchor.after(self.elapsed()))
    }

    /// How long ago `at` was.
    pub(crate) fn ago(&self, at: Timestamp) -> Duration {
        self.anchor.after(self.elapsed()).since(at)
    }

    /// A span of this clock in the world's time.
    pub(crate) fn real(&self, span: Duration) -> Duration {
        span / self.speed
    }
}

/// How long ago a moment of the world was, for people.
pub(crate) fn ago(at: Timestamp) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at.as_millis());
    match SystemTime::now().duration_since(at) {
        Ok(ago) if ago < Duration::from_secs(48 * 3600) => format!("{} ago", span(ago)),
        Ok(ago) => format!("{} days ago", ago.as_secs() / 86_400),
        // Clocks differ.
        Err(_) => "just now".to_owned(),
    }
}

/// How long a task has waited that has changed last at this moment, by the server's clock; nothing where it is not told.
pub(crate) fn waited(clock: &Clock, since: Option<&DateTime>) -> String {
    let Some(since) = since else {
        return String::new();
    };
    let at = since.unix_millis().and_then(|at| u64::try_from(at).ok());
    match at.map(Timestamp::from_millis) {
        Some(at) if clock.left(at) <= CLOCKS_DIFFER => {
            format!("which has waited {}", span(clock.ago(at)))
        }
        // By this clock it is yet to come.
        Some(_) => format!("which has waited since {}", since.as_str()),
        None => String::new(),
    }
}

/// A span for people: `7s`, `2m 05s`, `1h 02m`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (125, "2m 05s"), (3725, "1h 02m")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
