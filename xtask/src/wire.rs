//! `cargo xtask wire-test`: the tests of connections and deadlines that are too long for every day, through both adapters.
//! Each prints a table and fails on a number that is not right.

use anyhow::Result;

use crate::cargo;

/// Runs what the conformance suite ignores otherwise.
pub(crate) fn run() -> Result<()> {
    for (adapter, tests) in [("async", "hyper"), ("blocking", "ureq")] {
        println!("{adapter} adapter:");
        let mut test = cargo::cargo(&["test", "--quiet", "--locked", "-p", "taskward-client"]);
        test.args(["--test", tests, "--", "in_large"]);
        cargo::run(test.args(["--ignored", "--nocapture", "--test-threads=1"]))?;
    }
    Ok(())
}
