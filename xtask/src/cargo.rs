//! The programs that tasks run, cargo before all others.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::repo;

/// Returns a cargo command in the repository.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).current_dir(repo::root());
    command
}

/// Runs a command whose output is for the reader.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {shown}"))?;
    ensure!(status.success(), "{shown} ended with {status}");
    Ok(())
}

/// Returns what `cargo tree` prints of a package in the checkout in `root`: a line for each place where a crate is used.
pub(crate) fn tree(root: &Path, package: &str, edges: &str, args: &[&str]) -> Result<String> {
    let output = cargo(&["tree", "--locked", "--package", package, "--edges", edges])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(args)
        .current_dir(root)
        .output()
        .context("cannot run cargo tree")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo tree failed: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repo::root().join("target"), PathBuf::from)
}

/// Builds the program as its tests do; returns the folder that it stands in.
pub(crate) fn program() -> Result<PathBuf> {
    run(&mut cargo(&[
        "build",
        "--quiet",
        "--locked",
        "-p",
        "taskward-cli",
    ]))?;
    Ok(target().join("debug"))
}

/// Builds an example of the façade with its default features; returns the program.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    let build = ["build", "--quiet", "--locked", "-p", "taskward"];
    run(cargo(&build).args(["--example", name]))?;
    Ok(target().join("debug/examples").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(&mut Command::new("false")).unwrap_err();
        assert_eq!(error.to_string(), "\"false\" ended with exit status: 1");
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().starts_with("cannot run"), "{error}");
    }
}
