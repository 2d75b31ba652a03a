//! A toy platform, a toy server and a driver in virtual time. A run gives its whole trace; the driver checks on the way
//! what must hold at every step.

pub(crate) mod hand;
pub(crate) mod open;
pub(crate) mod server;
pub(crate) mod toy;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::StatusCode;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Answer, Answered, CancelResult, Cause, Event, EventId, ExchangeFailure, ExchangeId,
    ExchangeProgress, Head, Limits, OriginBudget, Outcome, Policy, Provider, Question, QuestionId,
    RequestPurpose, Response, Seed, Snapshot, Status, Step, Task, TaskId, Timestamp,
};

pub(crate) use server::{Act, Server};
pub(crate) use toy::{Bare, Toy, ToyJob};

/// What happens to one request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Nothing left.
    Refused,
    /// The server never saw it, but that cannot be known.
    LostRequest,
    /// The server acted and the reply was lost.
    LostReply,
    /// A status instead; the server did not act.
    Status(u16),
    /// A status after the server acted.
    StatusAfter(u16),
    /// The reply's body is cut: to the connection it looks complete.
    CutBody,
    /// A page for people.
    Html,
    /// The server acted and its reply did not come within the time for its head.
    TimedOut,
    /// A page of something in between, with 200; the server did not act.
    Login,
    /// A status instead, whose body did not come; the server did not act.
    Bodiless(u16),
}

/// How questions are dealt with.
pub(crate) type Answerer = Box<dyn FnMut(&Question) -> Option<Answer>>;
/// Which fault request number `n` (from 1) of this method and path meets.
pub(crate) type Faults = Box<dyn FnMut(usize, &str, &str) -> Fault>;
/// What becomes of a reply on its way: path, time and reply.
pub(crate) type Rewrite = Box<dyn FnMut(&str, u64, &mut Response)>;

pub(crate) struct World {
    pub server: Server,
    pub now: u64,
    pub shared: OriginBudget,
    pub faults: Faults,
    pub answerer: Answerer,
    /// At these times, the server's dashboard or the application does something.
    pub actions: Vec<(u64, UserAction)>,
    pub trace: Vec<String>,
    pub requests: usize,
    /// What became of each answer and message, and the words for it.
    pub outcomes: Vec<(Answered, Option<String>)>,
    /// The snapshot at each step, with the step's name.
    pub snapshots: Vec<(String, Snapshot)>,
    /// The snapshots that a driver stored.
    pub saved: Vec<Snapshot>,
    pub status_sent: Vec<u64>,
    /// Whether a question that nobody answers is waited out instead of left.
    pub stays: bool,
    /// Whether the application asked for a cancel.
    pub wanted_cancel: bool,
    /// The process ends after this many steps.
    pub kill_after: Option<usize>,
    /// Whether the task is parked over each quiet wait, and how often it was.
    pub parks: bool,
    pub parked: usize,
    pub rewrite: Rewrite,
    /// What was delivered, under which number.
    pub ids: Vec<(EventId, String)>,
    /// Why it was waited.
    pub whys: BTreeSet<String>,
    /// At this step the clock is found to have moved on by so much, as after a suspended machine or a late timer.
    pub asleep: Option<(usize, u64)>,
    /// How long a request and its reply take.
    pub latency: u64,
    /// The first request for this is sent and stays without a reply: there the driver stops.
    pub hangs: Option<RequestPurpose>,
    /// Each request that left.
    pub sent: Vec<Sent>,
    /// Each write that left: path, key, and the digest of the request.
    pub writes: Vec<(String, Option<String>, String)>,
    /// The ids of stand-ins, in the order in which they were reported.
    stand_ins: Vec<String>,
    /// How long a stream takes to be opened, beside whatever else is done; none, as long as any request, and nothing
    /// else is done meanwhile.
    pub opens_for: Option<u64>,
    opening: Option<Opening>,
    stream: Option<ExchangeId>,
    answered: BTreeMap<String, u32>,
    told: Told,
    /// When the run has to be over, and how many steps it has done.
    deadline: u64,
    steps: usize,
    /// How much the clock moves on at this step.
    asleep_now: u64,
}

/// A stream that is being opened.
struct Opening {
    id: ExchangeId,
    due: u64,
    after: u64,
    fault: Fault,
}

/// A request that left.
pub(crate) struct Sent {
    pub at: u64,
    pub purpose: RequestPurpose,
    pub path: String,
    pub limits: Limits,
}

