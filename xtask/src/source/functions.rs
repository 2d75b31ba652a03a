//! The functions of a file: how long each is, and the comments inside.

use std::collections::BTreeMap;

use syn::{
    Block, Expr, Stmt,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::tokens::{self, Token};

/// One function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    /// The lines of its signature and its body.
    pub(crate) lines: (usize, usize),
    /// Its body is one table: a row for each case, and nothing else.
    pub(crate) table: bool,
    /// It stands inside another.
    pub(crate) inner: bool,
}

impl Function {
    pub(crate) fn length(&self) -> usize {
        self.lines.1 - self.lines.0 + 1
    }
}

/// Returns all functions of a file, in their order.
pub(crate) fn of(file: &syn::File) -> Vec<Function> {
    let mut finder = Finder {
        found: Vec::new(),
        depth: 0,
    };
    finder.visit_file(file);
    finder.found
}

struct Finder {
    found: Vec<Function>,
    depth: usize,
}

impl Finder {
    fn add(&mut self, signature: &syn::Signature, body: &Block) {
        self.found.push(Function {
            name: signature.ident.to_string(),
            lines: (signature.span().start().line, body.span().end().line),
            table: is_table(body),
            inner: self.depth > 0,
        });
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.add(&item.sig, &item.block);
        self.depth += 1;
        visit::visit_item_fn(self, item);
        self.depth -= 1;
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        self.depth += 1;
        visit::visit_impl_item_fn(self, item);
        self.depth -= 1;
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        self.depth += 1;
        visit::visit_trait_item_fn(self, item);
        self.depth -= 1;
    }
}

/// Returns whether a body is nothing but rows: a list, a struct, or a match whose arms are expressions without statements.
fn is_table(body: &Block) -> bool {
    let [Stmt::Expr(expr, _)] = body.stmts.as_slice() else {
        return matches!(body.stmts.as_slice(), [Stmt::Macro(_)]);
    };
    match expr {
        Expr::Match(expr) => expr.arms.iter().all(|arm| match &*arm.body {
            Expr::Block(block) => {
                matches!(block.block.stmts.as_slice(), [] | [Stmt::Expr(_, None)])
            }
            _ => true,
        }),
        Expr::Array(_) | Expr::Struct(_) | Expr::Macro(_) => true,
        Expr::Reference(expr) => matches!(&*expr.expr, Expr::Array(_)),
        _ => false,
    }
}

/// The lines of functions: those with code, and those with a comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Commented {
    pub(crate) code: usize,
    pub(crate) comments: usize,
}

/// Returns the code and the comments inside the functions of a file.
pub(crate) fn comments(text: &str, file: &syn::File) -> Commented {
    let tokens = tokens::of(file);
    let covered = covered(&tokens);
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Commented::default();
    for function in of(file).iter().filter(|function| !function.inner) {
        for number in function.lines.0..=function.lines.1 {
            let end = covered.get(&number).copied();
            found.code += usize::from(end.is_some());
            let rest = lines.get(number - 1).map_or("", |line| {
                let start = line.char_indices().nth(end.unwrap_or(0));
                start.map_or("", |(start, _)| &line[start..])
            });
            found.comments += usize::from(rest.trim_start().starts_with("//"));
        }
    }
    found
}

/// Returns where the last token ends on each line that has one; a line inside a token has no end.
fn covered(tokens: &[Token]) -> BTreeMap<usize, usize> {
    let mut covered = BTreeMap::new();
    for token in tokens {
        for line in token.lines.0..token.lines.1 {
            covered.insert(line, usize::MAX);
        }
        let end = covered.entry(token.lines.1).or_insert(0);
        *end = token.end.max(*end);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_as_long_as_its_signature_and_body() {
        let text = "/// Words.\nfn a(\n    b: u8,\n) {\n    fn c() {}\n}\n";
        let found = of(&syn::parse_file(text).unwrap());
        assert_eq!(
            found
                .iter()
                .map(|function| (function.length(), function.inner))
                .collect::<Vec<_>>(),
            [(5, false), (1, true)]
        );
    }

    #[test]
    fn rows_are_a_table_and_statements_are_not() {
        let table =
            |body: &str| of(&syn::parse_file(&format!("fn a() {{ {body} }}")).unwrap())[0].table;
        assert!(table("match x { A => 1, B => { 2 } }"));
        assert!(table("[1, 2]"));
        assert!(!table("match x { A => { b(); c() } }"));
        assert!(!table("let x = 1; [x]"));
    }

    #[test]
    fn comments_inside_functions_are_counted_and_texts_are_not() {
        let text = "// Outside.\nfn a() {\n    // Why.\n    b(); // And why.\n    c(\"\n// text\n\");\n    /// Words.\n    const D: u8 = 1;\n\n}\n";
        assert_eq!(
            comments(text, &syn::parse_file(text).unwrap()),
            Commented {
                code: 8,
                comments: 2
            }
        );
    }
}
