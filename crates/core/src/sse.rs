//! Server-sent events: bytes in, events out, in whatever pieces the bytes come.
//!
//! The grammar is that of the [WHATWG][spec]: one byte order mark is skipped at the very start, lines end in CR, LF or
//! CRLF, an id stays in force until another comes, and a block that no blank line ends is thrown away with its id.
//! Invalid UTF-8 becomes U+FFFD. Events are lent from buffers that are used again, so a stream in its stride allocates
//! nothing; each byte is looked at once, wherever the input is cut.
//!
//! ```
//! use taskward_core::sse::Decoder;
//!
//! let mut decoder = Decoder::new();
//! for chunk in ["id: 7\nda", "ta: one\ndata: two\n", "\n: still here\n"] {
//!     let mut rest = chunk.as_bytes();
//!     while let Some(event) = decoder.next_event(&mut rest)? {
//!         assert_eq!((event.name, event.data, event.id), ("message", "one\ntwo", "7"));
//!     }
//! }
//! assert_eq!(decoder.last_event_id(), "7");
//! assert_eq!(decoder.comments(), 1);
//! # Ok::<(), taskward_core::sse::TooLarge>(())
//! ```
//!
//! # What this module does not do
//! It opens no connection, waits for nothing and decides nothing: when to reconnect, and after what pause, is the
//! caller's to say, for whom [`Decoder::retry`] and [`Decoder::last_event_id_header`] tell what the server asked for.
//!
//! [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

mod caps;
mod event;
mod scan;

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

use scan::line_end;

pub use caps::{Caps, LINE_OVERHEAD, MAX_EVENT, MAX_LINE, MAX_LINES, TooLarge};
pub use event::{Event, OwnedEvent};

/// Buffer that is kept from one event to the next, in bytes; what a larger event took is given back after it.
pub const RETAINED: usize = 256 * 1024;

/// Longest id that is sent back: servers commonly take 8 KiB of headers, and the id is not the only one.
pub const MAX_SENT_ID: usize = 1024;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// So many bytes of a line tell what it is: `event:` and `retry:` are the longest names, and the value of `data: ` has
/// begun.
const HEAD: usize = 6;

/// Cuts a byte stream into events.
///
/// Feed each chunk to [`next_event`](Self::next_event) until it answers `None`, which means that the chunk is used up.
/// When the connection ends call [`reset`](Self::reset): it drops the unfinished block, and the decoder is ready for
/// the next connection. After [`TooLarge`] every call answers the same until then.
pub struct Decoder {
    caps: Caps,
    /// What was too large; nothing is read after it.
    broken: Option<TooLarge>,
    /// Bytes of the byte order mark seen so far; `None` once the stream has begun.
    mark: Option<usize>,
    /// The last byte was a CR, so an LF that comes next belongs to it.
    after_cr: bool,
    /// An event is lent out; its block is cleared before anything else is read.
    lent: bool,

    part: Part,
    /// Bytes of the line in progress, however few of them are kept.
    seen: usize,
    /// How long the line in progress may become.
    room: usize,
    /// What is kept of the line in progress.
    line: Vec<u8>,

    /// What the block may still take of [`Caps::event`].
    left: usize,
    lines: usize,
    name: String,
    has_data: bool,
    data: Vec<u8>,
    /// The data in valid UTF-8, when `data` is not.
    repaired: String,
    /// The id that the block sets when it ends.
    next_id: String,
    has_id: bool,

    id: String,
    retry: Option<Duration>,
    comments: u64,
}

/// What the line in progress is, as far as it has come. Whole lines inside one chunk never get here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// No line is in progress.
    None,
    /// Fewer than [`HEAD`] bytes, all kept.
    Start,
    /// A field whose value is read at the line's end; all of it is kept.
    Field,
    /// A line of data; its value goes where the event's data is.
    Data,
    /// A comment; nothing of it is kept.
    Comment,
    /// A field without a meaning; nothing of it is kept.
    Unknown,
}

