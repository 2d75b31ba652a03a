//! The Agent Harness platform as a pure machine.
//!
//! [`Server::handle`] takes a request and the time and returns the reply, or the head of an event stream whose frames
//! [`Server::pull`] returns; [`Server::advance`] lets time pass. The same seed and the same script give byte-identical
//! replies.
//!
//! ```
//! use taskward_sim::{Answer, Pulled, Request, Scenario, harness::Server};
//!
//! let mut server = Server::new(7, &Scenario::default(), 0);
//! let key = format!("Bearer {}", server.api_key());
//! let create = Request::new("POST", "/v1/runs")
//!     .header("authorization", &key)
//!     .header("idempotency-key", "4f1c")
//!     .json(&serde_json::json!({ "input": { "goal": "Write to the team." } }));
//! let run = server.handle(create, 0).into_reply().value();
//! let path = format!("/v1/runs/{}/events/stream", run["id"].as_str().ok_or("no id")?);
//! let open = Request::new("GET", &path).header("authorization", &key);
//! let Answer::Stream { id, .. } = server.handle(open, 0) else { return Err("no stream") };
//! let Pulled::Frames(frames) = server.pull(id, 0) else { return Err("no frames") };
//! assert!(frames[0].bytes.starts_with(b"event: run_event\ndata: {\"seq\":1,\"type\":\"run.created\""));
//! # Ok::<(), &str>(())
//! ```
//!
//! # What is modelled
//! Every operation of the contract. `input.scenario` says what a run does: [`Server::scenarios`] lists the names, in which
//! `-` and `_` are alike. Some
//! of the built-in ones take more fields of `input`: `signal_timeout_ms` (those that wait); `events`, `interval_ms` and
//! `delta_bytes` (`long-stream`); `bytes` (`big-event`).
//!
//! A `[[run]]` of a scenario file adds one, with steps of these kinds: `run = "5s"` (takes time), `progress = {..}`,
//! `delta = "text"`, `deltas = { count, bytes, every }`, `step_done = "outcome"`, `tool = {..}`,
//! `emit = { type, value }` (any event, a terminal one included; the run does not care),
//! `wait = { kind, reason, payload, timeout }` (only `kind` is needed), `stall = true`, and the ends `limit = "reason"`,
//! `fail = "reason"`, `succeed = true`. In a `delta`, `{goal}`, `{data}` and `{data.NAME}` stand for the goal of the
//! run and the data of the last signal.
//!
//! # Assumptions
//! Where the contract is silent, [`Switches`] decides. What no switch covers:
//! * Order of judgement: route, key, existence, required header fields, body, repetition, state.
//! * Reason codes of our own: `not_modelled` (with 501), `invalid_request`, `idempotency_key_required`, `idempotency_conflict`,
//!   `idempotency_in_progress`, `session_required`, `run_not_stalled`, `invalid_cursor`, `route_not_found`; in events `COMPLETED`,
//!   `REJECTED`, `MAX_STEPS`, `AWAITING_INPUT`, `cancelled_in_dashboard`, `heartbeat_lost`. A wait for data has
//!   `input_kind` `data`.
//! * A field of the wrong type, null included, is refused; unknown fields are stored and shown by a read, unknown query
//!   parameters are ignored.
//! * A key belongs to the customer, not to the credential; a signal's key also to its run. Only signals that were taken
//!   are remembered; a key that comes back with another signal answers 409.
//! * After an approval or data, no event reports that the run is running again, unless the switch for undocumented
//!   events is on.
//! * A rotated key keeps its id. A stream stays open when its key is revoked.
//! * A cursor stands for the last event of its page; an empty one is the same as none.
//! * An empty idempotency key is refused, in the header and in the body of a signal.

mod create;
mod engine;
mod events;
mod keys;
mod log;
mod platform;
mod refusal;
pub(crate) mod routes;
mod run;
mod scripted;
mod scripts;
mod signal;
#[cfg(feature = "http")]
mod sim;
mod stats;
mod stream;
pub(crate) mod switches;
mod usage;

pub(crate) use platform::REGISTERED;
pub use platform::{HarnessAccess, Settings};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use scripted::ScriptedRun;
pub use stats::{RunStats, Stats, WaitStats};
pub use switches::{
    AuthCodes, CursorName, CursorType, KeyPlace, LimitStatus, LineEnding, Switches, Wrapper,
};

pub use crate::message::Replay;

