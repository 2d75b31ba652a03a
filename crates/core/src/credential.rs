//! API keys: how one is checked and shown, and what stands where one was removed.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

/// What replaces a key. No id, cursor or status may contain it.
pub const REDACTED: &str = "[key]";

/// Characters that a key must have to be searched for.
pub const SHORTEST: usize = 8;

/// Returns whether the API key was removed from this text, so that it is not what the server meant.
#[must_use]
pub fn is_redacted(text: &str) -> bool {
    text.contains(REDACTED)
}

/// A setting that cannot be used; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// Creates an error with a message that names the setting, and never contains the value of a key.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// An API key, ready to be sent. Neither `Debug` nor `Display` nor serde shows it.
#[derive(Clone)]
pub struct Credential(HeaderValue);

impl Credential {
    /// Creates a bearer key. One trailing line break, which `echo` and editors add, is dropped.
    ///
    /// # Errors
    /// Returns an error if the key is empty, a placeholder, or has characters that no key has; the message names the
    /// kind of mistake and the length, but no character of the key.
    pub fn bearer(key: &SecretString) -> Result<Self, ConfigError> {
        let key = key.expose_secret();
        let key = key
            .strip_suffix('\n')
            .map_or(key, |key| key.strip_suffix('\r').unwrap_or(key));
        let refuse = |why: &str| {
            Err(ConfigError::new(format!(
                "the API key {why} ({} characters)",
                key.chars().count()
            )))
        };
        if key.is_empty() {
            return Err(ConfigError::new(
                "the API key is empty; the platform's dashboard makes new ones",
            ));
        }
        if key.starts_with('\u{feff}') {
            return refuse("starts with a byte order mark: save it as plain UTF-8");
        }
        if key.contains(['\n', '\r']) {
            return refuse("has a line break inside");
        }
        if key.contains(['"', '\'', '“', '”', '‘', '’']) {
            return refuse("has quotes around or inside it");
        }
        if key.to_ascii_lowercase().starts_with("bearer ") {
            return refuse("starts with \"Bearer \": give the key alone");
        }
        if key.contains(char::is_whitespace) {
            return refuse("has white space in it");
        }
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse("has characters that no key has");
        }
        let shout = key.to_ascii_uppercase();
        if [
            "YOUR_API_KEY",
            "YOUR-API-KEY",
            "<API_KEY>",
            "API_KEY",
            "CHANGEME",
        ]
        .contains(&shout.as_str())
            || key.ends_with("...")
            || key.ends_with('…')
        {
            return Err(ConfigError::new(
                "the API key is a placeholder: put the real one there",
            ));
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .expect("visible ASCII is a header value");
        value.set_sensitive(true);
        Ok(Self(value))
    }

    fn key(&self) -> &str {
        let value = self.0.to_str().expect("made from ASCII");
        value.strip_prefix("Bearer ").unwrap_or(value)
    }

    /// Returns the value of the header field that carries the key.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// Returns whether the key begins with `prefix`, as the keys of a simulator do.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        self.key().starts_with(prefix)
    }

    /// Returns the part of a `key_id:secret` that may be shown; `None` if the whole key is secret.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        let (id, secret) = self.key().split_once(':')?;
        (!id.is_empty() && !secret.is_empty()).then_some(id)
    }

    /// Returns the part of the key that must never be shown, unless it is too short to be distinguished from other
    /// text.
    pub(crate) fn secret(&self) -> Option<&[u8]> {
        let key = self.key();
        let secret = match key.split_once(':') {
            Some((id, secret)) if !id.is_empty() && secret.len() >= SHORTEST => secret,
            _ => key,
        };
        (secret.len() >= SHORTEST).then_some(secret.as_bytes())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key_id() {
            Some(id) => write!(f, "Credential({id}:..)"),
            None => f.write_str("Credential(..)"),
        }
    }
}
