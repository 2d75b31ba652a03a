//! The conversation of a task: who spoke last, and what that means.

use serde_json::Value;
use taskward_core::{
    Confirmation, Cursor, LenientList, ListEntry, PollResult, Question, QuestionId, QuestionKind,
    ReadError, Response, TaskId,
};

use super::answer::Answer;
use super::requests::subject;
use super::text::text_of;
use super::types::{Message, MessageList, MessageRole};
use crate::wire;

/// Reads a reply to the list of a task's messages: under `data`, under `messages`, or as a bare array.
pub(super) fn read(id: &str, reply: &Response) -> Result<LenientList<Message>, ReadError> {
    subject(id).check(&reply.body)?;
    decode(&reply.body)
}

fn decode(body: &[u8]) -> Result<LenientList<Message>, ReadError> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Ok(wire::decode_list(body)?);
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

fn is(message: &Message, role: &MessageRole) -> bool {
    message.role.as_ref() == Some(role)
}

fn has_spoken(message: &Message) -> bool {
    is(message, &MessageRole::Assistant) || is(message, &MessageRole::User)
}

/// Returns whether it is unclear who spoke last: the newest message of user or assistant is followed by one that cannot be
/// read, or whose speaker cannot be read. Anybody may have written it.
fn is_unclear(messages: &LenientList<Message>) -> bool {
    let newest_first = messages.entries().iter().rev();
    for entry in newest_first {
        match entry {
            ListEntry::Unreadable => return true,
            ListEntry::Readable(message) if message.role.is_none() => return true,
            ListEntry::Readable(message) if has_spoken(message) => return false,
            ListEntry::Readable(_) => {}
        }
    }
    false
}

/// Returns the question of a task that waits: open only while the newest message of user and assistant is the assistant's.
pub(super) fn asked(task: &TaskId, messages: &LenientList<Message>) -> PollResult<Answer> {
    if is_unclear(messages) {
        return PollResult::Unclear;
    }
    let messages: Vec<&Message> = messages.readable().collect();
    match messages.iter().rfind(|message| has_spoken(message)) {
        Some(newest) if is(newest, &MessageRole::Assistant) => {
            PollResult::Asking(vec![question(task, &messages, newest)])
        }
        Some(_)
            if messages
                .iter()
                .any(|message| is(message, &MessageRole::Assistant)) =>
        {
            PollResult::NotAsking
        }
        // It waits without a message: reported as a question without text once several reads agree.
        _ => {
            let users = users_in(&messages);
            let id = QuestionId::stand_in(task, &users.to_string());
            let silence = Question::new(id, QuestionKind::Text, "").asked_behind(users);
            PollResult::Asking(vec![silence.as_stand_in()])
        }
    }
}

fn question(task: &TaskId, messages: &[&Message], newest: &Message) -> Question {
    let since = messages
        .iter()
        .rposition(|message| is(message, &MessageRole::User))
        .map_or(0, |at| at + 1);
    let said = messages[since..]
        .iter()
        .filter(|message| is(message, &MessageRole::Assistant));
    let contents = said.filter_map(|message| message.content.clone()).collect();
    let text = newest.content.as_ref().map(words).unwrap_or_default();
    let users = users_in(&messages[..since]);
    Question::new(question_id(task, newest, users), QuestionKind::Text, text)
        .asked_behind(users)
        .asked_since(since_when(newest))
        .with_messages(contents)
}

/// Returns since when a message has its present text: one that was edited has asked something else since.
fn since_when(message: &Message) -> Option<String> {
    let edited = message.extra.get("updated_at").and_then(Value::as_str);
    let made = message.created_at.as_ref().map(|at| at.as_str());
    edited.or(made).map(str::to_owned)
}

fn users_in(messages: &[&Message]) -> u64 {
    let users = messages.iter();
    users
        .filter(|message| is(message, &MessageRole::User))
        .count() as u64
}

/// Returns what identifies a question: its message, and the message's text. One that is edited, or followed by another,
/// is another question. A message without an id is known by its time and by how often a user spoke before it.
fn question_id(task: &TaskId, message: &Message, users: u64) -> QuestionId {
    let task = task.as_str().as_bytes();
    let content = canonical(message.content.as_ref().unwrap_or(&Value::Null));
    match &message.id {
        Some(id) => QuestionId::of(&[task, id.as_str().as_bytes(), content.as_bytes()]),
        None => {
            let at = message.created_at.as_ref().map_or("", |at| at.as_str());
            let users = users.to_string();
            QuestionId::of(&[task, at.as_bytes(), users.as_bytes(), content.as_bytes()])
        }
    }
}

