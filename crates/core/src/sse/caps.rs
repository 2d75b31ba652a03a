//! How much of a stream is held before an event is whole.

use std::fmt;

/// Default of [`Caps::line`], in bytes: servers do send events of 14 MB in one line.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Default of [`Caps::event`], in bytes.
pub const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Default of [`Caps::lines`].
pub const MAX_LINES: usize = 1_000_000;

/// What each line of an event counts beyond its own bytes, for its ending and its handling: without it, endless empty
/// lines of data would pass any cap on bytes.
pub const LINE_OVERHEAD: usize = 8;

/// Buffer that is kept from one event to the next, in bytes; what a larger event took is given back after it.
pub const RETAINED: usize = 256 * 1024;

/// The most that a [`Decoder`](super::Decoder) takes before an event is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// Longest line in bytes, comments included, line ending excluded.
    pub line: usize,
    /// Largest event in bytes: all its lines but the comments, names included, each with [`LINE_OVERHEAD`] on top.
    pub event: usize,
    /// Most lines of one event, comments not counted.
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

/// The stream holds something larger than its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLarge {
    /// A line.
    Line {
        /// The cap, in bytes.
        cap: usize,
    },
    /// An event, every line counted with its overhead.
    Event {
        /// The cap, in bytes.
        cap: usize,
    },
    /// The number of lines of one event.
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
