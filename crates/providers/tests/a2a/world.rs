//! The real provider against the simulated platform, in virtual time: whole traces.

use std::collections::VecDeque;

use http::StatusCode;
use serde_json::Value;
use taskward_core::testing::{self, Outgoing, Pause, TestWorld};
use taskward_core::{
    Answer, Answered, Cause, Event, ExchangeFailure, ExchangeId, ExchangeProgress, Head,
    OriginBudget, Outcome, Output as _, Policy, Question, QuestionId, Request, Response, Seed,
    Segment, Snapshot, Task, Timestamp,
};
use taskward_providers::a2a::types::AgentCard;
use taskward_providers::a2a::{self, A2a, Binding, CardUrl, Job};
use taskward_sim::a2a::{DashboardAction, Server, Stats};
use taskward_sim::{Pulled, Scenario, SimBody, StreamId};

/// When the simulated time begins: 2026-05-12T10:15:00Z.
pub(crate) const START: u64 = 1_778_580_900_000;
/// One way through the network, in milliseconds.
const TRIP: u64 = 10;
/// A head of about this length precedes each reply.
pub(crate) const HEAD_LEN: usize = 120;

/// What the wire does to an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Never sent.
    Refuse,
    /// Never received, though nobody can tell.
    Reset,
    /// Received; the reply is cut after so many bytes, head included. Of a stream, so many bytes arrive.
    Lost(usize),
    /// Answered by something in front of the server.
    Status(u16),
}

/// What somebody does at a moment.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Cancel,
    Say(&'static str),
    Elsewhere(DashboardAction),
    Restart,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    Over(String),
    /// A question that nobody answers.
    Asked,
    Killed,
    /// The time is up.
    Late,
}

type Faults = Box<dyn FnMut(&str, usize) -> Fault>;
type Rewrite = Box<dyn FnMut(&str, usize, Response) -> Response>;

struct Stream {
    exchange: ExchangeId,
    sim: StreamId,
    ready: VecDeque<u8>,
    budget: usize,
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) agent: A2a,
    pub(crate) now: u64,
    pub(crate) trace: Vec<String>,
    pub(crate) saved: Vec<Snapshot>,
    /// Operation, and how many requests of that operation came before.
    pub(crate) faults: Faults,
    /// What becomes of a whole reply on its way.
    pub(crate) rewrite: Option<Rewrite>,
    pub(crate) answers: VecDeque<(u64, Answer)>,
    pub(crate) acts: Vec<(u64, Act)>,
    pub(crate) questions: Vec<Question>,
    /// Killed when it is about to do this step.
    pub(crate) kill_after: Option<usize>,
    pub(crate) steps: usize,
    /// When nobody follows any more.
    pub(crate) until: u64,
    /// How long the start's reply was, with its head.
    pub(crate) start_len: usize,
    due: Vec<(u64, QuestionId, Answer)>,
    seen: std::collections::BTreeMap<&'static str, usize>,
    shared: OriginBudget,
    stream: Option<Stream>,
    left: usize,
}

/// Returns the simulated platform with these switches, and its agent as the card describes it.
fn found(scenario: &str, binding: Binding) -> (Server, A2a) {
    let scenario = Scenario::parse(scenario).expect("a scenario");
    let mut server = Server::new(7, &scenario, START);
    let target = "/agents/script/.well-known/agent-card.json?assistant_id=script";
    let url = CardUrl::parse(&format!("http://127.0.0.1:1{target}")).expect("a URL");
    let card = taskward_sim::Request::new("GET", target).header("host", "127.0.0.1:1");
    let card = server.handle(card, START).into_reply().body;
    let card: AgentCard = serde_json::from_slice(&card).expect("a card");
    let agent = A2a::from_card(&card, &url, Some(binding)).expect("an interface");
    (server, agent.agent)
}

impl World {
    /// Sets up the platform with what `[a2a]` of a scenario file says.
    pub(crate) fn new(switches: &str, binding: Binding) -> Self {
        let (server, agent) = found(&format!("[a2a]\n{switches}"), binding);
        Self {
            server,
            agent,
            now: START,
            trace: Vec::new(),
            saved: Vec::new(),
            faults: Box::new(|_, _| Fault::None),
            rewrite: None,
            answers: VecDeque::new(),
            acts: Vec::new(),
            questions: Vec::new(),
            kill_after: None,
            steps: 0,
            until: START + 100 * 3_600_000,
            start_len: 0,
            due: Vec::new(),
            seen: std::collections::BTreeMap::new(),
            shared: OriginBudget::new(),
            stream: None,
            left: 0,
        }
    }

