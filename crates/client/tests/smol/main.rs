//! The suite over a transport of these tests, written against the public trait alone, on smol.

#[path = "../asynchronous/adapter.rs"]
mod adapter;
mod runtime;
mod suite;
mod transport;