use crate::ids;
use crate::message::{Answer, Head, Reply, Request, StreamId};
use crate::scenario::Scenario;
use crate::time::http_date;
use create::Creation;
use keys::Key;
use refusal::Refusal;
use routes::Endpoint;
use run::Run;
use stream::Stream;

/// The description that `/openapi.json` serves: the contract in this repository, as JSON.
const OPENAPI: &str = include_str!("openapi.json");

/// The platform's server.
#[derive(Debug)]
pub struct Server {
    seed: u64,
    api_key: String,
    switches: Switches,
    scripted: Vec<ScriptedRun>,
    keys: Vec<Key>,
    /// How many secrets there were besides the first.
    secrets: u64,
    /// Oldest first; a run's number is its place.
    runs: Vec<Run>,
    numbers: BTreeMap<String, usize>,
    /// The newest creation under each idempotency key.
    creations: BTreeMap<String, Creation>,
    streams: BTreeMap<StreamId, Stream>,
    /// The timers: when to check which run.
    agenda: BTreeSet<(u64, usize)>,
    /// What was counted, but for the runs themselves.
    counted: Stats,
    /// How many requests came.
    calls: u64,
    now: u64,
}

/// What a human can do to a run in the vendor's dashboard.
#[derive(Debug, Clone, PartialEq)]
pub enum DashboardAction {
    /// Lets a waiting run continue.
    Approve,
    /// Makes a waiting run fail.
    Reject(
        /// The reason.
        String,
    ),
    /// Lets a waiting run continue with data.
    Input(
        /// The data.
        Map<String, Value>,
    ),
    /// Cancels a run that has not ended.
    Stop,
    /// Takes the worker from a running run.
    Stall,
}

impl Server {
    /// Returns a platform whose ids and key follow from the seed.
    #[must_use]
    pub fn new(seed: u64, scenario: &Scenario, now: u64) -> Self {
        let settings: Settings = scenario.of();
        let key = Key::new(seed, 0, now);
        Self {
            seed,
            api_key: key.credential(),
            switches: settings.switches,
            scripted: settings.runs,
            keys: vec![key],
            secrets: 0,
            runs: Vec::new(),
            numbers: BTreeMap::new(),
            creations: BTreeMap::new(),
            streams: BTreeMap::new(),
            agenda: BTreeSet::new(),
            counted: Stats::default(),
            calls: 0,
            now,
        }
    }

    /// Returns the key it begins with: `key_id:secret`.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Returns the id of a run of another customer.
    #[must_use]
    pub fn foreign_run(&self) -> String {
        format!("run_{}", ids::token(self.seed, "foreign run", 0))
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let per_run = self.runs.iter().map(|run| {
            let stats = RunStats {
                scenario: run.scenario.clone(),
                status: run.phase.name().to_owned(),
                streams: run.streams,
                requests: run.requests.clone(),
            };
            (run.id.clone(), stats)
        });
        let runs = self.runs.len() as u64;
        Stats {
            runs,
            starts: runs,
            per_run: per_run.collect(),
            ..self.counted.clone()
        }
    }

    /// Returns the name of the endpoint that a head is for, and the id of the run that it names; for logs and fault rules.
    #[must_use]
    pub fn endpoint(head: &Head) -> (&'static str, Option<String>) {
        match routes::resolve(head) {
            Ok((endpoint, id)) => (endpoint.name(), endpoint.is_of_a_run().then_some(id)),
            Err(_) => ("unknown", None),
        }
    }

    /// Refuses what the head alone condemns, so that no body needs to be read: route, key, id, required header fields,
    /// a body of the wrong type.
    ///
    /// # Errors
    /// With the reply that refuses.
    pub fn admit(&self, head: &Head) -> Result<(), Reply> {
        let id = self.id_of_call(self.calls + 1);
        self.judge_head(head)
            .map(|_| ())
            .map_err(|refusal| self.date(refusal.reply(&id)))
    }

    /// Answers a request.
    pub fn handle(&mut self, request: Request, now: u64) -> Answer {
        self.advance(now);
        self.calls += 1;
        let answer = match self.judge_head(&request.head) {
            Ok((endpoint, id)) => {
                *self
                    .counted
                    .endpoints
                    .entry(endpoint.name().to_owned())
                    .or_default() += 1;
                self.answer(endpoint, &id, &request)
            }
            Err(refusal) => Err(refusal),
        };
        let answer =
            answer.unwrap_or_else(|refusal| Answer::Whole(refusal.reply(&self.request_id())));
        // With a delay of zero something may be due at this very instant.
        self.advance(now);
        match answer {
            Answer::Whole(reply) if self.switches.extra_fields => {
                Answer::Whole(self.date(reply.extended()))
            }
            Answer::Whole(reply) => Answer::Whole(self.date(reply)),
            Answer::Stream { head, id } => Answer::Stream {
                head: self.date(head),
                id,
            },
            Answer::Later { id } => Answer::Later { id },
        }
    }

