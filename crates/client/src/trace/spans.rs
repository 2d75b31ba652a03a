//! The reports, as spans and events of `tracing`.

use std::time::Duration;

use taskward_core::{
    Answered, DetachReason, Event, IntentId, Outcome, Provider, Request, Response, StoppedBy, Task,
    TaskId, Timestamp, WaitReason,
};
use tracing::Level;
pub(crate) use tracing::Span;
use tracing::field::{Empty, display};

use crate::reply::Report;

/// The target of all spans and of the events in them.
const TARGET: &str = "taskward";
/// The target of what is told of exchanges, whoever asked for them.
const EXCHANGES: &str = "taskward_client";
/// Characters that a log shows of a web page that came in place of an answer.
const MAX_PAGE: usize = 200;

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

/// Notes and logs how a request ended; a status of 0 is that of an exchange without a head.
pub(crate) fn replied<S>(span: &Span, request: &Request, report: &Report<S>, took: Duration) {
    let ((status, detail), ms) = (summary(report), millis(took));
    span.record("status", status);
    span.record("ms", ms);
    tracing::debug!(
        target: EXCHANGES,
        parent: span,
        method = %request.method(),
        target = %request.target(),
        status,
        detail,
        ms,
        "exchange"
    );
}

/// Returns status (0 without a head) and further words; of a report that was [cleaned](Report::clean).
fn summary<S>(report: &Report<S>) -> (u16, String) {
    match report {
        Report::Reply(reply) => (reply.status().as_u16(), page(reply)),
        Report::Stream(head, _) => (head.status.as_u16(), "stream".to_owned()),
        Report::Failed(failure) => (
            failure.head().map_or(0, |head| head.status.as_u16()),
            failure.to_string(),
        ),
    }
}

/// Returns the beginning of a web page that came instead of an answer: a proxy's, or the network's login. No other body
/// is shown, since answers are nobody else's business.
fn page(reply: &Response) -> String {
    let start = reply.body.trim_ascii_start();
    if !start.starts_with(b"<") {
        return String::new();
    }
    let text = String::from_utf8_lossy(&start[..start.len().min(4 * MAX_PAGE)]);
    let shown = text.chars().take(MAX_PAGE).map(|c| match c {
        c if c.is_control() => ' ',
        // Bidirectional controls turn lines of a terminal around.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c => c,
    });
    shown.collect()
}

/// Logs that a file grew while it was sent.
pub(crate) fn grown(file: &str, bytes: u64) {
    tracing::warn!(
        target: EXCHANGES,
        file,
        bytes,
        "the file grew while it was sent; it was sent as long as it was"
    );
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use taskward_core::{Credential, SecretString};

    /// Rows: B11.
    #[test]
    fn a_log_shows_the_beginning_of_a_page_and_nothing_of_an_answer() {
        let credential = Credential::bearer(&SecretString::from("canary-key")).expect("a key");
        let words = |body: &str| {
            let mut report = Report::<()>::Reply(Response::new(StatusCode::OK, body.to_owned()));
            report.clean(Some(&credential));
            summary(&report).1
        };
        let page = format!("\n<html>\u{1b}[31m\u{202e}canary-key{}", "x".repeat(300));
        let shown = words(&page);
        assert!(shown.starts_with("<html> [31m [key]xxx"), "{shown}");
        assert_eq!(shown.chars().count(), MAX_PAGE);
        assert_eq!(words(r#"{"status":"completed"}"#), "");
    }
}
