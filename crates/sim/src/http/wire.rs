//! HTTP/1.1 requests on the wire, read without I/O: heads and body framing.
//!
//! Written by hand so that the front decides over every byte that leaves and over the way a connection ends; both are
//! what its faults are made of.

use crate::message::Head;

/// A request head may not be longer.
pub(super) const MAX_HEAD: usize = 64 << 10;
const MAX_HEADERS: usize = 128;
/// The line of a chunk's size, or of a trailer field, may not be longer.
const MAX_LINE: usize = 4 << 10;

/// A head and what follows from it for the bytes behind it.
#[derive(Debug)]
pub(super) struct ParsedHead {
    pub(super) head: Head,
    pub(super) body: Framing,
    pub(super) way: Way,
    pub(super) expects_continue: bool,
}

/// What a request says about the way back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) keep_alive: bool,
    /// Whether the client knows chunks: since HTTP/1.1.
    pub(super) takes_chunks: bool,
    /// Whether it wants the head of the reply alone.
    pub(super) is_head: bool,
}

impl Way {
    /// Back to one whose request was not understood.
    pub(super) const CLOSING: Self = Self {
        keep_alive: false,
        takes_chunks: false,
        is_head: false,
    };

    /// Returns the way back when so much of the request's body was read: behind the rest no other request is found.
    pub(super) fn if_read(self, body: &Framing) -> Self {
        Self {
            keep_alive: self.keep_alive && body.is_done(),
            ..self
        }
    }
}

/// Why a head is refused before its route is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadHead {
    pub(super) status: u16,
    pub(super) why: String,
}

impl BadHead {
    fn malformed(why: impl Into<String>) -> Self {
        Self {
            status: 400,
            why: why.into(),
        }
    }
}

/// Reads a head from the beginning of the bytes: with its length, or `None` when it is not complete yet.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<(usize, ParsedHead)>, BadHead> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request
        .parse(bytes)
        .map_err(|why| BadHead::malformed(format!("malformed request head: {why}")))?
    {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if bytes.len() > MAX_HEAD => {
            return Err(BadHead::malformed("request head too long"));
        }
        httparse::Status::Partial => return Ok(None),
    };
    let target = request.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = request.headers.iter().map(|field| {
        let value = String::from_utf8_lossy(field.value).into_owned();
        (field.name.to_ascii_lowercase(), value)
    });
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.collect(),
    };
    let says = |name: &str, token: &str| {
        let value = head.header(name).unwrap_or_default();
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let takes_chunks = request.version == Some(1);
    let way = Way {
        keep_alive: takes_chunks && !says("connection", "close"),
        takes_chunks,
        is_head: head.method == "HEAD",
    };
    let expects_continue = says("expect", "100-continue");
    let body = framing(&head)?;
    Ok(Some((
        length,
        ParsedHead {
            head,
            body,
            way,
            expects_continue,
        },
    )))
}

fn framing(head: &Head) -> Result<Framing, BadHead> {
    let lengths: Vec<&str> = head
        .headers
        .iter()
        .filter(|(name, _)| name == "content-length")
        .map(|(_, value)| value.trim())
        .collect();
    match (head.header("transfer-encoding"), lengths.as_slice()) {
        (Some(coding), []) if coding.trim().eq_ignore_ascii_case("chunked") => Ok(Framing {
            state: State::Size,
            line: Vec::new(),
        }),
        // RFC 9112, section 6.1: a transfer coding that is not understood.
        (Some(_), []) => Err(BadHead {
            status: 501,
            why: "the simulator takes no transfer encoding but chunked".to_owned(),
        }),
        (Some(_), _) => Err(BadHead::malformed(
            "both Content-Length and Transfer-Encoding",
        )),
        (None, []) => Ok(Framing::of_length(0)),
        (None, [first, rest @ ..]) => {
            let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || rest.iter().any(|other| other != first) {
                return Err(BadHead::malformed("malformed Content-Length"));
            }
            first
                .parse()
                .map(Framing::of_length)
                .map_err(|_| BadHead::malformed("malformed Content-Length"))
        }
    }
}

/// How the end of a body is found.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    line: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// So many bytes are left, and no chunks.
    Plain(u64),
    /// In the line of a chunk's size.
    Size,
    /// So many bytes are left of a chunk.
    Chunk(u64),
    /// In the line break behind a chunk.
    ChunkEnd,
    /// In the trailer.
    Trailer,
    Done,
}

/// What was read of a piece.
#[derive(Debug, PartialEq)]
pub(super) struct Taken<'a> {
    /// So many bytes of the piece are dealt with.
    pub(super) consumed: usize,
    /// The body's bytes among them.
    pub(super) data: &'a [u8],
}

