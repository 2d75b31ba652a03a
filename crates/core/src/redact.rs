//! Removes the API key from everything that comes from outside, before anything reads it.
//!
//! # The rule
//! Nothing that a server sent, and nothing that a library says about it, becomes a value of this program before it has
//! passed one of four functions. Whatever is decoded later (errors, statuses, titles, messages, answers, raw events,
//! ids) is made of what they let through, so neither core nor a provider looks for the key again.
//!
//! | what enters | passes | called by |
//! |---|---|---|
//! | status line and headers, of redirects too | [`Credential::redact_head`] | `reply::head` of `taskward-client`, in both adapters |
//! | the body of any reply, whatever its status and type | [`Credential::redact_body`] | `Report::clean` of `taskward-client` |
//! | the bytes of an event stream | [`StreamRedactor::push`] | `EventStream` of both adapters |
//! | words about a failure | [`Credential::redact`] | `reply::clean_failure` of `taskward-client` |
//!
//! A key in pieces looks harmless piece by piece, so the events of a task also pass a fifth function before they are
//! delivered: [`HoldBack`], which [`Task::with_credential`](crate::Task::with_credential) gives to a task.
//!
//! What the program prints passes [`Credential::redact`] once more, since it also prints text that did not come from
//! the server.
//!
//! # What is found
//! The bytes are searched as they came, for every way in which each character of the key may be spelt: as itself, as a
//! JSON escape (`\u005f`, `\/`), percent-encoded (`%5F`), and either of these encoded once more (`\\u005f`, `%255F`).
//! Between two characters there may be line breaks and other control characters, plain or escaped, and after a line break
//! indentation or the `data:` of an event stream. A decoder undoes no more than that, so a text without such a spelling
//! decodes to no text with the key; and because a spelling never crosses the quotes of a JSON string, JSON stays JSON.
//!
//! A key is also found where it is cut into pieces by consecutive values of one name, as in the deltas of a text:
//! [`pieces`] describes how, and how much of a key may be delivered.
//!
//! # What replaces it
//! [`REDACTED`] replaces the key. An id, a cursor or a status that contains it is invalid: the decoders refuse it as
//! they refuse a damaged one, and the reply cannot be read.
//!
//! # What this module does not do
//! It looks for no key of fewer than [`SHORTEST`] characters, which any text may hold by accident, and of a
//! `key_id:secret` for the secret alone: the id may be shown. Other encodings (base64, HTML entities, a digest) are not
//! undone, pieces are put together within one reply or the events that one process tells of a task, and of a key with
//! backslashes in it not every mixture of forms is found.

mod pieces;

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use memchr::{memchr3, memrchr2};

use crate::credential::{Credential, REDACTED};
use crate::response::Head;

pub(crate) use pieces::{HoldBack, MAX_BEHIND, Piece};

/// Bytes of an unfinished line of a stream that are held back. A longer line is released piece by piece.
const MAX_HELD: usize = 1024 * 1024;

/// The most bytes that a character of the key is expected to take where only the end of a text is searched.
const WIDEST: usize = 16;

impl Credential {
    /// Removes the key from a text for people to read.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let redacted = self
            .secret()
            .and_then(|secret| without_key(secret, text.as_bytes()));
        match redacted {
            // Spellings begin and end at ASCII characters, so these are character boundaries.
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => text.to_owned(),
        }
    }

    /// Removes the key from a reply's headers. A header whose name contains it is dropped.
    pub fn redact_head(&self, head: &mut Head) {
        let Some(secret) = self.secret() else { return };
        let names = head.headers.keys().filter(|name| {
            let mut parts = name.as_str().as_bytes().windows(secret.len());
            parts.any(|part| part.eq_ignore_ascii_case(secret))
        });
        for name in names.cloned().collect::<Vec<HeaderName>>() {
            head.headers.remove(name);
        }
        for value in head.headers.values_mut() {
            if let Some(bytes) = without_key(secret, value.as_bytes()) {
                *value = HeaderValue::from_bytes(&bytes)
                    .unwrap_or_else(|_| HeaderValue::from_static(REDACTED));
            }
        }
    }

    /// Removes the key from a whole body. A body without it is returned as it is.
    #[must_use]
    pub fn redact_body(&self, body: Bytes) -> Bytes {
        let Some(secret) = self.secret() else {
            return body;
        };
        let body = without_key(secret, &body).map_or(body, Bytes::from);
        pieces::without_pieces(secret, &body).map_or(body, Bytes::from)
    }

    /// Begins to remove the key from an event stream.
    #[must_use]
    pub fn redact_stream(&self) -> StreamRedactor {
        StreamRedactor {
            credential: self.clone(),
            held: BytesMut::new(),
        }
    }
}

