//! Structs: what is sent is serialised, what is received is read tolerantly.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{
    model::{Field, Model, Presence, Type, TypeDef},
    names, syntax,
};

/// Writes one struct with its conversions.
pub(super) fn item(
    model: &Model,
    def: &TypeDef,
    fields: &[Field],
    is_open: bool,
    docs: &TokenStream,
) -> TokenStream {
    let name = format_ident!("{}", def.name);
    let usage = def.usage;
    let has_extra = usage.in_reply || is_open;
    let mut derives = vec![quote!(Debug), quote!(Clone), quote!(PartialEq)];
    if model.fields_have_defaults(fields) {
        derives.push(quote!(Default));
    }
    let derives_serialize = usage.in_request && !has_extra;
    if derives_serialize {
        derives.push(quote!(serde::Serialize));
    }
    // Callers build requests, so those must stay buildable from outside.
    let non_exhaustive = (!usage.in_request).then(|| quote!(#[non_exhaustive]));
    let members = fields.iter().map(|field| {
        let is_lenient = !usage.in_request && model.is_list_of_objects(&field.ty);
        member(field, derives_serialize, is_lenient)
    });
    let extra = has_extra.then(|| {
        let doc = if usage.in_reply {
            " Fields that the specification does not name, and those of another type than it says."
        } else {
            " Fields that the specification does not name; one that is set above is not sent twice."
        };
        quote! {
            #[doc = #doc]
            pub extra: serde_json::Map<String, serde_json::Value>,
        }
    });
    let reading = usage.in_reply.then(|| reading(def, fields));
    let writing = (usage.in_request && has_extra).then(|| writing(def, fields));
    quote! {
        #docs
        #[derive(#(#derives),*)]
        #non_exhaustive
        pub struct #name {
            #(#members)*
            #extra
        }

        #reading
        #writing
    }
}

/// Returns a field in its struct, with what a derived `Serialize` needs to know. One bad entry spoils no lenient list.
pub(super) fn member(field: &Field, derives_serialize: bool, is_lenient: bool) -> TokenStream {
    let name = names::ident(&field.rust);
    let docs = syntax::docs(&field.doc, String::new);
    let ty = match &field.ty {
        Type::List(item) if is_lenient => {
            let item = syntax::ty(item);
            quote!(wire::LenientList<#item>)
        }
        other => syntax::ty(other),
    };
    let ty = match field.presence {
        Presence::Needed | Presence::OrDefault => ty,
        Presence::Optional => quote!(Option<#ty>),
    };
    let mut attributes = quote!();
    if derives_serialize {
        let wire = &field.wire;
        if name != wire && name != format!("r#{wire}") {
            attributes.extend(quote!(#[serde(rename = #wire)]));
        }
        if field.presence == Presence::Optional {
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

/// Returns what is sent of a struct with a map of other fields: a name that is in both is sent once.
fn writing(def: &TypeDef, fields: &[Field]) -> TokenStream {
    let name = format_ident!("{}", def.name);
    let writes = fields.iter().map(|field| {
        let (wire, member) = (&field.wire, names::ident(&field.rust));
        let write = quote!(object.field(#wire, &self.#member)?;);
        match field.presence {
            Presence::Needed | Presence::OrDefault => write,
            Presence::Optional if field.ty == Type::Json => {
                quote!(if !wire::is_absent(&self.#member) { #write })
            }
            Presence::Optional => quote!(if self.#member.is_some() { #write }),
        }
    });
    quote! {
        impl serde::Serialize for #name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = wire::ObjectWriter::<S>::new(serializer)?;
                #(#writes)*
                object.finish(&self.extra)
            }
        }
    }
}

/// Returns the tolerant reader: one pass over the fields, judged at the end.
fn reading(def: &TypeDef, fields: &[Field]) -> TokenStream {
    let name = format_ident!("{}", def.name);
    let owner = &def.name;
    let expected = format!("{} {owner} object", article(owner));
    let needs_something = fields
        .iter()
        .any(|field| field.presence == Presence::Needed);
    let fallible = needs_something.then(|| {
        quote!(
            const FALLIBLE: bool = true;
        )
    });
    let reading = read_fields(&fields.iter().collect::<Vec<_>>());
    let inits = inits(owner, fields);
    let deserialize = deserialize(&name);
    quote! {
        impl wire::FromWire for #name {
            const EXPECTED: &'static str = #expected;
            #fallible

            fn from_map<'de, A: serde::de::MapAccess<'de>>(mut map: A) -> Result<wire::Taken<Self>, A::Error> {
                #reading
                Ok(wire::Taken::Is(Self { #inits extra }))
            }
        }

        #deserialize
    }
}

/// Reads every field of `map` into its slot or into `extra`.
pub(super) fn read_fields(fields: &[&Field]) -> TokenStream {
    let mut slots = quote!();
    let mut arms = quote!();
    for field in fields {
        let (wire, slot) = (&field.wire, slot(field));
        if field.presence == Presence::Needed {
            slots.extend(quote!(let mut #slot = wire::Taken::Null;));
            arms.extend(quote!(#wire => #slot = wire::value(&mut map)?,));
        } else {
            slots.extend(quote!(let mut #slot = None;));
            arms.extend(quote!(#wire => wire::optional(&mut map, #wire, &mut #slot, &mut extra)?,));
        }
    }
    quote! {
        #slots
        let mut extra = serde_json::Map::new();
        while let Some(key) = map.next_key::<wire::Key<'de>>()? {
            match key.as_str() {
                #arms
                _ => wire::unknown(&mut map, key, &mut extra)?,
            }
        }
    }
}

/// Returns the local that a field is read into. With a prefix, no field can hide another local.
pub(super) fn slot(field: &Field) -> Ident {
    format_ident!("field_{}", field.rust)
}

/// Returns the fields in a struct expression, from their slots.
pub(super) fn inits(owner: &str, fields: &[Field]) -> TokenStream {
    let mut inits = quote!();
    for field in fields {
        let (wire, member, slot) = (&field.wire, names::ident(&field.rust), slot(field));
        inits.extend(match field.presence {
            Presence::Needed => quote!(#member: #slot.need(#owner, #wire)?,),
            Presence::OrDefault => quote!(#member: #slot.unwrap_or_default(),),
            Presence::Optional => quote!(#member: #slot,),
        });
    }
    inits
}

/// `Deserialize` by the tolerant reader.
pub(super) fn deserialize(name: &Ident) -> TokenStream {
    quote! {
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
