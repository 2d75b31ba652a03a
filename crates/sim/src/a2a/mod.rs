//! An A2A platform (Agent2Agent protocol, version 1.0) as a pure machine.
//!
//! [`Server::handle`] takes a request and the time and returns the reply, the head of an event stream whose frames
//! [`Server::pull`] returns, or the word that the reply is yet to come, which [`Server::late_reply`] has then;
//! [`Server::advance`] lets time pass. The same seed and the same script give byte-identical replies.
//!
//! ```
//! use taskward_sim::{Request, Scenario, a2a::Server};
//!
//! let mut server = Server::new(7, &Scenario::default(), 0);
//! let card = Request::new("GET", "/agents/asker/.well-known/agent-card.json").header("host", "sim");
//! let card = server.handle(card, 0).into_reply().value();
//! assert_eq!(card["supportedInterfaces"][1]["url"], "http://sim/agents/asker/rest");
//! let key = format!("Bearer {}", server.api_key());
//! let send = Request::new("POST", "/agents/asker/rest/message:send")
//!     .header("authorization", &key)
//!     .header("a2a-version", "1.0")
//!     .json(&serde_json::json!({
//!         "message": { "messageId": "m1", "role": "ROLE_USER", "parts": [{ "text": "Convert 5." }] },
//!         "configuration": { "returnImmediately": true },
//!     }));
//! let task = server.handle(send, 0).into_reply().value()["task"]["id"].as_str().ok_or("no id")?.to_owned();
//! let read = Request::new("GET", &format!("/agents/asker/rest/tasks/{task}"))
//!     .header("authorization", &key)
//!     .header("a2a-version", "1.0");
//! let task = server.handle(read, 5_000).into_reply().value();
//! assert_eq!(task["status"]["message"]["parts"][0]["text"], "In which currency?");
//! # Ok::<(), &str>(())
//! ```
//!
//! # What is modelled
//! The agent card, and every operation of the contract in both bindings: HTTP+JSON below `/rest`, JSON-RPC at `/rpc`.
//! Each agent has the same below `/agents/NAME`; the one at the root is that of the switch `root_agent`. The agent
//! `script` does what its message says; [`Server::agents`] lists the others, to which an `[[a2a_agent]]` of a scenario
//! file adds one with a `script` of its own. Push configurations are kept and listed, but nothing is pushed.
//!
//! # Assumptions
//! Where the protocol is silent, or real servers differ, [`Switches`] decides. What no switch covers:
//! * Order of judgement: path, binding, credential, version, tenant, extension, operation, parameters, task, state.
//! * A message to a task that works waits for the end of the turn; if that ends in a question, it is the answer.
//! * A stream that a message opens begins with the first event behind the message, not with the task.
//! * Tasks belong to an agent: through another one's URL there is no such task.
//! * A part has exactly one of `text`, `data`, `raw` and `url`; unknown fields are ignored everywhere.

mod agents;
mod auth;
mod card;
mod engine;
mod messages;
mod platform;
mod profile;
mod push;
mod refusal;
mod routes;
mod script;
#[cfg(feature = "http")]
mod sim;
mod stats;
mod stream;
mod switches;
mod task;
mod tasks;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

pub(crate) use platform::REGISTERED;
pub use platform::{A2aAccess, A2aAgent, Settings};
pub use stats::{QuestionStats, Stats, TaskStats};
pub use switches::{
    Auth, BindingName, CancelsEnded, ContextIds, Crash, EventShape, ExtendedCard, History,
    LaterContext, NotFound, Oddity, Output, Profile, Push, PushReplies, QuestionForm,
    RefusedCancel, Spelling, StartError, Subscribe, Switches, TaskIds, TimeForm, Timestamps,
    Versions,
};

