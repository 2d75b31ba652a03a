//! How much of a stream is kept before an event is complete.

use std::fmt;

/// Default of [`Caps::line`] in bytes: servers do send events of 14 MB in one line.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Default of [`Caps::event`], in bytes.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Default of [`Caps::lines`].
pub const MAX_LINES: usize = 1_000_000;

/// What each line of an event counts besides its bytes, for its ending and its handling: otherwise endless empty lines
/// of data would stay below any cap on bytes.
pub const LINE_OVERHEAD: usize = 8;

/// Bytes of a buffer that are kept from one event to the next; what a larger event took is freed after it.
pub const RETAINED: usize = 256 * 1024;

/// The most that a [`Decoder`](super::Decoder) keeps before an event is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// Longest line in bytes, including comments and without the line ending.
    pub line: usize,
    /// Largest event in bytes: all its lines except comments, including names, each with [`LINE_OVERHEAD`] on top.
    pub event: usize,
    /// Most lines of one event, without comments.
    pub lines: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            line: MAX_LINE,
            event: MAX_EVENT,
            lines: MAX_LINES,
        }
    }
}

/// The stream contains something larger than its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLarge {
    /// A line is too long.
    Line {
        /// The cap, in bytes.
        cap: usize,
    },
    /// An event is too large; every line counts with its overhead.
    Event {
        /// The cap, in bytes.
        cap: usize,
    },
    /// An event has too many lines.
    Lines {
        /// The cap.
        cap: usize,
    },
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { cap } => write!(f, "a line of the event stream is over {cap} bytes"),
            Self::Event { cap } => write!(f, "an event of the stream is over {cap} bytes"),
            Self::Lines { cap } => write!(f, "an event of the stream has over {cap} lines"),
        }
    }
}

impl std::error::Error for TooLarge {}
