//! The tables of assumptions against the specifications of the repository, which no package holds.

use std::collections::BTreeSet;

use serde_json::Value;
use taskward_providers::a2a::A2a;
use taskward_providers::agent_harness::AgentHarness;
use taskward_providers::doctor::Examined;
use taskward_providers::nanonets::Nanonets;

/// What marks a part of a specification as not proven.
const MARKS: [&str; 3] = ["x-inferred", "x-unverified", "x-conflict"];

fn specification(provider: &str) -> Value {
    let path = format!(
        "{}/../../spec/{provider}/openapi.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("the specification");
    yaml_serde::from_str(&text).expect("yaml")
}

/// Collects the places of marked parts, and the names of all fields.
fn walk(value: &Value, at: &str, marked: &mut BTreeSet<String>, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if MARKS.iter().any(|mark| object.contains_key(*mark)) {
                marked.insert(at.to_owned());
            }
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                fields.extend(properties.keys().cloned());
            }
            for (name, value) in object {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(value, &format!("{at}/{name}"), marked, fields);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, &format!("{at}/{number}"), marked, fields);
            }
        }
        _ => {}
    }
}

fn check<P: Examined>() {
    let document = specification(P::NAME);
    let (mut marked, mut fields) = (BTreeSet::new(), BTreeSet::new());
    walk(&document, "", &mut marked, &mut fields);
    assert!(!marked.is_empty());
    let named = P::ASSUMPTIONS.iter().flat_map(|one| one.marks);
    let named: BTreeSet<String> = named.map(|mark| (*mark).to_owned()).collect();
    assert_eq!(
        named, marked,
        "left: the table of assumptions, right: the specification"
    );
    let mut ids: Vec<&str> = P::ASSUMPTIONS.iter().map(|one| one.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "a name stands twice");
    let words = P::VOCABULARY;
    let known: BTreeSet<String> = words.fields.iter().map(|name| (*name).to_owned()).collect();
    let missing: Vec<&String> = fields.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "no recording would show the names of {missing:?}"
    );
    for name in words.words.iter().chain(words.free) {
        assert!(words.fields.contains(name), "{name} is no field");
    }
}

/// Rows: O2.
#[test]
fn every_marked_part_of_a_specification_is_an_assumption_and_the_other_way_round() {
    check::<Nanonets>();
    check::<AgentHarness>();
    check::<A2a>();
}
