//! The pure heart of Taskward: requests, replies, retries and the machine of a long-running agent task.
//!
//! Nothing here does I/O, reads a clock, draws randomness or looks at the environment: time, entropy and replies are
//! arguments. A driver asks a [`Task`] what to do ([`Task::next_step`]), does it, and reports what happened. Two drivers are
//! ready-made (`taskward-hyper`, `taskward-ureq`); the whole duty of one fits on the documentation page of [`Task`].
//!
//! # Layers
//! 1. [`Operation`]: one typed request and its reply.
//! 2. [`Call`]: one operation seen through attempts, backoff and deadline.
//! 3. [`Task`]: one remote task from start to answer, over any [`Provider`].
//!
//! # What this crate does not do
//! It opens no socket and no file, starts no thread, knows no runtime and no provider by name, and never ends a watch
//! for what the wire did.

mod again;
mod budget;
mod call;
mod error;
mod event;
mod failure;
mod id;
mod journal;
mod lenient;
mod limits;
mod multipart;
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
mod search;
mod seed;
mod snapshot;
pub mod sse;
mod step;
mod target;
mod task;
mod time;

pub use bytes;
pub use http;
pub use secrecy::SecretString;

pub use again::{StartAgain, StartAgainError};
pub use budget::OriginBudget;
pub use call::{Call, CallStep, Retrying};
pub use error::{ApiError, BoxError, BuildError, Error, ErrorKind, ReadError, ReadErrorKind};
pub use event::{Event, NumberedEvent, RawEvent, Status};
pub use failure::{Cause, ExchangeFailure, ExchangeProgress, TimeoutPhase};
pub use id::{
    Cursor, EventId, EventNo, EventSeq, ExchangeId, IdempotencyKey, IntentId, MessageNo,
    QuestionId, Revision, TaskId,
};
pub use journal::Journal;
pub use lenient::{LenientList, ListEntry};
pub use limits::{ConnectionUse, LimitTable, Limits};
pub use multipart::{Content, Form, Part, clean_filename, content_type_of};
pub use operation::{Operation, Safety};
pub use origin::{ConfigError, Credential, MAX_REDIRECTS, Origin, user_agent};
pub use outcome::{
    CancelResult, DetachReason, Detached, Outcome, Output, RunResult, StoppedBy, TaskFailure,
    TimeLimit,
};
pub use pages::{List, ListPage, Pages};
pub use policy::{OnDetach, Policy, PollBackoff, Retry};
pub use provider::{
    Candidate, Capabilities, Confirmation, CreatedTask, EventKind, Job, MatchCriteria, Page,
    PollResult, Provider, ProviderDefaults, ReadKind, Similarity, StreamEvent, UnconfirmedEnd,
    WriteRequest,
};
pub use question::{Answer, AnswerError, Answered, Question, QuestionKind, Reply, WithdrawReason};
pub use reason::{RequestPurpose, RetryReason, WaitReason};
pub use redact::{REDACTED, SHORTEST, StreamRedactor, is_redacted};
pub use request::{Body, Fingerprint, Frozen, Request, Segment, Source, SourceKey, Stamp};
pub use response::{Head, Response};
pub use search::{Search, SearchReply, SearchRequest, SearchResult, SearchStep};
pub use seed::Seed;
pub use snapshot::{ResumeError, Snapshot};
pub use step::Step;
pub use target::Target;
pub use task::{Liveness, Task, UnconfirmedStart, Unsupported};
pub use time::Timestamp;
