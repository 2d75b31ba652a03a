//! The program as a script meets it, against a simulator in this process.

mod agents;
mod bad_input;
mod commands;
mod common;
mod end_rows;
mod exit_codes;
mod harness_answers;
mod harness_lists;
mod harness_runs;
mod questions;
mod signals;
mod streams;
mod terminal;
mod wire_rows;
