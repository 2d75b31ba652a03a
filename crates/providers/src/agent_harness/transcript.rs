//! The agent's messages, joined from the pieces that its events carry.

use serde::Deserialize as _;
use serde_json::Value;
use taskward_core::RawEvent;

use super::types::{
    RunEventType, StepDonePayload, StepOutcome, StepProgressPayload, StepProgressPayloadKind,
};

/// The text of a run, joined from its `content_delta` fragments in the order of the events.
///
/// A step that ends in `retry_step` is repeated, so the text of its first try is dropped. That the fragments add up to the
/// final text is our inference: the platform's documentation names no field for it.
///
/// ```
/// use taskward_providers::agent_harness::Transcript;
/// # use taskward_core::RawEvent;
/// # use serde_json::json;
/// # let delta = |text: &str| RawEvent::new(None, "step.progress", json!({"payload": {"value":
/// #     {"kind": "content_delta", "content_delta": text}}}));
/// # let retry = RawEvent::new(None, "step.done", json!({"payload": {"value": {"outcome": "retry_step"}}}));
/// # let events = [delta("Helo"), retry, delta("Hello, "), delta("team.")];
/// let mut transcript = Transcript::default();
/// for event in &events {
///     transcript.push(event);
/// }
/// assert_eq!(transcript.text(), "Hello, team.");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    text: String,
    /// Where the step in progress begins.
    step: usize,
}

/// What an event does to the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece {
    /// Add this text.
    Said(String),
    /// Drop the text of the step in progress.
    Void,
    /// Complete the text of the step in progress.
    Kept,
}

impl Piece {
    /// Returns what this event does to the text; `None` for most events.
    #[must_use]
    pub fn of(event: &RawEvent) -> Option<Self> {
        let value = event.data.get("payload")?.get("value")?;
        match RunEventType::from(event.name.as_str()) {
            RunEventType::StepProgress => {
                let progress = StepProgressPayload::deserialize(value).ok()?;
                match (progress.kind, progress.content_delta) {
                    (Some(StepProgressPayloadKind::ContentDelta) | None, Some(text)) => {
                        Some(Self::Said(text))
                    }
                    _ => None,
                }
            }
            RunEventType::StepDone => {
                let done = StepDonePayload::deserialize(value).ok()?;
                Some(match done.outcome {
                    Some(StepOutcome::RetryStep) => Self::Void,
                    _ => Self::Kept,
                })
            }
            _ => None,
        }
    }
}

impl Transcript {
    /// Takes the next event.
    pub fn push(&mut self, event: &RawEvent) {
        match Piece::of(event) {
            Some(Piece::Said(text)) => self.text.push_str(&text),
            Some(Piece::Void) => self.text.truncate(self.step),
            Some(Piece::Kept) => self.step = self.text.len(),
            None => {}
        }
    }

    /// Returns the text so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Builds the transcript of events in the form in which a question holds them.
    pub(super) fn of_steps(steps: &[RawEvent]) -> Self {
        let mut transcript = Self::default();
        for step in steps {
            transcript.push(step);
        }
        transcript
    }
}

/// Returns the text that a payload has under one of the names that platforms use for a question; none is documented here.
pub(super) fn prompt_of(value: &Value) -> Option<&str> {
    ["prompt", "question", "message", "description"]
        .iter()
        .find_map(|name| value.get(*name)?.as_str())
        .filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, value: Value) -> RawEvent {
        RawEvent::new(None, name, json!({"payload": {"value": value}}))
    }

    fn said(text: &str) -> RawEvent {
        event(
            "step.progress",
            json!({"kind": "content_delta", "content_delta": text}),
        )
    }

    fn done(outcome: &str) -> RawEvent {
        event("step.done", json!({"outcome": outcome}))
    }

    /// Rows: E26.
    #[test]
    fn a_retried_step_takes_its_own_words_back_and_no_others() {
        let events = [
            said("one "),
            done("succeeded"),
            said("tow"),
            done("retry_step"),
            said("two "),
            event(
                "step.progress",
                json!({"kind": "thinking", "content": "hm"}),
            ),
            event("run.paused", json!({"content_delta": "x"})),
            event("step.progress", Value::Null),
            done("succeeded"),
            done("retry_step"),
            said("three"),
        ];
        assert_eq!(Transcript::of_steps(&events).text(), "one two three");
    }
}
