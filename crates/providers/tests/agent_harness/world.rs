//! The real provider against the simulated platform, in virtual time: hours pass in milliseconds.

use std::collections::VecDeque;

use bytes::Bytes;
use http::StatusCode;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Answer, Answered, Cause, Event, EventId, ExchangeFailure, ExchangeId, ExchangeProgress, Head,
    OriginBudget, Outcome, Output as _, Policy, Question, QuestionId, QuestionKind, Request,
    Response, Seed, Segment, Snapshot, Step, Task, Timestamp,
};
use taskward_providers::agent_harness::{self, AgentHarness, Job};
use taskward_sim::harness::{DashboardAction, Server, Stats};
use taskward_sim::{Pulled, StreamId};

use crate::scenarios::scenario_of;
use crate::spec::Spec;

/// When the simulated time begins: 2026-05-12T10:15:00Z.
pub(crate) const START: u64 = 1_778_580_900_000;
/// One way through the network.
const TRIP: u64 = 10;
/// A head of about this length precedes each reply.
pub(crate) const HEAD_LEN: usize = 120;

/// What the wire does to an exchange.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Never sent.
    Refuse,
    /// Sent, not received.
    Reset,
    /// Answered by something in front of the server.
    Status(u16),
    /// Answered by a page.
    Html,
    /// Received; the reply is cut after so many bytes, head included.
    Lost(usize),
    /// Received just after somebody else approved in the dashboard.
    Overtaken,
    /// Never received, and somebody else did this in the dashboard just before.
    Preempted(DashboardAction),
    /// A stream of which so many bytes of the body arrive.
    Cut(usize),
    /// Answered by something in front of the server, which asks to be left alone for so long.
    Hint(u16, &'static str),
    /// A redirect that the driver refuses to follow.
    Redirect,
    /// Dropped by the driver, which says so; the server has it all the same.
    Abandoned,
    /// Answered after so many milliseconds.
    Late(u64),
}

type Faults = Box<dyn FnMut(&str, &str, usize) -> Fault>;
pub(crate) type Frames = Box<dyn FnMut(String) -> String>;
pub(crate) type Rewrite = Box<dyn FnMut(&str, usize, Response) -> Response>;
type Answerer = Box<dyn FnMut(&Question) -> Option<(u64, Answer)>>;

struct Stream {
    exchange: ExchangeId,
    sim: StreamId,
    ready: VecDeque<u8>,
    /// What may still arrive.
    budget: usize,
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) now: u64,
    /// Endpoint, method, and how many requests of that endpoint came before.
    pub(crate) faults: Faults,
    /// What a human says, and how long it takes.
    pub(crate) answerer: Answerer,
    pub(crate) actions: Vec<(u64, UserAction)>,
    pub(crate) steps: usize,
    /// Whether exchanges are held against the specification.
    pub(crate) judged: bool,
    pub(crate) saved: Vec<Snapshot>,
    pub(crate) kill_after: Option<usize>,
    /// What was told, but for the run's own events.
    pub(crate) reported: Vec<String>,
    /// The run's own events: `SEQ TYPE`.
    pub(crate) log: Vec<String>,
    pub(crate) requests: Vec<String>,
    pub(crate) stream_bytes: usize,
    pub(crate) start_reply_len: usize,
    pub(crate) chunk: usize,
    /// What becomes of a frame on its way.
    pub(crate) mangle: fn(String) -> Option<String>,
    /// What becomes of the frames on their way, each in the light of those before it.
    pub(crate) frames: Option<Frames>,
    /// What becomes of a whole reply on its way: endpoint, and how many requests of that endpoint came before.
    pub(crate) rewrite: Option<Rewrite>,
    /// Whether each step is asked for twice and compared, and the distance of the run's reads is minded.
    pub(crate) strict: bool,
    /// How long the application is busy with each event of the run, in milliseconds.
    pub(crate) busy: u64,
    /// Whether a kill leaves the state of that very moment behind, not only what was saved before.
    pub(crate) keeps_last: bool,
    /// When each request left, beside `requests`.
    pub(crate) times: Vec<u64>,
    /// At this step the clock is found to have moved on by so much, as after a suspended machine or a late timer.
    pub(crate) asleep: Option<(usize, u64)>,
    /// What each step was, and when.
    pub(crate) path: Vec<(String, u64)>,
    /// The key and the digest of each write, by its endpoint.
    pub(crate) writes: Vec<(String, String, String)>,
    /// Answers that were given and whose fate was not told yet.
    delivering: usize,
    /// When the last read of the run left that no answer called for.
    read_at: Option<u64>,
    told_no: u64,
    exchange_no: u64,
    seen: std::collections::BTreeMap<&'static str, usize>,
    answers: Vec<(u64, QuestionId, Answer)>,
    /// Each question that was told by its place in the log.
    named: std::collections::BTreeMap<QuestionId, String>,
    shared: OriginBudget,
    stream: Option<Stream>,
    /// How many steps may still be done.
    left: usize,
    /// How much the clock moves on at this step.
    asleep_now: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum UserAction {
    Dashboard(DashboardAction),
    /// The same, at a moment when it may be of no effect.
    Race(DashboardAction),
    RevokeKey,
    ResumeRun,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    Outcome(String),
    Left(String),
    Killed,
}

