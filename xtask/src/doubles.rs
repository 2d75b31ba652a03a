//! `cargo xtask doubles`: the examples in other languages, under `taskward sim -- ...`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cargo, repo};

/// An example, in the folder of `examples` that is named after it.
struct Example {
    name: &'static str,
    /// What installs it in its folder, a command a line.
    install: &'static [&'static [&'static str]],
    /// What tests it beside a simulator.
    test: &'static [&'static str],
}

/// As the README of each says.
const EXAMPLES: [Example; 2] = [
    Example {
        name: "pytest",
        install: &[
            &["python3", "-m", "venv", ".venv"],
            &[
                ".venv/bin/pip",
                "install",
                "--quiet",
                "-r",
                "requirements.txt",
            ],
        ],
        test: &[".venv/bin/pytest"],
    },
    Example {
        name: "vitest",
        install: &[&["npm", "ci", "--no-audit", "--no-fund"]],
        test: &["npm", "test"],
    },
];

/// Installs and runs all of them, in a folder of the build's so that the sources stay as they are.
pub(crate) fn run() -> Result<()> {
    let programs = cargo::program()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path)))?;
    for example in EXAMPLES {
        let folder = copied(example.name)?;
        let command = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).current_dir(&folder);
            command.env("PATH", &path);
            command
        };
        println!("doubles: {}", example.name);
        for install in example.install {
            cargo::run(&mut command(install))?;
        }
        let mut test = command(&["taskward", "sim", "--speed", "50", "--"]);
        cargo::run(test.args(example.test))?;
    }
    Ok(())
}

/// Copies the files of an example; gives where they are.
fn copied(name: &str) -> Result<PathBuf> {
    let to = cargo::target().join("doubles").join(name);
    fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;
    for path in repo::entries(&repo::root().join("examples").join(name))? {
        if path.is_file() {
            let copy: &Path = &to.join(repo::name(&path)?);
            fs::copy(&path, copy).with_context(|| format!("cannot copy {}", repo::shown(&path)))?;
        }
    }
    Ok(to)
}
