//! The text of free-form values.

use serde_json::Value;

/// Returns the text of a free-form value: a string, or an object's `summary`, `text` or `content`, or the texts of a list.
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
