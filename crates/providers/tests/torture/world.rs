//! A driver in virtual time that counts its operations and fails the planned ones.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Answer, Answered, Cause, Event, ExchangeFailure, ExchangeId, ExchangeProgress, Head, Limits,
    OriginBudget, Outcome, Policy, Provider, Question, QuestionId, Request, Response, Seed,
    Segment, Snapshot, Step, Task, TimeoutPhase, Timestamp,
};
use taskward_sim::multipart::{Multipart, boundary};
use taskward_sim::{Answer as Reply, Pulled, Scenario as File, StreamId};

use crate::fault::{Fault, Kind, Operation, Plan};
use crate::platform::{Platform, Tally};

/// When the simulated time begins: 2026-05-12T10:15:00Z.
const START: u64 = 1_778_580_900_000;
/// One way through the network.
const TRIP: u64 = 10;
/// Bytes of a body that one read gives.
const PIECE: usize = 512;
/// What is slow but not lost takes this long.
const SLOW: u64 = 20_000;
/// No scenario needs more steps, whatever fails: beyond is a loop.
const MAX_STEPS: usize = 2_000;
/// No scenario takes longer, whatever fails: beyond is a hang.
const MAX_TIME: u64 = 2 * 3_600_000;

type JobOf<S> = <<S as Platform>::Provider as Provider>::Job;

/// What is run, and what a human does meanwhile.
pub(crate) struct Scenario<S: Platform> {
    pub(crate) name: &'static str,
    /// The simulator's switches.
    pub(crate) file: &'static str,
    pub(crate) job: fn(&S) -> JobOf<S>,
    pub(crate) answer: fn(&Question) -> Answer,
    /// Milliseconds from the start after which the task is cancelled.
    pub(crate) cancel: Option<u64>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) end: String,
    /// The provider's own events, where they are numbered: `SEQ TYPE`.
    pub(crate) log: Vec<String>,
    /// What else was told, but for statuses, retries and acknowledgements: which are seen depends on when one looks.
    pub(crate) reported: Vec<String>,
    pub(crate) tally: Tally,
    pub(crate) operations: Vec<Operation>,
    /// How often the process died.
    pub(crate) deaths: usize,
}

struct Stream {
    exchange: ExchangeId,
    sim: StreamId,
    ready: VecDeque<u8>,
    /// Whether nothing comes any more.
    silent: bool,
}

struct World<'a, S: Platform> {
    scenario: &'a Scenario<S>,
    plan: &'a Plan,
    platform: S,
    now: u64,
    steps: usize,
    run: Run,
    stored: Option<Snapshot>,
    shared: OriginBudget,
    stream: Option<Stream>,
    answers: Vec<(QuestionId, Answer)>,
    /// The questions that were told, in order.
    asked: Vec<QuestionId>,
    /// When to cancel.
    cancel_at: u64,
    /// The step that has to come again because it was not done.
    owed: Option<Kind>,
}

enum Ended {
    Over(String),
    Died,
}

/// Runs a scenario, failing what the plan says.
pub(crate) fn run<S: Platform>(scenario: &Scenario<S>, plan: &Plan) -> Run {
    let file = File::parse(scenario.file).expect("a scenario");
    let platform = S::new(&file, START);
    let job = (scenario.job)(&platform);
    let mut world = World {
        scenario,
        plan,
        platform,
        now: START,
        steps: 0,
        run: Run {
            end: String::new(),
            log: Vec::new(),
            reported: Vec::new(),
            tally: Tally {
                starts: 0,
                answers: Vec::new(),
                statuses: Vec::new(),
            },
            operations: Vec::new(),
            deaths: 0,
        },
        stored: None,
        shared: OriginBudget::new(),
        stream: None,
        answers: Vec::new(),
        asked: Vec::new(),
        cancel_at: scenario.cancel.map_or(u64::MAX, |after| START + after),
        owed: None,
    };
    let policy = Policy::default();
    let mut task =
        Task::start(S::provider(), &job, policy, Seed([5; 32]), world.time()).expect("a task");
    loop {
        match testing::drive(&mut task, &mut world) {
            Ended::Over(end) => {
                world.run.end = end;
                break;
            }
            Ended::Died => {
                world.die();
                let Some(saved) = world.stored.clone() else {
                    world.run.end = "never begun".to_owned();
                    break;
                };
                task = Task::resume(S::provider(), saved, world.time()).expect("resume");
            }
        }
    }
    world.hang_up();
    world.run.tally = world.platform.tally(world.now);
    world.run
}

