//! What the façade makes a user build.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use crate::{cargo, repo};

/// The façade's feature sets that are counted.
const SETS: &[(&str, &[&str])] = &[
    ("none", &["--no-default-features"]),
    (
        "async",
        &[
            "--no-default-features",
            "--features",
            "async,ring,platform-roots",
        ],
    ),
    (
        "blocking",
        &[
            "--no-default-features",
            "--features",
            "blocking,ring,platform-roots",
        ],
    ),
    ("default", &[]),
    ("all", &["--all-features"]),
];

/// The machine that they are counted for, whichever counts them.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Returns how many crates of others each feature set of the façade brings (normal dependencies, each version once).
pub(crate) fn of(root: &Path) -> Result<Vec<(String, usize)>> {
    let manifest = repo::read(&root.join("crates/taskward/Cargo.toml"))?;
    let manifest: toml::Table = manifest.parse()?;
    let count = |(name, features): &(&str, &[&str])| {
        let features: Vec<String> = features.iter().map(|list| known(list, &manifest)).collect();
        let features = features.iter().map(String::as_str);
        let args: Vec<&str> = features.chain(["--target", TARGET]).collect();
        let tree = cargo::tree(root, "taskward", "normal", &args)?;
        Ok(((*name).to_owned(), others(&tree)))
    };
    SETS.iter().map(count).collect()
}

/// Leaves out of a list the features that this checkout does not have: an earlier one encrypted without being asked.
fn known(list: &str, manifest: &toml::Table) -> String {
    let features = manifest.get("features").and_then(toml::Value::as_table);
    let is_known = |one: &&str| features.is_none_or(|all| all.contains_key(*one));
    match list.starts_with('-') {
        true => list.to_owned(),
        false => list
            .split(',')
            .filter(is_known)
            .collect::<Vec<_>>()
            .join(","),
    }
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

    #[test]
    fn a_feature_that_a_checkout_does_not_have_is_left_out() {
        let manifest = "[features]\nasync = []\nring = []\n".parse().unwrap();
        assert_eq!(known("async,ring,roots", &manifest), "async,ring");
        assert_eq!(known("--all-features", &manifest), "--all-features");
    }
}
