use std::fmt;

use chrono::FixedOffset;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    lenient::{FromWire, read},
    text::Text,
};

/// A timestamp that should be RFC 3339, and its text when it is not.
///
/// ```
/// # use taskward_providers::wire::DateTime;
/// let at = DateTime::from("2026-05-12T10:15:42.5+02:00");
/// assert_eq!(at.unix_millis(), Some(1_778_573_742_500));
/// assert_eq!(DateTime::from("yesterday").unix_millis(), None);
/// assert_eq!(DateTime::from("yesterday").as_str(), "yesterday");
/// ```
#[derive(Clone)]
pub struct DateTime(Text);

impl DateTime {
    /// Returns the text as it came.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Milliseconds since the Unix epoch, when the text is a timestamp with a zone.
    pub fn unix_millis(&self) -> Option<i64> {
        let at = self.as_str().parse::<chrono::DateTime<FixedOffset>>();
        Some(at.ok()?.timestamp_millis())
    }
}

impl FromWire for DateTime {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl From<&str> for DateTime {
    fn from(text: &str) -> Self {
        Self(Text::new(text))
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for DateTime {}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_read_with_any_fraction_and_offset() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.123456789Z", Some(123)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01 01:00:00+0100", Some(0)),
            ("1970-01-01t00:00:00.1234567890z", Some(123)),
            ("1969-12-31T23:59:59Z", Some(-1000)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000)),
            ("1970-01-01T00:00:00", None),
            ("1970-01-01", None),
            ("1970-13-01T00:00:00Z", None),
            ("", None),
            ("12", None),
        ];
        for (text, millis) in cases {
            assert_eq!(DateTime::from(text).unix_millis(), millis, "{text}");
        }
    }
}
