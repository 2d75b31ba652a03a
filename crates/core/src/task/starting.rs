//! A start: its request, until the task that it creates is known.

use std::sync::Arc;

use crate::operation::Safety;
use crate::reason::WaitReason;
use crate::request::Request;
use crate::time::Timestamp;

use super::intent::UnresolvedStart;
use super::writes::Writes;

/// A start request whose outcome is not known.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) request: Arc<Request>,
    pub(super) safety: Safety,
    pub(super) attempts: u32,
    pub(super) due: Timestamp,
    /// Why the start request is not sent earlier.
    pub(super) why: WaitReason,
    /// Whether the server may have received any attempt.
    pub(super) maybe_received: bool,
    /// How often the server has answered with a conflict since then.
    pub(super) conflicts: u32,
    /// Messages that are to be sent once the id is known.
    pub(super) writes: Writes,
}

impl Starting {
    /// Creates a start that is sent now.
    pub(super) fn new(request: Request, safety: Safety, now: Timestamp) -> Self {
        Self {
            request: Arc::new(request),
            safety,
            attempts: 0,
            due: now,
            why: WaitReason::Backoff,
            maybe_received: false,
            conflicts: 0,
            writes: Writes::default(),
        }
    }

    /// Returns what is kept of this start once nobody waits for its reply any more, since `ended_at`.
    pub(super) fn unresolved(&self, ended_at: Option<Timestamp>) -> UnresolvedStart {
        UnresolvedStart {
            digest: self.request.digest(),
            request: self
                .safety
                .is_repeatable()
                .then(|| self.request.as_ref().clone()),
            ended_at,
        }
    }

    /// Returns whether an earlier attempt was sent; `underway` says whether the present one has been.
    pub(super) fn has_left_before(&self, underway: bool) -> bool {
        self.maybe_received || self.attempts > u32::from(underway)
    }
}
