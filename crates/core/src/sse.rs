//! Server-sent events: bytes in, events out, in whatever pieces the bytes come.
//!
//! The grammar is that of the [WHATWG][spec]: one byte order mark is skipped at the very start, lines end in CR, LF or
//! CRLF, an id stays in force until another comes, and a block that no blank line ends is discarded with its id.
//! Invalid UTF-8 becomes U+FFFD. Events are lent from buffers that are reused, so a steady stream allocates nothing;
//! each byte is read once, wherever the input is cut.
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
//! It opens no connection, waits for nothing and decides nothing: the caller decides when to reconnect and after what
//! pause, and [`Decoder::retry`] and [`Decoder::last_event_id_header`] say what the server asked for.
//!
//! [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

mod block;
mod caps;
mod event;
mod scan;

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

use block::{Block, trim};
use scan::{is_inside, line_end};

pub use caps::{Caps, LINE_OVERHEAD, MAX_EVENT, MAX_LINE, MAX_LINES, RETAINED, TooLarge};
pub use event::{Event, OwnedEvent};

/// Longest id that is sent back: servers commonly accept 8 KiB of headers, and the id is not the only one.
pub const MAX_SENT_ID: usize = 1024;

const BOM: &[u8] = "\u{feff}".as_bytes();

/// How many bytes of a line show what it is: `event:` and `retry:` are the longest names, and the value of `data: ` has
/// begun.
const HEAD: usize = 6;

/// Decodes a byte stream into events.
///
/// Feed each chunk to [`next_event`](Self::next_event) until it returns `None`, which means that the chunk is used up.
/// When the connection ends call [`reset`](Self::reset): it discards the unfinished block, and the decoder is ready for
/// the next connection. After [`TooLarge`] every call returns the same error until then.
pub struct Decoder {
    front: Front,
    /// Whether an event is lent out; its block is cleared before anything else is read.
    lent: bool,
    part: Part,
    /// How long the line in progress may become.
    room: usize,
    /// How much of that remains, after all bytes of the line so far, however few of them are kept.
    left: usize,
    /// What is kept of the line in progress.
    line: Vec<u8>,
    block: Block,
}

/// What the next byte may be, other than the next byte of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    /// Nothing else.
    Line,
    /// The stream has just begun: this many bytes of a byte order mark have come.
    Mark(usize),
    /// The LF of a CR that came last.
    AfterCr,
    /// Nothing that matters: something was too large.
    Broken(TooLarge),
}

/// What kind of line is in progress. A line that is complete inside one chunk never gets here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// No line is in progress.
    None,
    /// A line of fewer than [`HEAD`] bytes, all kept.
    Start,
    /// A field whose value is read at the end of the line; all of it is kept.
    Field,
    /// A line of data; its value is appended to the event's data.
    Data,
    /// A comment; nothing of it is kept.
    Comment,
    /// A field without a meaning; nothing of it is kept.
    Unknown,
}

