//! Sees long-running agent tasks through: start, follow, answer, survive faults, fetch the result.
//!
//! A façade: features pick the adapters, modules hold the providers.
//!
//! - [`Client`] (feature `async`): over hyper and tokio.
//! - [`blocking::Client`] (feature `blocking`): its twin over ureq, without a runtime.
//! - [`nanonets`]: the Nanonets Agents platform.
//! - [`agent_harness`]: the Agent Harness platform.
//! - [`journal`]: where tasks are stored so that no crash loses them.
//! - [`core`]: the machine itself, to drive by hand in a runtime of your own.
//!
//! Every type that a signature of a client names is here, whichever features are on.
//!
//! # What this crate does not do
//! It never repeats a start that may have been received, never takes a lost connection for a failed task, and has no
//! switch that turns TLS verification off.

pub use taskward_core as core;
pub use taskward_core::{
    Answer, AnswerError, Answered, ApiError, BoxError, BuildError, CancelResult, Candidate,
    Capabilities, Cause, Credential, DetachReason, Detached, Error, ErrorKind, Event, EventId,
    EventSeq, ExchangeFailure, Head, IdempotencyKey, IntentId, Journal, LimitTable, List, ListPage,
    Liveness, MessageNo, NumberedEvent, OnDetach, Operation, Outcome, Output, Policy, PollBackoff,
    Provider, Question, QuestionId, QuestionKind, RawEvent, ReadError, ReadErrorKind, Reply,
    RequestPurpose, Response, Retry, RetryReason, Retrying, RunResult, Safety, SearchResult,
    SecretString, Similarity, Snapshot, StartAgainError, Status, StoppedBy, TaskFailure, TaskId,
    TimeLimit, Timestamp, WaitReason, WithdrawReason, http,
};
pub use taskward_providers::{agent_harness, nanonets, wire};

#[cfg(feature = "async")]
pub use taskward_hyper::*;

/// Where followed tasks are kept so that no crash loses them: [`FileJournal`](journal::FileJournal), or a
/// [`Journal`] of your own.
#[cfg(feature = "journal")]
pub use taskward_journal as journal;

/// The blocking twin of the async client: the same methods, without a runtime.
#[cfg(feature = "blocking")]
pub mod blocking {
    pub use taskward_ureq::*;
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
