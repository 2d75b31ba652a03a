//! Which file of a crate names what stands in which other.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree};

use super::{Crate, File, head, tokens};

/// How many re-exports a name is followed through.
const DEPTH: usize = 16;

type Path = Vec<String>;

/// What one module gives and takes.
#[derive(Default)]
struct Module {
    /// The file that holds it.
    file: String,
    /// What is declared in it.
    declared: BTreeSet<String>,
    /// The names that it takes from elsewhere, by which it gives them on.
    named: BTreeMap<String, Path>,
    /// The modules of which it takes everything.
    globs: Vec<Path>,
    /// The paths that its code names.
    used: Vec<Path>,
}

/// Returns the cycles among a crate's files: each with its files in order. A file may name the modules above it: what stands in
/// a module is a part of it.
pub(crate) fn cycles(known: &Crate) -> Vec<Vec<String>> {
    strong(&edges(known))
}

/// Returns the files that each file names, without those of the modules above it.
fn edges(known: &Crate) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules = BTreeMap::new();
    for file in known.sources() {
        if file.inside.starts_with("src/") && !file.inside.starts_with("src/bin/") {
            read(&mut modules, file, file.module.clone(), &file.built.items);
        }
    }
    let homes: BTreeMap<&str, &Path> = modules
        .iter()
        .rev()
        .map(|(path, module)| (module.file.as_str(), path))
        .collect();
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, module) in &modules {
        for used in &module.used {
            let Some(target) = absolute(&modules, path, used) else {
                continue;
            };
            let file = resolve(&modules, &target, DEPTH);
            let above = homes
                .get(file.as_str())
                .is_some_and(|home| path.starts_with(home));
            if file != module.file && !above {
                let named = edges.entry(module.file.clone()).or_default();
                named.insert(file);
            }
        }
    }
    edges
}

fn read(modules: &mut BTreeMap<Path, Module>, file: &File, path: Path, items: &[Item]) {
    let mut module = Module {
        file: file.inside.clone(),
        ..Module::default()
    };
    for item in items {
        match item {
            Item::Use(item) => leaves(&item.tree, &mut Vec::new(), &mut module),
            Item::Mod(inner) => {
                if let Some((_, items)) = &inner.content {
                    let mut path = path.clone();
                    path.push(inner.ident.to_string());
                    read(modules, file, path, items);
                }
            }
            item => {
                let name = head(item).ident;
                module.declared.extend(name.map(ToString::to_string));
                module.used.extend(paths(&tokens::of(item)));
            }
        }
    }
    modules.insert(path, module);
}

/// The names of a `use`.
fn leaves(tree: &UseTree, path: &mut Path, module: &mut Module) {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            leaves(&tree.tree, path, module);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, path, module);
            }
        }
        UseTree::Glob(_) => {
            module.used.push(path.clone());
            module.globs.push(path.clone());
        }
        UseTree::Name(tree) => leaf(&tree.ident, &tree.ident, path, module),
        UseTree::Rename(tree) => leaf(&tree.ident, &tree.rename, path, module),
    }
}

fn leaf(ident: &syn::Ident, name: &syn::Ident, path: &Path, module: &mut Module) {
    let (mut target, mut name) = (path.clone(), name.to_string());
    if ident == "self" {
        // `use a::{self}` takes the module by its own name.
        if name == "self" {
            name = path.last().cloned().unwrap_or_default();
        }
    } else {
        target.push(ident.to_string());
    }
    module.used.push(target.clone());
    module.named.insert(name, target);
}

/// Returns the paths with more than one part that code names.
fn paths(tokens: &[tokens::Token]) -> Vec<Path> {
    let mut paths = Vec::new();
    let colons = |at: usize| {
        tokens.get(at).is_some_and(|token| token.text == ":")
            && tokens.get(at + 1).is_some_and(|token| token.text == ":")
    };
    let mut at = 0;
    while at < tokens.len() {
        let first = tokens[at].ident && !(at >= 2 && colons(at - 2));
        let mut path = Path::new();
        let mut end = at;
        while first && tokens.get(end).is_some_and(|token| token.ident) {
            path.push(tokens[end].text.clone());
            end += 1;
            if !colons(end) {
                break;
            }
            end += 2;
        }
        if path.len() > 1 {
            paths.push(path);
        }
        at = end.max(at + 1);
    }
    paths
}

