//! What an agent asks: the message of a status that waits.

use serde_json::{Value, json};
use taskward_core::{Question, QuestionId, QuestionKind, TaskId};

use super::interrupt::Words;
use super::parts::{data_of, text_of};
use super::status::{State, state_of};
use super::types::{Message, Part, TaskStatus};

/// Returns what a task asks in this status; `None` if it does not wait.
///
/// The id is a digest of the task, the time of the status and what is asked. The id of the message would be better, but
/// one server makes another at every read; the time tells two equal questions apart, and where there is none, the id of
/// the message does. Where a status shows that its task waits and not for what, the question is a stand-in, and says what
/// `words` do: its id is the same with and without them, for they are not in every reply.
pub(super) fn question_of(
    task: &str,
    conversation: Option<&str>,
    status: &TaskStatus,
    words: Option<Words>,
) -> Option<Question> {
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
    let is_stand_in = is_silent(status);
    let kind = match (state, data) {
        (State::AuthRequired, _) => QuestionKind::Authentication,
        (_, Some(_)) => QuestionKind::Data,
        (_, None) => QuestionKind::Text,
    };
    let message = status.message.as_ref();
    let message = message.and_then(|said| said.message_id.as_ref());
    let place = at.as_deref().or(message.map(|id| id.as_str()));
    let id = match is_stand_in {
        true => QuestionId::stand_in(&TaskId::new(task), place.unwrap_or_default()),
        false => id_of(task, place, &text, &others),
    };
    let question = Question::new(id, kind, text)
        .asked_since(at)
        .in_conversation(conversation.map(str::to_owned));
    let question = match data {
        Some(data) => question.with_payload(data.clone()),
        // A file beside the words is part of what is asked.
        None if others.iter().any(|part| part.get("text").is_none()) => {
            question.with_payload(json!({ "parts": others }))
        }
        None => question,
    };
    Some(match (is_stand_in, words) {
        (true, Some(words)) => words.added_to(question).as_stand_in(),
        (true, None) => question.as_stand_in(),
        (false, _) => question,
    })
}

/// Returns whether a status waits and does not say for what.
pub(super) fn is_silent(status: &TaskStatus) -> bool {
    let mut said = status.message.iter().flat_map(|said| said.parts.readable());
    state_of(status).is_interrupted() && said.next().is_none()
}

/// Returns the id of a question: the same in every process and at every read. Without a time, all that is asked tells it
/// from the next one.
fn id_of(task: &str, at: Option<&str>, text: &str, parts: &[Value]) -> QuestionId {
    match at {
        Some(at) => QuestionId::of(&[task.as_bytes(), at.as_bytes(), text.as_bytes()]),
        None => {
            let parts = json!(parts).to_string();
            QuestionId::of(&[task.as_bytes(), b"", text.as_bytes(), parts.as_bytes()])
        }
    }
}

