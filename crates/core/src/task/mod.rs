//! The machine of one remote task.

mod cancel;
mod clocks;
mod event_queue;
mod intent;
mod judge;
mod phase;
mod plan;
mod poll_interval;
mod questions;
mod reasons;
mod record;
mod store;
mod stream;
mod turn;
mod writes;

use std::collections::VecDeque;

use bytes::Bytes;

pub(crate) use questions::{QuestionEntry, QuestionState, StandInPlace, answerable};
pub(crate) use writes::{WriteKind, WriteState as DeliveryStage};

use crate::again::{KeptStart, StartAgain};
use crate::budget::OriginBudget;
use crate::error::{ApiError, Error, ErrorKind};
use crate::event::{Event, Status};
use crate::failure::ExchangeFailure;
use crate::id::{
    EventNo, EventSeq, ExchangeId, IdempotencyKey, IntentId, MessageNo, QuestionId, Revision,
    TaskId,
};
use crate::limits::{Kind, Limits};
use crate::origin::{Credential, Origin};
use crate::outcome::{CancelResult, Outcome, TimeLimit};
use crate::policy::Policy;
use crate::provider::{MatchCriteria, PollResult, Provider, ReadKind};
use crate::question::{Answer, AnswerError, Question};
use crate::reason::{RetryReason, WaitReason};
use crate::request::Request;
use crate::response::{Head, Response};
use crate::seed::{Seed, hex};
use crate::snapshot::{ResumeError, Snapshot};
use crate::step::Step;
use crate::time::Timestamp;

use cancel::Detaching;
use clocks::Deadlines;
use event_queue::EventQueue;
pub use intent::UnconfirmedStart;
use intent::{Intent, UnresolvedStart};
use phase::{NotFound, Phase, Starting};
use plan::Decided;
use poll_interval::PollInterval;
use questions::Questions;
use record::Record;
pub(crate) use store::start_again;
use stream::{Loss, MAX_UNREAD, Stream};
use turn::{Turn, TurnState};
use writes::PendingWrite;

