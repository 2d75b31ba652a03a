//! What came of a run.

use serde_json::{Value, json};
use taskward_core::{Output, RawEvent, TaskId};

/// The end of a successful run: the run as the platform reads it.
///
/// The platform documents no field for a run's result. [`text`](Output::text) and [`json`](Output::json) find one under
/// the names that a result would have; a [`Transcript`](super::Transcript) of the events joins the agent's messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    raw: Value,
    /// The event that says so, when the run's own read never agreed.
    unconfirmed: Option<String>,
}

impl Answer {
    pub(super) fn new(raw: Value) -> Self {
        Self {
            raw,
            unconfirmed: None,
        }
    }

    /// Returns the end that an event reported, and that no read of the run confirmed in time.
    pub(super) fn unconfirmed(id: &TaskId, raw: Option<Value>, event: &RawEvent) -> Self {
        Self {
            raw: raw.unwrap_or_else(|| json!({ "id": id.as_str() })),
            unconfirmed: Some(event.name.clone()),
        }
    }

    /// Returns whether a read of the run says that it succeeded. If not, only its last event does.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_none()
    }

    fn result(&self) -> Option<&Value> {
        ["result", "output"]
            .iter()
            .find_map(|name| self.raw.get(*name))
            .filter(|value| !value.is_null())
    }
}

impl Output for Answer {
    fn text(&self) -> Option<String> {
        let result = self.result()?;
        let text = result.as_str().or_else(|| {
            ["text", "content", "summary"]
                .iter()
                .find_map(|name| result.get(*name)?.as_str())
        });
        text.map(str::to_owned)
    }

    fn json(&self) -> Option<&Value> {
        self.result()
            .filter(|result| result.is_object() || result.is_array())
    }

    fn raw(&self) -> &Value {
        &self.raw
    }
}
