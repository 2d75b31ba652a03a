//! Milliseconds since the epoch as the texts that the wire carries, and spans as people write them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Returns RFC 3339 in UTC, with milliseconds when asked for.
pub(crate) fn rfc3339(ms: u64, fraction: bool) -> String {
    let pattern = if fraction {
        "%Y-%m-%dT%H:%M:%S%.3fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    timestamp(ms).strftime(pattern).to_string()
}

/// Returns RFC 3339 with six digits of fraction and UTC written like this.
pub(crate) fn rfc3339_micros(ms: u64, utc: &str) -> String {
    let time = timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S%.6f");
    format!("{time}{utc}")
}

/// Returns the form of the `Date` header (RFC 9110, section 5.6.7).
pub(crate) fn http_date(ms: u64) -> String {
    timestamp(ms)
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string()
}

/// Milliseconds of an RFC 3339 text; `None` when it is not one.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

fn timestamp(ms: u64) -> Timestamp {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// A length of simulated time, written `250ms`, `5s`, `10m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(
    /// Milliseconds.
    pub u64,
);

impl Span {
    /// Reads `250ms`, `5s`, `1.5s`, `10m`, `1h`, `1h 30m`.
    ///
    /// # Errors
    /// When the text is no length of time, or a negative one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let span = text.parse::<SignedDuration>().ok();
        let ms = span.and_then(|span| u64::try_from(span.as_millis()).ok());
        ms.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no length of time (write it like \"250ms\", \"5s\", \"10m\" or \"1h\")"
            )
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}ms", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_wire_has_them() {
        assert_eq!(rfc3339(1_778_580_942_345, false), "2026-05-12T10:15:42Z");
        assert_eq!(rfc3339(1_778_580_942_345, true), "2026-05-12T10:15:42.345Z");
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(rfc3339(u64::MAX, false).len(), 20);
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        assert_eq!(
            parse_rfc3339("2026-05-12T12:15:42.345+02:00"),
            Some(1_778_580_942_345)
        );
        assert_eq!(parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn spans_are_read_and_rubbish_is_named() {
        for (text, ms) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1.5s", 1_500),
            ("10m", 600_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(Span::parse(text), Ok(Span(ms)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "5d", "1.s2", "99999999999999999999h"] {
            assert!(
                Span::parse(text).is_err_and(|why| why.contains(text)),
                "{text}"
            );
        }
    }
}
