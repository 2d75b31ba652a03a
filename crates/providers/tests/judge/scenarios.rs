//! Scenarios that are read once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use taskward_sim::Scenario;

/// Returns the scenario of this text. Thousands of worlds begin with the same few, and to read one takes a tenth of the
/// time of such a world.
pub(crate) fn scenario_of(text: &str) -> Scenario {
    static READ: Mutex<BTreeMap<String, Scenario>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scenario) = read.get(text) {
        return scenario.clone();
    }
    let scenario = Scenario::parse(text).expect("a scenario");
    read.insert(text.to_owned(), scenario.clone());
    scenario
}
