//! The suite of all adapters, run with the async one, and what only this one has to show.

mod adapter;
mod futures;
#[path = "../suite/mod.rs"]
mod suite;
