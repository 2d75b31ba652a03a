//! The stored form of each phase and region: a golden file each, and every stored field in at least one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use taskward_core::{Parked, Snapshot, Task};

use crate::world::{Toy, at, check_golden};

const STATES: &[(&str, &str)] = &[
    (
        "state-ended-refused.json",
        include_str!("golden/state-ended-refused.json"),
    ),
    (
        "state-ended-turn.json",
        include_str!("golden/state-ended-turn.json"),
    ),
    (
        "state-ended-unknown.json",
        include_str!("golden/state-ended-unknown.json"),
    ),
    (
        "state-fetching.json",
        include_str!("golden/state-fetching.json"),
    ),
    (
        "state-following.json",
        include_str!("golden/state-following.json"),
    ),
    (
        "state-starting.json",
        include_str!("golden/state-starting.json"),
    ),
    (
        "state-stream.json",
        include_str!("golden/state-stream.json"),
    ),
    (
        "state-tracing.json",
        include_str!("golden/state-tracing.json"),
    ),
    (
        "state-undelivered.json",
        include_str!("golden/state-undelivered.json"),
    ),
    (
        "state-waiting-in-words.json",
        include_str!("golden/state-waiting-in-words.json"),
    ),
];

#[test]
fn each_state_is_read_and_written_as_in_its_golden_file_and_can_be_resumed() {
    for (name, text) in STATES {
        let snapshot: Snapshot = serde_json::from_str(text).expect(name);
        let written = serde_json::to_string_pretty(&snapshot).expect("JSON");
        check_golden(name, text, &written);
        let resumed = Task::<Toy<true, true>>::resume(Toy, snapshot, at(7000));
        assert!(resumed.is_ok(), "{name}: {:?}", resumed.err());
    }
}

#[test]
fn every_stored_field_stands_in_a_golden_file() {
    fn names(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    found.insert(name.clone());
                    names(value, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    let others = [
        include_str!("golden/snapshot-v2.json"),
        include_str!("golden/start-again-v2.json"),
    ];
    for text in STATES.iter().map(|(_, text)| *text).chain(others) {
        names(&serde_json::from_str(text).expect("JSON"), &mut found);
    }
    // The fields of the stored types, as their file declares them.
    let source = include_str!("../../src/snapshot.rs");
    let fields: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("    pub(crate) ")?.split_once(": "))
        .map(|(name, _)| name)
        .filter(|name| !name.contains(' '))
        .collect();
    assert!(fields.len() > 60, "{fields:?}");
    let missing: Vec<&&str> = fields
        .iter()
        .filter(|name| !found.contains(**name))
        .collect();
    assert!(missing.is_empty(), "in no golden file: {missing:?}");
}

/// The compiler names what is not stored, and this test what is stored and not restored.
#[test]
fn whatever_stands_in_a_golden_file_is_the_same_once_it_was_restored() {
    for (name, text) in STATES {
        let stored: Value = serde_json::from_str(text).expect("JSON");
        let saved_at = stored["saved_at"].as_u64().expect("a time");
        // A parked task goes on as if nothing had happened.
        let parked = json!({"until": saved_at, "state": text});
        let parked: Parked = serde_json::from_value(parked).expect("a parked task");
        let task = Task::<Toy<true, true>>::unpark(Toy, &parked, at(saved_at)).expect(name);
        let again = serde_json::to_value(task.snapshot()).expect("JSON");
        for (field, value) in stored.as_object().expect("an object") {
            assert_eq!(again.get(field), Some(value), "{field} of {name}");
        }
    }
}
