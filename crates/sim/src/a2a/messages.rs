//! Messages: they begin a task, answer its question, or wait for its turn.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use super::refusal::{Reason, Refusal};
use super::script::Step;
use super::stream::Kind;
use super::switches::{ContextIds, LaterContext, Oddity, StartError, TaskIds};
use super::task::{Event, State, Status, Task};
use super::views::Shown;
use super::{Call, Done, Envelope, Server, read_integer};
use crate::message::{Reply, StreamId};

/// A reply that is yet to come.
#[derive(Debug)]
pub(crate) struct Late {
    task: usize,
    envelope: Envelope,
    /// Whether the first event is enough; otherwise the turn has to end.
    is_hasty: bool,
    turn: u64,
    history: Option<usize>,
    is_start: bool,
    reply: Option<Result<Value, Refusal>>,
}

/// What a message is for, once it has been judged.
struct Judged {
    message: Map<String, Value>,
    is_hasty: bool,
    history: Option<usize>,
    push_config: Option<Map<String, Value>>,
}

impl Server {
    /// Takes a message, and answers with what comes of it, as a reply or a stream.
    pub(super) fn send(&mut self, call: &Call, is_stream: bool) -> Result<Done, Refusal> {
        let judged = self.judge_message(&call.parameters)?;
        let known = judged.message.get("taskId").and_then(Value::as_str);
        let known = known.filter(|id| !id.is_empty());
        let known = known.map(|id| self.known(call, id, &judged.message));
        let (number, is_start) = match known.transpose()? {
            Some(number) => (number, false),
            None => match self.begin(call, &judged.message)? {
                Begun::Task(number) => (number, true),
                Begun::Earlier(number) => {
                    self.counted.duplicates += 1;
                    return Ok(Done::Value(self.sent_task(number, judged.history)));
                }
            },
        };
        if let Some(config) = judged.push_config {
            self.keep_push_config(number, config)?;
        }
        let message = self.as_of_task(number, judged.message);
        let id = StreamId(self.next_stream());
        if is_stream {
            let from = self.tasks[number].events.len();
            let kind = Kind::Message { from };
            self.open_stream(id, number, kind, call.envelope.clone());
        } else {
            let task = &self.tasks[number];
            let late = Late {
                task: number,
                envelope: call.envelope.clone(),
                is_hasty: judged.is_hasty,
                turn: task.turn + task.queued.len() as u64 + 1,
                history: judged.history,
                is_start,
                reply: None,
            };
            self.late.insert(id, late);
        }
        if self.tasks[number].is_running && !is_start {
            self.tasks[number].queued.push_back(message);
        } else {
            self.take_turn(number, message);
        }
        Ok(match is_stream {
            true => Done::Stream(id),
            false => Done::Late(id),
        })
    }