impl Decoder {
    /// A decoder with the default caps, at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::with_caps(Caps::default())
    }

    /// A decoder with these caps.
    #[must_use]
    pub fn with_caps(caps: Caps) -> Self {
        Self {
            caps,
            broken: None,
            mark: Some(0),
            after_cr: false,
            lent: false,
            part: Part::None,
            seen: 0,
            room: 0,
            line: Vec::new(),
            left: caps.event,
            lines: 0,
            name: String::new(),
            has_data: false,
            data: Vec::new(),
            repaired: String::new(),
            next_id: String::new(),
            has_id: false,
            id: String::new(),
            retry: None,
            comments: 0,
        }
    }

    /// The same decoder with an id already in force: one that was stored, say, by another process.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The next event of `input`, from whose front everything read is taken; `None` when it is used up.
    ///
    /// # Errors
    /// When a cap is passed. The rest of the stream is of no use, and every further call answers the same.
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event<'_>>, TooLarge> {
        match self.read(input) {
            Ok(true) => Ok(Some(self.lend())),
            Ok(false) => Ok(None),
            Err(error) => {
                self.broken = Some(error);
                Err(error)
            }
        }
    }

    /// The connection has ended: throws the unfinished block away, its id included, and is ready for the next one.
    ///
    /// What outlives a connection stays: the id in force and the reconnection time.
    pub fn reset(&mut self) {
        self.broken = None;
        self.mark = Some(0);
        self.after_cr = false;
        self.part = Part::None;
        self.line.clear();
        trim(&mut self.line);
        self.has_id = false;
        self.next_id.clear();
        trim_text(&mut self.next_id);
        self.clear_block();
    }

    /// The id in force after the last block that ended, empty when there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.id
    }

    /// The value of `Last-Event-ID` for a reconnect; `None` for an id that is empty, over [`MAX_SENT_ID`] bytes or
    /// holds what no header may.
    #[must_use]
    pub fn last_event_id_header(&self) -> Option<HeaderValue> {
        if self.id.is_empty() || self.id.len() > MAX_SENT_ID {
            return None;
        }
        HeaderValue::from_bytes(self.id.as_bytes()).ok()
    }

    /// The pause before a reconnect that the server last asked for, as it stands: nothing or an age is possible too.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// How many comments there were: signs of life, nothing more.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// Reads until an event is whole (true) or the input is used up (false).
    fn read(&mut self, input: &mut &[u8]) -> Result<bool, TooLarge> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if self.lent {
            self.clear_block();
        }
        let mut rest = std::mem::take(input);
        if self.mark.is_some() {
            rest = self.skip_mark(rest)?;
        }
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = line_end(rest) {
            let (line, tail) = rest.split_at(end);
            rest = match tail {
                [b'\r', b'\n', more @ ..] => more,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, more @ ..] => more,
                [] => tail,
            };
            if self.part != Part::None {
                self.take_part(line)?;
                self.end_part()?;
            } else if !line.is_empty() {
                self.take_line(line)?;
            } else if self.end_block() {
                *input = rest;
                return Ok(true);
            }
        }
        self.take_part(rest)?;
        Ok(false)
    }

    /// Skips the byte order mark. What only looked like one begins the first line.
    fn skip_mark<'i>(&mut self, input: &'i [u8]) -> Result<&'i [u8], TooLarge> {
        let mut seen = self.mark.take().unwrap_or_default();
        let mut rest = input;
        while let [first, more @ ..] = rest {
            if BOM[seen] != *first {
                self.take_part(&BOM[..seen])?;
                return Ok(rest);
            }
            rest = more;
            seen += 1;
            if seen == BOM.len() {
                return Ok(rest);
            }
        }
        self.mark = Some(seen);
        Ok(rest)
    }

    /// A whole line, not empty, out of one chunk.
    fn take_line(&mut self, line: &[u8]) -> Result<(), TooLarge> {
        let room = self.room_for(line[0]);
        if line.len() > room {
            return Err(self.too_long(room));
        }
        self.read_line(line);
        self.count(line.len(), line[0])
    }

    /// More of a line whose end is not in sight.
    fn take_part(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let Some(first) = bytes.first() else {
            return Ok(());
        };
        if self.part == Part::None {
            self.part = Part::Start;
            self.seen = 0;
            self.room = self.room_for(*first);
        }
        self.seen += bytes.len();
        if self.seen > self.room {
            return Err(self.too_long(self.room));
        }
        match self.part {
            Part::Data => self.data.extend_from_slice(bytes),
            Part::Field => self.line.extend_from_slice(bytes),
            Part::Comment | Part::Unknown => {}
            Part::None | Part::Start => self.take_start(bytes),
        }
        Ok(())
    }

    /// Finds out what the line is, as soon as enough of it is there.
    fn take_start(&mut self, bytes: &[u8]) {
        if self.line.is_empty() && bytes.len() >= HEAD {
            return self.begin(bytes);
        }
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.line.len()));
        self.line.extend_from_slice(head);
        if let Ok(head) = <[u8; HEAD]>::try_from(&self.line[..]) {
            self.line.clear();
            self.begin(&head);
            match self.part {
                Part::Data => self.data.extend_from_slice(rest),
                Part::Field => self.line.extend_from_slice(rest),
                Part::None | Part::Start | Part::Comment | Part::Unknown => {}
            }
        }
    }

    /// The line begins with these bytes, at least [`HEAD`] of them.
    fn begin(&mut self, bytes: &[u8]) {
        self.part = if let Some(value) = value_of(bytes, b"data") {
            self.add_data(value);
            Part::Data
        } else if bytes[0] == b':' {
            Part::Comment
        } else if [&b"event:"[..], b"id:", b"retry:"]
            .iter()
            .any(|name| bytes.starts_with(name))
        {
            self.line.extend_from_slice(bytes);
            Part::Field
        } else {
            Part::Unknown
        };
    }

    /// The line in progress has ended.
    fn end_part(&mut self) -> Result<(), TooLarge> {
        let part = std::mem::replace(&mut self.part, Part::None);
        match part {
            Part::Comment => {
                self.comments += 1;
                return Ok(());
            }
            Part::None | Part::Data | Part::Unknown => {}
            Part::Start | Part::Field => {
                let mut line = std::mem::take(&mut self.line);
                let first = line[0];
                self.read_line(&line);
                line.clear();
                trim(&mut line);
                self.line = line;
                return self.count(self.seen, first);
            }
        }
        self.count(self.seen, 0)
    }

    fn read_line(&mut self, line: &[u8]) {
        match line[0] {
            b':' => self.comments += 1,
            b'd' => {
                if let Some(value) = value_of(line, b"data") {
                    self.add_data(value);
                }
            }
            b'e' => {
                if let Some(value) = value_of(line, b"event") {
                    write_text(&mut self.name, value);
                }
            }
            b'i' => {
                if let Some(value) = value_of(line, b"id")
                    && !value.contains(&0)
                {
                    write_text(&mut self.next_id, value);
                    self.has_id = true;
                }
            }
            b'r' => {
                if let Some(value) = value_of(line, b"retry") {
                    self.retry = milliseconds(value).or(self.retry);
                }
            }
            _ => {}
        }
    }

    /// Adds a line to the event's data, or the beginning of one.
    fn add_data(&mut self, value: &[u8]) {
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
    }

    /// A blank line: true when there is an event to lend.
    fn end_block(&mut self) -> bool {
        if std::mem::take(&mut self.has_id) {
            std::mem::swap(&mut self.id, &mut self.next_id);
            // The former id may have been a large one.
            self.next_id.clear();
            trim_text(&mut self.next_id);
        }
        if self.has_data {
            self.lent = true;
            return true;
        }
        self.clear_block();
        false
    }

    fn lend(&mut self) -> Event<'_> {
        let data = match std::str::from_utf8(&self.data) {
            Ok(data) => data,
            Err(_) => {
                write_repaired(&mut self.repaired, &self.data);
                &self.repaired
            }
        };
        let name = match &*self.name {
            "" => "message",
            name => name,
        };
        Event {
            name,
            data,
            id: &self.id,
        }
    }

    fn clear_block(&mut self) {
        self.lent = false;
        self.left = self.caps.event;
        self.lines = 0;
        self.has_data = false;
        self.data.clear();
        self.name.clear();
        self.repaired.clear();
        trim(&mut self.data);
        trim_text(&mut self.name);
        trim_text(&mut self.repaired);
    }

    /// How long a line that begins so may become. Comments are no part of an event.
    fn room_for(&self, first: u8) -> usize {
        match first {
            b':' => self.caps.line,
            _ => self.caps.line.min(self.left.saturating_sub(LINE_OVERHEAD)),
        }
    }

    /// The cap that left this much room.
    fn too_long(&self, room: usize) -> TooLarge {
        if room == self.caps.line {
            TooLarge::Line { cap: room }
        } else {
            TooLarge::Event {
                cap: self.caps.event,
            }
        }
    }

    /// Counts a line that has ended against the event's caps.
    fn count(&mut self, length: usize, first: u8) -> Result<(), TooLarge> {
        if first == b':' {
            return Ok(());
        }
        self.left -= length + LINE_OVERHEAD;
        self.lines += 1;
        if self.lines > self.caps.lines {
            return Err(TooLarge::Lines {
                cap: self.caps.lines,
            });
        }
        Ok(())
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Without the text of the stream, which is nobody's business in a log.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("caps", &self.caps)
            .field("broken", &self.broken)
            .field("part", &self.part)
            .field("lines", &self.lines)
            .field("data", &self.data.len())
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// The value of a field line of this name: after the colon and at most one space, or nothing when there is no colon.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

/// Digits and nothing else, in decimal; `None` when there are none, or more than a number of milliseconds can hold.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() {
        return None;
    }
    let number = value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    Some(Duration::from_millis(number))
}

