//! The state machine of one remote task.

mod cancel;
mod clocks;
mod detach;
#[cfg(test)]
mod diagrams;
mod env;
mod event_queue;
mod follow;
mod intent;
mod judge;
mod link;
mod listed;
mod outbox;
mod park;
mod phase;
mod plan;
mod poll_interval;
mod poller;
mod questions;
mod reasons;
mod record;
#[cfg(test)]
mod size;
mod starting;
mod still_asked;
mod store;
mod stream;
mod turn;
mod writes;

use std::sync::Arc;

use bytes::Bytes;

use crate::again::StartAgain;
use crate::budget::{OriginBudget, Permit};
use crate::credential::Credential;
use crate::error::{ApiError, Error, ErrorKind};
use crate::event::Status;
use crate::failure::ExchangeFailure;
use crate::id::{EventNo, EventSeq, ExchangeId, IntentId, MessageNo, QuestionId, Revision, TaskId};
use crate::key::IdempotencyKey;
use crate::operation::Safety;
use crate::origin::Origin;
use crate::outcome::Outcome;
use crate::policy::Policy;
use crate::provider::Provider;
use crate::question::{Answer, AnswerError, Question};
use crate::reason::{FailedAttempt, RetryReason};
use crate::response::{Head, Response};
use crate::retry::AttemptError;
use crate::seed::Seed;
use crate::snapshot::{ResumeError, Snapshot, TakenUp};
use crate::step::Step;
use crate::time::Timestamp;

