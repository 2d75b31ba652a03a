//! The caller's own shape of what was extracted: the keys that its `output_schema` names.
//!
//! The schema is a JSON Schema or an example whose values say a type (`{"line_items": [{"sku": "string"}]}`). A list is
//! filled with a row for each line item, a key with what the invoice says under that name or a usual other one, and with
//! null where it says nothing. A schema in plain words changes nothing: this agent reads no prose.

use serde_json::{Map, Value, json};

use super::decimal::Decimal;
use super::{Column, Item, column};

/// What was read of all files together.
pub(super) struct Invoice<'a> {
    pub(super) items: &'a [Item],
    pub(super) total: Decimal,
    pub(super) files: &'a [Value],
}

/// What is known of a place in the shape.
#[derive(Clone, Copy)]
enum Source<'a> {
    Invoice(&'a Invoice<'a>),
    Item(&'a Item),
}

/// What a place in the shape wants.
enum Wanted<'a> {
    /// A list, of entries like this.
    List(Option<&'a Value>),
    Fields(&'a Map<String, Value>),
    Text,
    Anything,
}

/// Returns the data in the shape of the schema; `None` when the schema names no shape.
pub(super) fn shaped(schema: &str, invoice: &Invoice<'_>) -> Option<Value> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    match wanted(&schema) {
        Wanted::List(_) | Wanted::Fields(_) => Some(fill("", &schema, Source::Invoice(invoice))),
        Wanted::Text | Wanted::Anything => None,
    }
}

fn fill(key: &str, schema: &Value, source: Source<'_>) -> Value {
    let found = source.find(key);
    match (wanted(schema), source) {
        (Wanted::Fields(fields), source) => fields
            .iter()
            .map(|(key, schema)| (key.clone(), fill(key, schema, source)))
            .collect(),
        (Wanted::List(_), Source::Invoice(invoice)) if key == "files" => json!(invoice.files),
        (Wanted::List(entry), Source::Invoice(invoice)) => {
            let row = |item| match entry {
                Some(entry) => fill("description", entry, Source::Item(item)),
                None => item.to_json(),
            };
            invoice.items.iter().map(row).collect()
        }
        (Wanted::List(_), Source::Item(_)) => json!([]),
        (Wanted::Text, _) => match found {
            Value::Number(number) => json!(number.to_string()),
            other => other,
        },
        (Wanted::Anything, _) => found,
    }
}

impl Source<'_> {
    /// Returns what the source says under a name.
    fn find(self, key: &str) -> Value {
        match self {
            Self::Invoice(invoice) => match column(key) {
                Some(Column::Amount) => invoice.total.to_json(),
                Some(Column::Quantity) => json!(invoice.items.len()),
                _ if super::is_sum(&key.replace('_', " ")) => invoice.total.to_json(),
                Some(Column::Description | Column::UnitPrice | Column::Sku) | None => Value::Null,
            },
            Self::Item(item) => match column(key) {
                Some(Column::Description) => json!(item.description),
                // An item without a code is known by what it is called.
                Some(Column::Sku) => json!(item.sku.as_ref().unwrap_or(&item.description)),
                Some(Column::Quantity) => item.quantity.to_json(),
                Some(Column::UnitPrice) => json!(item.unit_price.map(Decimal::to_json)),
                Some(Column::Amount) => item.amount.to_json(),
                None => Value::Null,
            },
        }
    }
}

fn wanted(schema: &Value) -> Wanted<'_> {
    match schema {
        Value::Array(entries) => Wanted::List(entries.first()),
        Value::Object(object) => match (type_of(object), object.get("properties")) {
            (Some("array"), _) => Wanted::List(object.get("items")),
            (Some("object"), Some(Value::Object(fields))) => Wanted::Fields(fields),
            (Some(word), _) => of_word(word),
            (None, _) => Wanted::Fields(object),
        },
        Value::String(word) => of_word(word),
        Value::Null | Value::Bool(_) | Value::Number(_) => Wanted::Anything,
    }
}

