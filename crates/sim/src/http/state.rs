//! What all connections share: the platform, the faults, the clock, the log.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::clock::SimClock;
use super::deliver::EVENT_STREAM;
use crate::faults::{Fault, FaultRule, Faults};
use crate::harness::{self, Replay};
use crate::ids::hex;
use crate::message::{Answer, Form, Head, Part, Pulled, Reply, Request, SimBody, StreamId};
use crate::nanonets;
use crate::platform::Platform;
use crate::scenario::Scenario;
use crate::time::{Span, rfc3339};

/// The log keeps the newest so many requests.
const MAX_LOG: usize = 100_000;
/// A longer reply is not stored for a stale read.
const MAX_KEPT: usize = 1 << 20;

/// One request in the log. It never holds a header field, so no key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// When it was answered, in milliseconds of simulated time since the epoch.
    #[serde(serialize_with = "as_time")]
    pub time: u64,
    /// The method.
    pub method: String,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent; empty when there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The endpoint, by the name that the statistics count it under.
    pub endpoint: &'static str,
    /// The status that was sent; `None` when the client got no whole status line.
    pub status: Option<u16>,
    /// The task that was named or made.
    pub task: Option<String>,
    /// SHA-256 of the body. For a form: of the names, types and contents of its parts, whatever the boundary.
    pub body_sha256: String,
    /// The fault that struck it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// Whether the platform saw it; a refusal counts as seen.
    pub applied: bool,
    /// The body as JSON, when bodies are recorded and it was JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Value>,
    /// The platform's reply as JSON, when bodies are recorded, whatever a fault made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_body: Option<Value>,
}

fn as_time<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*ms, true))
}

#[derive(Debug)]
pub(super) struct State {
    seed: u64,
    scenario: Scenario,
    pub(super) nanonets: nanonets::Server,
    pub(super) harness: harness::Server,
    pub(super) faults: Faults,
    pub(super) clock: SimClock,
    pub(super) log: VecDeque<RequestRecord>,
    records_bodies: bool,
    faulted: BTreeMap<&'static str, u64>,
    /// The last reply to each read of a task, by its target.
    told: BTreeMap<String, Reply>,
    /// Moves on whenever a stream may have something to send for another reason than that time passed by itself.
    changes: watch::Sender<u64>,
    /// How often everything was forgotten.
    epoch: u64,
}

/// An open stream, among those since the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    stream: StreamId,
    epoch: u64,
}

/// What the platform made of a request: its reply, and the stream when it opened one.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) reply: Reply,
    pub(super) ticket: Option<Ticket>,
}

/// What the head of a request has decided.
#[derive(Debug)]
pub(super) struct Opening {
    platform: Platform,
    pub(super) endpoint: &'static str,
    pub(super) task: Option<String>,
    pub(super) fault: Option<Fault>,
    /// The refusal that needs no body.
    pub(super) refusal: Option<Reply>,
    pub(super) max_file: Option<u64>,
}

impl Opening {
    /// Returns what the endpoint answers with when all is well.
    pub(super) fn media_type(&self) -> &'static str {
        if self.is_stream() {
            EVENT_STREAM
        } else {
            "application/json"
        }
    }

    fn is_stream(&self) -> bool {
        self.platform == Platform::AgentHarness && self.endpoint == "stream"
    }

    /// Returns whether it polls one task, which moves a manual clock.
    fn is_a_read(&self) -> bool {
        match self.platform {
            Platform::Nanonets => self.endpoint == "status",
            Platform::AgentHarness => matches!(self.endpoint, "read_run" | "events" | "stream"),
        }
    }
}

impl State {
    pub(super) fn new(
        seed: u64,
        scenario: Scenario,
        clock: SimClock,
        records_bodies: bool,
    ) -> Self {
        Self {
            nanonets: nanonets::Server::new(seed, &scenario, clock.now()),
            harness: harness::Server::new(seed, &scenario, clock.now()),
            faults: Faults::new(seed, scenario.faults.clone()),
            log: VecDeque::new(),
            faulted: BTreeMap::new(),
            told: BTreeMap::new(),
            changes: watch::Sender::new(0),
            epoch: 0,
            seed,
            scenario,
            clock,
            records_bodies,
        }
    }

