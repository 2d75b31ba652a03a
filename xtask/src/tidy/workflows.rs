//! The workflows parse, ask for little, and name what there is.

use anyhow::{Context, Result};
use clap::CommandFactory as _;
use serde_json::Value;

use crate::{Cli, repo};

/// The workflow that has a job for the oldest compiler.
const CI: &str = "ci.yml";

/// Returns a fault for whatever a host would trip over.
pub(super) fn faults() -> Result<Vec<String>> {
    let root = repo::root();
    let manifest: toml::Table = repo::read(&root.join("Cargo.toml"))?.parse()?;
    let oldest = manifest["workspace"]["package"]["rust-version"].as_str();
    let oldest = oldest.context("Cargo.toml has no rust-version")?;
    let mut faults = Vec::new();
    for path in repo::entries(&root.join(".github/workflows"))? {
        let text = repo::read(&path)?;
        let name = repo::name(&path)?;
        let mut found = workflow_faults(&text);
        if name == CI && !text.contains(&format!("cargo +{oldest} check ")) {
            found.push(format!("no job checks with Rust {oldest}"));
        }
        faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    Ok(faults)
}

fn workflow_faults(text: &str) -> Vec<String> {
    let workflow: Value = match yaml_serde::from_str(text) {
        Ok(workflow) => workflow,
        Err(error) => return vec![format!("no YAML: {error}")],
    };
    let mut faults = Vec::new();
    if workflow["permissions"] != serde_json::json!({"contents": "read"}) {
        faults.push("the permissions of all jobs must be contents: read".to_owned());
    }
    let jobs = workflow["jobs"].as_object();
    for (name, job) in jobs.into_iter().flatten() {
        if job["timeout-minutes"].as_u64().is_none() {
            faults.push(format!("{name} has no timeout-minutes"));
        }
        let steps = job["steps"].as_array();
        for step in steps.into_iter().flatten() {
            let action = step["uses"].as_str().filter(|action| !pinned(action));
            faults.extend(action.map(|action| format!("{name}: {action} is not pinned")));
            let unknown = unknown_tasks(step["run"].as_str().unwrap_or_default());
            let told = |task| format!("{name}: there is no cargo xtask {task}");
            faults.extend(unknown.into_iter().map(told));
        }
    }
    if jobs.is_none_or(serde_json::Map::is_empty) {
        faults.push("there are no jobs".to_owned());
    }
    faults
}

/// Whether an action is named by its full version.
fn pinned(action: &str) -> bool {
    let version = action.split_once("@v").map(|(_, version)| version);
    let parts = version.map(|version| version.split('.').map(str::parse::<u32>));
    parts.is_some_and(|parts| {
        let parts: Vec<_> = parts.collect();
        parts.len() == 3 && parts.iter().all(Result::is_ok)
    })
}

/// Returns the tasks and options that a script asks of xtask and that it does not have.
fn unknown_tasks(script: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    for line in script.lines() {
        let Some((_, line)) = line.split_once("cargo xtask") else {
            continue;
        };
        // An expression of the host's is one word, whatever it holds.
        let words = line.split_whitespace();
        let words = words.filter(|word| !matches!(*word, "${{" | "}}"));
        if Cli::command()
            .try_get_matches_from(std::iter::once("xtask").chain(words))
            .is_err()
        {
            unknown.push(line.trim().to_owned());
        }
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_host_would_trip_over_is_told() {
        let good = "permissions:\n  contents: read\njobs:\n  a:\n    timeout-minutes: 5\n    steps:\n      \
                    - uses: actions/checkout@v4.2.2\n      - run: cargo xtask dist --target ${{ matrix.target }}\n";
        assert_eq!(workflow_faults(good), [""; 0]);
        for (from, to, fault) in [
            (
                "read",
                "write",
                "the permissions of all jobs must be contents: read",
            ),
            ("@v4.2.2", "@v4", "a: actions/checkout@v4 is not pinned"),
            ("@v4.2.2", "@main", "a: actions/checkout@main is not pinned"),
            (
                "dist",
                "dits",
                "a: there is no cargo xtask dits --target ${{ matrix.target }}",
            ),
            (
                "--target",
                "--tagret",
                "a: there is no cargo xtask dist --tagret ${{ matrix.target }}",
            ),
            ("    timeout-minutes: 5\n", "", "a has no timeout-minutes"),
        ] {
            assert_eq!(workflow_faults(&good.replace(from, to)), [fault]);
        }
        assert!(workflow_faults("a: [")[0].starts_with("no YAML: "));
        assert_eq!(
            workflow_faults("permissions:\n  contents: read\n"),
            ["there are no jobs"]
        );
    }
}
