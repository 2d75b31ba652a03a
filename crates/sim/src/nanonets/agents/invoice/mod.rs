//! `invoice`: reads the line items out of uploaded CSV, JSON and text invoices, or out of the query.
//!
//! It parses the bytes it was sent, and gives what it found in the shape of the `output_schema`, if there is one. Amounts are exact decimals; where a file gives no amount it is quantity times
//! price, unrounded.

mod csv;
mod decimal;
mod json;
mod lines;
mod schema;

use serde_json::{Value, json};

use super::{Answer, Shape, Step, Talk, describe};
use crate::message::{KEPT_BYTES, Upload};
use decimal::Decimal;
use schema::Invoice;

/// A line item; its amount is always known.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    description: String,
    /// The code that the source gives it.
    sku: Option<String>,
    quantity: Decimal,
    unit_price: Option<Decimal>,
    amount: Decimal,
}

impl Item {
    /// Returns an item from what a source says of it; `None` when neither price nor amount is there.
    fn new(
        description: &str,
        quantity: Option<Decimal>,
        unit_price: Option<Decimal>,
        amount: Option<Decimal>,
    ) -> Option<Self> {
        let quantity = quantity.unwrap_or(Decimal::ONE);
        let amount = match (amount, unit_price) {
            (Some(amount), _) => amount,
            (None, Some(price)) => quantity.times(price)?,
            (None, None) => return None,
        };
        let unit_price = unit_price.or((quantity == Decimal::ONE).then_some(amount));
        Some(Self {
            description: description.trim().to_owned(),
            sku: None,
            quantity,
            unit_price,
            amount,
        })
    }

    fn with_sku(mut self, sku: Option<&str>) -> Self {
        let sku = sku.map(str::trim).filter(|sku| !sku.is_empty());
        self.sku = sku.map(str::to_owned);
        self
    }

    /// Returns whether the amount is quantity times price.
    fn is_consistent(&self) -> bool {
        self.unit_price.and_then(|price| self.quantity.times(price)) == Some(self.amount)
    }

    fn to_json(&self) -> Value {
        json!({
            "description": self.description,
            "quantity": self.quantity.to_json(),
            "unit_price": self.unit_price.map(Decimal::to_json),
            "amount": self.amount.to_json(),
        })
    }
}

pub(super) fn turn(talk: &Talk) -> Vec<Step> {
    let mut items = Vec::new();
    let mut files = Vec::new();
    let mut problems = Vec::new();
    let mut steps = vec![Step::Work(1_000)];
    for file in &talk.files {
        let mut entry = describe(file);
        let read = read_file(file);
        let found = read.as_ref().map_or(0, Vec::len);
        steps.push(Step::Tool {
            name: "read_file".to_owned(),
            content: json!({ "name": file.name, "line_items": found }),
        });
        match read {
            Ok(found) => items.extend(found),
            Err(why) => {
                entry["note"] = json!(why);
                problems.push(format!("{}: {why}", file.name));
            }
        }
        files.push(entry);
    }
    if talk.files.is_empty() {
        let text = std::iter::once(talk.query()).chain(talk.replies.iter().map(String::as_str));
        items.extend(text.flat_map(lines::read));
        if items.is_empty() {
            problems.push(
                "no file was given and the query has no line such as \"2 x Widget @ 3.50\""
                    .to_owned(),
            );
        }
    }
    steps.push(Step::Work(1_000));
    let total = items
        .iter()
        .try_fold(Decimal::ZERO, |sum, item| sum.plus(item.amount));
    steps.push(match total {
        Some(total) if !items.is_empty() => {
            let schema = talk.output_config.as_ref();
            let schema = schema.and_then(|config| config["output_schema"].as_str());
            complete(&items, total, &files, schema.unwrap_or_default())
        }
        Some(_) => Step::Fail(format!("No line items found. {}", problems.join("; "))),
        None => Step::Fail("The total is too large to be exact.".to_owned()),
    });
    steps
}

fn complete(items: &[Item], total: Decimal, files: &[Value], schema: &str) -> Step {
    let text = format!(
        "Read {} line item(s) from {} file(s), total {total}.",
        items.len(),
        files.len()
    );
    let invoice = Invoice {
        items,
        total,
        files,
    };
    let data = schema::shaped(schema, &invoice).unwrap_or_else(|| {
        let rows: Vec<Value> = items.iter().map(Item::to_json).collect();
        json!({ "items": rows, "total": total.to_json(), "files": files })
    });
    Step::Complete(Answer {
        shape: Shape::Object(
            json!({ "text": text, "line_items": items.len(), "total": total.to_json() }),
        ),
        data: Some(data),
    })
}

/// Returns the line items of a file, or why there are none.
fn read_file(file: &Upload) -> Result<Vec<Item>, String> {
    if file.size > file.head.len() as u64 {
        return Err(format!(
            "larger than {} KiB: only its digest was taken",
            KEPT_BYTES >> 10
        ));
    }
    let text = std::str::from_utf8(&file.head)
        .map_err(|_| "not UTF-8 text; this agent reads CSV, JSON and plain text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let says = |ending: &str, media_type: &str| {
        file.name.to_ascii_lowercase().ends_with(ending)
            || file.content_type.starts_with(media_type)
    };
    let items = if says(".json", "application/json") {
        json::read(text)?
    } else if says(".csv", "text/csv") || says(".tsv", "text/tab-separated-values") {
        csv::read(text)
    } else {
        // A name such as invoice.pdf says nothing of the text inside: try what fits.
        let found = |items: &Vec<Item>| !items.is_empty();
        json::read(text)
            .ok()
            .filter(found)
            .or_else(|| csv::read_with_header(text).filter(found))
            .unwrap_or_else(|| lines::read(text))
    };
    if items.is_empty() {
        Err("no line items in it".to_owned())
    } else {
        Ok(items)
    }
}