    /// Forgets everything that happened; ids begin again, and open streams are cut.
    pub(super) fn reset(&mut self) {
        let now = self.clock.now();
        self.nanonets = nanonets::Server::new(self.seed, &self.scenario, now);
        self.harness = harness::Server::new(self.seed, &self.scenario, now);
        self.faults = Faults::new(self.seed, self.scenario.faults.clone());
        self.log.clear();
        self.faulted.clear();
        self.told.clear();
        self.epoch += 1;
        self.announce();
    }

    pub(super) fn set_faults(&mut self, rules: Vec<FaultRule>) {
        self.faults = Faults::new(self.seed, rules);
    }

    /// Requests that a fault kept from the platform, by endpoint.
    pub(super) fn faulted(&self) -> &BTreeMap<&'static str, u64> {
        &self.faulted
    }

    /// Lets the platforms do what is due, and returns the time.
    pub(super) fn catch_up(&mut self) -> u64 {
        let now = self.clock.now();
        self.nanonets.advance(now);
        self.harness.advance(now);
        now
    }

    /// Moves simulated time on.
    pub(super) fn advance(&mut self, by: Span) {
        self.clock.advance(by);
        self.catch_up();
        self.announce();
    }

    /// Lets a span of simulated time pass: gives how long to sleep, or moves a manual clock.
    pub(super) fn let_pass(&mut self, span: Span) -> Duration {
        let sleep = self.clock.let_pass(span);
        if sleep.is_zero() {
            self.announce();
        }
        sleep
    }

    /// Does what a human does in the dashboard of Nanonets.
    pub(super) fn nanonets_dashboard(
        &mut self,
        task: &str,
        action: nanonets::DashboardAction,
    ) -> Result<(), String> {
        let now = self.clock.now();
        self.nanonets.dashboard(task, action, now)
    }

    /// Saves a draft in the dashboard of Nanonets.
    pub(super) fn draft_agent(&mut self, agent: &str, changes: &Value) -> Result<String, Reply> {
        let now = self.clock.now();
        self.nanonets.draft_agent(agent, changes, now)
    }

    /// Does what a human does in the dashboard of Agent Harness.
    pub(super) fn harness_dashboard(
        &mut self,
        run: &str,
        action: harness::DashboardAction,
    ) -> Result<(), String> {
        let now = self.clock.now();
        let done = self.harness.dashboard(run, action, now);
        self.announce();
        done
    }

    /// Judges a head.
    pub(super) fn open(&mut self, head: &Head) -> Opening {
        let platform = Platform::of(&head.path);
        let (endpoint, task) = match platform {
            Platform::Nanonets => nanonets::Server::endpoint(head),
            Platform::AgentHarness => harness::Server::endpoint(head),
        };
        let mut opening = Opening {
            platform,
            endpoint,
            task,
            fault: None,
            refusal: None,
            max_file: self.scenario.switches.max_file_bytes,
        };
        if opening.is_a_read() && self.clock.tick() {
            self.announce();
        }
        self.catch_up();
        opening.fault = self.faults.decide(endpoint, &head.method, &head.path);
        if opening.fault.is_none() {
            opening.refusal = match platform {
                Platform::Nanonets => self.nanonets.admit(head).err(),
                Platform::AgentHarness => self.harness.admit(head).err(),
            };
        }
        opening
    }

    /// Has the platform answer.
    pub(super) fn apply(&mut self, mut request: Request, opening: &Opening) -> Applied {
        if opening.fault == Some(Fault::Replay(Replay::FromStart)) {
            let fields = &mut request.head.headers;
            fields.retain(|(name, _)| name != "last-event-id");
        }
        let now = self.clock.now();
        let is_read = request.head.method == "GET";
        let target = format!("{}?{}", request.head.path, request.head.query);
        let answer = match opening.platform {
            Platform::Nanonets => Answer::Whole(self.nanonets.handle(request, now)),
            Platform::AgentHarness => {
                let answer = self.harness.handle(request, now);
                if !is_read {
                    self.announce();
                }
                answer
            }
        };
        match answer {
            Answer::Stream { head, id } => {
                let ticket = Ticket {
                    stream: id,
                    epoch: self.epoch,
                };
                Applied {
                    reply: head,
                    ticket: Some(ticket),
                }
            }
            Answer::Whole(reply) if opening.fault == Some(Fault::LoopedCursor) => Applied {
                reply: match opening.platform {
                    Platform::Nanonets => nanonets::looped(reply),
                    Platform::AgentHarness => self.harness.looped(reply),
                },
                ticket: None,
            },
            Answer::Whole(reply) if is_read && opening.task.is_some() => Applied {
                reply: self.told(target, reply, opening.fault.as_ref()),
                ticket: None,
            },
            Answer::Whole(reply) => Applied {
                reply,
                ticket: None,
            },
        }
    }

    /// Returns the reply to a read, or the one before it when the read is to be stale.
    fn told(&mut self, target: String, reply: Reply, fault: Option<&Fault>) -> Reply {
        if fault == Some(&Fault::StaleRead)
            && let Some(earlier) = self.told.get(&target)
        {
            return earlier.clone();
        }
        if (200..300).contains(&reply.status) && reply.body.len() <= MAX_KEPT {
            self.told.insert(target, reply.clone());
        }
        reply
    }

    /// Returns what a stream has to send; after a reset nothing ever again, which is no end of it.
    pub(super) fn pull(&mut self, ticket: Ticket) -> Option<Pulled> {
        let now = self.clock.now();
        (ticket.epoch == self.epoch).then(|| self.harness.pull(ticket.stream, now))
    }

    /// Forgets a stream.
    pub(super) fn close(&mut self, ticket: Ticket) {
        if ticket.epoch == self.epoch {
            self.harness.close(ticket.stream);
        }
    }

    /// Returns how long to sleep until something happens by itself; `None` when nothing does.
    pub(super) fn until_next_change(&self) -> Option<Duration> {
        self.clock.until(self.harness.next_change()?)
    }

    /// Notifies of everything but the passing of time that may give a stream something to send.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Notes a request. The reply is the platform's; `None` when it saw nothing.
    pub(super) fn record(
        &mut self,
        head: &Head,
        opening: &Opening,
        body: &Digested,
        reply: Option<&Reply>,
        sent: Option<u16>,
    ) {
        let field = match (opening.platform, opening.endpoint) {
            (Platform::Nanonets, _) => "task_id",
            (Platform::AgentHarness, "create_run") => "id",
            (Platform::AgentHarness, _) => "",
        };
        let made = || reply.and_then(|reply| reply.value()[field].as_str().map(str::to_owned));
        let task = opening.task.clone().or_else(made);
        if reply.is_none() {
            *self.faulted.entry(opening.endpoint).or_default() += 1;
        }
        if self.log.len() == MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back(RequestRecord {
            time: self.clock.now(),
            method: head.method.clone(),
            path: head.path.clone(),
            query: head.query.clone(),
            endpoint: opening.endpoint,
            status: sent,
            task,
            body_sha256: body.sha256.clone(),
            fault: opening.fault.as_ref().map(Fault::name),
            applied: reply.is_some(),
            request_body: body.json.clone().filter(|_| self.records_bodies),
            reply_body: reply.filter(|_| self.records_bodies).map(Reply::value),
        });
    }
}

/// What the log records of a body.
#[derive(Debug)]
pub(super) struct Digested {
    sha256: String,
    json: Option<Value>,
}

impl Digested {
    pub(super) fn new(body: &SimBody) -> Self {
        match body {
            SimBody::Bytes(bytes) => Self {
                sha256: hex(&Sha256::digest(bytes)),
                json: serde_json::from_slice(bytes).ok(),
            },
            SimBody::Form(form) => Self {
                sha256: form_digest(form),
                json: None,
            },
        }
    }
}

fn form_digest(form: &Form) -> String {
    let mut sha = Sha256::new();
    let mut add = |bytes: &[u8]| {
        sha.update((bytes.len() as u64).to_be_bytes());
        sha.update(bytes);
    };
    for part in &form.parts {
        match part {
            Part::Text { name, value } => {
                add(name.as_bytes());
                add(value);
            }
            Part::File(file) => {
                for text in [&file.field, &file.name, &file.content_type, &file.sha256] {
                    add(text.as_bytes());
                }
            }
        }
    }
    hex(&sha.finalize())
}
