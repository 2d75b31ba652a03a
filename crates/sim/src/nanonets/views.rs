//! Tasks as the replies show them.

use serde_json::{Map, Value, json};

use super::switches::{ContentShape, DataPlace, Envelope, Switches};
use super::task::{Entry, FeedItem, Message, Role, Task};
use crate::ids;

/// What every view needs besides the task.
pub(crate) struct View<'a> {
    pub(crate) seed: u64,
    pub(crate) switches: &'a Switches,
    pub(crate) agent_id: &'a str,
    pub(crate) now: u64,
}

impl View<'_> {
    /// Returns the status read, and the reply to a cancel.
    pub(crate) fn task(&self, task: &Task) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("task_id".into(), json!(task.id));
        map.insert("agent_id".into(), json!(self.agent_id));
        map.insert("status".into(), json!(task.status()));
        map.insert("created_at".into(), json!(self.time(task.created_at)));
        map.insert("updated_at".into(), json!(self.time(task.updated_at)));
        self.insert(
            &mut map,
            "title",
            task.title.as_ref().map(|title| json!(title)),
        );
        map
    }

    /// Returns the answer without the steps that led to it.
    pub(crate) fn summary(&self, task: &Task) -> Map<String, Value> {
        let mut map = self.head_of_answer(task);
        let (feed, is_over) = self.feed_seen(task, self.switches.summary_delay_ms, &mut map);
        let shown = is_over || self.switches.live_answers;
        let mut result = shown.then(|| self.final_result(feed)).flatten();
        let mut top = None;
        if let Some(data) = task.data.clone().filter(|_| is_over) {
            match (self.switches.extracted_data, &mut result) {
                (DataPlace::Result, Some(Value::Object(result))) => {
                    result.insert("extracted_data".into(), data);
                }
                (DataPlace::StructuredContent, Some(Value::Object(result))) => {
                    result.insert(
                        "structuredContent".into(),
                        json!({ "extracted_data": data }),
                    );
                }
                // A result that is no object has no room for it.
                (DataPlace::Top | DataPlace::Result | DataPlace::StructuredContent, _) => {
                    top = Some(data)
                }
            }
        }
        self.insert(&mut map, &self.switches.answer_field, result);
        self.insert(&mut map, "extracted_data", top);
        map
    }

    /// Returns the task with its feed.
    pub(crate) fn result(&self, task: &Task) -> Map<String, Value> {
        let mut map = self.head_of_answer(task);
        let (feed, _) = self.feed_seen(task, self.switches.result_delay_ms, &mut map);
        let entries = feed
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_lasting(self.switches));
        let feed: Vec<Value> = entries
            .map(|(number, item)| self.feed_item(task, number, item))
            .collect();
        map.insert(self.switches.feed_field.clone(), Value::Array(feed));
        map
    }

    /// Returns what an answer has of the task's own fields.
    fn head_of_answer(&self, task: &Task) -> Map<String, Value> {
        let mut map = self.task(task);
        if self.switches.bare_answers {
            map.retain(|field, _| field == "status");
        }
        map
    }

    /// Returns the whole conversation.
    pub(crate) fn messages(&self, task: &Task) -> Value {
        let mut parent = None;
        let mut list = Vec::new();
        for message in &task.messages {
            list.push(self.message(task, message, parent));
            if self.switches.system_messages {
                list.push(self.system_message(task, message));
            }
            parent = Some(message.id.as_str());
        }
        match self.switches.message_envelope {
            Envelope::Both => json!({ "data": list, "messages": list }),
            Envelope::Data => json!({ "data": list }),
            Envelope::Messages => json!({ "messages": list }),
        }
    }

    /// Returns the part of the feed that a stale read sees, and whether it sees the end.
    fn feed_seen<'a>(
        &self,
        task: &'a Task,
        delay: u64,
        map: &mut Map<String, Value>,
    ) -> (&'a [FeedItem], bool) {
        match task.ended {
            Some((at, before)) if self.now < at.saturating_add(delay) => {
                map.insert("status".into(), json!("running"));
                (&task.feed[..before], false)
            }
            Some(_) => (&task.feed, true),
            None => (&task.feed, false),
        }
    }

    /// Returns the final answer by the reference's four rules.
    fn final_result(&self, feed: &[FeedItem]) -> Option<Value> {
        let complete = feed.iter().rev().find_map(|item| match &item.entry {
            Entry::TaskComplete(result) => Some((item.at, result)),
            Entry::Transient(_) | Entry::Message(..) | Entry::ToolCall(..) | Entry::Error(_) => {
                None
            }
        });
        if let Some((at, result)) = complete {
            return Some(match result["structuredContent"]["summary"].as_str() {
                Some(summary) => json!({ "summary": summary, "completed_at": self.time(at) }),
                None => result.clone(),
            });
        }
        let last = feed.iter().rfind(|item| item.is_lasting(self.switches))?;
        Some(last.content())
    }

    fn feed_item(&self, task: &Task, number: usize, item: &FeedItem) -> Value {
        let mut map = Map::new();
        let id = ids::uuid(self.seed, &format!("feed {}", task.id), number as u64);
        map.insert("id".into(), json!(id));
        map.insert("created_at".into(), json!(self.time(item.at)));
        match &item.entry {
            Entry::Transient(_) => map.insert("type".into(), json!("loading")),
            Entry::Message(role, _) => {
                map.insert("role".into(), json!(role.name()));
                map.insert("type".into(), json!("message"))
            }
            Entry::ToolCall(name, _) => {
                map.insert("name".into(), json!(name));
                map.insert("type".into(), json!("tool_call"))
            }
            Entry::Error(_) => map.insert("type".into(), json!("error")),
            Entry::TaskComplete(_) => map.insert("type".into(), json!("task_complete")),
        };
        let key = if matches!(item.entry, Entry::TaskComplete(_)) {
            "result"
        } else {
            "content"
        };
        map.insert(key.into(), item.content());
        Value::Object(map)
    }

    fn message(&self, task: &Task, message: &Message, parent: Option<&str>) -> Value {
        let content = content_of(message, self.switches);
        let mut map = Map::new();
        map.insert("id".into(), json!(message.id));
        map.insert("task_id".into(), json!(task.id));
        map.insert("agent_id".into(), json!(self.agent_id));
        map.insert("role".into(), json!(message.role.name()));
        map.insert("content".into(), content);
        map.insert("created_at".into(), json!(self.time(message.at)));
        let user = (message.role == Role::User).then(|| json!(ids::uuid(self.seed, "user", 0)));
        self.insert(&mut map, "user_id", user);
        self.insert(&mut map, "parent_id", parent.map(|parent| json!(parent)));
        if self.switches.bare_messages {
            map.retain(|field, _| ["role", "content"].contains(&field.as_str()));
        }
        Value::Object(map)
    }

    /// Returns what the system remarks on a message.
    fn system_message(&self, task: &Task, message: &Message) -> Value {
        let mut value = self.message(task, message, Some(&message.id));
        if let Some(id) = value.get_mut("id") {
            *id = json!(ids::uuid(self.seed, &format!("system {}", message.id), 0));
        }
        value["role"] = json!("system");
        value["content"] = json!("Noted.");
        value
    }

    fn time(&self, ms: u64) -> String {
        self.switches.time(ms)
    }

    /// Inserts an optional field the way the switch says.
    fn insert(&self, map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
        if value.is_some() || self.switches.explicit_nulls {
            map.insert(key.to_owned(), value.unwrap_or(Value::Null));
        }
    }
}

impl FeedItem {
    fn is_lasting(&self, switches: &Switches) -> bool {
        match self.entry {
            Entry::Transient(_) => false,
            Entry::Message(Role::User, _) => switches.user_messages_in_feed,
            Entry::Message(Role::Assistant, _)
            | Entry::ToolCall(..)
            | Entry::Error(_)
            | Entry::TaskComplete(_) => true,
        }
    }

    fn content(&self) -> Value {
        match &self.entry {
            Entry::Transient(text) | Entry::Message(_, text) | Entry::Error(text) => json!(text),
            Entry::ToolCall(_, value) | Entry::TaskComplete(value) => value.clone(),
        }
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Returns what a message says, in the shape that the switch has it.
pub(super) fn content_of(message: &Message, switches: &Switches) -> Value {
    let text = &message.text;
    match switches.content_shape {
        ContentShape::Text => json!(text),
        ContentShape::Object => json!({ "text": text }),
        ContentShape::Blocks => json!([{ "type": "text", "text": text }]),
    }
}
