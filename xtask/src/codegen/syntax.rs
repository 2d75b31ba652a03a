//! What every emitter writes: types and documentation.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::model::Type;

/// Returns a type in Rust.
pub(super) fn ty(ty: &Type) -> TokenStream {
    match ty {
        Type::Text => quote!(String),
        Type::Secret => quote!(wire::Secret),
        Type::Bool => quote!(bool),
        Type::I32 => quote!(i32),
        Type::I64 => quote!(i64),
        Type::U64 => quote!(u64),
        Type::F64 => quote!(f64),
        Type::Uuid => quote!(wire::Uuid),
        Type::DateTime => quote!(wire::DateTime),
        Type::Token => quote!(wire::Token),
        Type::Json => quote!(serde_json::Value),
        Type::JsonObject => quote!(serde_json::Map<String, serde_json::Value>),
        Type::List(item) => {
            let item = self::ty(item);
            quote!(Vec<#item>)
        }
        Type::Named(name) => {
            let name = format_ident!("{name}");
            quote!(#name)
        }
    }
}

/// Returns a doc comment.
pub(super) fn docs(text: &str, otherwise: impl FnOnce() -> String) -> TokenStream {
    let text = if text.is_empty() {
        otherwise()
    } else {
        escaped(text)
    };
    let lines = text.lines().map(|line| format!(" {line}"));
    quote!(#(#[doc = #lines])*)
}

/// Returns text in which rustdoc sees neither links nor tags.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut is_code = false;
    for letter in text.chars() {
        is_code ^= letter == '`';
        if !is_code && matches!(letter, '[' | ']' | '<' | '>' | '*' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
