//! The simulator from outside: the pure platform, its conformance to the contract, the server on loopback.

#![allow(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

mod a2a;
mod agents;
mod common;
mod harness;
mod nanonets;
mod requests;
mod silences;

#[cfg(feature = "http")]
mod every_fault;
#[cfg(feature = "http")]
mod faults;
#[cfg(feature = "http")]
mod faults_of_streams;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod openness;
#[cfg(feature = "http")]
mod scenarios;
#[cfg(feature = "http")]
mod streams;
#[cfg(feature = "http")]
mod uploads;
