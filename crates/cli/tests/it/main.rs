//! The program as a script meets it, against a simulator in this process.

mod bad_input;
mod commands;
mod common;
mod exit_codes;
mod questions;
mod signals;
mod streams;
