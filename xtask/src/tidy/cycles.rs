//! Files of a crate do not import each other in a cycle, but for the cycles that `xtask/cycles.toml` names.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{
    repo,
    source::{Workspace, imports},
};

/// Where the list stands.
const LIST: &str = "xtask/cycles.toml";

/// How many cycles may have a reason.
const MOST: usize = 5;

/// The cycles that may be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(default)]
    cycle: Vec<Cycle>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cycle {
    /// The crate's folder.
    folder: String,
    files: Vec<String>,
    reason: String,
}

/// Reads the committed list.
pub(super) fn list() -> Result<List> {
    toml::from_str(&repo::read(&repo::root().join(LIST))?).context(LIST)
}

/// Returns what is wrong: cycles that are not listed, and entries that are no cycles any more.
pub(super) fn faults(workspace: &Workspace, list: &List) -> Vec<String> {
    let mut faults = Vec::new();
    let listed = list.cycle.len();
    if listed > MOST {
        faults.push(format!("{LIST}: {listed} cycles are more than {MOST}"));
    }
    let found = found(workspace);
    for (folder, files) in &found {
        if !list.cycle.iter().any(|cycle| cycle.covers(folder, files)) {
            let files = files.join(", ");
            faults.push(format!(
                "{folder}: these files import each other in a cycle: {files}; move what they share into a file of its own"
            ));
        }
    }
    for cycle in &list.cycle {
        if !found
            .iter()
            .any(|(folder, files)| cycle.covers(folder, files))
        {
            let (folder, files) = (&cycle.folder, cycle.files.join(", "));
            faults.push(format!(
                "{LIST}: no cycle of {folder} is among {files} any more: take the entry out"
            ));
        }
        if cycle.reason.trim().is_empty() {
            faults.push(format!("{LIST}: a cycle of {} has no reason", cycle.folder));
        }
    }
    faults
}

impl Cycle {
    /// Returns whether a listed cycle covers these files: it may lose files, and not gain any.
    fn covers(&self, folder: &str, files: &[String]) -> bool {
        self.folder == folder && files.iter().all(|file| self.files.contains(file))
    }
}

fn found(workspace: &Workspace) -> Vec<(String, Vec<String>)> {
    let crates = workspace.crates.iter();
    crates
        .flat_map(|known| {
            let cycles = imports::cycles(known).into_iter();
            cycles.map(|files| (known.folder.clone(), files))
        })
        .collect()
}

/// Returns the cycles of today, as the list writes them.
pub(super) fn shown(workspace: &Workspace) -> String {
    let mut out = String::new();
    for (folder, files) in found(workspace) {
        let _ = writeln!(out, "[[cycle]]\nfolder = \"{folder}\"\nfiles = [");
        for file in files {
            let _ = writeln!(out, "    \"{file}\",");
        }
        let _ = writeln!(out, "]\nreason = \"\"\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLE: [(&str, &str); 3] = [
        ("crates/a/src/lib.rs", "mod b; mod c;"),
        ("crates/a/src/b.rs", "use crate::c::C; pub struct B;"),
        ("crates/a/src/c.rs", "use crate::b::B; pub struct C;"),
    ];

    fn check(texts: &[(&str, &str)], list: &str) -> Vec<String> {
        faults(&Workspace::of(texts), &toml::from_str(list).unwrap())
    }

    #[test]
    fn a_cycle_that_is_not_listed_is_told() {
        let faults = check(&CYCLE, "");
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with(
            "crates/a: these files import each other in a cycle: src/b.rs, src/c.rs;"
        ));
        let listed = "[[cycle]]\nfolder = \"crates/a\"\nfiles = [\"src/b.rs\", \"src/c.rs\", \"src/d.rs\"]\nreason = \"r\"";
        assert_eq!(check(&CYCLE, listed), [""; 0]);
        assert_eq!(
            check(&CYCLE, &listed.replace("src/c.rs", "src/e.rs")).len(),
            2
        );
        assert_eq!(
            check(&CYCLE, &listed.replace("\"r\"", "\"\"")),
            ["xtask/cycles.toml: a cycle of crates/a has no reason"]
        );
    }

    #[test]
    fn an_entry_without_a_cycle_and_too_many_entries_are_told() {
        let entry = "[[cycle]]\nfolder = \"crates/a\"\nfiles = [\"src/b.rs\", \"src/c.rs\"]\nreason = \"r\"\n";
        assert_eq!(
            check(&CYCLE[..2], entry),
            [
                "xtask/cycles.toml: no cycle of crates/a is among src/b.rs, src/c.rs any more: take the entry out"
            ]
        );
        assert_eq!(check(&CYCLE, &entry.repeat(5)), [""; 0]);
        assert_eq!(
            check(&CYCLE, &entry.repeat(6)),
            ["xtask/cycles.toml: 6 cycles are more than 5"]
        );
    }

    #[test]
    fn what_is_shown_can_be_read_as_the_list() {
        let workspace = Workspace::of(&CYCLE);
        let list: List = toml::from_str(&shown(&workspace)).unwrap();
        assert_eq!(list.cycle[0].files, ["src/b.rs", "src/c.rs"]);
    }
}
