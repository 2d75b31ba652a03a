//! Compares two OpenAPI documents by what a client sees of them: operations, parameters, fields, enums.
//!
//! A document is reduced to an [`Outline`]: every operation by method and path, with the names of path parameters left
//! out, and every field of its bodies by the way to it, whatever the schemas are called. Two documents that say the same in
//! different words have the same outline.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How deep fields lie in fields; deeper ones are left out.
const MAX_DEPTH: usize = 6;

/// How many fields an outline holds of one body.
const MAX_FIELDS: usize = 400;

/// What a document says, by operation: `GET /v1/runs/{}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outline(pub BTreeMap<String, OperationOutline>);

/// What a document says of one operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationOutline {
    /// `query cursor`, `header idempotency-key`.
    pub parameters: BTreeSet<String>,
    /// The fields of its request by the way to them, `input.goal`; `[]` is any entry of a list.
    pub request: BTreeMap<String, Shape>,
    /// The fields of its successful reply.
    pub reply: BTreeMap<String, Shape>,
}

/// What a field may be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Its types; none when the document does not say.
    pub types: BTreeSet<String>,
    /// Its values, where they are listed.
    pub values: BTreeSet<String>,
}

/// One difference between ours and theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What happened to it.
    pub kind: DifferenceKind,
    /// The operation.
    pub operation: String,
    /// What differs of it, in words.
    pub what: String,
}

/// What happened to a part of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Theirs has it, ours does not.
    New,
    /// Ours has it, theirs does not.
    Gone,
    /// Both have it, and say something else of it.
    Different,
}

impl DifferenceKind {
    /// Returns its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Different => "different",
        }
    }
}

/// Reduces a document to what a client sees of it.
#[must_use]
pub fn outline(document: &Value) -> Outline {
    let mut outline = Outline::default();
    let paths = document["paths"].as_object();
    for (path, item) in paths.into_iter().flatten() {
        let of_path = &item["parameters"];
        for method in ["get", "put", "post", "delete", "patch"] {
            let operation = &item[method];
            if operation.is_object() {
                let name = format!("{} {}", method.to_uppercase(), unnamed(path));
                let operation = reduced(document, operation, of_path);
                outline.0.insert(name, operation);
            }
        }
    }
    outline
}

fn reduced(document: &Value, operation: &Value, of_path: &Value) -> OperationOutline {
    let mut reduced = OperationOutline::default();
    let lists = [of_path, &operation["parameters"]];
    for parameter in lists.into_iter().filter_map(Value::as_array).flatten() {
        let parameter = resolved(document, parameter);
        let name = parameter["name"].as_str().unwrap_or_default();
        match parameter["in"].as_str() {
            Some("query") => reduced.parameters.insert(format!("query {name}")),
            Some("header") => {
                let name = name.to_ascii_lowercase();
                reduced.parameters.insert(format!("header {name}"))
            }
            _ => false,
        };
    }
    let request = resolved(document, &operation["requestBody"]);
    fields_of_body(document, request, &mut reduced.request);
    let responses = operation["responses"].as_object();
    for (status, response) in responses.into_iter().flatten() {
        if status.starts_with('2') {
            let response = resolved(document, response);
            fields_of_body(document, response, &mut reduced.reply);
        }
    }
    reduced
}

fn fields_of_body(document: &Value, body: &Value, fields: &mut BTreeMap<String, Shape>) {
    let content = body["content"].as_object();
    for (media, content) in content.into_iter().flatten() {
        let way = match media.starts_with("application/json") {
            true => String::new(),
            false => format!("({media})"),
        };
        add(document, &content["schema"], &way, MAX_DEPTH, fields);
    }
}

/// Adds what a schema says of the field at `way`, and the fields below it.
fn add(
    document: &Value,
    schema: &Value,
    way: &str,
    depth: usize,
    fields: &mut BTreeMap<String, Shape>,
) {
    if depth == 0 || fields.len() >= MAX_FIELDS {
        return;
    }
    let schema = resolved(document, schema);
    if !way.is_empty() {
        let shape = fields.entry(way.to_owned()).or_default();
        let types = schema["type"].as_array().cloned();
        let types = types.unwrap_or_else(|| vec![schema["type"].clone()]);
        let types = types.iter().filter_map(Value::as_str).map(str::to_owned);
        shape.types.extend(types.filter(|name| name != "null"));
        let values = schema["enum"].as_array().into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(str::to_owned);
        shape.values.extend(values);
    }
    for part in ["allOf", "anyOf", "oneOf"] {
        for schema in schema[part].as_array().into_iter().flatten() {
            add(document, schema, way, depth - 1, fields);
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let dot = if way.is_empty() || way.ends_with(')') {
            ""
        } else {
            "."
        };
        add(
            document,
            schema,
            &format!("{way}{dot}{name}"),
            depth - 1,
            fields,
        );
    }
    if schema["items"].is_object() {
        add(
            document,
            &schema["items"],
            &format!("{way}[]"),
            depth - 1,
            fields,
        );
    }
}

/// Follows references within the document; one that leads nowhere, or in a circle, is an empty schema.
fn resolved<'a>(document: &'a Value, mut value: &'a Value) -> &'a Value {
    for _ in 0..16 {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let target = reference
            .strip_prefix('#')
            .and_then(|at| document.pointer(at));
        let Some(target) = target else {
            return &Value::Null;
        };
        value = target;
    }
    &Value::Null
}

/// Returns a path without the names of its parameters.
fn unnamed(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            true => "{}",
            false => segment,
        });
    segments.collect::<Vec<_>>().join("/")
}

