//! The words of a question that a server tells apart from the status that waits: LangGraph has them in an artifact, which
//! comes in the stream and in the reply to a message, and in no read (`interop/traces/langgraph-rpc.txt`).

use serde_json::{Value, json};
use taskward_core::{LenientList, Question, RawEvent};

use super::agent::A2a;
use super::events::TaskEvent;
use super::parts::PartContent;
use super::status::state_of;
use super::types::{Artifact, StreamResponse, TaskStatus};
use crate::wire::{self, DateTime};

/// The name of the artifact.
const NAME: &str = "Interrupt";

/// What a question says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    pub(super) text: String,
    /// The whole of it, if it is more than the text.
    pub(super) payload: Option<Value>,
}

impl Words {
    /// Reads the newest question among artifacts. Whether the task asks it still, only a status says.
    pub(super) fn of(artifacts: &LenientList<Artifact>) -> Option<Self> {
        artifacts
            .readable()
            .filter_map(Self::of_artifact)
            .next_back()
    }

    /// Reads an artifact that asks: a data part for each question, with what the agent gave in `value`.
    fn of_artifact(artifact: &Artifact) -> Option<Self> {
        if artifact.name.as_deref() != Some(NAME) {
            return None;
        }
        let values = artifact.parts.readable().filter_map(|part| {
            let PartContent::Data(Value::Object(data)) = part.content() else {
                return None;
            };
            data.get("value").filter(|value| !value.is_null())
        });
        let values: Vec<&Value> = values.collect();
        let texts: Vec<String> = values.iter().map(|value| text_of(value)).collect();
        let payload = match values[..] {
            [] => return None,
            [value] if is_said(value) => None,
            [value] => Some(value.clone()),
            _ => Some(json!(values)),
        };
        let text = texts.join("\n");
        Some(Self { text, payload })
    }

    /// Adds the words to a question, whose id stays.
    pub(super) fn added_to(self, mut question: Question) -> Question {
        question.text = self.text;
        match self.payload {
            Some(payload) => question.with_payload(payload),
            None => question,
        }
    }
}

/// Returns what a graph asks, in words: those that it gave, or all that it gave as JSON.
fn text_of(value: &Value) -> String {
    let text = value.as_str().or_else(|| value["question"].as_str());
    text.map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns whether the words are all that there is.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.len() == 1 && value["question"].is_string(),
        other => other.is_string(),
    }
}

/// Adds to a question that a read shows the words that the newest events, oldest first, say of it.
///
/// They are of the same wait if the status that followed them is no older than the one that the read shows: the server
/// writes it a few milliseconds after the task began to wait (1 to 8 at LangGraph), and a later question begins to wait
/// later than that. Without times, nothing tells one wait from another, and no words are added.
pub(super) fn with_words(question: Question, events: &[RawEvent]) -> Question {
    let since = question.since.as_deref();
    let Some(since) = since.and_then(|at| DateTime::from(at).unix_millis()) else {
        return question;
    };
    let mut told = None;
    for event in events {
        let data = event.data.to_string();
        let Ok(event) = wire::decode::<StreamResponse>(data.as_bytes()) else {
            continue;
        };
        let (status, words) = match TaskEvent::from(event) {
            TaskEvent::Artifact(update) => {
                let words = update.artifact.as_ref().and_then(Words::of_artifact);
                told = words.or(told);
                continue;
            }
            TaskEvent::Status(update) => (update.status, told.take()),
            TaskEvent::Task(task) => (task.status, Words::of(&task.artifacts)),
            TaskEvent::Message(_) | TaskEvent::Error(_) | TaskEvent::Unknown(_) => continue,
        };
        let at = time_of_wait(&status);
        if let (Some(words), Some(at)) = (words, at)
            && at >= since
        {
            return words.added_to(question);
        }
    }
    question
}

/// Returns when a status that waits was written.
fn time_of_wait(status: &TaskStatus) -> Option<i64> {
    let at = status.timestamp.as_ref()?;
    at.unix_millis()
        .filter(|_| state_of(status).is_interrupted())
}

impl A2a {
    /// Returns the words of a question in a reply, or in an event that is the whole task, as an event with no more than
    /// them.
    pub(super) fn words_in(&self, content: &[u8]) -> Option<RawEvent> {
        let event: StreamResponse = self.read_content(content).ok()?;
        let TaskEvent::Task(task) = TaskEvent::from(event) else {
            return None;
        };
        time_of_wait(&task.status)?;
        let asks = |artifact: &&Artifact| Words::of_artifact(artifact).is_some();
        let asked = task.artifacts.readable().rfind(asks)?;
        let parts = asked.parts.readable();
        let parts: Vec<Value> = parts.map(super::types::Part::to_json).collect();
        let state = task.status.state.as_ref().map(|state| state.as_str());
        let at = task.status.timestamp.as_ref().map(DateTime::as_str);
        let data = json!({ "task": {
            "id": task.id.as_ref().map(|id| id.as_str()),
            "status": { "state": state, "timestamp": at },
            "artifacts": [{ "name": NAME, "parts": parts }],
        } });
        Some(RawEvent::new(None, "task", data))
    }
}

#[cfg(test)]
mod tests {
    use taskward_core::{QuestionId, QuestionKind};

    use super::*;
    use crate::a2a::agent::Binding;

    fn event(json: &str) -> RawEvent {
        RawEvent::new(None, "event", serde_json::from_str(json).expect(json))
    }

