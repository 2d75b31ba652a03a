//! A reply as the bytes that are sent, and what happens to the connection: the pure half of every fault but for what is
//! done to the frames of a stream.

use super::bomb::gzip_bomb;
use super::wire::Way;
use crate::faults::Fault;
use crate::message::Reply;
use crate::time::Span;

/// What is done to the connection.
#[derive(Debug, PartialEq)]
pub(super) struct WireReply {
    pub(super) bytes: Vec<u8>,
    /// What follows the bytes, slowly or without end.
    pub(super) tail: Tail,
    pub(super) then: Then,
}

/// Bytes that are not sent all at once.
#[derive(Debug, PartialEq)]
pub(super) enum Tail {
    Nothing,
    /// In such pieces, after such a pause each.
    Pieces {
        bytes: Vec<u8>,
        size: usize,
        pause: Span,
    },
    /// This block again and again, until the client goes away.
    Endless(Vec<u8>),
}

/// What happens when the bytes are out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    KeepAlive,
    Close,
    Reset,
    /// Nothing, until the client goes away.
    Hold,
    /// A reset, and nobody listens for so long.
    Refuse(Span),
}

/// How the head of an event stream is sent.
#[derive(Debug, PartialEq)]
pub(super) enum Opened {
    /// It is sent, and the frames follow.
    Stream(OpenedStream),
    /// The fault removes all frames.
    Instead(WireReply),
}

/// What stands around the frames of a stream.
#[derive(Debug, PartialEq)]
pub(super) struct OpenedStream {
    pub(super) head: Vec<u8>,
    pub(super) is_chunked: bool,
    /// What ends its chunks.
    pub(super) last_chunk: &'static [u8],
    /// What follows a body that has ended well.
    pub(super) coda: Vec<u8>,
    /// And then.
    pub(super) then: Then,
}

/// How the head says where the body ends.
#[derive(Clone, Copy)]
enum Length {
    Known(u64),
    Chunked,
    /// With the connection.
    Open,
}

