//! No reports.

use std::time::Duration;

use taskward_core::{
    DetachReason, Event, IntentId, Outcome, Provider, Request, Task, TaskId, Timestamp, WaitReason,
};

use crate::reply::Report;

/// A span that nobody sees.
#[derive(Clone)]
pub(crate) struct Span;

impl Span {
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn is_none(&self) -> bool {
        true
    }

    pub(crate) fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}

pub(crate) fn watch<P: Provider>(_: &Task<P>) -> Span {
    Span
}

pub(crate) fn request(_: &str, _: &Request) -> Span {
    Span
}

pub(crate) fn replied<S>(_: &Span, _: &Request, _: &Report<S>, _: Duration) {}

pub(crate) fn grown(_: &str, _: u64) {}

pub(crate) fn reported(_: &Span, _: Option<&TaskId>, _: &Event) {}

pub(crate) fn ended<O>(_: &Span, _: Option<&IntentId>, _: &Outcome<O>) {}

pub(crate) fn detached(_: &Span, _: &DetachReason) {}

/// A wait that nobody sees.
pub(crate) struct Pause;

impl Pause {
    pub(crate) fn enter(
        _: &mut Option<Self>,
        _: &Span,
        _: WaitReason,
        _: Option<Timestamp>,
        _: Timestamp,
    ) {
    }
}
