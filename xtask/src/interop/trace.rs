//! What a walk saw, without what differs from run to run.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::agent::Refusal;

/// The lines of a walk, by section.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Vec<String>,
    /// What stands for each id that was seen.
    names: HashMap<String, String>,
    counts: BTreeMap<&'static str, u32>,
}

impl Trace {
    /// Begins a section; ids are counted from one again, so that a section reads the same wherever it stands.
    pub(crate) fn section(&mut self, name: &str) {
        self.names.clear();
        self.counts.clear();
        self.lines.push(format!("## {name}"));
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Gives an id of the walk's own a name.
    pub(crate) fn name(&mut self, id: &str, name: &str) {
        self.names.insert(id.to_owned(), format!("<{name}>"));
    }

    /// Returns all lines.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// Returns a value as it is shown: ids and times by placeholders, nothing that says the same as its absence.
    pub(crate) fn shown(&mut self, value: &Value) -> String {
        self.normal("", value).to_string()
    }

    /// Returns an error as it is shown: what a client may branch on, not its words.
    pub(crate) fn refusal(refusal: &Refusal) -> String {
        match refusal {
            Refusal::Text { status, kind } => {
                format!("< {status} {}", short(kind))
            }
            Refusal::Error {
                status,
                kind,
                error,
            } => {
                let details = error["details"].as_array().or(error["data"].as_array());
                let reason = details
                    .into_iter()
                    .flatten()
                    .find_map(|d| d["reason"].as_str());
                let words = [
                    error["code"].to_string(),
                    error["status"].as_str().unwrap_or("-").to_owned(),
                    reason.unwrap_or("-").to_owned(),
                ];
                format!("< {status} {} error {}", short(kind), words.join(" "))
            }
        }
    }

    fn normal(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let is_task = fields.contains_key("status");
                let mut normal = Map::new();
                for (name, value) in fields {
                    let name_of_id = if name == "id" && is_task {
                        "taskId"
                    } else {
                        name
                    };
                    let value = self.normal(name_of_id, value);
                    if !is_default(&value) {
                        normal.insert(name.clone(), value);
                    }
                }
                Value::Object(normal)
            }
            Value::Array(items) => items.iter().map(|item| self.normal(key, item)).collect(),
            Value::String(text) => Value::String(self.text_of(key, text)),
            // A number has one meaning, however it is written.
            Value::Number(number) => number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < 1e15)
                .map_or_else(|| value.clone(), |float| Value::from(float as i64)),
            other => other.clone(),
        }
    }

    fn text_of(&mut self, key: &str, text: &str) -> String {
        let kind = match key {
            "taskId" => "task",
            "contextId" => "context",
            "messageId" => "message",
            "artifactId" => "artifact",
            "id" => "id",
            "nextPageToken" => "cursor",
            "timestamp" if text.ends_with('Z') => return "<time Z>".to_owned(),
            "timestamp" => return format!("<time {}>", &text[text.len().saturating_sub(6)..]),
            _ => return text.to_owned(),
        };
        if let Some(name) = self.names.get(text) {
            return name.clone();
        }
        // What the script chose is the same in every run.
        if kind == "artifact" && text == "chunked" || text.is_empty() {
            return text.to_owned();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("<{kind} {count}>");
        self.names.insert(text.to_owned(), name.clone());
        name
    }
}

/// Returns whether a field with this value says the same as none: the protocol's JSON may write such a field or not.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(_) | Value::Bool(true) => false,
    }
}

/// Returns the last word of a media type.
pub(crate) fn short(media_type: &str) -> &str {
    let name = media_type.split(';').next().unwrap_or_default().trim();
    name.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_from_run_to_run_is_a_placeholder() {
        let mut trace = Trace::default();
        trace.section("one");
        trace.name("m-1", "our message");
        let task = json!({
            "id": "t-1", "contextId": "c-1", "artifacts": [], "metadata": {},
            "status": {"state": "TASK_STATE_WORKING", "timestamp": "2026-11-30T15:58:24.126Z"},
            "history": [{"messageId": "m-1", "taskId": "t-1", "parts": [{"text": "x", "filename": ""}]}],
        });
        let shown = r#"{"contextId":"<context 1>","history":[{"messageId":"<our message>","parts":[{"text":"x"}],"taskId":"<task 1>"}],"id":"<task 1>","status":{"state":"TASK_STATE_WORKING","timestamp":"<time Z>"}}"#;
        assert_eq!(trace.shown(&task), shown);
        let other = json!({"taskId": "t-2", "timestamp": "2026-11-29T21:09:02.194811+00:00"});
        assert_eq!(
            trace.shown(&other),
            r#"{"taskId":"<task 2>","timestamp":"<time +00:00>"}"#
        );
    }
}
