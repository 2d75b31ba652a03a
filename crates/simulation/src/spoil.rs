//! Replies that are not what was asked for: about another task, or with an entry that cannot be read.

use serde_json::{Value, json};

use super::fault::Chance;

/// A task that nobody here started.
const THEIRS: &str = "0badc0de-0000-4000-8000-00000000000b";
/// What its agent says.
const SAID: &str = "Said of another task?";

/// The same read of another task, or the same write acknowledged for it; `None` where a reply names no task.
pub(super) fn theirs(body: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
    let mut reply: Value = serde_json::from_slice(body).ok()?;
    let object = reply.as_object_mut()?;
    if let Some(messages) = object.get_mut("data").and_then(Value::as_array_mut) {
        let task = json!({"task_id": THEIRS, "role": "assistant", "content": SAID});
        messages.push(task);
    } else if let Some(events) = object.get_mut("events").and_then(Value::as_array_mut) {
        let seq = 1_000 + chance.below(1_000);
        let kinds = ["run.worker.failed", "run.worker.succeeded", "step.done"];
        let kind = *chance.pick(&kinds);
        events.push(json!({"seq": seq, "type": kind, "run_id": THEIRS, "payload": {}}));
    } else if object.contains_key("task_id") {
        let ends = ["completed", "failed", "stopped", "waiting_for_input"];
        *object = serde_json::Map::from_iter([
            ("task_id".to_owned(), THEIRS.into()),
            ("status".to_owned(), (*chance.pick(&ends)).into()),
            ("result".to_owned(), SAID.into()),
        ]);
    } else {
        let ends = ["succeeded", "failed", "cancelled", "awaiting_input"];
        *object = serde_json::Map::from_iter([
            ("id".to_owned(), THEIRS.into()),
            ("run_id".to_owned(), THEIRS.into()),
            ("status".to_owned(), (*chance.pick(&ends)).into()),
        ]);
    }
    Some(reply.to_string().into_bytes())
}

/// The same list with an entry that cannot be read: of a conversation the newest, of others any; `None` where it is no
/// list, or an empty one.
pub(super) fn unreadable(body: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
    let mut reply: Value = serde_json::from_slice(body).ok()?;
    let name = if reply.get("events").is_some() {
        "events"
    } else {
        "data"
    };
    let entries = reply.get_mut(name)?.as_array_mut()?;
    let is_conversation = entries.iter().any(|entry| entry.get("role").is_some());
    let last = entries.len().checked_sub(1)?;
    let at = if is_conversation {
        last
    } else {
        chance.below(last + 1)
    };
    let odd = [json!(null), json!("?"), json!([])];
    entries[at] = chance.pick(&odd).clone();
    Some(reply.to_string().into_bytes())
}
