//! Data as people write it: `KEY=VALUE`, `KEY:=JSON`, or a whole JSON object; and what a command of `--on-question`
//! prints.

use serde_json::{Map, Value, json};
use taskward::Answer;
use taskward::question::QuestionKind;

use crate::exact;

/// Adds a field, written `KEY=VALUE` for a text and `KEY:=JSON` for anything else.
pub(crate) fn field(data: &mut Map<String, Value>, text: &str) -> Result<(), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!(
            "{text:?} is no field: write KEY=VALUE, KEY:=JSON, or one JSON object"
        ));
    };
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = exact::json(value).map_err(|why| format!("the value of {name:?} {why}"))?;
            (name, value)
        }
        None => (name, Value::from(value)),
    };
    let name = name.trim();
    if name.is_empty() {
        return Err(format!("{text:?} has no name before the ="));
    }
    match data.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(format!("{name:?} is given twice; the later one counts")),
    }
}

/// A JSON object.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match exact::json(text) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(other) => Err(format!("it is {}, not a JSON object", kind(&other))),
        Err(why) => Err(format!("it {why}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The answer that a command printed: words for a question in words, else `{"approve": true}`, `{"reject": "why"}` or
/// `{"input": {...}}`.
pub(super) fn printed(kind: &QuestionKind, text: String) -> Result<Answer, String> {
    if matches!(kind, QuestionKind::Text | QuestionKind::Authentication) {
        return Ok(Answer::text(text));
    }
    const FORMS: &str = "{\"approve\": true}, {\"reject\": \"WHY\"} or {\"input\": {...}}";
    let data = object(&text).map_err(|why| format!("{why}; it is {FORMS}"))?;
    let mut fields = data.into_iter();
    match (fields.next(), fields.next()) {
        (Some((name, Value::Bool(true))), None) if name == "approve" => Ok(Answer::Approve),
        (Some((name, Value::Bool(true))), None) if name == "reject" => {
            Ok(Answer::Reject { reason: None })
        }
        (Some((name, Value::String(reason))), None) if name == "reject" => Ok(Answer::Reject {
            reason: Some(reason).filter(|reason| !reason.trim().is_empty()),
        }),
        (Some((name, Value::Object(data))), None) if name == "input" => Ok(Answer::Input(data)),
        _ => Err(format!("it is no answer: an answer is {FORMS}")),
    }
}

/// An answer of that form in a few words.
pub(crate) fn in_words(answer: &Value) -> String {
    match answer {
        Value::String(text) => text.clone(),
        Value::Object(fields) => match fields.iter().next() {
            Some((name, Value::Bool(true))) => name.clone(),
            Some((name, Value::String(reason))) if name == "reject" => format!("reject: {reason}"),
            Some((name, data)) if name == "input" => data.to_string(),
            _ => answer.to_string(),
        },
        other => other.to_string(),
    }
}

/// An answer in the form in which a command prints one; words are a text.
pub(crate) fn as_json(answer: &Answer) -> Value {
    match answer {
        Answer::Text(text) => text.as_str().into(),
        Answer::Approve => json!({ "approve": true }),
        Answer::Reject { reason: None } => json!({ "reject": true }),
        Answer::Reject {
            reason: Some(reason),
        } => json!({ "reject": reason }),
        Answer::Input(data) => json!({ "input": data }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_texts_unless_they_say_that_they_are_json() {
        let mut data = Map::new();
        for text in ["to=a=b", "n:=2", "list:=[1]", "empty="] {
            field(&mut data, text).expect(text);
        }
        assert_eq!(
            Value::Object(data.clone()),
            json!({"to": "a=b", "n": 2, "list": [1], "empty": ""})
        );
        for text in ["alone", "=x", "n:=two", "n:=1e-400", ":=1", "to=c"] {
            assert!(field(&mut data, text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_an_object_is_data() {
        assert!(object("{}").is_ok());
        for (text, word) in [
            ("[]", "a list"),
            ("\"x\"", "a text"),
            ("{", "not JSON"),
            ("", "not JSON"),
            ("{\"a\":1e-400}", "1e-400"),
        ] {
            assert!(object(text).expect_err(text).contains(word), "{text}");
        }
    }

    #[test]
    fn what_a_command_prints_is_exactly_one_answer() {
        let read = |text: &str| printed(&QuestionKind::Approval, text.to_owned());
        assert_eq!(read(r#"{"approve": true}"#), Ok(Answer::Approve));
        for text in [
            r#"{"approve":true}"#,
            r#"{"reject":true}"#,
            r#"{"reject":"no"}"#,
            r#"{"input":{"a":1}}"#,
        ] {
            assert_eq!(as_json(&read(text).expect(text)).to_string(), text);
        }
        assert_eq!(
            read(r#"{"reject": true}"#),
            Ok(Answer::Reject { reason: None })
        );
        assert_eq!(
            read(r#"{"reject": "no"}"#),
            Ok(Answer::Reject {
                reason: Some("no".into())
            })
        );
        assert!(matches!(
            read(r#"{"input": {"a": 1}}"#),
            Ok(Answer::Input(_))
        ));
        for text in [
            "approve",
            "{}",
            r#"{"approve": false}"#,
            r#"{"approve": true, "reject": "x"}"#,
            r#"{"input": 1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(
            printed(&QuestionKind::Text, "{}".into()),
            Ok(Answer::text("{}"))
        );
    }
}
