//! How a platform writes its switches: one table, each with what it means and its default.

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
