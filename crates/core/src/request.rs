//! Requests: origin-form, without credentials, with a body that can be sent again.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::BuildError;
use crate::id::IdempotencyKey;
use crate::multipart::{Form, Part};
use crate::seed::{Seed, hex};

/// The header field of an idempotency key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// One HTTP request. It names no server and holds no credential: [`Origin::seal`](crate::Origin::seal) adds both as the
/// adapter sends it.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    target: PathAndQuery,
    headers: HeaderMap,
    body: Body,
}

/// The body of a request.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// A form whose parts are bytes or files.
    Form(Form),
    /// A body read back from a snapshot: the same bytes and files in the same order.
    Frozen(Vec<Frozen>),
}

/// A stretch of a frozen body.
#[derive(Clone, Debug)]
pub enum Frozen {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file.
    Source(Source),
}

/// A stretch of a body, in sending order.
#[derive(Clone, Debug)]
pub enum Segment<'a> {
    /// Bytes in memory.
    Bytes(&'a Bytes),
    /// A file's content: exactly [`Source::len`] bytes of it.
    Source(&'a Source),
}

impl Body {
    /// The exact length in bytes, known before anything is read.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.segments().map(|segment| segment.len()).sum()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What to send, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + '_ {
        let (bytes, form, frozen) = match self {
            Self::Empty => (None, None, None),
            Self::Bytes(bytes) => (Some(Segment::Bytes(bytes)), None, None),
            Self::Form(form) => (None, Some(form.segments()), None),
            Self::Frozen(frozen) => (None, None, Some(frozen)),
        };
        let frozen = frozen.into_iter().flatten().map(|segment| match segment {
            Frozen::Bytes(bytes) => Segment::Bytes(bytes),
            Frozen::Source(source) => Segment::Source(source),
        });
        bytes
            .into_iter()
            .chain(form.into_iter().flatten())
            .chain(frozen)
    }
}

impl Segment<'_> {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(source) => source.len,
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file to send, as plain data: the core never opens it.
///
/// A job names it by path; the adapter looks at it once (length and stamp) when the task starts, opens it for each
/// attempt and compares the stamp, so that two attempts can never send different bytes unseen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it is.
    pub key: SourceKey,
    /// Its length in bytes.
    pub len: u64,
    /// What tells a changed file from the same one.
    pub stamp: Stamp,
    /// What tells its content, for whoever sends it once more later; only where the task is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

/// A file's place and content, as they were when it was described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Where it was, from wherever it is looked for.
    pub path: PathBuf,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

impl Source {
    /// The file at `path`, not yet looked at.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self {
            key: SourceKey::Path(path.into()),
            len: 0,
            stamp: Stamp::default(),
            fingerprint: None,
        }
    }

    /// Content that the caller's own driver knows under `key`.
    pub fn key(key: impl Into<String>, len: u64) -> Self {
        Self {
            key: SourceKey::Key(key.into()),
            len,
            stamp: Stamp::default(),
            fingerprint: None,
        }
    }

    /// The name under which it is kept; `None` when that is no text.
    pub(crate) fn kept_name(&self) -> Option<&str> {
        match (&self.fingerprint, &self.key) {
            (Some(fingerprint), SourceKey::Path(_)) => fingerprint.path.to_str(),
            (None, SourceKey::Path(path)) => path.to_str(),
            (_, SourceKey::Key(key)) => Some(key),
        }
    }

    pub(crate) fn digest(&self, hash: &mut Sha256) {
        hash.update(format!("{:?}", self.key));
        for number in [
            self.len,
            self.stamp.modified,
            self.stamp.device,
            self.stamp.inode,
        ] {
            hash.update(number.to_le_bytes());
        }
    }

    /// The path, when it is a file.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match &self.key {
            SourceKey::Path(path) => Some(path),
            SourceKey::Key(_) => None,
        }
    }
}

/// Where a source's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKey {
    /// A file.
    Path(PathBuf),
    /// Whatever the caller's own driver knows under this name.
    Key(String),
}

/// What a file looked like when it was described; zeros where the platform has no such thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stamp {
    /// Modification time in nanoseconds since the Unix epoch.
    pub modified: u64,
    /// The file system's device number.
    pub device: u64,
    /// The file's number on it.
    pub inode: u64,
}

impl Request {
    /// A GET of `target` that accepts JSON.
    #[must_use]
    pub fn get(target: PathAndQuery) -> Self {
        Self::new(Method::GET, target, Body::Empty)
    }

