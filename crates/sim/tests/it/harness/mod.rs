//! Agent Harness in virtual time.

mod account;
mod delays;
mod lifecycle;
mod polling;
mod signals;
mod starts;
mod streams;
pub(crate) mod world;
