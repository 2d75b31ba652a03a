//! What a run reports of its decisions through `tracing`, in the same words from both adapters: a span `watch` for the
//! whole, in it a span `request` for each exchange and a span `pause` for each wait, each with its reason. All of it at
//! debug level under the target `taskward`; never a key, a body, a prompt or an answer. How a task ended, and what was given
//! up, is at info or warn level, with the ids: whoever logs no spans sees it, too.

use std::time::Duration;

use taskward_core::{
    Answered, DetachReason, Event, IntentId, Outcome, Provider, Request, StoppedBy, Task, TaskId,
    Timestamp, WaitReason,
};
use tracing::field::{Empty, display};
use tracing::{Level, Span};

/// The target of all spans and of the events in them.
const TARGET: &str = "taskward";

/// Opens the span of a followed task; the task's id is filled in once it is known.
pub(crate) fn watch<P: Provider>(task: &Task<P>) -> Span {
    if !tracing::enabled!(target: TARGET, Level::DEBUG) {
        return Span::none();
    }
    let span = tracing::debug_span!(
        target: TARGET,
        "watch",
        provider = P::NAME,
        task = Empty,
        intent = Empty
    );
    if let Some(intent) = task.snapshot().intent() {
        span.record("intent", display(intent));
    }
    if let Some(id) = task.id() {
        span.record("task", display(id));
    }
    span
}

/// Opens the span of a request, inside that of its task.
pub(crate) fn request(purpose: &'static str, request: &Request) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "request",
        purpose,
        method = %request.method(),
        target = %request.target(),
        status = Empty,
        ms = Empty
    )
}

/// Notes how a request ended; a status of 0 is that of an exchange without a head.
pub(crate) fn replied(span: &Span, status: u16, took: Duration) {
    span.record("status", status);
    span.record("ms", millis(took));
}

/// Logs the decision that an event reports; a write that was given up is a warning.
pub(crate) fn reported(watch: &Span, task: Option<&TaskId>, event: &Event) {
    let task = task.map(display);
    match event {
        Event::Created { id, .. } => {
            watch.record("task", display(id));
            tracing::debug!(target: TARGET, parent: watch, "started");
        }
        Event::Retrying {
            attempt, failed, ..
        } => {
            let (reason, why) = (failed.reason.code(), failed.detail.as_str());
            tracing::debug!(target: TARGET, parent: watch, attempt, reason, why, "retrying");
        }
        Event::Answered { question, how, .. } => {
            if let Some(how) = given_up(how) {
                tracing::warn!(target: TARGET, parent: watch, task, %question, how, "answer given up");
            }
        }
        Event::Sent { how, .. } => {
            if let Some(how) = given_up(how) {
                tracing::warn!(target: TARGET, parent: watch, task, how, "message given up");
            }
        }
        Event::CancelRefused(_) => {
            tracing::warn!(target: TARGET, parent: watch, task, "cancel given up");
        }
        _ => {}
    }
}

/// Returns what became of a write that did not arrive, or is not known to have.
fn given_up(how: &Answered) -> Option<&'static str> {
    match how {
        Answered::Refused => Some("refused"),
        Answered::Unknown => Some("outcome unknown"),
        Answered::NotSent => Some("not sent"),
        Answered::Applied | Answered::Gone(_) => None,
        // What a later core adds is told rather than missed.
        _ => Some("other"),
    }
}

/// Logs how following ended: at info level as was wished for, at warn level otherwise.
pub(crate) fn ended<O>(watch: &Span, intent: Option<&IntentId>, outcome: &Outcome<O>) {
    let cancel = match outcome {
        Outcome::DeadlineExceeded { cancel, .. } | Outcome::Interrupted { cancel, .. } => {
            Some(cancel.code())
        }
        _ => None,
    };
    let end = outcome.code();
    let (task, intent) = (outcome.task().map(display), intent.map(display));
    if is_wished_for(outcome) {
        tracing::info!(target: TARGET, parent: watch, end, cancel, task, intent, "ended");
    } else {
        tracing::warn!(target: TARGET, parent: watch, end, cancel, task, intent, "ended");
    }
}

fn is_wished_for<O>(outcome: &Outcome<O>) -> bool {
    match outcome {
        Outcome::Succeeded { .. } | Outcome::Interrupted { .. } => true,
        Outcome::Stopped { by, .. } => *by == StoppedBy::Us,
        // All others, and what a later core adds.
        _ => false,
    }
}

/// Logs why control was handed back.
pub(crate) fn detached(watch: &Span, why: &DetachReason) {
    tracing::debug!(target: TARGET, parent: watch, end = why.code(), "left");
}

/// A wait: a span from its beginning to its end.
pub(crate) struct Pause {
    why: WaitReason,
    /// Until when; a stream is listened to without one.
    until: Option<Timestamp>,
    _span: Span,
}

impl Pause {
    /// Continues the present pause, or begins this new one.
    pub(crate) fn enter(
        slot: &mut Option<Self>,
        watch: &Span,
        why: WaitReason,
        until: Option<Timestamp>,
        now: Timestamp,
    ) {
        let same = |pause: &Self| pause.why == why && pause.until == until;
        if slot.as_ref().is_some_and(same) {
            return;
        }
        let ms = until.map(|until| millis(until.since(now)));
        let span = tracing::debug_span!(target: TARGET, parent: watch, "pause", %why, ms);
        tracing::debug!(target: TARGET, parent: &span, "waiting");
        *slot = Some(Self {
            why,
            until,
            _span: span,
        });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
