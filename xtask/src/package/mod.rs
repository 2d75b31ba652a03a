//! `cargo xtask package`: what a registry would hold of each crate, and whether it works there alone.

mod alone;
mod contents;
mod manifest;

use std::fs;

use anyhow::{Context, Result, bail};
use cargo_metadata::{MetadataCommand, Package};

use crate::{cargo, repo};

/// The crates that users depend on. All others that can be published are internal: they may change in every release.
const PUBLIC: &[&str] = &[
    "taskward",
    "taskward-core",
    "taskward-client",
    "taskward-cli",
    "taskward-sim",
];

/// The crates that can be published, in an order in which a registry takes them: each behind those that it needs.
pub(crate) const ORDER: &[&str] = &[
    "taskward-core",
    "taskward-sim",
    "taskward-providers",
    "taskward-client",
    "taskward-hyper",
    "taskward-ureq",
    "taskward-journal",
    "taskward",
    "taskward-simulation",
    "taskward-cli",
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Unpack each package elsewhere, build it and run its tests there, with no file of the repository
    #[arg(long)]
    test: bool,
    /// Test only these
    #[arg(long, requires = "test")]
    only: Vec<String>,
}

/// Packages every crate and prints a table; fails on whatever is wrong with one.
pub(crate) fn run(args: &Args) -> Result<()> {
    fail_on(&faults()?)?;
    let packed = packed()?;
    let rows = if args.test {
        alone::tested(&packed, &args.only)?
    } else {
        packed.iter().map(Packed::row).collect()
    };
    println!("| crate | files | size | builds | tests passed |");
    println!("|---|--:|--:|---|--:|");
    let mut faults = Vec::new();
    for row in rows {
        println!("{row}");
        faults.extend(row.fault());
    }
    fail_on(&faults)
}

fn fail_on(faults: &[String]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    bail!("the packages are not in order:\n  {}", faults.join("\n  "));
}

/// Returns what is wrong with the manifests and the contents of the packages; builds nothing.
pub(crate) fn faults() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let packages = published()?;
    for package in &packages {
        faults.extend(manifest::faults(package));
        faults.extend(contents::faults(package)?);
    }
    faults.extend(manifest::order_faults(&packages));
    Ok(faults)
}

/// Returns the crates of the workspace that can be published, as cargo knows them.
fn published() -> Result<Vec<Package>> {
    let metadata = MetadataCommand::new()
        .manifest_path(repo::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cannot read the workspace's metadata")?;
    let published = |package: &Package| package.publish.as_ref().is_none_or(|to| !to.is_empty());
    Ok(metadata.packages.into_iter().filter(published).collect())
}

/// A package as a registry would get it.
struct Packed {
    name: String,
    files: usize,
    bytes: u64,
    archive: std::path::PathBuf,
}

/// Whether something was tried, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Skipped,
    Passed,
    Failed,
}

/// What became of one package.
struct Row {
    name: String,
    files: usize,
    bytes: u64,
    builds: Attempt,
    tests: Attempt,
    passed: usize,
}

impl Packed {
    fn row(&self) -> Row {
        Row {
            name: self.name.clone(),
            files: self.files,
            bytes: self.bytes,
            builds: Attempt::Skipped,
            tests: Attempt::Skipped,
            passed: 0,
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let builds = match self.builds {
            Attempt::Skipped => "not tried",
            Attempt::Passed => "yes",
            Attempt::Failed => "no",
        };
        let tests = match self.tests {
            Attempt::Skipped => "not run".to_owned(),
            Attempt::Passed => self.passed.to_string(),
            Attempt::Failed => "failed".to_owned(),
        };
        let (name, files, size) = (&self.name, self.files, self.bytes.div_ceil(1024));
        write!(f, "| {name} | {files} | {size} KiB | {builds} | {tests} |")
    }
}

impl Row {
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        match (self.builds, self.tests) {
            (Attempt::Failed, _) => Some(format!("{name}: its package does not build alone")),
            (_, Attempt::Failed) => Some(format!("{name}: the tests of its package fail alone")),
            (_, Attempt::Passed) if self.passed == 0 => {
                Some(format!("{name}: its package has no test"))
            }
            _ => None,
        }
    }
}

/// Makes the packages of all crates, as they are in the working tree.
fn packed() -> Result<Vec<Packed>> {
    let mut command = cargo::cargo(&["package", "--no-verify", "--allow-dirty", "--quiet"]);
    for name in ORDER {
        command.args(["--package", name]);
    }
    cargo::run(&mut command)?;
    published()?
        .iter()
        .map(|package| {
            let file = format!("{}-{}.crate", package.name, package.version);
            let archive = cargo::target().join("package").join(file);
            let size = fs::metadata(&archive);
            let size = size.with_context(|| format!("cannot read {}", archive.display()))?;
            Ok(Packed {
                name: package.name.to_string(),
                files: contents::listed(package)?.len(),
                bytes: size.len(),
                archive,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_does_not_work_alone_is_named() {
        let row = |builds, tests, passed| Row {
            name: "x".to_owned(),
            files: 3,
            bytes: 2049,
            builds,
            tests,
            passed,
        };
        let fine = row(Attempt::Passed, Attempt::Passed, 7);
        assert_eq!(fine.to_string(), "| x | 3 | 3 KiB | yes | 7 |");
        assert_eq!(fine.fault(), None);
        let unbuilt = row(Attempt::Failed, Attempt::Skipped, 0);
        assert_eq!(
            unbuilt.fault().unwrap(),
            "x: its package does not build alone"
        );
        let failed = row(Attempt::Passed, Attempt::Failed, 6);
        assert_eq!(
            failed.fault().unwrap(),
            "x: the tests of its package fail alone"
        );
        let empty = row(Attempt::Passed, Attempt::Passed, 0);
        assert_eq!(empty.fault().unwrap(), "x: its package has no test");
    }
}
