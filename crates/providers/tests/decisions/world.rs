//! A driver in virtual time that writes down what it is asked to do, and why.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use http::StatusCode;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Answer, Answered, Cause, Event, ExchangeFailure, ExchangeId, ExchangeProgress, Head,
    OriginBudget, Policy, Provider, Question, QuestionId, Request, RequestPurpose, Response, Seed,
    Segment, Snapshot, Task, Timestamp, WaitReason,
};
use taskward_sim::multipart::{Multipart, boundary};
use taskward_sim::{Answer as Reply, Pulled, Scenario, StreamId};

use crate::platform::Platform;

/// When the simulated time begins: 2026-05-12T10:15:00Z.
const START: u64 = 1_778_580_900_000;
/// One way through the network.
const TRIP: u64 = 10;
/// A log has no more steps: beyond is a loop.
const MAX_STEPS: usize = 5_000;

/// What the wire does to an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    None,
    /// Answered by something in front of the server, which may ask to be left alone for so long.
    Status(u16, Option<&'static str>),
    /// Received; the reply is lost.
    LostReply,
    /// A stream that breaks after so many bytes.
    Cut(usize),
    /// A stream that brings so many bytes and then nothing.
    Silent(usize),
}

type JobOf<S> = <<S as Platform>::Provider as Provider>::Job;
type Faults = fn(&str, usize) -> Fault;
type Answerer = fn(&Question) -> Answer;

struct Stream {
    exchange: ExchangeId,
    sim: StreamId,
    ready: VecDeque<u8>,
    /// What still arrives, and whether the end of that is told.
    budget: usize,
    breaks: bool,
}

pub(crate) struct World<S: Platform> {
    /// What was done, and why.
    pub(crate) log: Vec<String>,
    platform: S,
    now: u64,
    faults: Faults,
    /// What a human says, and after how long.
    answerer: Option<(u64, Answerer)>,
    cancel_at: u64,
    /// The process dies once this was sent.
    dies: Option<RequestPurpose>,
    seen: BTreeMap<&'static str, usize>,
    answers: Vec<(u64, QuestionId, Answer)>,
    shared: OriginBudget,
    stored: Option<Snapshot>,
    stream: Option<Stream>,
    /// Why the stream is listened to, since something else was last done.
    listens: Option<WaitReason>,
    steps: usize,
}

