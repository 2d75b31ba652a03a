//! `cargo xtask bench`: builds what `benches/` measures, runs it, and prints one table of all rows: ours, the best peer of the
//! same run, the floor, the target, and whether it is met. A whole run writes `benches/RESULTS.md`, and `--check` compares what
//! counts with `benches/counts.toml`.

mod counts;
mod footprint;
mod row;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo;
use crate::repo;
use row::Row;

/// What is run, and how it is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what counts instead of timing (P1-P3, P7, P9, F3 with few tasks): minutes less
    #[arg(long)]
    quick: bool,
    /// Print the rows as a JSON array
    #[arg(long)]
    json: bool,
    /// Only the rows of this number, such as F2; repeatable
    #[arg(long)]
    row: Vec<String>,
    /// Only instructions, allocations and bytes: fails if one of ours is worse than benches/counts.toml expects
    #[arg(long, conflicts_with_all = ["quick", "json", "row"])]
    check: bool,
    /// With --check: writes the present figures into benches/counts.toml
    #[arg(long, requires = "check")]
    write: bool,
}

impl Args {
    /// Compares what counts with what is expected of it.
    pub(crate) fn check() -> Self {
        Self {
            quick: false,
            json: false,
            row: Vec::new(),
            check: true,
            write: false,
        }
    }
}

/// Where the rows stand after a whole run.
const RESULTS: &str = "benches/RESULTS.md";

/// What is run for which rows.
struct Bench {
    rows: &'static [&'static str],
    is_quick: bool,
    run: fn(&Args) -> Result<Vec<Row>>,
}

const BENCHES: [Bench; 11] = [
    Bench {
        rows: &["P1", "P2", "P3"],
        is_quick: true,
        run: |_| program("count", &[]),
    },
    Bench {
        rows: &["P4", "P5", "P6"],
        is_quick: false,
        run: |_| program("transport", &["poll"]),
    },
    Bench {
        rows: &["P7"],
        is_quick: true,
        run: |_| program("heap", &[]),
    },
    Bench {
        rows: &["P8"],
        is_quick: false,
        run: |_| program("transport", &["upload"]),
    },
    Bench {
        rows: &["P9"],
        is_quick: true,
        run: |_| program("pace", &[]),
    },
    Bench {
        rows: &["P10"],
        is_quick: false,
        run: |_| footprint::measure(),
    },
    Bench {
        rows: &["F1"],
        is_quick: false,
        run: |_| program("crowd", &[]),
    },
    Bench {
        rows: &["F2"],
        is_quick: false,
        run: |_| program("crowd", &["limited"]),
    },
    Bench {
        rows: &["F3"],
        is_quick: true,
        run: |args| program("fleet", tasks(args)),
    },
    Bench {
        rows: &["F4", "P7"],
        is_quick: false,
        run: |_| followed(),
    },
    Bench {
        rows: &["F5"],
        is_quick: false,
        run: |_| journal(),
    },
];

/// Builds, runs and prints; a missed target is no error, since what it prints is its purpose.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        return counts::run(args.write);
    }
    for row in &args.row {
        let is_known = BENCHES
            .iter()
            .any(|bench| bench.rows.contains(&row.as_str()));
        ensure!(
            is_known,
            "no bench has a row {row}; F6 is `cargo xtask batch-test`"
        );
    }
    let is_wanted = |row: &str| args.row.is_empty() || args.row.iter().any(|one| one == row);
    cargo::run(&mut benches(&["build", "--release", "--quiet", "--bins"]))?;
    let mut rows = Vec::new();
    for bench in &BENCHES {
        if bench.rows.iter().any(|row| is_wanted(row)) && (bench.is_quick || !args.quick) {
            eprintln!("bench: {}", bench.rows.join(", "));
            let measured = (bench.run)(args).with_context(|| bench.rows.join(", "))?;
            rows.extend(measured.into_iter().filter(|row| is_wanted(&row.row)));
        }
    }
    rows.sort_by_key(Row::order);
    let table = row::table(&rows);
    match args.json {
        true => println!("{}", serde_json::to_string_pretty(&rows)?),
        false => print!("{table}"),
    }
    if !args.quick && args.row.is_empty() {
        fs::write(repo::root().join(RESULTS), results(&table)?)?;
    }
    Ok(())
}

/// Fewer tasks in a quick run.
fn tasks(args: &Args) -> &'static [&'static str] {
    match args.quick {
        true => &["10000"],
        false => &[],
    }
}

fn benches(args: &[&str]) -> Command {
    let mut command = cargo::cargo(args);
    command.args(["--locked", "--manifest-path", "benches/Cargo.toml"]);
    command
}

/// Where the programs of `benches/` stand.
fn built(name: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| repo::root().join("benches/target"), PathBuf::from);
    target.join("release").join(name)
}

