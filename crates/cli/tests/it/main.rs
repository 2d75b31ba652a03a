//! The program as a script meets it, against a simulator in this process.

mod again;
mod agents;
mod attacked;
mod bad_entries;
mod bad_input;
mod bound;
mod canary;
mod commands;
mod common;
mod damaged;
mod decisions;
#[path = "../../../taskward/tests/canary/echo.rs"]
mod echo;
mod end_rows;
mod exit_codes;
mod forbidden;
mod harness_answers;
mod harness_lists;
mod harness_runs;
mod json_mode;
mod last_words;
mod old_state;
mod process;
mod questions;
mod readme;
mod recover;
mod said_once;
mod searched_for;
mod secrets;
mod signals;
mod streams;
mod terminal;
mod terminal_states;
mod uploads;
mod value_rows;
mod wire_rows;
