//! The repository's Rust code, parsed: what the figures and the checks read.

pub(crate) mod declared;
pub(crate) mod functions;
pub(crate) mod imports;
pub(crate) mod tokens;

use std::{ops::RangeInclusive, path::Path};

use anyhow::{Context, Result};
use syn::{ImplItem, Item, Token, TraitItem, Visibility, punctuated::Punctuated, spanned::Spanned};

use crate::repo;

/// Where crates stand. A folder that ends in a slash holds one crate in each folder of its own.
const FOLDERS: [&str; 4] = ["crates/", "xtask", "benches", "fuzz"];

/// All crates of a checkout.
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
}

/// One crate.
pub(crate) struct Crate {
    /// Its folder in the repository: `crates/core`.
    pub(crate) folder: String,
    pub(crate) files: Vec<File>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What is built.
    Source,
    /// Tests, examples, benchmarks: everything outside `src`, and what only a test build has.
    Test,
    /// Written by a program.
    Generated,
}

/// One Rust file.
pub(crate) struct File {
    /// From the repository's root: `crates/core/src/task/mod.rs`.
    pub(crate) path: String,
    /// From the crate's folder: `src/task/mod.rs`.
    pub(crate) inside: String,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// The module that it holds, from the crate's root: `[task]`. Empty for a root, and outside `src`.
    pub(crate) module: Vec<String>,
    /// All of it.
    pub(crate) whole: syn::File,
    /// Without what stands under `#[cfg(test)]`.
    pub(crate) built: syn::File,
    /// The lines that stand under `#[cfg(test)]`.
    tests: Vec<RangeInclusive<usize>>,
}

impl Workspace {
    /// Reads the checkout in this folder.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut texts = Vec::new();
        for folder in FOLDERS {
            for path in repo::rust_files(&root.join(folder))? {
                let shown = path.strip_prefix(root).unwrap_or(&path);
                let shown = shown.to_string_lossy().replace('\\', "/");
                texts.push((shown, repo::read(&path)?));
            }
        }
        Self::parse(texts)
    }

    /// Parses files, given by their paths from the repository's root.
    pub(crate) fn parse(texts: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut crates: Vec<Crate> = Vec::new();
        for (path, text) in texts {
            let Some(folder) = folder_of(&path) else {
                continue;
            };
            let file = File::parse(&path, &path[folder.len() + 1..], text)?;
            match crates.iter_mut().find(|known| known.folder == folder) {
                Some(known) => known.files.push(file),
                None => crates.push(Crate {
                    folder: folder.to_owned(),
                    files: vec![file],
                }),
            }
        }
        for known in &mut crates {
            known.mark_tests();
        }
        Ok(Self { crates })
    }

    /// Files of a fixture.
    #[cfg(test)]
    pub(crate) fn of(texts: &[(&str, &str)]) -> Self {
        let texts = texts
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self::parse(texts).unwrap()
    }

    /// Returns the crate in this folder.
    pub(crate) fn find(&self, folder: &str) -> Option<&Crate> {
        self.crates.iter().find(|known| known.folder == folder)
    }

    /// Returns the crates that we publish, with the program and the simulator: those under `crates/`.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Crate> {
        self.crates
            .iter()
            .filter(|known| known.folder.starts_with("crates/"))
    }
}

impl Crate {
    /// Returns its name in tables: `core`.
    pub(crate) fn name(&self) -> &str {
        self.folder.strip_prefix("crates/").unwrap_or(&self.folder)
    }

    /// Returns the files that are built and written by hand.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.kind == Kind::Source)
    }

    /// A file that a `#[cfg(test)] mod name;` declares is a test, and so is what it declares.
    fn mark_tests(&mut self) {
        let mut modules = Vec::new();
        for file in self.sources() {
            for item in &file.whole.items {
                if let Item::Mod(item) = item
                    && item.content.is_none()
                    && is_test(&item.attrs)
                {
                    let mut module = file.module.clone();
                    module.push(item.ident.to_string());
                    modules.push(module);
                }
            }
        }
        for file in &mut self.files {
            let declared = modules.iter().any(|module| file.module.starts_with(module));
            if declared && file.kind == Kind::Source {
                file.kind = Kind::Test;
            }
        }
    }
}

impl File {
    fn parse(path: &str, inside: &str, text: String) -> Result<Self> {
        let whole = syn::parse_file(&text).with_context(|| format!("cannot parse {path}"))?;
        let mut built = whole.clone();
        let mut tests = Vec::new();
        keep_built(&mut built.items, &mut tests);
        let kind = if is_generated(path) {
            Kind::Generated
        } else if inside.starts_with("src/") || inside == "build.rs" {
            Kind::Source
        } else {
            Kind::Test
        };
        Ok(Self {
            path: path.to_owned(),
            inside: inside.to_owned(),
            kind,
            module: module_of(inside),
            text,
            whole,
            built,
            tests,
        })
    }

    /// Returns how many lines it has.
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Returns how many of them are tests.
    pub(crate) fn test_lines(&self) -> usize {
        match self.kind {
            Kind::Test => self.lines(),
            Kind::Generated => 0,
            Kind::Source => self
                .tests
                .iter()
                .map(|range| range.end() - range.start() + 1)
                .sum(),
        }
    }
}

