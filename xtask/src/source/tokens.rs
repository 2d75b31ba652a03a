//! Code as a flat row of tokens: what stands inside macros is seen, too.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// One token, with the place where it stands.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) ident: bool,
    /// First and last line, from 1.
    pub(crate) lines: (usize, usize),
    /// Where it ends on its last line, in characters.
    pub(crate) end: usize,
}

/// Returns all tokens of something, with the brackets of its groups.
pub(crate) fn of(code: &impl ToTokens) -> Vec<Token> {
    flat(code.to_token_stream())
}

/// Returns all tokens of a stream, with the brackets of its groups.
pub(crate) fn flat(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    add(stream, &mut tokens);
    tokens
}

fn add(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => {
                        add(group.stream(), tokens);
                        continue;
                    }
                };
                tokens.push(token(open.to_owned(), false, group.span_open()));
                add(group.stream(), tokens);
                tokens.push(token(close.to_owned(), false, group.span_close()));
            }
            TokenTree::Ident(ident) => tokens.push(token(ident.to_string(), true, ident.span())),
            TokenTree::Punct(punct) => {
                tokens.push(token(punct.as_char().to_string(), false, punct.span()));
            }
            TokenTree::Literal(literal) => {
                tokens.push(token(literal.to_string(), false, literal.span()));
            }
        }
    }
}

fn token(text: String, ident: bool, span: proc_macro2::Span) -> Token {
    Token {
        text,
        ident,
        lines: (span.start().line, span.end().line),
        end: span.end().column,
    }
}

/// Returns how often these tokens follow each other.
pub(crate) fn occurrences(tokens: &[Token], wanted: &[&str]) -> usize {
    tokens
        .windows(wanted.len())
        .filter(|window| {
            window
                .iter()
                .zip(wanted)
                .all(|(token, text)| token.text == *text)
        })
        .count()
}
