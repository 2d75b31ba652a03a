//! The walk: what a client may ask of an agent that follows scripts, in the same order each time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::agent::{Agent, Outcome};
use super::http::Reply;
use super::trace::{Trace, short};

/// How long a task of the walk may take to come to a state.
const PATIENCE: Duration = Duration::from_secs(20);

/// A part of the walk that needs nothing of what the others left.
pub(crate) struct Section {
    pub(super) name: &'static str,
    pub(super) walk: fn(&mut Walk<'_>) -> Result<()>,
}

/// Walks through an agent; `cannot` says what its server has no way to do.
pub(crate) fn run(
    agent: &Agent,
    sections: &[Section],
    cannot: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<String> {
    let mut walk = Walk {
        agent,
        trace: Trace::default(),
        messages: 0,
    };
    for section in sections {
        walk.trace.section(section.name);
        walk.messages = 0;
        if let Some(why) = cannot(section.name) {
            walk.trace.line(format!("cannot: {why}"));
            continue;
        }
        (section.walk)(&mut walk).with_context(|| format!("section {}", section.name))?;
    }
    Ok(walk.trace.text())
}

pub(super) struct Walk<'a> {
    pub(super) agent: &'a Agent,
    pub(super) trace: Trace,
    messages: u32,
}

impl Walk<'_> {
    /// Returns a message with an id of the walk's own.
    pub(super) fn message(&mut self, text: &str) -> Value {
        self.parts(&json!([{"text": text}]))
    }

    /// Returns a message of these parts.
    pub(super) fn parts(&mut self, parts: &Value) -> Value {
        self.messages += 1;
        let id = fresh();
        self.trace
            .name(&id, &format!("our message {}", self.messages));
        json!({"messageId": id, "role": "ROLE_USER", "parts": parts})
    }

    /// Returns an answer to a task's question.
    pub(super) fn answer(&mut self, task: &Value, text: &str) -> Value {
        let mut message = self.message(text);
        message["taskId"] = task["id"].clone();
        message["contextId"] = task["contextId"].clone();
        message
    }

    /// Returns a context id of the walk's own.
    pub(super) fn context(&mut self) -> String {
        let id = fresh();
        self.trace.name(&id, "our context");
        id
    }

    /// Asks for an operation and writes down what came of it; returns the body, or nothing when it was refused.
    pub(super) fn call(&mut self, operation: &str, what: &str, params: &Value) -> Result<Value> {
        self.trace.line(format!("> {operation} {what}").trim_end());
        let outcome = self.agent.call(operation, params)?;
        self.told(outcome)
    }

    /// Writes down what came of a request.
    pub(super) fn told(&mut self, outcome: Outcome) -> Result<Value> {
        match outcome {
            Outcome::Done { status, kind, body } => {
                let shown = self.trace.shown(&body);
                self.trace
                    .line(format!("< {status} {} {shown}", short(&kind)));
                Ok(body)
            }
            Outcome::Refused(refusal) => {
                self.trace.line(Trace::refusal(&refusal));
                Ok(Value::Null)
            }
            Outcome::Stream(mut stream) => {
                self.opened(&stream);
                self.drain(&mut stream)?;
                Ok(Value::Null)
            }
        }
    }

    /// Sends a message and waits for the task's end or question.
    pub(super) fn blocking(&mut self, text: &str) -> Result<Value> {
        let message = self.message(text);
        let sent = self.call("SendMessage", text, &json!({"message": message}))?;
        Ok(sent["task"].clone())
    }

    /// Sends a message of which only a first reply is wanted.
    pub(super) fn start(&mut self, text: &str) -> Result<Value> {
        let message = self.message(text);
        self.send(text, &message)
    }

