//! The real provider against the simulated platform, in virtual time: hours pass in milliseconds.

use http::StatusCode;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Answer, Answered, Cause, Event, ExchangeFailure, ExchangeId, ExchangeProgress, Head,
    OriginBudget, Outcome, Policy, Question, Request, Response, Seed, Segment, Snapshot, Step,
    Task, Timestamp,
};
use taskward_providers::nanonets::{self, Job, Nanonets};
use taskward_sim::multipart::{Multipart, boundary};
use taskward_sim::nanonets::{DashboardAction, Server, Stats};
use taskward_sim::{Fault, FaultRule, Faults};

use crate::scenarios::scenario_of;
use crate::spec::Spec;

/// When the simulated time begins: 2026-05-12T10:15:00Z.
pub(crate) const START: u64 = 1_778_580_900_000;
/// One way through the network.
const TRIP: u64 = 10;

type Answerer = Box<dyn FnMut(&Question) -> Option<Answer>>;
/// What becomes of a reply on its way: endpoint, time and reply.
pub(crate) type Rewrite = Box<dyn FnMut(&str, u64, Response) -> Response>;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) now: u64,
    pub(crate) faults: Faults,
    /// Cuts the reply to the start after this many bytes, head included.
    pub(crate) cut_start: Option<usize>,
    pub(crate) answerer: Answerer,
    pub(crate) actions: Vec<(u64, UserAction)>,
    pub(crate) snapshots: Vec<(String, Snapshot)>,
    pub(crate) saved: Vec<Snapshot>,
    pub(crate) kill_after: Option<usize>,
    pub(crate) events: Vec<String>,
    pub(crate) requests: Vec<String>,
    pub(crate) start_reply_len: usize,
    pub(crate) rewrite: Rewrite,
    /// At this step the clock is found to have moved on by so much, as after a suspended machine or a late timer.
    pub(crate) asleep: Option<(usize, u64)>,
    /// The content type and the body of each write, beside its line in `requests`.
    pub(crate) writes: Vec<(String, String, Vec<u8>)>,
    /// When each request left, beside `requests`.
    pub(crate) times: Vec<u64>,
    shared: OriginBudget,
    /// How many steps may still be done.
    left: usize,
    /// How much the clock moves on at this step.
    asleep_now: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum UserAction {
    Cancel,
    Dashboard(DashboardAction),
    /// The same, if it can be done.
    Race(DashboardAction),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    Outcome(String),
    Left(String),
    Killed,
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
            faults: Faults::new(7, Vec::new()),
            cut_start: None,
            answerer: Box::new(|_| None),
            actions: Vec::new(),
            snapshots: Vec::new(),
            saved: Vec::new(),
            kill_after: None,
            events: Vec::new(),
            requests: Vec::new(),
            start_reply_len: 0,
            rewrite: Box::new(|_, _, reply| reply),
            asleep: None,
            writes: Vec::new(),
            times: Vec::new(),
            shared: OriginBudget::new(),
            left: 0,
            asleep_now: 0,
        }
    }

    pub(crate) fn faults(mut self, seed: u64, rules: Vec<FaultRule>) -> Self {
        self.faults = Faults::new(seed, rules);
        self
    }

    pub(crate) fn answers(mut self, texts: &'static [&'static str]) -> Self {
        let mut texts = texts.iter();
        self.answerer = Box::new(move |_| texts.next().map(|text| Answer::text(*text)));
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

    pub(crate) fn agent(&self, name: &str) -> String {
        self.server.agent(name).expect("an agent")
    }

    pub(crate) fn run(&mut self, agent: &str, query: &str) -> Ended {
        let job = Job::agent(self.agent(agent)).query(query);
        self.run_job(&job, Policy::default())
    }

    pub(crate) fn run_job(&mut self, job: &Job, policy: Policy) -> Ended {
        let now = Timestamp::from_millis(self.now);
        let task = Task::start(Nanonets, job, policy, Seed([5; 32]), now).expect("a task");
        self.drive(task)
    }

    pub(crate) fn drive(&mut self, mut task: Task<Nanonets>) -> Ended {
        self.left = 100_000;
        testing::drive(&mut task, self)
    }

    fn grant(&mut self, task: &mut Task<Nanonets>) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.actions)
            .into_iter()
            .partition(|(at, _)| *at <= self.now);
        self.actions = later;
        for (_, action) in due {
            match action {
                UserAction::Cancel => task
                    .cancel(Timestamp::from_millis(self.now))
                    .expect("cancel"),
                UserAction::Race(action) => {
                    if let Some(id) = task.id() {
                        let _ = self.server.dashboard(id.as_str(), action, self.now);
                    }
                }
                UserAction::Dashboard(action) => {
                    let id = task.id().expect("a task").to_string();
                    self.server
                        .dashboard(&id, action, self.now)
                        .expect("the dashboard");
                }
            }
        }
    }

    fn hear(&mut self, task: &mut Task<Nanonets>, event: &Event) -> Option<Ended> {
        match event {
            Event::Created { status, .. } => {
                self.events.push(format!(
                    "started {}",
                    status.as_ref().map_or("?", |status| status.as_str())
                ));
            }
            Event::Status(status) => self.events.push(status.to_string()),
            Event::Paused(_) => self.events.push("paused".into()),
            Event::Retrying { .. } => {}
            Event::Question(question) => {
                self.events.push(format!("question {:?}", question.text));
                return match (self.answerer)(question) {
                    Some(answer) => {
                        task.answer(&question.id, answer, Timestamp::from_millis(self.now))
                            .expect("open");
                        None
                    }
                    None => Some(Ended::Left(question.text.clone())),
                };
            }
            Event::Answered { question, how, .. } => {
                self.events.push(format!("answered {how:?}"));
                let open = task.questions().any(|open| open.id == *question);
                return (*how == Answered::Unknown && open)
                    .then(|| Ended::Left("answer unknown".into()));
            }
            other => self.events.push(format!("{other:?}")),
        }
        None
    }

    fn exchange(
        &mut self,
        task: &mut Task<Nanonets>,
        id: ExchangeId,
        request: &Request,
        asleep: u64,
    ) {
        self.now += TRIP;
        self.times.push(self.now);
        let (method, target) = (request.method().as_str(), request.target().as_str());
        self.requests
            .push(format!("{method} {}", anonymous(target)));
        let (sim, json, body) = translate(request, self.server.api_key());
        if method != "GET" {
            let media = request.headers().get("content-type");
            let media = media.map_or("", |media| media.to_str().expect("text"));
            self.writes
                .push((anonymous(target), media.to_owned(), body));
        }
        let (endpoint, _) = Server::endpoint(&sim.head);
        let fault = self
            .faults
            .decide(endpoint, method, request.target().path());
        let failed = |cause| ExchangeFailure::new(ExchangeProgress::MaybeSent, cause, "injected");
        let now = self.now;
        let at = |trips: u64| Timestamp::from_millis(now + trips * TRIP);
        match &fault {
            Some(Fault::Refuse { .. }) => {
                return task.handle_failure(
                    id,
                    ExchangeFailure::new(ExchangeProgress::NotSent, Cause::Refused, "injected"),
                    at(0),
                );
            }
            Some(Fault::Reset { after_bytes: None } | Fault::CloseBeforeHead) => {
                return task.handle_failure(id, failed(Cause::Reset), at(1));
            }
            Some(Fault::Status {
                code, retry_after, ..
            }) => {
                let mut reply = Response::new(
                    StatusCode::from_u16(*code).expect("code"),
                    r#"{"error":"injected"}"#,
                );
                if let Some(after) = retry_after {
                    let after = after.parse().expect("a value");
                    reply.head.headers.insert("retry-after", after);
                }
                return task.handle_response(id, reply, at(1));
            }
            _ => {}
        }
        let reply = self.server.handle(sim, self.now);
        let value = value_of(&reply.body);
        // An empty acceptance is a deliberate deviation from the specification.
        let judged = (!reply.body.is_empty()).then_some((reply.status, &value));
        Spec::judge("nanonets").check((method, target), json.as_ref(), judged);
        self.now += TRIP + asleep;
        let mut response = Response::new(
            StatusCode::from_u16(reply.status).expect("status"),
            reply.body.clone(),
        );
        response
            .head
            .headers
            .insert("content-type", "application/json".parse().expect("value"));
        let mut response = (self.rewrite)(endpoint, self.now, response);
        let body = response.body.clone();
        match fault {
            Some(Fault::LostReplyAfterApply { .. }) => {
                return task.handle_failure(id, failed(Cause::Reset), at(0));
            }
            Some(Fault::Html200) => response.body = "<!doctype html>".into(),
            Some(Fault::TruncatedJson) => response.body = body.slice(..body.len() / 2),
            _ => {}
        }
        if endpoint == "run" {
            self.start_reply_len = HEAD_LEN + body.len();
            if let Some(cut) = self.cut_start {
                return cut_reply(task, id, response, cut, at(0));
            }
        }
        task.handle_response(id, response, at(0));
    }
}

