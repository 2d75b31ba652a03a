//! What replies and events show, under the switches.

use serde_json::{Map, Value, json};

use super::Server;
use super::switches::{EventShape, History, QuestionForm, Spelling, TimeForm, Timestamps};
use super::task::{Artifact, Asked, Event, State, Status, Task};
use crate::ids;
use crate::time::{rfc3339, rfc3339_micros};

/// What a task is shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The reply to a read of it.
    Read,
    /// The reply to a message, or a stream.
    Reply,
    /// A list.
    Entry {
        /// Whether artifacts are asked for.
        with_artifacts: bool,
    },
}

impl Server {
    /// Returns a task with so many messages of its history at most.
    pub(super) fn view(&self, number: usize, shown: Shown, history: Option<usize>) -> Value {
        let task = &self.tasks[number];
        let mut view = json!({
            "id": task.id,
            "contextId": task.context,
            "status": self.status(task, &task.status, shown),
        });
        let is_entry = matches!(shown, Shown::Entry { .. });
        let writes_empty = is_entry && self.switches.lists_write_empty;
        let artifacts = match shown {
            Shown::Read => self
                .switches
                .artifacts_in_reads
                .then(|| self.artifacts(task)),
            Shown::Reply => Some(self.reply_artifacts(task)),
            Shown::Entry { with_artifacts } => with_artifacts.then(|| self.artifacts(task)),
        };
        if let Some(artifacts) = artifacts.filter(|all| !all.is_empty() || writes_empty) {
            view["artifacts"] = Value::Array(artifacts);
        }
        let history = self.history(task, history, writes_empty);
        if !history.is_empty() || writes_empty {
            view["history"] = Value::Array(history);
        }
        if self.switches.kinds {
            view["kind"] = json!("task");
        }
        view
    }

    fn history(&self, task: &Task, length: Option<usize>, writes_empty: bool) -> Vec<Value> {
        let is_seen = |message: &&Value| match self.switches.history {
            History::Full | History::Newest => true,
            History::Absent => false,
            History::WithoutAgent => message["role"] == "ROLE_USER",
        };
        let seen: Vec<&Value> = task.history.iter().filter(is_seen).collect();
        let length = match self.switches.history {
            History::Newest => length.unwrap_or(1).min(1),
            _ => length.unwrap_or(usize::MAX),
        };
        let newest = seen.len().saturating_sub(length);
        let newest = seen[newest..].iter();
        newest
            .map(|message| self.message(message, writes_empty))
            .collect()
    }

    /// Returns a message as it is shown.
    pub(super) fn message(&self, message: &Value, writes_empty: bool) -> Value {
        let mut view = message.clone();
        for part in view["parts"].as_array_mut().into_iter().flatten() {
            self.show_part(part, writes_empty);
        }
        if writes_empty {
            for list in ["extensions", "referenceTaskIds"] {
                if view.get(list).is_none() {
                    view[list] = json!([]);
                }
            }
        }
        if self.switches.kinds {
            view["kind"] = json!("message");
        }
        if self.switches.spelling == Spelling::ZeroThree {
            view["role"] = match view["role"].as_str() {
                Some("ROLE_USER") => json!("user"),
                _ => json!("agent"),
            };
        }
        view
    }

    fn show_part(&self, part: &mut Value, writes_empty: bool) {
        if writes_empty {
            for field in ["filename", "mediaType"] {
                if part.get(field).is_none() {
                    part[field] = json!("");
                }
            }
        }
        if self.switches.kinds {
            let kind = if part.get("text").is_some() {
                "text"
            } else if part.get("data").is_some() {
                "data"
            } else {
                "file"
            };
            part["kind"] = json!(kind);
        }
    }

    /// Returns parts as they are shown.
    pub(super) fn shown_parts(&self, parts: &[Value]) -> Vec<Value> {
        let mut parts = parts.to_vec();
        parts
            .iter_mut()
            .for_each(|part| self.show_part(part, false));
        parts
    }

    fn artifact(&self, artifact: &Artifact) -> Value {
        let parts = self.shown_parts(&artifact.parts);
        let mut view = json!({ "artifactId": artifact.id, "name": artifact.name, "parts": parts });
        if let Some(description) = artifact.description {
            view["description"] = json!(description);
        }
        view
    }

    fn artifacts(&self, task: &Task) -> Vec<Value> {
        let joined = |artifact: &Artifact| {
            let texts = artifact.parts.iter().map(|part| part["text"].as_str());
            match texts.collect::<Option<String>>() {
                Some(text) if self.switches.parts_joined => Artifact {
                    parts: vec![json!({ "text": text })],
                    ..artifact.clone()
                },
                _ => artifact.clone(),
            }
        };
        let all = task.artifacts.iter().map(joined);
        let mut all: Vec<Value> = all.map(|artifact| self.artifact(&artifact)).collect();
        let padding = self.switches.artifact_padding_bytes;
        if padding > 0 {
            let text = "x".repeat(usize::try_from(padding).unwrap_or(usize::MAX));
            let parts = vec![json!({ "text": text })];
            all.push(self.artifact(&Artifact {
                id: "padding".to_owned(),
                name: "padding".to_owned(),
                description: None,
                parts,
            }));
        }
        all
    }

