//! The A2A platform.

mod cards;
#[cfg(feature = "http")]
pub(crate) mod http;
mod operations;
mod profiles;
mod recorded;
mod streams;
mod switches;
mod world;