impl Decoder {
    /// Creates a decoder with the default caps, at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::with_caps(Caps::default())
    }

    /// Creates a decoder with these caps.
    #[must_use]
    pub fn with_caps(caps: Caps) -> Self {
        Self {
            front: Front::Mark(0),
            lent: false,
            part: Part::None,
            room: 0,
            left: 0,
            line: Vec::new(),
            block: Block::new(caps),
        }
    }

    /// Sets the id in force, for example one that another process stored.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.block.id = id.into();
        self
    }

    /// Returns the next event of `input` and advances `input` past everything read; `None` when it is used up.
    ///
    /// # Errors
    /// Returns an error if a cap is exceeded. The rest of the stream is of no use, and every further call returns the
    /// same error.
    pub fn next_event(&mut self, input: &mut &[u8]) -> Result<Option<Event<'_>>, TooLarge> {
        // Most small chunks are the middle of a line of data.
        if matches!(self.part, Part::Data) && input.len() <= self.left && is_inside(input) {
            self.left -= input.len();
            self.block.more_data(std::mem::take(input));
            return Ok(None);
        }
        self.next_whole(input)
    }

    /// Ends the connection: discards the unfinished block with its id, and prepares for the next connection.
    ///
    /// The id in force and the reconnection time outlive a connection.
    pub fn reset(&mut self) {
        self.front = Front::Mark(0);
        self.lent = false;
        self.part = Part::None;
        self.line.clear();
        trim(&mut self.line);
        self.block.discard();
    }

    /// Returns the id in force after the last complete block; empty if there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.block.id
    }

    /// Returns the value of `Last-Event-ID` for a reconnect; `None` for an id that is empty, over [`MAX_SENT_ID`] bytes
    /// or contains characters that a header cannot carry.
    #[must_use]
    pub fn last_event_id_header(&self) -> Option<HeaderValue> {
        let id = self.last_event_id();
        if id.is_empty() || id.len() > MAX_SENT_ID {
            return None;
        }
        HeaderValue::from_bytes(id.as_bytes()).ok()
    }

    /// Returns the reconnection time that the server last asked for, unchecked: it may be zero or very long.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.block.retry
    }

    /// Returns how many comments there were: they only show that the connection works.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.block.comments
    }

    /// Returns how many bytes the buffers hold. Between events that is a few times [`RETAINED`] at most, besides a
    /// large id.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.line.capacity() + self.block.capacity()
    }

    /// Continues [`next_event`](Self::next_event) in any state; a function of its own, so that the common path stays
    /// short.
    #[inline(never)]
    fn next_whole(&mut self, input: &mut &[u8]) -> Result<Option<Event<'_>>, TooLarge> {
        match self.read(input) {
            Ok(true) => Ok(Some(self.block.event())),
            Ok(false) => Ok(None),
            Err(error) => {
                self.front = Front::Broken(error);
                self.part = Part::None;
                Err(error)
            }
        }
    }

    /// Reads until an event is complete (true) or the input is used up (false).
    #[inline]
    fn read(&mut self, input: &mut &[u8]) -> Result<bool, TooLarge> {
        if std::mem::take(&mut self.lent) {
            self.block.clear();
        }
        let mut rest = std::mem::take(input);
        if !matches!(self.front, Front::Line) {
            rest = self.read_front(rest)?;
        }
        while let Some(end) = line_end(rest) {
            let (line, tail) = rest.split_at(end);
            rest = &tail[1..];
            if tail[0] == b'\r' {
                match rest.split_first() {
                    Some((b'\n', more)) => rest = more,
                    Some(_) => {}
                    None => self.front = Front::AfterCr,
                }
            }
            if !matches!(self.part, Part::None) {
                self.take_part(line)?;
                self.end_part()?;
            } else if let [first, ..] = line {
                let room = self.block.room_for(*first);
                if line.len() > room {
                    return Err(self.block.too_long(room));
                }
                self.block.read_line(line)?;
            } else if self.block.end() {
                self.lent = true;
                *input = rest;
                return Ok(true);
            }
        }
        self.take_part(rest)?;
        Ok(false)
    }

    /// Reads what does not belong to a line, if it is there.
    fn read_front<'i>(&mut self, input: &'i [u8]) -> Result<&'i [u8], TooLarge> {
        let [first, ..] = input else {
            return match self.front {
                Front::Broken(error) => Err(error),
                Front::Line | Front::Mark(_) | Front::AfterCr => Ok(input),
            };
        };
        match std::mem::replace(&mut self.front, Front::Line) {
            Front::Line => Ok(input),
            Front::Broken(error) => Err(error),
            Front::AfterCr if *first == b'\n' => Ok(&input[1..]),
            Front::AfterCr => Ok(input),
            Front::Mark(seen) => {
                let missing = &BOM[seen..];
                let same = missing
                    .iter()
                    .zip(input)
                    .take_while(|(a, b)| a == b)
                    .count();
                if same < missing.len() && same < input.len() {
                    // These bytes only looked like a byte order mark, and begin the first line.
                    self.take_part(&BOM[..seen])?;
                    return Ok(input);
                }
                if same < missing.len() {
                    self.front = Front::Mark(seen + same);
                }
                Ok(&input[same..])
            }
        }
    }

    /// Reads more of a line whose end is not in this chunk.
    fn take_part(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        let [first, ..] = bytes else {
            return Ok(());
        };
        if self.part == Part::None {
            self.part = Part::Start;
            self.room = self.block.room_for(*first);
            self.left = self.room;
        }
        let Some(left) = self.left.checked_sub(bytes.len()) else {
            return Err(self.block.too_long(self.room));
        };
        self.left = left;
        match self.part {
            Part::None | Part::Start => self.take_start(bytes),
            Part::Field | Part::Data | Part::Comment | Part::Unknown => self.take_more(bytes),
        }
        Ok(())
    }

    /// Determines the kind of the line, as soon as enough of it is there.
    fn take_start(&mut self, bytes: &[u8]) {
        if self.line.is_empty() && bytes.len() >= HEAD {
            return self.begin(bytes);
        }
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.line.len()));
        self.line.extend_from_slice(head);
        if let Ok(head) = <[u8; HEAD]>::try_from(&self.line[..]) {
            self.line.clear();
            self.begin(&head);
            self.take_more(rest);
        }
    }

    /// Determines the kind of a line that begins with these bytes, at least [`HEAD`] of them.
    fn begin(&mut self, bytes: &[u8]) {
        self.part = match bytes {
            [b':', ..] => Part::Comment,
            [b'd', b'a', b't', b'a', b':', b' ', value @ ..]
            | [b'd', b'a', b't', b'a', b':', value @ ..] => {
                self.block.add_data(value);
                Part::Data
            }
            [b'i', b'd', b':', ..]
            | [b'e', b'v', b'e', b'n', b't', b':', ..]
            | [b'r', b'e', b't', b'r', b'y', b':', ..] => {
                self.line.extend_from_slice(bytes);
                Part::Field
            }
            _ => Part::Unknown,
        };
    }

    fn take_more(&mut self, bytes: &[u8]) {
        match self.part {
            Part::Data => self.block.more_data(bytes),
            Part::Field => self.line.extend_from_slice(bytes),
            Part::None | Part::Start | Part::Comment | Part::Unknown => {}
        }
    }

    /// Ends the line in progress.
    #[inline(never)]
    fn end_part(&mut self) -> Result<(), TooLarge> {
        match std::mem::replace(&mut self.part, Part::None) {
            Part::None => Ok(()),
            Part::Data | Part::Unknown => self.block.count(self.room - self.left),
            Part::Comment => {
                self.block.comments += 1;
                Ok(())
            }
            Part::Start | Part::Field => {
                let result = self.block.read_line(&self.line);
                self.line.clear();
                trim(&mut self.line);
                result
            }
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Leaves out the text of the stream, which does not belong into a log.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("front", &self.front)
            .field("part", &self.part)
            .field("left", &self.left)
            .field("retry", &self.retry())
            .field("comments", &self.comments())
            .finish_non_exhaustive()
    }
}
