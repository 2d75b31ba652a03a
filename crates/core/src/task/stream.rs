//! The stream region: an event stream, open or being opened, beside at most one other exchange, and the backfill from
//! the list of events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::event::{Event, RawEvent};
use crate::failure::ExchangeFailure;
use crate::id::{EventSeq, ExchangeId, QuestionId};
use crate::lenient::ListEntry;
use crate::provider::{StreamEvent, UnconfirmedEnd};
use crate::question::Question;
use crate::reason::WaitReason;
use crate::response::Response;
use crate::time::Timestamp;

use asked::AskedInStream;
use open::Open;

pub(super) mod asked;
pub(super) mod open;

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

/// The request that opens the stream. It runs beside every other request.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) id: ExchangeId,
    /// When the request was sent.
    pub(super) since: Timestamp,
    /// The report of the request if it brought no stream, until it is judged.
    pub(super) report: Option<Result<Response, ExchangeFailure>>,
}

/// A backfill: the list of events is read page by page.
#[derive(Debug, Clone)]
pub(super) struct Backfill {
    pub(super) cursor: Option<String>,
    pub(super) due: Timestamp,
    pub(super) tries: u32,
    /// When the backfill began, or last received a page.
    pub(super) since: Timestamp,
    /// Whether it continues from a cursor of an earlier backfill, which the platform may have forgotten.
    pub(super) inherited: bool,
    /// The largest event sequence in any page of this backfill.
    pub(super) reached: Option<EventSeq>,
    /// The most events in any page of this backfill: a shorter page is the last one.
    pub(super) largest: usize,
    /// Whether the stream was opened during the backfill: events between the earlier pages and that moment are in
    /// neither.
    pub(super) overtaken: bool,
    /// Empty pages in a row.
    pub(super) empty: u32,
    /// The events of a platform that lists newest first, until all of them are here.
    pub(super) reversed: Option<Vec<ListEntry<StreamEvent>>>,
    /// How many unreadable entries follow the last event of this backfill: what they would have reported is not known.
    pub(super) skipped: u64,
    /// The newest question among events known before, unless a later event shows the task at work.
    pub(super) past: Option<Question>,
}

impl Backfill {
    /// Returns why the list is read now.
    pub(super) fn reason(&self) -> WaitReason {
        if self.tries > 0 {
            WaitReason::Backoff
        } else {
            WaitReason::PollInterval
        }
    }

    pub(super) fn new(cursor: Option<String>, now: Timestamp) -> Self {
        Self {
            inherited: cursor.is_some(),
            cursor,
            due: now,
            tries: 0,
            since: now,
            reached: None,
            largest: 0,
            overtaken: false,
            empty: 0,
            reversed: None,
            skipped: 0,
            past: None,
        }
    }
}

/// Digests of the newest events, to notice one that is replayed with other content.
#[derive(Debug, Default)]
pub(super) struct SeenDigests(VecDeque<(EventSeq, u64)>);

/// How many events are remembered: a replay comes soon, or with all the others after a reconnect.
const WORDED: usize = 64;

impl SeenDigests {
    /// Records an event; returns whether it came before with other content.
    pub(super) fn differs(&mut self, position: EventSeq, wording: &str) -> bool {
        let digest = digest(wording);
        let newest = self.0.back().map(|(newest, _)| *newest);
        if newest.is_none_or(|newest| newest < position) {
            self.0.push_back((position, digest));
            if self.0.len() > WORDED {
                self.0.pop_front();
            }
            return false;
        }
        let known = self.0.iter().find(|(known, _)| *known == position);
        known.is_some_and(|(_, known)| *known != digest)
    }
}

/// Digests a text eight bytes at a time, because this runs for every event. It need not resist an adversary: whoever
/// sends the events also chooses all their texts.
fn digest(text: &str) -> u64 {
    text.as_bytes()
        .chunks(8)
        .fold(text.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        })
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
    /// Failures in a row; a new event or half a minute of uptime resets them.
    pub(super) failures: u32,
    /// Whether the platform said that there is no stream; the client asks again now and then.
    pub(super) missing: bool,
    /// Unreadable events in a row.
    pub(super) unreadable: u32,
    /// Digests of the newest events of the stream.
    pub(super) seen_digests: SeenDigests,
    /// The sequence of the last event that was decoded: after a reconnect, earlier events are dropped.
    pub(super) last_decoded: Option<EventSeq>,
    /// The sequence of the last event that was acknowledged: it is stored, and sent when the stream is reopened.
    pub(super) last_taken: Option<EventSeq>,
    /// Whether the next event is the first since a reconnect: only there is a gap reported.
    pub(super) reopened: bool,
    pub(super) asked: Option<AskedInStream>,
    /// The event since which no wait was missed and none was reported.
    pub(super) no_wait_since: EventSeq,
    /// What followed the previous question, according to the events.
    pub(super) aftermath: Option<(QuestionId, Aftermath)>,
    pub(super) end: Option<EndConfirmation>,
    pub(super) recent: RecentEvents,
    /// The backfill that is under way.
    pub(super) backfill: Option<Backfill>,
    /// Where the next backfill begins: the newest page that was read.
    pub(super) cursor: Option<String>,
    /// Whether a read showed that the task waits while no event says for what.
    pub(super) waits_without_event: bool,
    /// Whether the list itself has gaps in its sequence numbers: then gaps mean nothing.
    pub(super) gaps_are_normal: bool,
    /// When the platform said that there is no list; the client asks again now and then.
    pub(super) list_missing_since: Option<Timestamp>,
    /// Whether the last backfill read the list to its end.
    pub(super) backfill_done: bool,
    /// Whether the stream brought something unreadable after the last event.
    pub(super) skipped: bool,
}