/// The columns of a line item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Description,
    Quantity,
    UnitPrice,
    Amount,
    Sku,
}

/// Returns the column that a header or a key names.
fn column(name: &str) -> Option<Column> {
    let name: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    Some(match name.as_str() {
        "description" | "desc" | "item" | "items" | "itemname" | "name" | "product"
        | "productname" | "article" | "service" | "title" => Column::Description,
        "quantity" | "qty" | "count" | "units" | "pieces" | "pcs" | "hours" => Column::Quantity,
        "unitprice" | "price" | "rate" | "unitcost" | "cost" | "priceperunit" | "each"
        | "unitamount" => Column::UnitPrice,
        "amount" | "total" | "linetotal" | "lineamount" | "sum" | "totalprice" | "net"
        | "netamount" | "subtotal" | "value" => Column::Amount,
        "sku" | "code" | "itemcode" | "itemnumber" | "itemno" | "productcode" | "articlenumber"
        | "articleno" | "partnumber" | "partno" => Column::Sku,
        _ => return None,
    })
}

/// Returns whether a line's description says that it sums up others.
fn is_sum(description: &str) -> bool {
    let word = description.trim().trim_end_matches(':').to_lowercase();
    matches!(
        word.as_str(),
        "total" | "subtotal" | "sub-total" | "grand total" | "sum" | "amount due" | "balance due"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(name: &str, content: &str) -> Upload {
        Upload {
            field: "files".into(),
            name: name.into(),
            content_type: String::new(),
            size: content.len() as u64,
            sha256: "d".repeat(64),
            head: content.as_bytes().to_vec(),
        }
    }

    fn end(talk: &Talk) -> Step {
        turn(talk).pop().unwrap()
    }

    #[test]
    fn three_files_of_three_kinds_add_up() {
        let files = vec![
            upload(
                "a.csv",
                "description,quantity,unit_price\n\"Bolt, \"\"M8\"\"\nlong\",10,0.20\nNut,3,0.10\n",
            ),
            upload(
                "b.json",
                r#"{"items":[{"description":"Gear","quantity":2,"unit_price":"1,250.05"}]}"#,
            ),
            upload("c.pdf", "ACME\n2 x Widget @ 3.50\nShipping  1  4.99\n"),
        ];
        let Step::Complete(Answer {
            shape: Shape::Object(result),
            data: Some(data),
        }) = end(&Talk {
            files,
            ..Talk::default()
        })
        else {
            panic!("the task should complete")
        };
        assert_eq!(data["items"].as_array().unwrap().len(), 5);
        assert_eq!(data["items"][0]["description"], "Bolt, \"M8\"\nlong");
        assert_eq!(data["items"][2]["amount"], json!(2500.1));
        assert_eq!(data["total"], json!(2514.39));
        assert_eq!(
            data["files"][2],
            json!({"name": "c.pdf", "type": "", "size": 41, "sha256": "d".repeat(64)})
        );
        assert_eq!(
            result["text"],
            "Read 5 line item(s) from 3 file(s), total 2514.39."
        );
    }

    #[test]
    fn without_a_file_the_query_is_read() {
        let talk = Talk {
            query: Some("Sum up:\n2 x Widget @ 3.50; 1 x Bolt @ 0.25".into()),
            ..Talk::default()
        };
        let Step::Complete(answer) = end(&talk) else {
            panic!("the task should complete")
        };
        assert_eq!(answer.data.unwrap()["total"], json!(7.25));
    }

    #[test]
    fn what_cannot_be_read_fails_with_its_reason() {
        let check = |talk: Talk, expected: &str| match end(&talk) {
            Step::Fail(why) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        };
        let file = |file: Upload| Talk {
            files: vec![file],
            ..Talk::default()
        };
        check(
            Talk {
                query: Some("Extract the line items.".into()),
                ..Talk::default()
            },
            "no file was given",
        );
        check(
            file(Upload {
                head: vec![0xff],
                size: 1,
                ..upload("a.pdf", "")
            }),
            "a.pdf: not UTF-8 text",
        );
        check(file(upload("a.csv", "")), "a.csv: no line items");
        check(file(upload("a.json", "{")), "a.json: not JSON");
        check(
            file(Upload {
                size: 1 << 21,
                ..upload("big.csv", "a,1,2")
            }),
            "big.csv: larger than 1024 KiB",
        );
    }

    #[test]
    fn one_unreadable_file_is_noted_beside_the_readable_ones() {
        let files = vec![
            upload("a.csv", "Bolt,1,2.00"),
            upload("b.txt", "nothing here"),
        ];
        let Step::Complete(answer) = end(&Talk {
            files,
            ..Talk::default()
        }) else {
            panic!("the task should complete")
        };
        assert_eq!(
            answer.data.unwrap()["files"][1]["note"],
            "no line items in it"
        );
    }
}
