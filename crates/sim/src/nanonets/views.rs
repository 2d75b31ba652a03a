//! Tasks as the replies show them.

use serde_json::{Value, json};

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
    pub(crate) fn task(&self, task: &Task) -> Value {
        let mut shown = json!({
            "task_id": task.id,
            "agent_id": self.agent_id,
            "status": task.status(),
            "created_at": self.time(task.created_at),
            "updated_at": self.time(task.updated_at),
        });
        self.add(
            &mut shown,
            "title",
            task.title.as_ref().map(|title| json!(title)),
        );
        shown
    }

    /// Returns the answer without the steps that led to it.
    pub(crate) fn summary(&self, task: &Task) -> Value {
        let mut shown = self.head_of_answer(task);
        let (feed, is_over) = self.feed_seen(task, self.switches.summary_delay_ms, &mut shown);
        let has_answer = is_over || self.switches.live_answers;
        let mut result = has_answer.then(|| self.final_result(feed)).flatten();
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
        self.add(&mut shown, &self.switches.answer_field, result);
        self.add(&mut shown, "extracted_data", top);
        shown
    }

    /// Returns the task with its feed.
    pub(crate) fn result(&self, task: &Task) -> Value {
        let mut shown = self.head_of_answer(task);
        let (feed, _) = self.feed_seen(task, self.switches.result_delay_ms, &mut shown);
        let entries = feed
            .iter()
            .enumerate()
            .filter(|(_, item)| item.is_lasting(self.switches));
        let feed = entries.map(|(number, item)| self.feed_item(task, number, item));
        shown[&self.switches.feed_field] = feed.collect();
        shown
    }

    /// Returns what an answer has of the task's own fields.
    fn head_of_answer(&self, task: &Task) -> Value {
        if self.switches.bare_answers {
            json!({ "status": task.status() })
        } else {
            self.task(task)
        }
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
        shown: &mut Value,
    ) -> (&'a [FeedItem], bool) {
        match task.ended {
            Some((at, before)) if self.now < at.saturating_add(delay) => {
                shown["status"] = json!("running");
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
        let id = ids::uuid(self.seed, &format!("feed {}", task.id), number as u64);
        let mut shown = json!({ "id": id, "created_at": self.time(item.at) });
        shown["type"] = json!(match &item.entry {
            Entry::Transient(_) => "loading",
            Entry::Message(role, _) => {
                shown["role"] = json!(role.name());
                "message"
            }
            Entry::ToolCall(name, _) => {
                shown["name"] = json!(name);
                "tool_call"
            }
            Entry::Error(_) => "error",
            Entry::TaskComplete(_) => "task_complete",
        });
        let key = match item.entry {
            Entry::TaskComplete(_) => "result",
            _ => "content",
        };
        shown[key] = item.content();
        shown
    }

    fn message(&self, task: &Task, message: &Message, parent: Option<&str>) -> Value {
        let content = content_of(message, self.switches);
        if self.switches.bare_messages {
            return json!({ "role": message.role.name(), "content": content });
        }
        let mut shown = json!({
            "id": message.id,
            "task_id": task.id,
            "agent_id": self.agent_id,
            "role": message.role.name(),
            "content": content,
            "created_at": self.time(message.at),
        });
        let user = (message.role == Role::User).then(|| json!(ids::uuid(self.seed, "user", 0)));
        self.add(&mut shown, "user_id", user);
        self.add(&mut shown, "parent_id", parent.map(|parent| json!(parent)));
        shown
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

    /// Adds an optional field the way the switch says.
    fn add(&self, shown: &mut Value, key: &str, value: Option<Value>) {
        if value.is_some() || self.switches.explicit_nulls {
            shown[key] = json!(value);
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