impl<S: Platform> World<S> {
    pub(crate) fn new(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).expect("a scenario");
        Self {
            log: Vec::new(),
            platform: S::new(&scenario, START),
            now: START,
            faults: |_, _| Fault::None,
            answerer: None,
            cancel_at: u64::MAX,
            dies: None,
            seen: BTreeMap::new(),
            answers: Vec::new(),
            shared: OriginBudget::new(),
            stored: None,
            stream: None,
            listens: None,
            steps: 0,
        }
    }

    /// Endpoint, and how many requests of that endpoint came before.
    pub(crate) fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    pub(crate) fn answers(mut self, after: u64, answer: Answerer) -> Self {
        self.answerer = Some((after, answer));
        self
    }

    /// So many milliseconds after the start.
    pub(crate) fn cancels(mut self, after: u64) -> Self {
        self.cancel_at = START + after;
        self
    }

    pub(crate) fn dies(mut self, purpose: RequestPurpose) -> Self {
        self.dies = Some(purpose);
        self
    }

    pub(crate) fn run(&mut self, job: impl FnOnce(&S) -> JobOf<S>, policy: Policy) {
        let job = job(&self.platform);
        let provider = S::provider();
        let mut task =
            Task::start(provider, &job, policy, Seed([5; 32]), self.time()).expect("a task");
        while testing::drive(&mut task, self) == Stop::Died {
            self.say("dies", "the process is killed");
            self.now += 3_000;
            self.hang_up();
            self.answers.clear();
            self.say("begins", "another process goes on from what was saved");
            let saved = self.stored.clone().expect("saved before it was sent");
            task = Task::resume(S::provider(), saved, self.time()).expect("resume");
        }
        self.hang_up();
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn say(&mut self, what: &str, words: impl AsRef<str>) {
        let line = format!("{}  {what:<9}{}", clock(self.now), words.as_ref());
        self.log.push(line.trim_end().to_owned());
        if what != "event" {
            self.listens = None;
        }
    }

    fn hang_up(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.platform.close(stream.sim);
        }
    }

    /// Returns when to poll again: a human may want something earlier.
    fn wake(&self, until: Timestamp) -> u64 {
        let answers = self.answers.iter().map(|(at, ..)| *at);
        let actions = answers.chain([self.cancel_at]).filter(|at| *at > self.now);
        actions.min().unwrap_or(u64::MAX).min(until.as_millis())
    }

    /// What the human wants by now.
    fn action(&mut self, task: &mut Task<S::Provider>) {
        let now = self.time();
        if self.now >= self.cancel_at {
            self.cancel_at = u64::MAX;
            self.say("human", "cancels");
            task.cancel(now).expect("it can be cancelled");
        }
        let due = |(at, ..): &mut (u64, QuestionId, Answer)| *at <= now.as_millis();
        for (_, question, answer) in self.answers.extract_if(.., due).collect::<Vec<_>>() {
            self.say("human", "answers");
            task.answer(&question, answer, now).expect("it is open");
        }
    }

    /// Tells an event; true when it hands control back.
    fn hear(&mut self, task: &Task<S::Provider>, event: &Event) -> bool {
        match event {
            Event::Created { .. } => self.say("told", "the task exists"),
            Event::Status(status) => self.say("told", format!("status {status}")),
            Event::Provider(event) => {
                let seq = event.seq.map(|seq| format!("{} ", seq.0));
                let seq = seq.unwrap_or_default();
                self.say("event", format!("{seq}{}", event.name));
            }
            Event::Question(question) => {
                let line = question.text.lines().next().unwrap_or_default();
                self.say("told", format!("a question: {line}"));
                let (after, answer) = self.answerer.expect("somebody answers");
                let answer = answer(question);
                self.answers
                    .push((self.now + after, question.id.clone(), answer));
            }
            Event::Answered { question, how, .. } => {
                self.say("told", format!("the answer: {how:?}"));
                let open = task.questions().any(|open| open.id == *question);
                if *how == Answered::Unknown && open {
                    self.say("leaves", "whether to answer again is for a human to decide");
                    return true;
                }
            }
            Event::Retrying {
                attempt, failed, ..
            } => {
                let reason = &failed.reason;
                self.say("told", format!("failure {attempt} ({reason:?}): {failed}"));
            }
            other => self.say("told", format!("{other:?}")),
        }
        false
    }

    /// Performs an exchange; true when the process dies over it.
    fn exchange(
        &mut self,
        task: &mut Task<S::Provider>,
        id: ExchangeId,
        purpose: RequestPurpose,
        request: &Request,
    ) -> bool {
        let line = format!(
            "{} {}",
            request.method(),
            anonymous(request.target().as_str())
        );
        self.say("sends", format!("{line}: {purpose}"));
        let sim = translate(request, self.platform.key());
        let endpoint = S::endpoint(&sim.head);
        let before = self.seen.entry(endpoint).or_default();
        let fault = (self.faults)(endpoint, *before);
        *before += 1;
        self.now += TRIP;
        if let Fault::Status(code, hint) = fault {
            self.now += TRIP;
            let code = StatusCode::from_u16(code).expect("a code");
            let mut reply = Response::new(code, r#"{"error":"injected"}"#);
            if let Some(hint) = hint {
                let headers = &mut reply.head.headers;
                headers.insert("retry-after", hint.parse().expect("a value"));
            }
            task.handle_response(id, reply, self.time());
            return false;
        }
        let answer = self.platform.handle(sim, self.now);
        self.now += TRIP;
        if self.dies.take_if(|dies| *dies == purpose).is_some() {
            if let Reply::Stream { id, .. } = answer {
                self.platform.close(id);
            }
            return true;
        }
        let now = self.time();
        if let Fault::LostReply = fault {
            let lost = ExchangeFailure::new(ExchangeProgress::MaybeSent, Cause::Reset, "injected");
            task.handle_failure(id, lost, now);
            return false;
        }
        let (reply, media) = match &answer {
            Reply::Stream { head, .. } => (head, "text/event-stream"),
            Reply::Whole(reply) => (reply, "application/json"),
            Reply::Later { .. } => unreachable!("these platforms reply at once"),
        };
        let mut head = Head::new(StatusCode::from_u16(reply.status).expect("a status"));
        head.headers
            .insert("content-type", media.parse().expect("a value"));
        match answer {
            Reply::Whole(reply) => {
                let body = Bytes::from(reply.body);
                task.handle_response(id, Response { head, body }, now);
            }
            Reply::Stream { id: sim, .. } => {
                let (budget, breaks) = match fault {
                    Fault::Cut(bytes) => (bytes, true),
                    Fault::Silent(bytes) => (bytes, false),
                    _ => (usize::MAX, false),
                };
                self.stream = Some(Stream {
                    exchange: id,
                    sim,
                    ready: VecDeque::new(),
                    budget,
                    breaks,
                });
                task.handle_head(id, head, now);
            }
            Reply::Later { .. } => unreachable!("it was told above"),
        }
        false
    }

    fn read_stream(&mut self, task: &mut Task<S::Provider>, id: ExchangeId, until: u64) {
        let at = self.time();
        let stream = self.stream.as_mut().filter(|held| held.exchange == id);
        let stream = stream.expect("the stream that is open");
        if stream.ready.is_empty() && stream.budget > 0 {
            match self.platform.pull(stream.sim, self.now) {
                Pulled::Frames(frames) => {
                    let bytes = frames.into_iter().flat_map(|frame| frame.bytes);
                    stream.ready.extend(bytes);
                }
                Pulled::Pending => {
                    let next = self.platform.next_change().min(until);
                    self.now = next.max(self.now + 1);
                    return;
                }
                Pulled::End => {
                    self.hang_up();
                    return task.handle_end(id, at);
                }
            }
        }
        let take = stream.ready.len().min(stream.budget);
        if take > 0 {
            stream.budget -= take;
            let bytes: Vec<u8> = stream.ready.drain(..take).collect();
            task.handle_chunk(id, bytes.into(), at);
        } else if stream.breaks {
            self.hang_up();
            let head = Box::new(Head::new(StatusCode::OK));
            let broken = ExchangeFailure::new(
                ExchangeProgress::Answered(head),
                Cause::Truncated,
                "injected",
            );
            task.handle_failure(id, broken, at);
        } else {
            // What the server says is lost on its way.
            self.now = until.max(self.now + 1);
        }
    }
}

