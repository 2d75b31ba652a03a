//! The A2A platform.

mod operations;
mod streams;
mod world;
