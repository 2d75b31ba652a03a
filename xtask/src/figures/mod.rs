//! `cargo xtask figures`: counts that show whether a refactoring made the code easier to prove, to compare before and after.

pub(crate) mod dependencies;
mod fields;
pub(crate) mod names;
pub(crate) mod program;
mod shared;
mod task;

use std::{fmt::Write as _, path::PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::{
    repo,
    source::{Crate, Kind, Workspace, functions, imports},
    words,
};

/// The crate that users depend on.
pub(crate) const FACADE: &str = "crates/taskward";

/// A longer function does more than one thing.
const LONG_FUNCTION: usize = 60;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Count in this checkout instead of the one that xtask was built from
    #[arg(long, value_name = "DIR")]
    at: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything that is counted.
#[derive(Serialize)]
struct Figures {
    task: task::Machine,
    largest_structs: Vec<(String, String, usize)>,
    shared_lines: usize,
    flavour_lines: usize,
    crates: Vec<CrateFigures>,
    long_functions: Vec<String>,
    long_tables: Vec<String>,
    long_test_functions: usize,
    cycles: Vec<String>,
    facade_names: usize,
    listed_names: usize,
    program: program::Program,
    dependencies: Vec<(String, usize)>,
}

/// What is counted for each crate.
#[derive(Default, Serialize)]
struct CrateFigures {
    name: String,
    source_lines: usize,
    test_lines: usize,
    generated_lines: usize,
    public_names: usize,
    function_lines: usize,
    comment_lines: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = args.at.as_deref().unwrap_or_else(|| repo::root());
    let workspace = Workspace::read(root)?;
    let mut figures = Figures::of(&workspace, dependencies::of(root)?);
    figures.listed_names = words::with_parts(&words::declared(&workspace), &words::list()?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", figures.shown());
    }
    Ok(())
}

impl Figures {
    fn of(workspace: &Workspace, dependencies: Vec<(String, usize)>) -> Self {
        let mut figures = Self {
            task: task::of(workspace),
            largest_structs: fields::largest(workspace, 5),
            shared_lines: shared::lines(workspace),
            flavour_lines: shared::flavours(workspace),
            crates: workspace.crates.iter().map(CrateFigures::of).collect(),
            long_functions: Vec::new(),
            long_tables: Vec::new(),
            long_test_functions: 0,
            cycles: Vec::new(),
            facade_names: names::at_root(workspace, FACADE).len(),
            listed_names: 0,
            program: program::of(workspace),
            dependencies,
        };
        for known in &workspace.crates {
            figures.functions(known);
            for cycle in imports::cycles(known) {
                let cycle = format!("{}: {}", known.name(), cycle.join(", "));
                figures.cycles.push(cycle);
            }
        }
        figures
    }

    fn functions(&mut self, known: &Crate) {
        for file in &known.files {
            let built = functions::of(&file.built);
            let long = |function: &&functions::Function| function.length() > LONG_FUNCTION;
            let shown = |function: &functions::Function| {
                let (path, line) = (&file.path, function.lines.0);
                format!("{path}:{line} {} ({})", function.name, function.length())
            };
            match file.kind {
                Kind::Generated => {}
                Kind::Test => {
                    self.long_test_functions +=
                        functions::of(&file.whole).iter().filter(long).count();
                }
                Kind::Source => {
                    let all = functions::of(&file.whole).iter().filter(long).count();
                    let long: Vec<_> = built.iter().filter(long).collect();
                    self.long_test_functions += all - long.len();
                    let (tables, others): (Vec<_>, Vec<_>) =
                        long.into_iter().partition(|function| function.table);
                    self.long_tables.extend(tables.into_iter().map(shown));
                    self.long_functions.extend(others.into_iter().map(shown));
                }
            }
        }
    }

    /// Returns the table for people.
    fn shown(&self) -> String {
        let mut out = String::new();
        for (name, value) in [self.of_task(), self.of_all()].concat() {
            let _ = writeln!(out, "{name:<66} {value:>6}");
        }
        out.push('\n');
        self.show_crates(&mut out);
        let lists = [
            ("functions that are too long", &self.long_functions),
            ("long tables", &self.long_tables),
            ("cycles", &self.cycles),
            (
                "assignments to the plan of the next poll",
                &self.task.poll_places,
            ),
        ];
        for (name, list) in lists {
            let _ = writeln!(out, "\n{name}: {}", list.len());
            for entry in list {
                let _ = writeln!(out, "  {entry}");
            }
        }
        out
    }

    fn of_task(&self) -> Vec<(String, usize)> {
        let task = &self.task;
        let mut rows = vec![
            ("fields of Task".to_owned(), task.fields),
            ("Option fields of Task".to_owned(), task.options.in_task),
            ("Option fields in core/task".to_owned(), task.options.in_all),
            ("bool fields of Task".to_owned(), task.bools.in_task),
            ("bool fields in core/task".to_owned(), task.bools.in_all),
        ];
        for (region, bools) in &task.region_bools {
            rows.push((format!("bool fields of the region: {region}"), *bools));
        }
        rows.extend([
            ("expect in core/task".to_owned(), task.expect),
            ("unwrap in core/task".to_owned(), task.unwrap),
            ("unreachable! in core/task".to_owned(), task.unreachable),
            ("panic! in core/task".to_owned(), task.panic),
            (
                "methods on the whole Task by &mut self".to_owned(),
                task.by_mut,
            ),
            ("methods on the whole Task by &self".to_owned(), task.by_ref),
            (
                "methods on the whole Task by self".to_owned(),
                task.by_value,
            ),
            (
                "functions that take a Task as an argument".to_owned(),
                task.arguments,
            ),
            (
                "assignments to the plan of the next poll".to_owned(),
                task.poll_writes,
            ),
            (
                "functions that have one of them".to_owned(),
                task.poll_writers,
            ),
            ("lines of core/task, without tests".to_owned(), task.lines),
        ]);
        rows
    }

    fn of_all(&self) -> Vec<(String, usize)> {
        let mut rows = Vec::new();
        for (name, place, fields) in &self.largest_structs {
            let place = place.strip_prefix("crates/").unwrap_or(place);
            rows.push((format!("fields of {name} ({place})"), *fields));
        }
        rows.extend([
            (
                "long lines that hyper and ureq share".to_owned(),
                self.shared_lines,
            ),
            (
                "long lines that the client's two flavours share".to_owned(),
                self.flavour_lines,
            ),
            (
                format!("functions over {LONG_FUNCTION} lines (without generated, tables, tests)"),
                self.long_functions.len(),
            ),
            ("tables as long".to_owned(), self.long_tables.len()),
            (
                "test functions as long".to_owned(),
                self.long_test_functions,
            ),
            (
                "import cycles between files of a crate".to_owned(),
                self.cycles.len(),
            ),
            ("names at the facade's root".to_owned(), self.facade_names),
            (
                "declared names with a part that xtask/words.toml lists".to_owned(),
                self.listed_names,
            ),
            ("commands of the program".to_owned(), self.program.commands),
            ("options of the program".to_owned(), self.program.options),
        ]);
        for (set, count) in &self.dependencies {
            rows.push((
                format!("dependencies of the facade with features: {set}"),
                *count,
            ));
        }
        rows
    }

    fn show_crates(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "{:<12} {:>8} {:>8} {:>10} {:>8} {:>14} {:>10}",
            "crate", "source", "tests", "generated", "public", "lines in fns", "comments %"
        );
        let all = CrateFigures::sum("all", self.crates.iter());
        for known in self.crates.iter().chain([&all]) {
            let _ = writeln!(
                out,
                "{:<12} {:>8} {:>8} {:>10} {:>8} {:>14} {:>10.1}",
                known.name,
                known.source_lines,
                known.test_lines,
                known.generated_lines,
                known.public_names,
                known.function_lines,
                100.0 * known.comment_lines as f64 / known.function_lines.max(1) as f64,
            );
        }
    }
}

