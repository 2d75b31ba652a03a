//! A driver, an application and a server that do as the bytes say.

use std::time::Duration;

use taskward_core::bytes::Bytes;
use taskward_core::http::StatusCode;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Event, EventNo, ExchangeFailure, ExchangeId, Head, IdempotencyKey, OriginBudget, Policy,
    QuestionId, Request, Response, Revision, Seed, Snapshot, Step, Task, TaskId, Timestamp, sse,
};

use super::checks::{Checks, SentRequest};
use super::input::Input;
use super::platforms::{Kind, Platform};

/// How long the agent and the human may take, in seconds.
const CLOCKS: [u64; 4] = [600, 5, 60, 7200];
/// Leaps of time, in milliseconds.
const LEAPS: [u64; 6] = [1, 900, 1000, 31_000, 3_600_000, 50_000_000];
/// Waits that are waited out at the end before time leaps beyond every deadline.
const LAST_WAITS: u32 = 20;
/// Steps within which a task ends once time is up.
const LAST_STEPS: u32 = 2000;
const BORN: u64 = 1_700_000_000_000;

/// What a driver holds.
#[derive(Clone, Copy)]
struct Held {
    id: ExchangeId,
    kind: Kind,
}

/// What was stored, and how much was reported by then.
struct Stored {
    snapshot: Snapshot,
    taken: EventNo,
}

pub(super) struct World<'a, P: Platform> {
    provider: P,
    input: Input<'a>,
    shared: OriginBudget,
    now: u64,
    policy: Policy,
    held: Option<Held>,
    /// The stream that is being opened, beside the exchange in flight.
    opening: Option<Held>,
    stream: Option<Held>,
    /// A stream whose end or failure was reported: it may still be asked to be closed.
    ended: Option<ExchangeId>,
    /// What the open stream has said so far.
    received: Vec<u8>,
    stored: Option<Stored>,
    checks: Checks,
    ends: Vec<&'static str>,
    /// The id that was known before the step.
    known: Option<TaskId>,
    /// Steps and waits since the bytes ran out.
    last_steps: u32,
    last_waits: u32,
}

impl<'a, P: Platform> World<'a, P> {
    /// Returns a task and its world.
    pub(super) fn new(provider: P, data: &'a [u8]) -> Option<(Task<P>, Self)> {
        let mut input = Input::new(data);
        let mut policy = Policy::default();
        policy.work = Some(Duration::from_secs(*input.pick(&CLOCKS)));
        policy.human = Some(Duration::from_secs(*input.pick(&CLOCKS)));
        let flags = input.byte();
        policy.read_steps = flags & 1 == 0;
        policy.retry.unkeyed_503 = flags & 2 == 0;
        let mut checks = Checks::default();
        checks.unkeyed_503 = policy.retry.unkeyed_503;
        let seed = Seed([input.byte(); 32]);
        let now = Timestamp::from_millis(BORN);
        let id = || TaskId::new("t1");
        let job = P::job();
        let p = || provider.clone();
        let task = match flags >> 2 {
            0..=31 => Task::start(p(), &job, policy.clone(), seed, now).ok()?,
            32..=39 => {
                let key = String::from_utf8_lossy(&input.text(&["key"])).into_owned();
                let key = Some(IdempotencyKey::new(key));
                Task::start_keyed(p(), &job, key, policy.clone(), seed, now).ok()?
            }
            40..=53 => Task::attach(p(), id(), None, policy.clone(), seed, now),
            _ => {
                checks.accepted += 1;
                Task::continue_with(p(), id(), "hello".into(), policy.clone(), seed, now).ok()?
            }
        };
        checks.told = task.id().cloned();
        let world = Self {
            provider,
            input,
            shared: OriginBudget::new(),
            now: BORN,
            policy,
            held: None,
            opening: None,
            stream: None,
            ended: None,
            received: Vec::new(),
            stored: None,
            checks,
            ends: Vec::new(),
            known: None,
            last_steps: 0,
            last_waits: 0,
        };
        Some((task, world))
    }

