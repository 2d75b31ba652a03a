//! A driver, an application and a server that do as the bytes say.

use std::time::Duration;

use taskward_core::bytes::Bytes;
use taskward_core::http::header::ACCEPT;
use taskward_core::http::{Method, StatusCode};
use taskward_core::{
    Event, EventNo, ExchangeFailure, ExchangeId, Head, IdempotencyKey, OriginBudget, Policy,
    QuestionId, ReadKind, Request, Response, Revision, Seed, Snapshot, Step, Task, TaskId,
    Timestamp,
};

use super::checks::{Checks, Kind, Outgoing};
use super::input::Input;
use super::platforms::Platform;

/// How long the agent and the human may take, in seconds.
const CLOCKS: [u64; 4] = [600, 5, 60, 7200];
/// Leaps of time, in milliseconds.
const LEAPS: [u64; 6] = [1, 900, 1000, 31_000, 3_600_000, 50_000_000];
/// Waits that are waited out at the end before time leaps beyond every deadline.
const LAST_WAITS: u32 = 20;
/// Steps within which a task ends once time is up.
const LAST_STEPS: u32 = 2000;
const BORN: u64 = 1_700_000_000_000;

/// A step as far as two answers to the same question are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StepSummary {
    Save(Revision),
    Send(ExchangeId),
    Open(ExchangeId),
    Receive(ExchangeId, Timestamp),
    Close(ExchangeId),
    InFlight(ExchangeId, Option<ExchangeId>),
    Wait(Timestamp),
    Event(EventNo),
    Done,
}

impl StepSummary {
    fn of(step: &Step) -> Self {
        match step {
            Step::Save { revision } => Self::Save(*revision),
            Step::Send { id, .. } => Self::Send(*id),
            Step::Open { id, .. } => Self::Open(*id),
            Step::Receive { id, until } => Self::Receive(*id, *until),
            Step::Close { id } => Self::Close(*id),
            Step::InFlight { id, stream } => Self::InFlight(*id, *stream),
            Step::Wait { until, .. } => Self::Wait(*until),
            Step::Event { no, .. } => Self::Event(*no),
            Step::Done => Self::Done,
        }
    }
}

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
    task: Task<P>,
    shared: OriginBudget,
    now: u64,
    policy: Policy,
    held: Option<Held>,
    /// The stream that is being opened, beside the exchange in flight.
    opening: Option<ExchangeId>,
    stream: Option<ExchangeId>,
    /// A stream whose end or failure was reported: it may still be asked to be closed.
    ended: Option<ExchangeId>,
    /// What the open stream has said so far.
    received: Vec<u8>,
    stored: Option<Stored>,
    checks: Checks,
    ends: Vec<&'static str>,
}

impl<'a, P: Platform> World<'a, P> {
    pub(super) fn new(provider: P, data: &'a [u8]) -> Option<Self> {
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
        Some(Self {
            provider,
            input,
            task,
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
        })
    }

