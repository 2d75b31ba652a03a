//! What a reply's head says about its body, and how much of a body is collected.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use taskward_core::{
    Call, Cause, Credential, ExchangeFailure, ExchangeId, Head, Limits, Operation, Request,
    Response, Timestamp,
};

use crate::clock::later;
use crate::failure::TransportFailure;

/// Largest head of a reply, all of its fields together.
pub const MAX_HEAD: usize = 64 * 1024;
/// Bytes read of a refusal's body.
const MAX_ERROR_BODY: u64 = 64 * 1024;

/// How one exchange ended; `S` is the adapter's open stream.
#[derive(Debug)]
pub(crate) enum Report<S> {
    /// With a whole reply.
    Reply(Response),
    /// With the head of a stream that is now open.
    Stream(Head, Box<S>),
    /// Without either.
    Failed(ExchangeFailure),
}

impl<S> Report<S> {
    /// Removes the key from what came after the head. Everything that is read of a reply is read after this.
    pub(crate) fn clean(&mut self, credential: Option<&Credential>) {
        match self {
            Self::Reply(reply) => {
                if let Some(credential) = credential {
                    reply.body = credential.redact_body(std::mem::take(&mut reply.body));
                }
            }
            Self::Failed(failure) => clean_failure(credential, failure),
            // What it brings is cleaned as it comes.
            Self::Stream(..) => {}
        }
    }

    /// Returns this report without its stream, and the stream.
    #[must_use]
    pub(crate) fn split(self) -> (Report<()>, Option<Box<S>>) {
        match self {
            Self::Reply(reply) => (Report::Reply(reply), None),
            Self::Failed(failure) => (Report::Failed(failure), None),
            Self::Stream(head, stream) => (Report::Stream(head, Box::new(())), Some(stream)),
        }
    }

    /// Reports to a call how its exchange ended.
    pub(crate) fn conclude<O: Operation>(self, call: &mut Call<O>, id: ExchangeId, now: Timestamp) {
        match self.whole() {
            Ok(reply) => call.handle_response(id, reply, now),
            Err(failure) => call.handle_failure(id, failure, now),
        }
    }

    /// Returns the report of an exchange whose reply was asked for whole: a stream, which nobody would read, is dropped.
    pub(crate) fn whole(self) -> Result<Response, ExchangeFailure> {
        match self {
            Self::Reply(reply) => Ok(reply),
            Self::Failed(failure) => Err(failure),
            Self::Stream(..) => Err(ExchangeFailure::abandoned()),
        }
    }
}

/// Returns the head of a reply as it came, without the key.
#[must_use]
pub(crate) fn head(
    credential: Option<&Credential>,
    status: StatusCode,
    headers: HeaderMap,
) -> Head {
    let mut head = Head { status, headers };
    if let Some(credential) = credential {
        credential.redact_head(&mut head);
    }
    head
}

/// Removes the key from the words of a failure: servers and libraries echo it.
pub(crate) fn clean_failure(credential: Option<&Credential>, failure: &mut ExchangeFailure) {
    if let Some(credential) = credential {
        failure.detail = credential.redact(&failure.detail);
    }
}

/// How a reply that is an event stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamMode {
    /// It is handed over open, for a task that is followed.
    Open,
    /// It is read to its end within the limits of any other body, for an operation.
    Whole,
}

/// What follows a head.
#[derive(Debug)]
pub(crate) enum BodyPlan {
    /// The stream that was asked for.
    Stream,
    /// Something else than that stream: its head says all, and it may have no end.
    Other,
    /// A body, to be read whole.
    Body(BodyCollector),
}

impl BodyPlan {
    /// Judges a head that is no redirect; `length` is the announced length of its body.
    ///
    /// # Errors
    /// When the body is compressed, or an answer announces more than its cap.
    pub(crate) fn of(
        request: &Request,
        head: &Head,
        length: Option<u64>,
        limits: &Limits,
        streams: StreamMode,
    ) -> Result<Self, ExchangeFailure> {
        if let Some(encoding) = foreign_encoding(head) {
            return Err(TransportFailure::new(Cause::Encoding, encoding).after(head));
        }
        let success = head.status.is_success();
        let wants_stream = streams == StreamMode::Open
            && request
                .headers()
                .get(header::ACCEPT)
                .is_some_and(|accept| accept == "text/event-stream");
        if success && wants_stream {
            match head.media_type().as_deref() {
                Some("text/event-stream") => return Ok(Self::Stream),
                // Where errors come with a 200, it says what is wrong; or it is the whole answer.
                Some(kind) if is_json(kind) => {}
                _ => return Ok(Self::Other),
            }
        }
        let cap = if success {
            limits.max_body
        } else {
            MAX_ERROR_BODY
        };
        if success && length.is_some_and(|length| length > cap) {
            let fault = TransportFailure::new(Cause::TooLarge { cap }, "by its Content-Length");
            return Err(fault.after(head));
        }
        let room = usize::try_from(length.unwrap_or(0).min(cap)).unwrap_or(0);
        Ok(Self::Body(BodyCollector {
            success,
            cap,
            whole: BytesMut::with_capacity(room),
        }))
    }
}

/// Returns whether a media type is JSON (RFC 6839, section 3.1).
fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.ends_with("+json")
}

/// Returns whether a head says in two ways where its body ends. The chunks decide, but what follows them may be part of
/// another reply (RFC 9112 section 6.3): the connection is not used again.
#[must_use]
pub fn is_framed_twice(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING)
}

/// Returns whether a head says that its body comes in chunks.
#[must_use]
pub fn is_chunked(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::TRANSFER_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

/// Returns the content encoding, when there is one: no request asks for any, and nothing is decompressed here.
fn foreign_encoding(head: &Head) -> Option<String> {
    let mut values = head.headers.get_all(header::CONTENT_ENCODING).iter();
    let foreign = values.find(|value| {
        let value = value.as_bytes().trim_ascii();
        !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
    })?;
    Some(String::from_utf8_lossy(foreign.as_bytes()).into_owned())
}

/// A body as it comes in, never longer than its cap.
#[derive(Debug)]
pub(crate) struct BodyCollector {
    success: bool,
    cap: u64,
    whole: BytesMut,
}

impl BodyCollector {
    /// Collects more; returns `false` when that is enough of a refusal to show what it says.
    ///
    /// # Errors
    /// When an answer is longer than its cap.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, TransportFailure> {
        if self.whole.len() as u64 + bytes.len() as u64 <= self.cap {
            self.whole.extend_from_slice(bytes);
            return Ok(true);
        }
        if self.success {
            return Err(TransportFailure::new(Cause::TooLarge { cap: self.cap }, ""));
        }
        let room = usize::try_from(self.cap).unwrap_or(usize::MAX) - self.whole.len();
        self.whole.extend_from_slice(&bytes[..room]);
        Ok(false)
    }

    /// Returns when the body has to be whole; `end` is the end of the exchange. A refusal is cut short: it is only a message,
    /// and an exchange without an end must not wait for it forever.
    #[must_use]
    pub(crate) fn until(&self, limits: &Limits, end: Option<Instant>) -> Option<Instant> {
        if self.success {
            return end;
        }
        let due = later(Instant::now(), limits.head);
        Some(end.map_or(due, |end| end.min(due)))
    }

    /// Takes what was collected.
    pub(crate) fn take_bytes(&mut self) -> Bytes {
        std::mem::take(&mut self.whole).freeze()
    }
}
