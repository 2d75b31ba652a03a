//! Agent Harness in virtual time.

mod account;
mod conformance;
mod lags;
mod lifecycle;
mod polling;
mod signals;
mod starts;
mod streams;
mod world;
