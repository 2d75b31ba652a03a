//! //! The state machine of one remote task.

mod cancel;
mod clocks;
mod event_queue;
mod intent;
mod judge;
mod link;
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
use std::sync::Arc;

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
use link::{Link, Purpose, Report};
use phase::{NotFound, Phase, Starting};
use poll_interval::PollInterval;
use questions::Questions;
use record::Record;
pub(crate) use store::start_again;
use stream::{Loss, MAX_UNREAD, Stream};
use turn::{Turn, TurnState};
use writes::PendingWrite;

/// One remote task, from start to answer, as a state machine without I/O.
///
/// # The driver's duty
/// Whoever owns a task repeats these steps:
///
/// 1. Call `next_step(now, budget)`, which returns one [`Step`]. The call is harmless: it returns the same step until
///    that step has been acknowledged.
/// 2. Perform the step and acknowledge it:
///    - [`Step::Save`]: store [`snapshot`](Self::snapshot), then call [`saved`](Self::saved).
///    - [`Step::Send`]: call [`sent`](Self::sent) before the first byte may leave; then perform the exchange within its
///      limits and report it exactly once, without the key ([`Credential`](crate::Credential)), with
///      [`handle_response`](Self::handle_response) or [`handle_failure`](Self::handle_failure).
///    - [`Step::Open`]: call [`sent`](Self::sent), then begin the exchange beside any other one. Report a 2xx
///      `text/event-stream` with [`handle_head`](Self::handle_head), each chunk with
///      [`handle_chunk`](Self::handle_chunk), and its end with [`handle_end`](Self::handle_end) or `handle_failure`;
///      report every other reply like that of a `Send`.
///    - [`Step::Receive`]: wait for the stream's head or next chunk, at most until the given time.
///    - [`Step::Close`]: drop the stream, then call [`closed`](Self::closed).
///    - [`Step::InFlight`]: wait for the exchange; if you no longer own it, report [`ExchangeFailure::abandoned`].
///    - [`Step::Wait`]: wait until the given time, or until the application makes a request.
///    - [`Step::Event`]: deliver the event, then call [`taken`](Self::taken).
///    - [`Step::Done`]: stop; [`into_outcome`](Self::into_outcome) returns the outcome.
/// 3. At any time: [`answer`](Self::answer), [`send_message`](Self::send_message), [`cancel`](Self::cancel).
///
/// Reports only record, and `next_step` makes every decision, but for one: [`handle_head`](Self::handle_head) plans the
/// next cross-check, since from then on the stream reports what happens. A report for an exchange that is not under way
/// changes nothing. Time never runs backwards inside a task, and nothing changes after `Done`.
///
/// ```text
/// Starting ──► Following ──► Fetching ──► Ended
///    │            │  └─────► Tracing ───────▲
///    └────────────┴─────────────────────────┘
/// ```
///
/// # What ends it
/// Once the id is known, nothing on the wire ends the task: only the task itself, a deadline, a 401 or 403, a confirmed
/// 404 or 410, or a lasting failure to read the answer of a completed task does.
#[derive(Debug)]
pub struct Task<P: Provider> {
    provider: P,
    /// The server that the task belongs to, if the driver named it.
    origin: Option<String>,
    policy: Policy,
    seed: Seed,
    rng: fastrand::Rng,
    now: Timestamp,
    id: Option<TaskId>,
    /// The start request that created the task, if this client sent it.
    intent: Option<Intent>,
    /// That start request while its outcome is unknown.
    unresolved: Option<Box<UnresolvedStart>>,
    /// When this process saw the task start: soon after, a 404 means that its record is not visible yet.
    created_at: Option<Timestamp>,
    phase: Phase<P::Output>,
    link: Link,
    exchanges: u64,
    stream: Stream,
    /// A poll result that is deferred until the list of events has been read.
    deferred: Option<PollResult<P::Output>>,
    liveness: Liveness,
    questions: Questions,
    writes: VecDeque<PendingWrite>,
    messages: u64,
    turn: Option<Turn>,
    cancel: Cancel,
    /// Why the server did not accept the last cancel request.
    cancel_failure: Option<CancelResult>,
    /// The error of the last write that the server refused.
    refused: Option<ApiError>,
    /// How the client stops following the task, once it has begun to.
    detaching: Option<Detaching>,
    clocks: Deadlines,
    events: EventQueue,
    record: Record,
    save: Revisions,
    /// The status request, built once.
    status_request: Option<Arc<Request>>,
    last_status: Option<Status>,
    paused: bool,
    freshness: StatusFreshness,
    poll_interval: PollInterval,
    /// The limits of a status read, before a deadline shortens them.
    status_limits: Limits,
    /// When the last status request was sent: the shortest polling interval counts from here.
    last_polled_at: Option<Timestamp>,
    /// Status polls that failed in a row.
    failed_polls: u32,
    not_found: Option<NotFound>,
}

