//! The A2A platform.

#[cfg(feature = "http")]
pub(crate) mod http;
mod operations;
mod streams;
mod world;
