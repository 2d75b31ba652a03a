//! The façade against the simulator: what both adapters do alike. These tests wait more than they compute, and so they
//! are one program, in which one waits beside the others.
#![allow(missing_docs)]

mod created_once;
mod examples;
mod hundred_runs;
#[cfg(all(feature = "async", feature = "blocking"))]
mod parity;
#[cfg(all(feature = "async", feature = "blocking"))]
mod parity_streams;
mod rows;
#[cfg(all(feature = "async", feature = "blocking"))]
#[path = "../../../providers/tests/judge/spec.rs"]
mod spec;
