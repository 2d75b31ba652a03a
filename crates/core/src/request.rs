//! Requests: in origin form, without credentials, with a body that can be sent again.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hmac_sha256::Hash as Sha256;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;

use crate::build_error::BuildError;
use crate::key::IdempotencyKey;
use crate::multipart::{Form, Part};
use crate::seed::{Seed, hex};
use crate::source::{Segment, Source};

/// The header field of an idempotency key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// One HTTP request. It names no server and contains no credential: [`Origin::seal`](crate::Origin::seal) adds both
/// when the adapter sends it.
#[derive(Clone, Debug)]
pub struct Request {
    target: PathAndQuery,
    /// Shared: most requests are alike but for their target, and a followed task keeps one while it waits.
    rest: Arc<Rest>,
}

/// Returns these headers, once for all requests that have those of most requests that write.
fn shared(headers: HeaderMap) -> Arc<HeaderMap> {
    match headers == **SENDS_JSON {
        true => SENDS_JSON.clone(),
        false => Arc::new(headers),
    }
}

/// All of a request but its target.
#[derive(Clone, Debug)]
struct Rest {
    method: Method,
    /// Shared, too: those of a start are kept as long as its task.
    headers: Arc<HeaderMap>,
    body: Body,
}

/// A GET that accepts JSON, as most requests are.
static GET_JSON: LazyLock<Arc<Rest>> = LazyLock::new(|| {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Arc::new(Rest {
        method: Method::GET,
        headers: Arc::new(headers),
        body: Body::Empty,
    })
});

/// The headers of a request that sends JSON.
static SENDS_JSON: LazyLock<Arc<HeaderMap>> = LazyLock::new(|| {
    let mut headers = HeaderMap::clone(&GET_JSON.headers);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    Arc::new(headers)
});

/// The body of a request.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// No body.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// A form whose parts are bytes or files.
    Form(Box<Form>),
    /// A body restored from a snapshot: the same bytes and files in the same order.
    Frozen(Vec<Frozen>),
}

/// A segment of a frozen body.
#[derive(Clone, Debug)]
pub enum Frozen {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file.
    Source(Source),
}

impl Body {
    /// Returns the exact length in bytes, known before anything is read.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.segments().map(|segment| segment.len()).sum()
    }

    /// Returns whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the segments to send, in order.
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

impl Request {
    /// Creates a GET of `target` that accepts JSON.
    #[must_use]
    pub fn get(target: PathAndQuery) -> Self {
        let rest = GET_JSON.clone();
        Self { target, rest }
    }

    /// Creates a request without a body.
    #[must_use]
    pub fn empty(method: Method, target: PathAndQuery) -> Self {
        Self::new(method, target, Body::Empty)
    }

    /// Creates a request that carries `value` as JSON.
    ///
    /// # Errors
    /// Returns an error if the value cannot be serialised.
    pub fn json(
        method: Method,
        target: PathAndQuery,
        value: &impl Serialize,
    ) -> Result<Self, BuildError> {
        let bytes = serde_json::to_vec(value)
            .map_err(|e| BuildError::new(format!("cannot write the JSON body: {e}")))?;
        // Without spare room: what starts a task is kept as long as the task.
        let bytes = Bytes::from(bytes.into_boxed_slice());
        let mut request = Self::new(method, target, Body::Bytes(bytes));
        request.rest_mut().headers = SENDS_JSON.clone();
        Ok(request)
    }

