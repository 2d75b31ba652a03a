//! `cargo xtask fuzz`: each target of `fuzz/` for some time, under libFuzzer, and how often it was run. It needs a nightly
//! toolchain and a C++ compiler, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};

use crate::repo;

/// What makes a program tell libFuzzer where it has been and what it compared; the same that `cargo fuzz` passes, without
/// a sanitizer: there is no unsafe code to watch.
const COVERAGE: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg",
    "fuzzing",
];
/// One input may take this long, in seconds.
const TIMEOUT: u32 = 10;

/// What to run, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each target is run.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this target.
    target: Option<String>,
}

/// Builds the targets, runs them one after the other and stops at the first crash.
pub(crate) fn run(args: &Args) -> Result<()> {
    let all = targets()?;
    let chosen: Vec<_> = match &args.target {
        Some(name) if all.contains(name) => vec![name.clone()],
        Some(name) => bail!("there is no target {name}; there are {}", all.join(", ")),
        None => all,
    };
    let programs = build(&chosen)?;
    for name in &chosen {
        let executions = fuzz(&programs.join(name), name, args.seconds)?;
        println!(
            "{name:20} {executions:>12} executions in {} s",
            args.seconds
        );
    }
    Ok(())
}

fn folder() -> PathBuf {
    repo::root().join("fuzz")
}

/// Returns the names of all targets.
fn targets() -> Result<Vec<String>> {
    let files = repo::rust_files(&folder().join("fuzz_targets"))?;
    let names = files.iter().map(|path| {
        let name = repo::name(path)?;
        Ok(name.trim_end_matches(".rs").to_owned())
    });
    names.collect()
}

/// Builds the programs and says where they are.
fn build(names: &[String]) -> Result<PathBuf> {
    let version = nightly("rustc").arg("-vV").output();
    let version = version.ok().filter(|output| output.status.success());
    let Some(Output { stdout, .. }) = version else {
        bail!("fuzzing needs a nightly toolchain: rustup toolchain install nightly");
    };
    let version = String::from_utf8(stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not name its host")?;
    let built = folder().join("target");
    let mut build = nightly("cargo");
    build
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--target",
            host,
        ])
        .arg("--manifest-path")
        .arg(folder().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&built)
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    for name in names {
        build.args(["--bin", name]);
    }
    let status = build.status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "the targets do not build; libFuzzer itself needs a C++ compiler"
    );
    Ok(built.join(host).join("release"))
}

fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    command
}

/// Runs one target; what it finds new is kept beside the build, what crashes it under `fuzz/artifacts`.
fn fuzz(program: &Path, name: &str, seconds: u32) -> Result<u64> {
    let found = folder().join("target/found").join(name);
    let artifacts = folder().join("artifacts").join(name);
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(program);
    command.env("RUST_BACKTRACE", "0").args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={TIMEOUT}"),
        format!("-artifact_prefix={}/", artifacts.display()),
        "-print_final_stats=1".to_owned(),
    ]);
    let words = folder().join("dictionaries").join(format!("{name}.dict"));
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    let output = command
        .arg(&found)
        .arg(folder().join("corpus").join(name))
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return executions(&log).context("libFuzzer did not say how often it ran");
    }
    let Some(input) = crash(&log) else {
        bail!("{name} ended with {}:\n{log}", output.status);
    };
    let why: Vec<_> = log
        .lines()
        .skip_while(|line| !line.contains("panicked"))
        .take(12)
        .collect();
    bail!(
        "{name} crashed on {}\n{}\nto see it again: {} {0}\nto keep it: move it to fuzz/regressions/{name}/, which \
         `cargo test -p taskward-fuzzing` replays",
        input,
        why.join("\n"),
        program.display(),
    );
}

/// Returns the number of executions in libFuzzer's last words.
fn executions(log: &str) -> Option<u64> {
    let value = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    value.trim().parse().ok()
}

/// Returns the file that libFuzzer wrote the input to.
fn crash(log: &str) -> Option<&str> {
    log.lines()
        .find_map(|line| Some(line.split_once("Test unit written to ")?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_libfuzzer_are_understood() {
        let log = "#5\tDONE cov: 3\nstat::number_of_executed_units: 1234\nstat::average_exec_per_sec:     7\n";
        assert_eq!((executions(log), crash(log)), (Some(1234), None));
        let log = "artifact_prefix='/x/'; Test unit written to /x/crash-1\nBase64: AA==\n";
        assert_eq!((executions(log), crash(log)), (None, Some("/x/crash-1")));
    }

    #[test]
    fn every_target_has_a_name_and_a_corpus() {
        let names = targets().unwrap();
        assert!(names.contains(&"sse".to_owned()), "{names:?}");
        for name in names {
            assert!(folder().join("corpus").join(&name).is_dir(), "{name}");
        }
    }
}