    /// Returns the artifacts in the reply to a message: a question may be among them.
    fn reply_artifacts(&self, task: &Task) -> Vec<Value> {
        let mut all = self.artifacts(task);
        if self.switches.question == QuestionForm::Artifact
            && task.status.state == State::InputRequired
            && let Some(asked) = &task.asked
        {
            all.push(self.artifact(&self.interrupt(asked)));
        }
        all
    }

    /// Returns a question as an artifact.
    pub(super) fn interrupt(&self, asked: &Asked) -> Artifact {
        let id = |kind: &str| ids::uuid(self.seed, kind, asked.number as u64);
        let question = json!({ "question": asked.text });
        let data = json!({ "id": id("question"), "value": question });
        Artifact {
            id: id("interrupt"),
            name: "Interrupt".to_owned(),
            description: Some("Agent requires input to continue"),
            parts: vec![json!({ "data": data })],
        }
    }

    fn status(&self, task: &Task, status: &Status, shown: Shown) -> Value {
        let mut view = json!({ "state": self.word(status.state) });
        let message = match (&status.message, status.state) {
            (None, State::Completed) if shown == Shown::Read => self.completed_message(task),
            (message, _) => message.clone(),
        };
        if let Some(message) = message {
            let mut message = self.message(&message, false);
            if shown == Shown::Read && self.switches.message_ids_change {
                message["messageId"] = json!(ids::uuid(self.seed, "minted", self.calls));
            }
            view["message"] = message;
        }
        let is_silent = status.is_of_server || status.state == State::Submitted;
        let has_time = match self.switches.timestamps {
            Timestamps::Always => true,
            Timestamps::OfWork => !is_silent,
            Timestamps::Never => false,
        };
        if has_time {
            view["timestamp"] = json!(self.time(status.at));
        }
        view
    }

    fn completed_message(&self, task: &Task) -> Option<Value> {
        let text = self.switches.completed_message.as_ref();
        text.map(|text| {
            json!({
                "messageId": ids::uuid(self.seed, "completed", self.calls),
                "taskId": task.id,
                "role": "ROLE_AGENT",
                "parts": [{ "text": text }],
            })
        })
    }

    /// Returns the word for a state.
    fn word(&self, state: State) -> String {
        let (one, zero_three) = state.names();
        let word = match self.switches.spelling {
            Spelling::One => one,
            Spelling::ZeroThree => zero_three,
        };
        let odd = self.switches.working_word.clone();
        odd.filter(|_| state == State::Working)
            .unwrap_or_else(|| word.to_owned())
    }

    /// Returns a time as it is written.
    pub(super) fn time(&self, at: u64) -> String {
        match self.switches.times {
            TimeForm::Millis => rfc3339(at, true),
            TimeForm::Micros => rfc3339_micros(at, "Z"),
            TimeForm::Offset => rfc3339_micros(at, "+00:00"),
        }
    }

    /// Returns an event of a task as a stream has it; it may be the stream's first.
    pub(super) fn event(&self, number: usize, event: &Event, is_first: bool) -> Value {
        let task = &self.tasks[number];
        let (name, kind, mut fields) = match event {
            Event::Created { status, message } => return self.created(task, status, message),
            Event::Whole(task) => return json!({ "task": task }),
            Event::Message(message) => return json!({ "message": self.message(message, false) }),
            // It has a shape of its own in each binding.
            Event::Crashed => return Value::Null,
            Event::Status { status, context } => {
                let view = self.status(task, status, Shown::Reply);
                let fields = json!({ "taskId": task.id, "contextId": context, "status": view });
                ("statusUpdate", "status-update", fields)
            }
            Event::Artifact {
                artifact,
                append,
                last,
                context,
            } => {
                let view = self.artifact(artifact);
                let mut fields =
                    json!({ "taskId": task.id, "contextId": context, "artifact": view });
                for (name, value) in [("append", append), ("lastChunk", last)] {
                    if *value {
                        fields[name] = json!(true);
                    }
                }
                ("artifactUpdate", "artifact-update", fields)
            }
        };
        if self.switches.events == EventShape::Wrapped || is_first {
            let mut wrapped = Map::new();
            wrapped.insert(name.to_owned(), fields);
            return Value::Object(wrapped);
        }
        fields["kind"] = json!(kind);
        if let Event::Status { status, .. } = event {
            let stops = status.state.is_terminal() || status.state.is_interrupted();
            fields["final"] = json!(stops);
        }
        fields
    }

    fn created(&self, task: &Task, status: &Status, message: &Value) -> Value {
        let mut shown = self.message(message, false);
        // As they were sent.
        shown["parts"] = message["parts"].clone();
        let mut view = json!({
            "id": task.id,
            "contextId": task.context,
            "status": self.status(task, status, Shown::Reply),
            "history": [shown],
        });
        if self.switches.kinds {
            view["kind"] = json!("task");
        }
        json!({ "task": view })
    }
}
