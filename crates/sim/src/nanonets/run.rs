//! Starting a task: what a run may carry, and the task it makes.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use super::Server;
use super::agents::Talk;
use super::switches::Switches;
use super::task::{Entry, Phase, Role, Task};
use crate::ids;
use crate::message::{Form, Head, Part, Reply, Request, SimBody};

const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data";
/// What the vendor's generated sample calls a part of `files`.
const FILES_ITEMS: &str = "files.items";

/// Refuses a run whose body can be neither of the two kinds.
pub(super) fn check_media_type(head: &Head) -> Result<(), Reply> {
    if [JSON, MULTIPART].contains(&head.media_type().as_str()) {
        return Ok(());
    }
    Err(bad(&format!("Content-Type must be {JSON} or {MULTIPART}")))
}

impl Server {
    pub(super) fn run(&mut self, agent_id: &str, request: Request) -> Result<Reply, Reply> {
        let agent = self.find_runnable(agent_id)?;
        let talk = match (request.head.media_type().as_str(), request.body) {
            (JSON, SimBody::Bytes(bytes)) => read_json(&bytes, &self.switches)?,
            (MULTIPART, SimBody::Form(form)) => read_form(form, &self.switches)?,
            _ => return Err(bad("The body does not match its Content-Type")),
        };
        if talk.query.as_ref().is_none_or(String::is_empty) && talk.files.is_empty() {
            return Err(bad("Either query or at least one file is required"));
        }
        let number = self.add_task(agent, talk);
        self.start(number);
        let task = &self.tasks[number];
        let mut body = json!({
            "task_id": task.id,
            "agent_id": self.agents[agent].id,
            "message": "Task created successfully. Poll its status until it ends.",
            "created_at": self.switches.time(task.created_at),
        });
        if !self.switches.run_reply_omits_status {
            body["status"] = json!(task.status());
        }
        Ok(Reply::json(self.switches.run_status_code, &body))
    }

    fn add_task(&mut self, agent: usize, talk: Talk) -> usize {
        let number = self.tasks.len();
        let id = ids::uuid(self.seed, "task", number as u64);
        let query = talk.query.clone();
        self.numbers.insert(id.clone(), number);
        self.tasks.push(Task {
            id,
            agent,
            behaviour: self.behaviour(agent),
            created_at: self.now,
            updated_at: self.now,
            phase: Phase::Pending,
            shown: None,
            title: None,
            talk,
            steps: VecDeque::new(),
            step_ends_at: None,
            wakes_at: None,
            stops_at: None,
            unread: Vec::new(),
            question: None,
            feed: Vec::new(),
            messages: Vec::new(),
            data: None,
            ended: None,
            requests: BTreeMap::new(),
        });
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            self.give_title(number, &query);
            self.add_to_feed(number, Entry::Message(Role::User, query.clone()));
            if self.switches.keep_query_in_log {
                self.add_to_log(number, Role::User, query);
            }
        }
        number
    }
}

fn read_json(bytes: &[u8], switches: &Switches) -> Result<Talk, Reply> {
    let body = read_object(bytes, switches)?;
    let query = match body.get("query") {
        None => None,
        Some(Value::String(query)) => Some(query.clone()),
        Some(_) => return Err(bad("query must be a string")),
    };
    let output_config = body
        .get("output_config")
        .map(read_output_config)
        .transpose()?;
    Ok(Talk {
        query,
        output_config,
        ..Talk::default()
    })
}

/// Returns a JSON body that is an object. Fields that are null are there or not, as the switch says.
pub(super) fn read_object(bytes: &[u8], switches: &Switches) -> Result<Map<String, Value>, Reply> {
    let body: Value =
        serde_json::from_slice(bytes).map_err(|_| bad("The body is not valid JSON"))?;
    let Value::Object(mut body) = body else {
        return Err(bad("The body must be a JSON object"));
    };
    if switches.null_is_absent {
        body.retain(|_, value| !value.is_null());
    }
    Ok(body)
}

fn read_form(form: Form, switches: &Switches) -> Result<Talk, Reply> {
    let mut talk = Talk::default();
    for part in form.parts {
        match part {
            Part::Text { name, value } => {
                let text = String::from_utf8(value)
                    .map_err(|_| bad(&format!("{name} is not UTF-8 text")))?;
                match name.as_str() {
                    "query" if talk.query.is_some() => return Err(bad("query is there twice")),
                    "query" => talk.query = Some(text),
                    "output_config" if talk.output_config.is_some() => {
                        return Err(bad("output_config is there twice"));
                    }
                    "output_config" => {
                        let value = serde_json::from_str(&text)
                            .map_err(|_| bad("output_config is not valid JSON"))?;
                        talk.output_config = Some(read_output_config(&value)?);
                    }
                    "files" | "file" | FILES_ITEMS => {
                        return Err(bad(&format!("{name} must be a file part with a filename")));
                    }
                    _ => {}
                }
            }
            Part::File(upload) => match upload.field.as_str() {
                "files" => talk.files.push(upload),
                "file" if talk.files.iter().any(|known| known.field == "file") => {
                    return Err(bad("file takes a single upload; use files"));
                }
                "file" => talk.files.push(upload),
                FILES_ITEMS if switches.accept_files_items => talk.files.push(upload),
                other => return Err(bad(&format!("Unexpected file field {other:?}"))),
            },
        }
    }
    Ok(talk)
}

fn read_output_config(value: &Value) -> Result<Value, Reply> {
    let config: &Map<String, Value> = value
        .as_object()
        .ok_or_else(|| bad("output_config must be an object"))?;
    for field in ["output_schema", "instructions"] {
        if config.get(field).is_some_and(|value| !value.is_string()) {
            return Err(bad(&format!("output_config.{field} must be a string")));
        }
    }
    Ok(value.clone())
}

pub(super) fn bad(text: &str) -> Reply {
    Reply::error(400, text)
}