/// Removes the key from an event stream, in whatever pieces its bytes come. An unfinished line is held back until it is
/// complete; a line that the end of the stream leaves unfinished belongs to no event. The task that receives the events
/// handles a key in pieces.
#[derive(Debug)]
pub struct StreamRedactor {
    credential: Credential,
    held: BytesMut,
}

impl StreamRedactor {
    /// Takes the next bytes and returns those that may be read; nothing while a line is unfinished.
    #[must_use]
    pub fn push(&mut self, mut bytes: Bytes) -> Bytes {
        let Some(secret) = self.credential.secret() else {
            return bytes;
        };
        let Some(end) = memrchr2(b'\n', b'\r', &bytes) else {
            self.held.extend_from_slice(&bytes);
            if self.held.len() <= MAX_HELD {
                return Bytes::new();
            }
            let rest = self.held.split_off(finished(secret, &self.held));
            let text = std::mem::replace(&mut self.held, rest).freeze();
            return without_key(secret, &text).map_or(text, Bytes::from);
        };
        let mut text = bytes.split_to(end + 1);
        if !self.held.is_empty() {
            self.held.extend_from_slice(&text);
            text = std::mem::take(&mut self.held).freeze();
        }
        self.held.extend_from_slice(&bytes);
        without_key(secret, &text).map_or(text, Bytes::from)
    }
}

// --- spellings ---------------------------------------------------------------------------------------------------------

/// One character of a text, however it is spelt there.
enum Unit {
    /// This code point; its spelling ends here.
    Is(u32, usize),
    /// The text ends before the character is complete.
    Cut,
}

/// Reads the character at a position. Any number of backslashes counts as one: their number doubles each time JSON is
/// put into a JSON string.
fn unit(text: &[u8], at: usize) -> Unit {
    let rest = text.get(at..).unwrap_or_default();
    match rest {
        [] => Unit::Cut,
        [b'\\', ..] => {
            let at = at + backslashes(rest);
            let code = match text.get(at) {
                None => return Unit::Cut,
                Some(b'u') => match hex(text, at + 1, 4) {
                    Ok(Some(code)) => return Unit::Is(code, at + 5),
                    Ok(None) => b'u',
                    Err(()) => return Unit::Cut,
                },
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'b') => 0x08,
                Some(b'f') => 0x0c,
                Some(byte) => *byte,
            };
            Unit::Is(code.into(), at + 1)
        }
        [b'%', ..] => {
            let at = at + 1 + digits(&rest[1..]);
            match hex(text, at, 2) {
                Ok(Some(code)) => Unit::Is(code, at + 2),
                Ok(None) => Unit::Is(b'%'.into(), at),
                Err(()) => Unit::Cut,
            }
        }
        [0xc2, 0x85, ..] => Unit::Is(0x85, at + 2),
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => Unit::Is(0x2000 + u32::from(last - 0x80), at + 3),
        [byte, ..] => Unit::Is((*byte).into(), at + 1),
    }
}

fn backslashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b'\\').count()
}

/// Reads so many hexadecimal digits; returns `Ok(None)` if they are no digits, an error if the text ends within them.
fn hex(text: &[u8], at: usize, count: usize) -> Result<Option<u32>, ()> {
    let mut code = 0;
    for place in at..at + count {
        let digit = char::from(*text.get(place).ok_or(())?).to_digit(16);
        match digit {
            Some(digit) => code = code * 16 + digit,
            None => return Ok(None),
        }
    }
    Ok(Some(code))
}

/// Returns where a text continues after line breaks and other control characters, and after the indentation of the next
/// line.
fn after_break(text: &[u8], mut at: usize) -> usize {
    let start = at;
    loop {
        match unit(text, at) {
            Unit::Is(0..=0x1f | 0x7f | 0x85 | 0x2028 | 0x2029, next) => {
                at = next;
                if text[at..].starts_with(b"data:") {
                    at += b"data:".len();
                }
            }
            Unit::Is(0x20, next) if at > start => at = next,
            Unit::Is(..) | Unit::Cut => return at,
        }
    }
}