/// Returns whether a message has this id: the proof that ours has arrived.
pub(super) fn has_id(message: &Message, id: &str) -> bool {
    message
        .message_id
        .as_ref()
        .is_some_and(|found| found.as_str() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> TaskStatus {
        crate::wire::decode(json.as_bytes()).expect(json)
    }

    fn question(json: &str) -> Question {
        question_of("t", None, &status(json), None).expect(json)
    }

    /// From a2a-05: the Python SDK's question.
    const COLOUR: &str = r#"{"state":"TASK_STATE_INPUT_REQUIRED","message":{"messageId":"bd3cb48f-dc62-4847-85d9-11221031cdab","contextId":"898813ec","taskId":"92160474","role":"ROLE_AGENT","parts":[{"text":"colour?"}]},"timestamp":"2026-11-29T21:04:12.491911Z"}"#;

    /// Rows: P10.
    #[test]
    fn a_question_is_the_same_at_every_read_and_another_after_another_status() {
        let colour = question(COLOUR);
        assert_eq!(
            (colour.text(), &colour.kind),
            ("colour?", &QuestionKind::Text)
        );
        assert_eq!(colour.since.as_deref(), Some("2026-11-29T21:04:12.491911Z"));
        assert!(!colour.stand_in && colour.payload.is_none());
        // LangGraph makes another message id at every read; version 0.3 spells the rest in its own way.
        for same in [
            COLOUR.replace("bd3cb48f", "00000000"),
            COLOUR.replace("TASK_STATE_INPUT_REQUIRED", "input-required"),
            COLOUR.replace(
                r#"{"text":"colour?"}"#,
                r#"{"kind":"text","text":"colour?","filename":"","mediaType":""}"#,
            ),
            COLOUR.replace(r#","role":"ROLE_AGENT""#, ""),
        ] {
            assert_eq!(question(&same).id, colour.id, "{same}");
        }
        for other in [
            COLOUR.replace("21:04:12", "21:04:13"),
            COLOUR.replace("colour?", "size?"),
            COLOUR.replace(r#","timestamp":"2026-11-29T21:04:12.491911Z""#, ""),
        ] {
            assert_ne!(question(&other).id, colour.id, "{other}");
        }
        let elsewhere = question_of("u", None, &status(COLOUR), None).expect("a question");
        assert_ne!(elsewhere.id, colour.id);
    }

    #[test]
    fn data_files_and_credentials_are_asked_for_each_in_their_way() {
        // From a2a-07: a form.
        let form = question(
            r#"{"state":"TASK_STATE_INPUT_REQUIRED","message":{"role":"ROLE_AGENT","parts":[{"data":{"schema":{"type":"object"}}}]}}"#,
        );
        assert_eq!((form.text(), &form.kind), ("", &QuestionKind::Data));
        assert_eq!(form.payload, Some(json!({"schema": {"type": "object"}})));
        assert!(!form.stand_in);
        let both = question(
            r#"{"state":"input-required","message":{"parts":[{"text":"Where to?"},{"data":{"from":"ZRH"}}]}}"#,
        );
        assert_eq!(
            (both.text(), &both.kind),
            ("Where to?", &QuestionKind::Data)
        );
        let file = question(
            r#"{"state":"input-required","message":{"parts":[{"text":"Sign this."},{"raw":"YQ==","filename":"a.pdf"}]}}"#,
        );
        assert_eq!(
            (file.text(), &file.kind),
            ("Sign this.", &QuestionKind::Text)
        );
        assert_eq!(
            file.payload,
            Some(json!({"parts": [{"text": "Sign this."}, {"rawLength": 3, "filename": "a.pdf"}]}))
        );
        let login = question(
            r#"{"state":"TASK_STATE_AUTH_REQUIRED","message":{"parts":[{"text":"Log in at https://a."}]}}"#,
        );
        assert_eq!(
            (login.text(), &login.kind),
            ("Log in at https://a.", &QuestionKind::Authentication)
        );
    }

    /// Rows: P10.
    #[test]
    fn a_task_that_says_only_that_it_waits_asks_by_a_stand_in() {
        // From lg-02: LangGraph's task while it waits.
        let silent = r#"{"state":"TASK_STATE_INPUT_REQUIRED","timestamp":"2026-11-29T21:09:13.226042+00:00"}"#;
        let asked = question(silent);
        assert!(asked.stand_in && asked.text().is_empty());
        assert_eq!(question(silent).id, asked.id);
        assert_ne!(question(&silent.replace(":13.", ":14.")).id, asked.id);
        for empty in [
            r#"{"state":"input-required","message":null}"#,
            r#"{"state":"input-required","message":{"parts":[]}}"#,
        ] {
            assert!(question(empty).stand_in, "{empty}");
        }
        for state in ["TASK_STATE_WORKING", "completed", "TASK_STATE_PAUSED", ""] {
            let json = COLOUR.replace("TASK_STATE_INPUT_REQUIRED", state);
            assert_eq!(
                question_of("t", None, &status(&json), None),
                None,
                "{state}"
            );
        }
        assert_eq!(question_of("t", None, &TaskStatus::default(), None), None);
    }

    #[test]
    fn a_message_of_ours_is_known_by_its_id() {
        let message: Message = crate::wire::decode(br#"{"messageId":"m"}"#).expect("a message");
        assert!(has_id(&message, "m") && !has_id(&message, "M"));
        assert!(!has_id(&Message::default(), ""));
    }
}
