//! Names of ours do without the words that `xtask/words.toml` lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Context, Result};
use heck::ToSnakeCase as _;
use serde::Deserialize;

use crate::{
    repo,
    source::{
        Workspace,
        declared::{self, Declared, What},
    },
};

/// Where the list stands.
pub(crate) const LIST: &str = "xtask/words.toml";

/// The words that are not for names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// No name has one of these parts.
    parts: BTreeMap<String, Part>,
    /// Words with a second, good meaning: only these names are not to be.
    #[serde(default)]
    exact: Exact,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exact {
    names: Vec<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    instead: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
    what: What,
    /// The files and folders in which it is not to be.
    under: Vec<String>,
    instead: String,
}

/// Reads the committed list.
pub(crate) fn list() -> Result<List> {
    toml::from_str(&repo::read(&repo::root().join(LIST))?).context(LIST)
}

/// One entry of the list, and the names that it is about.
struct Entry<'a> {
    shown: String,
    instead: &'a str,
    names: Vec<&'a Declared>,
}

/// Returns all names that the workspace declares.
pub(crate) fn declared(workspace: &Workspace) -> BTreeSet<Declared> {
    let crates = workspace.crates.iter();
    crates.flat_map(declared::of).collect()
}

/// Returns the parts of a name, in lower case: `HttpLook`, `http_look` and `HTTP_LOOK` have `http` and `look`.
fn parts(name: &str) -> BTreeSet<String> {
    let name = name.trim_start_matches("r#").to_snake_case();
    let parts = name.split('_').filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn entries<'a>(declared: &'a BTreeSet<Declared>, list: &'a List) -> Vec<Entry<'a>> {
    let mut with: BTreeMap<String, Vec<&Declared>> = BTreeMap::new();
    for name in declared {
        for part in parts(&name.name) {
            with.entry(part).or_default().push(name);
        }
    }
    let parts = list.parts.iter().map(|(word, part)| Entry {
        shown: format!("names with the part \"{word}\""),
        instead: &part.instead,
        names: with.remove(word).unwrap_or_default(),
    });
    let mut entries: Vec<Entry<'_>> = parts.collect();
    entries.extend(list.exact.names.iter().map(|wrong| Entry {
        shown: format!(
            "a {} `{}` under {}",
            wrong.what.prose(),
            wrong.name,
            wrong.under.join(", ")
        ),
        instead: &wrong.instead,
        names: declared.iter().filter(|name| wrong.is(name)).collect(),
    }));
    entries
}

impl Name {
    fn is(&self, name: &Declared) -> bool {
        let under = |folder: &String| {
            let rest = name.path.strip_prefix(folder.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let inside = self.under.iter().any(under);
        inside && name.what == self.what && name.name == self.name
    }
}

/// Returns how many names have a part that no name is to have.
pub(crate) fn with_parts(declared: &BTreeSet<Declared>, list: &List) -> usize {
    let has = |name: &&Declared| {
        let mut parts = parts(&name.name).into_iter();
        parts.any(|part| list.parts.contains_key(&part))
    };
    declared.iter().filter(has).count()
}

/// Returns what is wrong: names with a listed word.
pub(crate) fn faults(declared: &BTreeSet<Declared>, list: &List) -> Vec<String> {
    let entries = entries(declared, list).into_iter();
    entries
        .filter(|entry| !entry.names.is_empty())
        .map(|entry| {
            let mut places: Vec<String> = entry.names.iter().map(|name| place(name)).collect();
            if places.len() > 3 {
                places.truncate(2);
                places.push("and more (all: cargo xtask tidy --words)".to_owned());
            }
            let (shown, instead) = (&entry.shown, entry.instead);
            format!("{LIST}: {shown}: {}; say \"{instead}\"", places.join(", "))
        })
        .collect()
}

fn place(name: &Declared) -> String {
    format!("{}:{} {}", name.path, name.line, name.name)
}

/// Returns all names with a listed word.
pub(crate) fn shown(declared: &BTreeSet<Declared>, list: &List) -> String {
    let mut out = String::new();
    for entry in entries(declared, list) {
        if !entry.names.is_empty() {
            let _ = writeln!(out, "{}; say \"{}\"", entry.shown, entry.instead);
        }
        for name in &entry.names {
            let _ = writeln!(out, "  {:<9} {}", name.what.prose(), place(name));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "[parts]
look = { instead = \"poll\" }
wish = { instead = \"request\" }
[[exact.names]]
name = \"Left\"
what = \"type\"
under = [\"crates/a/src\"]
instead = \"Detached\"
";

    fn check(text: &str) -> Vec<String> {
        let workspace = Workspace::of(&[("crates/a/src/lib.rs", text)]);
        faults(&declared(&workspace), &toml::from_str(LIST).unwrap())
    }

    #[test]
    fn a_name_has_the_same_parts_however_it_is_written() {
        for name in [
            "HttpLook2",
            "http_look2",
            "HTTP_LOOK2",
            "HTTPLook2",
            "http-look2",
        ] {
            assert_eq!(Vec::from_iter(parts(name)), ["http", "look2"], "{name}");
        }
        assert_eq!(Vec::from_iter(parts("r#as")), ["as"]);
        assert_eq!(Vec::from_iter(parts("_")), [""; 0]);
        assert_eq!(Vec::from_iter(parts("overlook")), ["overlook"]);
    }

    #[test]
    fn a_name_with_a_listed_part_is_told() {
        assert_eq!(
            check("fn overlook(looks: u8) { Look::look_now(); }"),
            [""; 0]
        );
        let workspace = Workspace::of(&[("crates/a/src/lib.rs", "struct WishLook; fn good() {}")]);
        assert_eq!(
            with_parts(&declared(&workspace), &toml::from_str(LIST).unwrap()),
            1
        );
        for text in [
            "fn look_now() {}",
            "enum A { NextLook }",
            "struct A { look: u8 }",
            "fn a() { let mut last_look = 1; }",
        ] {
            let faults = check(text);
            assert_eq!(faults.len(), 1, "{text}");
            assert!(
                faults[0].starts_with(
                    "xtask/words.toml: names with the part \"look\": crates/a/src/lib.rs:1 "
                ),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn a_file_is_named_by_the_same_words() {
        let workspace = Workspace::of(&[("crates/a/src/b/look.rs", "")]);
        let found = declared(&workspace);
        let faults = faults(&found, &toml::from_str(LIST).unwrap());
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].contains("crates/a/src/b/look.rs:1 look"),
            "{faults:?}"
        );
    }

    #[test]
    fn of_many_names_two_are_told() {
        let faults = check("struct Wish; fn wish() {} fn b(wish: u8) {} fn a(my_wish: u8) {}");
        assert_eq!(
            faults,
            [
                "xtask/words.toml: names with the part \"wish\": crates/a/src/lib.rs:1 Wish, crates/a/src/lib.rs:1 wish, and more (all: cargo xtask tidy --words); say \"request\""
            ]
        );
    }

    #[test]
    fn an_ambiguous_word_is_told_only_as_what_it_was() {
        assert_eq!(
            check("fn left() {} enum A { Left } struct LeftOver;"),
            [""; 0]
        );
        assert_eq!(
            check("struct Left;"),
            [
                "xtask/words.toml: a type `Left` under crates/a/src: crates/a/src/lib.rs:1 Left; say \"Detached\""
            ]
        );
        let elsewhere = Workspace::of(&[("crates/b/src/lib.rs", "struct Left;")]);
        assert_eq!(
            faults(&declared(&elsewhere), &toml::from_str(LIST).unwrap()),
            [""; 0]
        );
    }
}
