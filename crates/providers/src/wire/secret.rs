use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::lenient::{FromWire, read};

/// A string of the wire that nobody is to see: neither `Debug` nor `Display` shows it. It is wiped when it is dropped.
///
/// A value that should be a secret and is no string is one, too: its JSON text is.
///
/// ```
/// # use taskward_providers::wire::Secret;
/// let token = Secret::from("tok123");
/// assert_eq!(format!("{token:?}"), "Secret(..)");
/// assert_eq!(token.expose(), "tok123");
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl FromWire for Secret {
    const EXPECTED: &'static str = "a string";

    fn from_text(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }

    fn from_owned(text: String) -> Result<Self, String> {
        Ok(Self(text.into()))
    }

    // Otherwise it would be kept among the unnamed fields, which `Debug` shows.
    fn from_json(value: Value) -> Result<Self, Value> {
        Ok(Self(value.to_string().into()))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<SecretString> for Secret {
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// Into a request, which is what it is for.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    /// Rows: P12.
    #[test]
    fn whatever_stands_where_a_secret_should_is_never_shown() {
        for (json, text) in [
            ("\"tok123\"", "tok123"),
            ("7", "7"),
            ("{\"token\":\"tok123\"}", "{\"token\":\"tok123\"}"),
            ("[\"tok123\"]", "[\"tok123\"]"),
            ("\"\"", ""),
        ] {
            let secret: Secret = decode(json.as_bytes()).expect(json);
            assert_eq!(secret.expose(), text);
            assert_eq!(
                format!("{secret:?} {:?}", Some(&secret)),
                "Secret(..) Some(Secret(..))"
            );
            assert_eq!(secret, Secret::from(text));
        }
        assert!(decode::<Secret>(b"null").is_err());
        let secret = Secret::from(SecretString::from("a"));
        assert_eq!(serde_json::to_string(&secret).expect("JSON"), "\"a\"");
        assert_ne!(secret, Secret::from("b"));
    }
}
