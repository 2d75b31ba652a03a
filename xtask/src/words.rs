//! Names of ours do without the words that `xtask/words.toml` lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Context, Result};
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
    /// How many names may still have it; it only falls.
    #[serde(default)]
    allowed: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
    what: What,
    /// The files and folders in which it is not to be.
    under: Vec<String>,
    instead: String,
    /// How many may still be; it only falls.
    #[serde(default)]
    allowed: usize,
}

/// Reads the committed list.
pub(crate) fn list() -> Result<List> {
    toml::from_str(&repo::read(&repo::root().join(LIST))?).context(LIST)
}

/// One entry of the list, and the names that it is about.
struct Entry<'a> {
    shown: String,
    instead: &'a str,
    allowed: usize,
    names: Vec<&'a Declared>,
}

/// Returns all names that the workspace declares.
pub(crate) fn declared(workspace: &Workspace) -> BTreeSet<Declared> {
    let crates = workspace.crates.iter();
    crates.flat_map(declared::of).collect()
}

fn entries<'a>(declared: &'a BTreeSet<Declared>, list: &'a List) -> Vec<Entry<'a>> {
    let mut with: BTreeMap<String, Vec<&Declared>> = BTreeMap::new();
    for name in declared {
        for part in BTreeSet::from_iter(declared::parts(&name.name)) {
            with.entry(part).or_default().push(name);
        }
    }
    let parts = list.parts.iter().map(|(word, part)| Entry {
        shown: format!("names with the part \"{word}\""),
        instead: &part.instead,
        allowed: part.allowed,
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
        allowed: wrong.allowed,
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
        let mut parts = declared::parts(&name.name).into_iter();
        parts.any(|part| list.parts.contains_key(&part))
    };
    declared.iter().filter(has).count()
}

/// Returns what is wrong: more names with a word than the list allows.
pub(crate) fn faults(declared: &BTreeSet<Declared>, list: &List) -> Vec<String> {
    let mut faults = Vec::new();
    for entry in entries(declared, list) {
        let found = entry.names.len();
        if found > entry.allowed {
            let places: Vec<String> = entry.names.iter().map(|name| place(name)).collect();
            let places = match places.as_slice() {
                [] | [_] | [_, _] | [_, _, _] => places.join(", "),
                [first @ .., _] => format!("{} and more", first[..2].join(", ")),
            };
            faults.push(format!(
                "{LIST}: {}: {found}, and {} allowed: {places}; say \"{}\" (all: cargo xtask tidy --words)",
                entry.shown, entry.allowed, entry.instead
            ));
        }
    }
    faults
}

fn place(name: &Declared) -> String {
    format!("{}:{} {}", name.path, name.line, name.name)
}

/// Returns all names with a listed word.
pub(crate) fn shown(declared: &BTreeSet<Declared>, list: &List) -> String {
    let mut out = String::new();
    let mut all = BTreeSet::new();
    for entry in entries(declared, list) {
        let (found, allowed) = (entry.names.len(), entry.allowed);
        if found > 0 || allowed > 0 {
            let _ = writeln!(
                out,
                "{}: {found} (allowed {allowed}); say \"{}\"",
                entry.shown, entry.instead
            );
        }
        for name in &entry.names {
            let _ = writeln!(out, "  {:<9} {}", name.what.prose(), place(name));
        }
        all.extend(entry.names);
    }
    let _ = writeln!(out, "in all: {} names", all.len());
    out
}

/// Returns the entries whose allowance is higher than what there is, as notes.
pub(crate) fn slack(declared: &BTreeSet<Declared>, list: &List) -> Vec<String> {
    let entries = entries(declared, list).into_iter();
    entries
        .filter(|entry| entry.names.len() < entry.allowed)
        .map(|entry| {
            let (found, allowed) = (entry.names.len(), entry.allowed);
            format!("{LIST}: {}: {found}, and {allowed} allowed", entry.shown)
        })
        .collect()
}

/// Returns the list with every allowance that is too high lowered to what there is.
pub(crate) fn lowered(text: &str, declared: &BTreeSet<Declared>, list: &List) -> Result<String> {
    let mut left: Vec<(usize, usize)> = entries(declared, list)
        .iter()
        .map(|entry| (entry.allowed, entry.names.len()))
        .collect();
    // The parts are read in the order of the alphabet, and written in any.
    let names = left.split_off(list.parts.len());
    let parts: BTreeMap<&str, (usize, usize)> =
        list.parts.keys().map(String::as_str).zip(left).collect();
    let mut names = names.into_iter();
    let mut out = String::new();
    for line in text.lines() {
        let counts = if line.trim_start().starts_with("{ name") {
            Some(names.next().context("a name's entry must be one line")?)
        } else {
            let word = line.split(" = ").next();
            word.and_then(|word| parts.get(word)).copied()
        };
        let mut line = line.to_owned();
        if let Some((allowed, found)) = counts
            && found < allowed
        {
            let new = match found {
                0 => String::new(),
                found => format!(", allowed = {found}"),
            };
            line = line.replace(&format!(", allowed = {allowed}"), &new);
        }
        out.push_str(&line);
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "[parts]
look = { instead = \"poll\" }
wish = { instead = \"request\", allowed = 3 }
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
                faults[0].starts_with("xtask/words.toml: names with the part \"look\": 1, and 0 allowed: crates/a/src/lib.rs:1 "),
                "{faults:?}"
            );
        }
    }

    #[test]
    fn a_file_is_named_by_the_same_words() {
        let workspace = Workspace::of(&[("crates/a/src/wish/look.rs", "")]);
        let found = declared(&workspace);
        let faults = faults(&found, &toml::from_str(LIST).unwrap());
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].contains("crates/a/src/wish/look.rs:1 look"),
            "{faults:?}"
        );
    }

    #[test]
    fn only_what_is_above_the_allowance_is_told() {
        assert_eq!(check("struct Wish; fn wish() {} mod wishes {}"), [""; 0]);
        assert_eq!(
            check(
                "struct Wish; fn wish() {} fn b(wish: u8) {} fn a(wish: u8) {} fn c(my_wish: u8) {}"
            )
            .len(),
            1
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
                "xtask/words.toml: a type `Left` under crates/a/src: 1, and 0 allowed: crates/a/src/lib.rs:1 Left; say \"Detached\" (all: cargo xtask tidy --words)"
            ]
        );
        let elsewhere = Workspace::of(&[("crates/b/src/lib.rs", "struct Left;")]);
        assert_eq!(
            faults(&declared(&elsewhere), &toml::from_str(LIST).unwrap()),
            [""; 0]
        );
    }

    #[test]
    fn an_allowance_that_is_too_high_is_noted() {
        let workspace = Workspace::of(&[("crates/a/src/lib.rs", "struct Wish;")]);
        let notes = slack(&declared(&workspace), &toml::from_str(LIST).unwrap());
        assert_eq!(
            notes,
            ["xtask/words.toml: names with the part \"wish\": 1, and 3 allowed"]
        );
    }

    #[test]
    fn an_allowance_falls_and_never_rises() {
        let text = "[exact]\nnames = [\n    { name = \"Left\", what = \"type\", under = [\"crates/a\"], instead = \"Detached\", allowed = 2 },\n]\n[parts]\nwish = { instead = \"request\", allowed = 3 }\nfate = { instead = \"outcome\", allowed = 1 }\nlook = { instead = \"poll\" }\n";
        let workspace = Workspace::of(&[(
            "crates/a/src/lib.rs",
            "struct Wish; struct Look; struct Left;",
        )]);
        let list = toml::from_str(text).unwrap();
        let lowered = lowered(text, &declared(&workspace), &list).unwrap();
        assert_eq!(
            lowered,
            text.replace("allowed = 2", "allowed = 1")
                .replace(", allowed = 3", ", allowed = 1")
                .replace("outcome\", allowed = 1", "outcome\"")
        );
    }
}
