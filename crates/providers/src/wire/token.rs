use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{
    lenient::{FromWire, optional_id, read},
    repair::is_damaged,
};

/// An opaque value that may come as a string or as an integer, held as text; a cursor, say. One that lost a character on
/// its way does not count.
///
/// ```
/// # use taskward_providers::wire::{Token, decode};
/// assert_eq!(decode::<Token>(b"12"), decode::<Token>(b"\"12\""));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// Returns the text as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromWire for Token {
    const EXPECTED: &'static str = "an undamaged string or an integer";

    fn from_text(text: &str) -> Option<Self> {
        (!is_damaged(text)).then(|| Self::from(text))
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        match value {
            Value::Number(number) if !number.is_f64() => Ok(Self(number.to_string())),
            other => Err(other),
        }
    }

    fn read_optional<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(Option<Self>, Option<Value>), D::Error> {
        optional_id(deserializer)
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::decode;

    #[test]
    fn a_string_or_an_integer_is_kept_as_text_and_nothing_else_is() {
        let cases = [
            ("\"a b\"", "a b"),
            ("\"\"", ""),
            ("0", "0"),
            ("-7", "-7"),
            ("18446744073709551615", "18446744073709551615"),
            (
                "12345678901234567890123456789",
                "12345678901234567890123456789",
            ),
        ];
        for (json, text) in cases {
            assert_eq!(decode(json.as_bytes()), Ok(Token::from(text)), "{json}");
        }
        for json in ["1.5", "12.0", "true", "null", "[]", "{}"] {
            assert!(decode::<Token>(json.as_bytes()).is_err(), "{json}");
        }
    }
}
