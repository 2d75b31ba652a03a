//! The façade against the simulator: what both adapters do alike. These tests wait more than they compute, and so they
//! are one program, in which one waits beside the others.
#![allow(missing_docs)]

mod a2a;
mod batch;
mod created_once;
mod examples;
mod fleet;
mod hundred_runs;
mod named;
mod recover_all;
mod rows;
