//! Makes a reply safe to show: stand-ins for whatever belongs to the customer.
//!
//! | what | becomes |
//! |---|---|
//! | a text | `[N characters]` |
//! | an id, a cursor | a stand-in of the same form, the same one for the same id in the whole recording |
//! | a time | one fixed time, written in the same form |
//! | a number in the customer's data | 0 |
//! | the name of a field in the customer's data | `field_N`, unless the specification has that name |
//! | a word of the platform (a status, a type, a code) | itself, outside the customer's data |
//!
//! A field that the specification does not know counts as the customer's data; its own name is shown.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use taskward_core::sse;

use super::Vocabulary;
use super::exchange::{RecordedBody, RecordedReply};
use super::openapi;
use taskward_core::Response;

/// The headers whose values are shown.
const SHOWN_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "date",
    "retry-after",
    "allow",
    "transfer-encoding",
    "cache-control",
];

/// The longest word or name that is shown.
const MAX_WORD: usize = 64;

/// Stand-ins for the ids of one recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Mask {
    ids: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
}

impl Mask {
    /// Returns a reply as it may be shown. `describes` says that the body is an OpenAPI document.
    pub(super) fn reply(
        &mut self,
        reply: &Response,
        words: &Vocabulary,
        describes: bool,
    ) -> RecordedReply {
        let headers = reply.head.headers.iter().map(|(name, value)| {
            let shown = SHOWN_HEADERS.contains(&name.as_str());
            let value = value.to_str().ok().filter(|_| shown).unwrap_or_default();
            (name.as_str().to_owned(), value.to_owned())
        });
        let headers = headers.collect();
        let is_stream = reply.head.media_type().as_deref() == Some("text/event-stream");
        let body = if reply.body.iter().all(u8::is_ascii_whitespace) {
            RecordedBody::Empty
        } else if is_stream {
            RecordedBody::Events(self.events(&reply.body, words))
        } else {
            match serde_json::from_slice::<Value>(&reply.body) {
                Ok(document) if describes && document["paths"].is_object() => {
                    RecordedBody::Outline(openapi::outline(&document))
                }
                Ok(value) => RecordedBody::Json(self.value("", &value, words, false)),
                Err(_) => other(&reply.body),
            }
        };
        RecordedReply {
            status: reply.status().as_u16(),
            headers,
            body,
        }
    }

    /// Returns path and query as they may be shown.
    pub(super) fn target(
        &mut self,
        target: &http::uri::PathAndQuery,
        words: &Vocabulary,
    ) -> String {
        let path = target.path().split('/').map(|segment| {
            let known = segment.is_empty() || words.paths.contains(&segment);
            match known {
                true => segment.to_owned(),
                false => self.id(segment),
            }
        });
        let mut shown = path.collect::<Vec<_>>().join("/");
        for (number, pair) in target
            .query()
            .into_iter()
            .flat_map(|q| q.split('&'))
            .enumerate()
        {
            shown.push(if number == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((name, value)) if is_id(name) => {
                    shown += &format!("{name}={}", self.id(value));
                }
                // Everything else is the probe's own.
                _ => shown += pair,
            }
        }
        shown
    }

