//! The stream region: an event stream, open or being opened, beside at most one other exchange, and the backfill from
//! the list of events.

use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, RawEvent};
use crate::failure::ExchangeFailure;
use crate::id::{EventSeq, ExchangeId, QuestionId};
use crate::provider::{Provider, ReadKind, UnconfirmedEnd};
use crate::response::Response;
use crate::time::Timestamp;

use asked::{AskedInStream, LastWait};
use health::{Availability, Health};
use list::{Backfill, Coverage, List};
use open::Open;
use recent::RecentEvents;
pub(super) use region::StreamRegion;
use sequence::Sequence;

pub(super) mod asked;
pub(super) mod health;
pub(super) mod list;
pub(super) mod open;
mod recent;
mod region;
pub(super) mod sequence;
mod stored;
pub(super) mod timers;

/// The states and the transitions between them, as drawn in ARCHITECTURE.md.
pub(super) const EDGES: &[(&str, &str, &str)] = &[
    ("Closed", "due", "Opening"),
    ("Opening", "2xx event stream", "Open"),
    ("Opening", "refused or failed", "Closed"),
    ("Open", "end or failure", "Closed"),
    ("Opening", "the task is over", "Closing"),
    ("Open", "silence, too much, or the task is over", "Closing"),
    ("Closing", "closed", "Closed"),
];

/// The state of the stream.
#[derive(Debug)]
pub(super) enum StreamState {
    /// No stream is open; one will be opened at `due`.
    Closed { due: Timestamp },
    /// The request that opens the stream is under way.
    Opening(Box<Opening>),
    /// The stream is open.
    Open(Box<Open>),
    /// The driver is asked to drop the stream; another will be opened at `due`.
    Closing { id: ExchangeId, due: Timestamp },
}

impl StreamState {
    /// Returns when the stream is opened again, while it is closed.
    fn reopens_at(&self) -> Option<Timestamp> {
        match self {
            Self::Closed { due } | Self::Closing { due, .. } => Some(*due),
            Self::Opening(_) | Self::Open(_) => None,
        }
    }
}

/// The request that opens the stream. It runs beside every other request.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) id: ExchangeId,
    /// When the request was sent.
    pub(super) since: Timestamp,
    /// The report of the request if it brought no stream, until it is judged.
    pub(super) report: Option<Result<Response, ExchangeFailure>>,
}

/// What followed a question: it shows whose answer was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// The task went on working.
    Worked,
    /// The task asked again.
    AskedAgain,
    /// The task failed.
    Failed,
    /// The task was stopped, perhaps after it had gone on working unnoticed.
    Stopped,
}

impl Aftermath {
    /// Returns what an end that an event claims shows to have followed a question.
    pub(super) fn of_end(end: &UnconfirmedEnd) -> Self {
        match end {
            UnconfirmedEnd::Succeeded => Self::Worked,
            UnconfirmedEnd::Failed(_) => Self::Failed,
            UnconfirmedEnd::Stopped(_) => Self::Stopped,
        }
    }
}

/// An event that says that the task is over, until a read of the task confirms it.
#[derive(Debug, Clone)]
pub(super) struct EndConfirmation {
    pub(super) end: UnconfirmedEnd,
    pub(super) event: RawEvent,
    /// When a read first failed or contradicted it.
    pub(super) contradicted_at: Option<Timestamp>,
    pub(super) tries: u32,
    /// The newest read that contradicted it.
    pub(super) reply: Option<Response>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) state: StreamState,
    pub(super) health: Health,
    pub(super) sequence: Sequence,
    pub(super) asked: Option<Box<AskedInStream>>,
    /// The event since which no wait was missed and none was reported.
    pub(super) no_wait_since: EventSeq,
    /// What followed the previous question, according to the events.
    pub(super) aftermath: Option<Box<(QuestionId, Aftermath)>>,
    pub(super) end: Option<Box<EndConfirmation>>,
    pub(super) recent: RecentEvents,
    /// The backfill that is under way.
    pub(super) backfill: Option<Box<Backfill>>,
    pub(super) list: List,
    /// When a connection that was proven ended in order: until then, all events are known.
    pub(super) whole_at: Option<Timestamp>,
    /// Whether the task waits, by the last read of its status, for something that no event names.
    pub(super) last_wait: LastWait,
    /// Whether the task rests, by the newest event that tells its status: the server may end the stream then.
    pub(super) rests: bool,
    /// What a connection without numbered events left open when it ended.
    pub(super) interruption: Interruption,
}

/// What may be missing between two connections of a stream without numbered events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    /// No connection has brought anything.
    None,
    /// A connection is open that began with the whole task, or with the start.
    Joined,
    /// It ended while the task rested: nothing is missing unless the status has changed.
    AtRest,
    /// It was lost.
    Lost,
}

