//! The writer of forms, read back by the simulator's parser, which shares nothing with it.

use arbitrary::{Arbitrary, Unstructured};
use taskward_core::bytes::Bytes;
use taskward_core::http::header::CONTENT_TYPE;
use taskward_core::http::{Method, uri::PathAndQuery};
use taskward_core::{
    BuildError, Call, CallStep, Content, Operation, OriginBudget, Part, Policy, ReadError, Request,
    Response, Safety, Seed, Segment, Source, SourceKey, Timestamp, clean_filename,
};
use taskward_sim::multipart::{Multipart, boundary};
use taskward_sim::{Form, Part as Read};

#[derive(Arbitrary, Debug)]
struct Input {
    seed: [u8; 4],
    /// Lengths of the pieces in which the body goes to the parser, over and over.
    pieces: Vec<u8>,
    parts: Vec<Written>,
}

#[derive(Arbitrary, Debug, Clone)]
enum Written {
    Text {
        name: String,
        value: String,
    },
    File {
        name: String,
        filename: String,
        content_type: String,
        bytes: Vec<u8>,
        /// Whether the content is read while it is sent.
        is_source: bool,
    },
}

/// The operation that sends a form, so that it gets its boundary as any other.
struct Upload(Vec<Part>);

impl Operation for Upload {
    type Output = ();
    const NAME: &'static str = "upload";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        Request::form(Method::POST, PathAndQuery::from_static("/"), self.0.clone())
    }

    fn read(&self, _reply: &Response) -> Result<(), ReadError> {
        Ok(())
    }
}

/// A form, and how its bytes are cut.
///
/// The parser finds the same parts in the same order: names as the WHATWG writes them, contents byte for byte. The
/// length is known beforehand, and the digest does not depend on the boundary.
pub fn target(data: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let parts: Vec<Part> = (0..).zip(&input.parts).map(part).collect();
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&input.seed);
    let now = Timestamp::from_millis(0);
    let call = Call::new(Upload(parts.clone()), Policy::default(), &Seed(seed), now);
    let sendable = input.parts.iter().all(Written::is_sendable);
    assert_eq!(call.is_ok(), sendable, "{:?}", input.parts);
    let Ok(mut call) = call else {
        return;
    };
    let shared = OriginBudget::new();
    let CallStep::Send { request, .. } = call.next_step(now, &shared) else {
        panic!("a new call sends");
    };

    let bytes = body(request, &input.parts);
    assert_eq!(bytes.len() as u64, request.body().len(), "the length");
    let header = request.headers()[CONTENT_TYPE].to_str().expect("ASCII");
    let boundary = boundary(header).expect("a boundary");
    let other = Request::form(Method::POST, PathAndQuery::from_static("/"), parts);
    assert_eq!(
        other.expect("it was one before").digest(),
        request.digest(),
        "the digest is of what is sent, not of its boundary"
    );

    // A boundary is searched for in what is in memory; that a file holds it is left to 128 random bits.
    if input.parts.iter().any(|part| part.streams(&boundary)) {
        return;
    }
    // Long heads and forms of many parts are beyond what the parser takes.
    if input.parts.len() > 1000 || input.parts.iter().any(|part| part.head_len() > 2048) {
        return;
    }
    let mut parser = Multipart::new(&boundary, None);
    for piece in pieces(&bytes, &input.pieces) {
        parser.push(piece).expect("a form");
    }
    let Form { parts: read, .. } = parser.finish().expect("a whole form");
    assert_eq!(read.len(), input.parts.len());
    for (written, read) in input.parts.iter().zip(&read) {
        written.assert_is(read);
    }
}

fn part((number, written): (usize, &Written)) -> Part {
    match written.clone() {
        Written::Text { name, value } => Part::text(name, value),
        Written::File {
            name,
            filename,
            content_type,
            bytes,
            is_source,
        } => {
            let content = if is_source {
                Content::Source(Source::key(number.to_string(), bytes.len() as u64))
            } else {
                Content::Bytes(Bytes::from(bytes))
            };
            let filename = clean_filename(&filename).unwrap_or(filename);
            Part::file(name, filename, content_type, content)
        }
    }
}

/// Returns what a driver sends: the bytes as they are, and what it knows under each key.
fn body(request: &Request, parts: &[Written]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(piece) => bytes.extend_from_slice(piece),
            Segment::Source(Source {
                key: SourceKey::Key(key),
                ..
            }) => {
                let number: usize = key.parse().expect("a number");
                let Written::File { bytes: content, .. } = &parts[number] else {
                    panic!("only files are sources");
                };
                bytes.extend_from_slice(content);
            }
            Segment::Source(source) => panic!("nobody named the file {source:?}"),
        }
    }
    bytes
}

fn pieces<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut lengths = lengths.iter().filter(|length| **length > 0).cycle();
    while !bytes.is_empty() && pieces.len() < 4096 {
        let length = lengths
            .next()
            .map_or(bytes.len(), |length| (*length).into());
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

impl Written {
    fn is_sendable(&self) -> bool {
        match self {
            Self::Text { .. } => true,
            Self::File { content_type, .. } => !content_type.bytes().any(|b| b < b' ' || b == 127),
        }
    }

    /// Returns whether it is a file, read while it is sent, that holds this text.
    fn streams(&self, text: &str) -> bool {
        let Self::File {
            bytes,
            is_source: true,
            ..
        } = self
        else {
            return false;
        };
        bytes
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    }

    fn head_len(&self) -> usize {
        match self {
            Self::Text { name, .. } => name.len(),
            Self::File {
                name,
                filename,
                content_type,
                ..
            } => name.len() + filename.len() + content_type.len(),
        }
    }

    fn assert_is(&self, read: &Read) {
        match (self, read) {
            (Self::Text { name, value }, Read::Text { name: n, value: v }) => {
                assert_eq!((&field_name(name), value.as_bytes()), (n, &v[..]));
            }
            (
                Self::File {
                    name,
                    filename,
                    content_type,
                    bytes,
                    ..
                },
                Read::File(file),
            ) => {
                let filename = clean_filename(filename).unwrap_or_else(|_| filename.clone());
                assert_eq!(field_name(name), file.field);
                assert_eq!(unescaped(&filename), file.name);
                assert_eq!(content_type.trim(), file.content_type);
                assert_eq!(bytes.len() as u64, file.size);
                assert_eq!(bytes, &file.head, "the content");
            }
            (written, read) => panic!("{written:?} was read as {read:?}"),
        }
    }
}

/// Returns a field's name as it arrives: the line breaks of a form are CRLF.
fn field_name(name: &str) -> String {
    let lines = name.replace("\r\n", "\n").replace('\r', "\n");
    unescaped(&lines.replace('\n', "\r\n"))
}

/// Returns what the writer leaves as it is and the reader takes for an escape: the form has no way to tell them apart.
fn unescaped(text: &str) -> String {
    text.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}
