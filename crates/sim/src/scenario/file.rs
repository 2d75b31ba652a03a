//! Scenario files: small TOML documents laid over the defaults.

use serde::Deserialize;
use toml::{Table, Value};

use super::{Scenario, ScenarioError};
use crate::faults::FaultRule;
use crate::platforms::PLATFORMS;

/// The tables of a file that are no platform's; those that are, each platform reads for itself.
#[derive(Deserialize)]
struct Common {
    #[serde(default)]
    fault: Vec<FaultRule>,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// When the text is no TOML, or has a field or a step that does not exist; the message names it.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let of_platforms = PLATFORMS.iter().flat_map(|platform| platform.tables);
        let known: Vec<&str> = ["fault"].iter().chain(of_platforms).copied().collect();
        let faults = read_faults(text, &known)?;
        let settings = PLATFORMS.iter().map(|platform| (platform.settings)(text));
        let settings = settings.collect::<Result<_, _>>().map_err(told)?;
        Ok(Self { faults, settings })
    }

    /// Returns a scenario that is written in JSON, with the same tables, as the text of a file; any other text as it is.
    #[cfg(feature = "http")]
    pub(crate) fn as_file(text: &str) -> Result<String, ScenarioError> {
        // No file begins so.
        if !text.trim_start().starts_with('{') {
            return Ok(text.to_owned());
        }
        let tables: serde_json::Value =
            serde_json::from_str(text).map_err(|why| ScenarioError(format!("JSON: {why}")))?;
        toml::to_string(&tables).map_err(|why| {
            let what = format!("JSON: {why}; null is no value here, leave the field out");
            ScenarioError(what)
        })
    }

    /// Reads the faults of a file that has nothing but `[[fault]]` tables.
    ///
    /// # Errors
    /// As [`Scenario::parse`], and when the file has anything else.
    pub fn parse_faults(text: &str) -> Result<Vec<FaultRule>, ScenarioError> {
        read_faults(text, &["fault"])
    }
}

/// Returns the faults of a file that has no other tables than these.
fn read_faults(text: &str, known: &[&str]) -> Result<Vec<FaultRule>, ScenarioError> {
    let file: Table = toml::from_str(text).map_err(told)?;
    for (name, table) in &file {
        if !known.contains(&name.as_str()) {
            let known = known.join(", ");
            let what = format!("there is no table {name:?} (known: {known})");
            return Err(ScenarioError(what));
        }
        check_codes(name, table)?;
    }
    let Common { fault } = toml::from_str(text).map_err(told)?;
    Ok(fault)
}

/// Returns whether each switch that is the code of a reply is one that a reply can have.
fn check_codes(table: &str, switches: &Value) -> Result<(), ScenarioError> {
    let is_code = |name: &str| name.ends_with("_code") || name.ends_with("_missing");
    let switches = switches.as_table().into_iter().flatten();
    for (name, code) in switches.filter(|(name, _)| is_code(name)) {
        if code
            .as_integer()
            .is_some_and(|code| !(200..=999).contains(&code))
        {
            let what = format!("[{table}] {name} = {code}: a reply's code is 200 to 999");
            return Err(ScenarioError(what));
        }
    }
    Ok(())
}

fn told(why: toml::de::Error) -> ScenarioError {
    ScenarioError(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{harness, nanonets};

    #[test]
    fn an_empty_file_is_the_default() {
        let scenario = Scenario::parse("").unwrap();
        let nanonets: nanonets::Settings = scenario.of();
        assert_eq!(nanonets.switches, nanonets::Switches::default());
        let harness: harness::Settings = scenario.of();
        assert_eq!(harness.switches, harness::Switches::default());
        assert!(
            nanonets.agents.is_empty() && harness.runs.is_empty() && scenario.faults.is_empty()
        );
    }

    #[test]
    fn a_wrong_file_is_told_by_its_place() {
        let agent = |steps: &str| format!("[[agent]]\nname = \"a\"\nsteps = [{steps}]");
        let check = |text: &str, expected: &str| {
            let error = Scenario::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("[switches]\nreply_lag = 3", "reply_lag");
        check(
            "[switch]",
            "no table \"switch\" (known: fault, switches, agent",
        );
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
        check(&agent("{}"), "agent \"a\", step 1: invalid value: map");
        check(
            &agent("{say = \"x\"}, {say = \"x\", ask = \"y\"}"),
            "step 2: invalid value: map",
        );
        check(&agent("{status = \"odd\"}"), "missing field `for`");
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
        check("{}", "wanted exactly 1 element");
        check("{stall = false}", "it can only be true");
        check("{run = \"1s\", delta = \"x\"}", "wanted exactly 1 element");
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
