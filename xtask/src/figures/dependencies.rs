//! What the façade makes a user build.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// The façade's feature sets that are counted.
const SETS: &[(&str, &[&str])] = &[
    ("none", &["--no-default-features"]),
    ("async", &["--no-default-features", "--features", "async"]),
    (
        "blocking",
        &["--no-default-features", "--features", "blocking"],
    ),
    ("default", &[]),
    ("all", &["--all-features"]),
];

/// The machine that they are counted for, whichever counts them.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Returns how many crates of others each feature set of the façade brings (normal dependencies, each version once).
pub(crate) fn of(root: &Path) -> Result<Vec<(String, usize)>> {
    SETS.iter()
        .map(|(name, features)| Ok(((*name).to_owned(), count(root, features)?)))
        .collect()
}

fn count(root: &Path, features: &[&str]) -> Result<usize> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "taskward"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--target", TARGET])
        .args(features)
        .current_dir(root)
        .output()
        .context("cannot run cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(others(&String::from_utf8(output.stdout)?))
}

/// Returns the crates of a tree that are not ours: ours have a path.
fn others(tree: &str) -> usize {
    let lines: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty() && !line.contains("(/"))
        .collect();
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_of_others_counts_once() {
        let tree = "taskward v0.1.0 (/x)\nbytes v1.0.0\nbytes v1.0.0 (*)\nbytes v2.0.0\nserde_derive v1.0.0 (proc-macro)\n\n";
        assert_eq!(others(tree), 3);
    }
}
