//! The names that we declare, and the parts that they are made of.

use std::collections::BTreeSet;

use serde::Deserialize;
use syn::{
    ImplItem, Item, TraitItem,
    visit::{self, Visit},
};

use super::{Crate, File, Kind, head, tokens};

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// A struct, enum, trait or alias.
    Type,
    Variant,
    Field,
    /// A function, method or macro.
    Fn,
    /// A parameter, or what a pattern binds.
    Local,
    Const,
    Module,
    /// A type or constant parameter.
    Parameter,
    /// A file or a folder.
    File,
}

impl What {
    /// As the lists and messages write it.
    pub(crate) fn prose(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// One name, where it is declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Declared {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: What,
    pub(crate) name: String,
}

/// Returns all names that a crate declares: its own and those of its tests, but what is generated.
pub(crate) fn of(known: &Crate) -> BTreeSet<Declared> {
    let mut found = BTreeSet::new();
    for file in &known.files {
        if file.kind == Kind::Generated {
            continue;
        }
        paths(&known.folder, file, &mut found);
        let mut finder = Finder {
            path: &file.path,
            foreign: false,
            found: &mut found,
        };
        finder.visit_file(&file.whole);
    }
    found
}

/// The names of a file and of the folders that it is in.
fn paths(folder: &str, file: &File, found: &mut BTreeSet<Declared>) {
    let root = folder.find('/').map_or(0, |end| end + 1);
    let mut end = root;
    for part in file.path[root..].split('/') {
        end += part.len();
        found.insert(Declared {
            path: file.path[..end].to_owned(),
            line: 1,
            what: What::File,
            name: part.trim_end_matches(".rs").to_owned(),
        });
        end += 1;
    }
}

struct Finder<'f> {
    path: &'f str,
    /// Inside an `impl` of a trait: its names are the trait's.
    foreign: bool,
    found: &'f mut BTreeSet<Declared>,
}

impl Finder<'_> {
    fn add(&mut self, what: What, ident: &syn::Ident) {
        self.found.insert(Declared {
            path: self.path.to_owned(),
            line: ident.span().start().line,
            what,
            name: ident.to_string(),
        });
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        let what = match item {
            Item::Struct(_) | Item::Enum(_) | Item::Trait(_) | Item::Type(_) => Some(What::Type),
            Item::Fn(_) | Item::Macro(_) => Some(What::Fn),
            Item::Const(_) | Item::Static(_) => Some(What::Const),
            Item::Mod(_) => Some(What::Module),
            _ => None,
        };
        if let (Some(what), Some(ident)) = (what, head(item).ident) {
            self.add(what, ident);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let outer = std::mem::replace(&mut self.foreign, item.trait_.is_some());
        visit::visit_item_impl(self, item);
        self.foreign = outer;
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        match item {
            ImplItem::Fn(item) if !self.foreign => self.add(What::Fn, &item.sig.ident),
            ImplItem::Const(item) if !self.foreign => self.add(What::Const, &item.ident),
            _ => {}
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item(&mut self, item: &'a TraitItem) {
        match item {
            TraitItem::Fn(item) => self.add(What::Fn, &item.sig.ident),
            TraitItem::Const(item) => self.add(What::Const, &item.ident),
            TraitItem::Type(item) => self.add(What::Type, &item.ident),
            _ => {}
        }
        visit::visit_trait_item(self, item);
    }

    fn visit_variant(&mut self, item: &'a syn::Variant) {
        self.add(What::Variant, &item.ident);
        visit::visit_variant(self, item);
    }

    fn visit_field(&mut self, item: &'a syn::Field) {
        if let Some(ident) = &item.ident {
            self.add(What::Field, ident);
        }
        visit::visit_field(self, item);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        // What a macro is given is no code before it is expanded, but most of it reads like code.
        let words = tokens::flat(item.tokens.clone());
        let words: Vec<_> = words.iter().filter(|word| word.text != "mut").collect();
        for pair in words.windows(2) {
            let what = match pair[0].text.as_str() {
                "let" => What::Local,
                "fn" => What::Fn,
                "struct" | "enum" | "trait" | "type" => What::Type,
                "const" | "static" => What::Const,
                "mod" => What::Module,
                _ => continue,
            };
            // `let Some(x)` declares no `Some`.
            let small = pair[1]
                .text
                .starts_with(|first: char| !first.is_uppercase());
            if pair[1].ident && (small || what != What::Local) {
                self.found.insert(Declared {
                    path: self.path.to_owned(),
                    line: pair[1].lines.0,
                    what,
                    name: pair[1].text.clone(),
                });
            }
        }
    }

    fn visit_use_rename(&mut self, item: &'a syn::UseRename) {
        self.add(What::Type, &item.rename);
    }

    fn visit_type_param(&mut self, item: &'a syn::TypeParam) {
        self.add(What::Parameter, &item.ident);
        visit::visit_type_param(self, item);
    }

    fn visit_const_param(&mut self, item: &'a syn::ConstParam) {
        self.add(What::Parameter, &item.ident);
        visit::visit_const_param(self, item);
    }

    fn visit_pat_ident(&mut self, item: &'a syn::PatIdent) {
        // A name that begins large in a pattern is a variant or a constant: it binds nothing.
        let binds = item.subpat.is_some()
            || !item
                .ident
                .to_string()
                .starts_with(|first: char| first.is_uppercase());
        if binds {
            self.add(What::Local, &item.ident);
        }
        visit::visit_pat_ident(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Workspace, *};

    #[test]
    fn every_kind_of_name_is_found() {
        let workspace = Workspace::of(&[(
            "crates/a/src/b/c_d.rs",
            "struct A<T1, const N: u8> { f1: u8 } enum B { V1 { f2: u8 }, V2(u8) } trait C { type T2; fn m1(p1: u8); const C1: u8; }
             type D = u8; const C2: u8 = 0; static C3: u8 = 0; mod m2 { fn m3() {} } use a::b as E; macro_rules! m4 { () => { fn m6() { let mut l5 = 0; } } }
             impl A { fn m5(&self, (p2, p3): (u8, u8)) { let l1 = 0; match l1 { None => {} Some(l2) => {} l3 @ X => {} } let _ = |l4| l4; select! { x => { let l6 = 0; if let Some(_) = y {} } } } }
             impl Clone for A { fn clone(&self) -> A { A } }",
        ), ("crates/a/src/generated/mod.rs", "struct No;")]);
        let found = of(&workspace.crates[0]);
        let named = |what| {
            let names = found.iter().filter(|name| name.what == what);
            let names: BTreeSet<&str> = names.map(|name| name.name.as_str()).collect();
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(named(What::Type), "A B C D E T2");
        assert_eq!(named(What::Variant), "V1 V2");
        assert_eq!(named(What::Field), "f1 f2");
        assert_eq!(named(What::Fn), "m1 m3 m4 m5 m6");
        assert_eq!(named(What::Local), "l1 l2 l3 l4 l5 l6 p1 p2 p3");
        assert_eq!(named(What::Const), "C1 C2 C3");
        assert_eq!(named(What::Module), "m2");
        assert_eq!(named(What::Parameter), "N T1");
        assert_eq!(named(What::File), "a b c_d src");
        assert!(
            found
                .iter()
                .any(|name| name.path == "crates/a/src/b" && name.what == What::File)
        );
    }
}
