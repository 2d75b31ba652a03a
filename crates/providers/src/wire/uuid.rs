use std::{cmp::Ordering, fmt, hash};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{
    lenient::{FromWire, optional_id, read},
    repair::is_damaged,
    text::Text,
};

/// An id that should be a UUID, and its text when it is not: an odd id is still an id. One that lost a character on its way
/// does not count: it may be another's.
///
/// Two ids are equal when their texts are.
///
/// ```
/// # use taskward_providers::wire::Uuid;
/// let id = Uuid::from("67e55044-10b1-426f-9247-bb680e5fe0c8");
/// assert_eq!(id.parsed().map(|bytes| bytes[0]), Some(0x67));
/// assert_eq!(Uuid::from("task/7").parsed(), None);
/// assert_eq!(Uuid::from("task/7").as_str(), "task/7");
/// ```
#[derive(Clone)]
pub struct Uuid(Text);

impl Uuid {
    /// Returns the text as it came.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the sixteen bytes, when the text is a UUID.
    pub fn parsed(&self) -> Option<[u8; 16]> {
        uuid::Uuid::try_parse(self.as_str())
            .ok()
            .map(uuid::Uuid::into_bytes)
    }
}

impl FromWire for Uuid {
    const EXPECTED: &'static str = "an undamaged id";

    fn from_text(text: &str) -> Option<Self> {
        (!is_damaged(text)).then(|| Self::from(text))
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        match value {
            Value::Number(number) => Ok(Self::from(number.to_string().as_str())),
            other => Err(other),
        }
    }

    fn read_optional<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(Option<Self>, Option<Value>), D::Error> {
        optional_id(deserializer)
    }
}

impl From<&str> for Uuid {
    fn from(text: &str) -> Self {
        Self(Text::new(text))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Uuid {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Uuid {}

impl PartialOrd for Uuid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Uuid {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for Uuid {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_as_its_text_and_anything_else_is_refused() {
        assert_eq!(serde_json::from_str::<Uuid>("17").unwrap().as_str(), "17");
        assert_eq!(serde_json::from_str::<Uuid>("\"\"").unwrap().as_str(), "");
        let error = serde_json::from_str::<Uuid>("{\"id\":1}")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("expected an undamaged id, found an object"),
            "{error}"
        );
    }

    #[test]
    fn text_is_kept_byte_for_byte() {
        for text in [
            "67E55044-10B1-426F-9247-BB680E5FE0C8",
            "..",
            "a/b\u{0}c",
            &"9".repeat(10_000),
        ] {
            let json = serde_json::to_string(text).unwrap();
            let id: Uuid = serde_json::from_str(&json).unwrap();
            assert_eq!(id.as_str(), text);
            assert_eq!(serde_json::to_string(&id).unwrap(), json);
        }
    }
}