/// How long nothing may follow a question in the stream before the question is reported; and how long an opened stream
/// may bring nothing before it is compared with the list.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// How long polling is postponed while a stream is being opened.
pub(super) const OPENING: Duration = Duration::from_secs(3);
/// How long the stream may be silent before the task is polled, which then happens ever more seldom: a task may stall
/// or wait without an event.
pub(super) const LULL: Duration = Duration::from_secs(30);
/// The longest interval between polls beside an open stream, as a cross-check; and the interval at which a stream that
/// the platform does not have is requested again.
pub(super) const CROSS_CHECK: Duration = Duration::from_secs(600);
/// How long a stream that ended in order still says what the task waits for; and how long to wait for a stream that is
/// being reopened before the task is read again for an answer.
pub(super) const REOPENING: Duration = Duration::from_secs(2);
/// How long an event that ended the task waits for a read to confirm it, once a read has contradicted it.
pub(super) const CONFIRM: Duration = Duration::from_secs(30);
/// How long a status may stay stale after an answer of ours.
pub(super) const STALE: Duration = Duration::from_secs(60);
/// Bytes that a driver may hand over before they are decoded.
pub(super) const MAX_UNREAD: usize = 32 * 1024 * 1024;
/// Shortest and longest wait before a reconnect that a stream's `retry` field can request.
pub(super) const RETRY_RANGE: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(60));

impl Stream {
    pub(super) const fn new(after: Option<EventSeq>, now: Timestamp) -> Self {
        Self {
            state: StreamState::Closed { due: now },
            health: Health::new(),
            sequence: Sequence::after(after),
            asked: None,
            no_wait_since: match after {
                Some(after) => after,
                None => EventSeq(0),
            },
            aftermath: None,
            end: None,
            recent: RecentEvents::new(),
            backfill: None,
            list: List::new(),
            whole_at: None,
            last_wait: LastWait::Named,
            rests: false,
            interruption: Interruption::None,
        }
    }

    /// Returns what the provider is asked to open.
    pub(super) fn kind_after(&self, after: Option<EventSeq>) -> ReadKind {
        let form = self.health.form;
        ReadKind::Stream { after, form }
    }

    /// Creates a stream that only the start request opens.
    pub(super) const fn unopened() -> Self {
        Self::new(None, Timestamp::MAX)
    }