/// Why a task is driven no further.
#[derive(Debug, PartialEq)]
pub(crate) enum Stop {
    /// The process died.
    Died,
    /// The task is over, or was handed back.
    Over,
}

impl<S: Platform> TestWorld<S::Provider> for World<S> {
    type Stop = Stop;

    fn now(&self) -> Timestamp {
        self.time()
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<S::Provider>) -> Result<(), Stop> {
        self.steps += 1;
        assert!(
            self.steps <= MAX_STEPS,
            "it goes in circles: {:#?}",
            self.log
        );
        self.action(task);
        Ok(())
    }

    fn save(&mut self, task: &Task<S::Provider>) -> Result<bool, Stop> {
        self.stored = Some(task.snapshot());
        self.say("saves", "the state");
        Ok(true)
    }

    fn send(&mut self, task: &mut Task<S::Provider>, exchange: Outgoing<'_>) -> Result<(), Stop> {
        match self.exchange(task, exchange.id, exchange.purpose, exchange.request) {
            true => Err(Stop::Died),
            false => Ok(()),
        }
    }

    fn close(&mut self, _task: &mut Task<S::Provider>, _id: ExchangeId) -> Result<bool, Stop> {
        self.say("closes", "the stream");
        self.hang_up();
        Ok(true)
    }

    fn pause(&mut self, task: &mut Task<S::Provider>, pause: Pause) -> Result<(), Stop> {
        let Pause { until, why, stream } = pause;
        assert_eq!(task.pause(), Some((until, why)));
        if let Some(id) = stream {
            if self.listens != Some(why) {
                self.say("listens", why.as_str());
                self.listens = Some(why);
            }
            let until = self.wake(until);
            self.read_stream(task, id, until);
        } else {
            self.say("waits", format!("until {}: {why}", at(until)));
            self.now = self.wake(until);
        }
        Ok(())
    }

    fn react(&mut self, task: &mut Task<S::Provider>, event: &Event) -> Result<(), Stop> {
        match self.hear(task, event) {
            true => Err(Stop::Over),
            false => Ok(()),
        }
    }

    fn done(&mut self, task: &mut Task<S::Provider>) -> Stop {
        let outcome = task.outcome().expect("it is over");
        let words = format!("{}: {outcome}", outcome.code());
        self.say("ends", words);
        Stop::Over
    }
}

/// Returns the time since the start.
fn clock(now: u64) -> String {
    let passed = now - START;
    format!("{:>4}.{:03} s", passed / 1000, passed % 1000)
}

fn at(until: Timestamp) -> String {
    clock(until.as_millis()).trim_start().to_owned()
}

fn anonymous(target: &str) -> String {
    let is_id = |segment: &str| {
        let digits = segment.bytes().any(|byte| byte.is_ascii_digit());
        segment.len() >= 20 && digits && !segment.contains('?')
    };
    let named = |segment| if is_id(segment) { "ID" } else { segment };
    target.split('/').map(named).collect::<Vec<_>>().join("/")
}

/// Returns the request as the server takes it.
fn translate(request: &Request, key: &str) -> taskward_sim::Request {
    let mut sim = taskward_sim::Request::new(request.method().as_str(), request.target().as_str())
        .header("authorization", &format!("Bearer {key}"));
    for (name, value) in request.headers() {
        sim = sim.header(name.as_str(), value.to_str().expect("text"));
    }
    let mut bytes = Vec::new();
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(part) => bytes.extend_from_slice(part),
            Segment::Source(source) => panic!("no files here: {source:?}"),
        }
    }
    let media = sim.head.header("content-type").unwrap_or_default();
    if media.starts_with("multipart/") {
        let mut parser = Multipart::new(&boundary(media).expect("a boundary"), None);
        parser.push(&bytes).expect("a form");
        return sim.form(parser.finish().expect("a whole form"));
    }
    sim.body = taskward_sim::SimBody::Bytes(bytes);
    sim
}
