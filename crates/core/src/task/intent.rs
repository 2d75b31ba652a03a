//! What is known of a start besides its phase: its id, when it began, how to recognise its task, and what is kept if
//! its outcome stays unknown.

use std::time::Duration;

use crate::again::KeptStart;
use crate::id::IntentId;
use crate::outcome::UnknownReason;
use crate::provider::MatchCriteria;
use crate::request::Request;
use crate::seed::{Seed, hex};
use crate::time::Timestamp;

/// How old an idempotency key may be when it is sent again: servers forget keys, and none says when.
const KEY_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Returns whether the key of a start that began at this time is too old to be sent again.
pub(super) fn is_key_old(begun_at: Timestamp, now: Timestamp) -> bool {
    now > begun_at.after(KEY_LIFETIME)
}

/// Returns why a start with an old key is not sent again.
pub(super) fn old_key() -> UnknownReason {
    UnknownReason::KeyTooOld {
        hours: KEY_LIFETIME.as_secs() / 3600,
    }
}

/// What is kept of the start as long as the task.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) id: IntentId,
    pub(super) begun_at: Timestamp,
    pub(super) criteria: Option<MatchCriteria>,
    /// What starts the same again; absent for a start of an older version.
    pub(super) kept: Option<KeptStart>,
}

impl Intent {
    /// Creates what is kept of a start whose request has this digest.
    pub(super) fn new(
        digest: &str,
        criteria: Option<MatchCriteria>,
        kept: KeptStart,
        seed: &Seed,
        now: Timestamp,
    ) -> Self {
        Self {
            id: IntentId::new(hex(&seed.derive("intent", digest.as_bytes())[..6])),
            begun_at: now,
            criteria,
            kept: Some(kept),
        }
    }
}

/// A start with unknown outcome.
#[derive(Clone, Debug)]
pub(super) struct UnresolvedStart {
    pub(super) digest: String,
    /// The request to send again; a start without a key has none.
    pub(super) request: Option<Request>,
    /// When the client gave the start up; `None` if its process ended before.
    pub(super) ended_at: Option<Timestamp>,
}

/// A start that may or may not have created a task, for a search for that task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnconfirmedStart {
    /// The id of the start.
    pub intent: IntentId,
    /// How to recognise the task.
    pub criteria: MatchCriteria,
    /// When the start began, by the clock of the machine that began it.
    pub begun_at: Timestamp,
    /// When the client gave the start up; `None` if its process ended before.
    pub ended_at: Option<Timestamp>,
}