impl CrateFigures {
    fn of(known: &Crate) -> Self {
        let mut figures = Self {
            name: known.name().to_owned(),
            source_lines: source_lines(known),
            public_names: names::public(known),
            ..Self::default()
        };
        for file in &known.files {
            figures.test_lines += file.test_lines();
            match file.kind {
                Kind::Generated => figures.generated_lines += file.lines(),
                Kind::Test => {}
                Kind::Source => {
                    let found = functions::comments(&file.text, &file.built);
                    figures.function_lines += found.code;
                    figures.comment_lines += found.comments;
                }
            }
        }
        figures
    }

    fn sum<'a>(name: &str, all: impl Iterator<Item = &'a Self>) -> Self {
        let start = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        all.fold(start, |sum, each| Self {
            name: sum.name,
            source_lines: sum.source_lines + each.source_lines,
            test_lines: sum.test_lines + each.test_lines,
            generated_lines: sum.generated_lines + each.generated_lines,
            public_names: sum.public_names + each.public_names,
            function_lines: sum.function_lines + each.function_lines,
            comment_lines: sum.comment_lines + each.comment_lines,
        })
    }
}

/// Returns the lines of a crate that are built and written by hand.
pub(crate) fn source_lines(known: &Crate) -> usize {
    known
        .sources()
        .map(|file| file.lines() - file.test_lines())
        .sum()
}
