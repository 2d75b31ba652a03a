//! Creating a run, and what reads show of one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Server;
use super::log::{Log, without_client_data};
use super::refusal::Refusal;
use super::run::{Phase, Run};
use super::scripted::Step;
use super::scripts::{BUILT_IN, built_in};
use crate::ids;
use crate::message::{Head, Reply, SimBody};
use crate::time::rfc3339;

/// The creation that a key was used for.
#[derive(Debug)]
pub(crate) struct Creation {
    run: usize,
    body: Value,
    at: u64,
}

/// A JSON type, as errors name it.
type Check = (&'static str, fn(&Value) -> bool);

const OBJECT: Check = ("an object", Value::is_object);
const ARRAY: Check = ("an array", Value::is_array);
const TEXT: Check = ("a string", Value::is_string);

/// The fields of a creation; all are optional.
const FIELDS: [(&str, Check); 8] = [
    ("input", OBJECT),
    ("metadata", OBJECT),
    ("workspace_id", TEXT),
    ("subject_id", TEXT),
    ("attachment_refs", ARRAY),
    ("sensitivity_tags", ARRAY),
    ("streaming", ("a boolean", Value::is_boolean)),
    ("routing_hint", TEXT),
];

/// Returns the key of a write, if it has one.
pub(super) fn idempotency_key(head: &Head) -> Option<&str> {
    head.header("idempotency-key").filter(|key| !key.is_empty())
}

/// Returns a body that is a JSON object.
pub(super) fn read_object(body: &SimBody) -> Result<Map<String, Value>, Refusal> {
    let wrong = |error| Refusal::new(400, "invalid_request", error);
    let SimBody::Bytes(bytes) = body else {
        return Err(wrong("the body must be JSON"));
    };
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(wrong("the body must be an object")),
        Err(_) => Err(wrong("the body is not valid JSON")),
    }
}

impl Server {
    pub(super) fn create_run(&mut self, head: &Head, body: &SimBody) -> Result<Reply, Refusal> {
        let request = read_object(body)?;
        let (scenario, steps) = self.read_request(&request)?;
        let key = idempotency_key(head).unwrap_or_default().to_owned();
        let body = Value::Object(request.clone());
        if let Some(reply) = self.replay(&key, &body)? {
            return Ok(reply);
        }
        let number = self.runs.len();
        let run = Run {
            id: format!("run_{}", ids::token(self.seed, "run", number as u64)),
            scenario,
            request,
            request_id: self.request_id(),
            created_at: self.now,
            updated_at: self.now,
            ended_at: None,
            phase: Phase::Queued,
            shown: None,
            steps: steps.into(),
            step_ends_at: None,
            wait: None,
            newest_wait: None,
            data: Map::new(),
            log: Log::default(),
            signals: BTreeMap::new(),
            streams: 0,
            requests: BTreeMap::new(),
        };
        let created = created_payload(&run);
        self.numbers.insert(run.id.clone(), number);
        self.runs.push(run);
        self.emit(number, "run.created", created);
        self.start(number);
        let creation = Creation {
            run: number,
            body,
            at: self.now,
        };
        self.creations.insert(key, creation);
        let code = self.switches.create_status_code;
        Ok(Reply::json(code, &Value::Object(self.view(number))))
    }

    /// Returns the reply to a creation whose key is known; `None` when it makes a run.
    fn replay(&mut self, key: &str, body: &Value) -> Result<Option<Reply>, Refusal> {
        let switches = &self.switches;
        let is_known = |it: &&Creation| {
            switches
                .key_lifetime_ms
                .is_none_or(|ms| self.now < it.at.saturating_add(ms))
        };
        let Some(earlier) = self.creations.get(key).filter(is_known) else {
            return Ok(None);
        };
        if earlier.body != *body {
            self.counted.conflicts += 1;
            let error = "the idempotency key was used with other parameters";
            let code = switches.key_conflict_status_code;
            return Err(Refusal::new(code, "idempotency_conflict", error));
        }
        let done_at = earlier.at.saturating_add(switches.create_in_progress_ms);
        if self.now < done_at {
            self.counted.conflicts += 1;
            let error = "a request with this idempotency key is in progress";
            return Err(Refusal::new(409, "idempotency_in_progress", error));
        }
        let mut view = self.view(earlier.run);
        if switches.replayed_field {
            view.insert("replayed".to_owned(), Value::Bool(true));
        }
        let reply = Reply::json(switches.replay_status_code, &Value::Object(view));
        self.counted.replays += 1;
        Ok(Some(reply))
    }

