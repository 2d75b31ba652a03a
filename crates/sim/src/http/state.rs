//! What all connections share: the platform, the faults, the clock, the log.

use std::collections::{BTreeMap, VecDeque};

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::clock::Clock;
use crate::faults::{Fault, FaultRule, Faults};
use crate::ids::hex;
use crate::message::{Form, Head, Part, Reply, Request, SimBody};
use crate::nanonets::Server;
use crate::scenario::Scenario;
use crate::time::rfc3339;

/// The log keeps the newest so many requests.
const MAX_LOG: usize = 100_000;

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
    pub(super) server: Server,
    pub(super) faults: Faults,
    pub(super) clock: Clock,
    pub(super) log: VecDeque<RequestRecord>,
    records_bodies: bool,
    faulted: BTreeMap<&'static str, u64>,
}

/// What the head of a request has decided.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) endpoint: &'static str,
    pub(super) task: Option<String>,
    pub(super) fault: Option<Fault>,
    /// The refusal that needs no body.
    pub(super) refusal: Option<Reply>,
    pub(super) max_file: Option<u64>,
}

impl State {
    pub(super) fn new(seed: u64, scenario: Scenario, clock: Clock, records_bodies: bool) -> Self {
        Self {
            server: Server::new(seed, &scenario, clock.now()),
            faults: Faults::new(seed, scenario.faults.clone()),
            log: VecDeque::new(),
            faulted: BTreeMap::new(),
            seed,
            scenario,
            clock,
            records_bodies,
        }
    }

    /// Forgets everything that happened; ids begin anew.
    pub(super) fn reset(&mut self) {
        self.server = Server::new(self.seed, &self.scenario, self.clock.now());
        self.faults = Faults::new(self.seed, self.scenario.faults.clone());
        self.log.clear();
        self.faulted.clear();
    }

    pub(super) fn set_faults(&mut self, rules: Vec<FaultRule>) {
        self.faults = Faults::new(self.seed, rules);
    }

    /// Requests that a fault kept from the platform, by endpoint.
    pub(super) fn faulted(&self) -> &BTreeMap<&'static str, u64> {
        &self.faulted
    }

    /// Judges a head.
    pub(super) fn open(&mut self, head: &Head) -> Opening {
        let (endpoint, task) = Server::endpoint(head);
        if endpoint == "status" {
            self.clock.tick();
        }
        let now = self.clock.now();
        self.server.advance(now);
        let fault = self.faults.decide(endpoint, &head.method, &head.path);
        let refusal = self.server.admit(head).err().filter(|_| fault.is_none());
        Opening {
            endpoint,
            task,
            fault,
            refusal,
            max_file: self.scenario.switches.max_file_bytes,
        }
    }

    /// Has the platform answer.
    pub(super) fn apply(&mut self, request: Request) -> Reply {
        let now = self.clock.now();
        self.server.handle(request, now)
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
        let made = || reply.and_then(|reply| reply.value()["task_id"].as_str().map(str::to_owned));
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

/// What the log keeps of a body.
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
