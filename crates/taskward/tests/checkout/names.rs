//! What a public signature of the clients names can be named by whoever depends on the façade alone.

use std::collections::BTreeSet;
use std::path::Path;

/// What every program has, and the parameters of the signatures themselves. The adapters name the flavours, the handles and
/// the settings of their transports in aliases of their own.
const OTHERS: [&str; 27] = [
    "AsRef",
    "Async",
    "AsyncHandle",
    "Blocking",
    "BlockingHandle",
    "Box",
    "Clone",
    "Duration",
    "Fn",
    "FnMut",
    "FnOnce",
    "Fut",
    "Future",
    "Into",
    "IntoIterator",
    "Item",
    "Iterator",
    "Job",
    "Option",
    "PathBuf",
    "Result",
    "Self",
    "Send",
    "Settings",
    "String",
    "Transport",
    "Vec",
];

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.split("#[cfg(test)]")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Returns the words of a text that are written like types.
fn types(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| word.len() > 1 && word.starts_with(|c: char| c.is_uppercase()))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Returns what a crate's root exports by name.
fn exported(root: &str) -> BTreeSet<String> {
    let text = source(root);
    let uses = text.split("pub use ").skip(1);
    let aliases = text.split("pub type ").skip(1);
    uses.map(|one| one.split(';').next().unwrap_or_default())
        .chain(aliases.map(|one| one.split(['<', ' ']).next().unwrap_or_default()))
        .flat_map(types)
        .collect()
}

/// Returns the types that the public functions of a file name.
fn named(path: &str) -> BTreeSet<String> {
    let text = source(path);
    let public = ["pub fn ", "pub async fn "];
    let signatures = public
        .into_iter()
        .flat_map(|begin| text.split(begin).skip(1));
    signatures
        .flat_map(|one| types(one.split(['{', ';']).next().unwrap_or_default()))
        .collect()
}

#[test]
fn every_type_that_a_signature_names_stands_in_the_facade() {
    let mut root = exported("taskward/src/lib.rs");
    // All of the machine's names stand in `taskward::core`.
    root.extend(exported("core/src/lib.rs"));
    for (adapter, flavour) in [("hyper", "asynchronous"), ("ureq", "blocking")] {
        let mut known = exported(&format!("{adapter}/src/lib.rs"));
        known.extend(root.iter().cloned());
        known.extend(OTHERS.map(str::to_owned));
        let mut seen = 0;
        let own = ["mod", "handle", "list", "running"].map(|file| format!("{flavour}/{file}"));
        let shared = ["client", "list", "recover", "run", "running"].map(str::to_owned);
        for file in own.into_iter().chain(shared) {
            let path = format!("client/src/{file}.rs");
            let named = named(&path);
            seen += named.len();
            let missing: Vec<_> = named.difference(&known).collect();
            assert!(missing.is_empty(), "{path} names {missing:?}");
        }
        assert!(seen > 50, "{adapter}: {seen}");
    }
    assert!(root.contains("BoxError"));
}
