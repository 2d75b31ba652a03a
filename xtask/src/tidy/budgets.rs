//! What grows must be meant to: figures stay below what `budgets.toml` allows.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context, Result};

use crate::{
    figures::{self, dependencies, names, program},
    repo,
    source::Workspace,
};

/// Where the budgets stand.
pub(super) const FILE: &str = "budgets.toml";

/// How many names may stand at the façade's root: more have no overview.
const MOST_NAMES: usize = 30;

/// Lines are counted by the hundred: one line more is no decision.
const STEP: usize = 100;

/// Figures by section and name.
pub(super) type Budgets = BTreeMap<String, BTreeMap<String, usize>>;

/// Returns what there is.
pub(super) fn present(workspace: &Workspace) -> Result<Budgets> {
    let mut found = of(workspace);
    let dependencies = dependencies::of(repo::root())?;
    found.insert(
        "dependencies".to_owned(),
        dependencies.into_iter().collect(),
    );
    Ok(found)
}

/// Returns what the sources alone tell.
fn of(workspace: &Workspace) -> Budgets {
    let mut found = Budgets::new();
    let mut set = |section: &str, name: &str, figure: usize| {
        let section = found.entry(section.to_owned()).or_default();
        section.insert(name.to_owned(), figure);
    };
    for known in &workspace.crates {
        set("lines", known.name(), figures::source_lines(known));
        set("public", known.name(), names::public(known));
    }
    let program = program::of(workspace);
    set("program", "commands", program.commands);
    set("program", "options", program.options);
    let at_root = names::at_root(workspace, figures::FACADE);
    set("facade", "names", at_root.len());
    found
}

/// Returns what is wrong: figures above their budgets, or without one, and budgets of nothing.
pub(super) fn faults(present: &Budgets, budgets: &Budgets) -> Vec<String> {
    let mut faults = Vec::new();
    let budget = |section: &str, name: &str| {
        let found = budgets.get(section).and_then(|section| section.get(name));
        match (section, found) {
            ("facade", None) => Some(MOST_NAMES),
            (_, found) => found.copied(),
        }
    };
    for (section, figures) in present {
        for (name, figure) in figures {
            match budget(section, name) {
                Some(budget) if *figure > budget => faults.push(format!(
                    "{FILE}: {section}.{name} is {figure}, and its budget {budget}: make it less, or raise the budget in the \
                     same commit and say why"
                )),
                Some(_) => {}
                None => faults.push(format!(
                    "{FILE}: {section}.{name} is {figure}, and has no budget"
                )),
            }
        }
    }
    for (section, budgets) in budgets {
        for name in budgets.keys() {
            let there = present
                .get(section)
                .is_some_and(|there| there.contains_key(name));
            if !there {
                faults.push(format!("{FILE}: there is no {section}.{name}"));
            }
        }
    }
    faults
}

/// Returns the budgets that are more than a step above what there is, as notes.
pub(super) fn slack(present: &Budgets, budgets: &Budgets) -> Vec<String> {
    let mut notes = Vec::new();
    for (section, figures) in present {
        for (name, figure) in figures {
            let budget = budgets.get(section).and_then(|section| section.get(name));
            let step = if section == "lines" { STEP } else { 0 };
            if let Some(budget) = budget.filter(|budget| **budget > figure + step) {
                notes.push(format!(
                    "{FILE}: {section}.{name} is {figure}, and its budget {budget}"
                ));
            }
        }
    }
    notes
}

/// Reads budgets.
pub(super) fn read(text: &str) -> Result<Budgets> {
    toml::from_str(text).context(FILE)
}

/// Returns the file in which each budget is what there is.
pub(super) fn written(present: &Budgets) -> String {
    let mut out = HEADER.to_owned();
    for (section, figures) in present {
        if section == "facade" && figures.values().all(|figure| *figure <= MOST_NAMES) {
            continue;
        }
        let _ = writeln!(out, "\n[{section}]");
        for (name, figure) in figures {
            let budget = match section.as_str() {
                "lines" => figure.div_ceil(STEP) * STEP,
                _ => *figure,
            };
            let _ = writeln!(out, "{name} = {budget}");
        }
    }
    out
}

const HEADER: &str = "\
# What may not grow unnoticed: `cargo xtask tidy` fails when a figure is above its budget. Who needs more raises it in the
# same commit and says why in its body; `cargo xtask tidy --write` sets every budget to what there is.
#
# lines: of each crate's src, without tests and generated code, to the next hundred. public: items and methods that are
# `pub`. program: commands (without those that only hold others) and options, each where it is declared. facade: names at
# the root of `taskward`, to be at most 30: then the section goes. dependencies: crates of others that each feature set of
# `taskward` builds on Linux, each version once.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets(text: &str) -> Budgets {
        read(text).unwrap()
    }

    #[test]
    fn a_figure_above_its_budget_is_told() {
        let present = budgets("[lines]\ncore = 101\n[program]\noptions = 3\n");
        assert_eq!(
            faults(
                &present,
                &budgets("[lines]\ncore = 101\n[program]\noptions = 4\n")
            ),
            [""; 0]
        );
        assert_eq!(
            faults(
                &present,
                &budgets("[lines]\ncore = 100\n[program]\noptions = 3\n")
            ),
            [
                "budgets.toml: lines.core is 101, and its budget 100: make it less, or raise the budget in the same commit and say why"
            ]
        );
    }

    #[test]
    fn a_budget_that_is_too_large_is_noted() {
        let present = budgets("[lines]\ncore = 201\n[program]\noptions = 3\n");
        let budgets = budgets("[lines]\ncore = 301\n[program]\noptions = 4\n");
        assert_eq!(
            slack(&present, &budgets),
            ["budgets.toml: program.options is 3, and its budget 4"]
        );
    }

    #[test]
    fn a_figure_without_a_budget_and_a_budget_of_nothing_are_told() {
        assert_eq!(
            faults(
                &budgets("[lines]\ncore = 1\n"),
                &budgets("[lines]\nclient = 1\n")
            ),
            [
                "budgets.toml: lines.core is 1, and has no budget",
                "budgets.toml: there is no lines.client"
            ]
        );
    }

    #[test]
    fn the_facade_has_at_most_thirty_names_unless_its_budget_says_more() {
        let names = |count| budgets(&format!("[facade]\nnames = {count}\n"));
        assert_eq!(faults(&names(30), &Budgets::new()), [""; 0]);
        assert_eq!(faults(&names(31), &Budgets::new()).len(), 1);
        assert_eq!(faults(&names(31), &names(31)), [""; 0]);
        assert_eq!(faults(&names(32), &names(31)).len(), 1);
    }

    #[test]
    fn what_is_written_holds_what_there_is() {
        let workspace = Workspace::of(&[
            ("crates/taskward/src/lib.rs", "pub struct A;\n"),
            (
                "crates/cli/src/args.rs",
                "#[derive(Args)]\nstruct A { #[arg(long)] a: u8 }\n",
            ),
        ]);
        let present = of(&workspace);
        let text = written(&present);
        assert!(
            text.contains("\n[lines]\ncli = 100\ntaskward = 100\n"),
            "{text}"
        );
        assert!(
            text.contains("\n[program]\ncommands = 0\noptions = 1\n"),
            "{text}"
        );
        assert!(!text.contains("[facade]"), "{text}");
        assert_eq!(faults(&present, &budgets(&text)), [""; 0]);
    }
}
