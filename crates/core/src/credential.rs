//! Credentials: how one is checked and shown, and which header carries it.

use std::fmt;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::needles::{Needles, SHORTEST};

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

/// Headers that decide what a request is, who it is from and where it ends, or that Taskward sets itself.
const OWN_HEADERS: [&str; 21] = [
    "authorization",
    "proxy-authorization",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "range",
    "accept",
    "accept-encoding",
    "user-agent",
    "idempotency-key",
    "last-event-id",
    "if-none-match",
    "keep-alive",
    "proxy-connection",
];

/// Returns whether Taskward sets this header itself, so that nobody else may add it to a request.
#[must_use]
pub fn is_own_header(name: &HeaderName) -> bool {
    OWN_HEADERS.contains(&name.as_str())
}

/// The name of a header that carries an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHeader(HeaderName);

impl KeyHeader {
    /// Checks the name of a header. `Authorization` is one: it then holds the key alone.
    ///
    /// # Errors
    /// Returns an error if it is no name of a header, or that of a header that Taskward sets itself.
    pub fn new(name: &str) -> Result<Self, ConfigError> {
        let refuse = |why: &str| {
            Err(ConfigError::new(format!(
                "the API key cannot be sent in the header {name:?}: {why}"
            )))
        };
        let Ok(parsed) = HeaderName::try_from(name) else {
            return refuse("that is no name of a header");
        };
        match parsed.as_str() {
            "authorization" => Ok(Self(parsed)),
            "cookie" => refuse("it holds the cookies of a browser, and other software keeps those"),
            _ if is_own_header(&parsed) => {
                refuse("Taskward sets this header itself; a key has a header of its own")
            }
            _ => Ok(Self(parsed)),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.0
    }
}

/// What a request shows to be allowed: a bearer key, a user with a password, or an API key in a header of its own.
/// Neither `Debug` nor `Display` nor serde shows what is secret of it.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    header: HeaderName,
    value: HeaderValue,
    /// The key as it was given; of a pair the part that is secret.
    key: String,
    /// What may be shown: the id of the key, or the user.
    id: Option<String>,
    needles: Needles,
}

impl Credential {
    /// Creates a bearer key. One trailing line break, which `echo` and editors add, is dropped.
    ///
    /// # Errors
    /// Returns an error if the key is empty, a placeholder, or has characters that no key has; the message names the
    /// kind of mistake and the length, but no character of the key.
    pub fn bearer(key: &SecretString) -> Result<Self, ConfigError> {
        let key = checked(key)?;
        let value = format!("Bearer {key}");
        Ok(Self::of_key(header::AUTHORIZATION, &value, key))
    }

    /// Creates an API key that is sent by itself in the header of this name. One trailing line break is dropped.
    ///
    /// ```
    /// use taskward_core::{Credential, KeyHeader, SecretString};
    ///
    /// let header = KeyHeader::new("X-Api-Key")?;
    /// let credential = Credential::api_key(header, &SecretString::from("4f1c2b7e9d"))?;
    /// assert_eq!(format!("{credential:?}"), "Credential(..)");
    /// # Ok::<(), taskward_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`bearer`](Self::bearer).
    pub fn api_key(header: KeyHeader, key: &SecretString) -> Result<Self, ConfigError> {
        let key = checked(key)?;
        Ok(Self::of_key(header.0, key, key))
    }

    /// Creates a user with a password (RFC 7617). One trailing line break of the password is dropped. Where the password
    /// is empty, the user is the secret: some servers take a key in that place.
    ///
    /// # Errors
    /// Returns an error if the user has a colon in it, if either has control characters, or the password others than ASCII,
    /// which servers read in different ways; or if there is neither. No message contains a character of the password.
    pub fn basic(user: &str, password: &SecretString) -> Result<Self, ConfigError> {
        let password = trimmed(password.expose_secret());
        let refuse = |what: &str| Err(ConfigError::new(what));
        if user.contains(':') {
            return refuse(
                "the user has a colon in it, which separates user and password (RFC 7617)",
            );
        }
        if user.contains(char::is_control) {
            return refuse("the user has a line break or another control character in it");
        }
        if !password.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            return Err(ConfigError::new(format!(
                "the password has a control character, or one that is not ASCII, in it ({} characters)",
                password.chars().count()
            )));
        }
        if user.is_empty() && password.is_empty() {
            return refuse("user and password are both empty");
        }
        if is_placeholder(password) {
            return refuse("the password is a placeholder: put the real one there");
        }
        let pair = format!("{user}:{password}");
        let value = format!("Basic {}", BASE64_STANDARD.encode(&pair));
        let (secret, id) = if password.is_empty() {
            (user, None)
        } else {
            (password, Some(user.to_owned()).filter(|id| !id.is_empty()))
        };
        // A short password is told apart from other text only together with its user.
        let is_long = secret.len() >= SHORTEST;
        let needles = Needles::of_encoded(if is_long { secret } else { &pair }, &pair);
        Ok(Self::new(
            header::AUTHORIZATION,
            &value,
            secret.to_owned(),
            id,
            needles,
        ))
    }

    fn of_key(header: HeaderName, value: &str, key: &str) -> Self {
        let (id, secret) = match key.split_once(':') {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => (Some(id), secret),
            _ => (None, key),
        };
        // A short secret is told apart from other text only together with its id.
        let searched = if secret.len() >= SHORTEST {
            secret
        } else {
            key
        };
        let needles = Needles::of(searched);
        Self::new(
            header,
            value,
            key.to_owned(),
            id.map(str::to_owned),
            needles,
        )
    }

    fn new(
        header: HeaderName,
        value: &str,
        key: String,
        id: Option<String>,
        needles: Needles,
    ) -> Self {
        let mut value = HeaderValue::from_str(value).expect("visible ASCII is a header value");
        value.set_sensitive(true);
        Self(Arc::new(Inner {
            header,
            value,
            key,
            id,
            needles,
        }))
    }

    /// Returns the name of the header that carries the credential.
    #[must_use]
    pub fn header_name(&self) -> &HeaderName {
        &self.0.header
    }

    /// Returns the value of the header that carries the credential.
    pub(crate) fn header_value(&self) -> &HeaderValue {
        &self.0.value
    }

    /// Returns whether the key begins with `prefix`, as the keys of a simulator do.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        self.0.key.starts_with(prefix)
    }

    /// Returns what may be shown: the id of a `key_id:secret`, or the user of a password; `None` if all is secret.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.id.as_deref()
    }

    /// Returns what must never be shown, as far as it can be distinguished from other text.
    pub(crate) fn needles(&self) -> &Needles {
        &self.0.needles
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

/// Returns the text without the one line break at its end that `echo` and editors add.
fn trimmed(text: &str) -> &str {
    text.strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

/// Returns the key, if it can be one.
fn checked(key: &SecretString) -> Result<&str, ConfigError> {
    let key = trimmed(key.expose_secret());
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
    if is_placeholder(key) || key.ends_with("...") || key.ends_with('…') {
        return Err(ConfigError::new(
            "the API key is a placeholder: put the real one there",
        ));
    }
    Ok(key)
}

fn is_placeholder(key: &str) -> bool {
    let shout = key.to_ascii_uppercase();
    [
        "YOUR_API_KEY",
        "YOUR-API-KEY",
        "<API_KEY>",
        "API_KEY",
        "CHANGEME",
    ]
    .contains(&shout.as_str())
}