    /// A request without a body.
    #[must_use]
    pub fn empty(method: Method, target: PathAndQuery) -> Self {
        Self::new(method, target, Body::Empty)
    }

    /// A request that carries `value` as JSON.
    ///
    /// # Errors
    /// When the value does not serialise.
    pub fn json(
        method: Method,
        target: PathAndQuery,
        value: &impl Serialize,
    ) -> Result<Self, BuildError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|e| BuildError::new(format!("cannot write the JSON body: {e}")))?;
        let mut request = Self::new(method, target, Body::Bytes(bytes.into()));
        request.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Ok(request)
    }

    /// A request that carries `parts` as `multipart/form-data`.
    ///
    /// # Errors
    /// When a part's name or content type cannot be written.
    pub fn form(
        method: Method,
        target: PathAndQuery,
        parts: Vec<Part>,
    ) -> Result<Self, BuildError> {
        let form = Form::new(parts)?;
        let mut request = Self::new(method, target, Body::Empty);
        request.set_form(form);
        Ok(request)
    }

    fn new(method: Method, target: PathAndQuery, body: Body) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            target,
            headers,
            body,
        }
    }

    fn set_form(&mut self, form: Form) {
        let value = HeaderValue::from_str(&format!(
            "multipart/form-data; boundary={}",
            form.boundary()
        ))
        .expect("a boundary is letters and digits");
        self.headers.insert(header::CONTENT_TYPE, value);
        self.body = Body::Form(form);
    }

    /// Whether it sends a form. Of one that was stored, only its head tells.
    pub(crate) fn is_form(&self) -> bool {
        let form = b"multipart/form-data";
        let kind = self.headers.get(header::CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(form))
    }

    /// Asks for an event stream instead of JSON.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
        self.headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        self
    }

    /// Adds a header. `Authorization`, `Host`, lengths and encodings belong to the sealing and are refused.
    ///
    /// # Errors
    /// When the header is one of those.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Result<Self, BuildError> {
        const OURS: [HeaderName; 6] = [
            header::AUTHORIZATION,
            header::HOST,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONTENT_TYPE,
            header::USER_AGENT,
        ];
        if OURS.contains(&name) {
            return Err(BuildError::new(format!(
                "the header {name} cannot be set by hand"
            )));
        }
        self.headers.append(name, value);
        Ok(self)
    }

    /// Adds the idempotency key.
    ///
    /// # Errors
    /// When the caller's key cannot stand in a header.
    pub fn keyed(mut self, key: &IdempotencyKey) -> Result<Self, BuildError> {
        let value = HeaderValue::from_str(key.as_str()).map_err(|_| {
            BuildError::new("the idempotency key has characters that a header cannot carry")
        })?;
        self.headers
            .insert(HeaderName::from_static(IDEMPOTENCY_KEY), value);
        Ok(self)
    }

    /// The same without its idempotency key.
    pub(crate) fn without_key(mut self) -> Self {
        self.headers.remove(IDEMPOTENCY_KEY);
        self
    }

    /// Whether the content of a file stands in it.
    pub(crate) fn holds_a_file(&self) -> bool {
        matches!(&self.body, Body::Form(form) if form.holds_a_file())
    }

    /// The files of a body that was read back from a snapshot.
    pub(crate) fn sources(&mut self) -> Vec<&mut Source> {
        let Body::Frozen(frozen) = &mut self.body else {
            return Vec::new();
        };
        let sources = frozen.iter_mut().filter_map(|stretch| match stretch {
            Frozen::Source(source) => Some(source),
            Frozen::Bytes(_) => None,
        });
        sources.collect()
    }

    /// Whether it asks for an event stream.
    pub(crate) fn is_streaming(&self) -> bool {
        self.headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept == "text/event-stream")
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// The headers, without credentials.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// SHA-256, in hexadecimal, over method, target and body: part heads, inline bytes, names, lengths and stamps of
    /// files (not their contents). Two attempts of one write have the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.method.as_str());
        hash.update([0]);
        hash.update(self.target.as_str());
        hash.update([0]);
        match &self.body {
            Body::Empty => {}
            Body::Bytes(bytes) => hash.update(bytes),
            // The boundary is random; what it separates is not.
            Body::Form(form) => form.digest(&mut hash),
            Body::Frozen(frozen) => frozen.iter().for_each(|segment| match segment {
                Frozen::Bytes(bytes) => hash.update(bytes),
                Frozen::Source(source) => source.digest(&mut hash),
            }),
        }
        hex(&<[u8; 32]>::from(hash.finalize()))
    }

    /// Fixes what is random about the body, so that every attempt sends the same bytes.
    pub(crate) fn freeze(mut self, seed: &Seed) -> Self {
        match std::mem::take(&mut self.body) {
            Body::Form(form) => self.set_form(form.with_boundary(seed)),
            body => self.body = body,
        }
        self
    }

    /// A request read back from a snapshot.
    pub(crate) fn restored(
        method: Method,
        target: PathAndQuery,
        headers: HeaderMap,
        segments: Vec<Result<Bytes, Source>>,
    ) -> Self {
        let body = if segments.is_empty() {
            Body::Empty
        } else {
            Body::Frozen(
                segments
                    .into_iter()
                    .map(|s| s.map_or_else(Frozen::Source, Frozen::Bytes))
                    .collect(),
            )
        };
        Self {
            method,
            target,
            headers,
            body,
        }
    }

    /// The same request for another target, after a redirect of the same origin.
    #[must_use]
    pub fn redirected(&self, target: PathAndQuery) -> Self {
        Self {
            target,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows: L7, L8.
    #[test]
    fn what_the_sealing_writes_is_set_by_nobody_else_and_no_value_holds_a_line_break() {
        let request = || Request::get(PathAndQuery::from_static("/"));
        for name in [
            "Authorization",
            "Host",
            "content-length",
            "Transfer-Encoding",
            "User-Agent",
        ] {
            let name: HeaderName = name.parse().expect("a name");
            let value = HeaderValue::from_static("x");
            let error = request().header(name.clone(), value).expect_err("refused");
            assert!(error.to_string().contains(name.as_str()), "{error}");
        }
        let name = HeaderName::from_static("x-foo");
        let with = request().header(name, HeaderValue::from_static("a"));
        assert_eq!(with.expect("taken").headers()["x-foo"], "a");
        for hostile in ["a\r\nAuthorization: b", "a\nb", "a\rb", "a\0b"] {
            assert!(HeaderValue::from_str(hostile).is_err(), "{hostile:?}");
            let error = request()
                .keyed(&IdempotencyKey::new(hostile))
                .expect_err("refused");
            assert!(!error.to_string().contains("Authorization"), "{error}");
            assert!(crate::user_agent(Some(hostile)).is_err(), "{hostile:?}");
        }
    }

    fn frozen(segments: Vec<Result<Bytes, Source>>) -> Request {
        let target = PathAndQuery::from_static("/");
        Request::restored(Method::POST, target, HeaderMap::new(), segments)
    }

    #[test]
    fn a_file_that_changed_in_any_way_is_another_request() {
        let file = || Source {
            key: SourceKey::Path("a.pdf".into()),
            len: 7,
            stamp: Stamp {
                modified: 1,
                device: 2,
                inode: 3,
            },
            fingerprint: None,
        };
        let with = |change: fn(&mut Source)| {
            let mut source = file();
            change(&mut source);
            frozen(vec![Err(source)]).digest()
        };
        let same = frozen(vec![Err(file())]).digest();
        assert_eq!(with(|_| {}), same);
        for change in [
            (|file| file.len = 8) as fn(&mut Source),
            |file| file.stamp.modified = 2,
            |file| file.stamp.device = 3,
            |file| file.stamp.inode = 4,
            |file| file.key = SourceKey::Path("b.pdf".into()),
            |file| file.key = SourceKey::Key("a.pdf".into()),
        ] {
            assert_ne!(with(change), same);
        }
    }

    #[test]
    fn a_source_is_a_file_or_what_the_caller_knows_by_its_key() {
        let file = Source::path("in/a.pdf");
        assert_eq!(file.as_path(), Some(Path::new("in/a.pdf")));
        let key = Source::key("blob-9", 5);
        assert_eq!((key.as_path(), key.len), (None, 5));
    }

    #[test]
    fn a_stored_body_is_as_long_as_its_stretches_together() {
        let none = frozen(Vec::new());
        assert!(none.body().is_empty() && matches!(none.body(), Body::Empty));
        let nothing = frozen(vec![Ok(Bytes::new())]);
        assert!(nothing.body().is_empty());
        assert!(nothing.body().segments().all(|segment| segment.is_empty()));
        let body = vec![Ok(Bytes::from_static(b"head")), Err(Source::key("k", 5))];
        let body = frozen(body);
        assert_eq!(body.body().len(), 9);
        assert!(!body.body().is_empty());
        assert_eq!(
            body.redirected(PathAndQuery::from_static("/b"))
                .body()
                .len(),
            9
        );
    }
}