/// Returns the same text for the same value, however the server orders or spaces it.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut names: Vec<&String> = object.keys().collect();
            names.sort_unstable();
            let members = names.into_iter().map(|name| {
                let quoted = Value::from(name.as_str());
                format!("{quoted}:{}", canonical(&object[name]))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Returns a message's id; without one, its place in the log and a digest of its text.
fn name(place: usize, message: &Message) -> String {
    match &message.id {
        Some(id) => id.as_str().to_owned(),
        None => {
            let content = message
                .content
                .as_ref()
                .map(Value::to_string)
                .unwrap_or_default();
            format!("{place}-{:016x}", fnv(content.as_bytes()))
        }
    }
}

/// Hashes with FNV-1a: it distinguishes contents across processes and versions, but not against an adversary, who controls
/// the ids anyway.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Returns the first message of a user; nothing where an entry before it cannot be read, for that may be the first.
pub(super) fn opening(messages: &LenientList<Message>) -> Option<String> {
    let first = messages.entries().iter().find(|entry| match entry {
        ListEntry::Readable(message) => is(message, &MessageRole::User) || message.role.is_none(),
        ListEntry::Unreadable => true,
    })?;
    let first = first.as_ref().readable()?;
    first.role.as_ref()?;
    first.content.as_ref().map(words)
}

/// Returns the cursor of the conversation: its length and its newest message, when that can be read.
pub(super) fn mark(messages: &LenientList<Message>) -> Cursor {
    let newest = match messages.entries() {
        [.., ListEntry::Readable(newest)] => name(messages.len() - 1, newest),
        _ => String::new(),
    };
    Cursor::new(format!("{}:{newest}", messages.len()))
}

/// Returns whether the conversation shows a message of ours, sent after `cursor`. It shows none where it is unclear who
/// spoke last.
pub(super) fn find_write(
    messages: &LenientList<Message>,
    mark: &Cursor,
    text: &str,
) -> Confirmation {
    if is_unclear(messages) {
        return Confirmation::Absent;
    }
    let (length, newest) = mark.as_str().split_once(':').unwrap_or(("0", ""));
    let entries = messages.entries();
    let known = entries.iter().enumerate().position(|(place, entry)| {
        let entry = entry.as_ref().readable();
        !newest.is_empty() && entry.is_some_and(|message| name(place, message) == newest)
    });
    let since = known.map_or_else(|| length.parse().unwrap_or(0), |at| at + 1);
    let new = entries.get(since.min(entries.len())..).unwrap_or_default();
    let new: Vec<&Message> = new
        .iter()
        .filter_map(|entry| entry.as_ref().readable())
        .collect();
    let said = |message: &Message| message.content.as_ref().map(words).unwrap_or_default();
    let ours = new
        .iter()
        .any(|m| is(m, &MessageRole::User) && said(m).trim() == text.trim());
    let last_user = new.iter().rposition(|m| is(m, &MessageRole::User));
    let replied = new[last_user.map_or(0, |at| at + 1)..]
        .iter()
        .any(|m| is(m, &MessageRole::Assistant));
    match (ours, replied) {
        (true, true) => Confirmation::PresentAndReplied,
        (true, false) => Confirmation::Present,
        (false, true) => Confirmation::AbsentAndReplied,
        (false, false) => Confirmation::Absent,
    }
}

/// Returns the text of a message's content, whatever shape it has; JSON when it has no text.
pub(super) fn words(content: &Value) -> String {
    text_of(content).unwrap_or_else(|| match content {
        Value::Null => String::new(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Rows: H29.
    #[test]
    fn a_question_is_as_old_as_what_its_message_says() {
        let since = |times: Value| {
            let mut message = json!({"role": "assistant", "content": "Which?"});
            let fields = message.as_object_mut().expect("an object");
            fields.extend(times.as_object().expect("an object").clone());
            let reply = json!([{"role": "user", "content": "Hi", "created_at": "2026-05-11T10:00:00Z"}, message]);
            let list = decode(reply.to_string().as_bytes()).expect("a list");
            match asked(&TaskId::new("t"), &list) {
                PollResult::Asking(questions) => questions[0].since.clone(),
                other => panic!("{other:?}"),
            }
        };
        let (made, edited) = ("2026-05-11T10:15:00Z", "2026-05-11T11:00:00Z");
        assert_eq!(since(json!({"created_at": made})).as_deref(), Some(made));
        let both = since(json!({"created_at": made, "updated_at": edited}));
        assert_eq!(both.as_deref(), Some(edited));
        assert_eq!(since(json!({})), None);
    }

    fn log(entries: &[(&str, &str)]) -> LenientList<Message> {
        let list: Vec<Value> = entries
            .iter()
            .enumerate()
            .map(|(i, (role, text))| serde_json::json!({"id": format!("m{i}"), "role": role, "content": text}))
            .collect();
        decode(serde_json::json!({ "data": list }).to_string().as_bytes()).expect("messages")
    }

    fn question_of(reading: PollResult<Answer>) -> Option<Question> {
        match reading {
            PollResult::Asking(mut questions) => questions.pop(),
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
        let task = TaskId::new("t");
        let asked_of = |entries: &[(&str, &str)]| asked(&task, &log(entries));
        let open = question_of(asked_of(&[
            ("user", "go"),
            ("assistant", "a"),
            ("tool", "t"),
            ("assistant", "b?"),
            ("system", "s"),
        ]));
        let open = open.expect("a question");
        assert_eq!((open.text(), open.messages.len()), ("b?", 2));
        assert_eq!(open.users_before, Some(1));
        assert!(matches!(
            asked_of(&[("user", "go"), ("assistant", "a?"), ("user", "yes")]),
            PollResult::NotAsking
        ));
        for silent in [&[][..], &[("user", "go")], &[("tool", "t")]] {
            let question = question_of(asked_of(silent)).expect("a stand-in");
            assert!(question.stand_in && question.text.is_empty());
            assert!(question.id.is_stand_in(), "{}", question.id);
        }
    }

    fn id_of(task: &str, list: &Value) -> String {
        let messages = decode(list.to_string().as_bytes()).expect("messages");
        let question = question_of(asked(&TaskId::new(task), &messages));
        question.expect("a question").id.as_str().to_owned()
    }

    /// The bytes are written out: an id computed from the documentation is the same.
    ///
    /// Rows: H20.
    #[test]
    fn a_question_is_known_by_its_task_its_message_and_what_that_says() {
        let message = |id: Value, content: Value| {
            json!([
                { "role": "user", "content": "go" },
                { "role": "assistant", "id": id, "content": content, "created_at": "2026-05-12T10:15:00Z" },
            ])
        };
        let digest = |bytes: &[u8]| QuestionId::of(&[bytes]).as_str().to_owned();
        assert_eq!(digest(b""), "q_af5570f5a1810b7a", "eight zero bytes");
        let asked = id_of("t", &message(json!("m1"), json!("Which?")));
        assert_eq!(asked, "q_21846995296939dc");
        let others = [
            id_of("t2", &message(json!("m1"), json!("Which?"))),
            id_of("t", &message(json!("m2"), json!("Which?"))),
            id_of("t", &message(json!("m1"), json!("Which one?"))),
            id_of("t", &message(json!("m1"), json!({ "text": "Which?" }))),
            // Parts do not run into one another.
            id_of("tm", &message(json!("1"), json!("Which?"))),
            id_of("t", &message(Value::Null, json!("Which?"))),
        ];
        let all: BTreeSet<&String> = others.iter().chain([&asked]).collect();
        assert_eq!(all.len(), others.len() + 1, "{all:?}");
    }

    /// Rows: H20.
    #[test]
    fn a_message_without_an_id_is_known_by_its_time_and_by_who_spoke_before_it() {
        let list = |before: &[&str], at: &str, text: &str| {
            let before = before
                .iter()
                .map(|role| json!({ "role": role, "content": "x" }));
            let asks = json!({ "role": "assistant", "content": text, "created_at": at });
            Value::Array(before.chain([asks]).collect())
        };
        let at = "2026-05-12T10:15:00Z";
        let asked = id_of("t", &list(&["user"], at, "a?"));
        // It is the same, whoever else spoke.
        for same in [&["system", "user"][..], &["user", "tool", "assistant"]] {
            assert_eq!(id_of("t", &list(same, at, "a?")), asked, "{same:?}");
        }
        let others = [
            id_of("t", &list(&["user", "user"], at, "a?")),
            id_of("t", &list(&["user"], "2026-05-12T10:15:01Z", "a?")),
            id_of("t", &list(&["user"], at, "b?")),
        ];
        assert!(!others.contains(&asked), "{others:?}");
    }

    /// Rows: H20.
    #[test]
    fn the_same_content_has_one_id_however_the_server_orders_and_spaces_it() {
        let of = |content: &str| {
            let text = format!(r#"[{{"role":"assistant","id":"m","content":{content}}}]"#);
            let messages = decode(text.as_bytes()).expect("messages");
            let question = question_of(asked(&TaskId::new("t"), &messages));
            question.expect("a question").id
        };
        let one = of(r#"{"b":[1,2.50,{"z":null,"a":"\u00e9"}],"a":{}}"#);
        for same in [
            r#"{ "a": { }, "b": [1, 2.5, {"a": "é", "z": null}] }"#,
            "{\n\t\"b\" : [ 1,2.5e0,{\"z\":null,\"a\":\"é\"} ],\"a\":{}}",
        ] {
            assert_eq!(of(same), one, "{same}");
        }
        for other in [
            r#"{"b":[2.5,1,{"z":null,"a":"é"}],"a":{}}"#,
            r#"{"b":[1,2.5,{"a":"é"}],"a":{}}"#,
            r#"{"b":["1",2.5,{"z":null,"a":"é"}],"a":{}}"#,
        ] {
            assert_ne!(of(other), one, "{other}");
        }
    }

    #[test]
    fn a_message_is_found_after_its_mark_only() {
        let before = [("user", "go"), ("assistant", "a?")];
        let mark = mark(&log(&before));
        let with =
            |more: &[(&str, &str)]| find_write(&log(&[&before[..], more].concat()), &mark, "yes");
        assert_eq!(with(&[]), Confirmation::Absent);
        assert_eq!(with(&[("user", "no")]), Confirmation::Absent);
        assert_eq!(with(&[("user", " yes ")]), Confirmation::Present);
        assert_eq!(
            with(&[("assistant", "hm"), ("user", "yes")]),
            Confirmation::Present
        );
        assert_eq!(
            with(&[("user", "yes"), ("assistant", "ok")]),
            Confirmation::PresentAndReplied
        );
        assert_eq!(with(&[("assistant", "ok")]), Confirmation::AbsentAndReplied);
        assert_eq!(
            with(&[("user", "no"), ("assistant", "ok")]),
            Confirmation::AbsentAndReplied
        );
        assert_eq!(
            find_write(&LenientList::default(), &mark, "yes"),
            Confirmation::Absent
        );
    }

    /// Builds a conversation of these: user, assistant, tool, an entry that cannot be read, one without a speaker.
    fn spoken(letters: &str) -> LenientList<Message> {
        let entry = |(place, letter)| {
            let role = match letter {
                'u' => "user",
                'a' => "assistant",
                't' => "tool",
                '?' => return serde_json::json!({ "content": "x" }),
                _ => return Value::Null,
            };
            serde_json::json!({"id": format!("m{place}"), "role": role, "content": format!("{letter}{place}")})
        };
        let list: Vec<Value> = letters.chars().enumerate().map(entry).collect();
        decode(Value::Array(list).to_string().as_bytes()).expect("messages")
    }

    /// Rows: D23.
    #[test]
    fn an_entry_that_cannot_be_read_is_no_evidence_of_who_spoke_last() {
        for (log, asks) in [
            ("ua", "asks a1"),
            ("ua-", "unclear"),
            ("ua?", "unclear"),
            ("ua-t", "unclear"),
            ("uau-", "unclear"),
            ("u-", "unclear"),
            ("-", "unclear"),
            ("ua-a", "asks a3"),
            ("-a", "asks a1"),
            ("ua-u", "asks nothing"),
            ("ua-ut", "asks nothing"),
            ("uat", "asks a1"),
            ("-u", "silent"),
        ] {
            let said = match asked(&TaskId::new("t"), &spoken(log)) {
                PollResult::Unclear => "unclear".to_owned(),
                PollResult::NotAsking => "asks nothing".to_owned(),
                PollResult::Asking(questions) if questions[0].stand_in => "silent".to_owned(),
                PollResult::Asking(questions) => format!("asks {}", questions[0].text),
                other => format!("{other:?}"),
            };
            assert_eq!(said, asks, "{log}");
        }
    }

    /// Rows: D23.
    #[test]
    fn an_entry_that_cannot_be_read_keeps_its_place_and_proves_no_delivery() {
        for (before, after, said, found) in [
            ("ua", "uau", "u2", Confirmation::Present),
            ("ua", "uau-", "u2", Confirmation::Absent),
            ("ua", "ua-", "u2", Confirmation::Absent),
            ("ua", "uau?", "u2", Confirmation::Absent),
            ("ua", "ua-u", "u3", Confirmation::Present),
            ("ua", "uau-a", "u2", Confirmation::PresentAndReplied),
            ("ua", "ua-a", "u2", Confirmation::AbsentAndReplied),
            // Behind an entry that cannot be read, it is the place that counts.
            ("ua-", "ua-u", "u3", Confirmation::Present),
            ("uu-", "uuau", "u1", Confirmation::Absent),
            ("uu-", "uuuu", "u2", Confirmation::Absent),
        ] {
            let mark = mark(&spoken(before));
            assert_eq!(
                find_write(&spoken(after), &mark, said),
                found,
                "{before} {after}"
            );
        }
        for (log, first) in [
            ("tu", Some("u1")),
            ("-u", None),
            ("?u", None),
            ("u-", Some("u0")),
        ] {
            assert_eq!(opening(&spoken(log)).as_deref(), first, "{log}");
        }
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