    pub(crate) fn faults(mut self, faults: impl FnMut(&str, usize) -> Fault + 'static) -> Self {
        self.faults = Box::new(faults);
        self
    }

    pub(crate) fn rewrite(
        mut self,
        rewrite: impl FnMut(&str, usize, Response) -> Response + 'static,
    ) -> Self {
        self.rewrite = Some(Box::new(rewrite));
        self
    }

    /// Answers the questions so, each after so many milliseconds.
    pub(crate) fn answers(mut self, answers: &[(u64, &str)]) -> Self {
        let answers = answers.iter();
        self.answers = answers
            .map(|(wait, text)| {
                let answer = match serde_json::from_str::<serde_json::Map<_, _>>(text) {
                    Ok(data) => Answer::Input(data),
                    Err(_) => Answer::text(*text),
                };
                (*wait, answer)
            })
            .collect();
        self
    }

    /// So many milliseconds from the beginning.
    pub(crate) fn act(mut self, after: u64, act: Act) -> Self {
        self.acts.push((START + after, act));
        self
    }

    /// The agent does not stream, whatever its card says.
    pub(crate) fn unstreamed(mut self) -> Self {
        self.agent = self.agent.with_streaming(false);
        self
    }

    pub(crate) fn stats(&mut self) -> Stats {
        self.server.advance(self.now);
        self.server.stats()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.trace.iter().filter(|other| *other == line).count()
    }

