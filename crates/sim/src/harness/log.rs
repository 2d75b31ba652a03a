//! The events of a run, stored so that millions of them take no memory.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::time::rfc3339;

/// What a client supplied and no event shows.
const REDACTED: [&str; 4] = ["input", "metadata", "attachment_refs", "sensitivity_tags"];

/// The `kind` of a fragment of text.
const CONTENT_DELTA: &str = "content_delta";

/// The events of a run in the order of their time. An event may lie in the future: it is seen from its time on.
#[derive(Debug, Default)]
pub(crate) struct Log {
    chunks: Vec<Chunk>,
}

/// Events in a row that differ by their number and time alone.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The number of the first, from 0.
    first: u64,
    pub(crate) first_at: u64,
    pub(crate) count: u64,
    every_ms: u64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// One event: its type and the stored payload.
    One(Cow<'static, str>, Value),
    /// Fragments of made-up text, each of so many bytes.
    Deltas { bytes: usize },
}

impl Chunk {
    /// Returns how many of its events can be seen at a time.
    pub(crate) fn visible(&self, now: u64) -> u64 {
        match now.checked_sub(self.first_at) {
            None => 0,
            Some(age) => match age.checked_div(self.every_ms) {
                Some(intervals) => self.count.min(intervals + 1),
                None => self.count,
            },
        }
    }

    fn at(&self, nth: u64) -> u64 {
        self.first_at
            .saturating_add(self.every_ms.saturating_mul(nth))
    }

    fn last_at(&self) -> u64 {
        self.at(self.count.saturating_sub(1))
    }
}

impl Log {
    /// Adds an event, behind those that are there; gives its number.
    pub(crate) fn push(
        &mut self,
        at: u64,
        kind: impl Into<Cow<'static, str>>,
        value: Value,
    ) -> u64 {
        self.push_chunk(at, 1, 0, What::One(kind.into(), value))
    }

    /// Adds that many fragments of text.
    pub(crate) fn push_deltas(&mut self, at: u64, count: u64, every_ms: u64, bytes: usize) {
        if count > 0 {
            self.push_chunk(at, count, every_ms, What::Deltas { bytes });
        }
    }

    fn push_chunk(&mut self, at: u64, count: u64, every_ms: u64, what: What) -> u64 {
        let first = self.len();
        let first_at = at.max(self.chunks.last().map_or(0, Chunk::last_at));
        self.chunks.push(Chunk {
            first,
            first_at,
            count,
            every_ms,
            what,
        });
        first
    }

    /// Takes the fragments of text that are not to be seen yet out again; gives their number, interval and size.
    pub(crate) fn cut(&mut self, now: u64) -> Option<(u64, u64, usize)> {
        let chunk = self.chunks.last_mut()?;
        let seen = chunk.visible(now);
        let What::Deltas { bytes } = chunk.what else {
            return None;
        };
        let rest = (chunk.count - seen, chunk.every_ms, bytes);
        chunk.count = seen;
        if seen == 0 {
            self.chunks.pop();
        }
        (rest.0 > 0).then_some(rest)
    }

    /// Returns how many events there are, those of the future included.
    pub(crate) fn len(&self) -> u64 {
        self.chunks
            .last()
            .map_or(0, |chunk| chunk.first + chunk.count)
    }

    /// Returns how many events can be seen.
    pub(crate) fn visible(&self, now: u64) -> u64 {
        let begun = self.chunks.partition_point(|chunk| chunk.first_at <= now);
        match begun.checked_sub(1).map(|last| &self.chunks[last]) {
            Some(chunk) => chunk.first + chunk.visible(now),
            None => 0,
        }
    }

    /// Returns when the next event can be seen.
    pub(crate) fn next_after(&self, now: u64) -> Option<u64> {
        let number = self.visible(now);
        self.chunk_of(number)
            .map(|chunk| chunk.at(number - chunk.first))
    }

    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    fn chunk_of(&self, number: u64) -> Option<&Chunk> {
        let behind = self.chunks.partition_point(|chunk| chunk.first <= number);
        let chunk = &self.chunks[behind.checked_sub(1)?];
        (number - chunk.first < chunk.count).then_some(chunk)
    }

