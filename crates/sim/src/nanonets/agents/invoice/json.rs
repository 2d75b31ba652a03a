//! Invoices as JSON: a list of items, an object that has one, or several invoices in one file.

use serde_json::{Map, Value};

use super::decimal::Decimal;
use super::{Column, Item, column};

/// Reads the items in their order; an error when the text is no JSON.
pub(super) fn read(text: &str) -> Result<Vec<Item>, String> {
    let value: Value = serde_json::from_str(text).map_err(|why| format!("not JSON ({why})"))?;
    if !value.is_array() && !value.is_object() {
        return Err("not JSON (neither a list nor an object)".to_owned());
    }
    let mut items = Vec::new();
    collect(&value, &mut items);
    Ok(items)
}

fn collect(value: &Value, items: &mut Vec<Item>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, items)),
        Value::Object(object) => match list_of_items(object) {
            Some(list) => collect(list, items),
            None => match item(object) {
                Some(item) => items.push(item),
                None => object.values().for_each(|value| collect(value, items)),
            },
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn list_of_items(object: &Map<String, Value>) -> Option<&Value> {
    ["items", "line_items", "lineItems", "lines", "positions"]
        .into_iter()
        .filter_map(|key| object.get(key))
        .find(|value| value.is_array())
}

fn item(object: &Map<String, Value>) -> Option<Item> {
    let field = |wanted: Column| {
        object
            .iter()
            .find(|(key, _)| column(key) == Some(wanted))
            .map(|(_, value)| value)
    };
    let number = |wanted| field(wanted).and_then(Decimal::from_json);
    let description = object
        .get("description")
        .or_else(|| field(Column::Description))?
        .as_str()?;
    let item = Item::new(
        description,
        number(Column::Quantity),
        number(Column::UnitPrice),
        number(Column::Amount),
    )?;
    Some(item.with_sku(field(Column::Sku).and_then(Value::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_wherever_they_stand() {
        let item = r#"{"name":"Widget","qty":2,"price":3.5}"#;
        for text in [
            format!("[{item}]"),
            format!(r#"{{"items":[{item}],"total":99}}"#),
            format!(r#"{{"invoice":{{"number":"7","line_items":[{item}]}}}}"#),
            format!(r#"[{{"name":"first","total":1,"lines":[{item}]}}]"#),
        ] {
            let items = read(&text).unwrap();
            assert_eq!(items.len(), 1, "{text}");
            assert_eq!(items[0].amount, Decimal::parse("7").unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_item_is_passed_over() {
        assert_eq!(
            read(r#"[1,"x",{"description":7,"price":1},{"description":"no price"}]"#),
            Ok(vec![])
        );
        assert!(read("7").is_err());
    }
}
