//! The façade's tests that need files of the repository: rules for the sources of several crates, and both adapters side by
//! side, judged by the specifications.
#![allow(missing_docs)]

mod clocks;
mod names;
#[cfg(all(feature = "async", feature = "blocking"))]
mod parity;
#[cfg(all(feature = "async", feature = "blocking"))]
mod parity_streams;
#[cfg(all(feature = "async", feature = "blocking"))]
#[path = "../../../providers/tests/judge/spec.rs"]
mod spec;