/// Returns the crate that a path belongs to.
fn folder_of(path: &str) -> Option<&str> {
    for folder in FOLDERS {
        if let Some(rest) = path.strip_prefix(folder) {
            if folder.ends_with('/') {
                return rest.find('/').map(|end| &path[..folder.len() + end]);
            } else if rest.starts_with('/') {
                return Some(folder);
            }
        }
    }
    None
}

fn is_generated(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "generated" || part == "expected.rs")
}

/// Returns the module that a file under `src` holds.
fn module_of(inside: &str) -> Vec<String> {
    let Some(inside) = inside
        .strip_prefix("src/")
        .and_then(|rest| rest.strip_suffix(".rs"))
    else {
        return Vec::new();
    };
    let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    module
}

/// Returns whether something is built for tests only.
pub(crate) fn is_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        syn::Meta::List(list) if attr.path().is_ident("cfg") => {
            ["test", "doctest"].contains(&list.tokens.to_string().as_str())
        }
        meta => meta.path().is_ident("test"),
    })
}

fn lines_of(spanned: &impl Spanned) -> RangeInclusive<usize> {
    let span = spanned.span();
    span.start().line..=span.end().line
}

/// Takes out what only a test build has, and notes its lines.
fn keep_built(items: &mut Vec<Item>, tests: &mut Vec<RangeInclusive<usize>>) {
    items.retain(|item| {
        let test = is_test(head(item).attrs);
        if test {
            tests.push(lines_of(item));
        }
        !test
    });
    for item in items {
        match item {
            Item::Mod(item) => {
                if let Some((_, items)) = &mut item.content {
                    keep_built(items, tests);
                }
            }
            Item::Impl(item) => item.items.retain(|item| {
                let attrs = match item {
                    ImplItem::Fn(item) => &item.attrs,
                    ImplItem::Const(item) => &item.attrs,
                    ImplItem::Type(item) => &item.attrs,
                    _ => return true,
                };
                let test = is_test(attrs);
                if test {
                    tests.push(lines_of(item));
                }
                !test
            }),
            Item::Trait(item) => item
                .items
                .retain(|item| !matches!(item, TraitItem::Fn(item) if is_test(&item.attrs))),
            _ => {}
        }
    }
}

/// What an item declares: its attributes, its visibility and its name, where it has them.
pub(crate) struct Head<'a> {
    pub(crate) attrs: &'a [syn::Attribute],
    pub(crate) vis: &'a Visibility,
    pub(crate) ident: Option<&'a syn::Ident>,
}

/// Returns what an item declares.
pub(crate) fn head(item: &Item) -> Head<'_> {
    let private = &Visibility::Inherited;
    let (attrs, vis, ident) = match item {
        Item::Const(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, &item.vis, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, private, None),
        Item::Macro(item) => (&item.attrs, private, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Static(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, &item.vis, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, &item.vis, None),
        // Rarer ones have neither a name nor attributes that matter here.
        _ => {
            return Head {
                attrs: &[],
                vis: private,
                ident: None,
            };
        }
    };
    Head { attrs, vis, ident }
}

/// Returns whether an item derives one of these.
pub(crate) fn derives(attrs: &[syn::Attribute], wanted: &[&str]) -> bool {
    let derives = attrs.iter().filter(|attr| attr.path().is_ident("derive"));
    let mut derived = derives.flat_map(arguments);
    derived.any(|meta| {
        let last = meta.path().segments.last();
        last.is_some_and(|last| wanted.iter().any(|wanted| last.ident == wanted))
    })
}

/// Returns what stands in the parentheses of an attribute; nothing when that is no list of words and values.
pub(crate) fn arguments(attr: &syn::Attribute) -> Punctuated<syn::Meta, Token![,]> {
    attr.parse_args_with(Punctuated::parse_terminated)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_crate_its_module_and_what_it_is_for() {
        let workspace = Workspace::of(&[
            (
                "crates/core/src/lib.rs",
                "mod task;\n#[cfg(test)]\nmod golden;\n",
            ),
            ("crates/core/src/golden/mod.rs", "mod more;\n"),
            ("crates/core/src/golden/more.rs", "\n"),
            (
                "crates/core/src/task/mod.rs",
                "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n",
            ),
            ("crates/core/tests/it/main.rs", "\n"),
            ("crates/core/src/generated/mod.rs", "\n"),
            ("xtask/src/main.rs", "\n"),
            ("elsewhere/src/main.rs", "\n"),
        ]);
        assert_eq!(workspace.crates.len(), 2);
        let core = workspace.find("crates/core").unwrap();
        let kinds: Vec<_> = core.files.iter().map(|file| file.kind).collect();
        assert_eq!(
            kinds,
            [
                Kind::Source,
                Kind::Test,
                Kind::Test,
                Kind::Source,
                Kind::Test,
                Kind::Generated
            ]
        );
        assert_eq!(core.files[3].module, ["task"]);
        assert_eq!((core.files[3].lines(), core.files[3].test_lines()), (5, 4));
        assert_eq!(core.files[3].built.items.len(), 1);
        assert_eq!(workspace.crates[1].name(), "xtask");
    }
}
