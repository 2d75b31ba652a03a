//! Time as a value: the core never reads a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since the Unix epoch; only the caller can create one.
///
/// An adapter reads the wall clock once and advances the time by a monotonic clock, so that it can be stored, compared
/// with an HTTP date and never runs backwards.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest possible moment; stands for "never".
    pub const MAX: Self = Self(u64::MAX);

    /// Creates the moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the moment `wait` later; saturates.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Returns `wait` in whole milliseconds, rounded up so that a wait never ends early; saturates.
pub(crate) const fn millis(wait: Duration) -> u64 {
    // Not with `as_millis`, which divides 128-bit numbers: this runs in every poll.
    wait.as_secs()
        .saturating_mul(1000)
        .saturating_add(wait.subsec_nanos().div_ceil(1_000_000) as u64)
}

/// Stores durations as whole milliseconds.
pub(crate) mod stored {
    use super::{Duration, millis};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        wait: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        millis(*wait).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }

    /// Stores an optional duration.
    pub(crate) mod optional {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, millis};

        pub(crate) fn serialize<S: Serializer>(
            wait: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            wait.map(millis).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_arithmetic_saturates_at_both_ends() {
        assert_eq!(
            Timestamp::from_millis(5).since(Timestamp::from_millis(9)),
            Duration::ZERO
        );
        assert_eq!(
            Timestamp::from_millis(5).after(Duration::MAX),
            Timestamp::MAX
        );
        assert_eq!(
            Timestamp::from_millis(5)
                .after(Duration::from_micros(1))
                .as_millis(),
            6
        );
    }
}