/// Returns the reply that a fault puts in place of the machine's. The endpoint would have answered with this media type.
pub(super) fn replacement(fault: &Fault, media_type: &str) -> Option<Reply> {
    let ok = |fields: &[(&'static str, &str)], body: Vec<u8>| Reply {
        status: 200,
        headers: fields
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        body,
    };
    let typed = ("content-type", media_type);
    match fault {
        Fault::Status {
            code, retry_after, ..
        } => {
            let mut reply = Reply::error(*code, format!("simulated fault: status {code}"));
            if let Some(after) = retry_after {
                reply.headers.push(("retry-after", after.clone()));
            }
            Some(reply)
        }
        Fault::Redirect { to, code } => {
            let mut reply = Reply::error(*code, format!("simulated fault: status {code}"));
            if let Some(to) = to {
                reply.headers.push(("location", to.clone()));
            }
            Some(reply)
        }
        Fault::Html200 => Some(ok(
            &[("content-type", "text/html; charset=utf-8")],
            b"<!doctype html><title>Sign in</title><p>Please sign in to this network.".to_vec(),
        )),
        Fault::GzipBomb => Some(ok(&[typed, ("content-encoding", "gzip")], gzip_bomb())),
        Fault::EndlessLine if media_type == EVENT_STREAM => Some(ok(&[typed], b"data: ".to_vec())),
        Fault::EndlessLine => Some(ok(&[typed], b"\"".to_vec())),
        Fault::EndlessData => Some(ok(&[typed], Vec::new())),
        _ => None,
    }
}

/// Returns a whole reply as the fault lets it out. A fault that acts on something else lets it out whole.
pub(super) fn deliver(reply: &Reply, fault: Option<&Fault>, way: Way) -> WireReply {
    if let Some(then) = fault.and_then(without_reply) {
        return WireReply::of(Vec::new(), then);
    }
    let then = Then::of(way);
    let head = head(reply, Length::of(&reply.body), then);
    // RFC 9110, section 9.3.2: HEAD gets the head that the body would have, and no body.
    let body: &[u8] = if way.is_head { &[] } else { &reply.body };
    let cut_body = |bytes: u64, end: Then| {
        let kept = cut(body, bytes);
        WireReply::of([&head, kept].concat(), end)
    };
    match fault {
        Some(&Fault::CutHead { bytes }) => WireReply::of(cut(&head, bytes).to_vec(), Then::Close),
        Some(&Fault::CutBody { bytes }) => cut_body(bytes, Then::Close),
        Some(&Fault::Reset {
            after_bytes: Some(bytes),
        }) => cut_body(bytes, Then::Reset),
        Some(&Fault::Stall {
            after_bytes: Some(bytes),
        }) => cut_body(bytes, Then::Hold),
        Some(&Fault::LostReplyAfterApply { after_bytes }) => {
            let whole = [&head, body].concat();
            WireReply::of(cut(&whole, after_bytes).to_vec(), Then::Close)
        }
        Some(Fault::TruncatedJson) => {
            let half = Reply {
                body: body[..body.len() / 2].to_vec(),
                ..reply.clone()
            };
            deliver(&half, None, way)
        }
        Some(Fault::DuplicateReply) => WireReply::of([&head, body].concat().repeat(2), then),
        // Trailers are a part of the chunked coding alone (RFC 9112, section 7.1.2).
        Some(Fault::Trailers) if way.takes_chunks && !body.is_empty() => {
            let head = self::head(reply, Length::Chunked, then);
            WireReply::of(
                [&head, &chunk(body)[..], LAST_CHUNK_TRAILERS].concat(),
                then,
            )
        }
        Some(Fault::WrongContentType { content_type }) => {
            deliver(&retyped(reply, content_type), None, way)
        }
        Some(&Fault::Dribble { bytes, pause }) => WireReply {
            bytes: head,
            tail: Tail::Pieces {
                bytes: body.to_vec(),
                size: usize::try_from(bytes).unwrap_or(usize::MAX),
                pause,
            },
            then,
        },
        Some(&Fault::EndlessBody { bytes }) => endless(reply, bytes, b" ", way),
        Some(Fault::EndlessLine) => endless(reply, None, b"x", way),
        Some(Fault::EndlessData) => endless(reply, None, b"data:\n", way),
        _ => WireReply::of([&head, body].concat(), then),
    }
}

/// Returns what a fault of the connection does to it in place of a reply.
fn without_reply(fault: &Fault) -> Option<Then> {
    match fault {
        Fault::CloseBeforeHead => Some(Then::Close),
        Fault::Reset { after_bytes: None } => Some(Then::Reset),
        Fault::Stall { after_bytes: None } => Some(Then::Hold),
        Fault::Refuse { span } => Some(Then::Refuse(*span)),
        _ => None,
    }
}

/// Returns the head of an event stream as the fault sends it; what happens to the frames is the
/// [`Shaper`](super::shape::Shaper)'s.
pub(super) fn open(reply: &Reply, fault: Option<&Fault>, way: Way) -> Opened {
    let is_chunked = way.takes_chunks;
    let length = Length::unknown(way);
    let then = if is_chunked {
        Then::of(way)
    } else {
        Then::Close
    };
    let plain = head(reply, length, then);
    let (head, coda) = match fault {
        Some(&Fault::CutHead { bytes }) => {
            return Opened::Instead(WireReply::of(cut(&plain, bytes).to_vec(), Then::Close));
        }
        Some(&Fault::LostReplyAfterApply { after_bytes }) if after_bytes < plain.len() as u64 => {
            return Opened::Instead(WireReply::of(
                cut(&plain, after_bytes).to_vec(),
                Then::Close,
            ));
        }
        Some(&Fault::EndlessBody { bytes }) => {
            return Opened::Instead(endless(reply, bytes, b":\n", way));
        }
        Some(Fault::WrongContentType { content_type }) => (
            head(&retyped(reply, content_type), length, then),
            Vec::new(),
        ),
        Some(Fault::DuplicateReply) => (plain, head(reply, Length::Known(0), then)),
        _ => (plain, Vec::new()),
    };
    let last_chunk = match fault {
        Some(Fault::Trailers) => LAST_CHUNK_TRAILERS,
        _ => LAST_CHUNK,
    };
    Opened::Stream(OpenedStream {
        head,
        is_chunked,
        last_chunk,
        coda,
        then,
    })
}

/// Returns a piece of a body as a chunk (RFC 9112, section 7.1). An empty piece would be the last one, so it becomes nothing.
pub(super) fn chunk(piece: &[u8]) -> Vec<u8> {
    if piece.is_empty() {
        return Vec::new();
    }
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What ends a body of chunks.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The same, with fields that RFC 9110, section 6.5.1, forbids in a trailer: some proxies let them through, and whoever
/// read them as those of the head would redirect, wait, cut or unzip.
const LAST_CHUNK_TRAILERS: &[u8] = b"0\r\n\
    content-length: 0\r\n\
    content-encoding: gzip\r\n\
    content-type: text/html\r\n\
    location: /elsewhere\r\n\
    retry-after: 3600\r\n\
    server-timing: total;dur=12.5\r\n\
    \r\n";

/// The media type of event streams.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// An endless body is sent in blocks of about this size.
const BLOCK: usize = 64 << 10;

/// Returns the reply's body and then filling without end.
fn endless(reply: &Reply, claimed: Option<u64>, filling: &[u8], way: Way) -> WireReply {
    let length = claimed.map_or_else(|| Length::unknown(way), Length::Known);
    let mut bytes = head(reply, length, Then::of(way));
    if way.is_head {
        return WireReply::of(bytes, Then::Close);
    }
    let block = filling.repeat(BLOCK / filling.len());
    let block = if matches!(length, Length::Chunked) {
        bytes.extend(chunk(&reply.body));
        chunk(&block)
    } else {
        bytes.extend_from_slice(&reply.body);
        block
    };
    WireReply {
        bytes,
        tail: Tail::Endless(block),
        then: Then::Close,
    }
}

/// Returns at most so many of the bytes.
fn cut(bytes: &[u8], length: u64) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    &bytes[..length.min(bytes.len())]
}

fn retyped(reply: &Reply, content_type: &str) -> Reply {
    let mut reply = reply.clone();
    reply.headers.retain(|(name, _)| *name != "content-type");
    reply
        .headers
        .push(("content-type", content_type.to_owned()));
    reply
}

impl WireReply {
    fn of(bytes: Vec<u8>, then: Then) -> Self {
        Self {
            bytes,
            tail: Tail::Nothing,
            then,
        }
    }
}

impl Then {
    fn of(way: Way) -> Self {
        if way.keep_alive {
            Self::KeepAlive
        } else {
            Self::Close
        }
    }
}

impl Length {
    fn of(body: &[u8]) -> Self {
        Self::Known(body.len() as u64)
    }

    fn unknown(way: Way) -> Self {
        if way.takes_chunks {
            Self::Chunked
        } else {
            Self::Open
        }
    }
}

fn head(reply: &Reply, length: Length, then: Then) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    // RFC 9110, section 15.5.6. What only a switch or a fault refuses allows nothing.
    if reply.status == 405 && !reply.headers.iter().any(|(name, _)| *name == "allow") {
        text.push_str("allow:\r\n");
    }
    match length {
        Length::Known(length) => text.push_str(&format!("content-length: {length}\r\n")),
        Length::Chunked => text.push_str("transfer-encoding: chunked\r\n"),
        Length::Open => {}
    }
    if then == Then::Close {
        text.push_str("connection: close\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unnamed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way {
        keep_alive: true,
        takes_chunks: true,
        is_head: false,
    };
    /// The way back to a client of HTTP/1.0.
    const OLD: Way = Way::CLOSING;

    fn reply() -> Reply {
        Reply {
            status: 201,
            headers: vec![("content-type", "a/b".to_owned())],
            body: b"{\"a\":1}".to_vec(),
        }
    }

    #[test]
    fn every_fault_has_its_bytes() {
        let whole =
            "HTTP/1.1 201 Created\r\ncontent-type: a/b\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
        let head = whole.len() - 7;
        let check = |fault: Option<Fault>, expected: &str, then: Then| {
            let delivery = deliver(&reply(), fault.as_ref(), WAY);
            let text = String::from_utf8(delivery.bytes).unwrap();
            assert_eq!((text.as_str(), delivery.then), (expected, then));
            assert_eq!(delivery.tail, Tail::Nothing);
        };
        check(None, whole, Then::KeepAlive);
        check(
            Some(Fault::Latency { span: Span(9) }),
            whole,
            Then::KeepAlive,
        );
        check(Some(Fault::StaleRead), whole, Then::KeepAlive);
        check(
            Some(Fault::CutHead { bytes: 12 }),
            "HTTP/1.1 201",
            Then::Close,
        );
        check(
            Some(Fault::CutHead { bytes: u64::MAX }),
            &whole[..head],
            Then::Close,
        );
        check(
            Some(Fault::CutBody { bytes: 3 }),
            &whole[..head + 3],
            Then::Close,
        );
        check(
            Some(Fault::Reset {
                after_bytes: Some(0),
            }),
            &whole[..head],
            Then::Reset,
        );
        check(
            Some(Fault::Stall {
                after_bytes: Some(6),
            }),
            &whole[..head + 6],
            Then::Hold,
        );
        check(
            Some(Fault::LostReplyAfterApply { after_bytes: 0 }),
            "",
            Then::Close,
        );
        check(
            Some(Fault::LostReplyAfterApply { after_bytes: 12 }),
            "HTTP/1.1 201",
            Then::Close,
        );
        check(
            Some(Fault::LostReplyAfterApply {
                after_bytes: u64::MAX,
            }),
            whole,
            Then::Close,
        );
        let half = whole
            .replace("length: 7", "length: 3")
            .replace("{\"a\":1}", "{\"a");
        check(Some(Fault::TruncatedJson), &half, Then::KeepAlive);
        let twice = whole.repeat(2);
        check(Some(Fault::DuplicateReply), &twice, Then::KeepAlive);
        let chunked = whole
            .replace("content-length: 7", "transfer-encoding: chunked")
            .replace("{\"a\":1}", "7\r\n{\"a\":1}\r\n");
        let trailed = chunked + std::str::from_utf8(LAST_CHUNK_TRAILERS).unwrap();
        check(Some(Fault::Trailers), &trailed, Then::KeepAlive);
        let retyped = Fault::WrongContentType {
            content_type: "text/x-bogus".into(),
        };
        let expected = whole.replace("a/b", "text/x-bogus");
        check(Some(retyped), &expected, Then::KeepAlive);
        check(Some(Fault::CloseBeforeHead), "", Then::Close);
        check(Some(Fault::Reset { after_bytes: None }), "", Then::Reset);
        check(Some(Fault::Stall { after_bytes: None }), "", Then::Hold);
        check(
            Some(Fault::Refuse { span: Span(5) }),
            "",
            Then::Refuse(Span(5)),
        );
    }

    #[test]
    fn a_dribbled_body_leaves_in_pieces_behind_its_head() {
        let fault = Fault::Dribble {
            bytes: 2,
            pause: Span(9),
        };
        let delivery = deliver(&reply(), Some(&fault), WAY);
        assert!(delivery.bytes.ends_with(b"content-length: 7\r\n\r\n"));
        assert_eq!(
            delivery.tail,
            Tail::Pieces {
                bytes: reply().body,
                size: 2,
                pause: Span(9)
            }
        );
        assert_eq!(delivery.then, Then::KeepAlive);
    }

    #[test]
    fn an_endless_body_comes_in_chunks_or_under_a_claim_or_until_the_end() {
        let check = |claimed: Option<u64>, way: Way, field: &str, first: &[u8], block: &[u8]| {
            let delivery = deliver(&reply(), Some(&Fault::EndlessBody { bytes: claimed }), way);
            let text = String::from_utf8(delivery.bytes.clone()).unwrap();
            assert!(text.contains(field), "{text}");
            assert!(delivery.bytes.ends_with(first), "{text}");
            let Tail::Endless(endless) = delivery.tail else {
                unreachable!("{:?}", delivery.tail)
            };
            assert!(endless.starts_with(block));
        };
        let chunks = "transfer-encoding: chunked\r\n";
        check(None, WAY, chunks, b"7\r\n{\"a\":1}\r\n", b"10000\r\n   ");
        check(
            Some(99),
            WAY,
            "content-length: 99\r\n",
            b"{\"a\":1}",
            b"   ",
        );
        check(None, OLD, "connection: close\r\n", b"{\"a\":1}", b"   ");
    }

    #[test]
    fn what_takes_the_place_of_a_reply_fits_the_endpoint() {
        let check = |fault: Fault, media_type: &str, status: u16, field: (&'static str, &str)| {
            let reply = replacement(&fault, media_type).unwrap();
            assert_eq!(reply.status, status, "{fault:?}");
            let field = (field.0, field.1.to_owned());
            assert!(reply.headers.contains(&field), "{:?}", reply.headers);
            assert!(!fault.acts_on().is_applied());
            reply.body
        };
        let json = "application/json";
        let redirect = |to: &str| Fault::Redirect {
            to: Some(to.into()),
            code: 302,
        };
        check(redirect("file:///x"), json, 302, ("location", "file:///x"));
        check(Fault::GzipBomb, json, 200, ("content-encoding", "gzip"));
        let line = check(Fault::EndlessLine, json, 200, ("content-type", json));
        assert_eq!(line, b"\"");
        let line = check(
            Fault::EndlessLine,
            EVENT_STREAM,
            200,
            ("content-type", EVENT_STREAM),
        );
        assert_eq!(line, b"data: ");
        let nowhere = Fault::Redirect {
            to: None,
            code: 307,
        };
        let reply = replacement(&nowhere, json).unwrap();
        assert!(reply.headers.iter().all(|(name, _)| *name != "location"));
    }

    #[test]
    fn a_connection_that_ends_says_so() {
        let delivery = deliver(&reply(), None, OLD);
        assert_eq!(delivery.then, Then::Close);
        let text = String::from_utf8(delivery.bytes).unwrap();
        assert!(text.contains("\r\nconnection: close\r\n"));
        // A client that knows no chunks gets no trailer.
        let plain = deliver(&reply(), Some(&Fault::Trailers), OLD);
        assert_eq!(plain, deliver(&reply(), None, OLD));
    }

    #[test]
    fn the_head_of_a_stream_names_no_length() {
        let head = Reply {
            status: 200,
            headers: vec![("content-type", EVENT_STREAM.to_owned())],
            body: Vec::new(),
        };
        let opened = |fault: Option<Fault>, way: Way| match open(&head, fault.as_ref(), way) {
            Opened::Stream(opened) => opened,
            Opened::Instead(delivery) => unreachable!("{delivery:?}"),
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let plain = opened(None, WAY);
        assert_eq!(
            text(&plain.head),
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        assert_eq!((plain.is_chunked, plain.then), (true, Then::KeepAlive));
        let old = opened(None, OLD);
        assert!(text(&old.head).ends_with("event-stream\r\nconnection: close\r\n\r\n"));
        assert_eq!((old.is_chunked, old.then), (false, Then::Close));
        let twice = opened(Some(Fault::DuplicateReply), WAY);
        assert!(text(&twice.coda).ends_with("content-length: 0\r\n\r\n"));
        assert_eq!(plain.last_chunk, LAST_CHUNK);
        let trailed = opened(Some(Fault::Trailers), WAY);
        assert_eq!(
            (trailed.head, trailed.last_chunk),
            (plain.head.clone(), LAST_CHUNK_TRAILERS)
        );
        let cut = open(&head, Some(&Fault::CutHead { bytes: 4 }), WAY);
        let expected = WireReply::of(b"HTTP".to_vec(), Then::Close);
        assert_eq!(cut, Opened::Instead(expected));
        let length = plain.head.len() as u64;
        let lost = |bytes| {
            open(
                &head,
                Some(&Fault::LostReplyAfterApply { after_bytes: bytes }),
                WAY,
            )
        };
        assert!(matches!(lost(length - 1), Opened::Instead(_)));
        assert!(matches!(lost(length), Opened::Stream(_)));
    }

    #[test]
    fn chunks_carry_their_length() {
        assert_eq!(chunk(&[b'x'; 26]).len(), 4 + 26 + 2);
        assert_eq!(chunk(b"abc"), b"3\r\nabc\r\n");
        assert_eq!(chunk(b""), b"", "an empty chunk would be the last");
    }
}
