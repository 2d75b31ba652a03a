//! What an agent asks: the message of a status that waits.

use serde_json::{Value, json};
use taskward_core::{IdempotencyKey, Question, QuestionKind, Seed};

use super::parts::{data_of, text_of};
use super::status::{State, state_of};
use super::types::{Message, Part, TaskStatus};

/// Returns what a task asks in this status; `None` if it does not wait.
///
/// The id is a digest of the task, the time of the status and what is asked. The id of the message would be better, but
/// one server makes another at every read; the time tells two equal questions apart. Where a server shows that its task
/// waits and not for what, the question is a stand-in.
pub(super) fn question_of(task: &str, status: &TaskStatus) -> Option<Question> {
    let state = state_of(status);
    if !state.is_interrupted() {
        return None;
    }
    let parts: Vec<&Part> = status
        .message
        .iter()
        .flat_map(|said| said.parts.readable())
        .collect();
    let text = text_of(parts.iter().copied()).unwrap_or_default();
    let data = data_of(parts.iter().copied());
    let at = status.timestamp.as_ref().map(|at| at.as_str().to_owned());
    let others: Vec<Value> = parts.iter().map(|part| part.to_json()).collect();
    let is_stand_in = text.is_empty() && others.is_empty();
    let kind = match (state, data) {
        (State::AuthRequired, _) => authentication(),
        (_, Some(_)) => QuestionKind::Data,
        (_, None) => QuestionKind::Text,
    };
    let id = digest(task, at.as_deref(), &others);
    let question = Question::new(id, kind, text).asked_since(at);
    let question = match data {
        Some(data) => question.with_payload(data.clone()),
        // A file beside the words is part of what is asked.
        None if others.iter().any(|part| part.get("text").is_none()) => {
            question.with_payload(json!({ "parts": others }))
        }
        None => question,
    };
    Some(match is_stand_in {
        true => question.as_stand_in(),
        false => question,
    })
}

/// Returns the id of a question: the same in every process and at every read.
fn digest(task: &str, at: Option<&str>, parts: &[Value]) -> String {
    let bound_to = json!([task, at, parts]).to_string();
    let seed = Seed([0; 32]);
    IdempotencyKey::mint(&seed, "question", bound_to.as_bytes())
        .as_str()
        .to_owned()
}

fn authentication() -> QuestionKind {
    QuestionKind::Other("authentication".to_owned())
}

/// Returns whether a message has this id: the proof that ours has arrived.
pub(super) fn has_id(message: &Message, id: &str) -> bool {
    message
        .message_id
        .as_ref()
        .is_some_and(|found| found.as_str() == id)
}
