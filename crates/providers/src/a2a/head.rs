//! The status of a task and no more of it: what polling reads. Artifacts come with every read and may be large; nothing
//! of them is copied.

use serde::de::{IgnoredAny, MapAccess};
use taskward_core::{ReadError, Response};

use super::agent::A2a;
use super::events::{check_named, named};
use super::types::TaskStatus;
use crate::wire::{self, FromWire, Key, Taken, Token};

/// What a task says of itself beside what it made and what was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TaskHead {
    pub(super) id: Option<Token>,
    pub(super) context_id: Option<Token>,
    pub(super) status: TaskStatus,
}

impl FromWire for TaskHead {
    const EXPECTED: &'static str = "a Task object";

    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Taken<Self>, A::Error> {
        let mut head = Self::default();
        let mut status = None;
        // What does not fit is not kept.
        let mut others = serde_json::Map::new();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key.as_str() {
                "id" => wire::optional(&mut map, "id", &mut head.id, &mut others)?,
                "contextId" => {
                    wire::optional(&mut map, "contextId", &mut head.context_id, &mut others)?;
                }
                "status" => wire::optional(&mut map, "status", &mut status, &mut others)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        head.status = status.unwrap_or_default();
        Ok(Taken::Is(head))
    }
}

impl TaskHead {
    /// Reads the head of this task.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read, or is about another task.
    pub(super) fn read(agent: &A2a, id: &str, reply: &Response) -> Result<Self, ReadError> {
        let head: Self = agent.skim(&reply.body)?;
        check_named(id, named(&head.id))?;
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use taskward_core::ReadErrorKind;

    use super::*;
    use crate::a2a::agent::Binding;
    use crate::a2a::status::{State, state_of};

    fn read(binding: Binding, body: &str) -> Result<TaskHead, ReadErrorKind> {
        let agent = A2a::at(binding, "/").expect("a path");
        let reply = Response::new(StatusCode::OK, body.to_owned());
        TaskHead::read(&agent, "t", &reply).map_err(|error| error.kind())
    }

    fn wrapped(task: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{task}}}"#)
    }

    /// Rows: P8.
    #[test]
    fn the_head_of_a_task_is_read_in_both_bindings_and_at_no_cut() {
        let task = r#"{"id":"t","contextId":"c","artifacts":[{"parts":[{"text":"\"id\":\"x\""}]}],"status":{"state":"TASK_STATE_WORKING","timestamp":"2026-11-29T21:02:59Z"},"history":[{"taskId":"other"}],"metadata":{"id":"x"}}"#;
        for binding in Binding::ALL {
            let whole = match binding {
                Binding::JsonRpc => wrapped(task),
                Binding::HttpJson => task.to_owned(),
            };
            let head = read(*binding, &whole).expect("a head");
            assert_eq!(state_of(&head.status), State::Working);
            assert_eq!(named(&head.context_id), Some("c"));
            for end in 1..whole.len() {
                assert_eq!(
                    read(*binding, &whole[..end]),
                    Err(ReadErrorKind::Truncated),
                    "cut at {end}"
                );
            }
            let foreign = whole.replacen("\"t\"", "\"u\"", 1);
            assert_eq!(read(*binding, &foreign), Err(ReadErrorKind::Foreign));
        }
    }

    #[test]
    fn what_the_plain_reading_refuses_is_read_by_the_tolerant_rules() {
        for odd in [
            "\u{feff}{\"id\":\"t\",\"status\":{\"state\":\"working\"}}",
            r#"{"id":"t","status":{"state":"working","message":{"parts":[{"text":"\ud83d"}]}}}"#,
            r#"{"id":"t","status":{"state":"working"},"metadata":{"wide":123456789012345678901234567890,"nan":NaN}}"#,
        ] {
            let head = read(Binding::HttpJson, odd).expect(odd);
            assert_eq!(state_of(&head.status), State::Working, "{odd}");
        }
        for (odd, state) in [
            ("{}", State::Unknown),
            (r#"{"status":null}"#, State::Unknown),
            (r#"{"status":7,"id":""}"#, State::Unknown),
            (
                r#"{"status":{"state":"TASK_STATE_PAUSED"}}"#,
                State::Unknown,
            ),
            (r#"{"status":{"state":"failed"},"id":null}"#, State::Failed),
        ] {
            assert_eq!(
                state_of(&read(Binding::HttpJson, odd).expect(odd).status),
                state,
                "{odd}"
            );
            let head = read(Binding::JsonRpc, &wrapped(odd)).expect(odd);
            assert_eq!(state_of(&head.status), state, "{odd}");
        }
        for (none, kind) in [
            ("", ReadErrorKind::Empty),
            ("[]", ReadErrorKind::Shape),
            ("<html>", ReadErrorKind::Html),
            (r#"{"id":"t[key]"}"#, ReadErrorKind::Shape),
        ] {
            assert_eq!(read(Binding::HttpJson, none), Err(kind), "{none}");
        }
        let wrong = wrapped("{}").replace("\"id\":1", "\"id\":9");
        assert_eq!(read(Binding::JsonRpc, &wrong), Err(ReadErrorKind::Shape));
    }
}
