//! Enums. Those of replies are open: what the specification lists, and room for what it does not.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{model::Variant, syntax};

/// Writes an enum that is only sent.
pub(super) fn closed(name: &Ident, variants: &[Variant], docs: &TokenStream) -> TokenStream {
    let (idents, wires, variant_docs) = parts(variants);
    let conversions = to_text(name);
    quote! {
        #docs
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum #name {
            #(#variant_docs #idents,)*
        }

        impl #name {
            /// Every value that the specification lists, in its order.
            pub const ALL: &[Self] = &[#(Self::#idents),*];

            /// Returns the value as it is on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    #(Self::#idents => #wires,)*
                }
            }
        }

        #conversions
    }
}

/// Writes an enum that is read, with its conversions.
pub(super) fn open(name: &Ident, variants: &[Variant], docs: &TokenStream) -> TokenStream {
    let (idents, wires, variant_docs) = parts(variants);
    let (from_text, conversions) = (from_text(name), to_text(name));
    quote! {
        #docs
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum #name {
            #(#variant_docs #idents,)*
            /// A value that the specification does not list, as it came; JSON text if it was not a string.
            Unknown(String),
        }

        impl #name {
            /// Returns the value as it is on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#idents => #wires,)*
                    Self::Unknown(value) => value,
                }
            }

            fn known(value: &str) -> Option<Self> {
                match value {
                    #(#wires => Some(Self::#idents),)*
                    _ => None,
                }
            }
        }

        #from_text

        impl wire::FromWire for #name {
            const EXPECTED: &'static str = "a string";

            fn from_text(text: &str) -> Option<Self> {
                Some(Self::from(text))
            }

            fn from_json(value: serde_json::Value) -> Result<Self, serde_json::Value> {
                Ok(Self::Unknown(value.to_string()))
            }
        }

        impl<'de> serde::Deserialize<'de> for #name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                wire::read(deserializer)
            }
        }

        #conversions
    }
}

fn parts(variants: &[Variant]) -> (Vec<Ident>, Vec<&str>, Vec<TokenStream>) {
    let idents = variants
        .iter()
        .map(|variant| format_ident!("{}", variant.rust));
    let wires = variants.iter().map(|variant| variant.wire.as_str());
    let docs = variants
        .iter()
        .map(|variant| syntax::docs(&variant.doc, String::new));
    (idents.collect(), wires.collect(), docs.collect())
}

fn from_text(name: &Ident) -> TokenStream {
    quote! {
        impl From<&str> for #name {
            fn from(value: &str) -> Self {
                Self::known(value).unwrap_or_else(|| Self::Unknown(value.to_owned()))
            }
        }

        impl From<String> for #name {
            fn from(value: String) -> Self {
                Self::known(&value).unwrap_or(Self::Unknown(value))
            }
        }
    }
}

fn to_text(name: &Ident) -> TokenStream {
    quote! {
        impl std::fmt::Display for #name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for #name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    }
}