    /// Judges what is in a message, whatever it is for.
    fn judge_message(&self, parameters: &Map<String, Value>) -> Result<Judged, Refusal> {
        let message = parameters.get("message").and_then(Value::as_object);
        let message = message.cloned().unwrap_or_default();
        let text = |name: &str| {
            message
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let parts = message.get("parts").and_then(Value::as_array);
        let parts = parts.map_or(&[][..], Vec::as_slice);
        let required = "Field is required.";
        let mut missing = Vec::new();
        if text("messageId").is_empty() {
            missing.push(("message.message_id", required));
        }
        // A role that nobody knows reads as none.
        let is_strict = self.switches.checks_messages;
        if is_strict && !["ROLE_USER", "ROLE_AGENT"].contains(&text("role")) {
            missing.push(("message.role", required));
        }
        if is_strict && parts.is_empty() {
            missing.push(("message.parts", "Field must contain at least one element."));
        }
        if !missing.is_empty() {
            return Err(Refusal::of_fields(missing));
        }
        for part in parts {
            self.judge_part(part)?;
        }
        let nothing = Map::new();
        let configuration = parameters.get("configuration").and_then(Value::as_object);
        let configuration = configuration.unwrap_or(&nothing);
        let push_config = configuration.get("taskPushNotificationConfig");
        let push_config = push_config.and_then(Value::as_object).cloned();
        if push_config.is_some() {
            self.check_push()?;
        }
        let hasty = configuration.get("returnImmediately");
        Ok(Judged {
            is_hasty: hasty == Some(&Value::Bool(true)) && !self.switches.waits_always,
            history: self.history_length(configuration)?,
            push_config,
            message,
        })
    }

    fn judge_part(&self, part: &Value) -> Result<(), Refusal> {
        let kinds = ["text", "data", "raw", "url"];
        let given = kinds.iter().filter(|kind| part.get(**kind).is_some());
        if given.count() != 1 {
            let what = "a part has exactly one of text, data, raw and url";
            return Err(Refusal::invalid(what));
        }
        if let Some(raw) = part.get("raw") {
            let raw = raw.as_str().and_then(super::auth::decoded);
            raw.ok_or_else(|| Refusal::invalid("raw is no base64"))?;
        }
        let modes = &self.switches.input_modes;
        match part["mediaType"].as_str() {
            Some(given) if !modes.is_empty() && modes.iter().all(|mode| mode != given) => {
                let what = format!("the agent does not take {given}");
                Err(Refusal::new(Reason::ContentTypeNotSupported, what))
            }
            _ => Ok(()),
        }
    }

    /// Returns the task that a message names, if it can take one.
    fn known(&self, call: &Call, id: &str, message: &Map<String, Value>) -> Result<usize, Refusal> {
        let number = self.find(&call.agent, id);
        let number = number.ok_or_else(|| Refusal::not_found(format!("Task {id} not found")))?;
        let task = &self.tasks[number];
        self.check_live(number)?;
        match message.get("contextId").and_then(Value::as_str) {
            Some(context) if !context.is_empty() && context != task.context => {
                let known = &task.context;
                Err(Refusal::invalid(format!(
                    "Context {context} does not match context {known} of task {id}"
                )))
            }
            _ => Ok(number),
        }
    }

    /// Refuses what no task that has ended takes.
    pub(super) fn check_live(&self, number: usize) -> Result<(), Refusal> {
        let task = &self.tasks[number];
        let state = task.status.state;
        if !state.is_terminal() {
            return Ok(());
        }
        let (id, word) = (&task.id, state.names().0);
        let what = format!("Task {id} is in terminal state: {word}");
        Err(Refusal::new(Reason::UnsupportedOperation, what))
    }

    /// Makes the task of a message that names none; it cannot be seen yet.
    fn begin(&mut self, call: &Call, message: &Map<String, Value>) -> Result<Begun, Refusal> {
        self.counted.starts += 1;
        let text = |name: &str| message.get(name).and_then(Value::as_str);
        let message_id = text("messageId").unwrap_or_default().to_owned();
        if self.switches.deduplicates
            && let Some(earlier) = self.first_messages.get(&message_id)
        {
            return Ok(Begun::Earlier(*earlier));
        }
        let given = text("contextId").filter(|context| !context.is_empty());
        let is_known = |context: &&str| self.tasks.iter().any(|task| task.context == **context);
        let context = match (given, self.switches.context_ids) {
            (Some(context), ContextIds::Refused) if !is_known(&context) => {
                return Err(Refusal::invalid(format!("Context {context} not found")));
            }
            (Some(_), ContextIds::Replaced) | (None, _) => self.next_id("context"),
            (Some(context), _) => context.to_owned(),
        };
        let run = self.next_id("task");
        let id = match self.switches.task_ids {
            TaskIds::Uuid => run,
            TaskIds::ContextAndRun => format!("{context}:{run}"),
            TaskIds::Slashed => format!("tasks/{} of today", &run[..8]),
        };
        let number = self.tasks.len();
        let said = super::agents::words(&Value::Object(message.clone()));
        let mut steps: VecDeque<Step> = self.steps(&call.agent, &said).into();
        if self.switches.first_event_ms > 0 {
            steps.push_front(Step::Silent(self.switches.first_event_ms));
        }
        self.numbers.insert(id.clone(), number);
        self.first_messages.entry(message_id).or_insert(number);
        let is_script = self.is_script(&call.agent);
        let task = new_task(id, context, &call.agent, is_script, steps, self.now);
        self.tasks.push(task);
        Ok(Begun::Task(number))
    }

    /// Returns a message as the task has it.
    fn as_of_task(&mut self, number: usize, mut message: Map<String, Value>) -> Value {
        let is_first = self.tasks[number].turn == 0;
        let task = &self.tasks[number];
        let given = message.get("contextId").and_then(Value::as_str);
        let has_context = given.is_some_and(|context| !context.is_empty());
        let context = match self.switches.later_context {
            _ if is_first || has_context => Some(task.context.clone()),
            LaterContext::OfTask => Some(task.context.clone()),
            LaterContext::Own => Some(self.next_id("context")),
            LaterContext::None => None,
        };
        let id = self.tasks[number].id.clone();
        message.insert("taskId".to_owned(), json!(id));
        message.remove("contextId");
        message.extend(context.map(|context| ("contextId".to_owned(), json!(context))));
        Value::Object(message)
    }

    fn sent_task(&self, number: usize, history: Option<usize>) -> Value {
        let task = self.view(number, Shown::Reply, history);
        let mut sent = json!({ "task": task });
        if self.switches.oddity == Oddity::TaskAndMessage {
            let message = json!({ "messageId": "odd", "role": "ROLE_AGENT", "parts": [{ "text": "And a message." }] });
            sent["message"] = message;
        }
        sent
    }

    /// Notes what happens to a task for those whose reply is yet to come.
    pub(super) fn tell_waiting(&mut self, number: usize, event: &Event) {
        let turn = self.tasks[number].turn;
        let is_due = |late: &Late| match event {
            Event::Message(_) | Event::Crashed => true,
            Event::Status { status, .. } => {
                let stops = status.state.is_terminal() || status.state.is_interrupted();
                late.is_hasty || stops && turn >= late.turn
            }
            Event::Created { .. } | Event::Whole(_) | Event::Artifact { .. } => late.is_hasty,
        };
        let waiting = self.late.iter();
        let waiting = waiting.filter(|(_, late)| late.task == number && late.reply.is_none());
        let due: Vec<StreamId> = waiting
            .filter(|(_, late)| is_due(late))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let late = &self.late[&id];
            let reply = self.outcome(late, number, event);
            if let Some(late) = self.late.get_mut(&id) {
                late.reply = Some(reply);
            }
        }
    }

