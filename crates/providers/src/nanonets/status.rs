//! Reading no more than the status: what polling does most.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use taskward_core::Status;

use super::types::TaskStatus;
use crate::wire::{self, Key, Taken};

/// A task's status and nothing else: no field is copied, none that is not needed can fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peek {
    pub(super) status: TaskStatus,
}

impl<'de> Deserialize<'de> for Peek {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PeekVisitor)
    }
}

/// Reads the status of a task. Most replies need no repair, so they are read at once; what fails is read again by the
/// tolerant rules, which also word the error.
pub(super) fn peek(body: &[u8]) -> Result<Peek, wire::DecodeError> {
    serde_json::from_slice(body).or_else(|_| wire::decode(body))
}

struct PeekVisitor;

impl<'de> Visitor<'de> for PeekVisitor {
    type Value = Peek;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a task")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Peek, A::Error> {
        let mut status = Taken::Null;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            if key.as_str() == "status" {
                status = wire::value(&mut map)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Peek {
            status: status.need("Task", "status")?,
        })
    }
}

/// The status for the machine; known words allocate nothing.
pub(super) fn status_of(status: &TaskStatus) -> Status {
    use TaskStatus as T;
    match status {
        T::Pending => Status::known("pending"),
        T::Queued => Status::known("queued"),
        T::Running => Status::known("running"),
        T::WaitingForInput => Status::known("waiting_for_input"),
        T::AwaitingReview => Status::known("awaiting_review"),
        T::Completed => Status::known("completed"),
        T::Failed => Status::known("failed"),
        T::Stopped => Status::known("stopped"),
        T::Unknown(raw) => Status::unknown(raw.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TaskStatus, String> {
        wire::decode::<Peek>(text.as_bytes())
            .map(|peek| peek.status)
            .map_err(|e| e.to_string())
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
        assert!(read("{}").expect_err("no status").contains("status"));
        assert!(read(r#"{"status":null}"#).is_err());
    }
}
