//! How a platform writes its switches: one table, each with what it means and its default.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Makes the struct of a platform's switches, with public fields, and its default. A file may set any of them.
macro_rules! switches {
    (
        $(#[$about:meta])*
        pub struct $name:ident {
            $( $(#[$meaning:meta])* $switch:ident: $type:ty = $default:expr, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$meaning])* pub $switch: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $switch: $default, )*
                }
            }
        }
    };
}

pub(crate) use switches;

/// Returns the switches in force with those in their place that a table gives.
///
/// # Errors
/// When the table has one that does not exist, or a value of another type.
pub(crate) fn laid_over<S: Serialize + DeserializeOwned>(
    in_force: &S,
    given: Map<String, Value>,
) -> serde_json::Result<S> {
    // Not as TOML, whose numbers end where a switch's go on.
    let mut all = serde_json::to_value(in_force)?;
    for (name, value) in given {
        all[name] = value;
    }
    serde_json::from_value(all)
}
