//! The conversation of a task: who spoke last, and what that means.

use serde_json::Value;
use taskward_core::{Landed, Mark, Question, QuestionKind, ReadError, Reading, Response};

use super::answer::Answer;
use super::provider::subject;
use super::types::{Message, MessageList, MessageRole};
use crate::wire;

/// Reads a reply to the list of a task's messages: under `data`, under `messages`, or as a bare array.
pub(super) fn read(id: &str, reply: &Response) -> Result<Vec<Message>, ReadError> {
    subject(id).check(&reply.body)?;
    decode(&reply.body)
}

fn decode(body: &[u8]) -> Result<Vec<Message>, ReadError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Ok(wire::decode(body)?);
    }
    let list: MessageList = wire::decode(body)?;
    match (list.data, list.messages) {
        (Some(data), Some(messages)) if data.is_empty() => Ok(messages),
        (Some(data), _) => Ok(data),
        (None, Some(messages)) => Ok(messages),
        (None, None) => Err(ReadError::new(
            taskward_core::ReadErrorKind::Shape,
            "the message list has neither \"data\" nor \"messages\"",
        )),
    }
}

/// The same for whoever wants to see the conversation: a list without any message in it is no empty one.
pub(super) fn read_all(id: &str, reply: &Response) -> Result<Vec<Message>, ReadError> {
    let messages = read(id, reply)?;
    let is_odd = messages.is_empty()
        && wire::decode::<MessageList>(&reply.body).is_ok_and(|list| {
            ["data", "messages"]
                .iter()
                .any(|name| list.extra.contains_key(*name))
        });
    if is_odd {
        let what = "no entry of the message list is a message";
        return Err(ReadError::new(taskward_core::ReadErrorKind::Shape, what));
    }
    Ok(messages)
}

fn is(message: &Message, role: &MessageRole) -> bool {
    message.role.as_ref() == Some(role)
}

/// What a task that waits asks: open only while the newest message of user and assistant is the assistant's.
pub(super) fn asked(messages: &[Message]) -> Reading<Answer> {
    let spoken = |message: &&Message| {
        is(message, &MessageRole::Assistant) || is(message, &MessageRole::User)
    };
    match messages.iter().rfind(spoken) {
        Some(newest) if is(newest, &MessageRole::Assistant) => {
            Reading::Asking(vec![question(messages, newest)])
        }
        Some(_)
            if messages
                .iter()
                .any(|message| is(message, &MessageRole::Assistant)) =>
        {
            Reading::NotAsking
        }
        // It waits and has said nothing: told as a question without words once several reads agree.
        _ => {
            let id = format!("silent-{}", messages.len());
            Reading::Asking(vec![
                Question::new(id, QuestionKind::Text, "").as_stand_in(),
            ])
        }
    }
}

fn question(messages: &[Message], newest: &Message) -> Question {
    let since = messages
        .iter()
        .rposition(|message| is(message, &MessageRole::User))
        .map_or(0, |at| at + 1);
    let said = messages[since..]
        .iter()
        .filter(|message| is(message, &MessageRole::Assistant));
    let contents = said.filter_map(|message| message.content.clone()).collect();
    let text = newest.content.as_ref().map(words).unwrap_or_default();
    Question::new(name(messages, newest), QuestionKind::Text, text).with_messages(contents)
}

/// A message's id; without one, its place in the log and a digest of what it says.
fn name(messages: &[Message], message: &Message) -> String {
    match &message.id {
        Some(id) => id.as_str().to_owned(),
        None => {
            let place = messages
                .iter()
                .position(|other| std::ptr::eq(other, message))
                .unwrap_or_default();
            let content = message
                .content
                .as_ref()
                .map(Value::to_string)
                .unwrap_or_default();
            format!("{place}-{:016x}", fnv(content.as_bytes()))
        }
    }
}

/// FNV-1a: tells contents apart across processes and versions; not against an adversary, who owns the ids anyway.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The first thing that a user said.
pub(super) fn opening(messages: &[Message]) -> Option<String> {
    let first = messages
        .iter()
        .find(|message| is(message, &MessageRole::User))?;
    first.content.as_ref().map(words)
}

/// Where the conversation stands: its length and its newest message.
pub(super) fn mark(messages: &[Message]) -> Mark {
    let newest = messages
        .last()
        .map(|message| name(messages, message))
        .unwrap_or_default();
    Mark::new(format!("{}:{newest}", messages.len()))
}

