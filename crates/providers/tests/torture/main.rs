//! Torture: each scenario is run once and its operations are counted; then it is run again for each of them and for each
//! of four faults, with that operation failing in that way. What may come of it is the table of retries: a start without
//! a key that may have been received ends unknown unless a read finds its task, an answer without one is left to its human,
//! and all else ends as if nothing had happened.
#![allow(missing_docs)]

mod a2a;
mod agent_harness;
mod fault;
mod nanonets;
mod platform;
mod sweep;
mod world;
