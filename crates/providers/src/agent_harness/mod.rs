//! Agent Harness: runs created under an idempotency key and followed by server-sent events.
//!
//! - [`Job`]: what to run. [`Answer`]: its result. [`Transcript`]: the agent's messages on the way.
//! - [`AgentHarness`]: the [`Provider`](taskward_core::Provider).
//! - [`operations`]: every endpoint by itself.
//!
//! A start is keyed, so one whose reply is lost is repeated under the same key and creates nothing twice. A run asks by
//! an event that carries no text: [`Question::messages`](taskward_core::Question::messages) are the events that led to
//! it. It is answered by [`Answer::Approve`](taskward_core::Answer::Approve), by
//! [`Answer::Reject`](taskward_core::Answer::Reject), which makes the run fail, or by
//! [`Answer::Input`](taskward_core::Answer::Input).
//!
//! `spec/agent-harness/SOURCE.md` says what is known of the platform's interface: parts of it are guesses, and read
//! tolerantly.

mod answer;
mod assumptions;
mod events;
mod examined;
mod job;
pub mod operations;
mod provider;
mod signal;
mod transcript;

pub use crate::generated::agent_harness as types;
pub use answer::Answer;
pub use job::Job;
pub use provider::AgentHarness;
pub use transcript::{Piece, Transcript};
