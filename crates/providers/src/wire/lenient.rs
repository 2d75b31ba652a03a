//! One visitor that takes whatever JSON is at a place: the wanted type, `null`, or something else, preserved as it is.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use taskward_core::is_redacted;

/// What was found where a `T` was expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken<T> {
    /// Nothing, or `null`.
    Null,
    /// A `T`.
    Is(T),
    /// Something else.
    Not(Value),
}

impl<T: FromWire> Taken<T> {
    /// Returns the value of a field that its owner needs.
    ///
    /// # Errors
    ///
    /// When it is absent, `null` or of another type; the message names owner and field.
    pub fn need<E: Error>(self, owner: &str, field: &str) -> Result<T, E> {
        match self {
            Self::Is(value) => Ok(value),
            Self::Null => Err(E::custom(format_args!("{owner} has no \"{field}\""))),
            Self::Not(value) => {
                let (found, expected) = (kind(&value), T::EXPECTED);
                Err(E::custom(format_args!(
                    "\"{field}\" of {owner} is {found}, expected {expected}"
                )))
            }
        }
    }
}

/// A type that can be read from JSON without failing when something else is there.
///
/// An implementation overrides the kinds of JSON it can come from.
pub trait FromWire: Sized {
    /// What is expected, for error messages: "a string".
    const EXPECTED: &'static str;

    /// Whether reading the right kind of JSON can still fail, because something inside is needed.
    const FALLIBLE: bool = false;

    /// Reads a string.
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    /// Reads an owned string, or returns it unread.
    ///
    /// # Errors
    ///
    /// The string, when it is not a `Self`.
    fn from_owned(text: String) -> Result<Self, String> {
        Self::from_text(&text).ok_or(text)
    }

    /// Reads a boolean or number, and an array or object unless [`from_seq`](Self::from_seq) or
    /// [`from_map`](Self::from_map) do, or returns it unread.
    ///
    /// # Errors
    ///
    /// The value, when it is not a `Self`.
    fn from_json(value: Value) -> Result<Self, Value> {
        Err(value)
    }

    /// Reads an array.
    ///
    /// # Errors
    ///
    /// When the input is broken, or something needed inside is missing.
    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Taken<Self>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(taken(Value::Array(items)))
    }

    /// Reads an object.
    ///
    /// # Errors
    ///
    /// When the input is broken, or something needed inside is missing.
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Taken<Self>, A::Error> {
        let mut object = Map::new();
        while let Some((key, value)) = map.next_entry()? {
            object.insert(key, value);
        }
        Ok(taken(Value::Object(object)))
    }

    /// Reads a field that nobody needs, and what could not be read of it.
    ///
    /// # Errors
    ///
    /// Only when the input is broken.
    fn read_optional<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(Option<Self>, Option<Value>), D::Error> {
        let found = if Self::FALLIBLE {
            retaken(Value::deserialize(deserializer)?)
        } else {
            Take::new().deserialize(deserializer)?
        };
        Ok(match found {
            Taken::Null => (None, None),
            Taken::Is(value) => (Some(value), None),
            Taken::Not(value) => (None, Some(value)),
        })
    }
}

/// Reads a whole value, for `Deserialize` of a wire type.
///
/// # Errors
///
/// When something else is there, or something needed inside is missing.
pub fn read<'de, D: Deserializer<'de>, T: FromWire>(deserializer: D) -> Result<T, D::Error> {
    let expected = T::EXPECTED;
    match Take::new().deserialize(deserializer)? {
        Taken::Is(value) => Ok(value),
        Taken::Null => Err(D::Error::custom(format_args!(
            "expected {expected}, found null"
        ))),
        Taken::Not(value) => Err(D::Error::custom(format_args!(
            "expected {expected}, found {}",
            kind(&value)
        ))),
    }
}

/// Reads an id or a cursor that nobody needs, as [`FromWire::read_optional`]. One that the API key was removed from is
/// not passed over: the server meant something by it that nobody can know.
///
/// # Errors
///
/// When the input is broken, or the key was in it.
pub(super) fn optional_id<'de, D: Deserializer<'de>, T: FromWire>(
    deserializer: D,
) -> Result<(Option<T>, Option<Value>), D::Error> {
    Ok(match Take::new().deserialize(deserializer)? {
        Taken::Null => (None, None),
        Taken::Is(id) => (Some(id), None),
        Taken::Not(Value::String(text)) if is_redacted(&text) => {
            return Err(D::Error::custom("an id or a cursor holds the API key"));
        }
        Taken::Not(value) => (None, Some(value)),
    })
}

