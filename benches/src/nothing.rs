//! A job that asks for nothing, and an answer that has nothing: what is left is the machine.

use taskward_core::{Job, Output};

#[derive(Clone, Debug)]
pub(crate) struct Nothing;

impl Job for Nothing {}

impl Output for Nothing {
    fn text(&self) -> Option<String> {
        None
    }

    fn json(&self) -> Option<&serde_json::Value> {
        None
    }

    fn raw(&self) -> &serde_json::Value {
        &serde_json::Value::Null
    }
}
