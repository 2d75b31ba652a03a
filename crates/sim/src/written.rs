//! Readers of fields that steps of all platforms have.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::time::Span;

/// Reads a length of time, in milliseconds.
pub(crate) fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Span::deserialize(deserializer).map(|span| span.0)
}

/// Reads what can only be said, and not denied.
pub(crate) fn only_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    if bool::deserialize(deserializer)? {
        Ok(())
    } else {
        Err(D::Error::custom("it can only be true"))
    }
}
