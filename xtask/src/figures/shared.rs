//! What the two adapters write twice, and the two flavours of the client.

use std::collections::BTreeMap;

use crate::source::{File, Workspace};

/// A shorter line says too little to be a copy.
const LONG: usize = 30;

/// Returns how many long lines of the first adapter stand in the second too, but for what only async code says.
pub(crate) fn lines(workspace: &Workspace) -> usize {
    in_both(workspace, "crates/hyper/src/", "crates/ureq/src/")
}

/// Returns the same of the two flavours of the client.
pub(crate) fn flavours(workspace: &Workspace) -> usize {
    let of = |flavour: &str| format!("crates/client/src/{flavour}/");
    in_both(workspace, &of("asynchronous"), &of("blocking"))
}

fn in_both(workspace: &Workspace, one: &str, other: &str) -> usize {
    let of = |folder: &str| {
        let files = workspace.crates.iter().flat_map(|known| known.sources());
        long_lines(files.filter(|file| file.path.starts_with(folder)))
    };
    let (here, there) = (of(one), of(other));
    here.iter()
        .map(|(line, times)| times.min(there.get(line).unwrap_or(&0)))
        .sum()
}

fn long_lines<'a>(files: impl Iterator<Item = &'a File>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for line in files.flat_map(|file| file.text.lines()) {
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
        assert_eq!(flavours(&workspace), 0);
    }
}