fn write_text(into: &mut String, bytes: &[u8]) {
    into.clear();
    match std::str::from_utf8(bytes) {
        Ok(text) => into.push_str(text),
        Err(_) => write_repaired(into, bytes),
    }
}

fn write_repaired(into: &mut String, bytes: &[u8]) {
    into.clear();
    for chunk in bytes.utf8_chunks() {
        into.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            into.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// Gives back what a large line or event took; the buffer is empty.
fn trim(buffer: &mut Vec<u8>) {
    if buffer.capacity() > RETAINED {
        buffer.shrink_to(RETAINED);
    }
}

/// As [`trim`].
fn trim_text(buffer: &mut String) {
    if buffer.capacity() > RETAINED {
        buffer.shrink_to(RETAINED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(decoder: &Decoder) -> usize {
        let texts = [
            &decoder.name,
            &decoder.repaired,
            &decoder.next_id,
            &decoder.id,
        ];
        let texts: usize = texts.into_iter().map(String::capacity).sum();
        texts + decoder.line.capacity() + decoder.data.capacity()
    }

    fn feed(decoder: &mut Decoder, chunk: &[u8]) -> usize {
        let mut rest = chunk;
        let mut events = 0;
        while decoder
            .next_event(&mut rest)
            .expect("within caps")
            .is_some()
        {
            events += 1;
        }
        events
    }

    #[test]
    fn what_a_large_event_took_is_given_back() {
        let large = "x".repeat(4 * 1024 * 1024);
        let small = "event: a\nid: 1\ndata: x\n\n";
        let mut invalid = b"data: ".to_vec();
        invalid.resize(4 * 1024 * 1024, 0xff);
        invalid.extend_from_slice(b"\n\n");
        for block in [
            format!("data: {large}\n\n").into_bytes(),
            format!("event: {large}\ndata\n\n").into_bytes(),
            format!("id: {large}\ndata\n\n").into_bytes(),
            invalid,
        ] {
            let mut decoder = Decoder::new();
            let events: usize = block
                .chunks(1000)
                .map(|chunk| feed(&mut decoder, chunk))
                .sum();
            assert_eq!(events, 1);
            // The former id is let go by the block after the next one.
            assert_eq!(feed(&mut decoder, small.repeat(2).as_bytes()), 2);
            assert!(held(&decoder) <= 5 * RETAINED, "{}", held(&decoder));
        }
    }

    #[test]
    fn what_an_unfinished_block_took_is_given_back_by_the_reset() {
        let large = "x".repeat(4 * 1024 * 1024);
        for block in [
            format!("data: {large}"),
            format!("event: {large}"),
            format!("id: {large}\ndata"),
            format!("event: {large}\ndata"),
        ] {
            let mut decoder = Decoder::new();
            assert_eq!(feed(&mut decoder, block.as_bytes()), 0);
            assert!(held(&decoder) >= 4 * 1024 * 1024);
            decoder.reset();
            assert!(held(&decoder) <= 5 * RETAINED, "{}", held(&decoder));
        }
    }

    #[test]
    fn ignored_lines_are_not_kept() {
        for line in [": ", "unknown: ", "datax"] {
            let mut decoder = Decoder::new();
            let line = line.to_owned() + &"x".repeat(1024 * 1024);
            for chunk in line.as_bytes().chunks(100) {
                assert_eq!(feed(&mut decoder, chunk), 0);
            }
            assert!(held(&decoder) < 1024, "{}", held(&decoder));
        }
    }

    #[test]
    fn a_log_of_the_decoder_shows_nothing_of_the_stream() {
        let mut decoder = Decoder::new();
        feed(
            &mut decoder,
            b"id: secret\nevent: secret\ndata: secret\ndata: secret",
        );
        assert!(!format!("{decoder:?}").contains("secret"));
    }
}