impl TestWorld<Nanonets> for World {
    type Stop = Ended;

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<Nanonets>) -> Result<(), Ended> {
        self.left -= 1;
        assert!(self.left > 0, "too many steps");
        self.grant(task);
        Ok(())
    }

    fn planned(&mut self, task: &mut Task<Nanonets>, step: &Step) -> Result<bool, Ended> {
        let name: String = format!("{step:?}")
            .chars()
            .take_while(|c| c.is_alphanumeric())
            .collect();
        self.snapshots.push((name, task.snapshot()));
        if self.kill_after == Some(self.snapshots.len()) {
            return Err(Ended::Killed);
        }
        self.asleep_now = match self.asleep {
            Some((step, long)) if step == self.snapshots.len() => long,
            _ => 0,
        };
        Ok(true)
    }

    fn save(&mut self, task: &Task<Nanonets>) -> Result<bool, Ended> {
        self.saved.push(task.snapshot());
        Ok(true)
    }

    fn send(&mut self, task: &mut Task<Nanonets>, exchange: Outgoing<'_>) -> Result<(), Ended> {
        assert!(!exchange.opens_stream, "there is no stream");
        self.exchange(task, exchange.id, exchange.request, self.asleep_now);
        Ok(())
    }

    fn pause(&mut self, _: &mut Task<Nanonets>, pause: Pause) -> Result<(), Ended> {
        assert_eq!(pause.stream, None, "there is no stream");
        let action = self.actions.iter().map(|(at, _)| *at).min();
        let until = pause.until.as_millis().min(action.unwrap_or(u64::MAX));
        assert!(
            until > self.now && until - START < 100 * 3_600_000,
            "the watch does not end"
        );
        self.now = until + self.asleep_now;
        Ok(())
    }

    fn react(&mut self, task: &mut Task<Nanonets>, event: &Event) -> Result<(), Ended> {
        self.hear(task, event).map_or(Ok(()), Err)
    }

    fn done(&mut self, task: &mut Task<Nanonets>) -> Ended {
        Ended::Outcome(describe(task.outcome().expect("it is over")))
    }
}

