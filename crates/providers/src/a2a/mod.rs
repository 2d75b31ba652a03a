//! A2A, the Agent2Agent protocol in version 1.0: any agent that speaks it over HTTP+JSON or JSON-RPC.
//!
//! - [`CardUrl`], [`read_card`] and [`A2a::from_card`]: from a URL to an agent.
//! - [`A2a`]: where an agent is and what it can do; it is stored with each task.
//! - [`Job`]: what to start. [`Answer`]: what came of it.
//! - [`operations`]: every endpoint by itself.
//!
//! The protocol has many servers, which differ; `spec/a2a/SOURCE.md` says which were seen. What they do counts, not what
//! the protocol's text says.

mod again;
mod agent;
mod artifacts;
mod assumptions;
mod binding;
mod card;
mod errors;
mod events;
mod examined;
mod head;
mod interrupt;
mod job;
pub mod operations;
mod parts;
mod provider;
mod question;
mod security;
mod status;

pub use crate::generated::a2a as types;
pub use agent::{A2a, Binding, VERSION};
pub use artifacts::{Answer, Artifacts, Joined};
pub use card::{AgentAt, CardError, CardUrl, MAX_CARD, read_card};
pub use events::{Sent, TaskEvent};
pub use job::{Context, File, Job, MAX_INLINE};
pub use parts::PartContent;
pub use security::{Security, WantedCredential};
pub use status::State;
