//! Agents that a scenario file spells out step by step.

use serde::Deserialize;
use serde_json::Value;

use super::agents::{Answer, Script, Shape, Step};
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
    steps: Vec<RawStep>,
}

fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawStep {
    run: Option<Span>,
    status: Option<String>,
    #[serde(rename = "for")]
    span: Option<Span>,
    think: Option<String>,
    tool: Option<Value>,
    say: Option<String>,
    ask: Option<String>,
    pause: Option<bool>,
    review: Option<String>,
    complete: Option<RawAnswer>,
    fail: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    summary: Option<String>,
    object: Option<Value>,
    data: Option<Value>,
}

impl TryFrom<RawAgent> for ScriptedAgent {
    type Error = String;

    fn try_from(raw: RawAgent) -> Result<Self, String> {
        let mut steps = Vec::new();
        for (at, step) in raw.steps.into_iter().enumerate() {
            let wrong = |why: String| format!("agent {:?}, step {}: {why}", raw.name, at + 1);
            steps.push(Step::try_from(step).map_err(wrong)?);
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

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let span = raw.span;
        let shown = match (raw.status, span) {
            (Some(status), Some(span)) => Some(Self::Show(status, span.0)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("\"status\" and \"for\" go together".to_owned());
            }
        };
        if raw.pause == Some(false) {
            return Err("\"pause\" can only be true".to_owned());
        }
        let steps = [
            shown,
            raw.run.map(|span| Self::Work(span.0)),
            raw.think.map(Self::Think),
            raw.tool.map(|content| Self::Tool {
                name: "scripted",
                content,
            }),
            raw.say.map(Self::Say),
            raw.ask.map(Self::Ask),
            raw.pause.map(|_| Self::Pause),
            raw.review.map(Self::Review),
            raw.complete
                .map(Answer::try_from)
                .transpose()?
                .map(Self::Complete),
            raw.fail.map(Self::Fail),
        ];
        let mut given = steps.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(step), None) => Ok(step),
            (Some(_), Some(_)) => Err("says two things; make it two steps".to_owned()),
            (None, _) => Err("is empty (one of run, status, think, tool, say, ask, pause, review, complete, fail)".into()),
        }
    }
}

impl TryFrom<RawAnswer> for Answer {
    type Error = String;

    fn try_from(raw: RawAnswer) -> Result<Self, String> {
        let shape = match (raw.summary, raw.object) {
            (Some(summary), None) => Shape::Summary(summary),
            (None, Some(object)) => Shape::Object(object),
            (None, None) => Shape::LastContent,
            (Some(_), Some(_)) => {
                return Err("\"complete\" takes \"summary\" or \"object\", not both".to_owned());
            }
        };
        Ok(Self {
            shape,
            data: raw.data,
        })
    }
}
