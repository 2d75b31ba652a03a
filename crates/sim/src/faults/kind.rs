//! The kinds of faults.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::message::Replay;
use crate::routes::Serves;
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
/// | `trailers` | yes | in chunks, with trailer fields behind it that contradict its head | the same behind its end |
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
/// counts it. In the same way `looped-cursor` passes over everything but the lists of agents, versions, tasks and events. The events of A2A have no `seq`: of a
/// `corrupt-event` there, only the form `not-json` shows.
/// Bytes of a body are those of its text: the framing of chunks is not counted, so a stream can be cut at
/// every byte. A replay goes back no further than the switch `replay` lets it: where that is `live_only`, no fault brings
/// events back. Events are counted from the first that the connection carries; heartbeats are no events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The reply comes late.
    Latency {
        /// By how much simulated time.
        #[serde(rename = "for")]
        span: Span,
    },
    /// The connection is reset and the port is closed; open streams are reset, too.
    Refuse {
        /// For how long, in simulated time.
        #[serde(rename = "for")]
        span: Span,
    },
    /// The connection is reset.
    Reset {
        /// After this many bytes of the reply's body; without it, before the first byte of the reply.
        after_bytes: Option<u64>,
    },
    /// The connection ends before the first byte of the reply.
    CloseBeforeHead,
    /// The connection ends inside the reply's head.
    CutHead {
        /// After this many bytes of it.
        bytes: u64,
    },
    /// The connection ends inside the reply's body.
    CutBody {
        /// After this many bytes of it.
        bytes: u64,
    },
    /// Endless silence.
    Stall {
        /// After this many bytes of the reply's body; without it, before the first byte of the reply.
        after_bytes: Option<u64>,
    },
    /// The body comes in small pieces.
    Dribble {
        /// So many bytes each.
        bytes: u64,
        /// So much simulated time before each.
        pause: Span,
    },
    /// The reply comes twice, one behind the other.
    DuplicateReply,
    /// The body comes in chunks, and behind them trailer fields that contradict the reply's head.
    Trailers,
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
    #[serde(rename = "html-200")]
    Html200,
    /// JSON that stops in the middle.
    TruncatedJson,
    /// The right body under another content type.
    WrongContentType {
        /// The value of `Content-Type`.
        #[serde(default = "text_plain")]
        content_type: String,
    },
    /// A small body in gzip that grows to a gigabyte.
    GzipBomb,
    /// The reply's body, and then blanks without end.
    EndlessBody {
        /// The length that the head claims; without it, the body comes in chunks.
        bytes: Option<u64>,
    },
    /// A body of one line without end.
    EndlessLine,
    /// A body of empty `data:` lines without end.
    EndlessData,
    /// A redirect.
    Redirect {
        /// The value of `Location`; without it, there is no such field.
        to: Option<String>,
        /// The code.
        #[serde(default = "temporary_redirect")]
        code: u16,
    },
    /// The reply that this endpoint gave earlier for the same task.
    StaleRead,
    /// The cursor of a page leads back to the first page.
    LoopedCursor,
    /// The stream begins elsewhere than the switches say.
    Replay {
        /// Where.
        #[serde(with = "ReplayMode")]
        mode: Replay,
    },
    /// Events are missing from the stream.
    SeqGap {
        /// So many come first.
        #[serde(default)]
        after_events: u64,
        /// So many are missing.
        #[serde(default = "one")]
        events: u64,
    },
    /// Two neighbouring events of the stream are swapped.
    Reorder {
        /// So many come first.
        #[serde(default)]
        after_events: u64,
    },
    /// An event of the stream comes twice.
    DuplicateEvent {
        /// So many come first.
        #[serde(default)]
        after_events: u64,
    },
    /// The stream ends well, but early.
    StreamEof {
        /// After so many events.
        #[serde(default)]
        after_events: u64,
    },
    /// Events of the stream cannot be read.
    CorruptEvent {
        /// So many good ones come first.
        #[serde(default)]
        after_events: u64,
        /// So many are bad.
        #[serde(default = "one")]
        events: u64,
        /// What is wrong with them.
        #[serde(default)]
        form: Corruption,
    },
    /// The request is applied and its reply lost.
    LostReplyAfterApply {
        /// This many bytes of the reply, head included, still arrive.
        #[serde(default)]
        after_bytes: u64,
    },
}

fn text_plain() -> String {
    "text/plain".to_owned()
}

fn temporary_redirect() -> u16 {
    307
}

fn one() -> u64 {
    1
}

/// A replay in the spelling of faults, which is not that of the switches.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Replay", rename_all = "kebab-case")]
enum ReplayMode {
    FromStart,
    LastEventId,
    LiveOnly,
}

/// What is wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corruption {
    /// Its data is no JSON.
    #[default]
    NotJson,
    /// It has no `seq`.
    NoSeq,
    /// Its `seq` is negative.
    NegativeSeq,
    /// Its `seq` is 2 to the 64th.
    HugeSeq,
}

impl Fault {
    /// Returns the name under which files write it.
    #[must_use]
    pub fn name(&self) -> String {
        let written = json!(self);
        let kind = written["kind"].as_str();
        kind.expect("a fault is written with its kind").to_owned()
    }

    /// Returns what it acts on. The code that carries faults out passes over those that act on something else.
    pub(crate) fn acts_on(&self) -> Target {
        match self {
            Self::Refuse { .. }
            | Self::Reset { after_bytes: None }
            | Self::CloseBeforeHead
            | Self::Stall { after_bytes: None } => Target::Connection,
            Self::Status { .. }
            | Self::Html200
            | Self::GzipBomb
            | Self::EndlessLine
            | Self::EndlessData
            | Self::Redirect { .. } => Target::Substitute,
            Self::Latency { .. }
            | Self::Reset { .. }
            | Self::CutHead { .. }
            | Self::CutBody { .. }
            | Self::Stall { .. }
            | Self::Dribble { .. }
            | Self::DuplicateReply
            | Self::Trailers
            | Self::TruncatedJson
            | Self::WrongContentType { .. }
            | Self::EndlessBody { .. }
            | Self::StaleRead
            | Self::LostReplyAfterApply { .. } => Target::Reply,
            Self::LoopedCursor => Target::Page,
            Self::Replay { .. }
            | Self::SeqGap { .. }
            | Self::Reorder { .. }
            | Self::DuplicateEvent { .. }
            | Self::StreamEof { .. }
            | Self::CorruptEvent { .. } => Target::Events,
        }
    }
}

/// What a fault acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The connection, before there is a reply.
    Connection,
    /// A reply of its own in the place of the platform's.
    Substitute,
    /// The platform's reply.
    Reply,
    /// A page of a list.
    Page,
    /// The events of a stream.
    Events,
}

impl Target {
    /// Returns whether the platform sees the request that is struck.
    #[cfg(feature = "http")]
    pub(crate) fn is_applied(self) -> bool {
        match self {
            Self::Connection | Self::Substitute => false,
            Self::Reply | Self::Page | Self::Events => true,
        }
    }

    /// Returns whether a request can be struck whose endpoint serves this.
    pub(crate) fn is_at(self, serves: Serves) -> bool {
        match self {
            Self::Connection | Self::Substitute | Self::Reply => true,
            Self::Page => serves == Serves::List,
            Self::Events => serves == Serves::Stream,
        }
    }
}
