//! `cargo xtask faults`: `docs/faults.md`, the table of what may go wrong and of the tests that hold what comes of it.
//!
//! The rows stand in `docs/faults.toml`. A test names those that it covers in its documentation: `/// Rows: B4, B5.`

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::repo;

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only say whether the table is up to date
    #[arg(long)]
    pub(crate) check: bool,
}

/// Of the rows that are not safety-critical, so many in a hundred have a test.
const WANTED: usize = 90;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    letter: String,
    title: String,
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(default)]
    safety: bool,
    fault: String,
    expected: String,
    #[serde(default)]
    exit: String,
    /// Why no test covers it.
    why: Option<String>,
    /// What is not built yet, and without which it cannot be covered.
    needs: Option<String>,
}

impl Row {
    /// Returns why it has no test.
    fn excuse(&self) -> Option<String> {
        let needs = self.needs.as_ref();
        let needs = needs.map(|part| format!("it needs {part}, which is not built yet"));
        self.why.clone().or(needs)
    }
}

/// A test that names rows.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    name: String,
    rows: Vec<String>,
}

/// By row, the tests that cover it: file and name.
type Cover = BTreeMap<String, Vec<(String, String)>>;

/// Writes the table, or compares it with the committed one.
pub(crate) fn run(args: &Args) -> Result<()> {
    let docs = repo::root().join("docs");
    let catalogue: Catalogue =
        toml::from_str(&repo::read(&docs.join("faults.toml"))?).context("docs/faults.toml")?;
    let cover = cover()?;
    let table = table(&catalogue, &cover);
    let wrong = wrong(&catalogue, &cover);
    let path = docs.join("faults.md");
    if args.check {
        if repo::read_if_there(&path)?.as_deref() != Some(&table) {
            bail!("docs/faults.md is out of date: run `cargo xtask faults` and commit it");
        }
    } else {
        fs::write(&path, &table).context("cannot write docs/faults.md")?;
        print!("{}", summary(&catalogue, &cover));
    }
    if !wrong.is_empty() {
        bail!(
            "the catalogue of faults is not held:\n  {}",
            wrong.join("\n  ")
        );
    }
    Ok(())
}

/// Reads the tests of all crates.
fn cover() -> Result<Cover> {
    let mut cover = Cover::new();
    for path in repo::rust_files(&repo::root().join("crates"))? {
        let text = repo::read(&path)?;
        let file = shown(&path);
        for test in tests(&text).with_context(|| file.clone())? {
            for row in test.rows {
                cover
                    .entry(row)
                    .or_default()
                    .push((file.clone(), test.name.clone()));
            }
        }
    }
    Ok(cover)
}

fn shown(path: &Path) -> String {
    repo::shown(path).replace('\\', "/")
}

/// Returns the tests of a file that name rows.
fn tests(text: &str) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(rows) = line.trim_start().strip_prefix("/// Rows: ") else {
            continue;
        };
        let place = || format!("line {}", number + 1);
        let rows = rows
            .strip_suffix('.')
            .with_context(|| format!("{}: the rows end in a full stop", place()))?;
        let rows = rows.split(", ").map(str::to_owned).collect();
        let mut is_test = false;
        let name = loop {
            let Some((_, line)) = lines.next() else {
                bail!("{}: no test follows", place());
            };
            let line = line.trim_start();
            is_test |= line.starts_with("#[") && line.contains("test");
            let head = line.split_once('(').map_or("", |(head, _)| head);
            if let Some((_, name)) = head.split_once("fn ") {
                break name.split('<').next().unwrap_or(name).to_owned();
            }
        };
        if !is_test {
            bail!("{}: {name} is no test", place());
        }
        tests.push(Test { name, rows });
    }
    Ok(tests)
}

/// Returns what must not be so.
fn wrong(catalogue: &Catalogue, cover: &Cover) -> Vec<String> {
    let rows = || catalogue.group.iter().flat_map(|group| &group.row);
    let mut wrong = Vec::new();
    for (row, tests) in cover {
        if !rows().any(|known| known.id == *row) {
            let (file, test) = &tests[0];
            wrong.push(format!("{file}: {test} names {row}, which is no row"));
        }
    }
    for row in rows() {
        let id = &row.id;
        let (has_test, excused) = (cover.contains_key(id), row.excuse().is_some());
        if has_test && excused {
            wrong.push(format!("{id} has a test, and says why it has none"));
        } else if !has_test && !excused {
            wrong.push(format!("{id} has no test, and does not say why"));
        } else if !has_test && row.safety && row.needs.is_none() {
            wrong.push(format!("{id} is safety-critical and has no test"));
        }
    }
    let others = || rows().filter(|row| !row.safety && row.needs.is_none());
    let held = others().filter(|row| cover.contains_key(&row.id)).count();
    let others = others().count();
    if held * 100 < others * WANTED {
        wrong.push(format!(
            "{held} of {others} rows that are not safety-critical have a test: too few"
        ));
    }
    wrong
}

