//! Replies as the adapters pass them on.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::time::Timestamp;

/// Status and headers of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
}

impl Head {
    /// Creates a head with this status and no headers.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
        }
    }

    /// Returns the media type in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(
            value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase(),
        )
    }

    /// Returns the server's own id for this exchange, by which its support can find it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        ["x-request-id", "request-id", "x-correlation-id"]
            .iter()
            .find_map(|name| self.headers.get(*name))
            .and_then(|value| value.to_str().ok())
    }

    /// Returns the server's clock, from `Date` (RFC 9110 section 6.6.1).
    #[must_use]
    pub fn date(&self) -> Option<Timestamp> {
        date(self.headers.get(header::DATE)?.to_str().ok()?)
    }

    /// Returns how long the server asks to wait: the largest valid `Retry-After` (RFC 9110 section 10.2.3), in seconds
    /// or as a date compared with `now`. Malformed or negative values and dates in the past are ignored.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        self.headers
            .get_all(header::RETRY_AFTER)
            .iter()
            .filter_map(|value| {
                let text = value.to_str().ok()?.trim();
                if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
                    // A number with more digits than a u64 holds is a very long wait, which the caller's cap limits.
                    return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX / 1000)));
                }
                let wait = date(text)?.since(now);
                (wait > Duration::ZERO).then_some(wait)
            })
            .max()
    }
}

fn date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(
        u64::try_from(since.as_millis()).ok()?,
    ))
}

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// The complete body.
    pub body: Bytes,
}

impl Response {
    /// Creates a reply with this status and body.
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            head: Head::new(status),
            body: body.into(),
        }
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(values: &[&str]) -> Head {
        let mut head = Head::new(StatusCode::TOO_MANY_REQUESTS);
        for value in values {
            head.headers
                .append(header::RETRY_AFTER, value.parse().expect("header value"));
        }
        head
    }

    /// Rows: F4, F5, F6.
    #[test]
    fn retry_after_takes_the_largest_valid_value() {
        let now = Timestamp::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
        let wait = |values: &[&str]| head(values).retry_after(now).map(|d| d.as_secs());
        assert_eq!(wait(&["7"]), Some(7));
        assert_eq!(wait(&["7", "30", "x"]), Some(30));
        assert_eq!(wait(&["Sun, 06 Nov 1994 08:50:37 GMT"]), Some(60));
        for rubbish in [
            "-5",
            "abc",
            "",
            "1.5",
            "0x10",
            "1e9",
            "+4",
            "Sun, 06 Nov 1994 08:49:36 GMT",
            "Mon, 06 Nov 1994 08:50:37 GMT",
        ] {
            assert_eq!(wait(&[rubbish]), None, "{rubbish}");
        }
        assert!(wait(&["99999999999999999999999"]).is_some());
    }
}