/// A head of about this length precedes each reply.
const HEAD_LEN: usize = 120;

/// What a driver sees of a reply that is cut after `cut` bytes: no head, or a head and too little body, which the wire
/// notices when a length was promised and not when the body ends with the connection.
fn cut_reply(
    task: &mut Task<Nanonets>,
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
        let head: Head = reply.head;
        return task.handle_failure(
            id,
            ExchangeFailure::new(
                ExchangeProgress::Answered(Box::new(head)),
                Cause::Truncated,
                "cut",
            ),
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

fn anonymous(target: &str) -> String {
    let is_id = |segment: &str| segment.len() == 36 && segment.contains('-');
    target
        .split('/')
        .map(|segment| if is_id(segment) { "ID" } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

/// Returns the request as the simulator takes it, its body as JSON where it is that, and as it is.
fn translate(
    request: &Request,
    key: &str,
) -> (taskward_sim::Request, Option<serde_json::Value>, Vec<u8>) {
    let mut sim = taskward_sim::Request::new(request.method().as_str(), request.target().as_str())
        .header("authorization", &format!("Bearer {key}"));
    let mut bytes = Vec::new();
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(part) => bytes.extend_from_slice(part),
            Segment::Source(source) => panic!("no files here: {source:?}"),
        }
    }
    let media = request
        .headers()
        .get("content-type")
        .map(|value| value.to_str().expect("text").to_owned());
    match media {
        None => (sim, None, bytes),
        Some(media) if media.starts_with("multipart/") => {
            let mut parser = Multipart::new(&boundary(&media).expect("a boundary"), None);
            parser.push(&bytes).expect("a form");
            sim = sim
                .header("content-type", &media)
                .form(parser.finish().expect("a whole form"));
            (sim, None, bytes)
        }
        Some(_) => {
            let value = value_of(&bytes);
            (sim.json(&value), Some(value), bytes)
        }
    }
}

fn describe(outcome: &Outcome<nanonets::Answer>) -> String {
    use taskward_core::Output as _;
    match outcome {
        Outcome::Succeeded { output, .. } => {
            format!("succeeded {}", output.text().unwrap_or_default())
        }
        Outcome::Stopped { by, .. } => format!("stopped by {by:?}"),
        Outcome::Failed { failure: fault, .. } => format!("failed {:?}", fault.message),
        other => other.code().to_owned(),
    }
}

/// Returns a reply's body as a value; `{}` stands for none.
fn value_of(body: &[u8]) -> serde_json::Value {
    serde_json::from_slice(body).unwrap_or_else(|_| serde_json::json!({}))
}
