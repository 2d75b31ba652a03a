//! Lists that stand alone or in an object: one struct for both.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::{
    emit_struct,
    model::{Field, List, Presence, Type, TypeDef},
    names,
};

/// Writes the struct and its reader.
pub(super) fn item(def: &TypeDef, list: &List, docs: &TokenStream) -> TokenStream {
    let (name, owner) = (format_ident!("{}", def.name), &def.name);
    let doc = format!(
        "The items, which stand alone or under {}.",
        enumerated(&list.names, '`')
    );
    let items = field(list, &list.names[0], doc, Presence::OrDefault);
    let member = names::ident(&items.rust);
    let members = std::iter::once(&items).chain(&list.fields);
    let members = members.map(|field| emit_struct::member(field, false, field.rust == items.rust));
    // In the object each name is an optional field.
    let lists = list.names.iter();
    let lists: Vec<_> = lists
        .map(|name| field(list, name, String::new(), Presence::Optional))
        .collect();
    let fields: Vec<_> = lists.iter().chain(&list.fields).collect();
    let (names, slots) = (&list.names, lists.iter().map(emit_struct::slot));
    let inits = emit_struct::inits(owner, &list.fields);
    let reading = emit_struct::read_fields(&fields);
    let expected = format!("an array, alone or under {}", enumerated(&list.names, '"'));
    let deserialize = emit_struct::deserialize(&name);
    quote! {
        #docs
        #[derive(Debug, Clone, PartialEq, Default)]
        #[non_exhaustive]
        pub struct #name {
            #(#members)*
            /// Fields that the specification does not name, and those of another type than it says.
            pub extra: serde_json::Map<String, serde_json::Value>,
        }

        impl wire::FromWire for #name {
            const EXPECTED: &'static str = #expected;
            const FALLIBLE: bool = true;

            fn from_seq<'de, A: serde::de::SeqAccess<'de>>(seq: A) -> Result<wire::Taken<Self>, A::Error> {
                Ok(wire::Taken::Is(Self { #member: wire::entries(seq)?, ..Self::default() }))
            }

            fn from_map<'de, A: serde::de::MapAccess<'de>>(mut map: A) -> Result<wire::Taken<Self>, A::Error> {
                #reading
                let #member = wire::first_list(#owner, [#((#names, #slots)),*])?;
                Ok(wire::Taken::Is(Self { #member, #inits extra }))
            }
        }

        #deserialize
    }
}

/// Returns the field that holds the items under one of their names.
fn field(list: &List, name: &str, doc: String, presence: Presence) -> Field {
    Field {
        wire: name.to_owned(),
        rust: names::snake(name),
        doc,
        ty: Type::List(Box::new(list.item.clone())),
        presence,
    }
}

/// `a`, `b` or `c`.
fn enumerated(names: &[String], quote: char) -> String {
    let quoted: Vec<_> = names
        .iter()
        .map(|name| format!("{quote}{name}{quote}"))
        .collect();
    match quoted.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => quoted.concat(),
    }
}