/// Returns what is new, gone and different in theirs.
#[must_use]
pub fn compare(ours: &Outline, theirs: &Outline) -> Vec<Difference> {
    let mut found = Vec::new();
    for operation in ours.0.keys().filter(|name| !theirs.0.contains_key(*name)) {
        found.push(whole(DifferenceKind::Gone, operation));
    }
    for (operation, there) in &theirs.0 {
        let Some(here) = ours.0.get(operation) else {
            found.push(whole(DifferenceKind::New, operation));
            continue;
        };
        compare_names(
            operation,
            "parameter",
            &here.parameters,
            &there.parameters,
            &mut found,
        );
        for (side, here, there) in [
            ("request", &here.request, &there.request),
            ("reply", &here.reply, &there.reply),
        ] {
            let names = |fields: &BTreeMap<String, Shape>| fields.keys().cloned().collect();
            compare_names(
                operation,
                &format!("{side} field"),
                &names(here),
                &names(there),
                &mut found,
            );
            for (field, shape) in there {
                if let Some(known) = here.get(field) {
                    let what = format!("{side} field {field}");
                    compare_shapes(operation, &what, known, shape, &mut found);
                }
            }
        }
    }
    found
}

fn whole(kind: DifferenceKind, operation: &str) -> Difference {
    Difference {
        kind,
        operation: operation.to_owned(),
        what: "the operation".to_owned(),
    }
}

fn compare_names(
    operation: &str,
    what: &str,
    ours: &BTreeSet<String>,
    theirs: &BTreeSet<String>,
    found: &mut Vec<Difference>,
) {
    let mut tell = |kind, name: &String| {
        found.push(Difference {
            kind,
            operation: operation.to_owned(),
            what: format!("{what} {name}"),
        });
    };
    for name in theirs.difference(ours) {
        tell(DifferenceKind::New, name);
    }
    for name in ours.difference(theirs) {
        tell(DifferenceKind::Gone, name);
    }
}

fn compare_shapes(
    operation: &str,
    what: &str,
    ours: &Shape,
    theirs: &Shape,
    found: &mut Vec<Difference>,
) {
    compare_names(
        operation,
        &format!("{what}, value"),
        &ours.values,
        &theirs.values,
        found,
    );
    if ours.types != theirs.types && !ours.types.is_empty() && !theirs.types.is_empty() {
        let list =
            |types: &BTreeSet<String>| types.iter().cloned().collect::<Vec<_>>().join(" or ");
        found.push(Difference {
            kind: DifferenceKind::Different,
            operation: operation.to_owned(),
            what: format!(
                "{what}: ours {}, theirs {}",
                list(&ours.types),
                list(&theirs.types)
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(status: &Value, path: &str) -> Value {
        json!({
            "paths": {
                path: {
                    "parameters": [{ "$ref": "#/components/parameters/Id" }],
                    "get": {
                        "parameters": [{ "name": "limit", "in": "query" }],
                        "responses": { "200": { "content": { "application/json": { "schema": {
                            "allOf": [{ "$ref": "#/components/schemas/Run" }, { "properties": { "parts": {
                                "type": "array", "items": { "properties": { "n": { "type": "integer" } } },
                            } } }],
                        } } } } },
                    },
                },
            },
            "components": {
                "parameters": { "Id": { "name": "id", "in": "path" } },
                "schemas": { "Run": { "properties": {
                    "status": status,
                    "again": { "$ref": "#/components/schemas/Run" },
                } } },
            },
        })
    }

    #[test]
    fn an_outline_has_every_field_by_its_way_and_no_name_of_a_schema_or_of_an_id() {
        let status = json!({ "type": ["string", "null"], "enum": ["queued"] });
        let outline = outline(&document(&status, "/runs/{id}"));
        let get = &outline.0["GET /runs/{}"];
        assert!(get.parameters.iter().eq(["query limit"]));
        let fields: Vec<&str> = get.reply.keys().map(String::as_str).collect();
        // A schema that holds itself ends where the fields lie deep.
        let expected = [
            "again",
            "again.again",
            "again.again.again",
            "again.again.again.again",
            "again.again.again.status",
            "again.again.status",
            "again.status",
            "parts",
            "parts[]",
            "parts[].n",
            "status",
        ];
        assert_eq!(fields, expected);
        assert!(get.reply["status"].values.iter().eq(["queued"]));
        assert!(get.reply["status"].types.iter().eq(["string"]));
    }

    #[test]
    fn what_is_new_gone_and_different_is_told_once_each() {
        let ours = json!({ "type": "string", "enum": ["queued", "old"] });
        let theirs = json!({ "type": "integer", "enum": ["queued", "young"] });
        let (ours, theirs) = (
            document(&ours, "/runs/{id}"),
            document(&theirs, "/runs/{run_id}"),
        );
        let (ours, mut theirs) = (outline(&ours), outline(&theirs));
        for operation in theirs.0.values_mut() {
            operation
                .reply
                .retain(|field, _| !field.starts_with("again"));
            operation.parameters.insert("query page".to_owned());
        }
        theirs
            .0
            .insert("POST /runs".to_owned(), OperationOutline::default());
        let told: Vec<String> = compare(&ours, &theirs)
            .into_iter()
            .filter(|one| !one.what.contains("again"))
            .map(|one| format!("{}: {}: {}", one.kind.as_str(), one.operation, one.what))
            .collect();
        assert_eq!(
            told,
            [
                "new: GET /runs/{}: parameter query page",
                "new: GET /runs/{}: reply field status, value young",
                "gone: GET /runs/{}: reply field status, value old",
                "different: GET /runs/{}: reply field status: ours string, theirs integer",
                "new: POST /runs: the operation",
            ]
        );
        assert_eq!(compare(&ours, &ours), []);
    }
}