/// Rows and covered rows, by group and in all.
fn summary(catalogue: &Catalogue, cover: &Cover) -> String {
    let mut text = String::from(
        "| Group | Rows | With a test | Safety-critical | With a test |\n|---|--:|--:|--:|--:|\n",
    );
    let mut sum = [0; 4];
    for group in &catalogue.group {
        let held = |row: &&Row| cover.contains_key(&row.id);
        let safety = || group.row.iter().filter(|row| row.safety);
        let counts = [
            group.row.len(),
            group.row.iter().filter(held).count(),
            safety().count(),
            safety().filter(held).count(),
        ];
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
        let [rows, with, critical, critical_with] = counts;
        let _ = writeln!(
            text,
            "| {}. {} | {rows} | {with} | {critical} | {critical_with} |",
            group.letter, group.title
        );
    }
    let [rows, with, critical, critical_with] = sum;
    let _ = writeln!(
        text,
        "| All | {rows} | {with} | {critical} | {critical_with} |"
    );
    text
}

fn table(catalogue: &Catalogue, cover: &Cover) -> String {
    let mut text = String::from(
        "<!-- Written by `cargo xtask faults` from faults.toml and the documentation of the tests. Do not edit. -->\n\n\
         # What may go wrong, and what comes of it\n\n\
         Bad inputs and faults, the outcome that each must have, and the tests that hold it. Rows marked * are \
         safety-critical. *Exit* is the code of one-shot commands and of a start, where it is not what ends a watch; \
         once a task's id is known, nothing on the wire ends a watch. Tests in `crates/client/tests/suite` are run by \
         both adapters.\n\n",
    );
    text.push_str(&summary(catalogue, cover));
    for group in &catalogue.group {
        let _ = write!(
            text,
            "\n## {}. {}\n\n| Row | Fault | Outcome | Exit | Tests |\n|---|---|---|---|---|\n",
            group.letter, group.title
        );
        for row in &group.row {
            let star = if row.safety { "\\*" } else { "" };
            let _ = writeln!(
                text,
                "| {}{star} | {} | {} | {} | {} |",
                row.id,
                cell(&row.fault),
                cell(&row.expected),
                row.exit,
                held_by(row, cover)
            );
        }
    }
    text
}

fn held_by(row: &Row, cover: &Cover) -> String {
    let Some(tests) = cover.get(&row.id) else {
        return format!("none: {}", cell(&row.excuse().unwrap_or_default()));
    };
    let links = tests
        .iter()
        .map(|(file, name)| format!("[`{name}`](../{file})"));
    links.collect::<Vec<_>>().join("<br>")
}

/// Returns text inside a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, rows: &[&str]) -> Test {
        Test {
            name: name.to_owned(),
            rows: rows.iter().map(|row| (*row).to_owned()).collect(),
        }
    }

    #[test]
    fn a_test_names_its_rows_in_its_documentation() {
        let text = "/// Words.\n/// Rows: A1, B12.\n#[test]\nfn one() {}\n\n    /// Rows: C3.\n    \
                    #[tokio::test(start_paused = true)]\n    async fn two() {\n    }\n#[test]\nfn three() {}\n";
        assert_eq!(
            tests(text).expect("well formed"),
            [named("one", &["A1", "B12"]), named("two", &["C3"])]
        );
    }

    #[test]
    fn rows_without_a_test_or_a_full_stop_are_refused() {
        for text in [
            "/// Rows: A1\n#[test]\nfn one() {}",
            "/// Rows: A1.\nfn one() {}",
            "/// Rows: A1.\n",
        ] {
            assert!(tests(text).is_err(), "{text}");
        }
    }

    fn catalogue(rows: &str) -> Catalogue {
        let text = format!("[[group]]\nletter = \"A\"\ntitle = \"All\"\n{rows}");
        toml::from_str(&text).expect("well formed")
    }

    fn row(id: &str, rest: &str) -> String {
        format!("[[group.row]]\nid = \"{id}\"\nfault = \"f\"\nexpected = \"e\"\n{rest}\n")
    }

    #[test]
    fn every_row_has_a_test_or_a_reason_and_a_safety_critical_one_has_a_test() {
        let rows = [
            row("A1", "safety = true\nwhy = \"hard\""),
            row("A2", "why = \"later\""),
            row("A3", ""),
            row("A4", ""),
            row("A5", "why = \"stale\""),
            row("A6", "safety = true\nneeds = \"a part\""),
            row("A7", "needs = \"a part\""),
        ];
        let cover: Cover = ["A4", "A5", "A9"]
            .into_iter()
            .map(|row| (row.to_owned(), vec![("f.rs".to_owned(), "t".to_owned())]))
            .collect();
        assert_eq!(
            wrong(&catalogue(&rows.concat()), &cover),
            [
                "f.rs: t names A9, which is no row",
                "A1 is safety-critical and has no test",
                "A3 has no test, and does not say why",
                "A5 has a test, and says why it has none",
                "2 of 4 rows that are not safety-critical have a test: too few",
            ]
        );
    }
}