/// Whether a message of ours, sent after `mark`, shows.
pub(super) fn landed(messages: &[Message], mark: &Mark, text: &str) -> Landed {
    let (length, newest) = mark.as_str().split_once(':').unwrap_or(("0", ""));
    let known = messages
        .iter()
        .position(|message| !newest.is_empty() && name(messages, message) == newest);
    let since = known.map_or_else(|| length.parse().unwrap_or(0), |at| at + 1);
    let new = messages
        .get(since.min(messages.len())..)
        .unwrap_or_default();
    let said = |message: &Message| message.content.as_ref().map(words).unwrap_or_default();
    let ours = new
        .iter()
        .any(|m| is(m, &MessageRole::User) && said(m).trim() == text.trim());
    let last_user = new.iter().rposition(|m| is(m, &MessageRole::User));
    let replied = new[last_user.map_or(0, |at| at + 1)..]
        .iter()
        .any(|m| is(m, &MessageRole::Assistant));
    match (ours, replied) {
        (true, true) => Landed::Replied,
        (true, false) => Landed::Yes,
        (false, true) => Landed::Spoken,
        (false, false) => Landed::No,
    }
}

/// The words of a message's content, whatever shape it has; JSON when it has none.
pub(super) fn words(content: &Value) -> String {
    text_of(content).unwrap_or_else(|| match content {
        Value::Null => String::new(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    })
}

/// The text of a free-form value: a string, or an object's `summary`, `text` or `content`, or the texts of a list.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => ["summary", "text", "content"]
            .iter()
            .find_map(|name| text_of(object.get(*name)?)),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(text_of).collect();
            texts
                .filter(|texts| !texts.is_empty())
                .map(|texts| texts.join("\n"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(&str, &str)]) -> Vec<Message> {
        let list: Vec<Value> = entries
            .iter()
            .enumerate()
            .map(|(i, (role, text))| serde_json::json!({"id": format!("m{i}"), "role": role, "content": text}))
            .collect();
        decode(serde_json::json!({ "data": list }).to_string().as_bytes()).expect("messages")
    }

    fn question_of(reading: Reading<Answer>) -> Option<Question> {
        match reading {
            Reading::Asking(mut questions) => questions.pop(),
            _ => None,
        }
    }

    #[test]
    fn a_list_is_read_under_either_name_and_bare() {
        for body in [
            r#"{"data":[{"role":"user"}]}"#,
            r#"{"messages":[{"role":"user"}]}"#,
            r#"{"data":[],"messages":[{"role":"user"}]}"#,
            r#"{"data":null,"messages":[{"role":"user"}]}"#,
            r#" [{"role":"user"}]"#,
        ] {
            assert_eq!(decode(body.as_bytes()).expect(body).len(), 1, "{body}");
        }
        assert!(decode(b"{}").is_err());
    }

    #[test]
    fn a_question_is_open_only_while_the_assistant_spoke_last() {
        let asked_of = |entries: &[(&str, &str)]| asked(&log(entries));
        let open = question_of(asked_of(&[
            ("user", "go"),
            ("assistant", "a"),
            ("tool", "t"),
            ("assistant", "b?"),
            ("system", "s"),
        ]));
        let open = open.expect("a question");
        assert_eq!(
            (open.id.as_str(), open.text(), open.messages.len()),
            ("m3", "b?", 2)
        );
        assert!(matches!(
            asked_of(&[("user", "go"), ("assistant", "a?"), ("user", "yes")]),
            Reading::NotAsking
        ));
        for silent in [&[][..], &[("user", "go")], &[("tool", "t")]] {
            let question = question_of(asked_of(silent)).expect("a stand-in");
            assert!(question.stand_in && question.text.is_empty());
        }
    }

    #[test]
    fn a_question_without_an_id_is_known_by_its_place_and_content() {
        let of = |text: &str| {
            let list = decode(
                format!(r#"{{"data":[{{"role":"assistant","content":"{text}"}}]}}"#).as_bytes(),
            )
            .expect("list");
            question_of(asked(&list)).expect("question").id
        };
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn a_message_is_found_after_its_mark_only() {
        let before = [("user", "go"), ("assistant", "a?")];
        let mark = mark(&log(&before));
        let with =
            |more: &[(&str, &str)]| landed(&log(&[&before[..], more].concat()), &mark, "yes");
        assert_eq!(with(&[]), Landed::No);
        assert_eq!(with(&[("user", "no")]), Landed::No);
        assert_eq!(with(&[("user", " yes ")]), Landed::Yes);
        assert_eq!(with(&[("assistant", "hm"), ("user", "yes")]), Landed::Yes);
        assert_eq!(
            with(&[("user", "yes"), ("assistant", "ok")]),
            Landed::Replied
        );
        assert_eq!(with(&[("assistant", "ok")]), Landed::Spoken);
        assert_eq!(with(&[("user", "no"), ("assistant", "ok")]), Landed::Spoken);
        assert_eq!(landed(&[], &mark, "yes"), Landed::No);
    }

    #[test]
    fn content_of_any_shape_has_words() {
        for (content, text) in [
            (r#""a""#, "a"),
            (r#"{"text":"a"}"#, "a"),
            (r#"[{"type":"text","text":"a"},{"text":"b"}]"#, "a\nb"),
            ("null", ""),
            ("7", "7"),
        ] {
            assert_eq!(
                words(&serde_json::from_str(content).expect("json")),
                text,
                "{content}"
            );
        }
    }
}
