//! Time as a value: the core never reads a clock.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in milliseconds since the Unix epoch; only the caller can create one.
///
/// An adapter reads the wall clock once and advances the time by a monotonic clock, so that it can be stored, compared
/// with an HTTP date and never runs backwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(
    /// One more than the milliseconds, so that a moment that may be absent takes no more room: a waiting task has a dozen.
    NonZeroU64,
);

impl Timestamp {
    /// The latest possible moment; stands for "never".
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// Creates the moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        match self.0.get() {
            u64::MAX => u64::MAX,
            more => more - 1,
        }
    }

    /// Returns the moment `wait` later; saturates.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        self.after_millis(millis(wait))
    }

    /// Returns the moment `wait` milliseconds later; saturates.
    pub(crate) fn after_millis(self, wait: u64) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis_since(earlier))
    }

    /// Returns the same in milliseconds.
    pub(crate) const fn millis_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::from_millis(0)
    }
}

impl std::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Timestamp").field(&self.as_millis()).finish()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_millis().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self::from_millis)
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
    fn a_moment_is_read_as_it_was_made_and_an_absent_one_takes_no_room() {
        for millis in [0, 1, 1_700_000_000_000, u64::MAX - 2, u64::MAX] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.as_millis(), millis);
            let text = serde_json::to_string(&moment).expect("JSON");
            assert_eq!(text, millis.to_string());
            assert_eq!(serde_json::from_str::<Timestamp>(&text).ok(), Some(moment));
        }
        assert_eq!(Timestamp::from_millis(u64::MAX - 1), Timestamp::MAX);
        assert_eq!(format!("{:?}", Timestamp::default()), "Timestamp(0)");
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<Timestamp>());
    }

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
