//! The commands and options of the program, as its argument types declare them.

use syn::visit::{self, Visit};

use crate::source::{self, Workspace};

/// Commands (those that hold others apart) and options: each that is declared, once.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Program {
    pub(crate) commands: usize,
    pub(crate) options: usize,
}

/// Reads the program in `crates/cli`.
pub(crate) fn of(workspace: &Workspace) -> Program {
    let mut program = Program::default();
    if let Some(cli) = workspace.find("crates/cli") {
        for file in cli.sources() {
            program.visit_file(&file.built);
        }
    }
    program
}

impl Program {
    fn fields(&mut self, fields: &syn::Fields) {
        for field in fields {
            self.options += usize::from(says(&field.attrs, "arg", "long"));
        }
    }
}

impl<'a> Visit<'a> for Program {
    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        if source::derives(&item.attrs, &["Subcommand"]) {
            for variant in &item.variants {
                let holds = says(&variant.attrs, "command", "subcommand");
                self.commands += usize::from(!holds);
                self.fields(&variant.fields);
            }
        }
        visit::visit_item_enum(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        if source::derives(&item.attrs, &["Args", "Parser"]) {
            self.fields(&item.fields);
        }
        visit::visit_item_struct(self, item);
    }
}

/// Returns whether `#[attr(.., word, ..)]` or `#[attr(.., word = .., ..)]` stands there.
fn says(attrs: &[syn::Attribute], attr: &str, word: &str) -> bool {
    let lists = attrs.iter().filter(|found| found.path().is_ident(attr));
    let mut said = lists.flat_map(source::arguments);
    said.any(|meta| meta.path().is_ident(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_options_are_counted_where_they_are_declared() {
        let workspace = Workspace::of(&[(
            "crates/cli/src/args/mod.rs",
            "#[derive(Parser)] struct Cli { #[command(flatten)] g: G, #[command(subcommand)] c: C }
             #[derive(Debug, Args)] struct G { #[arg(short, long, value_parser = range(1, 2))] a: u8, #[arg(value_name = \"long\")] b: u8 }
             #[derive(Subcommand)] enum C { A(G), B { #[arg(long = \"x\")] x: u8 }, #[command(subcommand)] D(E) }
             #[derive(Subcommand)] enum E { F, H }
             struct Not { #[arg(long)] a: u8 }",
        )]);
        assert_eq!(
            of(&workspace),
            Program {
                commands: 4,
                options: 2
            }
        );
    }
}
