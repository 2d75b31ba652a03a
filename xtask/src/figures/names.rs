//! What crates make public.

use std::collections::BTreeSet;

use syn::{ImplItem, Item, TraitItem, UseTree, Visibility};

use crate::source::{self, Crate, Workspace};

/// Returns how many items and methods a crate makes public, generated ones apart. The compiler sees to it
/// (`unreachable_pub`) that what says `pub` can be reached.
pub(crate) fn public(known: &Crate) -> usize {
    let counts = known.sources().map(|file| in_items(&file.built.items));
    counts.sum()
}

fn in_items(items: &[Item]) -> usize {
    items.iter().map(in_item).sum()
}

fn in_item(item: &Item) -> usize {
    let one = |vis: &Visibility| usize::from(is_public(vis));
    let own = one(source::head(item).vis);
    match item {
        Item::Use(_) => 0,
        Item::Macro(item) => {
            let mut attrs = item.attrs.iter();
            usize::from(attrs.any(|attr| attr.path().is_ident("macro_export")))
        }
        Item::Mod(item) => {
            own + item
                .content
                .iter()
                .map(|(_, items)| in_items(items))
                .sum::<usize>()
        }
        Item::Trait(item) if own == 1 => {
            let macros = |item: &&TraitItem| matches!(item, TraitItem::Macro(_));
            own + item.items.iter().filter(|item| !macros(item)).count()
        }
        Item::Impl(item) if item.trait_.is_none() => item
            .items
            .iter()
            .map(|item| match item {
                ImplItem::Fn(item) => one(&item.vis),
                ImplItem::Const(item) => one(&item.vis),
                ImplItem::Type(item) => one(&item.vis),
                _ => 0,
            })
            .sum(),
        _ => own,
    }
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

/// Returns the names at a crate's root, including those that it re-exports from crates of ours as a whole.
pub(crate) fn at_root(workspace: &Workspace, folder: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(known) = workspace.find(folder) {
        let given = Giver { workspace, known };
        given.module(&[], &mut names, 0);
    }
    names
}

struct Giver<'a> {
    workspace: &'a Workspace,
    known: &'a Crate,
}

impl Giver<'_> {
    /// The public names of a module.
    fn module(&self, path: &[String], names: &mut BTreeSet<String>, depth: usize) {
        let file = self.known.files.iter().find(|file| {
            file.inside.starts_with("src/")
                && file.module == path
                && !file.inside.ends_with("main.rs")
        });
        for item in file.iter().flat_map(|file| &file.built.items) {
            match item {
                Item::Use(item) if is_public(&item.vis) => {
                    self.tree(&item.tree, &mut path.to_vec(), names, depth);
                }
                item => {
                    let head = source::head(item);
                    let public = head.ident.filter(|_| is_public(head.vis));
                    names.extend(public.map(ToString::to_string));
                }
            }
        }
    }

    fn tree(
        &self,
        tree: &UseTree,
        path: &mut Vec<String>,
        names: &mut BTreeSet<String>,
        depth: usize,
    ) {
        match tree {
            UseTree::Path(tree) => {
                let part = tree.ident.to_string();
                let there = path.clone();
                match part.as_str() {
                    "self" => {}
                    "crate" => path.clear(),
                    "super" => {
                        path.pop();
                    }
                    _ => path.push(part),
                }
                self.tree(&tree.tree, path, names, depth);
                *path = there;
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, path, names, depth);
                }
            }
            UseTree::Name(tree) if tree.ident == "self" => names.extend(path.last().cloned()),
            UseTree::Name(tree) => {
                names.insert(tree.ident.to_string());
            }
            UseTree::Rename(tree) => {
                names.insert(tree.rename.to_string());
            }
            UseTree::Glob(_) if depth < 8 => self.everything(path, names, depth + 1),
            _ => {}
        }
    }

    /// What `path::*` gives.
    fn everything(&self, path: &[String], names: &mut BTreeSet<String>, depth: usize) {
        let ours = path.iter().position(|part| part.starts_with("taskward_"));
        let Some(at) = ours else {
            return self.module(path, names, depth);
        };
        let folder = format!("crates/{}", path[at].trim_start_matches("taskward_"));
        if let Some(known) = self.workspace.find(&folder) {
            let given = Giver {
                workspace: self.workspace,
                known,
            };
            given.module(&path[at + 1..], names, depth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_is_counted_and_what_is_not_is_not() {
        let workspace = Workspace::of(&[(
            "crates/a/src/lib.rs",
            "pub struct A; pub(crate) struct B; struct C; pub fn d() {} pub mod e { pub const F: u8 = 1; }
             impl A { pub fn g() {} fn h() {} } impl Clone for A { fn clone(&self) -> A { A } }
             pub trait I { fn j(); type K; } trait L { fn m(); } #[cfg(test)] pub fn n() {}",
        )]);
        assert_eq!(public(&workspace.crates[0]), 8);
    }

    #[test]
    fn the_names_at_a_root_come_through_globs_too() {
        let workspace = Workspace::of(&[
            (
                "crates/taskward/src/lib.rs",
                "pub use taskward_core as core; pub use taskward_core::{A, b::{self, C as D}};
                 pub use taskward_hyper::*; pub mod blocking { pub use taskward_ureq::*; } struct No;",
            ),
            ("crates/hyper/src/lib.rs", "mod x; pub use x::*; pub use taskward_core::A; pub struct E;"),
            ("crates/hyper/src/x.rs", "pub struct F; pub(crate) struct G; use std::fmt;"),
            ("crates/ureq/src/lib.rs", "pub struct Z;"),
        ]);
        let names = at_root(&workspace, "crates/taskward");
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(names, ["A", "D", "E", "F", "b", "blocking", "core"]);
    }
}