/// Runs a program of `benches/`; returns the rows that it prints. It exits 1 when it misses a target, which its rows tell, too.
fn program(name: &str, args: &[&str]) -> Result<Vec<Row>> {
    rows_of(Command::new(built(name)).args(args))
}

fn rows_of(command: &mut Command) -> Result<Vec<Row>> {
    let text = output_of(command, &[0, 1])?;
    let lines = text.lines().filter(|line| line.starts_with("{\"row\":"));
    let rows: Vec<Row> = lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a row: {line}")))
        .collect::<Result<_>>()?;
    ensure!(!rows.is_empty(), "{command:?} printed no row:\n{text}");
    Ok(rows)
}

fn output_of(command: &mut Command, codes: &[i32]) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .current_dir(repo::root())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    let is_expected = output
        .status
        .code()
        .is_some_and(|code| codes.contains(&code));
    ensure!(is_expected, "{shown} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs the example that follows 100,000 tasks of the simulator to their ends.
fn followed() -> Result<Vec<Row>> {
    let build = [
        "build",
        "--release",
        "--quiet",
        "--locked",
        "-p",
        "taskward",
        "--example",
        "fleet",
    ];
    cargo::run(&mut cargo::cargo(&build))?;
    let example = cargo::target().join("release/examples/fleet");
    let text = output_of(Command::new(example).args(["--tasks", "100000"]), &[0])?;
    let told = |before: &str| -> Result<f64> {
        let rest = text.split_once(before).map(|(_, rest)| rest.trim_start());
        let rest = rest.with_context(|| format!("{before:?} is not told:\n{text}"))?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        Ok(rest[..end.unwrap_or(rest.len())]
            .trim_end_matches('.')
            .parse()?)
    };
    Ok(vec![
        Row::new("F4", "tasks that finish", told("succeeded:")?, "tasks").at_least(100_000.0),
        Row::new(
            "F4",
            "requests of a task",
            told("requests per task:")?,
            "requests",
        ),
        Row::new("F4", "p50 of the delay", told("p50")?, "s"),
        Row::new("F4", "p95 of the delay", told("p95")?, "s"),
        Row::new("F4", "peak memory", told("peak memory:")?, "MiB"),
        Row::new(
            "P7",
            "a task of a fleet of 100,000",
            told("memory of a followed task:")?,
            "B",
        )
        .at_most(1_200.0),
    ])
}

/// Measures the program with a journal of 100,000 entries.
fn journal() -> Result<Vec<Row>> {
    let build = [
        "build",
        "--release",
        "--quiet",
        "--locked",
        "-p",
        "taskward-cli",
    ];
    cargo::run(&mut cargo::cargo(&build))?;
    rows_of(Command::new(built("journal")).arg(cargo::target().join("release/taskward")))
}

fn rustc() -> Result<String> {
    let version = output_of(Command::new("rustc").arg("--version"), &[0])?;
    Ok(version.trim().to_owned())
}

/// Returns the page of the last whole run.
fn results(table: &str) -> Result<String> {
    let commit = output_of(
        Command::new("git").args(["rev-parse", "--short", "HEAD"]),
        &[0],
    )?;
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processors = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unknown processor", |name| {
        name.trim_start_matches([' ', '\t', ':'])
    });
    Ok(format!(
        "# Results of the last whole run\n\n\
         `cargo xtask bench` wrote this page at {} with {}, on {processors} processors of {model}, shared with others.\n\n\
         Release builds with thin LTO and one codegen unit, loopback only. Instructions are counted by callgrind in user space, as\n\
         the difference between two run lengths; contenders of one row take turns in one run, and medians are shown; read the\n\
         ratios, and times only beside each other. F6 is `cargo xtask batch-test`.\n\n{}\n{table}",
        commit.trim(),
        rustc()?,
        versions()?,
    ))
}

/// Returns the versions of the peers, as the lock file of the benches has them.
fn versions() -> Result<String> {
    let lock: toml::Table = fs::read_to_string(repo::root().join("benches/Cargo.lock"))?.parse()?;
    let packages = lock.get("package").and_then(|packages| packages.as_array());
    let mut versions = BTreeMap::new();
    for package in packages.into_iter().flatten() {
        let text = |key: &str| package.get(key).and_then(|value| value.as_str());
        if let (Some(name), Some(version)) = (text("name"), text("version")) {
            versions.insert(name, version);
        }
    }
    let peers = [
        "backon",
        "eventsource-stream",
        "hyper",
        "reqwest",
        "serde_json",
        "sse-core",
        "sse-stream",
        "tokio",
        "ureq",
    ];
    let mut named = Vec::new();
    for peer in peers {
        let Some(version) = versions.get(peer) else {
            bail!("the benches have no {peer}");
        };
        named.push(format!("{peer} {version}"));
    }
    Ok(format!("Beside: {}.\n", named.join(", ")))
}