    /// The trace, with what repeats on one line.
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for line in &self.trace {
            match lines.last_mut() {
                Some((last, times)) if last == line => *times += 1,
                _ => lines.push((line.clone(), 1)),
            }
        }
        let lines = lines.into_iter().map(|(line, times)| match times {
            1 => line,
            _ => format!("{line} x{times}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn run(&mut self, script: &str) -> Ended {
        self.run_with(&Job::text(script), Policy::default())
    }

    pub(crate) fn run_with(&mut self, job: &Job, policy: Policy) -> Ended {
        let now = Timestamp::from_millis(self.now);
        let agent = self.agent.clone();
        let task = Task::start(agent, job, policy, Seed([5; 32]), now).expect("a task");
        self.drive(task)
    }

    /// Another process goes on with what was stored last.
    pub(crate) fn resume(&mut self) -> Ended {
        let saved = self.saved.last().expect("a state").clone();
        let text = serde_json::to_string(&saved).expect("JSON");
        let saved: Snapshot = serde_json::from_str(&text).expect("a state");
        self.due.clear();
        self.kill_after = None;
        let now = Timestamp::from_millis(self.now);
        let agent = saved.provider_value::<A2a>().expect("an agent");
        let task = Task::resume(agent, saved, now).expect("a task");
        self.trace.push("resumed".to_owned());
        self.drive(task)
    }

    pub(crate) fn drive(&mut self, mut task: Task<A2a>) -> Ended {
        self.left = 100_000;
        let ended = testing::drive(&mut task, self);
        self.hang_up();
        if let Ended::Over(how) = &ended {
            self.trace.push(how.clone());
        }
        ended
    }

    fn hang_up(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.server.close(stream.sim);
        }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn next_act(&self) -> u64 {
        let acts = self.acts.iter().map(|(at, _)| *at);
        let answers = self.due.iter().map(|(at, ..)| *at);
        acts.chain(answers).min().unwrap_or(u64::MAX)
    }

    fn do_acts(&mut self, task: &mut Task<A2a>) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.acts)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.acts = later;
        for (_, act) in due {
            match act {
                Act::Cancel => task.cancel(self.at()).expect("it can be cancelled"),
                Act::Say(text) => {
                    task.send_message(text.to_owned(), self.at())
                        .expect("it takes messages");
                }
                Act::Elsewhere(action) => {
                    let id = task.id().expect("a task").to_string();
                    self.server.dashboard(&id, action, now).expect("it does");
                }
                Act::Restart => {
                    self.server.restart(now);
                }
            }
        }
        let (due, later) = std::mem::take(&mut self.due)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, ..)| *at <= now);
        self.due = later;
        for (_, question, answer) in due {
            if task.answer(&question, answer, self.at()).is_err() {
                self.trace.push("too late to answer".to_owned());
            }
        }
    }

    fn exchange(&mut self, task: &mut Task<A2a>, id: ExchangeId, request: &Request, head: u64) {
        self.now += TRIP;
        let sent = translate(request, self.server.api_key());
        let (mut operation, _) = Server::endpoint(&sent.head);
        if let ("rpc", SimBody::Bytes(body)) = (operation, &sent.body) {
            (operation, _) = Server::operation(body);
        }
        let before = self.seen.entry(operation).or_default();
        let number = *before;
        *before += 1;
        self.trace.push(operation.to_owned());
        let lost = || ExchangeFailure::new(ExchangeProgress::MaybeSent, Cause::Reset, "injected");
        let fault = (self.faults)(operation, number);
        match fault {
            Fault::Refuse => {
                let refused = ExchangeProgress::NotSent;
                let failure = ExchangeFailure::new(refused, Cause::Refused, "injected");
                return task.handle_failure(id, failure, self.at());
            }
            Fault::Reset => return task.handle_failure(id, lost(), self.at()),
            Fault::Status(code) => {
                let code = StatusCode::from_u16(code).expect("a code");
                let reply = Response::new(code, "away");
                return task.handle_response(id, reply, self.at());
            }
            Fault::None | Fault::Lost(_) => {}
        }
        let answer = match self.server.admit(&sent.head) {
            Ok(()) => self.server.handle(sent, self.now),
            Err(refused) => taskward_sim::Answer::Whole(refused),
        };
        self.now += TRIP;
        let reply = match answer {
            taskward_sim::Answer::Whole(reply) => reply,
            taskward_sim::Answer::Later { id: sim } => match self.wait_for(task, sim, head) {
                Some(reply) => reply,
                None => return task.handle_failure(id, lost(), self.at()),
            },
            taskward_sim::Answer::Stream { id: sim, .. } => {
                assert_eq!(request.headers()["accept"], "text/event-stream");
                assert!(self.stream.is_none(), "one stream at a time");
                let budget = match fault {
                    Fault::Lost(cut) if cut < HEAD_LEN => {
                        self.server.close(sim);
                        return task.handle_failure(id, lost(), self.at());
                    }
                    Fault::Lost(cut) => cut - HEAD_LEN,
                    _ => usize::MAX,
                };
                let ready = VecDeque::new();
                self.stream = Some(Stream {
                    exchange: id,
                    sim,
                    ready,
                    budget,
                });
                let mut head = Head::new(StatusCode::OK);
                let kind = "text/event-stream".parse().expect("a value");
                head.headers.insert("content-type", kind);
                return task.handle_head(id, head, self.at());
            }
        };
        let status = StatusCode::from_u16(reply.status).expect("a status");
        let mut response = Response::new(status, reply.body.clone());
        for (name, value) in reply.headers {
            let value = value.parse().expect("a value");
            response.head.headers.insert(name, value);
        }
        if let Some(rewrite) = &mut self.rewrite {
            response = rewrite(operation, number, response);
        }
        if operation == "send_message" && number == 0 {
            self.start_len = HEAD_LEN + response.body.len();
        }
        match fault {
            Fault::Lost(cut) if cut < HEAD_LEN => task.handle_failure(id, lost(), self.at()),
            Fault::Lost(cut) => {
                let kept = (cut - HEAD_LEN).min(response.body.len());
                if cut % 2 == 0 && kept < response.body.len() {
                    let stage = ExchangeProgress::Answered(Box::new(response.head));
                    let cut = ExchangeFailure::new(stage, Cause::Truncated, "cut");
                    return task.handle_failure(id, cut, self.at());
                }
                response.body = response.body.slice(..kept);
                task.handle_response(id, response, self.at());
            }
            _ => task.handle_response(id, response, self.at()),
        }
    }

    /// Waits for a reply that is yet to come; `None` when the time of its head is over.
    fn wait_for(
        &mut self,
        task: &mut Task<A2a>,
        sim: StreamId,
        head: u64,
    ) -> Option<taskward_sim::Reply> {
        let until = self.now.saturating_add(head);
        loop {
            if let Some(reply) = self.server.late_reply(sim, self.now) {
                return Some(reply);
            }
            if self.now >= until {
                self.server.close(sim);
                return None;
            }
            let next = self.server.next_change().unwrap_or(u64::MAX);
            self.now = next.min(self.next_act()).min(until).max(self.now + 1);
            self.do_acts(task);
        }
    }

    fn read_stream(&mut self, task: &mut Task<A2a>, until: u64) {
        let stream = self.stream.as_mut().expect("an open stream");
        let id = stream.exchange;
        if stream.ready.is_empty() && stream.budget > 0 {
            match self.server.pull(stream.sim, self.now) {
                Pulled::Frames(frames) => {
                    for frame in frames {
                        stream.ready.extend(frame.bytes);
                    }
                }
                Pulled::Pending => {
                    let next = self.server.next_change().unwrap_or(u64::MAX).min(until);
                    self.now = next.max(self.now + 1);
                    return self.server.advance(self.now);
                }
                Pulled::End => {
                    self.hang_up();
                    self.trace.push("end of stream".to_owned());
                    return task.handle_end(id, self.at());
                }
            }
        }
        let stream = self.stream.as_mut().expect("an open stream");
        let take = stream.ready.len().min(stream.budget);
        if take == 0 && stream.budget > 0 {
            return;
        }
        if take == 0 {
            self.hang_up();
            self.trace.push("stream cut".to_owned());
            let head = Box::new(Head::new(StatusCode::OK));
            let stage = ExchangeProgress::Answered(head);
            let cut = ExchangeFailure::new(stage, Cause::Truncated, "cut");
            return task.handle_failure(id, cut, self.at());
        }
        stream.budget = stream.budget.saturating_sub(take);
        let bytes: Vec<u8> = stream.ready.drain(..take).collect();
        task.handle_chunk(id, bytes.into(), self.at());
    }

    fn tell(&mut self, task: &Task<A2a>, event: &Event) -> Option<Ended> {
        let line = match event {
            Event::Created { status, .. } => match status {
                Some(status) => format!("created {status}"),
                None => "created".to_owned(),
            },
            Event::Status(status) if status.known => format!("status {status}"),
            Event::Status(status) => format!("status {status} (unknown)"),
            Event::Question(question) => {
                let words = match question.text() {
                    "" if question.stand_in => "(not told)",
                    text => text,
                };
                format!("question {:?}: {words}", question.kind)
            }
            Event::Identified(question) => format!("identified: {}", question.text()),
            Event::Withdrawn { reason, .. } => format!("withdrawn {reason:?}"),
            Event::Answered { how, .. } => format!("answered {how:?}"),
            Event::Sent { how, .. } => format!("sent {how:?}"),
            Event::Output(piece) => {
                let how = if piece.append { "+" } else { "=" };
                format!("output {how} {:?}", piece.text)
            }
            // What the server sent; its meaning is told by other events.
            Event::Provider(_) => return None,
            // A refusal has another status in each binding.
            Event::Retrying { failed, .. } => match failed.reason.code() {
                "status" | "refused" => "retrying: refused".to_owned(),
                other => format!("retrying: {other}"),
            },
            Event::CancelRefused(_) => "cancel refused".to_owned(),
            Event::NoProgress { seconds, .. } => format!("no progress for {seconds} s"),
            other => format!("{other:?}"),
        };
        self.trace.push(line);
        match event {
            Event::Question(question) => {
                self.questions.push(question.clone());
                let Some((wait, answer)) = self.answers.pop_front() else {
                    return match self.acts.is_empty() {
                        true => Some(Ended::Asked),
                        false => None,
                    };
                };
                self.due
                    .push((self.now + wait, question.id.clone(), answer));
                None
            }
            Event::Answered { question, how, .. } => {
                let stuck = matches!(how, Answered::Unknown | Answered::Refused);
                let is_open = task.questions().any(|open| open.id == *question);
                (stuck && is_open).then_some(Ended::Asked)
            }
            _ => None,
        }
    }
}

