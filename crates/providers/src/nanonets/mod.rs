//! Nanonets Agents: tasks started with text or files, followed by polling.
//!
//! - [`Job`]: what to run. [`Answer`]: its result.
//! - [`Nanonets`]: the [`Provider`](taskward_core::Provider).
//! - [`operations`]: every endpoint by itself.
//!
//! A start takes no idempotency key, so one whose reply is lost ends in
//! [`Outcome::Unknown`](taskward_core::Outcome::Unknown) and is never repeated automatically. An answer is a message: it
//! is confirmed by reading the conversation.

mod answer;
mod assumptions;
mod conversation;
mod examined;
mod job;
pub mod operations;
mod provider;
mod requests;
mod status;
mod text;

pub use crate::generated::nanonets as types;
pub use answer::Answer;
pub use job::{File, Job};
pub use provider::Nanonets;
