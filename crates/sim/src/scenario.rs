//! Scenario files: small TOML documents laid over the defaults.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::faults::FaultRule;
use crate::harness::scripted::ScriptedRun;
use crate::harness::switches::Switches as HarnessSwitches;
use crate::nanonets::agents::{Answer, Script, Shape, Step};
use crate::nanonets::switches::Switches;
use crate::time::Span;

/// What a simulator takes besides its seed: switches, further agents and runs, faults.
///
/// ```
/// let scenario = taskward_sim::Scenario::parse(r#"
///     [switches]
///     reply_delay_ms = 3000
///
///     [[agent]]
///     name = "buyer"
///     steps = [
///         { run = "5s" },
///         { ask = "Which supplier?" },
///         { say = "Ordering from {answer}." },
///         { review = "Order over 500" },
///         { complete = { summary = "Ordered from {answer}.", data = { ordered = true } } },
///     ]
///
///     [agent_harness]
///     signal_timeout_ms = 60000
///
///     [[run]]
///     name = "order"
///     steps = [
///         { run = "2s" },
///         { delta = "Ordering chairs." },
///         { step_done = "succeeded" },
///         { wait = { kind = "approval", payload = { total = 520 }, timeout = "10m" } },
///         { delta = " Ordered." },
///         { succeed = true },
///     ]
///
///     [[fault]]
///     on = "status"
///     kind = "status"
///     code = 503
///     probability = 0.3
/// "#)?;
/// assert_eq!(scenario.switches.reply_delay_ms, 3000);
/// # Ok::<(), taskward_sim::ScenarioError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Scenario {
    /// How Nanonets behaves where its contract is silent: `[switches]`.
    pub switches: Switches,
    /// How Agent Harness behaves where its contract is silent: `[agent_harness]`.
    pub agent_harness: HarnessSwitches,
    /// The faults in force from the beginning.
    pub faults: Vec<FaultRule>,
    pub(crate) agents: Vec<ScriptedAgent>,
    pub(crate) runs: Vec<ScriptedRun>,
}

/// An agent that the file spells out. It takes the place of a built-in one of the same name.
#[derive(Debug, Clone)]
pub(crate) struct ScriptedAgent {
    pub(crate) name: String,
    pub(crate) is_active: bool,
    pub(crate) script: Script,
}

/// Why a scenario file cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("scenario: {0}")]
pub struct ScenarioError(String);

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// When the text is no TOML, or has a field or a step that does not exist; the message names it.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let raw: RawScenario =
            toml::from_str(text).map_err(|why| ScenarioError(why.to_string()))?;
        check_codes("switches", &raw.switches)?;
        check_codes("agent_harness", &raw.agent_harness)?;
        let agents = raw
            .agent
            .into_iter()
            .map(ScriptedAgent::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            switches: raw.switches,
            agent_harness: raw.agent_harness,
            faults: raw.fault,
            agents,
            runs: raw.run,
        })
    }

    /// Reads the faults of a file that has nothing but `[[fault]]` tables.
    ///
    /// # Errors
    /// As [`Scenario::parse`], and when the file has anything else.
    pub fn parse_faults(text: &str) -> Result<Vec<FaultRule>, ScenarioError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct RawFaults {
            #[serde(default)]
            fault: Vec<FaultRule>,
        }
        let raw: RawFaults = toml::from_str(text).map_err(|why| ScenarioError(why.to_string()))?;
        Ok(raw.fault)
    }
}