    /// Checks the fields and finds what is to run.
    fn read_request(&self, request: &Map<String, Value>) -> Result<(String, Vec<Step>), Refusal> {
        let wrong = |error: String| {
            Refusal::new(
                self.switches.validation_status_code,
                "invalid_request",
                error,
            )
        };
        for (field, (kind, is_right)) in FIELDS {
            if request.get(field).is_some_and(|value| !is_right(value)) {
                return Err(wrong(format!("{field} must be {kind}")));
            }
        }
        let nothing = Value::Null;
        let input = request.get("input").unwrap_or(&nothing);
        if input.is_null() && self.switches.input_required {
            return Err(wrong("input is required".to_owned()));
        }
        let name = match input.get("scenario") {
            None => BUILT_IN[0],
            Some(name) => name
                .as_str()
                .ok_or_else(|| wrong("input.scenario must be a string".to_owned()))?,
        };
        let scripted = |fits: &dyn Fn(&str) -> bool| {
            let mut newest_first = self.scripted.iter().rev();
            newest_first.find(|run| fits(&run.name))
        };
        let found = scripted(&|own| own == name);
        if let Some(run) = found.or_else(|| scripted(&|own| dashed(own) == dashed(name))) {
            return Ok((run.name.clone(), run.steps.clone()));
        }
        let name = dashed(name);
        let Some(steps) = built_in(&name, input) else {
            let known = self.scenarios().join(", ");
            return Err(wrong(format!(
                "no scenario {name:?} for input.scenario; there are {known}"
            )));
        };
        Ok((name, steps.map_err(wrong)?))
    }

    /// Returns the names that `input.scenario` can have; the first is what a run is that names none.
    #[must_use]
    pub fn scenarios(&self) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.map(str::to_owned).to_vec();
        for run in &self.scripted {
            if !names.contains(&run.name) {
                names.push(run.name.clone());
            }
        }
        names
    }

    /// Returns a run as a read shows it: what the client gave but for the data that is redacted in events, then our own facts.
    pub(super) fn view(&self, number: usize) -> Map<String, Value> {
        let run = &self.runs[number];
        let Value::Object(mut view) = without_client_data(&run.request) else {
            unreachable!("an object without some fields is an object")
        };
        let facts = [
            ("id", json!(run.id)),
            ("status", json!(run.shown(self.now).name())),
            ("request_id", json!(self.request_id())),
            ("created_at", json!(rfc3339(run.created_at, true))),
            ("updated_at", json!(rfc3339(run.updated_at, true))),
        ];
        view.extend(facts.map(|(key, value)| (key.to_owned(), value)));
        if self.switches.bare_runs {
            view.retain(|field, _| ["id", "status"].contains(&field.as_str()));
        }
        view
    }
}

/// Returns a scenario's name as it is compared: `-` and `_` are alike.
fn dashed(name: &str) -> String {
    name.replace('_', "-")
}

/// Returns the stored payload of `run.created`: what of the contract's fields was given, the redacted ones included.
fn created_payload(run: &Run) -> Value {
    let echoed = FIELDS
        .iter()
        .filter(|(field, _)| !["workspace_id", "subject_id"].contains(field))
        .filter_map(|(field, _)| Some(((*field).to_owned(), run.request.get(*field)?.clone())));
    let mut payload: Map<String, Value> = echoed.collect();
    payload.insert("request_id".to_owned(), json!(run.request_id));
    payload.insert(
        "routing".to_owned(),
        json!({ "routing_decision_reason": "planner_first_step" }),
    );
    Value::Object(payload)
}
