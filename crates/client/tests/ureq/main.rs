//! The suite of all adapters, run with the blocking one, and what only this one has to show.

mod adapter;
#[path = "../suite/mod.rs"]
mod suite;
mod threads;