/// One remote task, from start to answer, as a machine without I/O.
///
/// # The driver's duty
/// Whoever owns a task repeats:
///
/// 1. `poll(now, shared)` gives one [`Step`]. Asking is harmless: the same step comes until it is left behind.
/// 2. Do it, and say so:
///    - [`Step::Save`]: store [`snapshot`](Self::snapshot), then [`saved`](Self::saved).
///    - [`Step::Send`]: [`sent`](Self::sent), before the first byte may leave; then perform the exchange within its
///      limits and report it exactly once, without the key ([`Credential`](crate::Credential)), with
///      [`handle_response`](Self::handle_response) or [`handle_failure`](Self::handle_failure).
///    - [`Step::Open`]: [`sent`](Self::sent), then begin the exchange beside whatever else is done. A 2xx
///      `text/event-stream` is reported with [`handle_head`](Self::handle_head), each chunk with
///      [`handle_chunk`](Self::handle_chunk), and its end with [`handle_end`](Self::handle_end) or `handle_failure`;
///      every other reply as that of a `Send`.
///    - [`Step::Receive`]: wait for the stream's head or next chunk, at most until the given time.
///    - [`Step::Close`]: drop the stream, then [`closed`](Self::closed).
///    - [`Step::InFlight`]: wait for the exchange; if it is not held any more, report [`ExchangeFailure::abandoned`].
///    - [`Step::Wait`]: wait until then, or until the application wants something.
///    - [`Step::Event`]: tell it, then [`taken`](Self::taken).
///    - [`Step::Done`]: stop; [`into_outcome`](Self::into_outcome) gives the outcome away.
/// 3. At any time: [`answer`](Self::answer), [`send_message`](Self::send_message), [`cancel`](Self::cancel).
///
/// Reports only record; every decision is made in `poll`. A report for an exchange that is not under way changes
/// nothing. Time never runs back inside a task, and after `Done` nothing changes.
///
/// ```text
/// Starting ──► Following ──► Fetching ──► Ended
///    │            │  └─────► Tracing ───────▲
///    └────────────┴─────────────────────────┘
/// ```
///
/// # What ends it
/// Once the id is known, nothing on the wire does: only the task itself, a deadline, 401/403, a confirmed 404/410, or a
/// lasting failure to read the answer of a task that completed.
#[derive(Debug)]
pub struct Task<P: Provider> {
    provider: P,
    /// The server it belongs to, when the driver said so.
    origin: Option<String>,
    policy: Policy,
    seed: Seed,
    rng: fastrand::Rng,
    now: Timestamp,
    id: Option<TaskId>,
    /// The start it came from.
    intent: Option<Intent>,
    /// That start, when nobody knows what became of it.
    unresolved: Option<Box<UnresolvedStart>>,
    /// When this process saw the task start: a 404 soon after is a record not visible yet.
    created_at: Option<Timestamp>,
    phase: Phase<P::Output>,
    exchange: Option<Exchange>,
    /// What became of the exchange, until it is judged.
    reported: Option<Result<Response, ExchangeFailure>>,
    exchanges: u64,
    stream: Stream,
    /// A reading that is judged once the list of events was read.
    deferred: Option<PollResult<P::Output>>,
    liveness: Liveness,
    questions: Questions,
    writes: VecDeque<PendingWrite>,
    messages: u64,
    turn: Option<Turn>,
    cancel: Cancel,
    /// Why the last request to cancel was not taken.
    cancel_failure: Option<CancelResult>,
    /// The refusal of the last write that the server refused.
    refused: Option<ApiError>,
    /// The watch ends, and this is how.
    detaching: Option<Detaching>,
    clocks: Deadlines,
    events: EventQueue,
    record: Record,
    save: Revisions,
    /// The status request, built once.
    status_request: Option<Request>,
    last_status: Option<Status>,
    paused: bool,
    freshness: StatusFreshness,
    poll_interval: PollInterval,
    /// The limits of a status read, before the deadline trims them.
    status_limits: Limits,
    /// When the last status read left: the floor counts from here.
    last_polled_at: Option<Timestamp>,
    /// Failed looks in a row.
    failed_polls: u32,
    not_found: Option<NotFound>,
}

/// The one exchange beside the stream.
#[derive(Debug)]
struct Exchange {
    id: ExchangeId,
    purpose: Purpose,
    /// The request, unless it is one that the task keeps.
    request: Option<Request>,
    flight: Flight,
    /// When it left, once it has.
    sent: Timestamp,
}

#[derive(Debug)]
enum Flight {
    /// Shown to the driver, not yet sent.
    Planned,
    /// Under way.
    Underway,
    /// Its report is in.
    Reported,
}

/// What an exchange is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Start,
    Read(ReadKind),
    /// The read before a delivery.
    Check,
    /// A delivery's write.
    Write,
    /// A read that looks for a delivery's write.
    Reconcile,
    Cancel,
    /// Opens the stream after this position; under way it belongs to the stream's region.
    OpenStream(Option<EventSeq>),
}

/// Whether the status may still be the one from before a write of ours.
///
/// After a delivery a status that says "waiting" may be stale, while the conversation, read a moment later, shows what
/// the agent has said since: perhaps its last words, and no question. So what it says is a question only once a status
/// read *after* it was said still says that the task waits.
#[derive(Debug, Clone, PartialEq)]
enum StatusFreshness {
    /// The status has moved since, or nothing was delivered.
    Current,
    /// Something was delivered and the status has not moved since.
    StaleSince(Timestamp),
    /// This was said since; the next status tells whether it is a question.
    AwaitingConfirmation(QuestionId),
}

/// When something was last seen of a task: the wire, its replies, the task itself. A heartbeat is a sign of the wire
/// only; a reply that shows no change is no progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Liveness {
    /// The server sent anything at all.
    pub last_byte_at: Option<Timestamp>,
    /// A reply or an event could be read.
    pub last_reply_at: Option<Timestamp>,
    /// The status changed, or something new happened.
    pub last_change_at: Option<Timestamp>,
}

