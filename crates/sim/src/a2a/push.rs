//! Push configurations: they are kept and listed; nothing is pushed.

use serde_json::{Map, Value, json};

use super::refusal::{Reason, Refusal};
use super::routes::Operation;
use super::switches::{Push, PushReplies};
use super::{Call, Envelope, Server};
use crate::message::Reply;

impl Server {
    /// Refuses what has to do with push notifications, if there are none.
    pub(super) fn check_push(&self) -> Result<(), Refusal> {
        if self.switches.push == Push::Served {
            return Ok(());
        }
        let what = "Push Notification is not supported";
        Err(Refusal::new(Reason::PushNotificationNotSupported, what))
    }

    /// Keeps a configuration under its id, which is the task's when it has none; gives it back.
    pub(super) fn keep_push_config(
        &mut self,
        number: usize,
        given: Map<String, Value>,
    ) -> Result<Value, Refusal> {
        let text = |name: &str| {
            let text = given.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        if text("url").is_none() {
            let missing = ("url", "Field is required.");
            return Err(Refusal::of_fields(vec![missing]));
        }
        let id = match text("id") {
            Some(id) => id.to_owned(),
            None if self.switches.push_ids => self.next_id("push config"),
            None => self.tasks[number].id.clone(),
        };
        let task = &mut self.tasks[number];
        let mut config = json!({ "id": id, "taskId": task.id });
        for name in ["url", "token", "authentication"] {
            if let Some(value) = given.get(name) {
                config[name] = value.clone();
            }
        }
        task.push_configs.insert(id, config.clone());
        Ok(config)
    }

    pub(super) fn create_push_config(&mut self, call: &Call) -> Result<Value, Refusal> {
        let number = self.named(call)?;
        self.keep_push_config(number, call.parameters.clone())
    }

    pub(super) fn get_push_config(&self, call: &Call) -> Result<Value, Refusal> {
        let task = &self.tasks[self.named(call)?];
        let config = task.push_configs.get(&config_id(call));
        let none = || Refusal::not_found("Push notification config not found");
        config.cloned().ok_or_else(none)
    }

    pub(super) fn list_push_configs(&self, call: &Call) -> Result<Value, Refusal> {
        let task = &self.tasks[self.named(call)?];
        let configs: Vec<&Value> = task.push_configs.values().collect();
        Ok(json!({ "configs": configs }))
    }

    /// Removes a configuration; one that there is not is gone, too.
    pub(super) fn delete_push_config(&mut self, call: &Call) -> Result<Value, Refusal> {
        let number = self.named(call)?;
        self.tasks[number].push_configs.remove(&config_id(call));
        let is_null = self.switches.push_replies != PushReplies::Objects
            && matches!(call.envelope, Envelope::Rpc(_));
        Ok(if is_null { Value::Null } else { json!({}) })
    }

    /// Returns the reply over HTTP+JSON to an operation, with the code that it has.
    pub(super) fn coded(&self, operation: Operation, mut reply: Reply) -> Reply {
        if self.switches.push_replies == PushReplies::Codes {
            match operation {
                Operation::CreatePushConfig => reply.status = 201,
                Operation::DeletePushConfig => {
                    reply.status = 204;
                    reply.body.clear();
                }
                _ => {}
            }
        }
        reply
    }
}

fn config_id(call: &Call) -> String {
    let id = call.parameters.get("id").and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}