    fn asked(text: &str, at: &str) -> Vec<RawEvent> {
        // From lg-02 and `interop/traces/langgraph-rpc.txt`.
        let artifact = r#"{"kind":"artifact-update","taskId":"t","artifact":{"artifactId":"a","name":"Interrupt","parts":[{"kind":"data","data":{"id":"i","value":{"question":"TEXT"}}}]}}"#;
        let status = r#"{"kind":"status-update","taskId":"t","final":true,"status":{"state":"TASK_STATE_INPUT_REQUIRED","timestamp":"WHEN"}}"#;
        vec![
            event(&artifact.replace("TEXT", text)),
            event(&status.replace("WHEN", at)),
        ]
    }

    fn shown(at: Option<&str>) -> Question {
        Question::new(QuestionId::new("q"), QuestionKind::Text, "")
            .asked_since(at.map(str::to_owned))
            .as_stand_in()
    }

    const ASKED: &str = "2026-11-29T21:09:13.227163+00:00";
    const SHOWN: &str = "2026-11-29T21:09:13.226042+00:00";
    const LATER: &str = "2026-11-29T21:09:14.026042+00:00";

    /// Rows: P24.
    #[test]
    fn words_are_added_to_the_wait_that_they_were_said_of_and_to_no_other() {
        let text = |at: Option<&str>, events: &[RawEvent]| {
            let question = with_words(shown(at), events);
            assert_eq!(question.id, shown(at).id);
            assert!(question.stand_in && question.payload.is_none());
            question.text
        };
        let colour = asked("colour?", ASKED);
        assert_eq!(text(Some(SHOWN), &colour), "colour?");
        assert_eq!(text(Some(ASKED), &colour), "colour?");
        assert_eq!(text(Some(LATER), &colour), "");
        assert_eq!(text(None, &colour), "");
        // Nothing says yet that the task waits, or when, or that it does so still.
        assert_eq!(text(Some(SHOWN), &colour[..1]), "");
        assert_eq!(text(Some(SHOWN), &asked("colour?", "")), "");
        let mut worked = colour[..1].to_vec();
        worked.push(event(
            &colour[1]
                .data
                .to_string()
                .replace("INPUT_REQUIRED", "WORKING"),
        ));
        worked.push(colour[1].clone());
        assert_eq!(text(Some(SHOWN), &worked), "");
        let mut both = colour.clone();
        both.extend(asked("size?", "2026-11-29T21:09:14.027163+00:00"));
        assert_eq!(text(Some(SHOWN), &both), "colour?");
        assert_eq!(text(Some(LATER), &both), "size?");
    }

    #[test]
    fn a_graph_asks_in_words_or_with_any_value() {
        let of = |parts: Value| {
            let artifact = json!({ "name": "Interrupt", "parts": parts }).to_string();
            let artifact = wire::decode::<Artifact>(artifact.as_bytes()).expect("an artifact");
            Words::of_artifact(&artifact).map(|words| (words.text, words.payload))
        };
        let part = |value: Value| json!({ "data": { "id": "i", "value": value } });
        let said = |text: &str, payload| Some((text.to_owned(), payload));
        let form = json!({ "question": "Send?", "options": ["yes", "no"] });
        assert_eq!(of(json!([part(json!("Sure?"))])), said("Sure?", None));
        assert_eq!(
            of(json!([part(form.clone())])),
            said("Send?", Some(form.clone()))
        );
        let call = json!({ "tool": "mail" });
        assert_eq!(
            of(json!([part(call.clone())])),
            said(r#"{"tool":"mail"}"#, Some(call.clone()))
        );
        assert_eq!(
            of(json!([part(form.clone()), part(call.clone())])),
            said("Send?\n{\"tool\":\"mail\"}", Some(json!([form, call])))
        );
        for nothing in [
            json!([]),
            json!([{ "text": "Sure?" }]),
            json!([{ "data": { "id": "i" } }]),
            json!([part(Value::Null)]),
        ] {
            assert_eq!(of(nothing.clone()), None, "{nothing}");
        }
    }

    #[test]
    fn of_a_reply_that_asks_no_more_is_kept_than_its_words() {
        let agent = A2a::at(Binding::JsonRpc, "/").expect("a path");
        let reply = r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"id":"t","contextId":"c","history":[{"parts":[{"text":"ask"}]}],"status":{"state":"TASK_STATE_INPUT_REQUIRED","timestamp":"2026-11-29T21:09:13.227163+00:00"},"artifacts":[{"name":"other","parts":[]},{"name":"Interrupt","parts":[{"data":{"id":"i","value":"colour?"}}]}]}}}"#;
        let kept = agent.words_in(reply.as_bytes()).expect("words");
        assert_eq!(
            kept.data,
            json!({ "task": {
                "id": "t",
                "status": { "state": "TASK_STATE_INPUT_REQUIRED", "timestamp": ASKED },
                "artifacts": [{ "name": "Interrupt", "parts": [{ "data": { "id": "i", "value": "colour?" } }] }],
            } })
        );
        assert_eq!(with_words(shown(Some(SHOWN)), &[kept]).text, "colour?");
        for nothing in [
            reply.replace("Interrupt", "Answer"),
            reply.replace("INPUT_REQUIRED", "COMPLETED"),
            reply.replace("\"timestamp\"", "\"other\""),
            reply[1..].to_owned(),
        ] {
            assert_eq!(agent.words_in(nothing.as_bytes()), None, "{nothing}");
        }
    }
}
