//! The phase region: where a task is between its start and its end. Every change of the phase goes through
//! [`Phase::enter`], which knows the edges that are drawn.

use std::sync::Arc;

use crate::error::ApiError;
use crate::event::Status;
use crate::operation::Safety;
use crate::outcome::{Outcome, TaskFailure};
use crate::provider::ReadKind;
use crate::reason::WaitReason;
use crate::request::Request;
use crate::time::Timestamp;

/// The phases and the transitions between them, as drawn in ARCHITECTURE.md.
pub(super) const EDGES: &[(&str, &str, &str)] = &[
    ("Starting", "2xx with an id", "Following"),
    (
        "Starting",
        "refused, not started, unknown, deadline",
        "Ended",
    ),
    ("Following", "completed", "Fetching"),
    ("Following", "failed or stopped", "Tracing"),
    (
        "Following",
        "answer seen, failed or stopped without a trail, access lost, gone, deadline",
        "Ended",
    ),
    ("Fetching", "answer read, or given up", "Ended"),
    ("Tracing", "trail read, or given up", "Ended"),
];

/// The phase of a task.
#[derive(Debug)]
pub(super) enum Phase<O> {
    /// The id is not known yet.
    Starting(Box<Starting>),
    /// The id is known, and the task is running.
    Following(Following),
    /// The task completed, and its answer is being read.
    Fetching(Fetching),
    /// The task failed or was stopped, and its steps are being read.
    Tracing(Tracing),
    /// The task is over.
    Ended(Box<Outcome<O>>),
}

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
}

impl Starting {
    /// Returns whether an earlier attempt was sent; `underway` says whether the present one has been.
    pub(super) fn has_left_before(&self, underway: bool) -> bool {
        self.maybe_received || self.attempts > u32::from(underway)
    }
}

#[derive(Debug)]
pub(super) struct Following {
    pub(super) next: ReadKind,
    pub(super) due: Timestamp,
    pub(super) why: WaitReason,
}

#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) since: Timestamp,
    pub(super) due: Timestamp,
    pub(super) tries: u32,
}

#[derive(Debug)]
pub(super) struct Tracing {
    pub(super) terminal: Terminal,
    pub(super) due: Timestamp,
    pub(super) tries: u32,
}

/// A certain end other than success.
#[derive(Debug, Clone)]
pub(super) enum Terminal {
    Failed(TaskFailure),
    Stopped(TaskFailure),
}

impl Terminal {
    /// Changes the failure of this end.
    pub(super) fn map(self, change: impl FnOnce(TaskFailure) -> TaskFailure) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(change(failure)),
            Self::Stopped(failure) => Self::Stopped(change(failure)),
        }
    }

    pub(super) fn status(&self) -> &Status {
        let (Self::Failed(failure) | Self::Stopped(failure)) = self;
        &failure.status
    }

    /// Adds the steps that `read` contains; steps of a different end are ignored in favour of the status.
    pub(super) fn with_steps_of(self, read: Self) -> Self {
        match (self, read) {
            (Self::Failed(_), Self::Failed(failure)) => Self::Failed(failure),
            (Self::Stopped(_), Self::Stopped(failure)) => Self::Stopped(failure),
            (known, _) => known,
        }
    }
}

impl<O> Phase<O> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Starting(_) => "Starting",
            Self::Following(_) => "Following",
            Self::Fetching(_) => "Fetching",
            Self::Tracing(_) => "Tracing",
            Self::Ended(_) => "Ended",
        }
    }

    /// Moves to `next`.
    pub(super) fn enter(&mut self, next: Self) {
        debug_assert!(
            EDGES
                .iter()
                .any(|(from, _, to)| *from == self.name() && *to == next.name()),
            "{} to {} is not drawn",
            self.name(),
            next.name()
        );
        *self = next;
    }

    pub(super) fn follow(next: ReadKind, due: Timestamp, why: WaitReason) -> Self {
        Self::Following(Following { next, due, why })
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

/// The reads that have to confirm that a task is gone.
#[derive(Debug, Clone)]
pub(super) struct NotFound {
    pub(super) reads: u32,
    pub(super) error: ApiError,
}

/// How many reads in a row must answer 404 or 410.
pub(super) const NOT_FOUND_READS: u32 = 3;

/// How often the client tries to read the steps, which it does on a best-effort basis.
pub(super) const STEPS_READS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::EDGES;

    #[test]
    fn the_drawn_diagram_is_the_code() {
        let drawn = include_str!("../../../../ARCHITECTURE.md");
        for (from, on, to) in EDGES {
            let line = format!("{from} --> {to}: {on}");
            assert!(
                drawn.contains(&line),
                "ARCHITECTURE.md does not draw `{line}`"
            );
        }
        let arrows = drawn
            .lines()
            .filter(|line| line.contains(" --> ") && line.contains(": "))
            .count();
        assert_eq!(
            arrows,
            EDGES.len() + super::super::stream::EDGES.len(),
            "ARCHITECTURE.md draws arrows that the code does not have"
        );
    }
}