impl<S: Platform> World<'_, S> {
    fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Counts an operation; how it fails.
    fn operation(&mut self, kind: Kind, endpoint: &'static str) -> Option<Fault> {
        let number = self.run.operations.len();
        self.run.operations.push(Operation { kind, endpoint });
        self.plan.of(number)
    }

    /// Another process goes on a little later; whoever cancelled does so again.
    fn die(&mut self) {
        self.run.deaths += 1;
        self.now += 3_000;
        self.hang_up();
        self.answers.clear();
        self.cancel_at = self
            .scenario
            .cancel
            .map_or(u64::MAX, |after| self.now.max(START + after));
    }

    fn hang_up(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.platform.close(stream.sim);
        }
    }

    /// Returns when to poll again: a human may want something earlier.
    fn wake(&self, until: Timestamp) -> u64 {
        let action = Some(self.cancel_at).filter(|at| *at > self.now);
        until.as_millis().min(action.unwrap_or(u64::MAX))
    }

    /// What the human wants by now.
    fn action(&mut self, task: &mut Task<S::Provider>) {
        let now = self.time();
        if self.now >= self.cancel_at && task.id().is_some() {
            self.cancel_at = u64::MAX;
            task.cancel(now).expect("it can be cancelled");
        }
        for (question, answer) in std::mem::take(&mut self.answers) {
            task.answer(&question, answer, now).expect("it is open");
        }
    }

    /// Returns what a question is called: its number, where its id follows from the time, which faults shift.
    fn named(&mut self, question: &QuestionId) -> String {
        if !S::DATES_QUESTIONS {
            return question.to_string();
        }
        let known = self.asked.iter().position(|asked| asked == question);
        let number = known.unwrap_or_else(|| {
            self.asked.push(question.clone());
            self.asked.len() - 1
        });
        number.to_string()
    }

    fn hear(&mut self, task: &Task<S::Provider>, event: &Event) -> Option<String> {
        let line = match event {
            Event::Provider(event) => {
                if let Some(seq) = event.seq {
                    self.run.log.push(format!("{} {}", seq.0, event.name));
                }
                return None;
            }
            Event::PossibleGap if !S::GOES_ON => return None,
            Event::Output(_) | Event::Status(_) | Event::Retrying { .. } | Event::Cancelling => {
                return None;
            }
            Event::Created { id, .. } => format!("started {id}"),
            Event::Question(question) => {
                let answer = (self.scenario.answer)(question);
                self.answers.push((question.id.clone(), answer));
                format!("question {} {:?}", self.named(&question.id), question.kind)
            }
            Event::Answered { question, how, .. } => {
                format!("answered {} {how:?}", self.named(question))
            }
            other => format!("{other:?}"),
        };
        self.run.reported.push(line);
        match event {
            // Whether to say it again is for a human to decide.
            Event::Answered {
                question,
                how: Answered::Unknown,
                ..
            } if task.questions().any(|open| open.id == *question) => {
                Some("left answer unknown".to_owned())
            }
            _ => None,
        }
    }

    fn exchange(
        &mut self,
        task: &mut Task<S::Provider>,
        id: ExchangeId,
        request: &Request,
        limits: &Limits,
    ) {
        match self.converse(request, limits) {
            Ok(Heard::Whole(reply)) => task.handle_response(id, reply, self.time()),
            Ok(Heard::Stream(head, sim)) => {
                assert!(self.stream.is_none(), "one stream at a time");
                self.stream = Some(Stream {
                    exchange: id,
                    sim,
                    ready: VecDeque::new(),
                    silent: false,
                });
                task.handle_head(id, head, self.time());
            }
            Err(failure) => task.handle_failure(id, failure, self.time()),
        }
    }

    fn fail<T>(
        &mut self,
        stage: ExchangeProgress,
        cause: Cause,
        after: Duration,
    ) -> Result<T, ExchangeFailure> {
        let after = match cause {
            Cause::Timeout(_) => u64::try_from(after.as_millis()).expect("a limit"),
            _ => TRIP,
        };
        self.now += after;
        Err(ExchangeFailure::new(stage, cause, "injected"))
    }

    fn converse(&mut self, request: &Request, limits: &Limits) -> Result<Heard, ExchangeFailure> {
        let (sim, segments) = translate(request, self.platform.key());
        let endpoint = S::endpoint(&sim.head);
        if let Some(fault) = self.operation(Kind::Connect, endpoint) {
            let cause = match fault {
                Fault::Refused => Cause::Refused,
                Fault::Reset => Cause::Reset,
                Fault::Timeout => Cause::Timeout(TimeoutPhase::Connect),
                Fault::Short => Cause::Tls,
            };
            return self.fail(ExchangeProgress::NotSent, cause, limits.connect);
        }
        for _ in 0..segments.max(1) {
            let (stage, cause) = match self.operation(Kind::Write, endpoint) {
                None => continue,
                Some(Fault::Refused) => (ExchangeProgress::NotSent, Cause::Reset),
                Some(Fault::Reset) => (ExchangeProgress::MaybeSent, Cause::Reset),
                Some(Fault::Timeout) => (
                    ExchangeProgress::MaybeSent,
                    Cause::Timeout(TimeoutPhase::Send),
                ),
                Some(Fault::Short) => (ExchangeProgress::MaybeSent, Cause::Abandoned),
            };
            return self.fail(stage, cause, limits.idle);
        }
        self.now += TRIP;
        let answer = self.platform.handle(sim, self.now);
        self.now += TRIP;
        if let Some(fault) = self.operation(Kind::Head, endpoint) {
            if let Reply::Stream { id, .. } = answer {
                self.platform.close(id);
            }
            let cause = match fault {
                Fault::Refused => Cause::Refused,
                Fault::Reset => Cause::Reset,
                Fault::Timeout => Cause::Timeout(TimeoutPhase::Head),
                Fault::Short => Cause::Protocol,
            };
            return self.fail(ExchangeProgress::MaybeSent, cause, limits.head);
        }
        let (reply, media, stream) = match answer {
            Reply::Stream { head, id } => (head, "text/event-stream", Some(id)),
            Reply::Whole(reply) => (reply, "application/json", None),
            taskward_sim::Answer::Later { .. } => unreachable!("these platforms reply at once"),
        };
        let mut head = Head::new(StatusCode::from_u16(reply.status).expect("a status"));
        let media = media.parse().expect("a value");
        head.headers.insert("content-type", media);
        match stream {
            Some(id) => Ok(Heard::Stream(head, id)),
            None => self.read(head, &reply.body, endpoint, limits),
        }
    }

    fn read(
        &mut self,
        head: Head,
        body: &[u8],
        endpoint: &'static str,
        limits: &Limits,
    ) -> Result<Heard, ExchangeFailure> {
        let mut read = Vec::new();
        for piece in body.chunks(PIECE) {
            let cause = match self.operation(Kind::Body, endpoint) {
                None => {
                    read.extend_from_slice(piece);
                    continue;
                }
                Some(Fault::Short) => {
                    read.extend_from_slice(&piece[..piece.len() / 2]);
                    break;
                }
                Some(Fault::Refused) => Cause::Protocol,
                Some(Fault::Reset) => Cause::Truncated,
                Some(Fault::Timeout) => Cause::Timeout(TimeoutPhase::Body),
            };
            return self.fail(
                ExchangeProgress::Answered(Box::new(head)),
                cause,
                limits.idle,
            );
        }
        let body = Bytes::from(read);
        Ok(Heard::Whole(Response { head, body }))
    }

    fn read_stream(&mut self, task: &mut Task<S::Provider>, id: ExchangeId, until: u64) {
        let fault = self.operation(Kind::Receive, "stream");
        let now = self.time();
        let Some(stream) = self.stream.as_mut().filter(|held| held.exchange == id) else {
            panic!("a stream that nobody holds");
        };
        stream.silent |= fault == Some(Fault::Timeout);
        let mut ended = fault.is_some_and(|fault| fault != Fault::Timeout);
        if !stream.silent && stream.ready.is_empty() {
            match self.platform.pull(stream.sim, self.now) {
                Pulled::Frames(frames) => {
                    let bytes = frames.into_iter().flat_map(|frame| frame.bytes);
                    stream.ready.extend(bytes);
                }
                Pulled::Pending => {}
                Pulled::End => ended = true,
            }
        }
        // A connection that breaks does so in the middle of what it carries.
        let take = if stream.silent {
            0
        } else if ended {
            stream.ready.len() / 2
        } else {
            stream.ready.len().min(PIECE)
        };
        if take > 0 {
            let bytes: Vec<u8> = stream.ready.drain(..take).collect();
            task.handle_chunk(id, bytes.into(), now);
        } else if !ended {
            let change = if stream.silent {
                u64::MAX
            } else {
                self.platform.next_change()
            };
            self.now = change.min(until).max(self.now + 1);
        }
        if !ended {
            return;
        }
        self.hang_up();
        let cause = match fault {
            Some(Fault::Refused) => Cause::Protocol,
            Some(Fault::Reset) => Cause::Truncated,
            _ => return task.handle_end(id, now),
        };
        task.handle_failure(id, broken(cause), now);
    }
}