/// Data for a run that wants some.
pub(crate) fn data() -> Answer {
    let recipient = serde_json::Value::from("ops@example.com");
    Answer::Input([("recipient".to_owned(), recipient)].into_iter().collect())
}

pub(crate) fn outcome(text: &str) -> Ended {
    Ended::Outcome(text.into())
}

impl World {
    pub(crate) fn new(scenario: &str) -> Self {
        let scenario = scenario_of(scenario);
        Self {
            server: Server::new(7, &scenario, START),
            now: START,
            faults: Box::new(|_, _, _| Fault::None),
            answerer: Box::new(|_| None),
            actions: Vec::new(),
            steps: 0,
            judged: true,
            saved: Vec::new(),
            kill_after: None,
            reported: Vec::new(),
            log: Vec::new(),
            requests: Vec::new(),
            stream_bytes: 0,
            start_reply_len: 0,
            chunk: usize::MAX,
            mangle: Some,
            frames: None,
            rewrite: None,
            strict: false,
            busy: 0,
            keeps_last: false,
            times: Vec::new(),
            asleep: None,
            path: Vec::new(),
            writes: Vec::new(),
            delivering: 0,
            read_at: None,
            told_no: 0,
            exchange_no: 0,
            seen: std::collections::BTreeMap::new(),
            answers: Vec::new(),
            named: std::collections::BTreeMap::new(),
            shared: OriginBudget::new(),
            stream: None,
            left: 0,
            asleep_now: 0,
        }
    }

    pub(crate) fn faults(
        mut self,
        faults: impl FnMut(&str, &str, usize) -> Fault + 'static,
    ) -> Self {
        self.faults = Box::new(faults);
        self
    }

    /// Answers the first questions so, each after `wait` milliseconds.
    pub(crate) fn answers(mut self, wait: u64, answers: Vec<Answer>) -> Self {
        let mut answers = answers.into_iter();
        self.answerer = Box::new(move |_| answers.next().map(|answer| (wait, answer)));
        self
    }

    /// Answers every question at once, as it wants to be answered.
    pub(crate) fn approves(mut self) -> Self {
        self.answerer = Box::new(|question| {
            let answer = match question.kind {
                QuestionKind::Data => data(),
                _ => Answer::Approve,
            };
            Some((0, answer))
        });
        self
    }

    /// `after` milliseconds from the start.
    pub(crate) fn action(mut self, after: u64, action: UserAction) -> Self {
        self.actions.push((START + after, action));
        self
    }

    pub(crate) fn stats(&mut self) -> Stats {
        self.server.advance(self.now);
        self.server.stats()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.reported
            .iter()
            .filter(|line| line.contains(what))
            .count()
    }

    pub(crate) fn asked(&self, endpoint: &str) -> usize {
        self.requests
            .iter()
            .filter(|line| line.split(' ').next() == Some(endpoint))
            .count()
    }

    pub(crate) fn run(&mut self, scenario: &str) -> Ended {
        self.run_with(scenario, Policy::default())
    }

