//! The simulator's replies against the contracts in spec/, which no package holds: these tests need the repository.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod agent_harness;
#[path = "../it/common.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod common;
mod contract;
mod nanonets;
#[path = "../it/harness/world.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod world;
