//! What the counting benches are expected to show: instructions, allocations and bytes, which a busy machine does not change.
//! The gate fails when one is worse by more than the tolerance, whether it meets its target or not.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{cargo, repo};

use super::row::Row;

/// Where the expected figures stand.
const COUNTS: &str = "benches/counts.toml";

const HEAD: &str = "\
# Instructions, allocations and bytes of the counting benches: `cargo xtask ci` fails when one is worse by more than the
# tolerance, and `cargo xtask bench --check --write` writes the present figures. A commit that makes one worse says why.
";

/// By how many percent a figure may be worse: another compiler or processor counts a few instructions more or fewer.
const TOLERANCE: f64 = 10.0;

/// Allocations are few: so much more of one is noise.
const LEAST: f64 = 0.01;

/// The figures, by the number of the row and what it says.
#[derive(Serialize, Deserialize)]
struct Counts {
    /// What compiled them.
    rustc: String,
    tolerance_percent: f64,
    rows: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Counts, and compares with what is expected, or writes that.
pub(super) fn run(write: bool) -> Result<()> {
    let present = counted()?;
    let path = repo::root().join(COUNTS);
    if write {
        ensure!(has_valgrind(), "valgrind is not installed");
        let text = format!("{HEAD}{}", toml::to_string(&present)?);
        return fs::write(&path, text).with_context(|| format!("cannot write {COUNTS}"));
    }
    let expected: Counts = toml::from_str(&repo::read(&path)?).context(COUNTS)?;
    let verdict = compare(&expected, &present, has_valgrind());
    verdict.notes.iter().for_each(|note| println!("{note}"));
    ensure!(
        verdict.worse.is_empty(),
        "by {}, where {COUNTS} is of {}:\n  {}\nMake it less, or say in the commit why it is more: \
         cargo xtask bench --check --write",
        present.rustc,
        expected.rustc,
        verdict.worse.join("\n  ")
    );
    Ok(())
}

fn counted() -> Result<Counts> {
    let bins = ["--bin", "count", "--bin", "heap", "--bin", "fleet"];
    cargo::run(super::benches(&["build", "--release", "--quiet"]).args(bins))?;
    let mut rows: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for (program, args) in [
        ("count", &["counted"][..]),
        ("heap", &[]),
        ("fleet", &["10000"]),
    ] {
        let printed = super::program(program, args)?;
        for row in printed.into_iter().filter(Row::is_counted) {
            let figure = (row.ours * 100.0).round() / 100.0;
            rows.entry(row.row).or_default().insert(row.what, figure);
        }
    }
    Ok(Counts {
        rustc: super::rustc()?,
        tolerance_percent: TOLERANCE,
        rows,
    })
}

fn has_valgrind() -> bool {
    let mut version = Command::new("valgrind");
    version.arg("--version").stdout(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

#[derive(Debug, Default, PartialEq)]
struct Verdict {
    worse: Vec<String>,
    notes: Vec<String>,
}

fn compare(expected: &Counts, present: &Counts, counts_instructions: bool) -> Verdict {
    let mut verdict = Verdict::default();
    if !counts_instructions {
        let note = "valgrind is not installed: only allocations and bytes are compared";
        verdict.notes.push(note.to_owned());
    }
    for (row, figures) in &expected.rows {
        for (what, figure) in figures {
            let found = present.rows.get(row).and_then(|figures| figures.get(what));
            let slack = figure * expected.tolerance_percent / 100.0 + LEAST;
            match found {
                Some(found) if *found > figure + slack => {
                    let text = format!("{row} {what}: {found} instead of {figure}");
                    verdict.worse.push(text);
                }
                Some(found) if *found < figure - slack => {
                    let text =
                        format!("{row} {what}: {found} instead of {figure}, refresh {COUNTS}");
                    verdict.notes.push(text);
                }
                None if counts_instructions || !what.contains("instructions") => {
                    verdict
                        .worse
                        .push(format!("{row} {what}: not counted any more"));
                }
                Some(_) | None => {}
            }
        }
    }
    for (row, figures) in &present.rows {
        for what in figures.keys() {
            if !expected
                .rows
                .get(row)
                .is_some_and(|figures| figures.contains_key(what))
            {
                verdict
                    .notes
                    .push(format!("{row} {what}: {COUNTS} expects nothing of it"));
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(figures: &[(&str, f64)]) -> Counts {
        let figures = figures
            .iter()
            .map(|(what, figure)| ((*what).to_owned(), *figure));
        Counts {
            rustc: "rustc 1.95.0".to_owned(),
            tolerance_percent: 10.0,
            rows: BTreeMap::from([("P3".to_owned(), figures.collect())]),
        }
    }

    #[test]
    fn a_figure_that_is_worse_by_more_than_the_tolerance_fails_and_a_better_one_is_a_note() {
        let expected = counts(&[("a: instructions", 100.0), ("b", 100.0), ("c", 0.0)]);
        let present = counts(&[("a: instructions", 111.0), ("b", 80.0), ("c", 0.0)]);
        let verdict = compare(&expected, &present, true);
        assert_eq!(verdict.worse, ["P3 a: instructions: 111 instead of 100"]);
        assert_eq!(verdict.notes.len(), 1, "{:?}", verdict.notes);
        assert_eq!(compare(&expected, &expected, true), Verdict::default());
    }

    #[test]
    fn an_allocation_where_none_was_fails_and_so_does_a_figure_that_is_missing() {
        let expected = counts(&[("allocations", 0.0), ("a: instructions", 100.0)]);
        let verdict = compare(&expected, &counts(&[("allocations", 1.0)]), true);
        assert_eq!(verdict.worse.len(), 2, "{:?}", verdict.worse);
        let verdict = compare(&expected, &counts(&[("allocations", 0.0)]), false);
        assert!(verdict.worse.is_empty() && verdict.notes.len() == 1);
    }
}
