//! What runs do, step by step, as a scenario file spells it out.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::time::Span;
use crate::written;

/// The kind of a wait that only approves or rejects.
pub(crate) const APPROVAL: &str = "approval";
/// The kind of a wait for data; no page names it.
pub(crate) const DATA: &str = "data";

/// No event has more bytes of text than this: it is made in memory.
pub(crate) const MAX_DELTA_BYTES: u64 = 64 << 20;

/// A run of a scenario file. It takes the place of a built-in one of the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptedRun {
    pub(crate) name: String,
    #[serde(deserialize_with = "steps")]
    pub(crate) steps: Vec<Step>,
}

fn steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    let steps = Vec::<Step>::deserialize(deserializer)?;
    match steps.iter().position(Step::is_end) {
        Some(at) if at + 1 < steps.len() => {
            let step = at + 1;
            let why = format!("step {step} ends the run, nothing can follow");
            Err(D::Error::custom(why))
        }
        _ => Ok(steps),
    }
}

/// One thing that a run does. A scenario file writes it as a table of one field, named after it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Takes time.
    #[serde(rename = "run")]
    Work(#[serde(deserialize_with = "written::millis")] u64),
    /// Emits `step.progress` with this payload.
    Progress(Value),
    /// Emits a fragment of text.
    Delta(String),
    /// Emits that many fragments of made-up text.
    Deltas {
        count: u64,
        #[serde(rename = "every", deserialize_with = "written::millis")]
        every_ms: u64,
        #[serde(deserialize_with = "bytes_of_text")]
        bytes: usize,
    },
    /// Emits `step.done` with this outcome.
    #[serde(rename = "step_done")]
    Done(String),
    /// Emits an event of any type; the run's state does not care.
    Emit {
        #[serde(rename = "type")]
        kind: String,
        value: Value,
    },
    /// Emits the event of a tool call, if there are such events.
    Tool(Value),
    /// Waits for a human.
    Wait(ScriptedWait),
    /// Loses its worker.
    #[serde(deserialize_with = "written::only_true")]
    Stall,
    /// Ends over a limit, for this reason.
    Limit(String),
    /// Ends badly, for this reason.
    Fail(String),
    /// Ends well.
    #[serde(deserialize_with = "written::only_true")]
    Succeed,
}

/// A wait for a human.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "RawWait")]
pub(crate) struct ScriptedWait {
    pub(crate) kind: String,
    pub(crate) reason: String,
    /// Further fields of the event's payload.
    pub(crate) more: Map<String, Value>,
    /// In place of the platform's.
    pub(crate) timeout_ms: Option<u64>,
}

impl Step {
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Limit(_) | Self::Fail(_) | Self::Succeed)
    }
}

/// A wait as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWait {
    kind: String,
    reason: Option<String>,
    #[serde(default)]
    payload: Map<String, Value>,
    timeout: Option<Span>,
}

impl From<RawWait> for ScriptedWait {
    fn from(raw: RawWait) -> Self {
        let reason = if raw.kind == APPROVAL {
            "AWAITING_APPROVAL"
        } else {
            "AWAITING_INPUT"
        };
        Self {
            reason: raw.reason.unwrap_or_else(|| reason.to_owned()),
            kind: raw.kind,
            more: raw.payload,
            timeout_ms: raw.timeout.map(|span| span.0),
        }
    }
}

/// Reads how long a text is that is made in memory.
fn bytes_of_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let bytes = u64::deserialize(deserializer)?;
    if bytes > MAX_DELTA_BYTES {
        let why = format!("\"bytes\" is more than {MAX_DELTA_BYTES}");
        return Err(D::Error::custom(why));
    }
    usize::try_from(bytes).map_err(D::Error::custom)
}
