//! Runs that a scenario file spells out step by step.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::scripts::{APPROVAL, MAX_DELTA_BYTES, ScriptedWait, Step};
use crate::time::Span;

/// A run of a scenario file. It takes the place of a built-in one of the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "RawRun")]
pub(crate) struct ScriptedRun {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRun {
    name: String,
    steps: Vec<RawStep>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawStep {
    run: Option<Span>,
    progress: Option<Map<String, Value>>,
    delta: Option<String>,
    deltas: Option<RawDeltas>,
    step_done: Option<String>,
    emit: Option<RawEvent>,
    tool: Option<Value>,
    wait: Option<RawWait>,
    stall: Option<bool>,
    limit: Option<String>,
    fail: Option<String>,
    succeed: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeltas {
    count: u64,
    bytes: usize,
    every: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWait {
    kind: String,
    reason: Option<String>,
    #[serde(default)]
    payload: Map<String, Value>,
    timeout: Option<Span>,
}

impl TryFrom<RawRun> for ScriptedRun {
    type Error = String;

    fn try_from(raw: RawRun) -> Result<Self, String> {
        let mut steps = Vec::new();
        for (at, step) in raw.steps.into_iter().enumerate() {
            let wrong = |why| format!("run {:?}, step {}: {why}", raw.name, at + 1);
            steps.push(Step::try_from(step).map_err(wrong)?);
        }
        if let Some(at) = steps.iter().position(Step::is_end)
            && at + 1 < steps.len()
        {
            let (run, step) = (&raw.name, at + 1);
            return Err(format!(
                "run {run:?}: step {step} ends the run, nothing can follow"
            ));
        }
        Ok(Self {
            name: raw.name,
            steps,
        })
    }
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let flag = |name: &str, flag: Option<bool>, step: Self| match flag {
            Some(false) => Err(format!("{name:?} can only be true")),
            Some(true) => Ok(Some(step)),
            None => Ok(None),
        };
        if let Some(deltas) = &raw.deltas
            && deltas.bytes as u64 > MAX_DELTA_BYTES
        {
            return Err(format!("\"bytes\" is more than {MAX_DELTA_BYTES}"));
        }
        let steps = [
            raw.run.map(|span| Self::Work(span.0)),
            raw.progress.map(|value| Self::Progress(value.into())),
            raw.delta.map(Self::Delta),
            raw.deltas.map(|deltas| Self::Deltas {
                count: deltas.count,
                every_ms: deltas.every.0,
                bytes: deltas.bytes,
            }),
            raw.step_done.map(Self::Done),
            raw.emit.map(|event| Self::Emit(event.kind, event.value)),
            raw.tool.map(Self::Tool),
            raw.wait.map(|wait| Self::Wait(wait.into())),
            flag("stall", raw.stall, Self::Stall)?,
            raw.limit.map(Self::Limit),
            raw.fail.map(Self::Fail),
            flag("succeed", raw.succeed, Self::Succeed)?,
        ];
        let mut given = steps.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(step), None) => Ok(step),
            (Some(_), Some(_)) => Err("says two things; make it two steps".to_owned()),
            (None, _) => Err("is empty (one of run, progress, delta, deltas, step_done, emit, tool, wait, stall, \
                              limit, fail, succeed)"
                .to_owned()),
        }
    }
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