use cancel::Cancel;
use clocks::Deadlines;
use env::Env;
use follow::{Cx, Follow};
pub use intent::UnconfirmedStart;
use link::{Link, Purpose, Read, Report};
pub(crate) use listed::WHOLE_POLL;
use outbox::Outbox;
pub use park::Parked;
use phase::{Move, Phase};
use starting::{BuiltStart, KeyChoice, StartForm, StartState, Starting};
use stream::{MAX_UNREAD, Stream};
use turn::{Turn, TurnState};

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
    env: Env<P>,
    link: Link,
    /// The right to send the next request, where the server limits the rate; whatever is sent next uses it up.
    permit: Option<Permit>,
    out: Outbox,
    clocks: Deadlines,
    cancel: Cancel,
    phase: Phase<P>,
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
        policy: impl Into<Arc<Policy>>,
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
        policy: impl Into<Arc<Policy>>,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let policy = policy.into();
        let can = provider.capabilities();
        let form = match can.start_by_stream && policy.start_by_stream {
            true => StartForm::Stream,
            false => StartForm::Reply,
        };
        let key = KeyChoice::of(can.start, key);
        let built = starting::build(&provider, job, form, key, &seed, now)?;
        let has_other = form == StartForm::Stream || can.start == Safety::Traceable;
        let job = has_other.then(|| Box::new(job.clone()));
        Ok(Self::starting(provider, built, job, policy, seed, now))
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
        policy: impl Into<Arc<Policy>>,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Error> {
        if again.provider != P::NAME {
            let (found, expected) = (again.provider, P::NAME);
            let error = ResumeError::Provider { found, expected };
            return Err(Error::new(ErrorKind::Input, error.to_string()));
        }
        let request = again.request;
        let key = match KeyChoice::of(provider.capabilities().start, key) {
            KeyChoice::None => None,
            KeyChoice::Own(key) => Some(key),
            KeyChoice::Minted => {
                let digest = request.digest();
                Some(IdempotencyKey::mint(&seed, "start", digest.as_bytes()))
            }
        };
        let (request, criteria) = provider.start_again(request, again.criteria, key.as_ref())?;
        let built = BuiltStart::of_reply(request, key, criteria, &seed, now);
        let mut task = Self::starting(provider, built, None, policy.into(), seed, now);
        // A start request belongs to the server that it was for: another server does not know its agents.
        task.env.origin = again.origin.map(Arc::from);
        Ok(task)
    }

    fn starting(
        provider: P,
        built: BuiltStart,
        job: Option<Box<P::Job>>,
        policy: Arc<Policy>,
        seed: Seed,
        now: Timestamp,
    ) -> Self {
        let state = StartState::Sending(built.request);
        let safety = provider.capabilities().start;
        let mut starting = Starting::new(state, built.digest, safety, now);
        (starting.job, starting.key) = (job, built.key);
        let phase = Phase::Starting(Box::new(starting));
        let mut env = Env::new(provider, policy, seed, now);
        env.intent = Some(Box::new(built.intent));
        let mut task = Self::new(env, phase);
        task.out.save.need();
        task
    }

    /// Gives a start that was not sent yet this id, in place of one by chance: that of a start of the caller's
    /// [name](IntentId::named).
    #[must_use]
    pub fn named(mut self, id: IntentId) -> Self {
        if let (Phase::Starting(_), Some(intent)) = (&self.phase, &mut self.env.intent) {
            intent.id = id;
        }
        self
    }

    /// Opens no event stream: the task is started by a plain request, and polled. It is for a driver of many tasks, each of
    /// which would take a connection for its stream, and holds for as long as this driver has the task: it is not stored.
    #[must_use]
    pub fn without_stream(mut self) -> Self {
        self.env.is_polled = true;
        if let Phase::Starting(starting) = &mut self.phase {
            starting.start_by_reply(&self.env);
        }
        self
    }

    /// Follows an existing task from its present state on; events after `after` are delivered.
    pub fn attach(
        provider: P,
        id: TaskId,
        after: Option<EventSeq>,
        policy: impl Into<Arc<Policy>>,
        seed: Seed,
        now: Timestamp,
    ) -> Self {
        let policy = policy.into();
        let follow = Follow::new(id, after, &policy, now);
        let env = Env::new(provider, policy, seed, now);
        Self::new(env, Phase::Following(Box::new(follow)))
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
        policy: impl Into<Arc<Policy>>,
        seed: Seed,
        now: Timestamp,
    ) -> Result<Self, Unsupported> {
        if !provider.capabilities().message {
            return Err(unsupported::<P>("sending a message"));
        }
        let mut task = Self::attach(provider, id, None, policy, seed, now);
        if let Phase::Following(follow) = &mut task.phase {
            let state = TurnState::Baseline;
            follow.turn = Some(Box::new(Turn { text, state }));
        }
        Ok(task)
    }

    /// Resumes a task that [`snapshot`](Self::snapshot) stored, in this or another process. An exchange that was under
    /// way counts as abandoned; a write without a key that may have been sent is not repeated.
    ///
    /// # Errors
    /// Returns an error if the snapshot belongs to another provider or has another version.
    pub fn resume(provider: P, saved: Snapshot, now: Timestamp) -> Result<Self, ResumeError> {
        store::resume(provider, saved, TakenUp::Resumed, now)
    }

    /// Binds this task to its server, which its snapshots then name.
    ///
    /// # Errors
    /// Returns an error if the snapshot belongs to a task on another server.
    pub fn bind_origin(mut self, origin: &Origin) -> Result<Self, ResumeError> {
        let expected = origin.canonical();
        if let Some(found) = self.env.origin.as_deref()
            && found != expected
        {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            return Err(ResumeError::Origin { found, expected });
        }
        self.env.origin = Some(origin.canonical_shared());
        Ok(self)
    }

    /// Tells this task which credential its driver uses. A start request that contains the key is not kept for starting
    /// again, and an event whose text ends as the key begins is not delivered until more text shows that it is not the
    /// key.
    #[must_use]
    pub fn with_credential(mut self, credential: &Credential) -> Self {
        let kept = self
            .env
            .intent
            .as_mut()
            .and_then(|intent| intent.kept.as_mut());
        if let Some(kept) = kept {
            kept.drop_key(credential);
        }
        self.out.events.hold_back(credential);
        self
    }

    /// Takes up a stored task again under the deadlines of `policy`. A task whose id is known is followed, and a start
    /// with an idempotency key whose outcome is unknown is sent again, with the same key and bytes; the task of one that
    /// contains an id of ours is looked for, and found exactly. Every other task is
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
        let saved = if is_followed || saved.is_repeatable() || saved.is_traceable() {
            saved.reopened(policy, now)
        } else {
            saved
        };
        store::resume(provider, saved, TakenUp::Resumed, now)
    }

    fn new(env: Env<P>, phase: Phase<P>) -> Self {
        let policy = &env.policy;
        Self {
            clocks: Deadlines::new(policy.work, policy.human, env.now),
            env,
            permit: None,
            link: Link::Idle,
            out: Outbox::default(),
            cancel: Cancel::default(),
            phase,
        }
    }

    /// Splits the task into its phase and what the regions of the phase share with it.
    fn parts(&mut self) -> (&mut Phase<P>, Cx<'_, P>) {
        let cx = Cx {
            env: &mut self.env,
            link: &mut self.link,
            out: &mut self.out,
            clocks: &mut self.clocks,
            cancel: &mut self.cancel,
        };
        (&mut self.phase, cx)
    }

    /// Returns what to do next.
    ///
    /// This is a question, not an action: called twice with nothing in between, it returns the same step. A `now`
    /// earlier than one seen before counts as that one.
    pub fn next_step(&mut self, now: Timestamp, budget: &OriginBudget) -> Step {
        self.env.advance(now);
        self.decide(budget)
    }

    /// Acknowledges [`Step::Save`].
    pub fn saved(&mut self, revision: Revision) {
        self.out.saved(revision, self.env.now);
    }

    /// Acknowledges [`Step::Send`] or [`Step::Open`]: from now on the request may have reached the server.
    pub fn sent(&mut self, id: ExchangeId) {
        let now = self.env.now;
        let Some(purpose) = self.link.sent(id, now) else {
            return;
        };
        self.env.exchanges = id.0;
        if let Some(permit) = self.permit.take() {
            permit.spend();
        }
        match purpose {
            Purpose::Start => {
                if let Phase::Starting(starting) = &mut self.phase {
                    starting.attempts += 1;
                }
            }
            Purpose::Read(Read::Status) => {
                if let Phase::Following(follow) = &mut self.phase {
                    follow.poller.polled(now);
                }
            }
            // The stream's region owns this exchange from here on, so that another request can be sent beside it.
            Purpose::OpenStream(_) => {
                if let Phase::Following(follow) = &mut self.phase {
                    follow.stream.opening(id, now);
                }
            }
            Purpose::StartStream => {
                if let Phase::Starting(starting) = &mut self.phase {
                    starting.attempts += 1;
                    starting.stream.opening(id, now);
                }
            }
            Purpose::Write => {
                if let Phase::Following(follow) = &mut self.phase {
                    follow.writes.sent();
                }
            }
            // The reply may take long, and an answer that was checked before is checked again after it.
            Purpose::Cancel => {
                if let Phase::Following(follow) = &mut self.phase {
                    follow.writes.recheck(now);
                }
            }
            Purpose::Read(_) | Purpose::Locate | Purpose::Check | Purpose::Reconcile => {}
        }
    }

    /// Acknowledges [`Step::Close`].
    pub fn closed(&mut self, id: ExchangeId) {
        if let Some(stream) = self.phase.stream_mut() {
            stream.closed(id);
        }
    }

    /// Acknowledges [`Step::Event`], and moves the stored event sequence if the event came from the stream.
    pub fn taken(&mut self, no: EventNo) {
        let Some(event) = self.out.events.take(no) else {
            return;
        };
        self.out.record.told(self.env.now);
        self.phase.taken(event);
    }

    /// Records a complete reply.
    pub fn handle_response(&mut self, id: ExchangeId, reply: Response, now: Timestamp) {
        self.report(id, Ok(reply), now);
    }

    /// Records a failed exchange or a broken stream.
    pub fn handle_failure(&mut self, id: ExchangeId, failure: ExchangeFailure, now: Timestamp) {
        self.env.advance(now);
        match self.phase.stream_mut().and_then(|stream| stream.of(id)) {
            Some(open) => open.end = Some(AttemptError::Wire(failure).record()),
            None => self.report(id, Err(failure), now),
        }
    }

    fn report(&mut self, id: ExchangeId, report: Report, now: Timestamp) {
        let now = self.env.advance(now);
        // Only a failure without a head brought no byte of the server.
        let has_head = !matches!(&report, Err(failure) if failure.head().is_none());
        let (phase, cx) = self.parts();
        let mut stream = phase.stream_mut();
        if let Some(opening) = stream.as_mut().and_then(|stream| stream.opening_of(id)) {
            opening.report = Some(report);
        } else if let Some(sent) = cx.link.reported(id, report) {
            // A driver that waits for an exchange need not read the stream beside it: that time is no silence.
            if let Some(open) = stream.and_then(Stream::open_mut) {
                open.not_listening_for(now.since(sent));
            }
        } else {
            return;
        }
        if has_head {
            cx.env.liveness.last_byte_at = Some(now);
        }
    }

    /// Records the head of a stream: a 2xx `text/event-stream` only.
    pub fn handle_head(&mut self, id: ExchangeId, _head: Head, now: Timestamp) {
        let now = self.env.advance(now);
        let (phase, mut cx) = self.parts();
        let Some(stream) = phase.stream_mut() else {
            return;
        };
        if stream.opening_of(id).is_none() {
            return;
        }
        cx.env.liveness.last_byte_at = Some(now);
        stream.opened(id, now);
        if let Phase::Following(follow) = phase
            && follow.stream.end.is_none()
        {
            // The stream now reports what happens; status polls only cross-check it.
            follow.poll_again(&mut cx);
        }
    }

    /// Records a chunk of a stream. It is decoded lazily, one event per step. An empty chunk says that the driver has
    /// more bytes than it has read: the stream is not silent.
    pub fn handle_chunk(&mut self, id: ExchangeId, bytes: Bytes, now: Timestamp) {
        let now = self.env.advance(now);
        let (phase, cx) = self.parts();
        if let Some(open) = phase.stream_mut().and_then(|stream| stream.of(id)) {
            open.last_byte_at = now;
            cx.env.liveness.last_byte_at = Some(now);
            if bytes.is_empty() {
                return;
            }
            open.chunks.push_back(bytes);
            if open.chunks.iter().map(Bytes::len).sum::<usize>() > MAX_UNREAD {
                open.end = Some(FailedAttempt::new(
                    RetryReason::StreamUnusable,
                    format!("more than {MAX_UNREAD} bytes were handed over unread"),
                ));
            }
        }
    }

    /// Records the clean end of a stream. It ends nothing but the stream: only a read can confirm that the task has
    /// ended.
    pub fn handle_end(&mut self, id: ExchangeId, now: Timestamp) {
        self.env.advance(now);
        if let Some(open) = self.phase.stream_mut().and_then(|stream| stream.of(id)) {
            open.end = Some(FailedAttempt::new(
                RetryReason::StreamEnded,
                "the server ended the stream",
            ));
        }
    }

    /// Returns the task's id, once it is known.
    #[must_use]
    pub fn id(&self) -> Option<&TaskId> {
        self.phase.id()
    }

    /// Returns the last status seen.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.phase.task()?.status.as_ref()
    }

    /// Returns the questions that can be answered now.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.phase
            .task()
            .into_iter()
            .flat_map(|follow| follow.questions.open())
    }

    /// Returns the question with this id, whatever its state: by its own id, or by the id of a stand-in for it, used
    /// here or in another process.
    #[must_use]
    pub fn question(&self, id: &QuestionId) -> Option<&Question> {
        let follow = self.phase.task()?;
        let entry = questions::named(follow.questions.all(), Some(&follow.id), id);
        entry.map(|entry| &entry.question)
    }

    /// Returns the server's error when it last refused an answer, a message or a cancel, in this process or in an earlier
    /// one that stored it; the events report it as text. `None` if this client itself refused the last one, because its
    /// request could not be built.
    #[must_use]
    pub fn refusal(&self) -> Option<&ApiError> {
        self.phase.task()?.refused.as_deref()
    }

    /// Returns when the client last saw a sign of the connection, of the server's replies and of the task itself. These
    /// three times never stand in for one another.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.env.liveness
    }

    /// Returns whether a review is open that no answer of ours resolves.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.phase
            .task()
            .is_some_and(|follow| follow.questions.paused)
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
        self.env.advance(now);
        let unknown = || AnswerError::NoSuchQuestion(question.clone());
        let now = self.env.now;
        let (phase, mut cx) = self.parts();
        if let Some(follow) = phase.task() {
            questions::answerable(follow.questions.all(), Some(&follow.id), question)?;
        }
        let Phase::Following(follow) = phase else {
            return Err(unknown());
        };
        follow.answer(question, answer, cx.env.can().answer, now)?;
        follow.update_clock(&mut cx);
        Ok(())
    }

    /// Sends a message that answers no question; [`Event::Sent`](crate::Event::Sent) reports its outcome.
    ///
    /// # Errors
    /// Returns an error if the provider does not accept messages, or if the task is over: then begin a new turn
    /// ([`continue_with`](Self::continue_with)).
    pub fn send_message(&mut self, text: String, now: Timestamp) -> Result<MessageNo, Unsupported> {
        self.env.advance(now);
        if !self.env.can().message {
            return Err(unsupported::<P>("sending a message"));
        }
        let writes = match &mut self.phase {
            Phase::Starting(starting) => &mut starting.writes,
            Phase::Following(follow) => &mut follow.writes,
            Phase::Finishing(_) | Phase::Ended(_) => {
                return Err(unsupported::<P>("sending a message to a task that is over"));
            }
        };
        Ok(writes.push_message(text, self.env.now))
    }

    /// Asks the server to stop the task; the request is kept until the id is known. The task's own status shows how it
    /// ended.
    ///
    /// # Errors
    /// Returns an error if the provider cannot cancel tasks.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), Unsupported> {
        self.env.advance(now);
        if !self.env.can().cancel {
            return Err(unsupported::<P>("cancelling a task"));
        }
        if !self.phase.is_ended() {
            self.cancel.request(self.env.now, &mut self.out);
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
            Phase::Ended(ended) => Some(&ended.outcome),
            _ => None,
        }
    }

    /// Returns the outcome once the task has ended.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome<P::Output>> {
        match self.phase {
            Phase::Ended(ended) => Some(ended.outcome),
            _ => None,
        }
    }

    /// Makes a move.
    fn go(&mut self, next: Move<P::Output>) {
        match next {
            Move::Stay => {}
            Move::Follow(created, first) => self.begin(created, first),
            Move::End(outcome) => self.end(outcome),
            Move::Fetch | Move::Trace(_) => self.step(next),
        }
    }

    fn step(&mut self, next: Move<P::Output>) {
        let phase = std::mem::replace(&mut self.phase, Phase::moving());
        self.phase = phase.step(next, &self.env.policy, self.env.now);
    }

    /// Ends the task's following. Whoever detaches first reports what became of each pending write.
    fn end(&mut self, outcome: Outcome<P::Output>) {
        let mut outcome = self.as_detached(outcome);
        if matches!(
            outcome,
            Outcome::DeadlineExceeded { .. } | Outcome::Interrupted { .. }
        ) {
            let (phase, mut cx) = self.parts();
            if let Move::End(turn) = phase.drop_writes(&mut cx) {
                // The turn has ended: nobody knows whether its message was applied.
                outcome = turn;
            }
        }
        self.link.forget();
        self.permit = None;
        self.step(Move::End(outcome));
        self.out.save.need();
    }
}

fn unsupported<P: Provider>(what: &'static str) -> Unsupported {
    Unsupported {
        provider: P::NAME,
        what,
    }
}
