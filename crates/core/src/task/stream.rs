//! The stream region: an event stream, open or being opened, beside at most one other exchange, and the list of events that fills in
//! what the stream did not carry.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::event::RawEvent;
use crate::failure::ExchangeFailure;
use crate::id::{EventSeq, ExchangeId, QuestionId};
use crate::lenient::ListEntry;
use crate::provider::{StreamEvent, UnconfirmedEnd};
use crate::question::Question;
use crate::reason::RetryReason;
use crate::response::Response;
use crate::sse::Decoder;
use crate::time::Timestamp;

/// The states and the steps between them, as drawn in ARCHITECTURE.md.
pub(super) const EDGES: &[(&str, &str, &str)] = &[
    ("Closed", "due", "Opening"),
    ("Opening", "2xx event stream", "Open"),
    ("Opening", "refused or failed", "Closed"),
    ("Open", "end or failure", "Closed"),
    ("Opening", "the task is over", "Closing"),
    ("Open", "silence, too much, or the task is over", "Closing"),
    ("Closing", "closed", "Closed"),
];

/// Where the stream stands.
#[derive(Debug)]
pub(super) enum StreamState {
    /// None is open; one is opened at `due`.
    Closed { due: Timestamp },
    /// The request is under way.
    Opening(Box<Opening>),
    /// Open.
    Open(Box<Open>),
    /// The driver is asked to drop it; another is opened at `due`.
    Closing { id: ExchangeId, due: Timestamp },
}

/// The request that opens the stream, which stops nothing else.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) id: ExchangeId,
    /// When it left.
    pub(super) since: Timestamp,
    /// What became of it, when that is no stream, until it is judged.
    pub(super) report: Option<Result<Response, ExchangeFailure>>,
}

/// Why a stream is of no more use.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) reason: RetryReason,
    /// The same in words.
    pub(super) why: String,
}

