//! The stream region: an open event stream beside at most one other exchange.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::id::{ExchangeId, Position};
use crate::provider::Frames;
use crate::question::Question;
use crate::time::Timestamp;

/// The states and the steps between them, as drawn in ARCHITECTURE.md.
pub(super) const EDGES: &[(&str, &str, &str)] = &[
    ("Closed", "due", "Opening"),
    ("Opening", "2xx event stream", "Open"),
    ("Opening", "refused or failed", "Closed"),
    ("Open", "end, silence or failure", "Closed"),
    ("Open", "the task is over", "Closing"),
    ("Closing", "closed", "Closed"),
];

/// Where the stream stands.
#[derive(Debug)]
pub(super) enum StreamState<F> {
    /// None is open; one is opened at `due`.
    Closed { due: Timestamp },
    /// The request is under way.
    Opening,
    /// Open.
    Open(Box<Open<F>>),
    /// The driver is asked to drop it.
    Closing(ExchangeId),
}

#[derive(Debug)]
pub(super) struct Open<F> {
    pub(super) id: ExchangeId,
    pub(super) frames: F,
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) opened: Timestamp,
    pub(super) heard: Timestamp,
    /// How it ended, once it has.
    pub(super) end: Option<String>,
}

#[derive(Debug)]
pub(super) struct Stream<F> {
    pub(super) state: StreamState<F>,
    /// Failures in a row; a new event or half a minute of uptime clears it.
    pub(super) failures: u32,
    /// The position of the last event that was decoded: what is dropped after a reconnect.
    pub(super) decoded: Option<Position>,
    /// The position of the last event that was taken: what is stored, and asked for.
    pub(super) taken: Option<Position>,
    /// Whether the next event is the first since a reconnect: only there is a gap told.
    pub(super) reopened: bool,
    /// A question that the newest event asks, and since when; told once nothing followed it for a while and a read
    /// agrees. It outlives the connection that brought it: the event is taken and comes no more.
    pub(super) asking: Option<(Question, Timestamp)>,
    /// Whether the read that judges that question was asked for.
    pub(super) checked: bool,
}

/// A stream that lived this long was worth opening.
pub(super) const UPTIME: Duration = Duration::from_secs(30);
/// A question in the stream is told when nothing followed it for this long.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// The task is read this often beside an open stream, as a cross-check.
pub(super) const CROSS_CHECK: Duration = Duration::from_secs(600);
/// Bytes a driver may hand over before they are decoded.
pub(super) const MAX_UNREAD: usize = 32 * 1024 * 1024;

impl<F: Frames> Stream<F> {
    pub(super) fn new(after: Option<Position>, now: Timestamp) -> Self {
        Self {
            state: StreamState::Closed { due: now },
            failures: 0,
            decoded: after,
            taken: after,
            reopened: false,
            asking: None,
            checked: false,
        }
    }

    pub(super) fn open(&self) -> Option<&Open<F>> {
        match &self.state {
            StreamState::Open(open) => Some(open),
            StreamState::Closed { .. } | StreamState::Opening | StreamState::Closing(_) => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open<F>> {
        match &mut self.state {
            StreamState::Open(open) => Some(open),
            StreamState::Closed { .. } | StreamState::Opening | StreamState::Closing(_) => None,
        }
    }

    /// The open stream of this id.
    pub(super) fn of(&mut self, id: ExchangeId) -> Option<&mut Open<F>> {
        self.open_mut()
            .filter(|open| open.id == id && open.end.is_none())
    }

    fn name(state: &StreamState<F>) -> &'static str {
        match state {
            StreamState::Closed { .. } => "Closed",
            StreamState::Opening => "Opening",
            StreamState::Open(_) => "Open",
            StreamState::Closing(_) => "Closing",
        }
    }

    /// Moves to `next`.
    pub(super) fn enter(&mut self, next: StreamState<F>) {
        debug_assert!(
            EDGES
                .iter()
                .any(|(from, _, to)| *from == Self::name(&self.state) && *to == Self::name(&next)),
            "{} to {} is not drawn",
            Self::name(&self.state),
            Self::name(&next)
        );
        self.state = next;
    }

    pub(super) fn opened(&mut self, id: ExchangeId, now: Timestamp) {
        self.reopened = self.decoded.is_some();
        self.enter(StreamState::Open(Box::new(Open {
            id,
            frames: F::default(),
            chunks: VecDeque::new(),
            opened: now,
            heard: now,
            end: None,
        })));
    }
}