impl TestWorld<A2a> for World {
    type Stop = Ended;

    fn now(&self) -> Timestamp {
        self.at()
    }

    fn budget(&self) -> &OriginBudget {
        &self.shared
    }

    fn before_step(&mut self, task: &mut Task<A2a>) -> Result<(), Ended> {
        self.left -= 1;
        assert!(self.left > 0, "too many steps: {}", self.text());
        self.steps += 1;
        if self.kill_after == Some(self.steps) {
            self.hang_up();
            return Err(Ended::Killed);
        }
        if self.now >= self.until {
            return Err(Ended::Late);
        }
        self.do_acts(task);
        Ok(())
    }

    fn save(&mut self, task: &Task<A2a>) -> Result<bool, Ended> {
        self.saved.push(task.snapshot());
        Ok(true)
    }

    fn send(
        &mut self,
        task: &mut Task<A2a>,
        Outgoing {
            id,
            request,
            limits,
            ..
        }: Outgoing<'_>,
    ) -> Result<(), Ended> {
        assert!(!self.saved.is_empty(), "nothing leaves before it is stored");
        let head = u64::try_from(limits.head.as_millis()).expect("a time");
        self.exchange(task, id, request, head);
        Ok(())
    }

    fn close(&mut self, _: &mut Task<A2a>, _: ExchangeId) -> Result<bool, Ended> {
        self.hang_up();
        Ok(true)
    }

