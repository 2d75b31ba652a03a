//! From the model to a Rust file.

use anyhow::{Context, Result};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{
    HEADER, emit_enum, emit_list, emit_struct,
    model::{Model, Operation, Shape},
    names,
    syntax::{docs, escaped, ty},
};

/// Writes a whole file.
pub(super) fn file(model: &Model) -> Result<String> {
    let mut items = quote!();
    for def in &model.types {
        let name = format_ident!("{}", def.name);
        let docs = docs(&def.doc, || format!("`{}` of the specification.", def.name));
        items.extend(match &def.shape {
            Shape::Struct { fields, is_open } => {
                emit_struct::item(model, def, fields, *is_open, &docs)
            }
            Shape::List(list) => emit_list::item(def, list, &docs),
            Shape::Enum {
                variants,
                is_open: true,
            } => emit_enum::open(&name, variants, &docs),
            Shape::Enum {
                variants,
                is_open: false,
            } => emit_enum::closed(&name, variants, &docs),
            Shape::Alias(target) => {
                let target = ty(target);
                quote!(#docs pub type #name = #target;)
            }
        });
    }
    if !model.operations.is_empty() {
        items.extend(operations(&model.operations));
    }
    let mut parsed: syn::File =
        syn::parse2(items).context("the emitter wrote something that is not Rust")?;
    let about = format!(
        "Wire types of \"{}\", version {}.",
        model.title, model.version
    );
    let mut text = format!("{HEADER}\n\n//! {}\n\nuse crate::wire;\n", escaped(&about));
    // One by one, because the printer leaves no empty line between items.
    for item in std::mem::take(&mut parsed.items) {
        parsed.items = vec![item];
        text.push('\n');
        text.push_str(&prettyplease::unparse(&parsed));
    }
    Ok(text)
}

fn operations(operations: &[Operation]) -> TokenStream {
    let names: Vec<_> = operations
        .iter()
        .map(|operation| format_ident!("{}", names::screaming(&operation.id)))
        .collect();
    let consts = operations.iter().zip(&names).map(|(operation, name)| {
        let Operation {
            id,
            method,
            path,
            takes_body,
            doc,
        } = operation;
        let body = takes_body.then(|| quote!(.with_body()));
        let docs = docs(doc, || format!("`{id}`."));
        quote! {
            #docs
            pub const #name: OperationSpec = OperationSpec::new(#id, #method, #path) #body;
        }
    });
    quote! {
        /// The operations of the specification.
        pub mod operations {
            use crate::wire::OperationSpec;
            #(#consts)*
            /// All of them, in the specification's order.
            pub const ALL: &[OperationSpec] = &[#(#names),*];
        }
    }
}
