//! Origin-form targets: paths and queries built from untrusted text.

use std::fmt::Write as _;

use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::build_error::BuildError;

/// Everything but the unreserved characters of RFC 3986 is encoded, so that no text can escape from its segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Longest id or query value that enters a URL; servers and proxies refuse longer lines anyway.
const MAX_TEXT: usize = 2048;

/// Longest target. With the path of a base URL it still fits into a URL, whose type is limited to 64 KiB.
pub(crate) const MAX_TARGET: usize = 32 * 1024;

/// Builds a path and query in which no inserted text can leave its place.
///
/// ```
/// # use taskward_core::Target;
/// let target = Target::new("/v1/tasks").segment("a/b")?.query("q", "x y").build()?;
/// assert_eq!(target.as_str(), "/v1/tasks/a%2Fb?q=x%20y");
/// # Ok::<(), taskward_core::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Target {
    text: String,
    has_query: bool,
}

impl Target {
    /// Begins with a fixed path.
    #[must_use]
    pub fn new(path: &'static str) -> Self {
        Self {
            text: path.to_owned(),
            has_query: false,
        }
    }

    /// Adds a fixed path.
    #[must_use]
    pub fn path(mut self, path: &'static str) -> Self {
        self.text.push_str(path);
        self
    }

    /// Adds `text` as exactly one path segment.
    ///
    /// # Errors
    /// Returns an error if the text is empty, `.` or `..` (which no encoding can protect) or over 2,048 bytes.
    pub fn segment(mut self, text: &str) -> Result<Self, BuildError> {
        if text.is_empty() || text == "." || text == ".." {
            return Err(BuildError::new(format!("{text:?} is not an id")));
        }
        if text.len() > MAX_TEXT {
            return Err(BuildError::new(format!(
                "an id of {} bytes is too long (at most {MAX_TEXT})",
                text.len()
            )));
        }
        let _ = write!(self.text, "/{}", utf8_percent_encode(text, SEGMENT));
        Ok(self)
    }

    /// Adds one query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let mark = if std::mem::replace(&mut self.has_query, true) {
            '&'
        } else {
            '?'
        };
        let _ = write!(
            self.text,
            "{mark}{}={}",
            utf8_percent_encode(name, SEGMENT),
            utf8_percent_encode(value, SEGMENT)
        );
        self
    }

    /// Adds a query parameter if there is a value.
    #[must_use]
    pub fn query_opt(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Returns the finished target.
    ///
    /// # Errors
    /// Returns an error if the target is too long for a request line.
    pub fn build(self) -> Result<PathAndQuery, BuildError> {
        if self.text.len() > MAX_TARGET {
            return Err(BuildError::new(format!(
                "a request path of {} bytes is too long (at most {MAX_TARGET})",
                self.text.len()
            )));
        }
        // Without spare room, for which a followed task would have memory as long as it waits.
        PathAndQuery::try_from(self.text.into_boxed_str().into_string())
            .map_err(|e| BuildError::new(format!("cannot build the request path: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_stay_one_segment() {
        for (id, path) in [
            ("a/../b", "/t/a%2F..%2Fb"),
            ("a?b#c", "/t/a%3Fb%23c"),
            ("a\r\nX: y", "/t/a%0D%0AX%3A%20y"),
            ("100%", "/t/100%25"),
            ("ü", "/t/%C3%BC"),
        ] {
            assert_eq!(
                Target::new("/t")
                    .segment(id)
                    .and_then(Target::build)
                    .expect(id)
                    .as_str(),
                path
            );
        }
    }

    #[test]
    fn ids_that_no_encoding_protects_are_refused() {
        for id in ["", ".", "..", &"x".repeat(10_000)] {
            assert!(Target::new("/t").segment(id).is_err(), "{id:.20}");
        }
    }

    #[test]
    fn a_target_has_a_largest_length() {
        let of = |len: usize| Target::new("/t").query("q", &"x".repeat(len)).build();
        let most = MAX_TARGET - "/t?q=".len();
        assert!(of(most).is_ok());
        let error = of(most + 1).expect_err("too long").to_string();
        assert_eq!(
            error,
            "a request path of 32769 bytes is too long (at most 32768)"
        );
    }
}