impl Framing {
    fn of_length(length: u64) -> Self {
        let state = if length == 0 {
            State::Done
        } else {
            State::Plain(length)
        };
        Self {
            state,
            line: Vec::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Reads on in a piece that is not empty. Each call deals with at least one byte, until the body is done.
    pub(super) fn take<'a>(&mut self, piece: &'a [u8]) -> Result<Taken<'a>, String> {
        match &mut self.state {
            State::Plain(left) | State::Chunk(left) => {
                let take = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(piece.len());
                *left -= take as u64;
                let (is_over, is_plain) = (*left == 0, matches!(self.state, State::Plain(_)));
                if is_over {
                    self.state = if is_plain {
                        State::Done
                    } else {
                        State::ChunkEnd
                    };
                }
                Ok(Taken {
                    consumed: take,
                    data: &piece[..take],
                })
            }
            State::Done => Ok(Taken {
                consumed: 0,
                data: &[],
            }),
            State::Size | State::ChunkEnd | State::Trailer => {
                let end = memchr::memchr(b'\n', piece);
                let consumed = end.map_or(piece.len(), |end| end + 1);
                self.line.extend_from_slice(&piece[..consumed]);
                if self.line.len() > MAX_LINE {
                    return Err("chunk line too long".to_owned());
                }
                if end.is_some() {
                    self.read_line()?;
                }
                Ok(Taken {
                    consumed,
                    data: &[],
                })
            }
        }
    }

    fn read_line(&mut self) -> Result<(), String> {
        let line = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&line)
            .map_err(|_| "malformed chunk".to_owned())?
            .trim_end_matches(['\r', '\n']);
        self.state = match self.state {
            State::Size => {
                let digits = line.split(';').next().unwrap_or_default().trim();
                let is_number =
                    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let size = u64::from_str_radix(digits, 16).ok().filter(|_| is_number);
                match size.ok_or_else(|| "malformed chunk size".to_owned())? {
                    0 => State::Trailer,
                    size => State::Chunk(size),
                }
            }
            State::ChunkEnd if line.is_empty() => State::Size,
            State::ChunkEnd => return Err("malformed chunk".to_owned()),
            State::Trailer if line.is_empty() => State::Done,
            State::Trailer | State::Plain(_) | State::Chunk(_) | State::Done => State::Trailer,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<(usize, ParsedHead)>, BadHead> {
        parse_head(text.as_bytes())
    }

    fn read(framing: &mut Framing, mut bytes: &[u8]) -> Result<(Vec<u8>, usize), String> {
        let mut body = Vec::new();
        while !framing.is_done() && !bytes.is_empty() {
            let taken = framing.take(bytes)?;
            assert!(taken.consumed > 0, "no progress at {bytes:?}");
            body.extend_from_slice(taken.data);
            bytes = &bytes[taken.consumed..];
        }
        Ok((body, bytes.len()))
    }

    #[test]
    fn a_head_is_read_at_every_cut() {
        let text = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc";
        let end = text.len() - 3;
        for cut in 0..end {
            assert!(parse(&text[..cut]).unwrap().is_none(), "cut at {cut}");
        }
        let (length, parsed) = parse(text).unwrap().unwrap();
        assert_eq!(length, end);
        assert_eq!(
            (parsed.head.path.as_str(), parsed.head.query.as_str()),
            ("/a", "b=c")
        );
        assert!(parsed.way.keep_alive && parsed.expects_continue && !parsed.body.is_done());
    }

    #[test]
    fn a_chunked_body_is_read_at_every_cut() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = b"3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\nNEXT";
        for cut in 0..=body.len() {
            let mut framing = parse(head).unwrap().unwrap().1.body;
            let (mut data, left) = read(&mut framing, &body[..cut]).unwrap();
            let (rest, left) = read(
                &mut framing,
                &[&body[cut - left..cut], &body[cut..]].concat(),
            )
            .unwrap();
            data.extend(rest);
            assert_eq!(
                (data.as_slice(), left),
                (b"abc0123456789".as_slice(), 4),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_body_of_known_length_ends_there() {
        let mut framing = parse("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n")
            .unwrap()
            .unwrap()
            .1
            .body;
        assert_eq!(read(&mut framing, b"abcNEXT"), Ok((b"abc".to_vec(), 4)));
        assert!(
            parse("GET / HTTP/1.1\r\n\r\n")
                .unwrap()
                .unwrap()
                .1
                .body
                .is_done()
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let check = |fields: &str| {
            assert!(
                parse(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")).is_err(),
                "{fields}"
            )
        };
        check("Content-Length: -1");
        check("Content-Length: 3\r\nContent-Length: 4");
        check("Content-Length: 3\r\nTransfer-Encoding: chunked");
        check("Transfer-Encoding: gzip");
        assert!(parse("\0\r\n").is_err());
        assert!(parse(&format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(MAX_HEAD))).is_err());
        for body in ["x\r\n", "\r\n", "FFFFFFFFFFFFFFFFF\r\n", "1\r\nab\r\n"] {
            let mut framing = parse("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
                .unwrap()
                .unwrap()
                .1
                .body;
            assert!(read(&mut framing, body.as_bytes()).is_err(), "{body}");
        }
    }
}