    fn outcome(&self, late: &Late, number: usize, event: &Event) -> Result<Value, Refusal> {
        let is_start = late.is_start;
        match (event, self.switches.start_error) {
            (Event::Crashed, _) => Err(Refusal::new(Reason::Internal, "the executor crashed")),
            (_, StartError::Internal) if is_start => {
                Err(Refusal::new(Reason::Internal, "the store is away"))
            }
            (_, StartError::InvalidAgentResponse) if is_start => {
                let what = "the agent's response is none";
                Err(Refusal::new(Reason::InvalidAgentResponse, what))
            }
            (Event::Message(message), _) => Ok(json!({ "message": self.message(message, false) })),
            _ => Ok(self.sent_task(number, late.history)),
        }
    }

    /// Returns the reply to a message, once there is one.
    pub fn late_reply(&mut self, id: StreamId, now: u64) -> Option<Reply> {
        self.advance(now);
        let Some(late) = self.late.get(&id) else {
            return Some(Reply::error(503, "the server has restarted"));
        };
        late.reply.as_ref()?;
        let late = self.late.remove(&id)?;
        let reply = self.wrapped(late.reply?, &late.envelope);
        Some(self.dated(reply))
    }
}

enum Begun {
    Task(usize),
    /// The message was seen before.
    Earlier(usize),
}

fn new_task(
    id: String,
    context: String,
    agent: &str,
    is_script: bool,
    steps: VecDeque<Step>,
    now: u64,
) -> Task {
    Task {
        id,
        turn_context: context.clone(),
        context,
        agent: agent.to_owned(),
        is_script,
        is_published: false,
        status: Status {
            state: State::Submitted,
            message: None,
            at: now,
            is_of_server: false,
        },
        history: Vec::new(),
        artifacts: Vec::new(),
        events: Vec::new(),
        steps,
        first_said: String::new(),
        last_said: String::new(),
        step_ends_at: None,
        cancels_at: None,
        turn: 0,
        is_running: false,
        asked: None,
        queued: VecDeque::new(),
        is_stubborn: false,
        is_orphan: false,
        push_configs: BTreeMap::new(),
        streams: 0,
        requests: BTreeMap::new(),
    }
}

impl Server {
    /// Returns how many messages of a history are asked for; nothing if all are.
    pub(super) fn history_length(
        &self,
        given: &Map<String, Value>,
    ) -> Result<Option<usize>, Refusal> {
        let length = history_length(given)?;
        match (length, self.switches.history_limit) {
            (Some(length), Some(most)) if length > most => {
                let what = format!("historyLength cannot exceed {most}");
                Err(Refusal::invalid(what))
            }
            _ => Ok(length),
        }
    }
}

/// Returns how many messages of the history are asked for; all when it is not said.
fn history_length(given: &Map<String, Value>) -> Result<Option<usize>, Refusal> {
    match read_integer(given, "historyLength")? {
        None => Ok(None),
        Some(length) => match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => Err(Refusal::invalid("history length must be non-negative")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_length_is_a_number_or_its_digits() {
        let length = |value: Value| {
            let given = json!({ "historyLength": value });
            history_length(given.as_object().unwrap()).map_err(drop)
        };
        assert_eq!(length(json!(0)), Ok(Some(0)));
        assert_eq!(length(json!("3")), Ok(Some(3)));
        assert_eq!(length(json!(-1)), Err(()));
        assert_eq!(length(json!("x")), Err(()));
        assert_eq!(history_length(&Map::new()), Ok(None));
    }
}