    /// Returns an event in its public envelope, as JSON on one line.
    pub(crate) fn envelope(&self, number: u64, seq: u64, redact: bool) -> Option<Vec<u8>> {
        let chunk = self.chunk_of(number)?;
        let made_up;
        let (kind, payload) = match &chunk.what {
            What::One(kind, value) => (kind.as_ref(), Payload::of(value, redact)),
            What::Deltas { bytes } => {
                made_up = text(number, *bytes);
                ("step.progress", Payload::of_text(&made_up))
            }
        };
        let envelope = Envelope {
            seq,
            kind,
            timestamp: rfc3339(chunk.at(number - chunk.first), true),
            payload,
        };
        Some(serde_json::to_vec(&envelope).expect("texts and JSON values serialise"))
    }
}

/// Returns the payload of a fragment of text.
pub(crate) fn delta(text: &str) -> Value {
    json!({ "kind": CONTENT_DELTA, "content_delta": text })
}

/// Returns an object without what the client supplied.
pub(crate) fn without_client_data(map: &Map<String, Value>) -> Value {
    let kept = map
        .iter()
        .filter(|(key, _)| !REDACTED.contains(&key.as_str()));
    Value::Object(
        kept.map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    )
}

/// Made-up text of that many bytes, the number first.
fn text(number: u64, bytes: usize) -> String {
    const WORDS: &str = "and then the quick brown fox jumped over the lazy dog ";
    let mut text = String::with_capacity(bytes + WORDS.len());
    text.push_str(&number.to_string());
    text.push(' ');
    while text.len() < bytes {
        text.push_str(WORDS);
    }
    text.truncate(bytes);
    text
}

#[derive(Serialize)]
struct Envelope<'a> {
    seq: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    redacted: bool,
    value: Shown<'a>,
}

/// A payload as it is shown. A fragment of text is written without a map in between: there are millions of them.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Stored(&'a Value),
    Redacted(Value),
    Delta {
        content_delta: &'a str,
        kind: &'static str,
    },
}

impl<'a> Payload<'a> {
    fn of(value: &'a Value, redact: bool) -> Self {
        let map = value.as_object().filter(|_| redact);
        match map.filter(|map| REDACTED.iter().any(|key| map.contains_key(*key))) {
            Some(map) => Self {
                redacted: true,
                value: Shown::Redacted(without_client_data(map)),
            },
            None => Self {
                redacted: false,
                value: Shown::Stored(value),
            },
        }
    }

    fn of_text(content_delta: &'a str) -> Self {
        let kind = CONTENT_DELTA;
        Self {
            redacted: false,
            value: Shown::Delta {
                content_delta,
                kind,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_seen_from_their_time_on_and_never_overtake() {
        let mut log = Log::default();
        assert_eq!(log.push(100, "a", json!({})), 0);
        log.push_deltas(200, 3, 10, 4);
        assert_eq!(
            log.push(205, "b", json!({})),
            4,
            "waits for those before it"
        );
        let seen = [99, 100, 199, 200, 209, 210, 219, 220].map(|now| log.visible(now));
        assert_eq!(seen, [0, 1, 1, 2, 2, 3, 3, 5]);
        assert_eq!(log.next_after(0), Some(100));
        assert_eq!(log.next_after(200), Some(210));
        assert_eq!(log.next_after(220), None);
    }

    #[test]
    fn a_log_is_cut_where_the_present_is() {
        let mut log = Log::default();
        log.push_deltas(100, 5, 10, 4);
        assert_eq!(log.cut(110), Some((3, 10, 4)));
        assert_eq!(log.len(), 2);
        assert_eq!(log.cut(500), None, "nothing is left to cut");
        log.push_deltas(600, 5, 0, 4);
        assert_eq!(log.cut(599), Some((5, 0, 4)));
        assert_eq!(log.len(), 2);
    }

    #[test]
    fn made_up_text_has_its_length() {
        for bytes in [0, 1, 5, 100, 10_000] {
            assert_eq!(text(12, bytes).len(), bytes);
        }
    }
}
