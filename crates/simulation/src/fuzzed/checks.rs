//! What was sent, replied and reported so far, and what follows from it.
//!
//! This is no second form of the reference model (`crate::model`), and cannot be replaced by it: that one judges what is
//! reported by what is true on a simulated server, and here there is none. The bytes say what it replies, so what it did
//! is unknown, and only what no server at all could excuse is wrong.

use std::collections::BTreeSet;

use taskward_core::http::StatusCode;
use taskward_core::{
    Capabilities, EventNo, EventSeq, ExchangeFailure, ExchangeProgress, Outcome, Response, Safety,
    TaskId, Timestamp,
};

use super::platforms::{Kind, Platform};

/// What a request that is to leave looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SentRequest {
    pub(super) kind: Kind,
    pub(super) key: Option<String>,
    /// Of a start, whose every attempt is the same.
    pub(super) digest: Option<String>,
}

/// The account of what happened.
#[derive(Default)]
pub(super) struct Checks {
    /// The last event that was taken.
    pub(super) taken: EventNo,
    /// The last position in the stream that was reported in this process.
    pub(super) position: Option<EventSeq>,
    /// The id that was reported to the application.
    pub(super) told: Option<TaskId>,
    /// Answers and messages that were taken on.
    pub(super) accepted: u64,
    /// Whether 503 with a hint proves that a write without a key was not run.
    pub(super) unkeyed_503: bool,
    starts: Vec<SentRequest>,
    /// Whether a start without a key may have been received.
    start_left: bool,
    /// Writes without a key that may have been received.
    writes_left: u64,
    write_keys: BTreeSet<String>,
    polled: Option<Timestamp>,
    completed: bool,
    failed: bool,
    stopped: bool,
    refused: BTreeSet<u16>,
}

impl Checks {
    /// Notes that a request is about to be sent.
    pub(super) fn sends(&mut self, can: &Capabilities, request: &SentRequest, now: Timestamp) {
        match request.kind {
            Kind::Start => {
                assert!(
                    can.start.is_repeatable() || !self.start_left,
                    "a start that may have been received is sent again"
                );
                if !self.starts.contains(request) {
                    self.starts.push(request.clone());
                }
                // Where a server does not take a stream, or an id of ours, another form follows.
                let forms = if can.start == Safety::Traceable { 3 } else { 1 };
                assert!(self.starts.len() <= forms, "{:?}", self.starts);
            }
            Kind::Write if !can.answer.is_repeatable() => assert!(
                self.writes_left < self.accepted,
                "a write that may have been received is sent again"
            ),
            Kind::Write => {
                let key = request.key.clone().expect("an answer has its key");
                self.write_keys.insert(key);
                assert!(
                    self.write_keys.len() as u64 <= self.accepted,
                    "an answer goes out under two keys"
                );
            }
            // Where there is a stream, the read before an answer is sent is the same request.
            Kind::Status if !can.stream => {
                let floor = taskward_core::PollBackoff::default().floor;
                let polled = self.polled.replace(now);
                assert!(
                    polled.is_none_or(|polled| now.since(polled) >= floor),
                    "two looks are closer than the floor"
                );
            }
            Kind::Stream | Kind::Status | Kind::Other => {}
        }
    }

    /// Notes the reported outcome of a request; `words` is the status that says what the reply says, where its own does
    /// not.
    pub(super) fn reported(
        &mut self,
        kind: Kind,
        report: &Result<Response, ExchangeFailure>,
        words: Option<u16>,
    ) {
        let head = match report {
            Ok(reply) => Some(&reply.head),
            Err(failure) => failure.head(),
        };
        if let Some(head) = head {
            self.refused.insert(head.status.as_u16());
        }
        self.refused.extend(words);
        let left = match (report, head) {
            _ if words.is_some_and(|status| status < 500) => false,
            (Err(failure), None) => failure.progress != ExchangeProgress::NotSent,
            (_, Some(head)) => {
                let has_hint = head.headers.contains_key("retry-after");
                may_have_run(head.status, has_hint && self.unkeyed_503)
            }
            (Ok(_), None) => unreachable!("a reply has a head"),
        };
        if left {
            self.left(kind);
        }
    }

    /// Notes that a request may have been received.
    pub(super) fn left(&mut self, kind: Kind) {
        match kind {
            Kind::Start => self.start_left = true,
            Kind::Write => self.writes_left += 1,
            Kind::Stream | Kind::Status | Kind::Other => {}
        }
    }

    /// Notes what the server said in a 2xx reply, or so far on a stream.
    pub(super) fn said<P: Platform>(&mut self, bytes: &[u8]) {
        // What is escaped may be any word.
        let escaped = bytes.contains(&b'\\');
        let says = |words: &[&str]| {
            let one = |word: &&str| bytes.windows(word.len()).any(|at| at == word.as_bytes());
            escaped || words.iter().any(one)
        };
        self.completed |= says(P::COMPLETED);
        self.failed |= says(P::FAILED);
        self.stopped |= says(P::STOPPED);
    }

    /// Notes that another process resumes from what was stored when `taken` and `position` were the last.
    pub(super) fn resumed(&mut self, taken: EventNo) {
        self.taken = taken;
        self.position = None;
        self.polled = None;
    }

    fn was_refused(&self, with: &[u16]) {
        let was = with.iter().any(|status| self.refused.contains(status));
        assert!(was, "nobody said any of {with:?}");
    }

    /// Returns whether this outcome may be reported of a task of this id.
    pub(super) fn ended<O>(&self, outcome: &Outcome<O>, id: Option<&TaskId>, out_of_time: bool) {
        let code = outcome.code();
        // If the message of a turn is refused, lost or never sent, the outcome names no task, like that of a start.
        let of_message = matches!(
            outcome,
            Outcome::Refused(_) | Outcome::NotStarted { .. } | Outcome::Unknown { .. }
        );
        if !of_message {
            assert_eq!(outcome.task(), id, "{code}");
        }
        match outcome {
            Outcome::Succeeded { .. } | Outcome::ResultUnavailable { .. } => {
                assert!(self.completed, "{code}, and nobody said that it completed");
            }
            Outcome::Failed { .. } => assert!(self.failed, "nobody said that it failed"),
            Outcome::Stopped { .. } => assert!(self.stopped, "nobody said that it was stopped"),
            Outcome::AccessLost { .. } => self.was_refused(&[401, 403]),
            // Of an id that never was seen to be one, 400 and 422 say that it is none.
            Outcome::Gone { .. } => self.was_refused(&[400, 404, 410, 422]),
            Outcome::DeadlineExceeded { .. } => assert!(out_of_time, "the deadline came early"),
            Outcome::NotStarted { .. } => {
                assert!(!self.start_left, "it may have been started");
            }
            _ => {}
        }
    }
}

/// Returns whether a server that answers so may have run a write, by the rules of HTTP and one of ours.
fn may_have_run(status: StatusCode, hint_proves: bool) -> bool {
    match status.as_u16() {
        408 | 425 => true,
        501 | 505 | 511 => false,
        503 => !hint_proves,
        status => (200..300).contains(&status) || status >= 500,
    }
}