/// The cancel region.
#[derive(Debug, Clone, PartialEq)]
enum Cancel {
    Idle,
    Requested { tries: u32, due: Timestamp },
    Accepted,
    Refused,
}

/// Which states are stored.
#[derive(Debug, Clone, Copy, Default)]
struct Revisions {
    revision: Revision,
    saved: Revision,
}

impl Revisions {
    /// The present state must be stored before anything else leaves.
    fn need(&mut self) {
        self.revision.0 += 1;
    }

    fn is_due(self) -> bool {
        self.saved < self.revision
    }
}

/// The provider has no such thing, or not now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    provider: &'static str,
    what: &'static str,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not possible on {}", self.what, self.provider)
    }
}

impl std::error::Error for Unsupported {}

impl From<Unsupported> for Error {
    fn from(error: Unsupported) -> Self {
        Self::new(crate::ErrorKind::Input, error.to_string())
    }
}

impl<P: Provider> Task<P> {
    /// A task that is to be started. Nothing leaves before the first `poll`.
    ///
    /// # Errors
    /// When the job cannot be written into a request.
    pub fn start(
        provider: P,
        job: &P::Job,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Error> {
        Self::start_keyed(provider, job, None, policy, seed, now)
    }

    /// A task that is to be started under the caller's own idempotency key, where the provider takes one.
    ///
    /// # Errors
    /// When the job or the key cannot be written into a request.
    pub fn start_keyed(
        provider: P,
        job: &P::Job,
        key: Option<IdempotencyKey>,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let safety = P::CAPABILITIES.start;
        let mut request = provider.start(job, key.as_ref())?.freeze(&seed);
        let digest = request.digest();
        if safety == crate::Safety::Keyed && key.is_none() {
            let key = IdempotencyKey::mint(&seed, "start", digest.as_bytes());
            request = provider.start(job, Some(&key))?.freeze(&seed);
        }
        let criteria = provider.match_criteria(job);
        Ok(Self::starting(
            provider, request, criteria, policy, seed, now,
        ))
    }

    /// A new task that is started as another one was, under a key of its own: the caller's, or else a fresh one. It has
    /// nothing else to do with that task.
    ///
    /// # Errors
    /// When the start was for another provider, or the key cannot be written into a request.
    pub fn start_again(
        provider: P,
        again: StartAgain,
        key: Option<IdempotencyKey>,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Error> {
        if again.provider != P::NAME {
            let (found, expected) = (again.provider, P::NAME);
            let error = ResumeError::Provider { found, expected };
            return Err(Error::new(ErrorKind::Input, error.to_string()));
        }
        let mut request = again.request;
        if P::CAPABILITIES.start == crate::Safety::Keyed {
            let mint = || IdempotencyKey::mint(&seed, "start", request.digest().as_bytes());
            let key = key.unwrap_or_else(mint);
            request = request.keyed(&key)?;
        }
        let mut task = Self::starting(provider, request, again.criteria, policy, seed, now);
        // A start belongs to the server it was for: another one knows nothing of its agents.
        task.origin = again.origin;
        Ok(task)
    }

    fn starting(
        provider: P,
        request: Request,
        criteria: Option<MatchCriteria>,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Self {
        let digest = request.digest();
        let intent = Intent {
            id: IntentId::new(hex(&seed.derive("intent", digest.as_bytes())[..6])),
            begun_at: now,
            criteria,
            kept: Some(KeptStart::of(&request)),
        };
        let phase = Phase::Starting(Box::new(Starting {
            request,
            safety: P::CAPABILITIES.start,
            attempts: 0,
            due: now,
            why: WaitReason::Backoff,
            maybe_received: false,
            conflicts: 0,
        }));
        let mut task = Self::new(provider, None, phase, None, policy, seed, now);
        task.intent = Some(intent);
        task.save.need();
        task
    }

    /// A task that exists, from what it shows now; events after `after` are told.
    pub fn attach(
        provider: P,
        id: TaskId,
        after: Option<EventSeq>,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Self {
        let phase = Phase::follow(ReadKind::Status, now, WaitReason::PollInterval);
        Self::new(provider, Some(id), phase, after, policy, seed, now)
    }

    /// A turn of a task that exists: posts `text` and follows the task to its next pause or end. What the task showed
    /// before the message is never reported as this turn's result.
    ///
    /// # Errors
    /// When the provider takes no messages.
    pub fn continue_with(
        provider: P,
        id: TaskId,
        text: String,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Unsupported> {
        if !P::CAPABILITIES.message {
            return Err(unsupported::<P>("sending a message"));
        }
        let mut task = Self::attach(provider, id, None, policy, seed, now);
        task.turn = Some(Turn {
            text,
            state: TurnState::Baseline,
        });
        Ok(task)
    }

    /// A task stored by [`snapshot`](Self::snapshot), here or in another process. An exchange that was under way is
    /// taken for abandoned; a write without a key that may have left is not repeated.
    ///
    /// # Errors
    /// When the snapshot is of another provider or of a newer version.
    pub fn resume(provider: P, saved: Snapshot, now: Timestamp) -> Result<Self, ResumeError> {
        store::resume(provider, saved, now)
    }

    /// The same task, of this server: its snapshots say so.
    ///
    /// # Errors
    /// When it was stored as a task of another server, which has no business with it.
    pub fn bind_origin(mut self, origin: &Origin) -> Result<Self, ResumeError> {
        let expected = origin.canonical();
        match self.origin.take() {
            Some(found) if found != expected => Err(ResumeError::Origin { found, expected }),
            _ => {
                self.origin = Some(expected);
                Ok(self)
            }
        }
    }

    /// The same task, of a driver with this credential: a start request in which it stands is not kept for a start like
    /// it, and an event in which a text ends as the key begins is not told before more shows that it is not the key.
    #[must_use]
    pub fn with_credential(mut self, credential: &Credential) -> Self {
        let kept = self.intent.as_mut().and_then(|intent| intent.kept.as_mut());
        if let Some(kept) = kept {
            kept.drop_key(credential);
        }
        self.events.hold_back(credential);
        self
    }

    /// A stored task, taken up again under the deadlines of `policy`: one whose id is known is followed, and a start
    /// under an idempotency key that ended unknown is sent again, with the same key and bytes. Every other one is as
    /// [`resume`](Self::resume) has it: where it is [`unconfirmed_start`](Self::unconfirmed_start), a [`Search`](crate::Search) looks for its
    /// task.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn recover(
        provider: P,
        saved: Snapshot,
        policy: Policy,
        now: Timestamp,
    ) -> Result<Self, ResumeError> {
        let is_followed = saved.task().is_some() && !saved.is_undelivered();
        let saved = if is_followed || saved.is_repeatable() {
            saved.reopened(policy, now)
        } else {
            saved
        };
        store::resume(provider, saved, now)
    }

    fn new(
        provider: P,
        id: Option<TaskId>,
        phase: Phase<P::Output>,
        after: Option<EventSeq>,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Self {
        Self {
            provider,
            origin: None,
            rng: fastrand::Rng::with_seed(seed.jitter()),
            seed,
            now,
            id,
            intent: None,
            unresolved: None,
            created_at: None,
            phase,
            exchange: None,
            reported: None,
            exchanges: 0,
            stream: Stream::new(after, now),
            deferred: None,
            liveness: Liveness::default(),
            questions: Questions::default(),
            writes: VecDeque::new(),
            messages: 0,
            turn: None,
            cancel: Cancel::Idle,
            cancel_failure: None,
            refused: None,
            detaching: None,
            clocks: Deadlines::new(policy.work, policy.human, now),
            events: EventQueue::default(),
            record: Record::default(),
            save: Revisions::default(),
            status_request: None,
            last_status: None,
            paused: false,
            freshness: StatusFreshness::Current,
            poll_interval: PollInterval::new(policy.poll_backoff),
            status_limits: policy
                .limits
                .of(Kind::Status, crate::Safety::Repeatable, None),
            last_polled_at: None,
            failed_polls: 0,
            not_found: None,
            policy,
        }
    }

    /// What to do next.
    ///
    /// A question, not an action: asked twice with nothing in between, it gives the same step. An earlier `now` than
    /// one seen before counts as that one.
    pub fn next_step(&mut self, now: Timestamp, shared: &mut OriginBudget) -> Step<'_, P::Output> {
        self.now = self.now.max(now);
        match self.decide(shared) {
            Decided::Save => Step::Save {
                revision: self.save.revision,
            },
            Decided::Event => {
                let (no, id, event) = self.events.first().expect("decided because there is one");
                Step::Event { no, id, event }
            }
            Decided::Close(id) => Step::Close { id },
            Decided::Done => match &self.phase {
                Phase::Ended(outcome) => Step::Done(outcome),
                _ => unreachable!("decided because the task has ended"),
            },
            Decided::InFlight(id) => Step::InFlight {
                id,
                stream: self.stream.readable(),
            },
            Decided::Receive(id, until) => Step::Receive { id, until },
            Decided::Wait(until, why) => Step::Wait { until, why },
            Decided::Send(limits) => {
                let (id, request) = self.planned_request();
                Step::Send {
                    id,
                    request,
                    limits,
                }
            }
            Decided::Open(limits) => {
                let (id, request) = self.planned_request();
                Step::Open {
                    id,
                    request,
                    limits,
                }
            }
        }
    }

    /// The request that was planned just now.
    fn planned_request(&self) -> (ExchangeId, &Request) {
        let exchange = self.exchange.as_ref().expect("planned just now");
        let request = match (&exchange.request, &self.phase) {
            (Some(request), _) => request,
            (None, Phase::Starting(starting)) => &starting.request,
            (None, _) => self
                .status_request
                .as_ref()
                .expect("built when it was planned"),
        };
        (exchange.id, request)
    }

    /// Acknowledges [`Step::Save`].
    pub fn saved(&mut self, revision: Revision) {
        let was_due = self.save.is_due();
        self.save.saved = self.save.saved.max(revision.min(self.save.revision));
        // An acknowledgement that comes twice stored nothing more, and puts off no record.
        if was_due && !self.save.is_due() {
            self.record.stored(&self.events, self.now);
        }
    }

    /// Acknowledges [`Step::Send`] or [`Step::Open`]: from now on the request may have left.
    pub fn sent(&mut self, id: ExchangeId) {
        let now = self.now;
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.id == id) else {
            return;
        };
        if !matches!(exchange.flight, Flight::Planned) {
            return;
        }
        exchange.flight = Flight::Underway;
        exchange.sent = now;
        self.exchanges = id.0;
        match &exchange.purpose {
            Purpose::Start => {
                if let Phase::Starting(starting) = &mut self.phase {
                    starting.attempts += 1;
                }
            }
            Purpose::Read(ReadKind::Status) => self.last_polled_at = Some(now),
            Purpose::OpenStream(_) => {
                self.exchange = None;
                self.stream.opening(id, now);
            }
            Purpose::Read(_)
            | Purpose::Check
            | Purpose::Write
            | Purpose::Reconcile
            | Purpose::Cancel => {}
        }
    }

    /// Acknowledges [`Step::Close`].
    pub fn closed(&mut self, id: ExchangeId) {
        match self.stream.state {
            stream::StreamState::Closing { id: closing, due } if closing == id => {
                self.stream.enter(stream::StreamState::Closed { due });
            }
            _ => {}
        }
    }

    /// Acknowledges [`Step::Event`]; moves the stored position when it came from the stream.
    pub fn taken(&mut self, no: EventNo) {
        let Some(event) = self.events.take(no) else {
            return;
        };
        self.record.told(self.now);
        if let Some(open) = self.stream.open_mut() {
            // The driver did something else meanwhile.
            open.listening = None;
        }
        if let Event::Provider(event) = event {
            self.stream.last_taken = self.stream.last_taken.max(event.seq);
            self.stream.recent.push(event);
        }
    }

    /// Records a whole reply.
    pub fn handle_response(&mut self, id: ExchangeId, reply: Response, now: Timestamp) {
        self.report(id, Ok(reply), now);
    }

    /// Records a failed exchange, or a stream that broke.
    pub fn handle_failure(&mut self, id: ExchangeId, failure: ExchangeFailure, now: Timestamp) {
        self.now = self.now.max(now);
        match self.stream.of(id) {
            Some(open) => open.end = Some(Loss::failed(&failure)),
            None => self.report(id, Err(failure), now),
        }
    }

    fn report(
        &mut self,
        id: ExchangeId,
        report: Result<Response, ExchangeFailure>,
        now: Timestamp,
    ) {
        self.now = self.now.max(now);
        if let Some(opening) = self.stream.opening_of(id) {
            if !matches!(&report, Err(failure) if failure.head().is_none()) {
                self.liveness.last_byte_at = Some(self.now);
            }
            opening.report = Some(report);
            return;
        }
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.id == id)
            && matches!(exchange.flight, Flight::Underway)
        {
            exchange.flight = Flight::Reported;
            if let Some(open) = self.stream.open_mut() {
                open.not_listening_for(self.now.since(exchange.sent));
            }
            if !matches!(&report, Err(failure) if failure.head().is_none()) {
                self.liveness.last_byte_at = Some(self.now);
            }
            self.reported = Some(report);
        }
    }

    /// Records the head of a stream: 2xx `text/event-stream` only.
    pub fn handle_head(&mut self, id: ExchangeId, _head: Head, now: Timestamp) {
        self.now = self.now.max(now);
        if self.stream.opening_of(id).is_some() {
            self.liveness.last_byte_at = Some(self.now);
            self.stream.opened(id, self.now);
            if self.stream.end.is_none() {
                // The stream tells what happens; reads are a cross-check now.
                self.poll_again(ReadKind::Status, None);
            }
        }
    }

    /// Records a chunk of a stream; it is decoded lazily, one event per step. An empty one says that more has come which
    /// the driver has not read: no silence.
    pub fn handle_chunk(&mut self, id: ExchangeId, bytes: Bytes, now: Timestamp) {
        self.now = self.now.max(now);
        let now = self.now;
        if let Some(open) = self.stream.of(id) {
            open.last_byte_at = now;
            self.liveness.last_byte_at = Some(now);
            if bytes.is_empty() {
                return;
            }
            open.chunks.push_back(bytes);
            if open.chunks.iter().map(Bytes::len).sum::<usize>() > MAX_UNREAD {
                open.end = Some(Loss {
                    reason: RetryReason::StreamUnusable,
                    why: format!("more than {MAX_UNREAD} bytes were handed over unread"),
                });
            }
        }
    }

    /// Records the clean end of a stream. It ends nothing but the stream.
    pub fn handle_end(&mut self, id: ExchangeId, now: Timestamp) {
        self.now = self.now.max(now);
        if let Some(open) = self.stream.of(id) {
            open.end = Some(Loss {
                reason: RetryReason::StreamEnded,
                why: "the server ended the stream".to_owned(),
            });
        }
    }

    /// The task's id, once it is known.
    #[must_use]
    pub fn id(&self) -> Option<&TaskId> {
        self.id.as_ref()
    }

    /// The last status seen.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.last_status.as_ref()
    }

    /// The questions that an answer may go to now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.open()
    }