fn of_word(word: &str) -> Wanted<'static> {
    match word.to_ascii_lowercase().as_str() {
        "array" | "list" => Wanted::List(None),
        "string" | "text" | "str" => Wanted::Text,
        _ => Wanted::Anything,
    }
}

/// Returns the type of an object that is a JSON Schema; `None` for an example, which has keys of its own.
fn type_of(object: &Map<String, Value>) -> Option<&str> {
    const KEYWORDS: [&str; 16] = [
        "$id",
        "$schema",
        "additionalProperties",
        "default",
        "description",
        "enum",
        "examples",
        "format",
        "items",
        "maximum",
        "minItems",
        "minimum",
        "properties",
        "required",
        "title",
        "type",
    ];
    const TYPES: [&str; 7] = [
        "array", "boolean", "integer", "null", "number", "object", "string",
    ];
    let are_keywords = object.keys().all(|key| KEYWORDS.contains(&key.as_str()));
    let named = match object.get("type")? {
        Value::String(name) => Some(name),
        // A field that may be null, too.
        Value::Array(names) => names.iter().find_map(|name| match name {
            Value::String(name) if name != "null" => Some(name),
            _ => None,
        }),
        _ => None,
    };
    let named = named.map(String::as_str);
    named.filter(|name| are_keywords && TYPES.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, expected: Value) {
        let item = |name: &str, sku: Option<&str>, quantity: &str, price: &str| {
            let item = Item::new(name, Decimal::parse(quantity), Decimal::parse(price), None);
            item.unwrap().with_sku(sku)
        };
        let items = [
            item("Widget", Some("w-1"), "2", "3.50"),
            item("Gear", None, "1", "0.25"),
        ];
        let total = Decimal::parse("7.25").unwrap();
        let invoice = Invoice {
            items: &items,
            total,
            files: &[],
        };
        let given = shaped(schema, &invoice).unwrap_or_default();
        assert_eq!(given, expected, "{schema}");
    }

    #[test]
    fn the_keys_of_the_schema_come_back() {
        let rows = json!([{ "sku": "w-1", "qty": 2 }, { "sku": "Gear", "qty": 1 }]);
        check(
            r#"{"line_items": [{"sku": "string", "qty": "number"}], "total": "number", "currency": "string"}"#,
            json!({ "line_items": rows, "total": 7.25, "currency": null }),
        );
        check(
            r#"{"type": "object", "required": ["line_items"], "properties": {
                "line_items": {"type": "array", "items": {"type": "object", "properties": {
                    "sku": {"type": ["null", "string"]}, "qty": {"type": "integer"}}}},
                "grand_total": {"type": "number", "description": "All of it."},
                "invoice": {"type": "object", "properties": {"count": {"type": "integer"}}}}}"#,
            json!({ "line_items": rows, "grand_total": 7.25, "invoice": { "count": 2 } }),
        );
        check(
            r#"[{"name": "", "price": 0, "type": "string", "tags": ["string"], "qty": "string"}]"#,
            json!([
                { "name": "Widget", "price": 3.5, "type": null, "tags": [], "qty": "2" },
                { "name": "Gear", "price": 0.25, "type": null, "tags": [], "qty": "1" },
            ]),
        );
        check(
            r#"{"names": ["string"], "lines": "array", "files": ["string"]}"#,
            json!({
                "names": ["Widget", "Gear"],
                "lines": [
                    { "description": "Widget", "quantity": 2, "unit_price": 3.5, "amount": 7 },
                    { "description": "Gear", "quantity": 1, "unit_price": 0.25, "amount": 0.25 },
                ],
                "files": [],
            }),
        );
    }

    #[test]
    fn a_schema_in_words_names_no_shape() {
        for schema in [
            "",
            "The total, please.",
            "\"number\"",
            "7",
            "{",
            r#"{"type":"string"}"#,
        ] {
            check(schema, Value::Null);
        }
    }
}