    /// Does as the bytes say, then lets time run out; how the task ended, each time.
    pub(super) fn run(mut self, mut task: Task<P>) -> Vec<&'static str> {
        testing::drive(&mut task, &mut self);
        self.ends
    }

    /// Returns whether the bytes ran out before this step: nothing arrives any more, and the deadlines end the following.
    fn is_out(&self) -> bool {
        self.last_steps > 0
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    // --- asking ------------------------------------------------------------------------------------------------

    /// Checks that the step is one that may come.
    fn check(&mut self, task: &Task<P>, step: &Step) {
        match step {
            Step::Event { event, .. } => {
                if let Event::Provider(event) = &**event {
                    let has_no_seq = !P::NUMBERED && event.seq.is_none();
                    assert!(has_no_seq || event.seq > self.checks.position, "{event:?}");
                }
            }
            Step::Done => {
                let outcome = task.outcome().expect("it is over");
                let shortest = self.policy.work.min(self.policy.human);
                let elapsed = Duration::from_millis(self.now - BORN);
                let out_of_time = shortest.is_some_and(|shortest| elapsed >= shortest);
                // A report may have brought the id just now.
                let id = outcome.task().or(self.known.as_ref());
                self.checks.ended(outcome, id, out_of_time);
            }
            _ => {}
        }
        if let Some(known) = &self.known {
            assert_eq!(task.id(), Some(known), "an id is never lost");
        }
        self.assert_possible(step);
    }

    /// Everything about the step.
    fn shown(&self, task: &mut Task<P>) -> String {
        let now = self.time();
        format!("{:?}", task.next_step(now, &self.shared))
    }

    fn assert_possible(&self, next: &Step) {
        let held = self.held.map(|held| held.id);
        let either = self.stream.or(self.opening).map(|stream| stream.id);
        let now = self.time();
        let longest = self.policy.work.max(self.policy.human).unwrap_or_default();
        match next {
            Step::Send { .. } => assert_eq!(held, None, "one request at a time"),
            Step::Open { .. } => assert_eq!((held, either), (None, None), "one stream at a time"),
            Step::InFlight { id, stream } => {
                assert_eq!(held, Some(*id));
                assert!(stream.is_none() || *stream == either);
            }
            Step::Receive { id, until } => {
                assert_eq!((held, either), (None, Some(*id)));
                assert!(*until > now, "time does not go on");
            }
            Step::Close { id } => assert!([either, self.ended].contains(&Some(*id))),
            Step::Wait { until, .. } => {
                assert_eq!(held, None);
                assert!(*until > now, "time does not go on");
                assert!(until.since(now) <= longest, "a wait outlives the deadline");
            }
            Step::Event { no, .. } => assert_eq!(no.0, self.checks.taken.0 + 1, "no gaps"),
            Step::Done => assert_eq!(either, None, "the stream is dropped first"),
            Step::Save { .. } => {}
        }
    }

    // --- doing -------------------------------------------------------------------------------------------------

    /// Lets the server answer the exchange in flight.
    fn reply(&mut self, task: &mut Task<P>) {
        if self.held.is_none() {
            return;
        }
        let reply = self.input.reply(self.provider.replies());
        self.report(task, Ok(reply));
    }

    fn report(&mut self, task: &mut Task<P>, report: Result<Response, ExchangeFailure>) {
        let Some(held) = self.held.take() else {
            return;
        };
        self.note(held.kind, &report);
        let now = self.time();
        match report {
            Ok(reply) => task.handle_response(held.id, reply, now),
            Err(failure) => task.handle_failure(held.id, failure, now),
        }
    }

    /// Notes what a request brought, in the words of HTTP.
    fn note(&mut self, kind: Kind, report: &Result<Response, ExchangeFailure>) {
        let reply = report.as_ref().ok();
        if let Some(reply) = reply.filter(|reply| reply.status().is_success()) {
            self.checks.said::<P>(&reply.body);
        }
        let words = reply.and_then(|reply| self.provider.in_other_words(reply));
        self.checks.reported(kind, report, words);
    }

    /// Lets go of the stream. What opened it was done, unless an event says that it was not.
    fn drop_stream(&mut self) {
        let Some(stream) = self.stream.take() else {
            return;
        };
        let mut decoder = sse::Decoder::new();
        let mut rest = &self.received[..];
        let mut refused = false;
        while let Ok(Some(event)) = decoder.next_event(&mut rest) {
            refused |= self.provider.is_refusal(&event);
        }
        if !refused {
            self.checks.left(stream.kind);
        }
    }

    /// Opens the stream, or fails to.
    fn open(&mut self, task: &mut Task<P>) {
        let Some(opened) = self.opening else {
            return;
        };
        if self.input.chance(32) {
            let reply = self.input.reply(self.provider.replies());
            return self.report_opening(task, Ok(reply));
        }
        self.opening = None;
        self.stream = Some(opened);
        self.received.clear();
        let head = Head::new(StatusCode::OK);
        task.handle_head(opened.id, head, self.time());
    }

    fn report_opening(&mut self, task: &mut Task<P>, report: Result<Response, ExchangeFailure>) {
        let Some(Held { id, kind }) = self.opening.take() else {
            return;
        };
        self.ended = Some(id);
        self.note(kind, &report);
        let now = self.time();
        match report {
            Ok(reply) => task.handle_response(id, reply, now),
            Err(failure) => task.handle_failure(id, failure, now),
        }
    }

    /// Brings something on the open stream, or opens another one.
    fn receive(&mut self, task: &mut Task<P>) {
        if self.opening.is_some() {
            return self.open(task);
        }
        let Some(Held { id, .. }) = self.stream else {
            return;
        };
        let bytes = self.input.text(self.provider.frames());
        self.received.extend_from_slice(&bytes);
        self.checks.said::<P>(&self.received);
        let now = self.time();
        task.handle_chunk(id, Bytes::from(bytes), now);
    }

    /// Fails the exchange in flight, or ends the stream.
    fn break_off(&mut self, task: &mut Task<P>) {
        let now = self.time();
        if self.opening.is_some() && (self.held.is_none() || self.input.chance(128)) {
            let failure = self.input.failure();
            return self.report_opening(task, Err(failure));
        }
        match self.stream {
            Some(Held { id, .. }) if self.held.is_none() || self.input.chance(128) => {
                self.drop_stream();
                self.ended = Some(id);
                if self.input.chance(64) {
                    return task.handle_end(id, now);
                }
                let failure = self.input.failure();
                task.handle_failure(id, failure, now);
            }
            _ => {
                let failure = self.input.failure();
                self.report(task, Err(failure));
            }
        }
    }

    fn answer(&mut self, task: &mut Task<P>) {
        let open: Vec<_> = task
            .questions()
            .map(|question| question.id.clone())
            .collect();
        let other = [QuestionId::new("7")];
        let id = self
            .input
            .pick(if open.is_empty() { &other } else { &open })
            .clone();
        let answer = self.input.answer();
        if task.answer(&id, answer.clone(), self.time()).is_ok() {
            self.checks.accepted += 1;
            let twice = task.answer(&id, answer, self.time());
            assert!(twice.is_err(), "a question is answered twice at once");
        }
    }

    fn message(&mut self, task: &mut Task<P>) {
        if task.send_message("hello".to_owned(), self.time()).is_ok() {
            self.checks.accepted += 1;
        }
    }

    /// Ends the process, and resumes in another one from what was stored, or from this one's last state.
    fn crash(&mut self, task: &mut Task<P>) {
        let stored = match self.stored.take() {
            Some(stored) if self.input.chance(128) => stored,
            None => return,
            Some(_) => Stored {
                snapshot: task.snapshot(),
                taken: self.checks.taken,
            },
        };
        if let Some(held) = self.held.take() {
            self.checks.left(held.kind);
        }
        if let Some(opening) = self.opening.take() {
            self.checks.left(opening.kind);
        }
        self.drop_stream();
        let text = serde_json::to_string(&stored.snapshot).expect("a snapshot is JSON");
        let snapshot: Snapshot = serde_json::from_str(&text).expect("a snapshot can be read");
        assert_eq!(snapshot, stored.snapshot);
        *task = Task::resume(self.provider.clone(), snapshot, self.time())
            .expect("what was stored is gone on from");
        if let Some(told) = &self.checks.told {
            assert_eq!(task.id(), Some(told), "an id that was told is stored");
        }
        self.checks.resumed(stored.taken);
        self.stored = Some(stored);
    }

    // --- what changes nothing ----------------------------------------------------------------------------------

    /// Reports and acknowledgements of what is not under way.
    fn disturb(&mut self, task: &mut Task<P>) {
        let now = self.time();
        let before = self.shown(task);
        let reply = self.input.reply(self.provider.replies());
        let failure = self.input.failure();
        for id in [ExchangeId(0), ExchangeId(u64::MAX)] {
            task.sent(id);
            task.handle_response(id, reply.clone(), now);
            task.handle_failure(id, failure.clone(), now);
            task.handle_head(id, reply.head.clone(), now);
            task.handle_chunk(id, reply.body.clone(), now);
            task.handle_end(id, now);
            task.closed(id);
        }
        task.taken(self.checks.taken);
        task.taken(EventNo(self.checks.taken.0 + 2));
        task.saved(Revision(0));
        assert_eq!(
            self.shown(task),
            before,
            "what is not under way changes nothing"
        );
    }

    /// Checks that nothing changes after the end; then another process reads it.
    fn is_over(&mut self, task: &mut Task<P>, code: &'static str) {
        self.ends.push(code);
        let stored = task.snapshot();
        let before = self.shown(task);
        self.disturb(task);
        self.report(task, Ok(Response::new(StatusCode::OK, "late")));
        let answer = self.input.answer();
        let id = QuestionId::new("m1");
        assert!(task.answer(&id, answer, self.time()).is_err());
        assert!(task.send_message("late".into(), self.time()).is_err());
        drop(task.cancel(self.time()));
        self.now += *self.input.pick(&LEAPS);
        assert_eq!(self.shown(task), before, "after the end nothing changes");

        let ended = task.id().is_none();
        assert!(task.snapshot().is_ended() && stored.is_ended());
        self.stored = Some(Stored {
            snapshot: stored,
            taken: self.checks.taken,
        });
        self.crash(task);
        let next = testing::next_step(task, self.time(), &self.shared);
        let again = task.outcome().map(taskward_core::Outcome::code);
        assert!(
            !ended || (matches!(next, Step::Done) && again == Some(code)),
            "{code} has become {next:?}"
        );
    }
}