    /// Sends a message and wants only a first reply; returns the task. Which of the live states that reply shows is a
    /// matter of chance, so it is not written down.
    pub(super) fn send(&mut self, what: &str, message: &Value) -> Result<Value> {
        self.trace
            .line(format!("> SendMessage {what} (returnImmediately)"));
        let params = json!({"message": message, "configuration": {"returnImmediately": true}});
        match self.agent.call("SendMessage", &params)? {
            Outcome::Done { status, body, .. } => {
                let task = &body["task"];
                self.trace
                    .shown(&json!({"taskId": task["id"], "contextId": task["contextId"]}));
                let state = task["status"]["state"].as_str().unwrap_or("no task");
                let state = if is_live(state) { "live" } else { state };
                self.trace.line(format!("< {status} {state}"));
                Ok(task.clone())
            }
            other => self.told(other),
        }
    }

    /// Reads a task until it has this state, then writes all of it down.
    pub(super) fn until(&mut self, task: &Value, state: &str) -> Result<Value> {
        let id = &task["id"];
        let begun = Instant::now();
        loop {
            let params = json!({"id": id, "historyLength": 0});
            let now = match self.agent.call("GetTask", &params)? {
                Outcome::Done { body, .. } => body["status"]["state"].clone(),
                Outcome::Refused(refusal) => bail!("a poll: {}", Trace::refusal(&refusal)),
                Outcome::Stream(_) => bail!("a poll is answered with a stream"),
            };
            if now == state {
                return self.call("GetTask", &format!("at {state}"), &json!({"id": id}));
            }
            let now = now.as_str().unwrap_or("no state");
            if !is_live(now) || begun.elapsed() > PATIENCE {
                bail!("the task came to {now} instead of {state}");
            }
            std::thread::sleep(Duration::from_millis(60));
        }
    }

    /// Opens a stream; none if it is refused.
    pub(super) fn stream(
        &mut self,
        operation: &str,
        what: &str,
        params: &Value,
    ) -> Result<Option<Reply>> {
        self.trace.line(format!("> {operation} {what}").trim_end());
        match self.agent.call(operation, params)? {
            Outcome::Stream(stream) => {
                self.opened(&stream);
                Ok(Some(stream))
            }
            other => {
                self.told(other)?;
                Ok(None)
            }
        }
    }

    fn opened(&mut self, stream: &Reply) {
        self.trace.line(format!(
            "< {} {}",
            stream.status,
            short(&stream.content_type)
        ));
    }

    /// Writes the next event down; nothing at the end of the stream.
    pub(super) fn event(&mut self, stream: &mut Reply) -> Result<Option<Value>> {
        let Some((name, data)) = self.agent.event(stream)? else {
            self.trace.line(". end of stream");
            return Ok(None);
        };
        let named = if name.is_empty() {
            String::new()
        } else {
            format!("[{name}] ")
        };
        // An error's words and numbers are no more fixed here than in a reply.
        let shown = if data["error"].is_null() {
            self.trace.shown(&data)
        } else {
            "error".to_owned()
        };
        self.trace.line(format!(". {named}{shown}"));
        Ok(Some(data))
    }

    /// Writes all events down that are still to come.
    pub(super) fn drain(&mut self, stream: &mut Reply) -> Result<()> {
        while self.event(stream)?.is_some() {}
        Ok(())
    }

    /// Starts a task by stream and writes the whole stream down; returns the task as its first event showed it.
    pub(super) fn streamed(&mut self, text: &str) -> Result<Value> {
        let message = self.message(text);
        let Some(mut stream) =
            self.stream("SendStreamingMessage", text, &json!({"message": message}))?
        else {
            return Ok(Value::Null);
        };
        let first = self.event(&mut stream)?.unwrap_or_default();
        self.drain(&mut stream)?;
        Ok(first["task"].clone())
    }
}

/// Returns whether a task in this state goes on without anybody's doing.
fn is_live(state: &str) -> bool {
    matches!(state, "TASK_STATE_SUBMITTED" | "TASK_STATE_WORKING")
}

/// Returns an id that nobody else has.
fn fresh() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let [a, b] = [1, 2].map(|salt: u32| RandomState::new().hash_one(salt));
    let hex = format!("{a:016x}{b:016x}");
    // The shape of a random UUID: LangGraph takes nothing else for a context.
    format!(
        "{}-{}-4{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    )
}

/// Waits: the script's agent works in real seconds.
pub(super) fn pause(tenths: u64) {
    std::thread::sleep(Duration::from_millis(100 * tenths));
}