impl<S: Platform> TestWorld<S::Provider> for World<'_, S> {
    type Stop = Ended;

    fn now(&self) -> Timestamp {
        self.time()
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<S::Provider>) -> Result<(), Ended> {
        self.steps += 1;
        let reported = (&self.run.reported, &self.run.log);
        assert!(self.steps < MAX_STEPS, "it goes in circles: {reported:#?}");
        assert!(self.now < START + MAX_TIME, "it hangs: {reported:#?}");
        self.action(task);
        Ok(())
    }

    fn planned(&mut self, _task: &mut Task<S::Provider>, step: &Step) -> Result<bool, Ended> {
        if let Some(owed) = self.owed.take() {
            let again = match step {
                Step::Save { .. } => Kind::Save,
                Step::Close { .. } => Kind::Close,
                other => panic!("{owed:?} is passed over for {other:?}"),
            };
            assert_eq!(again, owed);
        }
        Ok(true)
    }

    fn save(&mut self, task: &Task<S::Provider>) -> Result<bool, Ended> {
        let fault = self.operation(Kind::Save, "");
        match fault {
            Some(Fault::Refused) => {
                self.owed = Some(Kind::Save);
                self.now += 1_000;
                return Ok(false);
            }
            Some(Fault::Reset) => return Err(Ended::Died),
            Some(Fault::Timeout) => self.now += SLOW,
            Some(Fault::Short) | None => {}
        }
        self.stored = Some(task.snapshot());
        match fault {
            Some(Fault::Short) => Err(Ended::Died),
            _ => Ok(true),
        }
    }

    fn send(&mut self, task: &mut Task<S::Provider>, exchange: Outgoing<'_>) -> Result<(), Ended> {
        self.exchange(task, exchange.id, exchange.request, &exchange.limits);
        Ok(())
    }

    fn close(&mut self, task: &mut Task<S::Provider>, id: ExchangeId) -> Result<bool, Ended> {
        let now = self.time();
        match self.operation(Kind::Close, "stream") {
            Some(Fault::Refused) => {
                self.owed = Some(Kind::Close);
                return Ok(false);
            }
            Some(Fault::Reset) => task.handle_failure(id, broken(Cause::Truncated), now),
            Some(Fault::Timeout) => self.now += SLOW,
            Some(Fault::Short) => task.handle_end(id, now),
            None => {}
        }
        self.hang_up();
        Ok(true)
    }

    fn pause(&mut self, task: &mut Task<S::Provider>, pause: Pause) -> Result<(), Ended> {
        let until = self.wake(pause.until);
        match pause.stream {
            Some(id) => self.read_stream(task, id, until),
            None => {
                assert!(until > self.now, "a wait that is over");
                self.now = until;
            }
        }
        Ok(())
    }

    fn react(&mut self, task: &mut Task<S::Provider>, event: &Event) -> Result<(), Ended> {
        self.hear(task, event)
            .map_or(Ok(()), |left| Err(Ended::Over(left)))
    }

    fn done(&mut self, task: &mut Task<S::Provider>) -> Ended {
        Ended::Over(describe::<S>(task.outcome().expect("it is over")))
    }
}