    /// Creates a request that carries `parts` as `multipart/form-data`.
    ///
    /// # Errors
    /// Returns an error if a part's name or content type cannot be encoded.
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
        let mut request = Self::get(target);
        let rest = request.rest_mut();
        (rest.method, rest.body) = (method, body);
        request
    }

    fn rest_mut(&mut self) -> &mut Rest {
        Arc::make_mut(&mut self.rest)
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        Arc::make_mut(&mut self.rest_mut().headers)
    }

    fn set_form(&mut self, form: Form) {
        let value = HeaderValue::from_str(&format!(
            "multipart/form-data; boundary={}",
            form.boundary()
        ))
        .expect("a boundary is letters and digits");
        self.headers_mut().insert(header::CONTENT_TYPE, value);
        self.rest_mut().body = Body::Form(Box::new(form));
    }

    /// Returns whether the request sends a form. A restored body no longer says so, only the header does.
    pub(crate) fn is_form(&self) -> bool {
        let form = b"multipart/form-data";
        let kind = self.headers().get(header::CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(form))
    }

    /// Asks for an event stream instead of JSON.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        let headers = self.headers_mut();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        self
    }

    /// Adds a header. Sealing sets `Authorization`, `Host`, lengths and encodings itself, so these are rejected.
    ///
    /// # Errors
    /// Returns an error if the header is one of those.
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
        self.headers_mut().append(name, value);
        Ok(self)
    }

    /// Adds the idempotency key.
    ///
    /// # Errors
    /// Returns an error if the caller's key contains characters that a header cannot carry.
    pub fn keyed(mut self, key: &IdempotencyKey) -> Result<Self, BuildError> {
        let value = HeaderValue::from_str(key.as_str()).map_err(|_| {
            BuildError::new("the idempotency key has characters that a header cannot carry")
        })?;
        self.headers_mut()
            .insert(HeaderName::from_static(IDEMPOTENCY_KEY), value);
        Ok(self)
    }

    /// Removes the idempotency key from this request.
    pub(crate) fn without_key(mut self) -> Self {
        if self.headers().contains_key(IDEMPOTENCY_KEY) {
            let mut headers = self.headers().clone();
            headers.remove(IDEMPOTENCY_KEY);
            self.rest_mut().headers = shared(headers);
        }
        self
    }

    /// Returns whether the request contains the content of a file.
    pub(crate) fn holds_a_file(&self) -> bool {
        matches!(self.body(), Body::Form(form) if form.holds_a_file())
    }

    /// Returns the files of a body that was restored from a snapshot.
    pub(crate) fn sources(&mut self) -> Vec<&mut Source> {
        let Body::Frozen(frozen) = &mut self.rest_mut().body else {
            return Vec::new();
        };
        let sources = frozen.iter_mut().filter_map(|stretch| match stretch {
            Frozen::Source(source) => Some(source),
            Frozen::Bytes(_) => None,
        });
        sources.collect()
    }

    /// Returns whether the request asks for an event stream.
    pub(crate) fn is_streaming(&self) -> bool {
        self.headers()
            .get(header::ACCEPT)
            .is_some_and(|accept| accept == "text/event-stream")
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.rest.method
    }

    /// Returns the path and query.
    #[must_use]
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// Returns the headers, without credentials.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.rest.headers
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.rest.body
    }

    /// Returns the SHA-256, in hexadecimal, over method, target and body: part heads, inline bytes, and the names,
    /// lengths and stamps of files (not their contents). Two attempts of one write have the same digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.method().as_str());
        hash.update([0]);
        hash.update(self.target.as_str());
        hash.update([0]);
        match self.body() {
            Body::Empty => {}
            Body::Bytes(bytes) => hash.update(bytes),
            // The boundary is random, so it stays out of the digest.
            Body::Form(form) => form.digest(&mut hash),
            Body::Frozen(frozen) => frozen.iter().for_each(|segment| match segment {
                Frozen::Bytes(bytes) => hash.update(bytes),
                Frozen::Source(source) => source.digest(&mut hash),
            }),
        }
        hex(&hash.finalize())
    }

    /// Fixes the random parts of the body, so that every attempt sends the same bytes.
    pub(crate) fn freeze(mut self, seed: &Seed) -> Self {
        if let Body::Form(_) = self.body()
            && let Body::Form(form) = std::mem::take(&mut self.rest_mut().body)
        {
            self.set_form(form.with_boundary(seed));
        }
        self
    }

    /// Restores a request from a snapshot.
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
        let rest = Arc::new(Rest {
            method,
            headers: shared(headers),
            body,
        });
        Self { target, rest }
    }

    /// Returns this request with another target, after a redirect within its origin.
    #[must_use]
    pub fn redirected(&self, target: PathAndQuery) -> Self {
        let rest = self.rest.clone();
        Self { target, rest }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::{SourceKey, Stamp};

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
