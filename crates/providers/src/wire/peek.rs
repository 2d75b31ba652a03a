//! Reading no more of an object than its status: what polling does most.

use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use serde_json::Value;

use super::{
    DecodeError, FromWire, Key, Subject, Taken, decode::decode_with, is_damaged, subject::Names,
    value,
};

/// Reads the `status` of the object in `body`, when nothing in it names another task, and nothing else: no field is copied,
/// none that is not needed can fail. Most replies need no repair, so they are read at once; what fails is read again by
/// the tolerant rules, which also word the error.
///
/// # Errors
/// When it is no object, has no status, or names another task.
pub fn peek<S: FromWire>(body: &[u8], subject: Subject<'_>) -> Result<S, DecodeError> {
    let seed = Peek(subject, PhantomData);
    let mut plain = serde_json::Deserializer::from_slice(body);
    let read = seed.deserialize(&mut plain);
    let found = match read.and_then(|found| plain.end().map(|()| found)) {
        Ok(found) if !found.is_foreign => found,
        // An id that is a wide number is one by the tolerant rules alone.
        Ok(_) | Err(_) => decode_with(body, seed)?,
    };
    if found.is_foreign {
        return Err(DecodeError::Foreign);
    }
    Ok(found.status)
}

struct Found<S> {
    status: S,
    is_foreign: bool,
}

struct Peek<'a, S>(Subject<'a>, PhantomData<S>);

impl<S> Clone for Peek<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Peek<'_, S> {}

impl<'de, S: FromWire> DeserializeSeed<'de> for Peek<'_, S> {
    type Value = Found<S>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<S>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: FromWire> Visitor<'de> for Peek<'_, S> {
    type Value = Found<S>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with a status")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<S>, A::Error> {
        let mut status = Taken::Null;
        let mut is_foreign = false;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if key.as_str() == "status" {
                status = value(&mut map)?;
            } else {
                is_foreign |= Names(self.0).member(key.as_str(), &mut map)?;
            }
        }
        let Whole(status) = status.need("object", "status")?;
        Ok(Found { status, is_foreign })
    }
}

/// Returns a status of which nothing was lost: a damaged one may be another word, and is not reported as one.
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
    use crate::wire::Naming;

    const NAMING: Naming = Naming {
        ids: &["task_id"],
        inside: &[],
    };

    fn subject() -> Subject<'static> {
        Subject::new("7", &NAMING)
    }

    fn read(text: &str) -> Result<TaskStatus, String> {
        peek(text.as_bytes(), subject()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_status_of_another_task_is_none() {
        let wide = "12345678901234567890123";
        let of = |id: &str, task: &str| {
            let body = format!(r#"{{"status":"running","task_id":{task}}}"#);
            peek::<TaskStatus>(body.as_bytes(), Subject::new(id, &NAMING))
        };
        assert_eq!(of(wide, wide), Ok(TaskStatus::Running));
        assert_eq!(of("7", "7"), Ok(TaskStatus::Running));
        assert_eq!(of("7", "null"), Ok(TaskStatus::Running));
        for other in [wide, "8", "\"8\""] {
            assert_eq!(of("7", other), Err(DecodeError::Foreign), "{other}");
        }
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
        assert!(peek::<TaskStatus>(b"{\"status\":\"runn\xffing\"}", subject()).is_err());
        assert!(read("{}").expect_err("no status").contains("status"));
        assert!(read(r#"{"status":null}"#).is_err());
    }
}
