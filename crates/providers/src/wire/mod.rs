//! What generated wire types are built on: tolerant reading, ids and times with their text, and one entry for bytes.
//!
//! A reply is read in one pass and by these rules: an absent field and `null` are the same, the last of several equal
//! keys counts, an unknown field is preserved, as is a field of the wrong type unless the type needs it,
//! and only a missing or wrong *needed* field is an error. Damaged text, and a number that no Rust number holds, spoil
//! nothing but themselves, and so does an entry of a list that cannot be read. Nothing here knows a provider.

mod datetime;
mod decode;
mod lenient;
mod list;
mod numbers;
mod operation;
mod peek;
mod repair;
mod scalar;
mod secret;
mod subject;
mod text;
mod token;
mod uuid;
mod writer;

pub use datetime::DateTime;
pub use decode::{DecodeError, decode};
pub use lenient::{FromWire, Key, Taken, optional, read, unknown, value};
pub use list::{decode_list, entries, first_list};
pub use operation::OperationSpec;
pub use peek::peek;
pub use repair::{is_damaged, repair};
pub use secret::Secret;
pub use subject::{Naming, Subject};
pub use taskward_core::{LenientList, ListEntry};
pub use token::Token;
pub use uuid::Uuid;
pub use writer::ObjectWriter;

/// Returns whether an optional JSON value would be sent as `null` or not at all; requests omit such a field.
pub fn is_absent(value: &Option<serde_json::Value>) -> bool {
    matches!(value, None | Some(serde_json::Value::Null))
}