    fn pause(&mut self, task: &mut Task<A2a>, pause: Pause) -> Result<(), Ended> {
        let until = pause.until.as_millis().min(self.next_act()).min(self.until);
        match pause.stream {
            Some(_) => self.read_stream(task, until),
            None => self.now = until.max(self.now + 1),
        }
        Ok(())
    }

    fn react(&mut self, task: &mut Task<A2a>, event: &Event) -> Result<(), Ended> {
        self.tell(task, event).map_or(Ok(()), Err)
    }

    fn done(&mut self, task: &mut Task<A2a>) -> Ended {
        Ended::Over(describe(task.outcome().expect("it is over")))
    }
}

fn translate(request: &Request, key: &str) -> taskward_sim::Request {
    let target = request.target().as_str();
    let mut sent = taskward_sim::Request::new(request.method().as_str(), target);
    for (name, value) in request.headers() {
        sent = sent.header(name.as_str(), value.to_str().expect("text"));
    }
    sent = sent.header("authorization", &format!("Bearer {key}"));
    let mut bytes = Vec::new();
    for segment in request.body().segments() {
        match segment {
            Segment::Bytes(part) => bytes.extend_from_slice(part),
            Segment::Source(source) => panic!("no files here: {source:?}"),
        }
    }
    sent.body = SimBody::Bytes(bytes);
    sent
}

fn describe(outcome: &Outcome<a2a::Answer>) -> String {
    let said = |output: &a2a::Answer| output.text().unwrap_or_default();
    match outcome {
        Outcome::Succeeded { output, .. } => format!("succeeded: {}", said(output)),
        Outcome::Answered { output } => format!("answered at once: {}", said(output)),
        Outcome::Failed { failure, .. } => {
            let reason = failure.reason.as_deref().unwrap_or("-");
            let detail = failure.message.as_deref().unwrap_or("-");
            format!("failed: {reason}: {detail}")
        }
        Outcome::Stopped { by, .. } => format!("stopped by {by:?}"),
        Outcome::Gone { .. } => "gone".to_owned(),
        other => format!("{}: {other}", other.code()),
    }
}

/// Reads a reply's task, in either binding, and lets it be changed.
pub(crate) fn changed(reply: Response, change: impl FnOnce(&mut Value)) -> Response {
    let mut value: Value = serde_json::from_slice(&reply.body).expect("JSON");
    change(&mut value);
    let mut changed = Response::new(reply.status(), value.to_string());
    changed.head = reply.head;
    changed
}

/// What was traced, in one file: a part for each case. `TASKWARD_REWRITE_GOLDEN=1` writes it.
#[derive(Default)]
pub(crate) struct Traces(String);

impl Traces {
    pub(crate) fn add(&mut self, name: &str, world: &World) {
        self.0 += &format!("== {name}\n{}\n\n", world.text());
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "whoever wants the files written again says so in the environment"
    )]
    pub(crate) fn check(self, name: &str) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/a2a/traces");
        let path = folder.join(format!("{name}.log"));
        if std::env::var_os("TASKWARD_REWRITE_GOLDEN").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(&path, &self.0).expect("a file");
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == self.0, "{} is not:\n{}", path.display(), self.0);
    }
}

/// Runs a case over both bindings, which must not differ, and returns the world of one of them.
pub(crate) fn alike(switches: &str, set: impl Fn(World) -> World, script: &str) -> World {
    let mut first: Option<(String, World)> = None;
    for binding in Binding::ALL {
        let mut world = set(World::new(switches, *binding));
        world.run(script);
        let text = world.text();
        match &first {
            Some((expected, _)) => assert_eq!(*expected, text, "{binding}: {script}"),
            None => first = Some((text, world)),
        }
    }
    first.expect("a binding").1
}

/// The same over JSON-RPC alone.
pub(crate) fn langgraph(set: impl Fn(World) -> World, script: &str) -> World {
    let mut world = set(World::new("profile = \"langgraph\"", Binding::JsonRpc));
    world.run(script);
    world
}