/// What the events have shown of the task.
#[derive(Default)]
struct Told {
    id: Option<TaskId>,
    status: Option<String>,
    paused: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum UserAction {
    Cancel,
    Message(&'static str),
    Dashboard(&'static str),
    OtherClient(&'static str),
    CutStream,
    Interrupt,
    Stop,
}

/// How a run ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    Outcome(String),
    /// Nobody answers.
    Left(String),
    /// The test let go.
    Stopped,
}

pub(crate) fn outcome(text: &str) -> Ended {
    Ended::Outcome(text.into())
}

/// A world whose server streams these events: when, number, text.
pub(crate) fn streamed(script: &[Act], stream: &[(u64, u64, &'static str)]) -> World {
    let mut world = World::new(script);
    world.server.stream = stream.to_vec();
    world
}

/// A keyed start that is followed by its stream, to its end.
pub(crate) fn run_streamed(world: &mut World) -> Ended {
    let task = world.start::<true, true>();
    world.drive(task)
}

pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    // Waits that a reader of a trace can add up.
    policy.poll_backoff.first = std::time::Duration::from_secs(1);
    policy.poll_backoff.growth_percent = 50;
    policy.poll_backoff.jitter_percent = 0;
    policy
}

pub(crate) fn seed() -> Seed {
    Seed([3; 32])
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

impl World {
    pub(crate) fn new(script: &[Act]) -> Self {
        Self {
            server: Server::new(script),
            now: 0,
            shared: OriginBudget::new(),
            faults: Box::new(|_, _, _| Fault::None),
            answerer: Box::new(|_| None),
            actions: Vec::new(),
            trace: Vec::new(),
            requests: 0,
            outcomes: Vec::new(),
            snapshots: Vec::new(),
            saved: Vec::new(),
            status_sent: Vec::new(),
            stays: false,
            wanted_cancel: false,
            kill_after: None,
            parks: true,
            parked: 0,
            rewrite: Box::new(|_, _, _| {}),
            ids: Vec::new(),
            whys: BTreeSet::new(),
            asleep: None,
            latency: 20,
            hangs: None,
            sent: Vec::new(),
            writes: Vec::new(),
            stand_ins: Vec::new(),
            opens_for: None,
            opening: None,
            stream: None,
            answered: BTreeMap::new(),
            told: Told::default(),
            deadline: 0,
            steps: 0,
            asleep_now: 0,
        }
    }

    pub(crate) fn faults(
        mut self,
        faults: impl FnMut(usize, &str, &str) -> Fault + 'static,
    ) -> Self {
        self.faults = Box::new(faults);
        self
    }

    pub(crate) fn answers(mut self, texts: &'static [&'static str]) -> Self {
        let mut texts = texts.iter();
        self.answerer = Box::new(move |_| texts.next().map(|text| Answer::text(*text)));
        self
    }

    pub(crate) fn action(mut self, at: u64, action: UserAction) -> Self {
        self.actions.push((at, action));
        self.actions.sort_by_key(|(at, _)| *at);
        self
    }

    pub(crate) fn start<const KEYED: bool, const STREAM: bool>(&self) -> Task<Toy<KEYED, STREAM>> {
        self.start_with(policy())
    }

    pub(crate) fn start_with<const KEYED: bool, const STREAM: bool>(
        &self,
        policy: Policy,
    ) -> Task<Toy<KEYED, STREAM>> {
        Task::start(Toy, &ToyJob("go".into()), policy, seed(), at(self.now)).expect("a task")
    }

    pub(crate) fn attach(&self, policy: Policy) -> Task<Toy<false, false>> {
        Task::attach(Toy, TaskId::new("t1"), None, policy, seed(), at(self.now))
    }

    /// Runs a polling task that is started here.
    pub(crate) fn run(&mut self) -> Ended {
        let task = self.start::<false, false>();
        self.drive(task)
    }

    pub(crate) fn say(&mut self, mut line: String) {
        let mut rest = &*line.clone();
        while let Some(at) = rest.find("s_") {
            let id = rest.get(at..at + 18).unwrap_or_default();
            rest = &rest[at + 2..];
            if QuestionId::new(id).is_stand_in() && id[2..].bytes().all(|b| b.is_ascii_hexdigit()) {
                self.name_stand_in(id);
            }
        }
        for (nth, id) in self.stand_ins.iter().enumerate() {
            line = line.replace(id, &format!("stand-in-{}", nth + 1));
        }
        self.trace.push(format!("{:>6} {line}", self.now));
    }

    /// Stand-ins are shown by their order.
    fn name_stand_in(&mut self, id: &str) {
        if !self.stand_ins.iter().any(|known| known == id) {
            self.stand_ins.push(id.to_owned());
        }
    }

    /// Drives a task to its end, which it gives away.
    pub(crate) fn drive<P: Provider<Output = toy::Output>>(&mut self, mut task: Task<P>) -> Ended {
        let ended = self.drive_on(&mut task);
        let told = task.into_outcome().map(|outcome| outcome_text(&outcome));
        if let Ended::Outcome(text) = &ended {
            assert_eq!(told.as_ref(), Some(text));
        }
        ended
    }

    /// Drives a task to its end, checking at each step that asking is harmless.
    pub(crate) fn drive_on<P: Provider<Output = toy::Output>>(
        &mut self,
        task: &mut Task<P>,
    ) -> Ended {
        self.deadline = self.now + 100 * 3_600_000;
        self.steps = 0;
        self.told = Told::default();
        testing::drive(task, self)
    }

    /// Does what the application and others want by now.
    fn act<P: Provider<Output = toy::Output>>(
        &mut self,
        task: &mut Task<P>,
        action: UserAction,
    ) -> Result<(), Ended> {
        let now = at(self.now);
        match action {
            UserAction::Cancel => {
                self.wanted_cancel = true;
                task.cancel(now).expect("cancel");
            }
            UserAction::Message(text) => {
                let sent = task.send_message(text.to_owned(), now);
                sent.expect("message");
            }
            UserAction::Dashboard(what) => self.server.dashboard(what, self.now),
            UserAction::OtherClient(text) => self.server.other_client(text, self.now),
            UserAction::CutStream => {
                if let Some(id) = self.stream.take() {
                    task.handle_end(id, now);
                }
            }
            UserAction::Interrupt if task.interrupt(now) => {}
            UserAction::Interrupt => {
                self.asleep_now = 0;
                testing::save_pending(task, self)?;
                return Err(Ended::Left(format!("{:?}", task.cancel_result())));
            }
            UserAction::Stop => return Err(Ended::Stopped),
        }
        Ok(())
    }

    /// The process that held the stream is gone.
    pub(crate) fn hang_up(&mut self) {
        self.stream = None;
        self.opening = None;
    }

    /// The request leaves, and its reply comes beside whatever else is done.
    fn begin_opening(&mut self, id: ExchangeId, path: &str, long: u64) {
        self.requests += 1;
        let fault = (self.faults)(self.requests, "GET", path);
        self.say(match fault {
            Fault::None => format!("opens {path}"),
            fault => format!("opens {path} [{fault:?}]"),
        });
        self.opening = Some(Opening {
            id,
            due: self.now + long,
            after: after_of(path),
            fault,
        });
    }

    /// Waits for the head of the stream that is being opened.
    fn await_head<P: Provider>(&mut self, task: &mut Task<P>, opening: Opening, until: u64) {
        if opening.due > until {
            assert!(until > self.now, "a receive into the past at {}", self.now);
            self.now = until;
            self.opening = Some(opening);
            return;
        }
        self.now = self.now.max(opening.due);
        let (id, now) = (opening.id, at(self.now));
        match opening.fault {
            Fault::None => {
                self.say("opened".into());
                self.server.open_stream(opening.after, self.now);
                self.stream = Some(id);
                task.handle_head(id, stream_head(), now);
            }
            Fault::Status(status) => {
                let status = StatusCode::from_u16(status).expect("status");
                task.handle_response(id, Response::new(status, "injected"), now);
            }
            _ => {
                let cause = Cause::Timeout(taskward_core::TimeoutPhase::Head);
                task.handle_failure(
                    id,
                    ExchangeFailure::new(ExchangeProgress::MaybeSent, cause, "test"),
                    now,
                );
            }
        }
    }

    fn sleep(&mut self, until: Timestamp) {
        let action = self.actions.first().map_or(u64::MAX, |(at, _)| *at);
        let until = until.as_millis().min(action);
        assert!(until > self.now, "a wait into the past at {}", self.now);
        assert_ne!(
            until,
            u64::MAX,
            "a wait for ever:\n{}",
            self.trace.join("\n")
        );
        self.now = until;
    }

    /// While the task waits, it shows what its events have shown.
    fn assert_told<P: Provider>(&self, task: &Task<P>) {
        if self.told.id.is_some() {
            assert_eq!(task.id(), self.told.id.as_ref());
        }
        if let Some(status) = &self.told.status {
            assert_eq!(task.status().map(Status::as_str), Some(&**status));
            assert_eq!(task.is_paused(), self.told.paused, "{status}");
        }
    }

    fn exchange<P: Provider>(
        &mut self,
        task: &mut Task<P>,
        id: ExchangeId,
        request: &taskward_core::Request,
        asleep: u64,
    ) {
        self.requests += 1;
        if request.method() != http::Method::GET {
            let stored = self.saved.last().map(Snapshot::revision);
            assert_eq!(
                stored,
                Some(task.snapshot().revision()),
                "no write leaves before the state is stored"
            );
        }
        let (method, path) = (
            request.method().as_str().to_owned(),
            request.target().as_str().to_owned(),
        );
        let stage = if path.ends_with("/stream") || path.contains("/stream?") {
            "open"
        } else {
            "send"
        };
        if method == "GET" && path == "/t/t1" {
            self.status_sent.push(self.now);
        }
        if method != "GET" {
            let key = request.headers().get("idempotency-key");
            let key = key.map(|key| key.to_str().expect("text").to_owned());
            self.writes.push((path.clone(), key, request.digest()));
        }
        let fault = (self.faults)(self.requests, &method, &path);
        let mut line = format!("{stage} {method} {path}");
        if fault != Fault::None {
            line.push_str(&format!(" [{fault:?}]"));
        }
        self.say(line);
        // The server acts at once; the driver may find its reply much later.
        let arrived = self.now + self.latency;
        self.now = arrived + asleep;
        let now = at(self.now);
        let fail = |stage, cause| ExchangeFailure::new(stage, cause, "test");
        match fault {
            Fault::Refused => {
                return task.handle_failure(
                    id,
                    fail(ExchangeProgress::NotSent, Cause::Refused),
                    now,
                );
            }
            Fault::LostRequest => {
                return task.handle_failure(
                    id,
                    fail(ExchangeProgress::MaybeSent, Cause::Reset),
                    now,
                );
            }
            Fault::Login => {
                let mut reply = Response::new(StatusCode::OK, "<html>");
                let html = "text/html; charset=utf-8".parse().expect("value");
                reply.head.headers.insert("content-type", html);
                return task.handle_response(id, reply, now);
            }
            Fault::Bodiless(status) => {
                let head = Head::new(StatusCode::from_u16(status).expect("status"));
                let stage = ExchangeProgress::Answered(Box::new(head));
                return task.handle_failure(id, fail(stage, Cause::Reset), now);
            }
            Fault::Status(status) => {
                let status = StatusCode::from_u16(status).expect("status");
                return task.handle_response(
                    id,
                    Response::new(status, r#"{"error":"injected"}"#),
                    now,
                );
            }
            _ => {}
        }
        if stage == "open" {
            self.server.open_stream(after_of(&path), arrived);
            self.stream = Some(id);
            return task.handle_head(id, stream_head(), now);
        }
        let key = request
            .headers()
            .get("idempotency-key")
            .and_then(|key| key.to_str().ok());
        let (status, body) = self
            .server
            .handle(&method, &path, &body_of(request), key, arrived);
        let mut reply = Response::new(StatusCode::from_u16(status).expect("status"), body);
        (self.rewrite)(&path, self.now, &mut reply);
        match fault {
            Fault::TimedOut => {
                let cause = Cause::Timeout(taskward_core::TimeoutPhase::Head);
                return task.handle_failure(id, fail(ExchangeProgress::MaybeSent, cause), now);
            }
            Fault::LostReply => {
                return task.handle_failure(
                    id,
                    fail(ExchangeProgress::MaybeSent, Cause::Reset),
                    now,
                );
            }
            Fault::StatusAfter(status) => {
                reply = Response::new(StatusCode::from_u16(status).expect("status"), "late");
            }
            Fault::CutBody => reply.body.truncate(reply.body.len() / 2),
            Fault::Html => reply.body = Bytes::from_static(b"<html>"),
            _ => {}
        }
        task.handle_response(id, reply, now);
    }

    fn read_stream<P: Provider>(&mut self, task: &mut Task<P>, id: ExchangeId, until: Timestamp) {
        if let Some(opening) = self.opening.take_if(|opening| opening.id == id) {
            let action = self.actions.first().map_or(u64::MAX, |(at, _)| *at);
            return self.await_head(task, opening, until.as_millis().min(action));
        }
        if self.stream != Some(id) {
            return task.handle_failure(id, ExchangeFailure::abandoned(), at(self.now));
        }
        let action = self.actions.first().map_or(u64::MAX, |(at, _)| *at);
        let until = until.as_millis().min(action);
        match self.server.next_chunk(self.now, until) {
            Some((when, chunk)) => {
                self.now = self.now.max(when);
                task.handle_chunk(id, chunk, at(self.now));
            }
            None => {
                assert!(until > self.now, "a receive into the past at {}", self.now);
                self.now = until;
            }
        }
    }

    /// The events and requests, without times.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.trace.iter().map(|line| line[7..].to_owned()).collect()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.trace.iter().filter(|line| line.contains(what)).count()
    }
}

impl<P: Provider<Output = toy::Output>> TestWorld<P> for World {
    type Stop = Ended;

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<P>) -> Result<(), Ended> {
        self.steps += 1;
        assert!(
            self.steps <= 60_000,
            "too many steps:\n{}",
            self.trace[self.trace.len() - 60..].join("\n")
        );
        assert!(
            self.now < self.deadline,
            "the watch does not end:\n{}",
            self.trace.join("\n")
        );
        let due = |(at, _): &(u64, UserAction)| *at <= self.now;
        let due = self.actions.iter().take_while(|action| due(action)).count();
        for (_, action) in self.actions.drain(..due).collect::<Vec<_>>() {
            self.act(task, action)?;
        }
        Ok(())
    }

    fn planned(&mut self, task: &mut Task<P>, step: &Step) -> Result<bool, Ended> {
        let name: String = format!("{step:?}")
            .chars()
            .take_while(|c| c.is_alphanumeric())
            .collect();
        self.snapshots
            .push((format!("{name} at {}", self.now), task.snapshot()));
        if self.kill_after == Some(self.snapshots.len()) {
            return Err(Ended::Stopped);
        }
        self.asleep_now = match self.asleep {
            Some((step, long)) if step == self.snapshots.len() => long,
            _ => 0,
        };
        Ok(true)
    }

    fn save(&mut self, task: &Task<P>) -> Result<bool, Ended> {
        self.now += self.asleep_now;
        self.saved.push(task.snapshot());
        Ok(true)
    }

    fn send(&mut self, task: &mut Task<P>, exchange: Outgoing<'_>) -> Result<(), Ended> {
        let path = exchange.request.target().as_str();
        self.sent.push(Sent {
            at: self.now,
            purpose: exchange.purpose,
            path: path.to_owned(),
            limits: exchange.limits,
        });
        if self.hangs == Some(exchange.purpose) && !exchange.opens_stream {
            self.say(format!("hangs {path}"));
            return Err(Ended::Stopped);
        }
        match self.opens_for.filter(|_| exchange.opens_stream) {
            Some(long) => self.begin_opening(exchange.id, path, long),
            None => self.exchange(task, exchange.id, exchange.request, self.asleep_now),
        }
        Ok(())
    }

    fn close(&mut self, _task: &mut Task<P>, _id: ExchangeId) -> Result<bool, Ended> {
        self.now += self.asleep_now;
        self.say("close".into());
        self.hang_up();
        Ok(true)
    }

    fn pause(&mut self, task: &mut Task<P>, pause: Pause) -> Result<(), Ended> {
        if pause.stream.is_some() && self.asleep_now > 0 {
            self.now += self.asleep_now;
            return Ok(());
        }
        self.assert_told(task);
        self.whys.insert(format!("{:?}", pause.why));
        match pause.stream {
            Some(id) => self.read_stream(task, id, pause.until),
            None => {
                // Whatever a test asserts holds for a task that is parked over each quiet wait, too.
                let parked = task.park().filter(|_| self.parks);
                self.sleep(pause.until);
                self.now += self.asleep_now;
                if let Some(parked) = parked {
                    self.parked += 1;
                    *task = Task::unpark(P::default(), &parked, at(self.now)).expect("unpark");
                }
            }
        }
        Ok(())
    }

    fn deliver(&mut self, id: EventId, event: &Event) -> Result<(), Ended> {
        self.ids.push((id, show(event)));
        self.now += self.asleep_now;
        self.say(format!("event {}", show(event)));
        if let Event::Answered { how, detail, .. } | Event::Sent { how, detail, .. } = event {
            self.outcomes.push((*how, detail.clone()));
        }
        Ok(())
    }

    fn react(&mut self, task: &mut Task<P>, event: &Event) -> Result<(), Ended> {
        match event {
            Event::Created { id, status, .. } => {
                self.told.id = Some(id.clone());
                self.told.status = status.as_ref().map(|status| status.as_str().to_owned());
            }
            Event::Status(status) => {
                self.told.status = Some(status.as_str().to_owned());
                self.told.paused = false;
            }
            Event::Paused(_) => self.told.paused = true,
            Event::Question(question) => match (self.answerer)(question) {
                Some(answer) => {
                    *self.answered.entry(question.id.to_string()).or_default() += 1;
                    task.answer(&question.id, answer, at(self.now))
                        .expect("an open question");
                }
                None if self.stays => {}
                None => return Err(Ended::Left(question.text.clone())),
            },
            Event::Answered {
                how: Answered::Unknown | Answered::Refused,
                question,
                ..
            } if task.questions().any(|open| open.id == *question) => {
                return Err(Ended::Left("answer unknown".into()));
            }
            _ => {}
        }
        Ok(())
    }

    fn done(&mut self, task: &mut Task<P>) -> Ended {
        let text = outcome_text(task.outcome().expect("it is over"));
        self.say(format!("done {text}"));
        Ended::Outcome(text)
    }
}

fn stream_head() -> Head {
    let mut head = Head::new(StatusCode::OK);
    head.headers
        .insert("content-type", "text/event-stream".parse().expect("value"));
    head
}

/// After which number this path asks for a stream.
fn after_of(path: &str) -> u64 {
    let after = path.split_once("after=");
    after.and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
}

fn body_of(request: &taskward_core::Request) -> String {
    request
        .body()
        .segments()
        .map(|segment| match segment {
            taskward_core::Segment::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            taskward_core::Segment::Source(_) => String::new(),
        })
        .collect()
}

pub(crate) fn show(event: &Event) -> String {
    match event {
        Event::Created { id, status, .. } => format!(
            "started {id} {}",
            status.as_ref().map_or("?", |s| s.as_str())
        ),
        Event::Status(status) => format!("status {status}"),
        Event::Question(question) => format!("question {} {:?}", question.id, question.text),
        Event::Withdrawn { question, reason } => format!("withdrawn {question} {reason:?}"),
        Event::Paused(status) => format!("paused {status}"),
        Event::Answered { question, how, .. } => format!("answered {question} {how:?}"),
        Event::Sent { message, how, .. } => format!("sent {message} {how:?}"),
        Event::Retrying {
            attempt, failed, ..
        } => format!("retrying {attempt} {failed}"),
        Event::CancelRefused(why) => format!("CancelRefused({:?})", why.to_string()),
        Event::Provider(event) => format!("event {:?} {}", event.seq.map(|p| p.0), event.name),
        other => format!("{other:?}"),
    }
}

pub(crate) fn outcome_text(outcome: &Outcome<toy::Output>) -> String {
    match outcome {
        Outcome::Succeeded { output, .. } => format!("succeeded {}", output.0),
        Outcome::Failed { failure: fault, .. } => format!("failed {:?}", fault.message),
        Outcome::Stopped { by, .. } => format!("stopped by {by:?}"),
        Outcome::Unknown { likely, .. } => format!("unknown likely={likely}"),
        Outcome::DeadlineExceeded {
            limit: clock,
            last,
            cancel,
            ..
        } => {
            let last = last.as_ref().map_or("-", |s| s.as_str());
            let done = match cancel {
                CancelResult::NotRequested => String::new(),
                cancel => format!(", {cancel}"),
            };
            format!("deadline {clock:?} {last}{done}")
        }
        Outcome::Interrupted { cancel, .. } => format!("interrupted, {cancel}"),
        other => other.code().to_owned(),
    }
}

/// Compares with a golden file. What differs is written beside the build, to be read and copied over it.
pub(crate) fn check_golden(name: &str, golden: &str, text: &str) {
    if text.trim() != golden.trim() {
        let written = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&written, format!("{text}\n")).expect("the new text is written");
        panic!(
            "the stored form has changed: compare {name} with {}",
            written.display()
        );
    }
}
