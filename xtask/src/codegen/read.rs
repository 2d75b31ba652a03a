//! From an OpenAPI document to the model.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use oas3::{
    Spec,
    spec::{ObjectSchema, Schema, SchemaType},
};

use super::{
    model::{Field, List, Model, Operation, Presence, Shape, Type, TypeDef, Usage, Variant},
    names,
    view::{
        Kind, View, component_name, doc_of, is_list_of_required, is_or_default, single_type, view,
    },
};

/// Reads the types that JSON requests and replies are made of, and the operations.
pub(super) fn model(spec: &Spec) -> Result<Model> {
    let mut reader = Reader {
        spec,
        usage: BTreeMap::new(),
        types: Vec::new(),
    };
    let operations = reader.operations()?;
    let schemas = spec
        .components
        .iter()
        .flat_map(|components| components.schemas.iter());
    for (name, schema) in schemas {
        if let Some(&usage) = reader.usage.get(name) {
            reader
                .define(name, schema, usage)
                .with_context(|| format!("schema {name}"))?;
        }
    }
    let mut seen = BTreeSet::new();
    for def in &reader.types {
        ensure!(seen.insert(&def.name), "two types are called {}", def.name);
    }
    Ok(Model {
        title: spec.info.title.clone(),
        version: spec.info.version.clone(),
        types: reader.types,
        operations,
    })
}

struct Reader<'a> {
    spec: &'a Spec,
    /// How each component schema is used; those that are not are not written.
    usage: BTreeMap<String, Usage>,
    types: Vec<TypeDef>,
}

const REQUEST: Usage = Usage {
    in_request: true,
    in_reply: false,
};
const REPLY: Usage = Usage {
    in_request: false,
    in_reply: true,
};

/// Finding out what is used, and how.
impl<'a> Reader<'a> {
    fn operations(&mut self) -> Result<Vec<Operation>> {
        let mut operations = Vec::new();
        for (path, item) in self.spec.paths.iter().flatten() {
            for (method, operation) in item.methods() {
                let id = operation.operation_id.clone();
                let id = id.with_context(|| format!("{method} {path} has no operationId"))?;
                for parameter in item.parameters.iter().chain(&operation.parameters) {
                    let parameter = parameter.resolve(self.spec)?;
                    parameter
                        .schema
                        .iter()
                        .try_for_each(|schema| self.mark(schema, REQUEST))?;
                }
                let body = operation.request_body(self.spec)?;
                let takes_body = body.is_some();
                if let Some(body) = body {
                    for (media_type, content) in body.content.iter() {
                        // The parts of a multipart body belong to its encoder.
                        if !media_type.starts_with("multipart/") {
                            content
                                .schema
                                .iter()
                                .try_for_each(|schema| self.mark(schema, REQUEST))?;
                        }
                    }
                }
                for (status, response) in operation.responses.iter().flatten() {
                    let response = response.resolve(self.spec);
                    let response = response.with_context(|| format!("reply {status} of {id}"))?;
                    for (media_type, content) in &response.content {
                        // The text of an event stream belongs to its decoder.
                        if media_type != "text/event-stream" {
                            content
                                .schema
                                .iter()
                                .try_for_each(|schema| self.mark(schema, REPLY))?;
                        }
                    }
                }
                operations.push(Operation {
                    id,
                    method: method.as_str().to_owned(),
                    path: path.clone(),
                    takes_body,
                    doc: operation.summary.clone().unwrap_or_default(),
                });
            }
        }
        Ok(operations)
    }

    /// Marks every component schema that can be reached from this one.
    fn mark(&mut self, schema: &Schema, usage: Usage) -> Result<()> {
        let schema = match view(schema)? {
            View::Anything => return Ok(()),
            View::Inline(schema) => schema,
            View::Reference { name, .. } => return self.mark_component(name, usage),
        };
        let nested = schema.properties.values().chain(schema.items.as_deref());
        let nested = nested.chain(
            schema
                .all_of
                .iter()
                .chain(&schema.any_of)
                .chain(&schema.one_of),
        );
        for schema in nested {
            self.mark(schema, usage)?;
        }
        // What the any-JSON part of an event holds is told by the event's type.
        let by_type = schema.extensions.get("payload-by-type");
        for reference in by_type
            .and_then(|all| all.as_object())
            .iter()
            .flat_map(|all| all.values())
        {
            let reference = reference.as_str().unwrap_or_default();
            self.mark_component(component_name(reference)?, usage)?;
        }
        Ok(())
    }