    pub(super) fn open(&self) -> Option<&Open> {
        match &self.state {
            StreamState::Open(open) => Some(open),
            StreamState::Closed { .. } | StreamState::Opening(_) | StreamState::Closing { .. } => {
                None
            }
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Open> {
        match &mut self.state {
            StreamState::Open(open) => Some(open),
            StreamState::Closed { .. } | StreamState::Opening(_) | StreamState::Closing { .. } => {
                None
            }
        }
    }

    /// Returns since when the stream has been opening.
    pub(super) fn opening_since(&self) -> Option<Timestamp> {
        match &self.state {
            StreamState::Opening(opening) => Some(opening.since),
            StreamState::Closed { .. } | StreamState::Open(_) | StreamState::Closing { .. } => None,
        }
    }

    /// Returns the opening with this id while it has no report.
    pub(super) fn opening_of(&mut self, id: ExchangeId) -> Option<&mut Opening> {
        match &mut self.state {
            StreamState::Opening(opening) if opening.id == id && opening.report.is_none() => {
                Some(opening)
            }
            _ => None,
        }
    }

    /// Takes the report of the opening, with the time at which its request was sent.
    pub(super) fn take_report(&mut self) -> Option<(Timestamp, Result<Response, ExchangeFailure>)> {
        match &mut self.state {
            StreamState::Opening(opening) => Some((opening.since, opening.report.take()?)),
            StreamState::Closed { .. } | StreamState::Open(_) | StreamState::Closing { .. } => None,
        }
    }

    /// Returns the stream that the driver owns, open or being opened.
    pub(super) fn held_exchange(&self) -> Option<ExchangeId> {
        match &self.state {
            StreamState::Opening(opening) => Some(opening.id),
            StreamState::Open(open) => Some(open.id),
            StreamState::Closed { .. } | StreamState::Closing { .. } => None,
        }
    }

    /// Returns the open stream with this id.
    pub(super) fn of(&mut self, id: ExchangeId) -> Option<&mut Open> {
        self.open_mut()
            .filter(|open| open.id == id && open.end.is_none())
    }

    /// Returns the stream, if the driver may wait for it or read it beside an exchange.
    pub(super) fn readable(&self) -> Option<ExchangeId> {
        let open = match &self.state {
            StreamState::Opening(opening) => {
                return opening.report.is_none().then_some(opening.id);
            }
            StreamState::Open(open) => open,
            StreamState::Closed { .. } | StreamState::Closing { .. } => return None,
        };
        // During a backfill the stream is read up to one event, which shows how far the list has to be read.
        let busy = self.backfill.is_some() && open.deferred().is_some();
        let busy = busy || self.end.is_some() || open.has_unread();
        (!busy && open.end.is_none()).then_some(open.id)
    }

    /// Returns the stream that the driver is to drop.
    pub(super) fn to_close(&self) -> Option<ExchangeId> {
        match self.state {
            StreamState::Closing { id, .. } => Some(id),
            StreamState::Closed { .. } | StreamState::Opening(_) | StreamState::Open(_) => None,
        }
    }

    /// Drops the stream that the driver owns, if it owns one, because the task is over.
    pub(super) fn drop_held(&mut self) -> Option<ExchangeId> {
        let id = self.held_exchange()?;
        let due = Timestamp::MAX;
        self.enter(StreamState::Closing { id, due });
        Some(id)
    }

    /// Notes that the driver reads the stream from now on.
    pub(super) fn listen(&mut self, now: Timestamp) {
        if let Some(open) = self.open_mut() {
            open.listening.get_or_insert(now);
        }
    }

    /// Returns since when nothing is known to have followed an event of this time: while the driver did not read,
    /// something may have.
    pub(super) fn quiet_from(&self, since: Timestamp, now: Timestamp) -> Timestamp {
        match self.open() {
            Some(open) => since.max(open.listening.unwrap_or(now)),
            None => since,
        }
    }

    /// Returns whether the open stream alone shows what happens.
    pub(super) fn is_trusted(&self) -> bool {
        self.open().is_some_and(Open::is_trusted)
    }

    /// Returns whether the stream alone shows what happens, or did a moment ago.
    pub(super) fn was_trusted(&self, now: Timestamp) -> bool {
        let is_new = |at: Timestamp| now <= at.after(REOPENING);
        self.is_trusted() || self.whole_at.is_some_and(is_new)
    }

    /// Forgets the newest question, and remembers what followed it.
    pub(super) fn close_asked(&mut self, aftermath: Aftermath) {
        if let Some(wait) = self.asked.take() {
            self.aftermath = Some(Box::new((wait.question.id, aftermath)));
        }
    }

    /// Notes that the driver has dropped the stream with this id.
    pub(super) fn closed(&mut self, id: ExchangeId) {
        match self.state {
            StreamState::Closing { id: closing, due } if closing == id => {
                self.enter(StreamState::Closed { due });
            }
            _ => {}
        }
    }

    /// Notes that the driver has taken an event: it is stored from now on, and shown with the next question.
    pub(super) fn taken(&mut self, event: Arc<Event>) {
        if let Some(open) = self.open_mut() {
            // The driver was not reading the stream meanwhile: its silence until now proves nothing.
            open.listening = None;
        }
        if let Event::Provider(event) = Arc::unwrap_or_clone(event) {
            self.sequence.last_taken = self.sequence.last_taken.max(event.seq);
            self.recent.push(event);
        }
    }

    /// Notes what the reply to a start or a write says of a question, where the reads of its task do not.
    pub(super) fn note_words<P: Provider>(&mut self, provider: &P, content: &[u8]) {
        if let Some(event) = provider.words_beside_status(content) {
            self.recent.push(event);
        }
    }

    fn name(state: &StreamState) -> &'static str {
        match state {
            StreamState::Closed { .. } => "Closed",
            StreamState::Opening(_) => "Opening",
            StreamState::Open(_) => "Open",
            StreamState::Closing { .. } => "Closing",
        }
    }

    /// Moves to `next`.
    pub(super) fn enter(&mut self, next: StreamState) {
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

    /// Gives up a closed stream for good, because no request can open it.
    pub(super) fn never_open(&mut self) {
        if let StreamState::Closed { due } = &mut self.state {
            *due = Timestamp::MAX;
        }
    }

    pub(super) fn opening(&mut self, id: ExchangeId, now: Timestamp) {
        self.enter(StreamState::Opening(Box::new(Opening {
            id,
            since: now,
            report: None,
        })));
    }

    pub(super) fn opened(&mut self, id: ExchangeId, now: Timestamp) {
        self.sequence.opened();
        self.health.availability = Availability::Expected;
        if let Some(fill) = &mut self.backfill {
            fill.coverage = Coverage::Overtaken;
        }
        self.enter(StreamState::Open(Box::new(Open::new(id, now))));
    }
}