/// Returns whether each switch that is the code of a reply is one that a reply can have.
fn check_codes(table: &str, switches: &impl Serialize) -> Result<(), ScenarioError> {
    let switches = serde_json::to_value(switches).map_err(|why| ScenarioError(why.to_string()))?;
    let codes = switches.as_object().into_iter().flatten();
    for (name, code) in
        codes.filter(|(name, _)| name.ends_with("_code") || name.ends_with("_missing"))
    {
        let is_code = code.as_u64().is_none_or(|code| (200..=999).contains(&code));
        if !is_code {
            let what = format!("[{table}] {name} = {code}: a reply's code is 200 to 999");
            return Err(ScenarioError(what));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    #[serde(default)]
    switches: Switches,
    #[serde(default)]
    agent_harness: HarnessSwitches,
    #[serde(default)]
    agent: Vec<RawAgent>,
    #[serde(default)]
    run: Vec<ScriptedRun>,
    #[serde(default)]
    fault: Vec<FaultRule>,
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
    type Error = ScenarioError;

    fn try_from(raw: RawAgent) -> Result<Self, ScenarioError> {
        let mut steps = Vec::new();
        for (at, step) in raw.steps.into_iter().enumerate() {
            let wrong =
                |why| ScenarioError(format!("agent {:?}, step {}: {why}", raw.name, at + 1));
            steps.push(Step::try_from(step).map_err(wrong)?);
        }
        if let Some(at) = steps
            .iter()
            .position(|step| matches!(step, Step::Complete(_) | Step::Fail(_)))
            && at + 1 < steps.len()
        {
            return Err(ScenarioError(format!(
                "agent {:?}: step {} ends the task, nothing can follow",
                raw.name,
                at + 1
            )));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        let scenario = Scenario::parse("").unwrap();
        assert_eq!(scenario.switches, Switches::default());
        assert_eq!(scenario.agent_harness, HarnessSwitches::default());
        assert!(scenario.agents.is_empty() && scenario.faults.is_empty());
    }

    #[test]
    fn a_wrong_file_is_told_by_its_place() {
        let agent = |steps: &str| format!("[[agent]]\nname = \"a\"\nsteps = [{steps}]");
        let check = |text: &str, expected: &str| {
            let error = Scenario::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("[switches]\nreply_lag = 3", "reply_lag");
        check("[switch]", "switch");
        check("[agent_harness]\nsignal_timeout = 3", "signal_timeout");
        check("[switches]\nrun_status_code = 99", "run_status_code = 99");
        check("[switches]\nmessage_status_code = 0", "200 to 999");
        check("[switches]\nearly_answer_code = 1", "early_answer_code");
        check("[agent_harness]\nevents_missing = 100", "events_missing");
        check(
            "[[fault]]\nkind = \"status\"\ncode = 429\nretry_after = \"\\u0001\"",
            "\"retry_after\" has a control character",
        );
        check("[[agent]]\nname = \"a\"", "steps");
        check("[[fault]]\nkind = \"status\"", "missing field `code`");
        check(&agent("{ran = \"5s\"}"), "ran");
        check(&agent("{run = \"5\"}"), "no length of time");
        check(&agent("{}"), "agent \"a\", step 1: is empty");
        check(
            &agent("{say = \"x\"}, {say = \"x\", ask = \"y\"}"),
            "step 2: says two things",
        );
        check(&agent("{status = \"odd\"}"), "go together");
        check(&agent("{pause = false}"), "only be true");
        check(
            &agent("{fail = \"x\"}, {say = \"y\"}"),
            "step 1 ends the task",
        );
        check(
            &agent("{complete = {summary = \"x\", object = {}}}"),
            "not both",
        );
    }

    #[test]
    fn a_wrong_run_is_told_by_its_place() {
        let check = |steps: &str, expected: &str| {
            let text = format!("[[run]]\nname = \"r\"\nsteps = [{steps}]");
            let error = Scenario::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("{ran = \"5s\"}", "ran");
        check("{}", "run \"r\", step 1: is empty");
        check("{stall = false}", "\"stall\" can only be true");
        check("{run = \"1s\", delta = \"x\"}", "step 1: says two things");
        check("{wait = {reason = \"X\"}}", "kind");
        check(
            "{deltas = {count = 1, bytes = 99999999, every = \"0ms\"}}",
            "\"bytes\" is more",
        );
        check("{fail = \"x\"}, {delta = \"y\"}", "step 1 ends the run");
    }

    #[test]
    fn a_file_of_faults_has_nothing_else() {
        assert_eq!(
            Scenario::parse_faults("[[fault]]\nkind = \"reset\"")
                .unwrap()
                .len(),
            1
        );
        assert!(Scenario::parse_faults("[switches]").is_err());
    }
}
