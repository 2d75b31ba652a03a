//! What the two adapters write twice.

use std::collections::BTreeMap;

use crate::source::{Crate, Workspace};

/// A shorter line says too little to be a copy.
const LONG: usize = 30;

/// Returns how many long lines of the first adapter stand in the second too, but for what only async code says.
pub(crate) fn lines(workspace: &Workspace) -> usize {
    let (Some(hyper), Some(ureq)) = (
        workspace.find("crates/hyper"),
        workspace.find("crates/ureq"),
    ) else {
        return 0;
    };
    let there = long_lines(ureq);
    let here = long_lines(hyper);
    here.iter()
        .map(|(line, times)| times.min(there.get(line).unwrap_or(&0)))
        .sum()
}

fn long_lines(known: &Crate) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for line in known.sources().flat_map(|file| file.text.lines()) {
        let line = line.replace("async ", "").replace(".await", "");
        let line = line.trim();
        let said =
            line.starts_with("//") || line.starts_with("use ") || line.starts_with("pub use ");
        if !said && line.chars().count() >= LONG {
            *found.entry(line.to_owned()).or_insert(0) += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_of_both_counts_and_words_and_imports_do_not() {
        let workspace = Workspace::of(&[
            (
                "crates/hyper/src/lib.rs",
                "use a::bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb;\n// cccccccccccccccccccccccccccccccccccc\npub async fn dddddddddddddd() { eeeeeeee().await; }\nfn short() {}\n",
            ),
            (
                "crates/ureq/src/lib.rs",
                "use a::bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb;\n// cccccccccccccccccccccccccccccccccccc\n    pub fn dddddddddddddd() { eeeeeeee(); }\nfn short() {}\n",
            ),
        ]);
        assert_eq!(lines(&workspace), 1);
    }
}
