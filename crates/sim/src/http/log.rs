//! The log of requests: what came, what became of it, and of its body as much as may be shown.

use std::collections::VecDeque;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::redact::Redactor;
use crate::ids::hex;
use crate::message::{Form, Head, Part, SimBody};
use crate::time::rfc3339;

/// The log keeps the newest so many requests.
const MAX_LOG: usize = 100_000;
/// A longer body is cut to so many bytes of its text.
const MAX_SHOWN: usize = 16 << 10;
/// The bodies of all requests together; the oldest make room.
const MAX_SHOWN_IN_ALL: usize = 32 << 20;

/// One request in the log. It never holds a header field, so no key; what looks like one in query or body is redacted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// When it was answered, in milliseconds of simulated time since the epoch.
    #[serde(serialize_with = "as_time")]
    pub time: u64,
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent but for secrets; empty when there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The endpoint, by the name that the statistics count it under.
    pub endpoint: &'static str,
    /// The status that was sent; `None` when the client got no whole status line.
    pub status: Option<u16>,
    /// The task that was named or made.
    pub task: Option<String>,
    /// SHA-256 of the body. For a form: of the names, types and contents of its parts, whatever the boundary.
    pub body_sha256: String,
    /// The fault that struck it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether the platform saw it; a refusal counts as seen.
    pub applied: bool,
    /// The body without secrets, if it is JSON; of any other, what it is instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Value>,
    /// The parts of a body that is a form, without secrets; a file is told by name, type, size and digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_form: Option<Value>,
    /// The length of the body's text without secrets, if it is not shown whole: then the body is the beginning of that
    /// text, or is left out because newer requests needed the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_cut: Option<usize>,
    /// The platform's reply as JSON without secrets, when bodies are recorded, whatever a fault made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_body: Option<Value>,
    /// How many bytes the body takes of the room for all.
    #[serde(skip)]
    pub(super) shown: usize,
}

fn as_time<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*ms, true))
}

/// The newest requests.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Log {
    records: VecDeque<RequestRecord>,
    /// How many of the oldest have lost their bodies.
    #[serde(skip)]
    emptied: usize,
    /// The bytes of the bodies of all others.
    #[serde(skip)]
    shown: usize,
}

impl Log {
    /// Returns the requests, oldest first.
    pub(super) fn records(&self) -> impl Iterator<Item = &RequestRecord> {
        self.records.iter()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn push(&mut self, record: RequestRecord) {
        if self.records.len() == MAX_LOG {
            if self.emptied == 0 {
                self.empty_next();
            }
            self.records.pop_front();
            self.emptied -= 1;
        }
        self.shown += record.shown;
        self.records.push_back(record);
        while self.shown > MAX_SHOWN_IN_ALL {
            self.empty_next();
        }
    }

    /// Takes the body from the oldest request that has one.
    fn empty_next(&mut self) {
        let record = &mut self.records[self.emptied];
        self.emptied += 1;
        self.shown -= record.shown;
        if record.shown > 0 {
            record.request_cut = record.request_cut.or(Some(record.shown));
            (record.request_body, record.request_form) = (None, None);
            record.shown = 0;
        }
    }
}

/// What the log records of a body.
#[derive(Debug, Default)]
pub(super) struct Digested {
    pub(super) sha256: String,
    pub(super) json: Option<Value>,
    pub(super) form: Option<Value>,
    pub(super) cut: Option<usize>,
    /// The length of what is shown.
    pub(super) shown: usize,
}

impl Digested {
    /// Returns the digest of a body that was not there, or not read.
    pub(super) fn nothing() -> Self {
        Self {
            sha256: hex(&Sha256::digest([])),
            ..Self::default()
        }
    }

    /// Digests a body; a whole one is not cut, however long.
    pub(super) fn new(head: &Head, body: &SimBody, whole: bool) -> Self {
        let redactor = Redactor::of(head);
        let mut digested = Self::default();
        match body {
            SimBody::Bytes(bytes) => {
                digested.sha256 = hex(&Sha256::digest(bytes));
                if !bytes.is_empty() {
                    digested.json = Some(digested.fit(shown(&redactor, head, bytes), whole));
                }
            }
            SimBody::Form(form) => {
                digested.sha256 = form_digest(form);
                digested.form = Some(digested.fit(parts(&redactor, form), whole));
            }
        }
        digested
    }

