//! A run of the platform: plain data, and what follows from that data alone.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use super::log::Log;
use super::scripted::Step;
use crate::message::Reply;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Queued,
    Running,
    AwaitingInput,
    Stalled,
    Succeeded,
    Failed,
    Cancelled,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::AwaitingInput => "awaiting_input",
            Self::Stalled => "stalled",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// The name of what runs.
    pub(crate) scenario: String,
    /// The body of the creation.
    pub(crate) request: Map<String, Value>,
    /// The correlation id of the creation, which its events carry.
    pub(crate) request_id: String,
    pub(crate) created_at: u64,
    pub(crate) updated_at: u64,
    pub(crate) ended_at: Option<u64>,
    pub(crate) phase: Phase,
    /// What a read shows in place of the phase, and until when.
    pub(crate) shown: Option<(Phase, u64)>,
    /// What remains to be done.
    pub(crate) steps: VecDeque<Step>,
    /// When the step under way (or the time in the queue) is over.
    pub(crate) step_ends_at: Option<u64>,
    /// What it waits for.
    pub(crate) wait: Option<OpenWait>,
    /// The newest wait, open or not: its number in the statistics.
    pub(crate) newest_wait: Option<usize>,
    /// What the last signal brought.
    pub(crate) data: Map<String, Value>,
    pub(crate) log: Log,
    /// The signals that were taken, by key: body and reply.
    pub(crate) signals: BTreeMap<String, (Value, Reply)>,
    pub(crate) streams: u64,
    pub(crate) requests: BTreeMap<String, u64>,
}

#[derive(Debug)]
pub(crate) struct OpenWait {
    pub(crate) kind: String,
    pub(crate) times_out_at: u64,
}

impl Run {
    /// Returns the status that a read shows.
    pub(crate) fn shown(&self, now: u64) -> Phase {
        match self.shown {
            Some((phase, until)) if now < until => phase,
            _ => self.phase,
        }
    }

    /// Lets reads show the status as it is now for a while.
    pub(crate) fn hold_status(&mut self, now: u64, ms: u64) {
        if ms > 0 {
            let kept = self.shown.filter(|(_, until)| now < *until);
            let until = now
                .saturating_add(ms)
                .max(kept.map_or(0, |(_, until)| until));
            self.shown = Some((self.shown(now), until));
        }
    }

    /// Puts the goal and the data of the last signal in place of `{goal}`, `{data}` and `{data.NAME}`.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        let input = &self.request.get("input").unwrap_or(&Value::Null);
        let goal = input["goal"].as_str().or(input["user_query"].as_str());
        let mut text = text.replace("{goal}", goal.unwrap_or("the task"));
        for (key, value) in &self.data {
            text = text.replace(&format!("{{data.{key}}}"), &plain(value));
        }
        let data: Vec<String> = self
            .data
            .iter()
            .map(|(key, value)| format!("{key} {}", plain(value)))
            .collect();
        let data = if data.is_empty() {
            "nothing further".to_owned()
        } else {
            data.join(", ")
        };
        text.replace("{data}", &data)
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