    pub(crate) fn run_with(&mut self, scenario: &str, policy: Policy) -> Ended {
        let job = Job::goal("Write to the team.").with_input("scenario", scenario);
        self.run_job(&job, policy)
    }

    pub(crate) fn run_job(&mut self, job: &Job, policy: Policy) -> Ended {
        let now = Timestamp::from_millis(self.now);
        let task = Task::start(AgentHarness, job, policy, Seed([5; 32]), now).expect("a task");
        self.drive(task)
    }

    pub(crate) fn drive(&mut self, mut task: Task<AgentHarness>) -> Ended {
        (self.told_no, self.exchange_no, self.read_at) = (0, 0, None);
        self.left = 200_000;
        let ended = testing::drive(&mut task, self);
        self.hang_up();
        ended
    }

    /// What changes nothing changes neither the step nor the state.
    fn disturbed(&mut self, task: &mut Task<AgentHarness>, step: &Step) {
        let shared = self.shared.clone();
        // A snapshot costs more than a step.
        let saved = self.steps.is_multiple_of(5).then(|| task.snapshot());
        let now = Timestamp::from_millis(self.now);
        disturb(task, now);
        let again = task.next_step(now, &self.shared);
        let reported = &self.reported;
        assert_eq!(digest(step), digest(&again), "asked twice: {reported:#?}");
        assert_eq!(shared, self.shared, "asked twice, the budget is another");
        if let Some(saved) = saved {
            assert!(
                saved == task.snapshot(),
                "asked twice, the state is another"
            );
        }
    }

    /// No two reads of the run that no answer calls for are closer than a second.
    fn mind_floor(&mut self, request: &Request) {
        let target = request.target().as_str();
        if !self.strict
            || request.method() != "GET"
            || target.contains("/events")
            || self.delivering > 0
        {
            return;
        }
        if let Some(before) = self.read_at.replace(self.now) {
            assert!(
                self.now >= before + 1000,
                "reads at {before} and {}: {:#?}",
                self.now,
                self.reported
            );
        }
    }