    fn mark_component(&mut self, name: &str, usage: Usage) -> Result<()> {
        let known = self.usage.entry(name.to_owned()).or_default();
        let union = Usage {
            in_request: known.in_request || usage.in_request,
            in_reply: known.in_reply || usage.in_reply,
        };
        if *known == union {
            return Ok(());
        }
        *known = union;
        self.mark(self.component(name)?, usage)
    }

    fn component(&self, name: &str) -> Result<&'a Schema> {
        let components = self.spec.components.as_ref();
        components
            .and_then(|components| components.schemas.get(name))
            .with_context(|| format!("schema {name} is not there"))
    }
}

/// Reading schemas.
impl Reader<'_> {
    /// Defines the type of a component schema.
    fn define(&mut self, name: &str, schema: &Schema, usage: Usage) -> Result<()> {
        let place = Place {
            name: names::type_name(name),
            doc: doc_of(schema),
            usage,
        };
        let ty = self.ty(schema, &place)?.ty;
        if ty != Type::Named(place.name.clone()) {
            self.types.push(TypeDef {
                name: place.name,
                doc: place.doc,
                usage,
                shape: Shape::Alias(ty),
            });
        }
        Ok(())
    }

    /// Returns the type of a schema; a struct or an enum that is written inline gets the name of its place.
    fn ty(&mut self, schema: &Schema, place: &Place) -> Result<Found> {
        let schema = match view(schema)? {
            View::Anything => return Ok(Type::Json.into()),
            View::Inline(schema) => schema,
            View::Reference { name, .. } => {
                let mut found = Found::from(Type::Named(names::type_name(name)));
                if let View::Inline(target) = view(self.component(name)?)? {
                    found.nullable = target.is_nullable().unwrap_or(false);
                    found.or_default = is_or_default(target);
                }
                return Ok(found);
            }
        };
        let nullable = schema.is_nullable().unwrap_or(false);
        let or_default = is_or_default(schema);
        if !schema.enum_values.is_empty() {
            // What is only sent needs no room for values that this specification does not know.
            return self.an_enum(schema, place, place.usage.in_reply);
        }
        if !schema.all_of.is_empty() {
            return Ok(Found {
                ty: self.merged(schema, place)?,
                nullable,
                or_default,
            });
        }
        if let Some(found) = self.choice(schema, place)? {
            return Ok(found);
        }
        let ty = match single_type(schema) {
            Kind::Any if schema.properties.is_empty() => Type::Json,
            Kind::Any | Kind::One(SchemaType::Object) => self.object(schema, place)?,
            Kind::TextOrInteger => Type::Token,
            Kind::Several | Kind::One(SchemaType::Null) => Type::Json,
            Kind::One(SchemaType::Boolean) => Type::Bool,
            Kind::One(SchemaType::Number) => Type::F64,
            Kind::One(SchemaType::Integer) => match schema.format.as_deref() {
                Some("int32") => Type::I32,
                Some("uint64") => Type::U64,
                _ => Type::I64,
            },
            Kind::One(SchemaType::String) => match schema.format.as_deref() {
                Some("uuid") => Type::Uuid,
                Some("date-time") => Type::DateTime,
                Some("password") => Type::Secret,
                _ => Type::Text,
            },
            Kind::One(SchemaType::Array) => {
                let item = match &schema.items {
                    Some(items) => self.ty(items, &place.inner("Item", doc_of(items)))?.ty,
                    None => Type::Json,
                };
                Type::List(Box::new(item))
            }
        };
        Ok(Found {
            ty,
            nullable,
            or_default,
        })
    }

    fn an_enum(&mut self, schema: &ObjectSchema, place: &Place, is_open: bool) -> Result<Found> {
        let described = schema.extensions.get("enum-descriptions");
        let mut variants: Vec<Variant> = Vec::new();
        let mut nullable = schema.is_nullable().unwrap_or(false);
        for value in &schema.enum_values {
            let wire = match value {
                serde_json::Value::String(wire) => wire.clone(),
                serde_json::Value::Null => {
                    nullable = true;
                    continue;
                }
                _ => bail!("an enum of other than strings is not supported"),
            };
            let mut rust = names::pascal(&wire);
            if is_open && rust == "Unknown" {
                // That name is the open end's.
                rust = "UnknownValue".to_owned();
            }
            ensure!(
                variants.iter().all(|variant| variant.rust != rust),
                "two values are called {rust}"
            );
            let doc = described
                .and_then(|all| all.get(&wire))
                .and_then(|doc| doc.as_str());
            let doc = doc.map_or_else(|| format!("`{wire}`."), |doc| format!("`{wire}`: {doc}."));
            variants.push(Variant { wire, rust, doc });
        }
        self.push(place, Shape::Enum { variants, is_open });
        Ok(Found {
            ty: Type::Named(place.name.clone()),
            nullable,
            or_default: false,
        })
    }

    /// `allOf`: one struct of all fields. A single reference with nothing added is an alias.
    fn merged(&mut self, schema: &ObjectSchema, place: &Place) -> Result<Type> {
        if let [only] = schema.all_of.as_slice()
            && let View::Reference { .. } = view(only)?
            && schema.properties.is_empty()
        {
            return Ok(self.ty(only, place)?.ty);
        }
        let mut whole = ObjectSchema::default();
        self.collect(schema, &mut whole)?;
        self.object(&whole, place)
    }

    fn collect(&self, schema: &ObjectSchema, whole: &mut ObjectSchema) -> Result<()> {
        for member in &schema.all_of {
            let mut member = view(member)?;
            while let View::Reference { name, .. } = member {
                member = view(self.component(name)?)?;
            }
            if let View::Inline(member) = member {
                self.collect(member, whole)?;
            }
        }
        whole.properties.extend(
            schema
                .properties
                .iter()
                .map(|(name, field)| (name.clone(), field.clone())),
        );
        whole.required.extend(schema.required.iter().cloned());
        Ok(())
    }

    /// `anyOf` and `oneOf`, unless they only say which fields go together.
    fn choice(&mut self, schema: &ObjectSchema, place: &Place) -> Result<Option<Found>> {
        let mut types = Vec::new();
        let mut nullable = false;
        for member in schema.any_of.iter().chain(&schema.one_of) {
            match view(member)? {
                View::Anything => return Ok(Some(Type::Json.into())),
                View::Inline(member) if is_list_of_required(member) => {}
                View::Inline(member)
                    if matches!(single_type(member), Kind::One(SchemaType::Null)) =>
                {
                    nullable = true
                }
                View::Inline(_) | View::Reference { .. } => types.push(member),
            }
        }
        match types.as_slice() {
            [] => Ok(None),
            [only] => {
                let found = self.ty(only, place)?;
                Ok(Some(Found {
                    nullable: nullable || found.nullable,
                    ..found
                }))
            }
            [one, other] => {
                let found = self.one_of_two(one, other, place)?;
                Ok(Some(Found { nullable, ..found }))
            }
            _ => bail!("a choice between several types is not supported"),
        }
    }

    /// Two types of which each reply has one: an enum with an open end, or a list with or without an object around it.
    fn one_of_two(&mut self, one: &Schema, other: &Schema, place: &Place) -> Result<Found> {
        if let (View::Inline(one), View::Inline(other)) = (view(one)?, view(other)?) {
            let string = Kind::One(SchemaType::String);
            match (single_type(one), single_type(other)) {
                kinds if kinds == (string, string) => {
                    match (one.enum_values.is_empty(), other.enum_values.is_empty()) {
                        (false, true) => return self.an_enum(one, place, true),
                        (true, false) => return self.an_enum(other, place, true),
                        _ => {}
                    }
                }
                (Kind::One(SchemaType::Array), Kind::One(SchemaType::Object)) => {
                    return Ok(self.list(one, other, place)?.into());
                }
                (Kind::One(SchemaType::Object), Kind::One(SchemaType::Array)) => {
                    return Ok(self.list(other, one, place)?.into());
                }
                _ => {}
            }
        }
        bail!("a choice between several types is not supported")
    }

    /// Returns a list alone, or an object that holds such a list under one of the names of its lists.
    fn list(&mut self, alone: &ObjectSchema, object: &ObjectSchema, place: &Place) -> Result<Type> {
        ensure!(
            !place.usage.in_request,
            "a choice between an array and an object is not supported in requests"
        );
        ensure!(
            object.required.is_empty(),
            "an object that may also be its array alone cannot need fields"
        );
        let item = alone.items.as_deref().context("the array has no items")?;
        let mut names = Vec::new();
        let mut fields = Vec::new();
        for (wire, property) in object.properties.iter() {
            match view(property)? {
                View::Inline(list) if list.items.as_deref() == Some(item) => {
                    names.push(wire.clone())
                }
                _ => fields.push(self.field(wire, property, &[], place)?),
            }
        }
        ensure!(
            !names.is_empty(),
            "the object has no array of the items that stand alone in the other case"
        );
        let item = self.ty(item, &place.inner("Item", doc_of(item)))?.ty;
        self.push(
            place,
            Shape::List(List {
                item,
                names,
                fields,
            }),
        );
        Ok(Type::Named(place.name.clone()))
    }

    fn object(&mut self, schema: &ObjectSchema, place: &Place) -> Result<Type> {
        if schema.properties.is_empty() {
            return Ok(Type::JsonObject);
        }
        let mut fields: Vec<Field> = Vec::new();
        for (wire, property) in schema.properties.iter() {
            let field = self.field(wire, property, &schema.required, place)?;
            ensure!(
                fields.iter().all(|other| other.rust != field.rust),
                "two fields are called {}",
                field.rust
            );
            fields.push(field);
        }
        let is_open = match &schema.additional_properties {
            Some(open) => matches!(view(open)?, View::Anything),
            None => false,
        };
        if is_open && fields.iter().all(|field| field.ty == Type::Json) {
            return Ok(Type::Json);
        }
        self.push(place, Shape::Struct { fields, is_open });
        Ok(Type::Named(place.name.clone()))
    }

    fn field(
        &mut self,
        wire: &str,
        property: &Schema,
        required: &[String],
        place: &Place,
    ) -> Result<Field> {
        let mut rust = names::snake(wire);
        if rust == "extra" {
            // That name is the map's.
            rust = "extra_field".to_owned();
        }
        let inner = place.inner(&names::pascal(wire), doc_of(property));
        let found = self.ty(property, &inner)?;
        let doc = if inner.doc.is_empty() {
            format!("`{wire}`.")
        } else {
            inner.doc
        };
        let presence = if required.iter().any(|name| name == wire) && !found.nullable {
            Presence::Needed
        } else if found.or_default && !place.usage.in_request {
            Presence::OrDefault
        } else {
            Presence::Optional
        };
        Ok(Field {
            wire: wire.to_owned(),
            rust,
            doc,
            ty: found.ty,
            presence,
        })
    }

    fn push(&mut self, place: &Place, shape: Shape) {
        let (name, doc) = (place.name.clone(), place.doc.clone());
        self.types.push(TypeDef {
            name,
            doc,
            usage: place.usage,
            shape,
        });
    }
}

/// Where a type is written, which names it if nothing else does.
struct Place {
    name: String,
    doc: String,
    usage: Usage,
}

impl Place {
    fn inner(&self, name: &str, doc: String) -> Self {
        Self {
            name: format!("{}{name}", self.name),
            doc,
            usage: self.usage,
        }
    }
}

struct Found {
    ty: Type,
    nullable: bool,
    /// See [`is_or_default`].
    or_default: bool,
}

impl From<Type> for Found {
    fn from(ty: Type) -> Self {
        Self {
            ty,
            nullable: false,
            or_default: false,
        }
    }
}