    /// Does as the bytes say, then lets time run out; how the task ended, each time.
    pub(super) fn run(mut self) -> Vec<&'static str> {
        while !self.input.is_empty() {
            let next = self.poll();
            if let (StepSummary::Done, Some(code)) = (next, self.code()) {
                self.is_over(code);
                continue;
            }
            match self.input.byte() {
                0..=179 => self.go_on(next),
                180..=189 => {
                    let leap = *self.input.pick(&LEAPS);
                    self.now += leap;
                }
                190..=204 => self.answer(),
                205..=209 => self.message(),
                210..=214 => drop(self.task.cancel(self.now())),
                215..=224 => self.crash(),
                225..=234 => self.disturb(),
                235..=244 => self.break_off(),
                245.. => self.receive(),
            }
        }
        self.run_out();
        self.ends
    }

    /// Returns how the task ended, once it has.
    fn code(&self) -> Option<&'static str> {
        self.task.outcome().map(taskward_core::Outcome::code)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    // --- asking ------------------------------------------------------------------------------------------------

    /// Returns the step, which is asked for three times.
    fn poll(&mut self) -> StepSummary {
        let now = self.now();
        let known = self.task.id().cloned();
        let step = self.task.next_step(now, &self.shared);
        let next = StepSummary::of(&step);
        match step {
            Step::Event { event, .. } => {
                if let Event::Provider(event) = &*event {
                    assert!(event.seq > self.checks.position, "{event:?}");
                }
            }
            Step::Done => {
                let outcome = self.task.outcome().expect("it is over");
                let shortest = self.policy.work.min(self.policy.human);
                let elapsed = Duration::from_millis(self.now - BORN);
                let out_of_time = shortest.is_some_and(|shortest| elapsed >= shortest);
                // A report may have brought the id just now.
                let id = outcome.task().or(known.as_ref());
                self.checks.ended(outcome, id, out_of_time);
            }
            _ => {}
        }
        for earlier in [now, Timestamp::default()] {
            let again = StepSummary::of(&self.task.next_step(earlier, &self.shared));
            assert_eq!(again, next, "asking is harmless");
        }
        if let Some(known) = known {
            assert_eq!(self.task.id(), Some(&known), "an id is never lost");
        }
        self.assert_possible(next);
        next
    }

    /// Everything about the step.
    fn shown(&mut self) -> String {
        let now = self.now();
        format!("{:?}", self.task.next_step(now, &self.shared))
    }

    fn assert_possible(&self, next: StepSummary) {
        let held = self.held.map(|held| held.id);
        let either = self.stream.or(self.opening);
        let now = self.now();
        let longest = self.policy.work.max(self.policy.human).unwrap_or_default();
        match next {
            StepSummary::Send(_) => assert_eq!(held, None, "one request at a time"),
            StepSummary::Open(_) => {
                assert_eq!((held, either), (None, None), "one stream at a time")
            }
            StepSummary::InFlight(id, stream) => {
                assert_eq!(held, Some(id));
                assert!(stream.is_none() || stream == either);
            }
            StepSummary::Receive(id, until) => {
                assert_eq!((held, either), (None, Some(id)));
                assert!(until > now, "time does not go on");
            }
            StepSummary::Close(id) => assert!([either, self.ended].contains(&Some(id))),
            StepSummary::Wait(until) => {
                assert_eq!(held, None);
                assert!(until > now, "time does not go on");
                assert!(until.since(now) <= longest, "a wait outlives the deadline");
            }
            StepSummary::Event(no) => assert_eq!(no.0, self.checks.taken.0 + 1, "no gaps"),
            StepSummary::Done => assert_eq!(either, None, "the stream is dropped first"),
            StepSummary::Save(_) => {}
        }
    }

    // --- doing -------------------------------------------------------------------------------------------------

    /// Acts as a good driver, with a server that answers.
    fn go_on(&mut self, next: StepSummary) {
        match next {
            StepSummary::InFlight(_, Some(_)) if self.input.chance(128) => self.receive(),
            StepSummary::InFlight(..) => self.reply(),
            StepSummary::Receive(_, until) => {
                if self.input.chance(64) {
                    self.now = until.as_millis();
                } else {
                    self.receive();
                }
            }
            StepSummary::Wait(until) => self.now = until.as_millis(),
            StepSummary::Save(_)
            | StepSummary::Send(_)
            | StepSummary::Open(_)
            | StepSummary::Close(_)
            | StepSummary::Event(_)
            | StepSummary::Done => self.acknowledge(next),
        }
    }

    fn acknowledge(&mut self, next: StepSummary) {
        let now = self.now();
        match (next, self.task.next_step(now, &self.shared)) {
            (StepSummary::Save(revision), _) => {
                self.stored = Some(Stored {
                    snapshot: self.task.snapshot(),
                    taken: self.checks.taken,
                });
                self.task.saved(revision);
            }
            (StepSummary::Send(id), Step::Send { request, .. }) => {
                let request = outgoing(&self.provider, self.task.id(), &request);
                self.checks.sends::<P>(&request, now);
                self.task.sent(id);
                let kind = request.kind;
                self.held = Some(Held { id, kind });
            }
            (StepSummary::Open(id), Step::Open { request, .. }) => {
                let request = outgoing(&self.provider, self.task.id(), &request);
                assert_eq!(request.kind, Kind::Stream);
                self.checks.sends::<P>(&request, now);
                self.task.sent(id);
                self.opening = Some(id);
            }
            (StepSummary::Close(id), _) => {
                self.opening = None;
                self.stream = None;
                self.task.closed(id);
            }
            (StepSummary::Event(no), Step::Event { event, .. }) => {
                match &*event {
                    Event::Created { id, .. } => self.checks.told = Some(id.clone()),
                    Event::Provider(event) => self.checks.position = event.seq,
                    _ => {}
                }
                self.task.taken(no);
                self.checks.taken = no;
                let told = self.checks.told.as_ref();
                assert!(told.is_none() || told == self.task.id());
            }
            _ => {}
        }
    }

    /// Lets the server answer the exchange in flight.
    fn reply(&mut self) {
        if self.held.is_none() {
            return;
        }
        let reply = self.input.reply(P::REPLIES);
        if reply.status().is_success() {
            self.checks.said::<P>(&reply.body);
        }
        self.report(Ok(reply));
    }

    fn report(&mut self, report: Result<Response, ExchangeFailure>) {
        let Some(held) = self.held.take() else {
            return;
        };
        self.checks.reported(held.kind, &report);
        let now = self.now();
        match report {
            Ok(reply) => self.task.handle_response(held.id, reply, now),
            Err(failure) => self.task.handle_failure(held.id, failure, now),
        }
    }

    /// Opens the stream, or fails to.
    fn open(&mut self) {
        let Some(id) = self.opening else {
            return;
        };
        if self.input.chance(32) {
            let reply = self.input.reply(P::REPLIES);
            return self.report_opening(Ok(reply));
        }
        self.opening = None;
        self.stream = Some(id);
        self.received.clear();
        let head = Head::new(StatusCode::OK);
        self.task.handle_head(id, head, self.now());
    }

    fn report_opening(&mut self, report: Result<Response, ExchangeFailure>) {
        let Some(id) = self.opening.take() else {
            return;
        };
        self.ended = Some(id);
        self.checks.reported(Kind::Stream, &report);
        let now = self.now();
        match report {
            Ok(reply) => self.task.handle_response(id, reply, now),
            Err(failure) => self.task.handle_failure(id, failure, now),
        }
    }

    /// Brings something on the open stream, or opens another one.
    fn receive(&mut self) {
        if self.opening.is_some() {
            return self.open();
        }
        let Some(id) = self.stream else {
            return;
        };
        let bytes = self.input.text(P::FRAMES);
        self.received.extend_from_slice(&bytes);
        self.checks.said::<P>(&self.received);
        let now = self.now();
        self.task.handle_chunk(id, Bytes::from(bytes), now);
    }

    /// Fails the exchange in flight, or ends the stream.
    fn break_off(&mut self) {
        let now = self.now();
        if self.opening.is_some() && (self.held.is_none() || self.input.chance(128)) {
            let failure = self.input.failure();
            return self.report_opening(Err(failure));
        }
        match self.stream {
            Some(id) if self.held.is_none() || self.input.chance(128) => {
                self.ended = self.stream.take();
                if self.input.chance(64) {
                    return self.task.handle_end(id, now);
                }
                let failure = self.input.failure();
                self.task.handle_failure(id, failure, now);
            }
            _ => {
                let failure = self.input.failure();
                self.report(Err(failure));
            }
        }
    }

    fn answer(&mut self) {
        let open: Vec<_> = self
            .task
            .questions()
            .map(|question| question.id.clone())
            .collect();
        let other = [QuestionId::new("7")];
        let id = self
            .input
            .pick(if open.is_empty() { &other } else { &open })
            .clone();
        let answer = self.input.answer();
        if self.task.answer(&id, answer.clone(), self.now()).is_ok() {
            self.checks.accepted += 1;
            let twice = self.task.answer(&id, answer, self.now());
            assert!(twice.is_err(), "a question is answered twice at once");
        }
    }

    fn message(&mut self) {
        if self
            .task
            .send_message("hello".to_owned(), self.now())
            .is_ok()
        {
            self.checks.accepted += 1;
        }
    }

    /// Ends the process, and resumes in another one from what was stored, or from this one's last state.
    fn crash(&mut self) {
        let stored = match self.stored.take() {
            Some(stored) if self.input.chance(128) => stored,
            None => return,
            Some(_) => Stored {
                snapshot: self.task.snapshot(),
                taken: self.checks.taken,
            },
        };
        if let Some(held) = self.held.take() {
            self.checks.left(held.kind);
        }
        if self.opening.take().is_some() {
            self.checks.left(Kind::Stream);
        }
        self.stream = None;
        let text = serde_json::to_string(&stored.snapshot).expect("a snapshot is JSON");
        let snapshot: Snapshot = serde_json::from_str(&text).expect("a snapshot can be read");
        assert_eq!(snapshot, stored.snapshot);
        self.task = Task::resume(self.provider.clone(), snapshot, self.now())
            .expect("what was stored is gone on from");
        if let Some(told) = &self.checks.told {
            assert_eq!(self.task.id(), Some(told), "an id that was told is stored");
        }
        self.checks.resumed(stored.taken);
        self.stored = Some(stored);
    }

    // --- what changes nothing ----------------------------------------------------------------------------------

    /// Reports and acknowledgements of what is not under way.
    fn disturb(&mut self) {
        let now = self.now();
        let before = self.shown();
        let reply = self.input.reply(P::REPLIES);
        let failure = self.input.failure();
        for id in [ExchangeId(0), ExchangeId(u64::MAX)] {
            self.task.sent(id);
            self.task.handle_response(id, reply.clone(), now);
            self.task.handle_failure(id, failure.clone(), now);
            self.task.handle_head(id, reply.head.clone(), now);
            self.task.handle_chunk(id, reply.body.clone(), now);
            self.task.handle_end(id, now);
            self.task.closed(id);
        }
        self.task.taken(self.checks.taken);
        self.task.taken(EventNo(self.checks.taken.0 + 2));
        self.task.saved(Revision(0));
        assert_eq!(
            self.shown(),
            before,
            "what is not under way changes nothing"
        );
    }

    /// Checks that nothing changes after the end; then another process reads it.
    fn is_over(&mut self, code: &'static str) {
        self.ends.push(code);
        let stored = self.task.snapshot();
        let before = self.shown();
        self.disturb();
        self.report(Ok(Response::new(StatusCode::OK, "late")));
        let answer = self.input.answer();
        let id = QuestionId::new("m1");
        assert!(self.task.answer(&id, answer, self.now()).is_err());
        assert!(self.task.send_message("late".into(), self.now()).is_err());
        drop(self.task.cancel(self.now()));
        self.now += *self.input.pick(&LEAPS);
        assert_eq!(self.shown(), before, "after the end nothing changes");

        let ended = self.task.id().is_none();
        assert!(self.task.snapshot().is_ended() && stored.is_ended());
        self.stored = Some(Stored {
            snapshot: stored,
            taken: self.checks.taken,
        });
        self.crash();
        if let (true, next) = (ended, self.poll()) {
            assert!(
                next == StepSummary::Done && self.code() == Some(code),
                "{code} has become {next:?}"
            );
        }
    }

    /// Lets nothing arrive any more: the deadlines end the following.
    fn run_out(&mut self) {
        let mut waits = 0;
        for _ in 0..LAST_STEPS {
            let next = self.poll();
            match next {
                StepSummary::Done => return self.ends.extend(self.code()),
                StepSummary::Wait(until) | StepSummary::Receive(_, until) => {
                    waits += 1;
                    let both = 2 * 7200 * 1000;
                    self.now = if waits < LAST_WAITS {
                        until.as_millis()
                    } else {
                        self.now + both
                    };
                }
                StepSummary::InFlight(..) => self.report(Err(ExchangeFailure::abandoned())),
                StepSummary::Save(_)
                | StepSummary::Send(_)
                | StepSummary::Open(_)
                | StepSummary::Close(_)
                | StepSummary::Event(_) => self.acknowledge(next),
            }
        }
        panic!("the watch does not end: {}", self.shown());
    }
}

/// Returns what a request is, as its server sees it.
fn outgoing<P: Platform>(provider: &P, id: Option<&TaskId>, request: &Request) -> Outgoing {
    let headers = request.headers();
    let status = id.and_then(|id| provider.read_request(id, &ReadKind::Status).ok());
    let kind = if id.is_none() {
        Kind::Start
    } else if request.method() == Method::POST && !request.body().is_empty() {
        Kind::Write
    } else if headers
        .get(ACCEPT)
        .is_some_and(|accept| accept == "text/event-stream")
    {
        Kind::Stream
    } else if status.is_some_and(|status| status.target() == request.target()) {
        Kind::Status
    } else {
        Kind::Other
    };
    let key = headers.get("idempotency-key");
    Outgoing {
        kind,
        key: key.and_then(|key| Some(key.to_str().ok()?.to_owned())),
        digest: (kind == Kind::Start).then(|| request.digest()),
    }
}