/// How far a text spells a key.
enum Reach {
    /// The text spells the whole key, which ends here.
    Whole(usize),
    /// The text ends after so many characters of the key.
    Open(usize),
    /// The text does not spell the key.
    No,
}

/// Compares `text` from `at` on with `key`.
fn spell(key: &[u8], text: &[u8], mut at: usize) -> Reach {
    for (done, expected) in key.iter().enumerate() {
        if done > 0 {
            at = after_break(text, at);
        }
        let itself = literal(&key[done..], text, at);
        let read = match unit(text, at) {
            Unit::Is(code, next) if code == u32::from(*expected) => Some(next),
            Unit::Is(..) => None,
            Unit::Cut if itself.is_some() => None,
            Unit::Cut => return Reach::Open(done),
        };
        at = match (read, itself) {
            (Some(next), None) | (None, Some(next)) => next,
            (None, None) => return Reach::No,
            // The key itself looks encoded here: try both readings, with this same function for the rest.
            (Some(next), Some(other)) => {
                let rest = &key[done + 1..];
                if next != other && !rest.is_empty() {
                    match spell(rest, text, after_break(text, other)) {
                        Reach::Whole(end) => return Reach::Whole(end),
                        Reach::Open(more) => return Reach::Open(done + 1 + more),
                        Reach::No => {}
                    }
                }
                next
            }
        };
    }
    Reach::Whole(at)
}

/// Returns where a text continues after the key's next character, if that is one of the two with which encodings begin
/// and it stands for itself, however often it was encoded.
fn literal(key: &[u8], text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    match (key, rest) {
        ([b'\\', ..], [b'\\', ..]) => Some(at + backslashes(rest)),
        ([b'%', b'2', b'5', ..], [b'%', ..]) => Some(at + 1),
        ([b'%', ..], [b'%', ..]) => Some(at + 1 + digits(&rest[1..])),
        _ => None,
    }
}

/// Returns how many bytes each encoding of a percent sign has added after it.
fn digits(text: &[u8]) -> usize {
    2 * text.chunks(2).take_while(|two| two == b"25").count()
}

/// Returns the next position where a spelling of the key may begin.
fn next_start(key: &[u8], text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    memchr3(*key.first()?, b'\\', b'%', rest).map(|at| from + at)
}

/// Returns where to continue after a position at which no spelling begins.
fn after_start(text: &[u8], at: usize) -> usize {
    at + backslashes(&text[at..]).max(1)
}

/// Returns the first spelling of the key from a position on.
fn find(key: &[u8], text: &[u8], mut from: usize) -> Option<Range<usize>> {
    while let Some(at) = next_start(key, text, from) {
        if let Reach::Whole(end) = spell(key, text, at) {
            return Some(at..end);
        }
        from = after_start(text, at);
    }
    None
}

/// Returns where the last characters of a text begin to spell the key, and how many characters of it they spell.
fn open_end(key: &[u8], text: &[u8]) -> Option<(usize, usize)> {
    let mut from = text.len().saturating_sub(key.len() * WIDEST);
    while let Some(at) = next_start(key, text, from) {
        if let Reach::Open(spelt) = spell(key, text, at) {
            return Some((at, spelt));
        }
        from = after_start(text, at);
    }
    None
}

/// Returns how much of an unfinished text may be released: no key and no escape begins before that and ends later.
fn finished(key: &[u8], text: &[u8]) -> usize {
    open_end(key, text).map_or(text.len(), |(at, _)| at)
}

/// Returns the text with every spelling of the key replaced; `None` if there is none.
fn without_key(key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Masked::default();
    let mut from = 0;
    while let Some(place) = find(key, text, from) {
        from = place.end;
        out.mask(text, place);
    }
    out.end(text)
}

/// A text under construction, in which parts are replaced.
#[derive(Default)]
struct Masked {
    out: Vec<u8>,
    /// How much of the source was copied.
    taken: usize,
}

impl Masked {
    fn mask(&mut self, text: &[u8], place: Range<usize>) {
        self.out
            .extend_from_slice(&text[self.taken..place.start.max(self.taken)]);
        self.out.extend_from_slice(REDACTED.as_bytes());
        self.taken = place.end.max(self.taken);
    }

    fn end(mut self, text: &[u8]) -> Option<Vec<u8>> {
        if self.taken == 0 {
            return None;
        }
        self.out.extend_from_slice(&text[self.taken..]);
        Some(self.out)
    }
}
