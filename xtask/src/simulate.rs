//! `cargo xtask simulate`: runs simulations of the task machine, thousands of seeds of them, in release mode; and breaks
//! the machine on purpose, to see that they find it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{cargo, repo};

const CRATE: &str = "taskward-simulation";
/// Within so many seeds a broken build must be caught.
const MUTANT_SEEDS: u64 = 1_000;
/// What a broken build is made of.
const COPIED: [&str; 4] = [
    "crates/core",
    "crates/providers",
    "crates/sim",
    "crates/simulation",
];

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone and show what happens
    #[arg(long, conflicts_with_all = ["seeds", "from", "mutants"])]
    seed: Option<u64>,
    /// Hold each run, without faults, against one of this shape: resume-at-waits, park-at-waits
    #[arg(long, conflicts_with = "mutants")]
    shape: Option<String>,
    /// Break the machine in each way of xtask/mutants.toml, and see that it is caught
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    mutants: bool,
    /// Only those of them whose name contains this
    #[arg(long, requires = "mutants", value_name = "WORDS")]
    only: Option<String>,
}

/// Runs what was asked for.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.mutants {
        return mutants(args.only.as_deref().unwrap_or_default());
    }
    let build = ["build", "--release", "--quiet", "--locked", "-p", CRATE];
    cargo::run(&mut cargo::cargo(&build))?;
    let mut command = Command::new(cargo::target().join("release").join(CRATE));
    command.args(["--name", "cargo xtask simulate"]);
    match args.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => command.args([
            "--seeds",
            &args.seeds.to_string(),
            "--from",
            &args.from.to_string(),
        ]),
    };
    if let Some(shape) = &args.shape {
        command.args(["--shape", shape]);
        ensure!(command.status()?.success(), "the runs of the shape differ");
        return Ok(());
    }
    ensure!(command.status()?.success(), "an invariant does not hold");
    Ok(())
}

// --- broken builds ---------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Mutants {
    mutant: Vec<Mutant>,
}

/// A build that is broken on purpose.
#[derive(Deserialize)]
struct Mutant {
    name: String,
    edit: Vec<Edit>,
}

#[derive(Deserialize)]
struct Edit {
    file: PathBuf,
    from: String,
    to: String,
}

impl Mutant {
    /// Breaks the copy in `root`.
    fn apply(&self, root: &Path) -> Result<()> {
        for edit in &self.edit {
            let path = root.join(&edit.file);
            let text = repo::read(&path)?;
            let found = text.matches(&edit.from).count();
            ensure!(
                found == 1,
                "mutant {:?}: what it replaces stands {found} times in {}: {:?}",
                self.name,
                edit.file.display(),
                edit.from
            );
            std::fs::write(&path, text.replacen(&edit.from, &edit.to, 1))?;
        }
        Ok(())
    }

    fn restore(&self, root: &Path) -> Result<()> {
        for edit in &self.edit {
            std::fs::copy(repo::root().join(&edit.file), root.join(&edit.file))?;
        }
        Ok(())
    }
}

fn mutants(only: &str) -> Result<()> {
    let Mutants {
        mutant: mut mutants,
    } = read_mutants()?;
    mutants.retain(|mutant| mutant.name.contains(only));
    ensure!(!mutants.is_empty(), "no mutant is called {only:?}");
    let copy = copy()?;
    let target = cargo::target().join("mutants");
    let sound = build(copy.path(), &target)?
        .then(|| caught(&target))
        .transpose()?;
    ensure!(
        sound == Some(None),
        "what is not broken does not pass: {sound:?}"
    );
    println!("{:<52} {:>6}  caught by", "mutant", "seed");
    let mut missed = Vec::new();
    for mutant in &mutants {
        mutant.apply(copy.path())?;
        ensure!(
            build(copy.path(), &target)?,
            "mutant {:?} does not compile",
            mutant.name
        );
        match caught(&target)? {
            Some((seed, what)) => println!("{:<52} {seed:>6}  {what}", mutant.name),
            None => {
                println!("{:<52} {:>6}", mutant.name, "MISSED");
                missed.push(mutant.name.as_str());
            }
        }
        mutant.restore(copy.path())?;
    }
    ensure!(
        missed.is_empty(),
        "not caught within {MUTANT_SEEDS} seeds: {}",
        missed.join("; ")
    );
    println!(
        "{} mutants, each caught within {MUTANT_SEEDS} seeds",
        mutants.len()
    );
    Ok(())
}

fn read_mutants() -> Result<Mutants> {
    let path = repo::root().join("xtask/mutants.toml");
    toml::from_str(&repo::read(&path)?).with_context(|| format!("cannot read {}", path.display()))
}

/// Returns a workspace of its own, with what the simulations are made of.
fn copy() -> Result<tempfile::TempDir> {
    let copy = tempfile::tempdir()?;
    let manifest = repo::read(&repo::root().join("Cargo.toml"))?;
    let members = r#"members = ["crates/*", "xtask"]"#;
    ensure!(manifest.contains(members), "Cargo.toml has no {members}");
    let manifest = manifest.replace(members, r#"members = ["crates/*"]"#);
    std::fs::write(copy.path().join("Cargo.toml"), manifest)?;
    std::fs::copy(
        repo::root().join("Cargo.lock"),
        copy.path().join("Cargo.lock"),
    )?;
    for folder in COPIED {
        copy_folder(&repo::root().join(folder), &copy.path().join(folder))?;
    }
    Ok(copy)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Builds the copy, less optimised and more quickly; whether it compiles.
fn build(root: &Path, target: &Path) -> Result<bool> {
    let status = cargo::cargo(&["build", "--release", "--quiet", "--offline", "-p", CRATE])
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        // What it warns of is what was broken.
        .env("RUSTFLAGS", "--cap-lints allow")
        .status()?;
    Ok(status.success())
}

/// Returns the seed at which the build that stands there is caught, and by what.
fn caught(target: &Path) -> Result<Option<(u64, String)>> {
    let output = Command::new(target.join("release").join(CRATE))
        .args(["--seeds", &MUTANT_SEEDS.to_string(), "--first", "--fresh"])
        .stderr(Stdio::inherit())
        .output()?;
    let output_text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(None);
    }
    let told = output_text
        .lines()
        .find_map(|line| line.strip_prefix("BROKEN seed "));
    let Some((seed, what)) = told.and_then(|told| told.split_once(": ")) else {
        bail!("the simulation says nothing of what broke: {output_text}");
    };
    Ok(Some((seed.parse()?, what.chars().take(70).collect())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_mutant_has_a_name_of_its_own_and_finds_what_it_replaces_once() {
        let Mutants { mutant: mutants } = read_mutants().unwrap();
        let names: BTreeSet<&str> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(names.len(), mutants.len());
        assert!(mutants.len() >= 8, "{names:?}");
        for Mutant { name, edit } in &mutants {
            for Edit { file, from, to } in edit {
                let text = repo::read(&repo::root().join(file)).unwrap();
                assert_eq!(text.matches(from).count(), 1, "{name}: {}", file.display());
                assert_ne!(from, to, "{name}");
            }
        }
    }
}
