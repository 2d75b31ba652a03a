//! What a schema says at first sight.

use anyhow::{Context, Result, bail};
use oas3::spec::{ObjectOrReference, ObjectSchema, Schema, SchemaType, SchemaTypeSet};

/// A schema, seen through its wrappers.
pub(super) enum View<'a> {
    /// `true` or `{}`.
    Anything,
    Inline(&'a ObjectSchema),
    Reference {
        name: &'a str,
        doc: Option<&'a str>,
    },
}

/// Opens the wrappers.
pub(super) fn view(schema: &Schema) -> Result<View<'_>> {
    Ok(match schema {
        Schema::Boolean(any) if any.0 => View::Anything,
        Schema::Boolean(_) => bail!("a schema that nothing fits is not supported"),
        Schema::Object(schema) => match schema.as_ref() {
            ObjectOrReference::Ref {
                ref_path,
                description,
                ..
            } => View::Reference {
                name: component_name(ref_path)?,
                doc: description.as_deref(),
            },
            ObjectOrReference::Object(schema) if *schema == ObjectSchema::default() => {
                View::Anything
            }
            ObjectOrReference::Object(schema) => View::Inline(schema),
        },
    })
}

/// Returns the component that a reference means.
pub(super) fn component_name(reference: &str) -> Result<&str> {
    let name = reference.strip_prefix("#/components/schemas/");
    name.with_context(|| format!("reference {reference} is not supported"))
}

/// Returns the description that stands with a schema or with its reference.
pub(super) fn doc_of(schema: &Schema) -> String {
    let doc = match view(schema) {
        Ok(View::Inline(schema)) => schema.description.as_deref(),
        Ok(View::Reference { doc, .. }) => doc,
        Ok(View::Anything) | Err(_) => None,
    };
    doc.unwrap_or_default().trim().to_owned()
}

/// Returns a member of `anyOf` that says only which fields must be there.
pub(super) fn is_list_of_required(schema: &ObjectSchema) -> bool {
    let only = ObjectSchema {
        required: schema.required.clone(),
        ..ObjectSchema::default()
    };
    !schema.required.is_empty() && *schema == only
}

/// Returns whether a field of this schema that is absent means the same as its type's empty value. The keyword `default` would
/// say so too, but not with `null`, and its other values are for the server to fill in.
pub(super) fn is_or_default(schema: &ObjectSchema) -> bool {
    schema.extensions.get("or-default") == Some(&serde_json::Value::Bool(true))
}

/// Which types a schema admits beside `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Any,
    One(SchemaType),
    TextOrInteger,
    Several,
}

/// Returns the one type of a schema beside `null`.
pub(super) fn single_type(schema: &ObjectSchema) -> Kind {
    match &schema.schema_type {
        None => Kind::Any,
        Some(SchemaTypeSet::Single(one)) => Kind::One(*one),
        Some(SchemaTypeSet::Multiple(several)) => {
            match several
                .iter()
                .filter(|one| **one != SchemaType::Null)
                .collect::<Vec<_>>()
                .as_slice()
            {
                [] => Kind::One(SchemaType::Null),
                [one] => Kind::One(**one),
                [SchemaType::String, SchemaType::Integer] => Kind::TextOrInteger,
                [SchemaType::Integer, SchemaType::String] => Kind::TextOrInteger,
                _ => Kind::Several,
            }
        }
    }
}