/// How long a stream must live for its failures to be forgotten.
pub(super) const UPTIME: Duration = Duration::from_secs(30);
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
/// How long an event that ended the task waits for a read to confirm it, once a read has contradicted it.
pub(super) const CONFIRM: Duration = Duration::from_secs(30);
/// How long a status may stay stale after an answer of ours.
pub(super) const STALE: Duration = Duration::from_secs(60);
/// Failures in a row after which the task is polled while the client still tries to open the stream.
pub(super) const FALLBACK: u32 = 3;
/// Unreadable events in a row after which the stream is given up for a while.
pub(super) const MAX_UNREADABLE: u32 = 10;
/// How long a page of the list is tried: until then nothing newer is reported.
pub(super) const FILL_PATIENCE: Duration = Duration::from_secs(60);
/// The same limit when a read has shown that the task is over.
pub(super) const FILL_PATIENCE_AT_END: Duration = Duration::from_secs(20);
/// Empty pages in a row that may be followed by another.
pub(super) const EMPTY_PAGES: u32 = 3;
/// Events that are kept of a list that comes newest first.
pub(super) const MAX_REVERSED: usize = 100_000;
/// Bytes that a driver may hand over before they are decoded.
pub(super) const MAX_UNREAD: usize = 32 * 1024 * 1024;
/// Shortest and longest wait before a reconnect that a stream's `retry` field can request.
pub(super) const RETRY_RANGE: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(60));

