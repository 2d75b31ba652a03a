//! The kinds of faults.

use crate::harness::switches::Replay;
use crate::time::Span;

/// Sets the injected faults.
///
/// The platform sees a request that is applied, and knows nothing of the others.
///
/// | `kind` | applied | a whole reply | an event stream |
/// |---|---|---|---|
/// | `latency` (`for`) | yes | comes that much simulated time later | opens that much later |
/// | `refuse` (`for`) | no | a reset, then a closed port for that long | the same; streams already open are reset |
/// | `reset` | no | a reset | the same |
/// | `reset` (`after_bytes`) | yes | the head, so many bytes of the body, a reset | the same |
/// | `close-before-head` | no | the end of the connection, no byte | the same |
/// | `cut-head` (`bytes`) | yes | so many bytes of the head, then the end of the connection | the same |
/// | `cut-body` (`bytes`) | yes | the head, so many bytes of the body, the end of the connection | the same |
/// | `stall` | no | nothing, until the client goes away | the same |
/// | `stall` (`after_bytes`) | yes | the head, so many bytes of the body, then nothing | the same, not even heartbeats |
/// | `dribble` (`bytes`, `pause`) | yes | the head, then the body in such pieces | the same |
/// | `duplicate-reply` | yes | twice on the same connection | behind its end, its head once more with an empty body |
/// | `status` (`code`, `retry_after`, `after_bytes`) | no | that code, once so many bytes of the body came | does not open: that code |
/// | `html-200` | no | 200 with a web page | the same |
/// | `truncated-json` | yes | complete, but its JSON stops in the middle | the JSON of each event stops in the middle |
/// | `wrong-content-type` (`content_type`) | yes | under that type, `text/plain` if none is given | the same |
/// | `gzip-bomb` | no | a megabyte of gzip that inflates to a gigabyte of zeros | the same |
/// | `endless-body` (`bytes`) | yes | its body, then blanks without end; `bytes` is a `Content-Length` it claims | comment lines without end, and no event |
/// | `endless-line` | no | one line without end | one `data:` line without end |
/// | `endless-data` | no | empty `data:` lines without end | the same |
/// | `redirect` (`to`, `code`) | no | that code (307) to there; without `to`, no `Location` | the same |
/// | `stale-read` | yes | its last reply about the task before, if any | what the log holds as it opens, then its end |
/// | `looped-cursor` | yes | a page of a list says that there is more, behind a cursor that leads to its first page | |
/// | `replay` (`mode`) | yes | | begins `from-start`, behind the `last-event-id`, or is `live-only` |
/// | `seq-gap` (`after_events`, `events`) | yes | | lacks so many events |
/// | `reorder` (`after_events`) | yes | | swaps the next two events |
/// | `duplicate-event` (`after_events`) | yes | | has the next event twice |
/// | `stream-eof` (`after_events`) | yes | | ends well after so many events |
/// | `corrupt-event` (`after_events`, `events`, `form`) | yes | | so many events are `not-json`, or have `no-seq`, a `negative-seq` or a `huge-seq` |
/// | `lost-reply-after-apply` (`after_bytes`) | yes | so many bytes of it, head included, then the end | the same |
///
/// Where the third column is empty, the rule passes over every request that opens no stream: it neither strikes nor
/// counts it. In the same way `looped-cursor` passes over everything but the lists of agents, versions, tasks and events.
/// Bytes of a body are those of its text: the framing of chunks is not counted, so a stream can be cut at
/// every byte. A replay goes back no further than the switch `replay` lets it: where that is `live_only`, no fault brings
/// events back. Events are counted from the first that the connection carries; heartbeats are no events.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The reply comes late.
    Latency(
        /// By how much simulated time.
        Span,
    ),
    /// The connection is reset and the port is closed; open streams are reset, too.
    Refuse(
        /// For how long, in simulated time.
        Span,
    ),
    /// The connection is reset before the first byte of the reply.
    Reset,
    /// The connection is reset inside the reply's body.
    ResetAfter(
        /// After this many bytes of it.
        u64,
    ),
    /// The connection ends before the first byte of the reply.
    CloseBeforeHead,
    /// The connection ends inside the reply's head.
    CutHead(
        /// After this many bytes of it.
        u64,
    ),
    /// The connection ends inside the reply's body.
    CutBody(
        /// After this many bytes of it.
        u64,
    ),
    /// No reply ever.
    Stall,
    /// Endless silence inside the reply's body.
    StallAfter(
        /// After this many bytes of it.
        u64,
    ),
    /// The body comes in small pieces.
    Dribble {
        /// So many bytes each.
        bytes: u64,
        /// So much simulated time before each.
        pause: Span,
    },
    /// The reply comes twice, one behind the other.
    DuplicateReply,
    /// An error status.
    Status {
        /// The code.
        code: u16,
        /// The value of `Retry-After`.
        retry_after: Option<String>,
        /// Answer as soon as this many bytes of the request's body came; without it, after all of them.
        after_bytes: Option<u64>,
    },
    /// A web page, as a captive portal sends it.
    Html200,
    /// JSON that stops in the middle.
    TruncatedJson,
    /// The right body under another content type.
    WrongContentType(
        /// The value of `Content-Type`.
        String,
    ),
    /// A small body in gzip that grows to a gigabyte.
    GzipBomb,
    /// The reply's body, and then blanks without end.
    EndlessBody(
        /// The length that the head claims; without it, the body comes in chunks.
        Option<u64>,
    ),
    /// A body of one line without end.
    EndlessLine,
    /// A body of empty `data:` lines without end.
    EndlessData,
    /// A redirect.
    Redirect {
        /// The value of `Location`; without it, there is no such field.
        to: Option<String>,
        /// The code.
        code: u16,
    },
    /// The reply that this endpoint gave earlier for the same task.
    StaleRead,
    /// The cursor of a page leads back to the first page.
    LoopedCursor,
    /// The stream begins elsewhere than the switches say.
    Replay(
        /// Where.
        Replay,
    ),
    /// Events are missing from the stream.
    SeqGap {
        /// So many come first.
        after_events: u64,
        /// So many are missing.
        events: u64,
    },
    /// Two neighbouring events of the stream are swapped.
    Reorder {
        /// So many come first.
        after_events: u64,
    },
    /// An event of the stream comes twice.
    DuplicateEvent {
        /// So many come first.
        after_events: u64,
    },
    /// The stream ends well, but early.
    StreamEof {
        /// After so many events.
        after_events: u64,
    },
    /// Events of the stream cannot be read.
    CorruptEvent {
        /// So many good ones come first.
        after_events: u64,
        /// So many are bad.
        events: u64,
        /// What is wrong with them.
        form: Corruption,
    },
    /// The request is applied and its reply lost.
    LostReplyAfterApply(
        /// This many bytes of the reply, head included, still arrive.
        u64,
    ),
}

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// Its data is no JSON.
    NotJson,
    /// It has no `seq`.
    NoSeq,
    /// Its `seq` is negative.
    NegativeSeq,
    /// Its `seq` is 2 to the 64th.
    HugeSeq,
}

