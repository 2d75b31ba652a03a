//! Structs: what is sent is serialised, what is received is read tolerantly.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{
    emit,
    model::{Field, Model, Type, TypeDef},
    names,
};

/// Writes one struct with its conversions.
pub(super) fn item(
    model: &Model,
    def: &TypeDef,
    fields: &[Field],
    docs: &TokenStream,
) -> TokenStream {
    let name = format_ident!("{}", def.name);
    let usage = def.usage;
    let mut derives = vec![quote!(Debug), quote!(Clone), quote!(PartialEq)];
    if model.fields_have_defaults(fields) {
        derives.push(quote!(Default));
    }
    if usage.in_request {
        derives.push(quote!(serde::Serialize));
    }
    // Callers build requests, so those must stay buildable from outside.
    let non_exhaustive = (!usage.in_request).then(|| quote!(#[non_exhaustive]));
    let members = fields.iter().map(|field| member(field, usage.in_request));
    let extra = usage.in_reply.then(|| {
        let flatten = usage.in_request.then(|| quote!(#[serde(flatten)]));
        quote! {
            /// Fields that the specification does not name, and those of another type than it says.
            #flatten
            pub extra: serde_json::Map<String, serde_json::Value>,
        }
    });
    let reading = usage.in_reply.then(|| reading(def, fields));
    quote! {
        #docs
        #[derive(#(#derives),*)]
        #non_exhaustive
        pub struct #name {
            #(#members)*
            #extra
        }

        #reading
    }
}

fn member(field: &Field, is_sent: bool) -> TokenStream {
    let name = names::ident(&field.rust);
    let docs = emit::docs(&field.doc, String::new);
    let ty = emit::ty(&field.ty);
    let ty = if field.required {
        ty
    } else {
        quote!(Option<#ty>)
    };
    let mut attributes = quote!();
    if is_sent {
        let wire = &field.wire;
        if name != wire && name != format!("r#{wire}") {
            attributes.extend(quote!(#[serde(rename = #wire)]));
        }
        if !field.required {
            let skip = if field.ty == Type::Json {
                "wire::is_absent"
            } else {
                "Option::is_none"
            };
            attributes.extend(quote!(#[serde(skip_serializing_if = #skip)]));
        }
    }
    quote!(#docs #attributes pub #name: #ty,)
}

/// The tolerant reader: one pass over the fields, judged at the end.
fn reading(def: &TypeDef, fields: &[Field]) -> TokenStream {
    let name = format_ident!("{}", def.name);
    let owner = &def.name;
    let expected = format!("{} {owner} object", article(owner));
    let needs_something = fields.iter().any(|field| field.required);
    let fallible = needs_something.then(|| {
        quote!(
            const FALLIBLE: bool = true;
        )
    });
    let mut slots = quote!();
    let mut arms = quote!();
    let mut members = quote!();
    for field in fields {
        let (wire, member) = (&field.wire, names::ident(&field.rust));
        // With a prefix, no field can hide another local.
        let slot = format_ident!("field_{}", field.rust);
        if field.required {
            slots.extend(quote!(let mut #slot = wire::Taken::Null;));
            arms.extend(quote!(#wire => #slot = wire::value(&mut map)?,));
            members.extend(quote!(#member: #slot.need(#owner, #wire)?,));
        } else {
            slots.extend(quote!(let mut #slot = None;));
            arms.extend(quote!(#wire => wire::optional(&mut map, #wire, &mut #slot, &mut extra)?,));
            members.extend(quote!(#member: #slot,));
        }
    }
    quote! {
        impl wire::FromWire for #name {
            const EXPECTED: &'static str = #expected;
            #fallible

            fn from_map<'de, A: serde::de::MapAccess<'de>>(mut map: A) -> Result<wire::Taken<Self>, A::Error> {
                #slots
                let mut extra = serde_json::Map::new();
                while let Some(key) = map.next_key::<wire::Key<'de>>()? {
                    match key.as_str() {
                        #arms
                        _ => wire::unknown(&mut map, key, &mut extra)?,
                    }
                }
                Ok(wire::Taken::Is(Self { #members extra }))
            }
        }

        impl<'de> serde::Deserialize<'de> for #name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                wire::read(deserializer)
            }
        }
    }
}

fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    }
}
