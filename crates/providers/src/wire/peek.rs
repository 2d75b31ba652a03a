//! Reading no more of an object than its status: what polling does most.

use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use serde_json::Value;

use super::{DecodeError, FromWire, Key, Taken, decode, is_damaged, value};

/// The `status` of the object in `body` and nothing else: no field is copied, none that is not needed can fail. Most
/// replies need no repair, so they are read at once; what fails is read again by the tolerant rules, which also word
/// the error.
///
/// # Errors
/// When it is no object, or has no status.
pub fn peek<S: FromWire>(body: &[u8]) -> Result<S, DecodeError> {
    let peek: Peek<S> = serde_json::from_slice(body).or_else(|_| decode(body))?;
    Ok(peek.0)
}

struct Peek<S>(S);

impl<'de, S: FromWire> Deserialize<'de> for Peek<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PeekVisitor(PhantomData))
    }
}

struct PeekVisitor<S>(PhantomData<S>);

impl<'de, S: FromWire> Visitor<'de> for PeekVisitor<S> {
    type Value = Peek<S>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with a status")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Peek<S>, A::Error> {
        let mut status = Taken::Null;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if key.as_str() == "status" {
                status = value(&mut map)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let Whole(status) = status.need("object", "status")?;
        Ok(Peek(status))
    }
}

/// A status of which nothing was lost: else it may be another word, and is not told as one.
struct Whole<S>(S);

impl<S: FromWire> FromWire for Whole<S> {
    const EXPECTED: &'static str = "an undamaged status";

    fn from_text(text: &str) -> Option<Self> {
        let whole = !is_damaged(text);
        whole.then(|| S::from_text(text)).flatten().map(Self)
    }

    fn from_json(value: Value) -> Result<Self, Value> {
        S::from_json(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::nanonets::TaskStatus;

    fn read(text: &str) -> Result<TaskStatus, String> {
        peek(text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn only_the_status_matters_and_the_last_one_counts() {
        assert_eq!(
            read(r#"{"task_id":7,"status":"running","title":{"a":[1]}}"#),
            Ok(TaskStatus::Running)
        );
        assert_eq!(
            read(r#"{"status":"running","status":"completed"}"#),
            Ok(TaskStatus::Completed)
        );
        for odd in [
            r#""paused""#,
            r#""""#,
            "7",
            r#""Completed""#,
            r#"" completed ""#,
            r#"{"a":1}"#,
        ] {
            let found = read(&format!(r#"{{"status":{odd}}}"#)).expect(odd);
            assert!(matches!(found, TaskStatus::Unknown(_)), "{odd}");
        }
        for damaged in [r#""runn\ud83ding""#, "\"\u{fffd}\""] {
            let error = read(&format!(r#"{{"status":{damaged}}}"#)).expect_err(damaged);
            assert!(error.contains("an undamaged status"), "{error}");
        }
        assert!(peek::<TaskStatus>(b"{\"status\":\"runn\xffing\"}").is_err());
        assert!(read("{}").expect_err("no status").contains("status"));
        assert!(read(r#"{"status":null}"#).is_err());
    }
}