impl Fault {
    /// The names of all kinds.
    pub const KINDS: [&str; 27] = [
        "latency",
        "refuse",
        "reset",
        "close-before-head",
        "cut-head",
        "cut-body",
        "stall",
        "dribble",
        "duplicate-reply",
        "status",
        "html-200",
        "truncated-json",
        "wrong-content-type",
        "gzip-bomb",
        "endless-body",
        "endless-line",
        "endless-data",
        "redirect",
        "stale-read",
        "looped-cursor",
        "replay",
        "seq-gap",
        "reorder",
        "duplicate-event",
        "stream-eof",
        "corrupt-event",
        "lost-reply-after-apply",
    ];

    /// Returns the name under which files write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Refuse(_) => "refuse",
            Self::Reset | Self::ResetAfter(_) => "reset",
            Self::CloseBeforeHead => "close-before-head",
            Self::CutHead(_) => "cut-head",
            Self::CutBody(_) => "cut-body",
            Self::Stall | Self::StallAfter(_) => "stall",
            Self::Dribble { .. } => "dribble",
            Self::DuplicateReply => "duplicate-reply",
            Self::Status { .. } => "status",
            Self::Html200 => "html-200",
            Self::TruncatedJson => "truncated-json",
            Self::WrongContentType(_) => "wrong-content-type",
            Self::GzipBomb => "gzip-bomb",
            Self::EndlessBody(_) => "endless-body",
            Self::EndlessLine => "endless-line",
            Self::EndlessData => "endless-data",
            Self::Redirect { .. } => "redirect",
            Self::StaleRead => "stale-read",
            Self::LoopedCursor => "looped-cursor",
            Self::Replay(_) => "replay",
            Self::SeqGap { .. } => "seq-gap",
            Self::Reorder { .. } => "reorder",
            Self::DuplicateEvent { .. } => "duplicate-event",
            Self::StreamEof { .. } => "stream-eof",
            Self::CorruptEvent { .. } => "corrupt-event",
            Self::LostReplyAfterApply(_) => "lost-reply-after-apply",
        }
    }

    /// Returns what it can strike.
    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Replay(_)
            | Self::SeqGap { .. }
            | Self::Reorder { .. }
            | Self::DuplicateEvent { .. }
            | Self::StreamEof { .. }
            | Self::CorruptEvent { .. } => Scope::Streams,
            Self::LoopedCursor => Scope::Lists,
            Self::Latency(_)
            | Self::Refuse(_)
            | Self::Reset
            | Self::ResetAfter(_)
            | Self::CloseBeforeHead
            | Self::CutHead(_)
            | Self::CutBody(_)
            | Self::Stall
            | Self::StallAfter(_)
            | Self::Dribble { .. }
            | Self::DuplicateReply
            | Self::Status { .. }
            | Self::Html200
            | Self::TruncatedJson
            | Self::WrongContentType(_)
            | Self::GzipBomb
            | Self::EndlessBody(_)
            | Self::EndlessLine
            | Self::EndlessData
            | Self::Redirect { .. }
            | Self::StaleRead
            | Self::LostReplyAfterApply(_) => Scope::Any,
        }
    }
}

/// What a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Every request.
    Any,
    /// What opens an event stream.
    Streams,
    /// What reads a page of a list.
    Lists,
}

impl Scope {
    /// Returns the narrow scope that an endpoint is in.
    pub(super) fn of(endpoint: &str) -> Self {
        match endpoint {
            "stream" => Self::Streams,
            "agents" | "versions" | "tasks" | "events" => Self::Lists,
            _ => Self::Any,
        }
    }
}