/// Reads the value of a needed field; [`Taken::need`] judges it when the whole object has been seen.
///
/// # Errors
///
/// When the input is broken, or something needed inside is missing.
pub fn value<'de, A: MapAccess<'de>, T: FromWire>(map: &mut A) -> Result<Taken<T>, A::Error> {
    map.next_value_seed(Take::new())
}

/// Reads the value of a field nobody needs into `slot`; what does not fit goes to `extra` under the field's name.
///
/// # Errors
///
/// Only when the input is broken.
pub fn optional<'de, A: MapAccess<'de>, T: FromWire>(
    map: &mut A,
    name: &str,
    slot: &mut Option<T>,
    extra: &mut Map<String, Value>,
) -> Result<(), A::Error> {
    let (value, left) = map.next_value_seed(Optional(PhantomData))?;
    *slot = value;
    // The last of several equal keys counts, also when an earlier one did not fit.
    match left {
        Some(left) => drop(extra.insert(name.to_owned(), left)),
        None => drop(extra.remove(name)),
    }
    Ok(())
}

/// Preserves a field that the specification does not name.
///
/// # Errors
///
/// Only when the input is broken.
pub fn unknown<'de, A: MapAccess<'de>>(
    map: &mut A,
    key: Key<'de>,
    extra: &mut Map<String, Value>,
) -> Result<(), A::Error> {
    let value = map.next_value()?;
    extra.insert(key.0.into_owned(), value);
    Ok(())
}

/// The name of a field, borrowed from the input where it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'de>(Cow<'de, str>);

impl Key<'_> {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Takes one value whatever it is.
pub(super) struct Take<T>(PhantomData<T>);

impl<T> Take<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: FromWire> DeserializeSeed<'de> for Take<T> {
    type Value = Taken<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FromWire> Visitor<'de> for Take<T> {
    type Value = Taken<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Taken::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(taken(Value::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(taken(Value::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(taken(Value::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(taken(Value::from(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text).map_or_else(|| Taken::Not(Value::from(text)), Taken::Is))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(match T::from_owned(text) {
            Ok(value) => Taken::Is(value),
            Err(text) => Taken::Not(Value::from(text)),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::from_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::from_map(map)
    }
}

/// Takes one optional value whatever it is.
pub(super) struct Optional<T>(pub(super) PhantomData<T>);

impl<'de, T: FromWire> DeserializeSeed<'de> for Optional<T> {
    type Value = (Option<T>, Option<Value>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::read_optional(deserializer)
    }
}

fn taken<T: FromWire>(value: Value) -> Taken<T> {
    match T::from_json(value) {
        Ok(value) => Taken::Is(value),
        Err(value) => Taken::Not(value),
    }
}

/// Reads a value that was preserved whole, because a needed part of it may turn out to be missing.
fn retaken<T: FromWire>(value: Value) -> Taken<T> {
    match Take::<T>::new().deserialize(&value) {
        Ok(Taken::Is(found)) => Taken::Is(found),
        Ok(Taken::Null) => Taken::Null,
        Ok(Taken::Not(_)) | Err(_) => Taken::Not(value),
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::wire) fn optional_of<T: FromWire>(json: Value) -> (Option<T>, Option<Value>) {
        T::read_optional(&mut serde_json::Deserializer::from_str(&json.to_string())).unwrap()
    }

    #[test]
    fn what_does_not_fit_is_left_over_whole() {
        assert_eq!(
            optional_of::<String>(json!("a")),
            (Some("a".to_owned()), None)
        );
        assert_eq!(optional_of::<String>(json!(null)), (None, None));
        for odd in [
            json!(1),
            json!(-1),
            json!(1.5),
            json!(true),
            json!([1, [2]]),
            json!({"a": {"b": null}}),
        ] {
            assert_eq!(optional_of::<String>(odd.clone()), (None, Some(odd)));
        }
        assert_eq!(
            optional_of::<bool>(json!("true")),
            (None, Some(json!("true")))
        );
    }
}
