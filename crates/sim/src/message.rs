//! What the machine is asked and what it answers, free of any HTTP library.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request, its body already taken apart.
#[derive(Debug, Clone)]
pub struct Request {
    /// The head.
    pub head: Head,
    /// The body.
    pub body: SimBody,
}

/// Method, target and header fields of a request. Its `Debug` hides the credential: it might be a real one.
#[derive(Clone)]
pub struct Head {
    /// The method, in capitals.
    pub method: String,
    /// The path as sent, percent-encoded, without the query.
    pub path: String,
    /// The query as sent, without the question mark; empty when there is none.
    pub query: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A request body as the machine sees it.
#[derive(Debug, Clone)]
pub enum SimBody {
    /// The bytes of a body that is no form; empty when there was none.
    Bytes(Vec<u8>),
    /// A multipart form.
    Form(Form),
}

/// A parsed multipart form: its parts in order.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part of a form.
#[derive(Debug, Clone)]
pub enum Part {
    /// A part without a file name: a value.
    Text {
        /// The part's name.
        name: String,
        /// Its bytes.
        value: Vec<u8>,
    },
    /// A part with a file name.
    File(Upload),
}

/// An uploaded file, as much of it as is kept.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The part's name, such as `files`.
    pub field: String,
    /// The file name.
    pub name: String,
    /// The part's content type; empty when it said none.
    pub content_type: String,
    /// The file's length in bytes.
    pub size: u64,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: String,
    /// The first [`KEPT_BYTES`] of the file.
    pub head: Vec<u8>,
}

/// How many bytes of an uploaded file reach the machine; of the rest it knows length and digest.
pub const KEPT_BYTES: usize = 1 << 20;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields besides `Content-Length`, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a platform answers: a whole reply, the head of an event stream whose body comes piece by piece, or that the reply
/// is yet to come.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A reply with its body.
    Whole(
        /// The reply.
        Reply,
    ),
    /// An open stream.
    Stream {
        /// Status and header fields; the body is empty.
        head: Reply,
        /// What the body is asked for by.
        id: StreamId,
    },
    /// Nothing yet.
    Later {
        /// What the reply is asked for by.
        id: StreamId,
    },
}

/// The number of an open stream, or of a reply that is yet to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(
    /// The number.
    pub u64,
);

/// What a stream has to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// Frames, in order; there may be more behind them.
    Frames(
        /// The frames.
        Vec<Frame>,
    ),
    /// Nothing now.
    Pending,
    /// Nothing any more: the server closes it.
    End,
}

/// One whole frame of an event stream, with the blank line that ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The sequence number of its event; `None` for a heartbeat and the like.
    pub seq: Option<u64>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The first event of a new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// The run's first, whatever the client has seen.
    FromStart,
    /// The one behind the request's `Last-Event-ID`; the run's first without one.
    LastEventId,
    /// The first that happens after the stream was opened.
    LiveOnly,
}

impl Answer {
    /// Returns the reply; of a stream the head.
    ///
    /// # Panics
    /// When the reply is yet to come.
    #[must_use]
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Whole(reply) | Self::Stream { head: reply, .. } => reply,
            Self::Later { id } => panic!("the reply {id:?} is yet to come"),
        }
    }
}

impl Request {
    /// Returns a request without header fields or body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let head = Head {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
        };
        Self {
            head,
            body: SimBody::Bytes(Vec::new()),
        }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head
            .headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Makes the body JSON and says so in `Content-Type`.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = SimBody::Bytes(body.to_string().into_bytes());
        self.header("content-type", "application/json")
    }

    /// Makes the body a form and says so in `Content-Type`.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.body = SimBody::Form(form);
        self.header("content-type", "multipart/form-data; boundary=x")
    }
}

impl Head {
    /// Returns the first value of a header field, asked for in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the media type of the body in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// Returns why no simulated platform can model the request, whatever it asks for.
    pub(crate) fn unmodelled(&self) -> Option<&'static str> {
        let encoding = self.header("content-encoding")?;
        (!encoding.trim().eq_ignore_ascii_case("identity"))
            .then_some("the simulator takes no content encoding")
    }

    /// Returns the path's segments, percent-decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(decoded).collect()
    }

    /// Returns the query's pairs, decoded.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let blanks = |text: &str| decoded(&text.replace('+', " "));
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (blanks(key), blanks(value)))
            .collect()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                // A platform may name the field of its own credential.
                let is_secret = ["auth", "cookie", "key", "secret", "token"];
                let is_secret = is_secret.iter().any(|word| name.contains(word));
                (name.as_str(), if is_secret { "..." } else { value })
            })
            .collect();
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("headers", &headers)
            .finish()
    }
}

impl Reply {
    /// Returns a JSON reply.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::of_json(status, body.to_string().into_bytes())
    }

    /// Returns a reply of JSON that is written already.
    pub(crate) fn of_json(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body,
        }
    }

    /// Returns the error envelope of the platform.
    #[must_use]
    pub fn error(status: u16, text: impl Into<String>) -> Self {
        Self::json(status, &serde_json::json!({ "error": text.into() }))
    }

    /// Returns a success with a field more in its object, and in each object of its lists.
    pub(crate) fn extended(mut self) -> Self {
        let (200..300, Value::Object(mut body)) = (self.status, self.value()) else {
            return self;
        };
        let added = || serde_json::json!({ "since": "a later release" });
        for list in body.values_mut().filter_map(Value::as_array_mut) {
            for entry in list.iter_mut().filter_map(Value::as_object_mut) {
                entry.insert("added_later".to_owned(), added());
            }
        }
        body.insert("added_later".to_owned(), added());
        self.body = Value::Object(body).to_string().into_bytes();
        self
    }

    /// Returns the body as JSON; `Null` when it is none.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Decodes percent escapes. A broken escape stays as it is.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_segments_are_decoded_once() {
        let head = Request::new("GET", "/a%2Fb/c+d?q=a+b%26c&x&%zz=%4").head;
        assert_eq!(head.segments(), ["a/b", "c+d"]);
        let pairs: Vec<_> = head.pairs();
        let expected = [("q", "a b&c"), ("x", ""), ("%zz", "%4")];
        assert_eq!(
            pairs,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn the_media_type_has_no_parameters() {
        let request =
            Request::new("POST", "/").header("Content-Type", "Application/JSON; charset=utf-8");
        assert_eq!(request.head.media_type(), "application/json");
    }
}
