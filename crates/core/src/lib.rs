//! The pure core of Taskward: requests, replies, retries and the state machine of a long-running agent task.
//!
//! Nothing here does I/O or reads a clock, a random generator or the environment: time, entropy and replies are
//! arguments. A driver asks a [`Task`] what to do ([`Task::next_step`]), does it, and reports what happened. Two
//! drivers exist (`taskward-hyper`, `taskward-ureq`); the documentation of [`Task`] describes all that a driver has to
//! do.
//!
//! # Layers
//! 1. [`Operation`]: one typed request and its reply.
//! 2. [`Call`]: one operation with its attempts, backoff and deadline.
//! 3. [`Task`]: one remote task from start to answer, over any [`Provider`].
//!
//! # What this crate does not do
//! It opens no socket and no file, starts no thread, knows no runtime and no provider by name, and never ends a task
//! because of what happened on the wire.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod again;
mod budget;
mod build_error;
mod call;
mod credential;
mod error;
mod event;
mod failure;
mod fleet;
mod id;
mod journal;
mod key;
mod lenient;
mod limits;
mod multipart;
mod named;
mod needles;
mod operation;
mod origin;
mod outcome;
mod pages;
mod policy;
mod provider;
mod question;
mod reason;
mod redact;
mod request;
mod response;
mod retry;
mod run_result;
pub mod sanitise;
mod search;
mod seed;
mod snapshot;
mod source;
pub mod sse;
mod step;
mod target;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod time;

pub use bytes;
pub use http;
pub use secrecy::SecretString;

pub use again::{StartAgain, StartAgainError};
pub use budget::OriginBudget;
pub use build_error::BuildError;
pub use call::{Call, CallStep, Retrying};
pub use credential::{ConfigError, Credential, KeyHeader, is_own_header};
pub use error::{ApiError, BoxError, Error, ErrorClass, ErrorKind, ReadError, ReadErrorKind};
pub use event::{Event, NumberedEvent, OutputPiece, RawEvent, Status};
pub use failure::{Cause, ExchangeFailure, ExchangeProgress, TimeoutPhase};
pub use fleet::{Fleet, FleetAddError, FleetStep, MemberId};
pub use id::{
    Cursor, EventId, EventNo, EventSeq, ExchangeId, IntentId, MessageNo, QuestionId, Revision,
    TaskId,
};
pub use journal::{Journal, OpenStarts};
pub use key::IdempotencyKey;
pub use lenient::{LenientList, ListEntry};
pub use limits::{ConnectionUse, LimitTable, Limits};
pub use multipart::{Content, Form, Part, clean_filename, content_type_of};
pub use needles::{REDACTED, SHORTEST, is_redacted};
pub use operation::{Operation, Safety};
pub use origin::{MAX_REDIRECTS, NamedOrigins, Origin, user_agent};
pub use outcome::{
    CancelFailure, CancelResult, DetachReason, LostMessage, NotStartedReason, Outcome, Output,
    StoppedBy, TaskFailure, TimeLimit, UnavailableReason, UnknownReason,
};
pub use pages::{List, ListPage, Pages};
pub use policy::{OnDetach, Policy, PollBackoff, Retry};
pub use provider::{
    Candidate, Capabilities, Confirmation, CreatedTask, EventKind, Job, MatchCriteria, Page,
    PollResult, Provider, ProviderDefaults, ReadKind, Similarity, Started, StreamEvent,
    StreamSnapshot, UnconfirmedEnd, WriteRequest,
};
pub use question::{Answer, AnswerError, Answered, Question, QuestionKind, Reply, WithdrawReason};
pub use reason::{FailedAttempt, RequestPurpose, RetryReason, WaitReason};
pub use redact::StreamRedactor;
pub use request::{Body, Frozen, Request};
pub use response::{Head, Response};
pub use run_result::{Detached, RunResult};
pub use search::{Search, SearchReply, SearchRequest, SearchResult, SearchStep};
pub use seed::Seed;
pub use snapshot::{ResumeError, Snapshot};
pub use source::{Fingerprint, Segment, Source, SourceKey, Stamp};
pub use step::Step;
pub use target::Target;
pub use task::{Liveness, Parked, Task, UnconfirmedStart, Unsupported};
pub use time::Timestamp;