    fn judge_head(&self, head: &Head) -> Result<(Endpoint, String), Refusal> {
        let (endpoint, id) = routes::resolve(head)?;
        let missing = match endpoint {
            Endpoint::Events => self.switches.events_missing,
            Endpoint::Stream => self.switches.stream_missing,
            Endpoint::Resume => self.switches.resume_missing,
            Endpoint::CreateRun
            | Endpoint::ReadRun
            | Endpoint::Signal
            | Endpoint::Usage
            | Endpoint::CreateKey
            | Endpoint::RevokeKey
            | Endpoint::RotateKey
            | Endpoint::Health
            | Endpoint::OpenApi => None,
        };
        if let Some(code) = missing {
            let error = format!("no such route: {} {}", head.method, head.path);
            return Err(Refusal::new(code, "route_not_found", error));
        }
        if !endpoint.is_open() {
            self.check_key(head)?;
        }
        if endpoint.is_of_keys() && !self.switches.keys_manage_keys {
            let error = "keys are managed with an account's session";
            return Err(Refusal::new(403, "session_required", error));
        }
        if let Some(why) = head.unmodelled() {
            return Err(Refusal::new(501, "not_modelled", why));
        }
        if endpoint.is_of_a_run() {
            self.find_run(&id)?;
        }
        if endpoint.takes_json() && head.media_type() != "application/json" {
            let error = "Content-Type must be application/json";
            return Err(Refusal::new(400, "invalid_request", error));
        }
        if endpoint == Endpoint::CreateRun && create::idempotency_key(head).is_none() {
            let error = "the header field idempotency-key is required";
            let code = self.switches.key_missing_status_code;
            return Err(Refusal::new(code, "idempotency_key_required", error));
        }
        Ok((endpoint, id))
    }

    fn answer(
        &mut self,
        endpoint: Endpoint,
        id: &str,
        request: &Request,
    ) -> Result<Answer, Refusal> {
        let (head, body) = (&request.head, &request.body);
        let mut number = 0;
        if endpoint.is_of_a_run() {
            number = self.find_run(id)?;
            let requests = &mut self.runs[number].requests;
            *requests.entry(endpoint.name().to_owned()).or_default() += 1;
        }
        Ok(Answer::Whole(match endpoint {
            Endpoint::CreateRun => self.create_run(head, body)?,
            Endpoint::ReadRun => Reply::json(200, &Value::Object(self.view(number))),
            Endpoint::Events => self.events(number, head)?,
            Endpoint::Stream => return Ok(self.open_stream(number, head)),
            Endpoint::Signal => self.signal(number, head, body)?,
            Endpoint::Resume => self.resume(number)?,
            Endpoint::Usage => self.usage(head)?,
            Endpoint::CreateKey => self.create_key(body)?,
            Endpoint::RevokeKey => self.revoke_key(id)?,
            Endpoint::RotateKey => self.rotate_key(id)?,
            Endpoint::Health => Reply::json(200, &json!({ "status": "ok" })),
            Endpoint::OpenApi => Reply::of_json(200, OPENAPI.as_bytes().to_vec()),
        }))
    }

    fn find_run(&self, id: &str) -> Result<usize, Refusal> {
        let hidden = self.switches.new_run_hidden_ms;
        let is_seen =
            |number: &usize| self.now >= self.runs[*number].created_at.saturating_add(hidden);
        let number = self.numbers.get(id).copied().filter(is_seen);
        let code = self.switches.run_not_found_status_code;
        number.ok_or_else(|| Refusal::new(code, "run_not_found", "run not found"))
    }

    /// Returns the correlation id of the call that is being answered.
    fn request_id(&self) -> String {
        self.id_of_call(self.calls)
    }

    fn id_of_call(&self, call: u64) -> String {
        format!("req_{}", ids::token(self.seed, "call", call))
    }

    fn date(&self, mut reply: Reply) -> Reply {
        reply.headers.push(("date", http_date(self.now)));
        reply
    }
}