/// Whether the status may predate a write of ours.
///
/// A status read after a write may still say "waiting" while the conversation, read a moment later, already shows what
/// the agent has said since: perhaps its last words, and not a question. So what the agent says counts as a question
/// only once a status that was read *after* it still says that the task waits.
#[derive(Debug, Clone, PartialEq)]
enum StatusFreshness {
    /// The status has changed since the last write, or nothing was written.
    Current,
    /// A write arrived at this time and the status has not changed since.
    StaleSince(Timestamp),
    /// The agent said this after our write; the next status shows whether it is a question.
    AwaitingConfirmation(QuestionId),
}

/// When the client last saw a sign of a task from three sources: the connection, the server's replies and the task
/// itself. A heartbeat proves only that the connection works; a reply that shows no change is no progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Liveness {
    /// When the server last sent anything at all.
    pub last_byte_at: Option<Timestamp>,
    /// When the client could last read a reply or an event.
    pub last_reply_at: Option<Timestamp>,
    /// When the status last changed or something new happened.
    pub last_change_at: Option<Timestamp>,
}

/// The state of the cancel region.
#[derive(Debug, Clone, PartialEq)]
enum Cancel {
    Idle,
    Requested { tries: u32, due: Timestamp },
    Accepted,
    Refused,
}

/// Which revisions of the state exist and which of them are stored.
#[derive(Debug, Clone, Copy, Default)]
struct Revisions {
    revision: Revision,
    saved: Revision,
}

impl Revisions {
    /// Requires the present state to be stored before another write leaves.
    fn need(&mut self) {
        self.revision.0 += 1;
    }

    fn is_due(self) -> bool {
        self.saved < self.revision
    }
}

