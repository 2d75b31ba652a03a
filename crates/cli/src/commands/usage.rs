//! `taskward usage`: what was used, added up.

use serde_json::{Map, Value, json};

use super::table;
use crate::args::Usage;
use crate::calls::{Calls, UsageFilter};
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{LineType, line};
use crate::server::At;
use crate::text_arg::moments;

pub(super) async fn usage<P: Calls>(cx: &Cx, args: Usage) -> CliResult<Exit> {
    let (start, end) = moments(("--start", args.start), ("--end", args.end))?;
    let of = UsageFilter {
        workspace: args.workspace,
        subject: args.subject,
        event_type: args.event_type,
        start,
        end,
        granularity: args.granularity,
    };
    let connection: Connection<P> = Connection::open(cx, None, At::Settings).await?;
    let usage = P::usage(&connection, of).await?;
    let out = &cx.out;
    if out.is_json() {
        out.line(line(
            LineType::Usage,
            None,
            json!({ "platform_data": usage }),
        ));
        return Ok(Exit::Ok);
    }
    // The platform does not document the reply: whatever list of objects it has is the table.
    let Some((columns, rows)) = usage.values().find_map(rows) else {
        out.print_json(&Value::Object(usage))?;
        return Ok(Exit::Ok);
    };
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    out.print(&table::render(&columns, &rows, out.is_for_people()))?;
    for (name, value) in &usage {
        if let Some(note) = note(value) {
            out.say(&format!("{name}: {note}"));
        }
    }
    if rows.is_empty() {
        out.say("nothing was used");
    }
    Ok(Exit::Ok)
}

/// A list of objects as rows: a column for every name there is.
fn rows(value: &Value) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let items: Option<Vec<&Map<String, Value>>> =
        value.as_array()?.iter().map(Value::as_object).collect();
    let items = items?;
    let mut columns: Vec<String> = Vec::new();
    for name in items.iter().flat_map(|item| item.keys()) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let row = |item: &&Map<String, Value>| {
        let cell = |name: &String| item.get(name).map(cell).unwrap_or_default();
        columns.iter().map(cell).collect()
    };
    let rows = items.iter().map(row).collect();
    Some((columns, rows))
}

/// What stands beside the table.
fn note(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Null => None,
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name} {}", cell(value)));
            Some(fields.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
        }
        value => Some(cell(value)),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_list_of_objects_is_a_table() {
        let value = json!([{"a": 1, "b": "x"}, {"b": null, "c": [2]}]);
        let (columns, cells) = rows(&value).expect("a table");
        assert_eq!(columns, ["a", "b", "c"]);
        assert_eq!(cells, [["1", "x", ""], ["", "", "[2]"]]);
        assert_eq!(rows(&json!([1])), None);
        assert_eq!(rows(&json!("x")), None);
        assert_eq!(rows(&json!([])), Some((Vec::new(), Vec::new())));
    }
}
