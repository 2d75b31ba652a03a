//! Taskward's providers: what each agent platform's requests and replies mean.
//!
//! Internal to [Taskward](https://docs.rs/taskward): it may change in every release.
//!
//! One module per provider, over wire types generated from its specification. Pure: a provider holds no state, reads no
//! clock and does no I/O; it says to the machine of `taskward-core` which request does what and what a reply means.
//!
//! # What this crate does not do
//! It sends nothing and waits for nothing: the adapters do. It never ends a task for a word it does not know.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod a2a;
pub mod agent_harness;
pub mod doctor;
pub mod generated;
pub mod nanonets;
pub mod wire;

use taskward_core::{ReadError, ReadErrorKind};

impl From<wire::DecodeError> for ReadError {
    fn from(error: wire::DecodeError) -> Self {
        use wire::DecodeError as E;
        let kind = match &error {
            E::Empty => ReadErrorKind::Empty,
            E::Truncated { .. } => ReadErrorKind::Truncated,
            E::NotJson {
                resembles_html: true,
                ..
            } => ReadErrorKind::Html,
            E::NotJson { .. } | E::Charset { .. } | E::TrailingData => ReadErrorKind::NotJson,
            E::TooDeep | E::Shape { .. } => ReadErrorKind::Shape,
            E::Foreign => ReadErrorKind::Foreign,
        };
        // Its kind says it all.
        let detail = match error {
            E::Foreign => String::new(),
            other => other.to_string(),
        };
        Self::new(kind, detail)
    }
}
