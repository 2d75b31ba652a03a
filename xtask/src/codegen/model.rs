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
    Struct {
        fields: Vec<Field>,
        /// The specification says that there may be other fields.
        is_open: bool,
    },
    List(List),
    Enum {
        variants: Vec<Variant>,
        /// It keeps values that the specification does not list.
        is_open: bool,
    },
    Alias(Type),
}

pub(super) struct Field {
    pub(super) wire: String,
    pub(super) rust: String,
    pub(super) doc: String,
    pub(super) ty: Type,
    pub(super) presence: Presence,
}

/// What it means that a field is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// The whole object cannot be read.
    Needed,
    /// The same as the empty value of its type.
    OrDefault,
    /// Something of its own.
    Optional,
}

/// A list that stands alone or in an object, there under one of several names.
pub(super) struct List {
    pub(super) item: Type,
    /// The names in the order of preference; the first is the Rust field's.
    pub(super) names: Vec<String>,
    /// What else the object holds.
    pub(super) fields: Vec<Field>,
}

pub(super) struct Variant {
    pub(super) wire: String,
    pub(super) rust: String,
    pub(super) doc: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// A string that no message shows.
    Secret,
    Bool,
    I32,
    I64,
    U64,
    F64,
    Uuid,
    DateTime,
    /// A string or an integer, kept as text.
    Token,
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
    pub(super) takes_body: bool,
    pub(super) doc: String,
}

impl Model {
    /// Returns whether a type has an obvious empty value.
    pub(super) fn has_default(&self, ty: &Type) -> bool {
        match ty {
            Type::Uuid | Type::DateTime | Type::Token | Type::Secret => false,
            Type::Text | Type::Bool => true,
            Type::I32 | Type::I64 | Type::U64 | Type::F64 => true,
            Type::Json | Type::JsonObject | Type::List(_) => true,
            Type::Named(name) => match self
                .types
                .iter()
                .find(|def| def.name == *name)
                .map(|def| &def.shape)
            {
                Some(Shape::Struct { fields, .. }) => self.fields_have_defaults(fields),
                Some(Shape::Alias(target)) => self.has_default(target),
                Some(Shape::List(list)) => self.fields_have_defaults(&list.fields),
                Some(Shape::Enum { .. }) | None => false,
            },
        }
    }

    /// Returns whether this is a list whose items are objects of a known form.
    pub(super) fn is_list_of_objects(&self, ty: &Type) -> bool {
        let Type::List(item) = ty else { return false };
        let mut item = &**item;
        while let Type::Named(name) = item {
            match self.types.iter().find(|def| def.name == *name) {
                Some(TypeDef {
                    shape: Shape::Alias(target),
                    ..
                }) => item = target,
                Some(def) => return matches!(def.shape, Shape::Struct { .. }),
                None => return false,
            }
        }
        false
    }

    /// Returns whether a struct of these fields has an obvious empty value.
    pub(super) fn fields_have_defaults(&self, fields: &[Field]) -> bool {
        fields
            .iter()
            .all(|field| field.presence == Presence::Optional || self.has_default(&field.ty))
    }
}