use crate::ids;
use crate::message::{Answer, Head, Reply, Request, SimBody, StreamId};
use crate::scenario::Scenario;
use crate::time::http_date;
use messages::Late;
use refusal::{Reason, Refusal, text_404};
use routes::{At, Operation, Place, RestCall};
use script::ScriptedAgent;
use stream::Stream;
use switches::BindingName as Binding;
use task::{State, Task};

/// The media type of the binding HTTP+JSON.
const MEDIA_TYPE: &str = "application/a2a+json";

/// The platform's server.
#[derive(Debug)]
pub struct Server {
    seed: u64,
    api_key: String,
    switches: Switches,
    scripted: Vec<ScriptedAgent>,
    /// Oldest first; a task's number is its place.
    tasks: Vec<Task>,
    numbers: BTreeMap<String, usize>,
    /// The task that each message began.
    first_messages: BTreeMap<String, usize>,
    streams: BTreeMap<StreamId, Stream>,
    late: BTreeMap<StreamId, Late>,
    /// How many streams and replies to come there were.
    stream_count: u64,
    questions: Vec<QuestionStats>,
    /// The timers: when to check which task.
    agenda: BTreeSet<(u64, usize)>,
    /// What was counted, but for the tasks themselves.
    counted: Stats,
    /// How many ids were made.
    made: u64,
    /// How many requests came.
    calls: u64,
    now: u64,
}

/// What a human does to a task elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DashboardAction {
    /// Answers its question.
    Answer(
        /// With these words.
        String,
    ),
    /// Has the agent ask something else in its place: a status has one question.
    Reword(
        /// In these words.
        String,
    ),
    /// Gives the credential that it waits for.
    SignIn,
    /// Cancels it.
    Cancel,
}

/// A call of an operation, whatever binding it came in.
#[derive(Debug)]
pub(crate) struct Call {
    /// The agent.
    agent: String,
    /// The agent, if the path names one.
    named: Option<String>,
    operation: Operation,
    /// With the names of JSON-RPC.
    parameters: Map<String, Value>,
    envelope: Envelope,
}

/// What stands around a result.
#[derive(Debug, Clone)]
pub(crate) enum Envelope {
    /// Nothing.
    Rest,
    /// The reply to the call of this id.
    Rpc(Value),
}

/// What comes of a call.
#[derive(Debug)]
pub(crate) enum Done {
    Value(Value),
    Stream(StreamId),
    /// A reply that may be there already.
    Late(StreamId),
}

impl Server {
    /// Returns a platform whose ids and key follow from the seed.
    #[must_use]
    pub fn new(seed: u64, scenario: &Scenario, now: u64) -> Self {
        let settings: Settings = scenario.of();
        Self {
            seed,
            api_key: ids::api_key(seed),
            switches: settings.switches,
            scripted: settings.agents,
            tasks: Vec::new(),
            numbers: BTreeMap::new(),
            first_messages: BTreeMap::new(),
            streams: BTreeMap::new(),
            late: BTreeMap::new(),
            stream_count: 0,
            questions: Vec::new(),
            agenda: BTreeSet::new(),
            counted: Stats::default(),
            made: 0,
            calls: 0,
            now,
        }
    }

