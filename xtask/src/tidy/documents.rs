//! The documents name files and tests that exist.

use std::path::Path;

use anyhow::Result;

use crate::{repo, source::Workspace};

/// The documents whose names are checked.
const DOCUMENTS: &[&str] = &[
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "docs/command-line.md",
    "docs/comparison.md",
    "docs/library.md",
    "docs/refusals.md",
    "docs/simulator.md",
];

/// How a name ends that means a file.
const ENDINGS: &[&str] = &[".rs", ".toml", ".md", ".yaml", ".json", ".txt"];

/// The fewest underscores of a name that is the sentence of a test.
const SENTENCE: usize = 3;

/// Returns a fault for each name in a document that means no file and no test.
pub(super) fn faults(workspace: &Workspace) -> Result<Vec<String>> {
    let root = repo::root();
    let mut files = Vec::new();
    walk(root, &mut files)?;
    let functions: Vec<_> = workspace
        .crates
        .iter()
        .flat_map(|package| &package.files)
        .map(|file| file.text.as_str())
        .collect();
    let mut faults = Vec::new();
    for document in DOCUMENTS {
        let text = repo::read(&root.join(document))?;
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let wrong = wrong_names(&text, folder, &files, &functions);
        faults.extend(wrong.into_iter().map(|fault| format!("{document}:{fault}")));
    }
    Ok(faults)
}

/// Lists all files below a folder, as paths from the root that begin with a slash.
fn walk(folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for path in repo::entries(folder)? {
        let name = repo::name(&path)?;
        if !path.is_dir() {
            files.push(format!("/{}", repo::shown(&path)));
        } else if name != "target" && (!name.starts_with('.') || name == ".cargo") {
            walk(&path, files)?;
        }
    }
    Ok(())
}

fn wrong_names(text: &str, folder: &str, files: &[String], sources: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut in_block = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        for target in links(line) {
            let path = resolved(folder, target);
            // A folder has files.
            let inside = format!("{}/", path.trim_end_matches('/'));
            if !files
                .iter()
                .any(|file| *file == path || file.starts_with(&inside))
            {
                faults.push(format!("{number}: there is no {target}"));
            }
        }
        for name in line.split('`').skip(1).step_by(2) {
            if is_path(name) && !names_a_file(name, files) {
                faults.push(format!("{number}: there is no file or folder {name}"));
            }
            // A page for users names fields, and no tests.
            if folder.is_empty()
                && is_sentence(name)
                && !sources
                    .iter()
                    .any(|text| text.contains(&format!("fn {name}")))
            {
                faults.push(format!("{number}: there is no test {name}"));
            }
        }
    }
    faults
}

/// Returns the path from the root of what a document in `folder` links to.
fn resolved(folder: &str, target: &str) -> String {
    match target.strip_prefix("../") {
        Some(target) => format!("/{target}"),
        None if folder.is_empty() => format!("/{target}"),
        None => format!("/{folder}/{target}"),
    }
}

/// Returns the targets of a line's links into the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
}

/// Returns whether a name in backticks is written as a path: `src/` or `src/main.rs`, without a placeholder such as `NAME`.
fn is_path(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let placeholder = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase());
    name.bytes().all(plain)
        && (name.ends_with('/') || ENDINGS.iter().any(|ending| name.ends_with(ending)))
        && !name.split('/').any(placeholder)
}

/// Returns whether a path, which may be given without the folders above it, means a file or a folder.
fn names_a_file(name: &str, files: &[String]) -> bool {
    let inner = format!("/{name}");
    files.iter().any(|file| match name.ends_with('/') {
        true => file.contains(&inner),
        false => file.ends_with(&inner),
    })
}

/// Returns whether a name is a sentence of snake case, as tests are named.
fn is_sentence(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.matches('_').count() >= SENTENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_means_no_file_and_no_test_is_a_fault() {
        let files = ["/crates/core/src/task/mod.rs", "/README.md"].map(str::to_owned);
        let sources = ["fn what_is_sent_is_what_was_read() {}"];
        let text = "[a](README.md#part) and [b](crates/core), [c](https://example.org/none)\n\
             `task/mod.rs`, `task/`, `crates/NAME/src/`, `what_is_sent_is_what_was_read`, `a_b_c`\n\
             ```\n`no/block.rs`\n```\n\
             [d](crates/none) `task/plan.rs` `judge/`\n\
             `what_is_sent_is_what_was_heard`";
        assert_eq!(
            wrong_names(text, "", &files, &sources),
            [
                "6: there is no crates/none",
                "6: there is no file or folder task/plan.rs",
                "6: there is no file or folder judge/",
                "7: there is no test what_is_sent_is_what_was_heard",
            ]
        );
    }

    #[test]
    fn a_link_is_read_from_the_folder_of_its_document() {
        let files = ["/docs/page.md", "/crates/core/src/lib.rs"].map(str::to_owned);
        let text = "[a](page.md) [b](../crates/core) [c](crates/core)";
        assert_eq!(
            wrong_names(text, "docs", &files, &[]),
            ["1: there is no crates/core"]
        );
    }
}