impl<P: Platform> TestWorld<P> for World<'_, P> {
    type Stop = ();

    fn now(&self) -> Timestamp {
        self.time()
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<P>) -> Result<(), ()> {
        self.known = task.id().cloned();
        self.last_steps += u32::from(self.input.is_empty());
        assert!(self.last_steps < LAST_STEPS, "the watch does not end");
        Ok(())
    }

    fn planned(&mut self, task: &mut Task<P>, step: &Step) -> Result<bool, ()> {
        self.check(task, step);
        if self.is_out() {
            return Ok(true);
        }
        if let (Step::Done, Some(outcome)) = (step, task.outcome()) {
            let code = outcome.code();
            self.is_over(task, code);
            return Ok(false);
        }
        match self.input.byte() {
            0..=179 => return Ok(true),
            180..=189 => {
                let leap = *self.input.pick(&LEAPS);
                self.now += leap;
            }
            190..=204 => self.answer(task),
            205..=209 => self.message(task),
            210..=214 => drop(task.cancel(self.time())),
            215..=224 => self.crash(task),
            225..=234 => self.disturb(task),
            235..=244 => self.break_off(task),
            245.. => self.receive(task),
        }
        Ok(false)
    }

    fn save(&mut self, task: &Task<P>) -> Result<bool, ()> {
        self.stored = Some(Stored {
            snapshot: task.snapshot(),
            taken: self.checks.taken,
        });
        Ok(true)
    }

    fn send(&mut self, task: &mut Task<P>, exchange: Outgoing<'_>) -> Result<(), ()> {
        let request = outgoing(&self.provider, task.id(), exchange.request);
        self.checks
            .sends(&self.provider.capabilities(), &request, self.time());
        let (id, kind) = (exchange.id, request.kind);
        let held = Some(Held { id, kind });
        if exchange.opens_stream {
            assert!(matches!(kind, Kind::Stream | Kind::Start), "{kind:?}");
            self.opening = held;
        } else {
            assert_ne!(kind, Kind::Stream);
            self.held = held;
        }
        Ok(())
    }

    fn in_flight(
        &mut self,
        task: &mut Task<P>,
        _id: ExchangeId,
        stream: Option<ExchangeId>,
    ) -> Result<(), ()> {
        if self.is_out() {
            self.report(task, Err(ExchangeFailure::abandoned()));
        } else if stream.is_some() && self.input.chance(128) {
            self.receive(task);
        } else {
            self.reply(task);
        }
        Ok(())
    }

    fn pause(&mut self, task: &mut Task<P>, pause: Pause) -> Result<(), ()> {
        if self.is_out() {
            self.last_waits += 1;
            let both = 2 * 7200 * 1000;
            self.now = if self.last_waits < LAST_WAITS {
                pause.until.as_millis()
            } else {
                self.now + both
            };
        } else if pause.stream.is_none() || self.input.chance(64) {
            self.now = pause.until.as_millis();
        } else {
            self.receive(task);
        }
        Ok(())
    }

    fn close(&mut self, _task: &mut Task<P>, _id: ExchangeId) -> Result<bool, ()> {
        if let Some(opening) = self.opening.take() {
            self.checks.left(opening.kind);
        }
        self.drop_stream();
        Ok(true)
    }

    fn react(&mut self, task: &mut Task<P>, event: &Event) -> Result<(), ()> {
        match event {
            Event::Created { id, .. } => self.checks.told = Some(id.clone()),
            Event::Provider(event) => self.checks.position = event.seq,
            _ => {}
        }
        self.checks.taken = EventNo(self.checks.taken.0 + 1);
        let told = self.checks.told.as_ref();
        assert!(told.is_none() || told == task.id());
        Ok(())
    }

    fn done(&mut self, task: &mut Task<P>) {
        self.ends
            .extend(task.outcome().map(taskward_core::Outcome::code));
    }
}

/// Returns what a request is, as its server sees it.
fn outgoing<P: Platform>(provider: &P, id: Option<&TaskId>, request: &Request) -> SentRequest {
    let kind = provider.kind(id, request);
    let key = request.headers().get("idempotency-key");
    SentRequest {
        kind,
        key: key.and_then(|key| Some(key.to_str().ok()?.to_owned())),
        digest: (kind == Kind::Start).then(|| request.digest()),
    }
}
