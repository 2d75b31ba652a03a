//! What there is to write, between the specification and Rust.

/// Everything of one specification.
pub(super) struct Model {
    pub(super) title: String,
    pub(super) version: String,
    pub(super) types: Vec<TypeDef>,
    pub(super) operations: Vec<Operation>,
}

/// One named type.
pub(super) struct TypeDef {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) usage: Usage,
    pub(super) shape: Shape,
}

/// In which direction a type travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) in_request: bool,
    pub(super) in_reply: bool,
}

pub(super) enum Shape {
    Struct(Vec<Field>),
    /// Always open: it keeps values that the specification does not list.
    Enum(Vec<Variant>),
    Alias(Type),
}

pub(super) struct Field {
    pub(super) wire: String,
    pub(super) rust: String,
    pub(super) doc: String,
    pub(super) ty: Type,
    pub(super) required: bool,
}

pub(super) struct Variant {
    pub(super) wire: String,
    pub(super) rust: String,
    pub(super) doc: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Bool,
    I32,
    I64,
    F64,
    Uuid,
    DateTime,
    /// Any JSON.
    Json,
    /// Any JSON object.
    JsonObject,
    List(Box<Type>),
    Named(String),
}

/// One documented endpoint.
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) doc: String,
}

impl Model {
    /// Whether a type has an obvious empty value.
    pub(super) fn has_default(&self, ty: &Type) -> bool {
        match ty {
            Type::Uuid | Type::DateTime => false,
            Type::Text | Type::Bool | Type::I32 | Type::I64 | Type::F64 => true,
            Type::Json | Type::JsonObject | Type::List(_) => true,
            Type::Named(name) => match self
                .types
                .iter()
                .find(|def| def.name == *name)
                .map(|def| &def.shape)
            {
                Some(Shape::Struct(fields)) => self.fields_have_defaults(fields),
                Some(Shape::Alias(target)) => self.has_default(target),
                Some(Shape::Enum(_)) | None => false,
            },
        }
    }

    /// Whether a struct of these fields has an obvious empty value.
    pub(super) fn fields_have_defaults(&self, fields: &[Field]) -> bool {
        fields
            .iter()
            .all(|field| !field.required || self.has_default(&field.ty))
    }
}