/// Returns a path from the crate's root; none when it leads out of the crate.
fn absolute(modules: &BTreeMap<Path, Module>, from: &Path, path: &Path) -> Option<Path> {
    let mut from = from.clone();
    let mut rest = path.as_slice();
    match path.first()?.as_str() {
        "crate" => {
            from.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                from.pop()?;
                rest = &rest[1..];
            }
        }
        first => {
            let mut child = from.clone();
            child.push(first.to_owned());
            if !modules.contains_key(&child) {
                return None;
            }
        }
    }
    from.extend_from_slice(rest);
    Some(from)
}

/// Returns the file in which that stands which a path from the root names.
fn resolve(modules: &BTreeMap<Path, Module>, path: &Path, depth: usize) -> String {
    let mut at = Path::new();
    let file = |at: &Path| modules.get(at).map_or(String::new(), |at| at.file.clone());
    for (index, part) in path.iter().enumerate() {
        let mut child = at.clone();
        child.push(part.clone());
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        let Some(module) = modules.get(&at) else {
            break;
        };
        if module.declared.contains(part) || depth == 0 {
            break;
        }
        let onward = |target: &Path| {
            let mut target = absolute(modules, &at, target)?;
            target.extend_from_slice(&path[index + 1..]);
            Some(resolve(modules, &target, depth - 1))
        };
        if let Some(target) = module.named.get(part) {
            return onward(target).unwrap_or_else(|| file(&at));
        }
        for glob in &module.globs {
            let Some(target) = absolute(modules, &at, glob) else {
                continue;
            };
            let gives = modules.get(&target).is_some_and(|module| {
                module.declared.contains(part) || module.named.contains_key(part)
            });
            if gives {
                let mut target = target;
                target.extend_from_slice(&path[index..]);
                return resolve(modules, &target, depth - 1);
            }
        }
        break;
    }
    file(&at)
}

/// Returns the groups of files that reach each other, each with more than one.
fn strong(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for next in edges.get(at).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|from| (from, reach(from))).collect();
    let mut groups = Vec::new();
    let mut done = BTreeSet::new();
    for (from, there) in &reached {
        if !there.contains(*from) || done.contains(*from) {
            continue;
        }
        let back = |file: &&String| reached.get(file).is_some_and(|back| back.contains(*from));
        let group: Vec<String> = there.iter().filter(back).cloned().collect();
        done.extend(group.iter().cloned());
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{super::Workspace, *};

    fn found(texts: &[(&str, &str)]) -> Vec<Vec<String>> {
        cycles(&Workspace::of(texts).crates[0])
    }

    #[test]
    fn files_that_name_each_other_are_a_cycle() {
        let texts = [
            ("crates/a/src/lib.rs", "mod b; mod c; mod d; pub use b::B;"),
            ("crates/a/src/b.rs", "use crate::c::C; pub struct B;"),
            (
                "crates/a/src/c.rs",
                "pub struct C; fn c() { let _ = crate::d::d(); }",
            ),
            ("crates/a/src/d.rs", "pub fn d() -> crate::B { crate::B }"),
        ];
        assert_eq!(found(&texts), [["src/b.rs", "src/c.rs", "src/d.rs"]]);
        assert_eq!(found(&texts[..3]), [[""; 0]; 0]);
    }

    #[test]
    fn a_path_in_a_macro_and_a_name_given_on_by_a_glob_count() {
        let texts = [
            ("crates/a/src/lib.rs", "mod b; mod c; mod e;"),
            (
                "crates/a/src/b.rs",
                "fn b() { println!(\"{}\", super::c::C) }",
            ),
            ("crates/a/src/c.rs", "use super::e::B; pub const C: u8 = 0;"),
            ("crates/a/src/e.rs", "pub use crate::b::*;"),
        ];
        assert_eq!(found(&texts), [["src/b.rs", "src/c.rs", "src/e.rs"]]);
    }

    #[test]
    fn a_module_and_what_stands_in_it_are_none_and_neither_are_tests() {
        let texts = [
            ("crates/a/src/lib.rs", "mod b; mod c; pub use b::B;"),
            (
                "crates/a/src/b/mod.rs",
                "mod x; use x::X; pub struct B; #[cfg(test)] mod t { use crate::c::C; }",
            ),
            ("crates/a/src/b/x.rs", "use super::B; pub struct X;"),
            ("crates/a/src/c.rs", "use crate::B; pub struct C;"),
        ];
        assert_eq!(found(&texts), [[""; 0]; 0]);
    }
}