    /// Returns a value, or the beginning of its text if that is too long.
    fn fit(&mut self, value: Value, whole: bool) -> Value {
        let mut text = value.to_string();
        self.shown = text.len();
        if whole || text.len() <= MAX_SHOWN {
            return value;
        }
        self.cut = Some(text.len());
        let end = (0..=MAX_SHOWN).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        self.shown = text.len();
        Value::String(text)
    }
}

/// Returns what is shown of a body that is no form.
fn shown(redactor: &Redactor, head: &Head, bytes: &[u8]) -> Value {
    if head.media_type() == "application/x-www-form-urlencoded"
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Value::String(redactor.query(text));
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => redactor.value(value),
        // In what cannot be read, no secret can be found either.
        Err(_) => Value::String(format!("[{} bytes that are no JSON]", bytes.len())),
    }
}

fn parts(redactor: &Redactor, form: &Form) -> Value {
    let part = |part: &Part| match part {
        Part::Text { name, value } => {
            let value = Value::String(String::from_utf8_lossy(value).into_owned());
            json!({ "name": name, "value": redactor.field(name, value) })
        }
        Part::File(file) => json!({
            "name": file.field,
            "filename": redactor.text(&file.name),
            "content_type": file.content_type,
            "size": file.size,
            "sha256": file.sha256,
        }),
    };
    form.parts.iter().map(part).collect()
}

fn form_digest(form: &Form) -> String {
    let mut sha = Sha256::new();
    let mut add = |bytes: &[u8]| {
        sha.update((bytes.len() as u64).to_be_bytes());
        sha.update(bytes);
    };
    for part in &form.parts {
        match part {
            Part::Text { name, value } => {
                add(name.as_bytes());
                add(value);
            }
            Part::File(file) => {
                for text in [&file.field, &file.name, &file.content_type, &file.sha256] {
                    add(text.as_bytes());
                }
            }
        }
    }
    hex(&sha.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;

    fn record(shown: usize) -> RequestRecord {
        RequestRecord {
            time: 0,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            endpoint: "run",
            status: Some(201),
            task: None,
            body_sha256: String::new(),
            fault: None,
            applied: true,
            request_body: (shown > 0).then(|| json!("x")),
            request_form: None,
            request_cut: None,
            reply_body: None,
            shown,
        }
    }

    #[test]
    fn the_oldest_bodies_make_room_and_say_so() {
        let mut log = Log::default();
        log.push(record(0));
        for _ in 0..3 {
            log.push(record(MAX_SHOWN_IN_ALL / 2));
        }
        log.push(record(1));
        let kept: Vec<_> = log
            .records()
            .map(|one| (one.request_body.is_some(), one.request_cut))
            .collect();
        let left_out = (false, Some(MAX_SHOWN_IN_ALL / 2));
        assert_eq!(
            kept,
            [
                (false, None),
                left_out,
                left_out,
                (true, None),
                (true, None)
            ]
        );
        assert_eq!(log.shown, MAX_SHOWN_IN_ALL / 2 + 1);
    }

    #[test]
    fn a_full_log_forgets_the_oldest_requests() {
        let mut log = Log::default();
        for shown in 0..MAX_LOG + 3 {
            log.push(record(shown % 2));
        }
        assert_eq!((log.records.len(), log.emptied), (MAX_LOG, 0));
        let shown = log.records().map(|one| one.shown).sum::<usize>();
        assert_eq!(log.shown, shown);
    }

    #[test]
    fn a_long_body_is_cut_between_characters_behind_its_redaction() {
        let digest = |body: Value, whole| {
            let bytes = body.to_string().into_bytes();
            let head = Request::new("POST", "/").head;
            Digested::new(&head, &SimBody::Bytes(bytes), whole)
        };
        let long = json!({ "password": "canary", "text": "é".repeat(MAX_SHOWN) });
        let cut = digest(long.clone(), false);
        let text = cut.json.as_ref().and_then(Value::as_str).unwrap();
        assert!(text.starts_with("{\"password\":\"[redacted]\",\"text\":\"é"));
        let expected = (MAX_SHOWN - 1, Some(long.to_string().len() + 4));
        assert_eq!((text.len(), cut.cut), expected);
        let whole = digest(long, true);
        assert!(whole.cut.is_none() && whole.json.is_some_and(|body| body.is_object()));
        let short = digest(json!({ "text": "x" }), false);
        assert_eq!(
            (short.cut, short.json),
            (None, Some(json!({ "text": "x" })))
        );
        assert_eq!(digest(json!(""), false).shown, 2);
    }
}