enum Heard {
    Whole(Response),
    Stream(Head, StreamId),
}

/// Returns a stream that breaks off.
fn broken(cause: Cause) -> ExchangeFailure {
    let head = Box::new(Head::new(StatusCode::OK));
    ExchangeFailure::new(ExchangeProgress::Answered(head), cause, "injected")
}

/// Returns the request as the server takes it, and in how many pieces it leaves.
fn translate(request: &Request, key: &str) -> (taskward_sim::Request, usize) {
    let mut sim = taskward_sim::Request::new(request.method().as_str(), request.target().as_str())
        .header("authorization", &format!("Bearer {key}"));
    for (name, value) in request.headers() {
        sim = sim.header(name.as_str(), value.to_str().expect("text"));
    }
    let (mut bytes, mut pieces) = (Vec::new(), 0);
    for segment in request.body().segments() {
        pieces += 1;
        match segment {
            Segment::Bytes(part) => bytes.extend_from_slice(part),
            Segment::Source(source) => panic!("no files here: {source:?}"),
        }
    }
    let media = sim.head.header("content-type").unwrap_or_default();
    if media.starts_with("multipart/") {
        let mut parser = Multipart::new(&boundary(media).expect("a boundary"), None);
        parser.push(&bytes).expect("a form");
        return (sim.form(parser.finish().expect("a whole form")), pieces);
    }
    sim.body = taskward_sim::SimBody::Bytes(bytes);
    (sim, pieces)
}

fn describe<S: Platform>(outcome: &Outcome<<S::Provider as Provider>::Output>) -> String {
    match outcome {
        Outcome::Succeeded { output, .. } => format!("succeeded {}", S::reported(output)),
        Outcome::Stopped {
            by, failure: fault, ..
        } => format!("stopped by {by:?} {:?}", fault.reason),
        Outcome::Failed { failure: fault, .. } => {
            format!("failed {:?} {:?}", fault.reason, fault.message)
        }
        Outcome::Unknown { likely: true, .. } => "likely started".to_owned(),
        other => other.code().to_owned(),
    }
}
