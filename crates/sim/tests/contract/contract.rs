//! A contract of the repository, and what it says of requests and replies.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

pub(crate) struct Contract {
    pub(crate) spec: Value,
    validators: BTreeMap<String, Validator>,
}

impl Contract {
    pub(crate) fn read(platform: &str) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec");
        let text = std::fs::read_to_string(format!("{root}/{platform}/openapi.yaml")).unwrap();
        Self {
            spec: yaml_serde::from_str(&text).unwrap(),
            validators: BTreeMap::new(),
        }
    }

    /// Returns the contract with our corrections, which is what the client's types are made of.
    pub(crate) fn corrected(platform: &str) -> Self {
        let mut contract = Self::read(platform);
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../spec");
        let text = std::fs::read_to_string(format!("{root}/{platform}/overlay.yaml")).unwrap();
        let overlay: Value = yaml_serde::from_str(&text).unwrap();
        for action in overlay["actions"].as_array().unwrap() {
            let target = action["target"].as_str().unwrap();
            let pointer = target
                .trim_start_matches('$')
                .replace('[', ".")
                .replace(']', "");
            let pointer = pointer.replace('.', "/");
            if action["remove"] == json!(true) {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                let parent = contract.spec.pointer_mut(parent).expect(target);
                parent
                    .as_object_mut()
                    .expect(target)
                    .remove(name)
                    .expect(target);
            } else {
                let place = contract.spec.pointer_mut(&pointer).expect(target);
                merge(place, &action["update"]);
            }
        }
        contract
    }

    /// Returns whether a value is one of a schema's.
    pub(crate) fn admits(&self, schema: &str, value: &Value) -> bool {
        let components = &self.spec["components"];
        let schema =
            json!({ "$ref": format!("#/components/schemas/{schema}"), "components": components });
        jsonschema::draft202012::is_valid(&schema, value)
    }

    pub(crate) fn check(&mut self, schema: &str, value: &Value) {
        let components = &self.spec["components"];
        let validator = self.validators.entry(schema.to_owned()).or_insert_with(|| {
            let schema = json!({ "$ref": format!("#/components/schemas/{schema}"), "components": components });
            jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
        });
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{schema}: {value}");
    }

    /// Returns whether an operation may answer with this status; `default` speaks of errors.
    pub(crate) fn documents(&self, method: &str, pattern: &str, status: u16) -> bool {
        let responses = &self.spec["paths"][pattern][method.to_lowercase()]["responses"];
        let is_there = |key: &str| responses.get(key).is_some();
        let is_success = status < 300;
        is_there(&status.to_string())
            || (is_success && is_there("2XX"))
            || (!is_success && is_there("default"))
    }

    /// Method and path pattern of every operation.
    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let paths = self.spec["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods
                    .filter(|key| *key != "parameters")
                    .map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect()
    }
}

/// Lays an update over a value, as an overlay says: objects are merged, arrays appended to.
fn merge(target: &mut Value, update: &Value) {
    match (target, update) {
        (Value::Object(target), Value::Object(update)) => {
            for (name, value) in update {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(target), Value::Array(update)) => target.extend(update.iter().cloned()),
        (target, update) => *target = update.clone(),
    }
}

/// Returns whether a path is one of a pattern's.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    let parts: Vec<&str> = pattern.split('/').collect();
    let segments: Vec<&str> = path.split('/').collect();
    parts.len() == segments.len()
        && parts
            .iter()
            .zip(&segments)
            .all(|(part, segment)| part.starts_with('{') || part == segment)
}
