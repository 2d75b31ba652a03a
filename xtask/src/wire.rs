//! `cargo xtask wire-test`: the tests of connections and deadlines that are too long for every day, through both adapters.
//! Each prints a table and fails on a number that is not right.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Runs what the conformance suite ignores otherwise.
pub(crate) fn run() -> Result<()> {
    for (adapter, tests) in [("async", "hyper"), ("blocking", "ureq")] {
        println!("{adapter} adapter:");
        let status = Command::new(env!("CARGO"))
            .args(["test", "--quiet", "--locked", "-p", "taskward-client"])
            .args(["--test", tests, "--", "in_large"])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "the {adapter} adapter failed");
    }
    Ok(())
}