impl Stream {
    pub(super) fn new(after: Option<EventSeq>, now: Timestamp) -> Self {
        Self {
            state: StreamState::Closed { due: now },
            failures: 0,
            missing: false,
            unreadable: 0,
            seen_digests: SeenDigests::default(),
            last_decoded: after,
            last_taken: after,
            reopened: false,
            asked: None,
            no_wait_since: after.unwrap_or_default(),
            aftermath: None,
            end: None,
            recent: RecentEvents::default(),
            backfill: None,
            cursor: None,
            waits_without_event: false,
            gaps_are_normal: false,
            list_missing_since: None,
            backfill_done: false,
            skipped: false,
        }
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

    /// Takes the report of the opening.
    pub(super) fn take_report(&mut self) -> Option<Result<Response, ExchangeFailure>> {
        match &mut self.state {
            StreamState::Opening(opening) => opening.report.take(),
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

    /// Returns whether the task is polled because the stream is unavailable.
    pub(super) fn fell_back(&self) -> bool {
        self.missing || self.failures >= FALLBACK
    }

    /// Forgets the newest question, and remembers what followed it.
    pub(super) fn close_asked(&mut self, aftermath: Aftermath) {
        if let Some(wait) = self.asked.take() {
            self.aftermath = Some((wait.question.id, aftermath));
        }
    }

    /// Returns whether this event may directly follow the last one.
    pub(super) fn is_next(&self, position: EventSeq) -> bool {
        position.0
            <= self
                .last_decoded
                .map_or(1, |decoded| decoded.0.saturating_add(1))
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
            self.last_taken = self.last_taken.max(event.seq);
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

    pub(super) fn opening(&mut self, id: ExchangeId, now: Timestamp) {
        self.enter(StreamState::Opening(Box::new(Opening {
            id,
            since: now,
            report: None,
        })));
    }

    pub(super) fn opened(&mut self, id: ExchangeId, now: Timestamp) {
        self.reopened = self.last_decoded.is_some();
        self.missing = false;
        if let Some(fill) = &mut self.backfill {
            fill.overtaken = true;
        }
        self.enter(StreamState::Open(Box::new(Open::new(id, now))));
    }
}

/// The newest events that were acknowledged, to show with the next question.
#[derive(Debug, Default)]
pub(super) struct RecentEvents {
    events: VecDeque<RawEvent>,
}

impl RecentEvents {
    /// Events that are kept.
    const MAX: usize = 64;

    /// Bytes of text in an event that is kept; a larger event is no step to show.
    const MAX_TEXT: usize = 16 * 1024;

    pub(super) fn push(&mut self, event: RawEvent) {
        if text_beyond(&event.data, Self::MAX_TEXT).is_none() {
            return;
        }
        if self.events.len() == Self::MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    pub(super) fn as_slice(&mut self) -> &[RawEvent] {
        self.events.make_contiguous()
    }
}

/// Returns what is left of `room` after the text in `value`, or `None` if the text does not fit. It reads no further
/// than that.
fn text_beyond(value: &Value, room: usize) -> Option<usize> {
    let room = room.checked_sub(8)?;
    match value {
        Value::String(text) => room.checked_sub(text.len()),
        Value::Array(values) => values
            .iter()
            .try_fold(room, |room, value| text_beyond(value, room)),
        Value::Object(map) => map.iter().try_fold(room, |room, (name, value)| {
            text_beyond(value, room.checked_sub(name.len())?)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(room),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_that_comes_again_in_other_words_is_noticed_while_it_is_remembered() {
        let mut worded = SeenDigests::default();
        let mut differs = |position, words: &str| worded.differs(EventSeq(position), words);
        assert!(!differs(1, "one") && !differs(2, "two") && !differs(4, "four"));
        assert!(!differs(2, "two") && !differs(4, "four"), "the same again");
        assert!(differs(2, "too") && differs(4, "for") && differs(1, ""));
        assert!(!differs(3, "three"), "it was left out before");
        assert!(
            differs(2, "too"),
            "the first wording is the one that counts"
        );
        let last = 4 + WORDED as u64 - 1;
        for position in 5..=last {
            assert!(!differs(position, "more"));
        }
        assert!(differs(4, "for"), "the oldest that is remembered");
        assert!(
            !differs(last + 1, "more") && !differs(4, "for"),
            "it is forgotten"
        );
        assert!(differs(5, "less"));
    }

    #[test]
    fn wordings_that_differ_anywhere_are_told_apart() {
        let text = "the agent reads 7 pages";
        for place in 0..text.len() {
            for other in 0x20..0x7f_u8 {
                let mut bytes = text.as_bytes().to_vec();
                if bytes[place] != other {
                    bytes[place] = other;
                    let other = String::from_utf8(bytes).expect("text");
                    assert_ne!(digest(&other), digest(text), "{other}");
                }
            }
            assert_ne!(digest(&text[..place]), digest(text), "{place}");
        }
        for padded in ["\0", "\0\0", " "] {
            assert_ne!(digest(&format!("{text}{padded}")), digest(text));
        }
    }

    #[test]
    fn the_newest_steps_are_kept_but_for_those_that_are_too_large_to_show() {
        let step = |number: usize, data: Value| RawEvent::new(None, number.to_string(), data);
        let shown = |steps: &mut RecentEvents| -> Vec<String> {
            let steps = steps.as_slice().iter();
            steps.map(|event| event.name.clone()).collect()
        };
        let mut steps = RecentEvents::default();
        let most = 16 * 1024 - 8;
        for (number, data, fits) in [
            (1, json!("x".repeat(most)), true),
            (2, json!("x".repeat(most + 1)), false),
            (3, json!(["x".repeat(most - 8), 1, true]), false),
            (4, json!(["x".repeat(most - 24), 1, true]), true),
            (5, json!(["x".repeat(most - 23), 1, true]), false),
            (6, json!({"name": "x".repeat(most - 12)}), true),
            (7, json!({"name": "x".repeat(most - 11)}), false),
            (
                8,
                json!({"name": "x", "names": "x".repeat(most - 26)}),
                true,
            ),
            (
                9,
                json!({"name": "x", "names": "x".repeat(most - 25)}),
                false,
            ),
            (10, json!(vec![0; most / 8]), true),
            (11, json!(vec![0; most / 8 + 1]), false),
            (12, Value::Null, true),
        ] {
            steps.push(step(number, data));
            let shown = shown(&mut steps).contains(&number.to_string());
            assert_eq!(shown, fits, "{number}");
        }
        steps.clear();
        assert_eq!(shown(&mut steps), [""; 0]);
        for number in 1..=RecentEvents::MAX + 2 {
            steps.push(step(number, Value::Null));
        }
        let shown = shown(&mut steps);
        assert_eq!(shown.len(), RecentEvents::MAX);
        assert_eq!(shown.first().map(String::as_str), Some("3"));
        assert_eq!(shown.last(), Some(&(RecentEvents::MAX + 2).to_string()));
    }
}
