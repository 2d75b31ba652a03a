//! The specification as a judge of exchanges: method, path, query, bodies, in both directions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

pub(crate) struct Spec {
    document: Value,
    validators: BTreeMap<String, Validator>,
}

impl Spec {
    /// Returns the judge that all runs against this provider share: schemas are compiled once.
    pub(crate) fn judge(provider: &'static str) -> MutexGuard<'static, Self> {
        static JUDGES: Mutex<BTreeMap<&str, &Mutex<Spec>>> = Mutex::new(BTreeMap::new());
        let mut judges = JUDGES.lock().unwrap_or_else(PoisonError::into_inner);
        // A judge is needed until the program ends.
        let judge = judges
            .entry(provider)
            .or_insert_with(|| Box::leak(Box::new(Mutex::new(Self::of(provider)))));
        judge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(provider: &str) -> Self {
        let spec = format!(
            "{}/../../spec/{provider}/openapi.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(spec).expect("the specification");
        Self {
            document: yaml_serde::from_str(&text).expect("yaml"),
            validators: BTreeMap::new(),
        }
    }

    /// Judges one exchange; gives the operation's id.
    pub(crate) fn check(
        &mut self,
        target: (&str, &str),
        body: Option<&Value>,
        reply: Option<(u16, &Value)>,
    ) -> String {
        let (method, target) = target;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (operation, shared) = self.operation(method, path);
        let id = operation["operationId"]
            .as_str()
            .expect("an operation id")
            .to_owned();
        self.check_query(&operation, &shared, query, &id);
        match body {
            Some(body) => {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                assert!(!schema.is_null(), "{id} takes no JSON body");
                self.validate(&schema.clone(), body, &id);
            }
            None => assert!(
                operation["requestBody"].is_null()
                    || !operation["requestBody"]["content"]["multipart/form-data"].is_null(),
                "{id} needs a body"
            ),
        }
        if let Some((status, reply)) = reply {
            let responses = &operation["responses"];
            let response = [status.to_string(), format!("{}XX", status / 100)]
                .iter()
                .find_map(|key| responses.get(key))
                .unwrap_or_else(|| panic!("{id} does not document {status}"))
                .clone();
            let response = self.resolve(&response);
            self.validate(
                &response["content"]["application/json"]["schema"].clone(),
                reply,
                &id,
            );
        }
        id
    }

    fn operation(&self, method: &str, path: &str) -> (Value, Value) {
        let segments: Vec<&str> = path.split('/').collect();
        let paths = self.document["paths"].as_object().expect("paths");
        for (template, item) in paths {
            let parts: Vec<&str> = template.split('/').collect();
            let fits = parts.len() == segments.len()
                && parts
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| part.starts_with('{') || part == segment);
            if fits && let Some(operation) = item.get(method.to_lowercase()) {
                return (operation.clone(), item["parameters"].clone());
            }
        }
        panic!("{method} {path} is not documented");
    }

    fn check_query(&self, operation: &Value, shared: &Value, query: &str, id: &str) {
        let known: Vec<String> = [&operation["parameters"], shared]
            .iter()
            .filter_map(|list| list.as_array())
            .flatten()
            .map(|parameter| {
                self.resolve(parameter)["name"]
                    .as_str()
                    .expect("a name")
                    .to_owned()
            })
            .collect();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            assert!(
                known.iter().any(|known| known == name),
                "{id} has no parameter {name}"
            );
        }
    }

    fn resolve(&self, value: &Value) -> Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self
                .document
                .pointer(reference.trim_start_matches('#'))
                .expect("a reference")
                .clone(),
            None => value.clone(),
        }
    }

    fn validate(&mut self, schema: &Value, value: &Value, id: &str) {
        let document = &self.document;
        let validator = self
            .validators
            .entry(schema.to_string())
            .or_insert_with(|| {
                let mut root = schema.clone();
                root["components"] = document["components"].clone();
                jsonschema::draft202012::options()
                    .should_validate_formats(true)
                    .build(&root)
                    .expect("a schema")
            });
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{id}: {errors:?} in {value}");
    }
}