/// The provider does not support this operation, or not in the task's present state.
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
    /// Creates a task that is to be started. No request is sent before the first `next_step`.
    ///
    /// # Errors
    /// Returns an error if the job cannot be encoded into a request.
    pub fn start(
        provider: P,
        job: &P::Job,
        policy: Policy,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Error> {
        Self::start_keyed(provider, job, None, policy, seed, now)
    }

    /// Creates a task that is to be started under the caller's own idempotency key, where the provider accepts one.
    ///
    /// # Errors
    /// Returns an error if the job or the key cannot be encoded into a request.
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

    /// Creates a new task from the start request of another one, under a key of its own: the caller's, or else a fresh
    /// one. The two tasks have nothing else in common.
    ///
    /// # Errors
    /// Returns an error if the start request was for another provider, or if the key cannot be encoded into a request.
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
        // A start request belongs to the server that it was for: another server does not know its agents.
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
            request: Arc::new(request),
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

    /// Follows an existing task from its present state on; events after `after` are delivered.
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

    /// Begins a new turn of an existing task: posts `text` and follows the task to its next pause or end. What the task
    /// showed before the message is never reported as this turn's result.
    ///
    /// # Errors
    /// Returns an error if the provider does not accept messages.
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

    /// Resumes a task that [`snapshot`](Self::snapshot) stored, in this or another process. An exchange that was under
    /// way counts as abandoned; a write without a key that may have been sent is not repeated.
    ///
    /// # Errors
    /// Returns an error if the snapshot belongs to another provider or has another version.
    pub fn resume(provider: P, saved: Snapshot, now: Timestamp) -> Result<Self, ResumeError> {
        store::resume(provider, saved, now)
    }

    /// Binds this task to its server, which its snapshots then name.
    ///
    /// # Errors
    /// Returns an error if the snapshot belongs to a task on another server.
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

    /// Tells this task which credential its driver uses. A start request that contains the key is not kept for starting
    /// again, and an event whose text ends as the key begins is not delivered until more text shows that it is not the
    /// key.
    #[must_use]
    pub fn with_credential(mut self, credential: &Credential) -> Self {
        let kept = self.intent.as_mut().and_then(|intent| intent.kept.as_mut());
        if let Some(kept) = kept {
            kept.drop_key(credential);
        }
        self.events.hold_back(credential);
        self
    }

    /// Takes up a stored task again under the deadlines of `policy`. A task whose id is known is followed, and a start
    /// with an idempotency key whose outcome is unknown is sent again, with the same key and bytes. Every other task is
    /// resumed as by [`resume`](Self::resume): if it is an [`unconfirmed_start`](Self::unconfirmed_start), a
    /// [`Search`](crate::Search) can find its task.
    ///
    /// # Errors
    /// Returns the errors of [`resume`](Self::resume).
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
            link: Link::Idle,
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

    /// Returns what to do next.
    ///
    /// This is a question, not an action: called twice with nothing in between, it returns the same step. A `now`
    /// earlier than one seen before counts as that one.
    pub fn next_step(&mut self, now: Timestamp, budget: &OriginBudget) -> Step {
        self.now = self.now.max(now);
        self.decide(budget)
    }

    /// Acknowledges [`Step::Save`].
    pub fn saved(&mut self, revision: Revision) {
        let was_due = self.save.is_due();
        self.save.saved = self.save.saved.max(revision.min(self.save.revision));
        // An acknowledgement that comes twice stored nothing more, and must not postpone the next record.
        if was_due && !self.save.is_due() {
            self.record.stored(&self.events, self.now);
        }
    }

    /// Acknowledges [`Step::Send`] or [`Step::Open`]: from now on the request may have reached the server.
    pub fn sent(&mut self, id: ExchangeId) {
        let now = self.now;
        let Some(purpose) = self.link.sent(id, now) else {
            return;
        };
        self.exchanges = id.0;
        match purpose {
            Purpose::Start => {
                if let Phase::Starting(starting) = &mut self.phase {
                    starting.attempts += 1;
                }
            }
            Purpose::Read(ReadKind::Status) => self.last_polled_at = Some(now),
            // The stream's region owns this exchange from here on, so that another request can be sent beside it.
            Purpose::OpenStream(_) => self.stream.opening(id, now),
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

    /// Acknowledges [`Step::Event`], and moves the stored event sequence if the event came from the stream.
    pub fn taken(&mut self, no: EventNo) {
        let Some(event) = self.events.take(no) else {
            return;
        };
        self.record.told(self.now);
        if let Some(open) = self.stream.open_mut() {
            // The driver was not reading the stream meanwhile: its silence until now proves nothing.
            open.listening = None;
        }
        if let Event::Provider(event) = Arc::unwrap_or_clone(event) {
            self.stream.last_taken = self.stream.last_taken.max(event.seq);
            self.stream.recent.push(event);
        }
    }

    /// Records a complete reply.
    pub fn handle_response(&mut self, id: ExchangeId, reply: Response, now: Timestamp) {
        self.report(id, Ok(reply), now);
    }

    /// Records a failed exchange or a broken stream.
    pub fn handle_failure(&mut self, id: ExchangeId, failure: ExchangeFailure, now: Timestamp) {
        self.now = self.now.max(now);
        match self.stream.of(id) {
            Some(open) => open.end = Some(Loss::failed(&failure)),
            None => self.report(id, Err(failure), now),
        }
    }

    fn report(&mut self, id: ExchangeId, report: Report, now: Timestamp) {
        self.now = self.now.max(now);
        if let Some(opening) = self.stream.opening_of(id) {
            // Only a failure without a head brought no byte of the server.
            if !matches!(&report, Err(failure) if failure.head().is_none()) {
                self.liveness.last_byte_at = Some(self.now);
            }
            opening.report = Some(report);
            return;
        }
        // Only a failure without a head brought no byte of the server.
        let has_head = !matches!(&report, Err(failure) if failure.head().is_none());
        if let Some(sent) = self.link.reported(id, report) {
            // A driver that waits for an exchange need not read the stream beside it: that time is no silence.
            if let Some(open) = self.stream.open_mut() {
                open.not_listening_for(self.now.since(sent));
            }
            if has_head {
                self.liveness.last_byte_at = Some(self.now);
            }
        }
    }

    /// Records the head of a stream: a 2xx `text/event-stream` only.
    pub fn handle_head(&mut self, id: ExchangeId, _head: Head, now: Timestamp) {
        self.now = self.now.max(now);
        if self.stream.opening_of(id).is_some() {
            self.liveness.last_byte_at = Some(self.now);
            self.stream.opened(id, self.now);
            if self.stream.end.is_none() {
                // The stream now reports what happens; status polls only cross-check it.
                self.poll_again(ReadKind::Status, None);
            }
        }
    }

    /// Records a chunk of a stream. It is decoded lazily, one event per step. An empty chunk says that the driver has
    /// more bytes than it has read: the stream is not silent.
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

    /// Records the clean end of a stream. It ends nothing but the stream: only a read can confirm that the task has
    /// ended.
    pub fn handle_end(&mut self, id: ExchangeId, now: Timestamp) {
        self.now = self.now.max(now);
        if let Some(open) = self.stream.of(id) {
            open.end = Some(Loss {
                reason: RetryReason::StreamEnded,
                why: "the server ended the stream".to_owned(),
            });
        }
    }

    /// Returns the task's id, once it is known.
    #[must_use]
    pub fn id(&self) -> Option<&TaskId> {
        self.id.as_ref()
    }

    /// Returns the last status seen.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.last_status.as_ref()
    }

    /// Returns the questions that can be answered now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.open()
    }

    /// Returns the question with this id, whatever its state: by its own id, or by the id of a stand-in for it, used
    /// here or in another process.
    #[must_use]
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        let entry = questions::named(self.questions.all(), self.id.as_ref(), id);
        entry.map(|entry| &entry.question)
    }

    /// Returns when the client last saw a sign of the connection, of the server's replies and of the task itself. These
    /// three times never stand in for one another.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// Returns whether a review is open that no answer of ours resolves.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Answers an open question. The answer is sent at most once, after one more read that still shows the question as
    /// open.
    ///
    /// # Errors
    /// Returns an error if no such question is open, if it was answered, if an answer is under way, or if it needs
    /// another kind of answer.
    pub fn answer(
        &mut self,
        question: &QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), AnswerError> {
        self.now = self.now.max(now);
        let entry = questions::answerable(self.questions.all(), self.id.as_ref(), question)?;
        if !matches!(self.phase, Phase::Following(_)) {
            return Err(AnswerError::NoSuchQuestion(question.clone()));
        }
        questions::fits(&entry.question, &answer)?;
        let question = entry.question.clone();
        let key = (P::CAPABILITIES.answer == crate::Safety::Keyed).then(|| {
            let task = self.id.as_ref().map_or("", TaskId::as_str);
            // The key is made of the bare event sequence or the server's id, as in every version, so that the same
            // answer given by another version has the same key.
            let place = match question.seq {
                Some(seq) => seq.to_string(),
                None => entry.server_id().to_string(),
            };
            IdempotencyKey::of_answer(task, &place, &answer)
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

    /// Sends a message that answers no question; [`Event::Sent`] reports its outcome.
    ///
    /// # Errors
    /// Returns an error if the provider does not accept messages, or if the task is over: then begin a new turn
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

    /// Asks the server to stop the task; the request is kept until the id is known. The task's own status shows how it
    /// ended.
    ///
    /// # Errors
    /// Returns an error if the provider cannot cancel tasks.
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

    /// Returns the task as a value to store: versioned and without secrets.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        store::snapshot(self)
    }

    /// Returns the outcome once the task is over.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome<P::Output>> {
        match &self.phase {
            Phase::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Returns the outcome once the task has ended.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome<P::Output>> {
        match self.phase {
            Phase::Ended(outcome) => Some(*outcome),
            _ => None,
        }
    }

    /// Runs the human's clock while a question or a review is open, and the agent's clock otherwise.
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
