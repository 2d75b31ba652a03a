//! The newest events that were acknowledged, to show with the next question.

use std::collections::VecDeque;

use serde_json::Value;

use crate::event::RawEvent;

/// The newest events that were acknowledged, to show with the next question.
#[derive(Debug)]
pub(in crate::task) struct RecentEvents {
    events: VecDeque<RawEvent>,
}

impl RecentEvents {
    /// Events that are kept.
    const MAX: usize = 64;

    /// Bytes of text in an event that is kept; a larger event is no step to show.
    const MAX_TEXT: usize = 16 * 1024;

    pub(in crate::task) const fn new() -> Self {
        Self {
            events: VecDeque::new(),
        }
    }

    pub(in crate::task) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(in crate::task) fn push(&mut self, event: RawEvent) {
        if text_beyond(&event.data, Self::MAX_TEXT).is_none() {
            return;
        }
        if self.events.len() == Self::MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(in crate::task) fn clear(&mut self) {
        self.events.clear();
    }

    /// Returns the newest events whose texts together have this many bytes, oldest first.
    pub(in crate::task) fn newest(&self, bytes: usize) -> impl Iterator<Item = &RawEvent> {
        let mut room = Some(bytes);
        let fits = |event: &&RawEvent| {
            room = room.and_then(|room| text_beyond(&event.data, room));
            room.is_some()
        };
        let count = self.events.iter().rev().take_while(fits).count();
        self.events.iter().skip(self.events.len() - count)
    }

    pub(in crate::task) fn as_slice(&mut self) -> &[RawEvent] {
        self.events.make_contiguous()
    }
}

/// Returns what is left of `room` after the text in `value`, or `None` if the text does not fit. It reads no further
/// than that.
fn text_beyond(value: &Value, room: usize) -> Option<usize> {
    let room = room.checked_sub(8)?;
    match value {
        Value::String(text) => room.checked_sub(text.len()),
        Value::Array(values) => values
            .iter()
            .try_fold(room, |room, value| text_beyond(value, room)),
        Value::Object(map) => map.iter().try_fold(room, |room, (name, value)| {
            text_beyond(value, room.checked_sub(name.len())?)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(room),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_steps_are_kept_but_for_those_that_are_too_large_to_show() {
        let step = |number: usize, data: Value| RawEvent::new(None, number.to_string(), data);
        let shown = |steps: &mut RecentEvents| -> Vec<String> {
            let steps = steps.as_slice().iter();
            steps.map(|event| event.name.clone()).collect()
        };
        let mut steps = RecentEvents::new();
        let most = 16 * 1024 - 8;
        for (number, data, fits) in [
            (1, json!("x".repeat(most)), true),
            (2, json!("x".repeat(most + 1)), false),
            (3, json!(["x".repeat(most - 8), 1, true]), false),
            (4, json!(["x".repeat(most - 24), 1, true]), true),
            (5, json!(["x".repeat(most - 23), 1, true]), false),
            (6, json!({"name": "x".repeat(most - 12)}), true),
            (7, json!({"name": "x".repeat(most - 11)}), false),
            (
                8,
                json!({"name": "x", "names": "x".repeat(most - 26)}),
                true,
            ),
            (
                9,
                json!({"name": "x", "names": "x".repeat(most - 25)}),
                false,
            ),
            (10, json!(vec![0; most / 8]), true),
            (11, json!(vec![0; most / 8 + 1]), false),
            (12, Value::Null, true),
        ] {
            steps.push(step(number, data));
            let shown = shown(&mut steps).contains(&number.to_string());
            assert_eq!(shown, fits, "{number}");
        }
        steps.clear();
        assert_eq!(shown(&mut steps), [""; 0]);
        for number in 1..=RecentEvents::MAX + 2 {
            steps.push(step(number, Value::Null));
        }
        let shown = shown(&mut steps);
        assert_eq!(shown.len(), RecentEvents::MAX);
        assert_eq!(shown.first().map(String::as_str), Some("3"));
        assert_eq!(shown.last(), Some(&(RecentEvents::MAX + 2).to_string()));
    }
}