    /// Returns the key that it takes, in the form that the switch `auth` names.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let seen = self.tasks.iter().filter(|task| task.is_published);
        let per_task: BTreeMap<_, _> = seen
            .map(|task| {
                let stats = TaskStats {
                    agent: task.agent.clone(),
                    state: task.status.state.names().0.to_owned(),
                    turns: task.turn,
                    streams: task.streams,
                    requests: task.requests.clone(),
                };
                (task.id.clone(), stats)
            })
            .collect();
        Stats {
            tasks: per_task.len() as u64,
            per_task,
            questions: self.questions.clone(),
            ..self.counted.clone()
        }
    }

    /// Returns the name of the endpoint that a head is for, and the id of the task that it names; for logs and fault
    /// rules. Of a call over JSON-RPC it is `rpc`: the body names the operation.
    #[must_use]
    pub fn endpoint(head: &Head) -> (&'static str, Option<String>) {
        match routes::resolve(head).at {
            At::Card => (routes::CARD, None),
            At::Rpc => (routes::RPC, None),
            At::Rest(call) => (call.operation.name(), call.task),
            At::Nothing => ("unknown", None),
        }
    }

    /// Returns the name of the endpoint that the body of a call over JSON-RPC is for, and the id of the task that it
    /// names.
    #[must_use]
    pub fn operation(body: &[u8]) -> (&'static str, Option<String>) {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let operation = body["method"].as_str().and_then(Operation::of_method);
        let Some(operation) = operation else {
            return ("unknown", None);
        };
        let id = &body["params"][operation.id_parameter()];
        (operation.name(), id.as_str().map(str::to_owned))
    }

    /// Refuses what the head alone condemns, so that no body needs to be read: path, credential, and over HTTP+JSON the
    /// version.
    ///
    /// # Errors
    /// With the reply that refuses.
    pub fn admit(&self, head: &Head) -> Result<(), Reply> {
        let place = routes::resolve(head);
        let judged = match &place.at {
            At::Card | At::Nothing => Ok(()),
            At::Rpc => self.judge_place(&place, head).map(drop),
            At::Rest(call) => self.judge_rest(&place, call, head).map(drop),
        };
        judged.map_err(|refusal| self.dated(refusal.reply(&self.switches)))
    }

    /// Answers a request.
    pub fn handle(&mut self, request: Request, now: u64) -> Answer {
        self.advance(now);
        self.calls += 1;
        let answer = self.answer(&request);
        // With a delay of zero something may be due at this very instant.
        self.advance(now);
        match answer {
            Answer::Later { id } => match self.late_reply(id, now) {
                Some(reply) => Answer::Whole(reply),
                None => Answer::Later { id },
            },
            Answer::Whole(reply) => Answer::Whole(self.dated(reply)),
            Answer::Stream { head, id } => Answer::Stream {
                head: self.dated(head),
                id,
            },
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let head = &request.head;
        let place = routes::resolve(head);
        let (endpoint, _) = Self::endpoint(head);
        let (envelope, judged) = match &place.at {
            At::Nothing => return Answer::Whole(text_404()),
            At::Card => {
                self.count(endpoint);
                return Answer::Whole(self.card_reply(place.agent.as_deref(), head));
            }
            At::Rest(call) => (Envelope::Rest, self.read_rest(&place, call, request)),
            At::Rpc => {
                let (id, judged) = self.read_rpc(&place, request);
                (Envelope::Rpc(id), judged)
            }
        };
        let operation = judged.as_ref().ok().map(|call| call.operation);
        let done = judged.and_then(|call| self.perform(&call, head));
        match (done, operation, &envelope) {
            (Ok(Done::Value(value)), Some(operation), Envelope::Rest) => {
                let reply = self.wrapped(Ok(value), &envelope);
                Answer::Whole(self.coded(operation, reply))
            }
            (Ok(Done::Value(value)), ..) => Answer::Whole(self.wrapped(Ok(value), &envelope)),
            (Ok(Done::Late(id)), ..) => Answer::Later { id },
            (Ok(Done::Stream(id)), ..) => Answer::Stream {
                head: stream_head(),
                id,
            },
            (Err(refusal), ..) => Answer::Whole(self.wrapped(Err(refusal), &envelope)),
        }
    }

    fn count(&mut self, endpoint: &str) {
        let counts = &mut self.counted.endpoints;
        *counts.entry(endpoint.to_owned()).or_default() += 1;
    }

    /// Judges what is the same for all calls but the version; returns the agent.
    fn judge_place(&self, place: &Place, head: &Head) -> Result<String, Refusal> {
        let binding = match place.at {
            At::Rpc => Binding::JsonRpc,
            _ => Binding::HttpJson,
        };
        let agent = self.agent_of(place.agent.as_deref());
        let agent = agent.filter(|_| self.switches.bindings.contains(&binding));
        let agent = agent.ok_or_else(|| Refusal::new(Reason::NoPath, "Not Found"))?;
        self.check_key(head)?;
        if let Some(why) = head.unmodelled() {
            return Err(Refusal::new(Reason::NotModelled, why));
        }
        Ok(agent)
    }

    fn judge_rest(&self, place: &Place, call: &RestCall, head: &Head) -> Result<String, Refusal> {
        let agent = self.judge_place(place, head)?;
        self.check_version(head)?;
        self.check_tenant(&call.tenant)?;
        let is_served = match (self.switches.subscribe, call.operation) {
            (Subscribe::Get, Operation::SubscribeToTask) => head.method == "GET",
            (Subscribe::Post, Operation::SubscribeToTask) => head.method == "POST",
            _ => true,
        };
        if !is_served {
            return Err(Refusal::new(Reason::NoPath, "Not Found"));
        }
        Ok(agent)
    }

    /// Judges the version of the protocol. A request that names none is of version 0.3.
    fn check_version(&self, head: &Head) -> Result<(), Refusal> {
        let given = head.header("a2a-version").map_or("", str::trim);
        let is_taken = match self.switches.versions {
            Versions::OneX => given == "1" || given.starts_with("1."),
            Versions::OneZero => given == "1.0",
            Versions::Any => true,
        };
        if is_taken {
            return Ok(());
        }
        let given = if given.is_empty() { "0.3" } else { given };
        let what = format!(
            "A2A version '{given}' is not supported by this handler. Expected version '1.0'."
        );
        Err(Refusal::new(Reason::VersionNotSupported, what))
    }

    fn check_tenant(&self, given: &str) -> Result<(), Refusal> {
        let tenant = self.switches.tenant.as_deref().unwrap_or_default();
        if given == tenant {
            return Ok(());
        }
        let what = format!("the tenant is {tenant:?}, not {given:?}");
        Err(Refusal::invalid(what))
    }

    /// Returns the call that a request over HTTP+JSON makes.
    fn read_rest(
        &self,
        place: &Place,
        call: &RestCall,
        request: &Request,
    ) -> Result<Call, Refusal> {
        let agent = self.judge_rest(place, call, &request.head)?;
        let mut parameters = call.parameters(&request.head);
        let has_body = matches!(
            call.operation,
            Operation::SendMessage | Operation::SendStreamingMessage | Operation::CreatePushConfig
        );
        if has_body {
            let wrong = |why: String| {
                let what = format!("Failed to load JSON: {why}.");
                Refusal::new(Reason::InvalidRequest, what)
            };
            match read_json(&request.body).map_err(wrong)? {
                Value::Object(body) => parameters.extend(body),
                _ => return Err(wrong("the body is no object".to_owned())),
            }
        }
        Ok(Call {
            agent,
            named: place.agent.clone(),
            operation: call.operation,
            parameters,
            envelope: Envelope::Rest,
        })
    }

    /// Returns the call that a request over JSON-RPC makes, and its id.
    fn read_rpc(&self, place: &Place, request: &Request) -> (Value, Result<Call, Refusal>) {
        let agent = match self.judge_place(place, &request.head) {
            Ok(agent) => agent,
            Err(refusal) => return (Value::Null, Err(refusal)),
        };
        let body = match read_json(&request.body) {
            Ok(body) => body,
            Err(why) => return (Value::Null, Err(Refusal::new(Reason::Parse, why))),
        };
        let id = body["id"].clone();
        let call = self.check_version(&request.head).and_then(|()| {
            let what = "the body is no request of JSON-RPC 2.0";
            let invalid = || Refusal::new(Reason::InvalidRequest, what);
            let method = body["method"].as_str().ok_or_else(invalid)?;
            if body["jsonrpc"] != "2.0" || !(id.is_string() || id.is_number() || id.is_null()) {
                return Err(invalid());
            }
            let operation = Operation::of_method(method);
            let operation =
                operation.ok_or_else(|| Refusal::new(Reason::NoMethod, "Method not found"))?;
            let parameters = body["params"].as_object().cloned().unwrap_or_default();
            let tenant = parameters.get("tenant").and_then(Value::as_str);
            self.check_tenant(tenant.unwrap_or_default())?;
            Ok(Call {
                agent,
                named: place.agent.clone(),
                operation,
                parameters,
                envelope: Envelope::Rpc(id.clone()),
            })
        });
        (id, call)
    }

    fn perform(&mut self, call: &Call, head: &Head) -> Result<Done, Refusal> {
        self.count(call.operation.name());
        self.check_extension(head)?;
        self.check_operation(call.operation)?;
        if let Ok(number) = self.named(call) {
            let requests = &mut self.tasks[number].requests;
            *requests
                .entry(call.operation.name().to_owned())
                .or_default() += 1;
        }
        Ok(Done::Value(match call.operation {
            Operation::SendMessage => return self.send(call, false),
            Operation::SendStreamingMessage => return self.send(call, true),
            Operation::SubscribeToTask => return self.subscribe(call),
            Operation::GetTask => self.get_task(call)?,
            Operation::ListTasks => self.list_tasks(call)?,
            Operation::CancelTask => self.cancel_task(call)?,
            Operation::CreatePushConfig => self.create_push_config(call)?,
            Operation::GetPushConfig => self.get_push_config(call)?,
            Operation::ListPushConfigs => self.list_push_configs(call)?,
            Operation::DeletePushConfig => self.delete_push_config(call)?,
            Operation::ExtendedCard => self.extended_card(call, head)?,
        }))
    }

    fn check_extension(&self, head: &Head) -> Result<(), Refusal> {
        let Some(wanted) = &self.switches.required_extension else {
            return Ok(());
        };
        let given = head.header("a2a-extensions").unwrap_or_default();
        if given.split(',').any(|uri| uri.trim() == wanted) {
            return Ok(());
        }
        let what = format!("the extension {wanted} is required");
        Err(Refusal::new(Reason::ExtensionSupportRequired, what))
    }

    /// Refuses an operation that there is not.
    fn check_operation(&self, operation: Operation) -> Result<(), Refusal> {
        let switches = &self.switches;
        let none = || Err(Refusal::new(Reason::NoMethod, "Method not found"));
        match operation {
            Operation::SubscribeToTask if switches.subscribe == Subscribe::Missing => none(),
            Operation::ListTasks if !switches.list_tasks => none(),
            Operation::SendStreamingMessage | Operation::SubscribeToTask if !switches.streaming => {
                let what = "Streaming is not supported by the agent";
                Err(Refusal::new(Reason::UnsupportedOperation, what))
            }
            Operation::CreatePushConfig
            | Operation::GetPushConfig
            | Operation::ListPushConfigs
            | Operation::DeletePushConfig
                if switches.push == Push::Missing =>
            {
                none()
            }
            Operation::CreatePushConfig
            | Operation::GetPushConfig
            | Operation::ListPushConfigs
            | Operation::DeletePushConfig => self.check_push(),
            _ => Ok(()),
        }
    }

    /// Returns a result or a refusal as the binding's reply.
    fn wrapped(&self, result: Result<Value, Refusal>, envelope: &Envelope) -> Reply {
        let id = match envelope {
            Envelope::Rest => {
                return match result {
                    Ok(value) => Reply {
                        headers: vec![("content-type", MEDIA_TYPE.to_owned())],
                        ..Reply::json(200, &value)
                    },
                    Err(refusal)
                        if refusal.reason == Reason::TaskNotFound
                            && self.switches.not_found == NotFound::Text =>
                    {
                        text_404()
                    }
                    Err(refusal) => refusal.reply(&self.switches),
                };
            }
            Envelope::Rpc(id) => id,
        };
        let reply = match result {
            Ok(value) => Reply::json(200, &json!({ "result": value, "id": id, "jsonrpc": "2.0" })),
            Err(refusal) => refusal.rpc_reply(id, &self.switches),
        };
        self.made_odd(reply)
    }

    /// Returns a reply over JSON-RPC with what is wrong with it.
    fn made_odd(&self, reply: Reply) -> Reply {
        let mut body = reply.value();
        match self.switches.oddity {
            Oddity::WrongId => body["id"] = json!("other"),
            Oddity::NoResult => body = json!({ "id": body["id"], "jsonrpc": "2.0" }),
            Oddity::Batch => body = json!([body]),
            _ => return reply,
        }
        Reply::json(reply.status, &body)
    }

    fn dated(&self, mut reply: Reply) -> Reply {
        reply.headers.push(("date", http_date(self.now)));
        reply
    }

    fn next_stream(&mut self) -> u64 {
        self.stream_count += 1;
        self.stream_count
    }

    /// Does what a human does to a task elsewhere.
    ///
    /// # Errors
    /// With the reason when there is no such task or it is not in the state for it.
    pub fn dashboard(&mut self, id: &str, action: DashboardAction, now: u64) -> Result<(), String> {
        self.advance(now);
        let number = self.numbers.get(id).copied();
        let number = number.filter(|number| self.tasks[*number].is_published);
        let number = number.ok_or_else(|| format!("there is no task {id}"))?;
        let task = &self.tasks[number];
        let state = task.status.state;
        match action {
            DashboardAction::Answer(words) if task.asked.is_some() && !task.is_running => {
                let context = task.context.clone();
                let message = json!({
                    "messageId": self.next_id("message"),
                    "taskId": id,
                    "contextId": context,
                    "role": "ROLE_USER",
                    "parts": [{ "text": words }],
                });
                self.take_turn(number, message);
                Ok(())
            }
            DashboardAction::Reword(words) if task.asked.is_some() && !task.is_running => {
                self.reword(number, &words);
                Ok(())
            }
            DashboardAction::SignIn if state == State::AuthRequired && self.sign_in(number) => {
                Ok(())
            }
            DashboardAction::Cancel if !state.is_terminal() => {
                self.end(number, State::Canceled, None);
                Ok(())
            }
            _ => Err(format!("the task is in state {}", state.names().0)),
        }
    }

    /// Restarts the server over its store: streams end, and tasks that work do so for ever, unless the store forgets.
    pub fn restart(&mut self, now: u64) {
        self.advance(now);
        self.counted.restarts += 1;
        self.streams.clear();
        self.late.clear();
        for number in 0..self.tasks.len() {
            self.clear_timers(number);
            let task = &mut self.tasks[number];
            task.steps.clear();
            task.queued.clear();
            task.is_running = false;
            task.is_orphan = true;
            task.is_published &= !self.switches.restart_forgets;
        }
    }
}

fn stream_head() -> Reply {
    let headers = vec![
        ("content-type", "text/event-stream".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ];
    Reply {
        status: 200,
        headers,
        body: Vec::new(),
    }
}

fn read_json(body: &SimBody) -> Result<Value, String> {
    match body {
        SimBody::Bytes(bytes) => serde_json::from_slice(bytes).map_err(|why| why.to_string()),
        SimBody::Form(_) => Err("the body is a form".to_owned()),
    }
}

/// Returns a whole number, which may be written as text.
fn read_integer(given: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = given.get(name) else {
        return Ok(None);
    };
    let number = value.as_i64();
    let number = number.or_else(|| value.as_str()?.parse().ok());
    let number = number.ok_or_else(|| Refusal::invalid(format!("{name} is no whole number")))?;
    Ok(Some(number))
}
