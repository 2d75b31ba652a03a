//! What the agent says while it works: as it comes on a terminal, joined step by step elsewhere, and whole at the end.

use std::collections::HashMap;

use taskward::core::sanitise::one_line;
use taskward::core::{OutputPiece, RawEvent};

use super::steps;
use crate::platform::{Piece, Transcript, Words};

/// The longest text that is kept for the answer.
const MAX_TEXT: usize = 64 << 20;

/// The longest line of a step's text, where it does not flow.
const WIDTH: usize = 200;

/// What is told of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A part of a text that goes on.
    Flow(String),
    /// Lines of their own.
    Lines(Vec<String>),
}

/// The text of one task.
#[derive(Debug, Default)]
pub(super) struct ProgressLine {
    transcript: Transcript,
    /// The beginning of the step's text, where it does not flow.
    step: String,
    /// The outputs that came in pieces, each with what was told of it.
    outputs: HashMap<String, String>,
    /// The one that a piece came of last.
    output: Option<String>,
}

impl ProgressLine {
    /// Takes the next event.
    pub(super) fn take(&mut self, event: &RawEvent, words: &Words, flows: bool) -> Progress {
        let piece = (words.piece)(event);
        let said = match &piece {
            Some(Piece::Said(text)) => text.len(),
            _ => 0,
        };
        if let Some(piece) = &piece
            && said + self.transcript.len() <= MAX_TEXT
        {
            self.transcript.push(piece);
        }
        match piece {
            Some(Piece::Said(text)) if flows => Progress::Flow(text),
            Some(Piece::Said(text)) => {
                // Enough for a line, also when it is all blanks but the end.
                if self.step.len() < 8 * WIDTH {
                    self.step.push_str(&text);
                }
                Progress::Lines(Vec::new())
            }
            Some(Piece::Void) => {
                let mut lines = self.rest();
                lines.extend((words.told)(event));
                lines.push("(retrying the step; the text above is void)".to_owned());
                Progress::Lines(lines)
            }
            _ => {
                let told = (words.told)(event);
                if told.is_empty() {
                    // The text goes on behind it.
                    return Progress::Lines(Vec::new());
                }
                let mut lines = self.rest();
                lines.extend(told);
                Progress::Lines(lines)
            }
        }
    }

    /// Takes a piece of the answer.
    pub(super) fn piece(&mut self, piece: &OutputPiece, flows: bool) -> Progress {
        let told = self.outputs.entry(piece.artifact.clone()).or_default();
        let (text, is_replaced) = match piece.append {
            true => (piece.text.as_str(), false),
            // After a reconnect the whole comes again.
            false => match piece.text.strip_prefix(told.as_str()) {
                Some(more) => (more, false),
                None => (piece.text.as_str(), true),
            },
        };
        if is_replaced {
            told.clear();
        }
        if told.len() + text.len() <= MAX_TEXT {
            told.push_str(text);
        }
        let is_next = self.output.as_ref() != Some(&piece.artifact);
        if text.is_empty() {
            return Progress::Lines(Vec::new());
        }
        let goes_on = !is_next && !is_replaced;
        self.output = Some(piece.artifact.clone());
        if flows {
            let text = match goes_on || self.outputs.len() == 1 && !is_replaced {
                true => text.to_owned(),
                false => format!("\n{text}"),
            };
            return Progress::Flow(text);
        }
        let mut lines = match goes_on {
            true => Vec::new(),
            false => self.rest(),
        };
        if is_replaced {
            lines.push("(the text above is replaced)".to_owned());
        }
        if self.step.len() < 8 * WIDTH {
            self.step.push_str(text);
        }
        if piece.last {
            lines.extend(self.rest());
        }
        Progress::Lines(lines)
    }

    /// The line of the text that was held back.
    pub(super) fn rest(&mut self) -> Vec<String> {
        let text = one_line(&std::mem::take(&mut self.step));
        if text.is_empty() {
            return Vec::new();
        }
        vec![format!("said: {}", steps::clipped(&text, WIDTH))]
    }

    /// All that was said and stands.
    pub(super) fn text(&self) -> Option<&str> {
        self.transcript.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use taskward::agent_harness::AgentHarness;

    fn event(name: &str, value: Value) -> RawEvent {
        let data = json!({"seq": 1, "type": name, "payload": {"value": value}});
        RawEvent::new(None, name, data)
    }

    fn said(text: &str) -> RawEvent {
        event(
            "step.progress",
            json!({"kind": "content_delta", "content_delta": text}),
        )
    }

    #[test]
    fn fragments_are_one_line_where_they_do_not_flow_and_a_void_step_says_so() {
        let mut voice = ProgressLine::default();
        let words = Words::of::<AgentHarness>();
        for text in ["Hel", "lo,\n", "team"] {
            assert_eq!(
                voice.take(&said(text), &words, false),
                Progress::Lines(Vec::new())
            );
        }
        let void = event("step.done", json!({"outcome": "retry_step"}));
        let Progress::Lines(lines) = voice.take(&void, &words, false) else {
            panic!("lines");
        };
        assert_eq!(lines[0], "said: Hello, team");
        assert!(lines[2].contains("void"), "{lines:?}");
        assert_eq!(voice.text(), None);
        assert_eq!(
            voice.take(&said("Hi"), &words, true),
            Progress::Flow("Hi".into())
        );
        assert_eq!(voice.text(), Some("Hi"));
    }
}
