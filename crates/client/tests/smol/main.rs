//! The suite over a transport of these tests, written against the public trait alone, on smol.

mod adapter;
mod suite;
mod transport;
