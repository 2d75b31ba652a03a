//! Structs, enums and their fields.

use syn::visit::{self, Visit};

use crate::source::{self, File, Workspace};

/// One struct, or one variant of an enum.
pub(crate) struct Shape {
    /// `Task`, or `Phase::Starting`.
    pub(crate) name: String,
    pub(crate) line: usize,
    /// The outermost name of each field's type.
    pub(crate) fields: Vec<String>,
    pub(crate) variant: bool,
    /// What the program's arguments are read into.
    pub(crate) arguments: bool,
}

/// Returns all shapes of a file, in their order.
pub(crate) fn of(file: &syn::File) -> Vec<Shape> {
    let mut finder = Finder(Vec::new());
    finder.visit_file(file);
    finder.0
}

/// Returns the structs with the most fields: crate and name, file and line, number of fields.
pub(crate) fn largest(workspace: &Workspace, count: usize) -> Vec<(String, String, usize)> {
    let mut structs: Vec<(String, String, usize)> = Vec::new();
    for known in workspace.published() {
        for file in known.sources() {
            for shape in of(&file.built) {
                if !shape.variant && !shape.arguments {
                    structs.push((
                        format!("{}::{}", known.name(), shape.name),
                        format!("{}:{}", file.path, shape.line),
                        shape.fields.len(),
                    ));
                }
            }
        }
    }
    structs.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    structs.truncate(count);
    structs
}

/// Returns how many fields of these files have this type.
pub(crate) fn count<'a>(files: impl IntoIterator<Item = &'a File>, wanted: &str) -> usize {
    files
        .into_iter()
        .flat_map(|file| of(&file.built))
        .flat_map(|shape| shape.fields)
        .filter(|field| field == wanted)
        .count()
}

struct Finder(Vec<Shape>);

impl Finder {
    fn add(&mut self, name: String, ident: &syn::Ident, fields: &syn::Fields, place: (bool, bool)) {
        self.0.push(Shape {
            name,
            line: ident.span().start().line,
            fields: fields.iter().map(|field| outermost(&field.ty)).collect(),
            variant: place.0,
            arguments: place.1,
        });
    }
}

const ARGUMENTS: [&str; 3] = ["Args", "Parser", "Subcommand"];

impl<'a> Visit<'a> for Finder {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        let arguments = source::derives(&item.attrs, &ARGUMENTS);
        self.add(
            item.ident.to_string(),
            &item.ident,
            &item.fields,
            (false, arguments),
        );
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        let arguments = source::derives(&item.attrs, &ARGUMENTS);
        for variant in &item.variants {
            self.add(
                format!("{}::{}", item.ident, variant.ident),
                &variant.ident,
                &variant.fields,
                (true, arguments),
            );
        }
        visit::visit_item_enum(self, item);
    }
}

fn outermost(ty: &syn::Type) -> String {
    match ty {
        syn::Type::Path(path) => path
            .path
            .segments
            .last()
            .map(|last| last.ident.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_structs_come_first_without_arguments_and_tests() {
        let workspace = Workspace::of(&[(
            "crates/a/src/lib.rs",
            "struct A { a: bool, b: Option<u8> } enum B { C { a: u8, b: u8, c: bool } }
             #[derive(Debug, clap::Args)] struct D { a: u8, b: u8, c: u8 }
             struct E(std::option::Option<bool>);
             #[cfg(test)] struct F { a: u8, b: u8, c: u8 }",
        )]);
        let found = largest(&workspace, 5);
        let names: Vec<_> = found
            .iter()
            .map(|(name, _, fields)| (name.as_str(), *fields))
            .collect();
        assert_eq!(names, [("a::A", 2), ("a::E", 1)]);
        assert_eq!(count(&workspace.crates[0].files, "bool"), 2);
        assert_eq!(count(&workspace.crates[0].files, "Option"), 2);
    }
}