    fn value(&mut self, field: &str, value: &Value, words: &Vocabulary, free: bool) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) if is_id(field) => {
                let id = self.id(&number.to_string());
                let digits = id.trim_start_matches(|c: char| !c.is_ascii_digit());
                digits
                    .parse::<u64>()
                    .map_or(Value::String(id.clone()), Value::from)
            }
            Value::Number(number) if free => match number.is_f64() {
                true => Number::from_f64(0.5).map_or(Value::Null, Value::Number),
                false => 0.into(),
            },
            Value::Number(_) => value.clone(),
            Value::String(text) => self.text(field, text, words, free).into(),
            Value::Array(items) => {
                let items = items.iter();
                items
                    .map(|item| self.value(field, item, words, free))
                    .collect()
            }
            Value::Object(fields) => self.object(fields, words, free).into(),
        }
    }

    fn object(
        &mut self,
        fields: &Map<String, Value>,
        words: &Vocabulary,
        free: bool,
    ) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in fields {
            let known = words.fields.contains(&name.as_str());
            let named = match known || (!free && is_word(name)) {
                true => name.clone(),
                false => self.field(name),
            };
            let free = free || !known || words.free.contains(&name.as_str());
            // The id of a JSON-RPC request is that of our probe.
            let is_ours = name == "id" && fields.contains_key("jsonrpc") && value.is_number();
            if is_ours && !free {
                shown.insert(named, value.clone());
                continue;
            }
            shown.insert(named, self.value(name, value, words, free));
        }
        shown
    }

    fn text(&mut self, field: &str, text: &str, words: &Vocabulary, free: bool) -> String {
        if text.is_empty() {
            return String::new();
        }
        if let Some(time) = time(text) {
            return time;
        }
        if is_uuid(text) || (is_id(field) && !free) {
            return self.id(text);
        }
        if !free && words.words.contains(&field) && is_word(text) {
            return text.to_owned();
        }
        format!("[{} characters]", text.chars().count())
    }

    /// Returns the stand-in of an id.
    fn id(&mut self, id: &str) -> String {
        let number = self.ids.len() + 1;
        let made = || match id {
            _ if is_uuid(id) => format!("00000000-0000-4000-8000-{number:012x}"),
            _ if id.bytes().all(|b| b.is_ascii_digit()) => number.to_string(),
            _ => match id.split_once('_') {
                Some((kind, _)) if kind.len() <= 8 && is_word(kind) => format!("{kind}_{number}"),
                _ => format!("id-{number}"),
            },
        };
        self.ids.entry(id.to_owned()).or_insert_with(made).clone()
    }

    /// Returns the stand-in of a name in the customer's data.
    fn field(&mut self, name: &str) -> String {
        let number = self.fields.len() + 1;
        let made = || format!("field_{number}");
        self.fields
            .entry(name.to_owned())
            .or_insert_with(made)
            .clone()
    }

    /// Returns a stream with stand-ins in the data of its events: their names, ids and comments are the platform's.
    fn events(&mut self, body: &[u8], words: &Vocabulary) -> String {
        let text = String::from_utf8_lossy(body);
        let mut shown = String::new();
        for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
            if let Some(retry) = line.strip_prefix("retry:")
                && retry.trim().parse::<u64>().is_ok()
            {
                shown += &format!("retry: {}\n\n", retry.trim());
            }
        }
        let mut decoder = sse::Decoder::new();
        let mut rest: &[u8] = body;
        let mut last = String::new();
        // What is too large for the decoder is where the recording ends.
        while let Ok(Some(event)) = decoder.next_event(&mut rest) {
            let name = match is_word(event.name) {
                true => event.name.to_owned(),
                false => "unknown".to_owned(),
            };
            let data = match serde_json::from_str::<Value>(event.data) {
                Ok(value) => self.value("", &value, words, false).to_string(),
                Err(_) => format!("[{} characters]", event.data.chars().count()),
            };
            shown += &format!("event: {name}\n");
            if event.id != last {
                event.id.clone_into(&mut last);
                shown += &format!("id: {}\n", self.id(&last));
            }
            shown += &format!("data: {data}\n\n");
        }
        if decoder.comments() > 0 {
            shown += ": comments\n\n";
        }
        shown
    }
}

/// Describes a body that is neither JSON nor a stream.
fn other(body: &[u8]) -> RecordedBody {
    let start = body.trim_ascii_start();
    let kind = if start.starts_with(b"<") {
        "html"
    } else {
        "other"
    };
    RecordedBody::Other {
        kind: kind.to_owned(),
        bytes: body.len(),
    }
}

/// Returns whether the values of a field are ids.
fn is_id(field: &str) -> bool {
    let is_end = |end: &str| field.ends_with(end);
    field == "id" || is_end("_id") || is_end("Id") || is_end("Token") || field.contains("cursor")
}

/// Returns whether a text is a word as programs use them.
fn is_word(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.len() <= MAX_WORD
        && text.bytes().all(rest)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Returns a fixed time in the form of this one, when the text is a time.
fn time(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(19)?;
    let shape = "0000-00-00T00:00:00";
    let is_date = date.bytes().zip(shape.bytes()).all(|(b, of)| match of {
        b'0' => b.is_ascii_digit(),
        b'T' => matches!(b, b'T' | b't' | b' '),
        of => b == of,
    });
    let is_rest = rest.len() <= 16
        && rest
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'+' | b'-' | b'Z' | b'z'));
    if !is_date || !is_rest {
        return None;
    }
    let between = date.get(10..11)?;
    // Only the digits of the fraction would tell the time.
    let digits = rest.strip_prefix('.').map_or(0, |fraction| {
        fraction.bytes().take_while(u8::is_ascii_digit).count()
    });
    let (fraction, zone) = match digits {
        0 => (String::new(), rest),
        n => (format!(".{}", "0".repeat(n)), &rest[n + 1..]),
    };
    Some(format!("2026-01-01{between}00:00:00{fraction}{zone}"))
}