    /// Returns the question that this id names, whatever became of it: its own id, or one that stood in for it here or in
    /// another process.
    #[must_use]
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        let ask = questions::named(self.questions.all(), self.id.as_ref(), id);
        ask.map(|ask| &ask.question)
    }

    /// When the wire, the task's replies and the task itself last gave a sign: three clocks that never stand in for one
    /// another.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// Whether a review is open that no answer of ours resolves.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Answers an open question. It leaves after one more read that still shows the question, and at most once.
    ///
    /// # Errors
    /// When no such question is open, it was answered, an answer is under way, or it wants another kind of answer.
    pub fn answer(
        &mut self,
        question: &QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        self.now = self.now.max(now);
        let ask = questions::answerable(self.questions.all(), self.id.as_ref(), question)?;
        if !matches!(self.phase, Phase::Following(_)) {
            return Err(AnswerError::NoSuchQuestion(question.clone()));
        }
        questions::fits(&ask.question, &answer)?;
        let question = ask.question.clone();
        let key = (P::CAPABILITIES.answer == crate::Safety::Keyed).then(|| {
            let task = self.id.as_ref().map_or("", TaskId::as_str);
            // The bare place, which every version has made the key of.
            let asked = match question.seq {
                Some(seq) => seq.to_string(),
                None => ask.server_id().to_string(),
            };
            IdempotencyKey::of_answer(task, &asked, &answer)
        });
        self.questions.set(&question.id, QuestionState::Answering);
        let kind = WriteKind::Answer {
            question: Box::new(question),
            answer,
        };
        self.writes
            .push_back(PendingWrite::new(kind, key, self.now));
        self.update_clock();
        Ok(())
    }

    /// Sends a message that nobody asked for; what becomes of it is told by [`Event::Sent`].
    ///
    /// # Errors
    /// When the provider takes no messages, or the task is over: then a new turn goes on with it
    /// ([`continue_with`](Self::continue_with)).
    pub fn send_message(&mut self, text: String, now: Timestamp) -> Result<MessageNo, Unsupported> {
        self.now = self.now.max(now);
        if !P::CAPABILITIES.message {
            return Err(unsupported::<P>("sending a message"));
        }
        if !matches!(self.phase, Phase::Starting(_) | Phase::Following(_)) {
            return Err(unsupported::<P>("sending a message to a task that is over"));
        }
        Ok(self.queue_message(text))
    }

    fn queue_message(&mut self, text: String) -> MessageNo {
        self.messages += 1;
        let no = MessageNo(self.messages);
        self.writes.push_back(PendingWrite::new(
            WriteKind::Message { no, text },
            None,
            self.now,
        ));
        no
    }

    /// Asks the server to stop the task; kept until the id is known. The task's own status says how it ended.
    ///
    /// # Errors
    /// When the provider has no such call.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), Unsupported> {
        self.now = self.now.max(now);
        if !P::CAPABILITIES.cancel {
            return Err(unsupported::<P>("cancelling a task"));
        }
        if matches!(self.cancel, Cancel::Idle | Cancel::Refused) && !self.phase.is_ended() {
            self.cancel = Cancel::Requested {
                tries: 0,
                due: self.now,
            };
            self.save.need();
        }
        Ok(())
    }

    /// The task as a value to store: versioned, without secrets.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        store::snapshot(self)
    }

    /// The outcome, when the task is over.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome<P::Output>> {
        match self.phase {
            Phase::Ended(outcome) => Some(*outcome),
            _ => None,
        }
    }

    fn exchange_is_underway(&self) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| !matches!(exchange.flight, Flight::Planned))
    }

    /// Lets the human's clock run while somebody is asked, else the agent's.
    fn update_clock(&mut self) {
        let human =
            self.paused || (!self.questions.is_empty() && self.questions.open().next().is_some());
        self.clocks.run(
            if human {
                TimeLimit::Waiting
            } else {
                TimeLimit::Working
            },
            self.now,
        );
    }
}

fn unsupported<P: Provider>(what: &'static str) -> Unsupported {
    Unsupported {
        provider: P::NAME,
        what,
    }
}
