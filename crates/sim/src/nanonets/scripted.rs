//! Agents that a scenario file spells out step by step.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::agents::{Script, Step};
use crate::time::Span;

/// An agent that the file spells out. It takes the place of a built-in one of the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawAgent")]
pub(crate) struct ScriptedAgent {
    pub(crate) name: String,
    pub(crate) is_active: bool,
    pub(crate) script: Script,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgent {
    name: String,
    #[serde(default = "yes")]
    is_active: bool,
    steps: Vec<Map<String, Value>>,
}

fn yes() -> bool {
    true
}

impl TryFrom<RawAgent> for ScriptedAgent {
    type Error = String;

    fn try_from(raw: RawAgent) -> Result<Self, String> {
        let mut steps = Vec::new();
        for (at, step) in raw.steps.into_iter().enumerate() {
            let wrong = |why: String| format!("agent {:?}, step {}: {why}", raw.name, at + 1);
            steps.push(read_step(step).map_err(|why| wrong(why.to_string()))?);
        }
        if let Some(at) = steps
            .iter()
            .position(|step| matches!(step, Step::Complete(_) | Step::Fail(_)))
            && at + 1 < steps.len()
        {
            let (agent, step) = (&raw.name, at + 1);
            return Err(format!(
                "agent {agent:?}: step {step} ends the task, nothing can follow"
            ));
        }
        Ok(Self {
            name: raw.name,
            is_active: raw.is_active,
            script: Script::new(&steps),
        })
    }
}

/// Reads a step: a table of one field, named after it, but for the one that takes two.
fn read_step(fields: Map<String, Value>) -> serde_json::Result<Step> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shown {
        status: String,
        #[serde(rename = "for")]
        span: Span,
    }
    let is_shown = fields.contains_key("status") || fields.contains_key("for");
    let fields = Value::Object(fields);
    if is_shown {
        let Shown { status, span } = serde_json::from_value(fields)?;
        return Ok(Step::Show(status, span.0));
    }
    serde_json::from_value(fields)
}