    fn hang_up(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.server.close(stream.sim);
        }
    }

    /// Another process goes on.
    pub(crate) fn forget(&mut self) {
        self.answers.clear();
        // One may be under way.
        self.delivering = 1;
    }

    fn next_action(&self) -> u64 {
        let actions = self.actions.iter().map(|(at, _)| *at);
        let answers = self.answers.iter().map(|(at, ..)| *at);
        actions.chain(answers).min().unwrap_or(u64::MAX)
    }

    fn grant(&mut self, task: &mut Task<AgentHarness>) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.actions)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.actions = later;
        for (_, action) in due {
            let Some(id) = task.id().map(ToString::to_string) else {
                assert!(!matches!(action, UserAction::Dashboard(_)), "no task yet");
                self.actions.push((now + 1, action));
                continue;
            };
            match action {
                UserAction::Race(action) => {
                    let _ = self.server.dashboard(&id, action, now);
                }
                UserAction::Dashboard(action) => {
                    self.server
                        .dashboard(&id, action, now)
                        .expect("the dashboard");
                }
                UserAction::RevokeKey => {
                    let key = self.server.api_key().to_owned();
                    let key_id = key.split(':').next().expect("an id");
                    self.ask("DELETE", &format!("/v1/api-keys/{key_id}"));
                }
                UserAction::ResumeRun => self.ask("POST", &format!("/v1/runs/{id}/resume")),
            }
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.answers)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.answers = later;
        for (_, question, answer) in due {
            // Withdrawn meanwhile: nobody answers it any more.
            match task.answer(&question, answer, Timestamp::from_millis(now)) {
                Ok(()) => self.delivering += 1,
                Err(why) => self.reported.push(format!("late: {why}")),
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str) {
        let key = format!("Bearer {}", self.server.api_key());
        let request = taskward_sim::Request::new(method, path).header("authorization", &key);
        let reply = self.server.handle(request, self.now).into_reply();
        assert!(reply.status < 300, "{method} {path}: {}", reply.status);
    }

    fn hear(&mut self, task: &Task<AgentHarness>, event: &Event) -> Option<Ended> {
        match event {
            Event::Provider(event) => {
                let seq = event.seq.expect("a position").0;
                self.log.push(format!("{seq} {}", event.name));
            }
            Event::Created { replayed, .. } => {
                self.reported.push(format!("started replayed {replayed}"))
            }
            Event::Status(status) => self.reported.push(format!("status {status}")),
            Event::Retrying { failed, .. } => self.reported.push(format!("retrying {failed}")),
            Event::Question(question) => {
                let name = match question.seq {
                    Some(seq) => seq.to_string(),
                    None => "stand-in".to_owned(),
                };
                self.named.insert(question.id.clone(), name.clone());
                self.reported
                    .push(format!("question {name} {:?}", question.kind));
                match (self.answerer)(question) {
                    Some((wait, answer)) => {
                        self.answers
                            .push((self.now + wait, question.id.clone(), answer));
                    }
                    None => return Some(Ended::Left(name)),
                }
            }
            Event::Answered {
                question,
                how,
                detail,
            } => {
                self.delivering = self.delivering.saturating_sub(1);
                let detail = detail.as_deref().unwrap_or_default();
                let name = self.named.get(question).map_or("?", String::as_str);
                self.reported.push(
                    format!("answered {name} {how:?} {detail}")
                        .trim_end()
                        .to_owned(),
                );
                let open = task.questions().any(|open| open.id == *question);
                let stuck = matches!(how, Answered::Unknown | Answered::Refused) && open;
                return stuck.then(|| Ended::Left(format!("{how:?}")));
            }
            other => self.reported.push(format!("{other:?}")),
        }
        None
    }

    fn exchange(
        &mut self,
        task: &mut Task<AgentHarness>,
        id: ExchangeId,
        request: &Request,
        asleep: u64,
    ) {
        self.now += TRIP;
        let (method, target) = (request.method().as_str(), request.target().as_str());
        let (sim, json) = translate(request, self.server.api_key());
        let (endpoint, _) = Server::endpoint(&sim.head);
        let before = self.seen.entry(endpoint).or_default();
        let number = *before;
        *before += 1;
        let position = sim
            .head
            .headers
            .iter()
            .find(|(name, _)| name == "last-event-id");
        self.requests.push(match position {
            Some((_, position)) => format!("{endpoint} after {position}"),
            None => endpoint.to_owned(),
        });
        self.times.push(self.now);
        if method != "GET" {
            let key = request.headers().get("idempotency-key");
            let key = key.map_or("", |key| key.to_str().expect("text")).to_owned();
            self.writes
                .push((endpoint.to_owned(), key, request.digest()));
        }
        let fault = (self.faults)(endpoint, method, number);
        let now = self.now;
        let at = |trips: u64| Timestamp::from_millis(now + trips * TRIP);
        let failed = |stage, cause| ExchangeFailure::new(stage, cause, "injected");
        match &fault {
            Fault::Refuse => {
                return task.handle_failure(
                    id,
                    failed(ExchangeProgress::NotSent, Cause::Refused),
                    at(0),
                );
            }
            Fault::Reset => {
                return task.handle_failure(
                    id,
                    failed(ExchangeProgress::MaybeSent, Cause::Reset),
                    at(1),
                );
            }
            Fault::Status(code) => {
                let code = StatusCode::from_u16(*code).expect("code");
                return task.handle_response(
                    id,
                    Response::new(code, r#"{"error":"injected"}"#),
                    at(1),
                );
            }
            Fault::Html => {
                let mut page = Response::new(StatusCode::OK, "<!doctype html>");
                let html = "text/html".parse().expect("value");
                page.head.headers.insert("content-type", html);
                return task.handle_response(id, page, at(1));
            }
            Fault::Preempted(action) => {
                let run = task.id().expect("a run").to_string();
                self.server
                    .dashboard(&run, action.clone(), self.now)
                    .expect("the dashboard");
                let lost = failed(ExchangeProgress::MaybeSent, Cause::Reset);
                return task.handle_failure(id, lost, at(1));
            }
            Fault::Overtaken => {
                let run = task.id().expect("a run").to_string();
                let approve = DashboardAction::Approve;
                self.server
                    .dashboard(&run, approve, self.now)
                    .expect("the dashboard");
            }
            Fault::Hint(code, wait) => {
                let code = StatusCode::from_u16(*code).expect("code");
                let mut reply = Response::new(code, r#"{"error":"injected"}"#);
                let value = wait.parse().expect("value");
                reply.head.headers.insert("retry-after", value);
                return task.handle_response(id, reply, at(1));
            }
            Fault::Abandoned => {
                if let taskward_sim::Answer::Stream { id: sim, .. } = self.server.handle(sim, now) {
                    self.server.close(sim);
                }
                return task.handle_failure(id, ExchangeFailure::abandoned(), at(0));
            }
            Fault::Redirect => {
                let head = Box::new(Head::new(StatusCode::FOUND));
                let refused = failed(ExchangeProgress::Answered(head), Cause::Redirect);
                return task.handle_failure(id, refused, at(1));
            }
            Fault::None | Fault::Lost(_) | Fault::Cut(_) | Fault::Late(_) => {}
        }
        let answer = self.server.handle(sim, self.now);
        self.now += TRIP + asleep;
        if let Fault::Late(wait) = fault {
            self.now += wait;
        }
        let now = Timestamp::from_millis(self.now);
        let reply = match answer {
            taskward_sim::Answer::Stream { head, id: sim } => {
                assert_eq!(request.headers()["accept"], "text/event-stream");
                assert!(self.stream.is_none(), "one stream at a time");
                if let Fault::Lost(cut) = fault
                    && cut < HEAD_LEN
                {
                    self.server.close(sim);
                    return task.handle_failure(
                        id,
                        failed(ExchangeProgress::MaybeSent, Cause::Reset),
                        now,
                    );
                }
                let budget = match fault {
                    Fault::Cut(bytes) => bytes,
                    Fault::Lost(cut) => cut - HEAD_LEN,
                    _ => usize::MAX,
                };
                self.stream = Some(Stream {
                    exchange: id,
                    sim,
                    ready: VecDeque::new(),
                    budget,
                });
                let mut opened = Head::new(StatusCode::from_u16(head.status).expect("status"));
                opened
                    .headers
                    .insert("content-type", "text/event-stream".parse().expect("value"));
                return task.handle_head(id, opened, now);
            }
            taskward_sim::Answer::Whole(reply) => reply,
            later => unreachable!("{later:?}"),
        };
        let value: serde_json::Value =
            serde_json::from_slice(&reply.body).unwrap_or_else(|_| serde_json::json!({}));
        // An empty acceptance, and a code that is a switch of the simulator, are deliberate deviations.
        let documented = !reply.body.is_empty() && endpoint != "unknown";
        let judged = documented.then_some((reply.status, &value));
        if self.judged && !self.deviates(endpoint, reply.status) {
            Spec::judge("agent-harness").check((method, target), json.as_ref(), judged);
        }
        let mut response = Response::new(
            StatusCode::from_u16(reply.status).expect("status"),
            reply.body.clone(),
        );
        let json = "application/json".parse().expect("value");
        response.head.headers.insert("content-type", json);
        if let Some(rewrite) = &mut self.rewrite {
            response = rewrite(endpoint, number, response);
        }
        if endpoint == "create_run" {
            self.start_reply_len = HEAD_LEN + response.body.len();
        }
        match fault {
            Fault::Lost(cut) => cut_reply(task, id, response, cut, now),
            _ => task.handle_response(id, response, now),
        }
    }

    /// Replies that the switches make other than the specification has them.
    fn deviates(&self, endpoint: &str, status: u16) -> bool {
        matches!(
            (endpoint, status),
            ("events" | "stream", 404 | 405 | 406 | 501) | ("events", 400)
        )
    }

    fn read_stream(&mut self, task: &mut Task<AgentHarness>, until: u64) {
        let Some(stream) = &mut self.stream else {
            panic!("a stream that nobody holds");
        };
        let at = Timestamp::from_millis(self.now);
        if stream.ready.is_empty() && stream.budget > 0 {
            match self.server.pull(stream.sim, self.now) {
                Pulled::Frames(frames) => {
                    for frame in frames {
                        let text = String::from_utf8(frame.bytes).expect("text");
                        let mut text = (self.mangle)(text).unwrap_or_default();
                        if let Some(frames) = &mut self.frames {
                            text = frames(text);
                        }
                        stream.ready.extend(text.into_bytes());
                    }
                }
                Pulled::Pending => {
                    let next = self.server.next_change().unwrap_or(u64::MAX).min(until);
                    self.now = next.max(self.now + 1).min(until.max(self.now + 1));
                    self.server.advance(self.now);
                    return;
                }
                Pulled::End => {
                    let id = stream.exchange;
                    self.hang_up();
                    return task.handle_end(id, at);
                }
            }
        }
        if stream.ready.is_empty() && stream.budget > 0 {
            // All of it was lost on its way.
            return;
        }
        let id = stream.exchange;
        let take = stream.ready.len().min(self.chunk).min(stream.budget);
        if take == 0 {
            // Cut: by a reset or a clean end, in turn.
            let clean = self.stream_bytes.is_multiple_of(2);
            self.hang_up();
            if clean {
                return task.handle_end(id, at);
            }
            let head = Box::new(Head::new(StatusCode::OK));
            let cut =
                ExchangeFailure::new(ExchangeProgress::Answered(head), Cause::Truncated, "cut");
            return task.handle_failure(id, cut, at);
        }
        stream.budget -= take;
        self.stream_bytes += take;
        let bytes: Vec<u8> = stream.ready.drain(..take).collect();
        task.handle_chunk(id, Bytes::from(bytes), at);
    }
}

impl TestWorld<AgentHarness> for World {
    type Stop = Ended;

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<AgentHarness>) -> Result<(), Ended> {
        self.left -= 1;
        assert!(self.left > 0, "too many steps: {:#?}", self.reported);
        self.grant(task);
        self.steps += 1;
        if self.kill_after == Some(self.steps) {
            if self.keeps_last {
                task.next_step(Timestamp::from_millis(self.now), &self.shared);
                self.saved.push(task.snapshot());
            }
            return Err(Ended::Killed);
        }
        Ok(())
    }

    fn planned(&mut self, task: &mut Task<AgentHarness>, step: &Step) -> Result<bool, Ended> {
        if self.strict {
            self.disturbed(task, step);
        }
        if let Step::Event { no, .. } = step {
            assert!(no.0 > self.told_no, "event {no:?} after {}", self.told_no);
            self.told_no = no.0;
        }
        self.asleep_now = match self.asleep {
            Some((step, long)) if step == self.steps => long,
            _ => 0,
        };
        self.path.push((digest(step), self.now));
        Ok(true)
    }

    fn save(&mut self, task: &Task<AgentHarness>) -> Result<bool, Ended> {
        self.saved.push(task.snapshot());
        Ok(true)
    }

    fn send(
        &mut self,
        task: &mut Task<AgentHarness>,
        Outgoing { id, request, .. }: Outgoing<'_>,
    ) -> Result<(), Ended> {
        assert!(id.0 > self.exchange_no, "exchange {id:?} again");
        self.exchange_no = id.0;
        self.mind_floor(request);
        self.exchange(task, id, request, self.asleep_now);
        Ok(())
    }

    fn close(&mut self, _: &mut Task<AgentHarness>, _: ExchangeId) -> Result<bool, Ended> {
        self.hang_up();
        Ok(true)
    }

    fn pause(&mut self, task: &mut Task<AgentHarness>, pause: Pause) -> Result<(), Ended> {
        if pause.stream.is_some() && self.asleep_now > 0 {
            self.now += self.asleep_now;
            self.server.advance(self.now);
            return Ok(());
        }
        let until = pause.until.as_millis().min(self.next_action());
        assert!(
            until - START < 100 * 3_600_000,
            "the watch does not end: {:#?}",
            self.reported
        );
        if pause.stream.is_some() {
            self.read_stream(task, until);
        } else {
            assert!(until > self.now, "a wait that is over");
            self.now = until + self.asleep_now;
        }
        Ok(())
    }

    fn deliver(&mut self, _id: EventId, event: &Event) -> Result<(), Ended> {
        if matches!(event, Event::Provider(_)) {
            self.now += self.busy;
        }
        Ok(())
    }

    fn react(&mut self, task: &mut Task<AgentHarness>, event: &Event) -> Result<(), Ended> {
        self.hear(task, event).map_or(Ok(()), Err)
    }

    fn done(&mut self, task: &mut Task<AgentHarness>) -> Ended {
        if self.strict {
            self.disturbed(task, &Step::Done);
        }
        Ended::Outcome(describe(task.outcome().expect("it is over")))
    }
}

/// Reports and wishes that change nothing: of exchanges that nobody made, and of what this platform has not.
fn disturb(task: &mut Task<AgentHarness>, now: Timestamp) {
    for id in [ExchangeId(0), ExchangeId(u64::MAX)] {
        task.sent(id);
        task.handle_head(id, Head::new(StatusCode::OK), now);
        task.handle_chunk(id, Bytes::from_static(b"data: {}\n\n"), now);
        task.handle_end(id, now);
        task.handle_failure(id, ExchangeFailure::abandoned(), now);
        task.handle_response(id, Response::new(StatusCode::UNAUTHORIZED, ""), now);
        task.closed(id);
    }
    task.taken(taskward_core::EventNo(u64::MAX));
    assert!(task.cancel(now).is_err());
    assert!(task.send_message("hello".to_owned(), now).is_err());
    let unknown = QuestionId::new("nobody asked this");
    assert!(task.answer(&unknown, Answer::Approve, now).is_err());
}

/// Returns what a step is, but for what an event has in it.
fn digest(step: &Step) -> String {
    match step {
        Step::Event { no, .. } => format!("event {no:?}"),
        Step::Send { id, request, .. } | Step::Open { id, request, .. } => {
            format!("send {id:?} {} {}", request.method(), request.target())
        }
        Step::Done => "done".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What a driver sees of a reply that is cut after `cut` bytes: no head, or a head and too little body, which the wire
/// notices when a length was promised and not when the body ends with the connection.
fn cut_reply(
    task: &mut Task<AgentHarness>,
    id: ExchangeId,
    reply: Response,
    cut: usize,
    now: Timestamp,
) {
    if cut < HEAD_LEN {
        return task.handle_failure(
            id,
            ExchangeFailure::new(ExchangeProgress::MaybeSent, Cause::Reset, "cut"),
            now,
        );
    }
    let kept = (cut - HEAD_LEN).min(reply.body.len());
    if cut.is_multiple_of(2) && kept < reply.body.len() {
        let stage = ExchangeProgress::Answered(Box::new(reply.head));
        return task.handle_failure(
            id,
            ExchangeFailure::new(stage, Cause::Truncated, "cut"),
            now,
        );
    }
    let body = reply.body.slice(..kept);
    task.handle_response(
        id,
        Response {
            head: reply.head,
            body,
        },
        now,
    );
}

fn translate(request: &Request, key: &str) -> (taskward_sim::Request, Option<serde_json::Value>) {
    let mut sim = taskward_sim::Request::new(request.method().as_str(), request.target().as_str())
        .header("authorization", &format!("Bearer {key}"));
    for name in ["idempotency-key", "last-event-id", "accept"] {
        if let Some(value) = request.headers().get(name) {
            sim = sim.header(name, value.to_str().expect("text"));
        }
    }
    let mut bytes = Vec::new();
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(part) => bytes.extend_from_slice(part),
            Segment::Source(source) => panic!("no files here: {source:?}"),
        }
    }
    if bytes.is_empty() {
        return (sim, None);
    }
    let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    (sim.json(&value), Some(value))
}

fn describe(outcome: &Outcome<agent_harness::Answer>) -> String {
    match outcome {
        Outcome::Succeeded { output, .. } => format!(
            "succeeded{} {}",
            if output.is_confirmed() {
                ""
            } else {
                " unconfirmed"
            },
            output.raw()["status"].as_str().unwrap_or("?")
        ),
        Outcome::Stopped {
            by, failure: fault, ..
        } => format!(
            "stopped by {by:?} {}",
            fault.reason.as_deref().unwrap_or_default()
        )
        .trim_end()
        .to_owned(),
        Outcome::Failed { failure: fault, .. } => {
            format!("failed {}", fault.reason.as_deref().unwrap_or_default())
                .trim_end()
                .to_owned()
        }
        other => other.code().to_owned(),
    }
}
