//! Events of a run in words, one line each, whatever their payload is.

use serde_json::Value;
use taskward::core::sanitise::one_line;

/// The longest line of an event: more would bury the others.
const WIDTH: usize = 200;

/// An event's number, time, type and what its payload says.
pub(crate) fn cells(envelope: &Value) -> [String; 4] {
    let word = |name: &str| match envelope.get(name) {
        Some(Value::String(word)) => one_line(word),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    [word("seq"), word("timestamp"), word("type"), says(envelope)]
}

/// An event on one line.
pub(crate) fn line(envelope: &Value) -> String {
    joined(cells(envelope))
}

/// What an event's cells are on one line.
pub(crate) fn joined([seq, _, kind, says]: [String; 4]) -> String {
    format!("{seq:>4}  {kind}  {says}").trim_end().to_owned()
}

fn says(envelope: &Value) -> String {
    let payload = &envelope["payload"];
    let redacted = payload["redacted"] == true;
    let text = match &payload["value"] {
        Value::Object(fields) => {
            let named = fields
                .iter()
                // A name of a call says nothing to whoever reads along.
                .filter(|(name, value)| *name != "request_id" && !value.is_null())
                .map(|(name, value)| format!("{name}: {}", short(value)));
            named.collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        value => short(value),
    };
    let text = clipped(&one_line(&text), WIDTH);
    match (redacted, text.as_str()) {
        (true, "") => "(redacted)".to_owned(),
        (true, text) => format!("{text} (redacted in part)"),
        (false, text) => text.to_owned(),
    }
}

fn short(value: &Value) -> String {
    match value {
        // What is far too long to fit is not read at all.
        Value::String(text) => clipped(text, 2 * WIDTH),
        value => value.to_string(),
    }
}

/// The beginning of a text.
pub(crate) fn clipped(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_short_line_whatever_it_holds() {
        let event = |value: Value, redacted: bool| {
            line(
                &json!({"seq": 7, "type": "step.done", "payload": {"redacted": redacted, "value": value}}),
            )
        };
        for (value, redacted, shown) in [
            (
                json!({"request_id": "r", "outcome": "succeeded"}),
                false,
                "   7  step.done  outcome: succeeded",
            ),
            (
                json!({"a": {"b": [1]}, "c": null}),
                false,
                "   7  step.done  a: {\"b\":[1]}",
            ),
            (json!("a\n\u{1b}[31mb"), false, "   7  step.done  a b"),
            (Value::Null, true, "   7  step.done  (redacted)"),
            (Value::Null, false, "   7  step.done"),
        ] {
            assert_eq!(event(value, redacted), shown);
        }
        let long = event(json!({ "content": "x".repeat(1_000_000) }), false);
        assert!(long.chars().count() < WIDTH + 30, "{long}");
        assert_eq!(line(&json!({})), "");
    }
}
