//! The examples of the program's help pages; `xtask/help-examples.toml` says what stands around each.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::fences::ShellCommand;
use super::shell::Shell;
use super::{Count, SPEED};
use crate::repo;
use crate::simulator::Simulator;

/// What is known of the examples of a command.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Around {
    /// What runs before each of them.
    #[serde(default)]
    before: String,
    /// The exit codes of those that do not end with 0, by a part of their text.
    #[serde(default)]
    codes: BTreeMap<String, i32>,
    /// Why some are not run, by a part of their text.
    #[serde(default)]
    not_run: BTreeMap<String, String>,
}

/// Runs the examples of all commands; returns how many, and what failed.
pub(super) fn run(program: &Path, scratch: &Path) -> Result<(Count, Vec<String>)> {
    let path = repo::root().join("xtask/help-examples.toml");
    let mut around: BTreeMap<String, Around> =
        toml::from_str(&repo::read(&path)?).context("xtask/help-examples.toml")?;
    let mut count = Count::default();
    let mut failures = Vec::new();
    let everywhere = around.remove("everywhere").unwrap_or_default().before;
    for name in commands(&help(program, &["--help"])?) {
        let page = help(program, &["help", name])?;
        let mut known = around.remove(name).unwrap_or_default();
        for example in examples(&page) {
            let is_of = |part: &String| example.contains(part.as_str());
            if known.not_run.keys().any(is_of) {
                count.left_out += 1;
                continue;
            }
            let code = known.codes.iter().find(|(part, _)| is_of(part));
            let code = code.map_or(0, |(_, code)| *code);
            let commands = [
                command(&format!("{everywhere}\n{}\ntrue", known.before), 0),
                command(example, code),
            ];
            count.commands += 1;
            let simulator = Simulator::of(program, SPEED, 0)?;
            let shell = Shell::new(program, scratch, None, &simulator)?;
            failures.extend(shell.run(&format!("taskward help {name}"), &commands)?);
        }
        known.codes.retain(|part, _| !page.contains(part.as_str()));
        known
            .not_run
            .retain(|part, _| !page.contains(part.as_str()));
        let stale: Vec<&String> = known.codes.keys().chain(known.not_run.keys()).collect();
        ensure!(
            stale.is_empty(),
            "help of {name}: there is no example with {stale:?}"
        );
    }
    let unknown: Vec<&String> = around.keys().collect();
    ensure!(unknown.is_empty(), "there are no commands {unknown:?}");
    Ok((count, failures))
}

fn command(text: &str, code: i32) -> ShellCommand {
    ShellCommand {
        line: 1,
        text: format!("{text}\n"),
        code,
        output: None,
    }
}

fn help(program: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(args)
        .env("COLUMNS", "1000")
        .output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{args:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the names under "Commands:", without `help` itself.
fn commands(page: &str) -> Vec<&str> {
    let behind = page
        .split_once("Commands:\n")
        .map_or("", |(_, behind)| behind);
    let lines = behind.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

/// Returns the lines under "Examples:"; what stands behind wide space is an explanation.
fn examples(page: &str) -> Vec<&str> {
    let behind = page
        .split_once("Examples:\n")
        .map_or("", |(_, behind)| behind);
    let lines = behind.lines().take_while(|line| line.starts_with("  "));
    lines
        .map(|line| line.trim())
        .map(|line| line.split_once("    ").map_or(line, |(example, _)| example))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_and_the_commands_of_a_page_are_read() {
        let page = "Usage: x\n\nCommands:\n  run   Start\n        and go\n  help  Explain\n\nExamples:\n  \
                    x run -f 'a b'\n  x run      explained\n\nMore.\n";
        assert_eq!(commands(page), ["run"]);
        assert_eq!(examples(page), ["x run -f 'a b'", "x run"]);
    }
}