impl Loss {
    pub(super) fn failed(failure: &ExchangeFailure) -> Self {
        Self {
            reason: RetryReason::Wire(failure.cause.clone()),
            why: failure.to_string(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: ExchangeId,
    pub(super) decoder: Decoder,
    pub(super) chunks: VecDeque<Bytes>,
    pub(super) opened: Timestamp,
    pub(super) last_byte_at: Timestamp,
    /// Since when the driver is asked to read it and nothing is there. Time in which it did something else is no
    /// silence.
    pub(super) listening: Option<Timestamp>,
    /// How it ended, once it has.
    pub(super) end: Option<Loss>,
    /// Whether this connection has brought an event, old or new: until then it may be one that never will.
    pub(super) has_events: bool,
    /// Whether it is known to go on where the last connection ended: its first event said so, or the list was read.
    pub(super) contiguous: bool,
    /// Whether an event that it carried was told.
    pub(super) told: bool,
    /// An event that came before that was known.
    pub(super) deferred: Option<StreamEvent>,
    /// Whether it was told that an event came again with other content.
    pub(super) replays_altered: bool,
}

impl Open {
    /// Whether what happens is known from this connection alone.
    pub(super) fn is_trusted(&self) -> bool {
        self.has_events && self.contiguous
    }

    /// The driver was busy with something else for this long.
    pub(super) fn not_listening_for(&mut self, busy: Duration) {
        self.listening = self.listening.map(|since| since.after(busy));
    }

    /// How long nothing has come although the driver listened.
    pub(super) fn silence(&self, now: Timestamp) -> Duration {
        self.listening.map_or(Duration::ZERO, |since| {
            now.since(since.max(self.last_byte_at))
        })
    }

    /// Whether bytes wait here that are not decoded yet.
    pub(super) fn has_unread(&self) -> bool {
        !self.chunks.is_empty()
    }
}

/// A reading of the list of events, page by page.
#[derive(Debug, Clone)]
pub(super) struct Backfill {
    pub(super) cursor: Option<String>,
    pub(super) due: Timestamp,
    pub(super) tries: u32,
    /// When it began, or last got a page.
    pub(super) since: Timestamp,
    /// Whether it goes on from a cursor of an earlier reading, which the platform may have forgotten.
    pub(super) inherited: bool,
    /// The newest position that a page of this reading had.
    pub(super) reached: Option<EventSeq>,
    /// The most events that a page of this reading had: a shorter one is the last there is.
    pub(super) largest: usize,
    /// Whether the stream was opened in the middle of it: what happened between the pages before and that is in neither.
    pub(super) overtaken: bool,
    /// Empty pages in a row.
    pub(super) empty: u32,
    /// What the platform lists newest first, until all of it is here.
    pub(super) reversed: Option<Vec<ListEntry<StreamEvent>>>,
    /// How many entries behind the last event of this reading cannot be read: what they would have told is not known.
    pub(super) skipped: u64,
    /// The newest question among events that were known before, unless a later one shows the task at work.
    pub(super) past: Option<Question>,
}

impl Backfill {
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

/// The wording of the newest events, to notice one that comes again with another.
#[derive(Debug, Default)]
pub(super) struct SeenDigests(VecDeque<(EventSeq, u64)>);

/// Events whose wording is remembered: what comes again comes soon, or with all the others after a reconnect.
const WORDED: usize = 64;

impl SeenDigests {
    /// Takes an event in; whether it came before, worded otherwise.
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

/// Tells wordings apart, eight bytes at a time: it is made of every event. Not against an adversary, who words them all.
fn digest(text: &str) -> u64 {
    text.as_bytes()
        .chunks(8)
        .fold(text.len() as u64, |hash, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
        })
}

/// The newest event that asks, while nothing after it shows the task at work. It outlives the connection that brought
/// it: the event is taken and comes no more.
#[derive(Debug, Clone)]
pub(super) struct AskedInStream {
    pub(super) question: Question,
    pub(super) since: Timestamp,
    /// Whether the read that judges it was asked for.
    pub(super) checked: bool,
    /// Whether it was told.
    pub(super) told: bool,
    /// Whether it was taken for a stand-in that was answered before: it may be the next question instead.
    pub(super) unconfirmed: bool,
}

/// What followed a question: it tells whose answer was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aftermath {
    /// The task went on.
    Worked,
    /// The task asks again.
    AskedAgain,
    /// The task failed.
    Failed,
    /// The task was stopped, perhaps behind a while in which it went on without a word.
    Stopped,
}

impl AskedInStream {
    pub(super) fn new(question: Question, since: Timestamp) -> Self {
        Self {
            question,
            since,
            checked: false,
            told: false,
            unconfirmed: false,
        }
    }
}

/// An event that says that the task is over, until a read of the task agrees.
#[derive(Debug, Clone)]
pub(super) struct EndConfirmation {
    pub(super) end: UnconfirmedEnd,
    pub(super) event: RawEvent,
    /// When a read first failed or did not agree.
    pub(super) contradicted_at: Option<Timestamp>,
    pub(super) tries: u32,
    /// The newest read that did not agree.
    pub(super) reply: Option<Response>,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) state: StreamState,
    /// Failures in a row; a new event or half a minute of uptime clears it.
    pub(super) failures: u32,
    /// The platform said that there is no stream; it is asked again now and then.
    pub(super) missing: bool,
    /// Events in a row that could not be read.
    pub(super) unreadable: u32,
    /// How the newest events of the stream were worded.
    pub(super) seen_digests: SeenDigests,
    /// The position of the last event that was decoded: what is dropped after a reconnect.
    pub(super) last_decoded: Option<EventSeq>,
    /// The position of the last event that was taken: what is stored, and asked for.
    pub(super) last_taken: Option<EventSeq>,
    /// Whether the next event is the first since a reconnect: only there is a gap told.
    pub(super) reopened: bool,
    pub(super) asked: Option<AskedInStream>,
    /// Since this event no wait was missed, and none told.
    pub(super) no_wait_since: EventSeq,
    /// What followed the question before, as the events tell it.
    pub(super) aftermath: Option<(QuestionId, Aftermath)>,
    pub(super) end: Option<EndConfirmation>,
    pub(super) recent: RecentEvents,
    /// The reading of the list under way.
    pub(super) backfill: Option<Backfill>,
    /// Where the next reading of the list begins: the newest page that was read.
    pub(super) cursor: Option<String>,
    /// The task was read to wait, and no event tells for what.
    pub(super) waits_without_event: bool,
    /// The list itself has holes in its numbers: they mean nothing here.
    pub(super) gaps_are_normal: bool,
    /// When the platform said that there is no list; it is asked again now and then.
    pub(super) list_missing_since: Option<Timestamp>,
    /// Whether the last reading of the list came to its end.
    pub(super) backfill_done: bool,
    /// Whether the stream brought something behind the last event that could not be read.
    pub(super) skipped: bool,
}

/// A stream that lived this long was worth opening.
pub(super) const UPTIME: Duration = Duration::from_secs(30);
/// A question in the stream is told when nothing followed it for this long; and an opened stream that brought nothing
/// for this long is compared with the list.
pub(super) const QUIET: Duration = Duration::from_secs(1);
/// While a stream is being opened the task is not read for this long; then it is, as one without a stream.
pub(super) const OPENING: Duration = Duration::from_secs(3);
/// The task is read when its stream has told nothing for this long, then ever more seldom: a task may stall or wait
/// without an event.
pub(super) const LULL: Duration = Duration::from_secs(30);
/// The task is read at least this often beside an open stream, as a cross-check; and a stream that the platform said
/// it does not have is asked for again.
pub(super) const CROSS_CHECK: Duration = Duration::from_secs(600);
/// How long the event that ended a task waits for a read to agree, once one did not.
pub(super) const CONFIRM: Duration = Duration::from_secs(30);
/// How long a status may stay behind an answer of ours.
pub(super) const STALE: Duration = Duration::from_secs(60);
/// Failures in a row after which the task is followed by polling, while the stream is still tried.
pub(super) const FALLBACK: u32 = 3;
/// Events in a row that cannot be read before the stream is given up for a while.
pub(super) const MAX_UNREADABLE: u32 = 10;
/// How long a page of the list is tried: until then nothing newer is told.
pub(super) const FILL_PATIENCE: Duration = Duration::from_secs(60);
/// The same, when the task was read to be over.
pub(super) const FILL_PATIENCE_AT_END: Duration = Duration::from_secs(20);
/// Empty pages in a row that are followed by another.
pub(super) const EMPTY_PAGES: u32 = 3;
/// Events of a list that comes newest first.
pub(super) const MAX_REVERSED: usize = 100_000;
/// Bytes a driver may hand over before they are decoded.
pub(super) const MAX_UNREAD: usize = 32 * 1024 * 1024;
/// Shortest and longest wait before a reconnect that a stream's `retry` field can ask for.
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

    /// Since when the stream is being opened.
    pub(super) fn opening_since(&self) -> Option<Timestamp> {
        match &self.state {
            StreamState::Opening(opening) => Some(opening.since),
            StreamState::Closed { .. } | StreamState::Open(_) | StreamState::Closing { .. } => None,
        }
    }

    /// The opening of this id, while it has no report.
    pub(super) fn opening_of(&mut self, id: ExchangeId) -> Option<&mut Opening> {
        match &mut self.state {
            StreamState::Opening(opening) if opening.id == id && opening.report.is_none() => {
                Some(opening)
            }
            _ => None,
        }
    }

    /// What became of the opening.
    pub(super) fn take_report(&mut self) -> Option<Result<Response, ExchangeFailure>> {
        match &mut self.state {
            StreamState::Opening(opening) => opening.report.take(),
            StreamState::Closed { .. } | StreamState::Open(_) | StreamState::Closing { .. } => None,
        }
    }

    /// The stream that the driver holds, open or being opened.
    pub(super) fn held_exchange(&self) -> Option<ExchangeId> {
        match &self.state {
            StreamState::Opening(opening) => Some(opening.id),
            StreamState::Open(open) => Some(open.id),
            StreamState::Closed { .. } | StreamState::Closing { .. } => None,
        }
    }

    /// The open stream of this id.
    pub(super) fn of(&mut self, id: ExchangeId) -> Option<&mut Open> {
        self.open_mut()
            .filter(|open| open.id == id && open.end.is_none())
    }

    /// The stream, when the driver may go on waiting for it or reading it beside an exchange.
    pub(super) fn readable(&self) -> Option<ExchangeId> {
        let open = match &self.state {
            StreamState::Opening(opening) => {
                return opening.report.is_none().then_some(opening.id);
            }
            StreamState::Open(open) => open,
            StreamState::Closed { .. } | StreamState::Closing { .. } => return None,
        };
        // While the list is read the stream tells one event: how far the list has to be read.
        let busy = self.backfill.is_some() && open.deferred.is_some();
        let busy = busy || self.end.is_some() || open.has_unread();
        (!busy && open.end.is_none()).then_some(open.id)
    }

    /// Whether the open stream alone tells what happens.
    pub(super) fn is_trusted(&self) -> bool {
        self.open().is_some_and(Open::is_trusted)
    }

    /// Whether the task is followed by polling, because the stream is not to be had.
    pub(super) fn fell_back(&self) -> bool {
        self.missing || self.failures >= FALLBACK
    }

    /// The newest question is asked no more.
    pub(super) fn close_asked(&mut self, sequel: Aftermath) {
        if let Some(wait) = self.asked.take() {
            self.aftermath = Some((wait.question.id, sequel));
        }
    }

    /// Whether this position may follow the last event without another between them.
    pub(super) fn is_next(&self, position: EventSeq) -> bool {
        position.0
            <= self
                .last_decoded
                .map_or(1, |decoded| decoded.0.saturating_add(1))
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
        self.enter(StreamState::Open(Box::new(Open {
            id,
            decoder: Decoder::new(),
            chunks: VecDeque::new(),
            opened: now,
            last_byte_at: now,
            listening: None,
            end: None,
            has_events: false,
            contiguous: false,
            told: false,
            deferred: None,
            replays_altered: false,
        })));
    }
}

/// The newest events that were taken, for the human who is asked next.
#[derive(Debug, Default)]
pub(super) struct RecentEvents {
    events: VecDeque<RawEvent>,
}

impl RecentEvents {
    /// Events kept.
    const MAX: usize = 64;

    /// Bytes of text in an event that is kept; larger ones are no step to show.
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

/// What is left of `room` after the text in `value`; `None` when it does not fit. Looks at no more than fits.
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
