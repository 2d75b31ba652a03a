//! A package outside the repository: unpacked, built, and its tests run, beside nothing but the other packages.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Attempt, Packed, Row};
use crate::cargo;

/// Unpacks all packages into a folder of the system's and tries those that are asked for.
pub(super) fn tested(packed: &[Packed], only: &[String]) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    for package in packed {
        let mut unpack = Command::new("tar");
        unpack.arg("-xzf").arg(&package.archive);
        cargo::run(unpack.current_dir(folder.path()))?;
        let unpacked = folder.path().join(unpacked_name(package));
        ensure!(
            unpacked.join("Cargo.toml").is_file(),
            "{} holds no {}",
            package.archive.display(),
            unpacked.display()
        );
    }
    let wanted = |package: &&Packed| only.is_empty() || only.contains(&package.name);
    packed
        .iter()
        .filter(wanted)
        .map(|package| tried(package, packed, folder.path()))
        .collect()
}

/// Returns the folder that a package is unpacked to: that of its archive, without the ending.
fn unpacked_name(package: &Packed) -> String {
    let stem = package.archive.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Builds and tests one package; the output is for the reader.
fn tried(package: &Packed, all: &[Packed], folder: &Path) -> Result<Row> {
    let place = folder.join(unpacked_name(package));
    let settings = place.join(".cargo");
    fs::create_dir_all(&settings)?;
    fs::write(settings.join("config.toml"), config(package, all, folder))?;
    let mut row = package.row();
    println!("package: {} builds", package.name);
    // As a user of its library, and as whoever runs its tests without a thought for features.
    row.builds = ran(&mut cargo_in(&place, &["build"]))?;
    if row.builds == Attempt::Passed {
        row.builds = ran(&mut cargo_in(&place, &["check", "--all-targets"]))?;
    }
    if row.builds == Attempt::Passed {
        println!("package: {} is tested", package.name);
        let mut test = cargo_in(&place, &["test", "--all-features", "--no-fail-fast"]);
        let output = test.output().context("cannot run cargo test")?;
        let text = String::from_utf8_lossy(&output.stdout);
        row.passed = passed(&text);
        row.tests = Attempt::Passed;
        if !output.status.success() {
            row.tests = Attempt::Failed;
            println!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    Ok(row)
}

fn ran(command: &mut Command) -> Result<Attempt> {
    let status = command.status().context("cannot run cargo")?;
    Ok(if status.success() {
        Attempt::Passed
    } else {
        Attempt::Failed
    })
}

fn cargo_in(place: &Path, args: &[&str]) -> Command {
    let mut command = cargo::cargo(args);
    command
        .arg("--quiet")
        .current_dir(place)
        // What they share is built once. Nothing of the repository is there.
        .env("CARGO_TARGET_DIR", cargo::target().join("alone"))
        .env("CARGO_INCREMENTAL", "0");
    command
}

/// Returns the settings that stand in for a registry: the other packages, where they were unpacked.
fn config(package: &Packed, all: &[Packed], folder: &Path) -> String {
    let mut config = "[env]\nRUST_TEST_THREADS = \"16\"\n\n[profile.dev]\ndebug = false\n\n\
                      [patch.crates-io]\n"
        .to_owned();
    for other in all.iter().filter(|other| other.name != package.name) {
        let place = folder.join(unpacked_name(other));
        let _ = writeln!(config, "{} = {{ path = {place:?} }}", other.name);
    }
    config
}

/// Returns how many tests passed, of what `cargo test` printed.
fn passed(output: &str) -> usize {
    let counts = output.lines().filter_map(|line| {
        let (_, rest) = line.split_once("test result: ok. ")?;
        rest.split_once(" passed")?.0.parse::<usize>().ok()
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_all_binaries_are_added() {
        let output = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\n\
                      test result: ok. 40 passed; 0 failed\ntest result: FAILED. 7 passed; 1 failed\n";
        assert_eq!(passed(output), 42);
    }
}
