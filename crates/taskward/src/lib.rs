// Its examples use both clients.
#![cfg_attr(
    all(feature = "async", feature = "blocking"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "async", feature = "blocking")),
    doc = "Runs long-running AI agent tasks reliably: start, follow, answer, fetch the result."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//!
//! # Where what is
//! - [`Client`] (feature `async`): over hyper and tokio.
//! - [`blocking::Client`] (feature `blocking`): its twin over ureq, without a runtime.
//! - [`nanonets`]: the Nanonets Agents platform.
//! - [`agent_harness`]: the Agent Harness platform.
//! - [`a2a`]: any agent that speaks the A2A protocol.
//! - [`journal`]: where tasks are stored so that no crash loses them.
//! - [`core`]: the machine itself, to drive by hand in a runtime of your own.
//!
//! The main names stand at the root, the others in modules by subject: [`event`], [`outcome`], [`question`], [`policy`] and
//! [`error`]; everything of the machine is in [`core`], whichever features are on.
//!
//! # What this crate does not do
//! It never repeats a start that may have been received, never takes a lost connection for a failed task, and has no
//! switch that turns TLS verification off.

pub use taskward_core as core;
pub use taskward_core::{
    Answer, Error, ErrorKind, Event, Outcome, Output, Policy, Provider, Question, Reply, RunResult,
    Snapshot, TaskId,
};
pub use taskward_providers::{a2a, agent_harness, nanonets, wire};

#[cfg(feature = "async")]
pub use client::{Client, Handle, Recovery, Run, Running};

/// All of the async client, over hyper and tokio; its main types stand at the root, too.
#[cfg(feature = "async")]
pub mod client {
    pub use taskward_hyper::*;
}

/// What happens to a task while it is followed, and why it waits.
pub mod event {
    pub use taskward_core::{
        Event, EventId, EventSeq, Liveness, MessageNo, NumberedEvent, RawEvent, RequestPurpose,
        RetryReason, Status, WaitReason,
    };
}

/// How the following of a task ends, and why.
pub mod outcome {
    pub use taskward_core::{
        CancelFailure, CancelResult, DetachReason, Detached, FailedAttempt, LostMessage,
        NotStartedReason, Outcome, Output, RunResult, StoppedBy, TaskFailure, TimeLimit,
        UnavailableReason, UnknownReason,
    };
}

/// What an agent asks, and what is answered.
pub mod question {
    pub use taskward_core::{
        Answer, AnswerError, Answered, Question, QuestionId, QuestionKind, Reply, WithdrawReason,
    };
}

/// How a task is followed: deadlines, polls, retries and limits.
pub mod policy {
    pub use taskward_core::{LimitTable, OnDetach, Policy, PollBackoff, Retry};
}

/// What goes wrong, and who has to act on it.
pub mod error {
    pub use taskward_core::{
        ApiError, BoxError, BuildError, Cause, Error, ErrorKind, ExchangeFailure, ReadError,
        ReadErrorKind, StartAgainError,
    };
    /// What the program asks of a platform to find out what is wrong with what is assumed of it.
    #[doc(hidden)]
    pub use taskward_providers::doctor;
}

/// Where followed tasks are kept so that no crash loses them: [`FileJournal`](journal::FileJournal), or a
/// [`Journal`](core::Journal) of your own.
#[cfg(feature = "journal")]
pub use taskward_journal as journal;

/// The blocking twin of the async client: the same methods, without a runtime.
#[cfg(feature = "blocking")]
pub mod blocking {
    pub use taskward_ureq::*;
}
