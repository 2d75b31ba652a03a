//! Words for people and for programs: each value has its own, and no two share them.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use taskward_core::{
    Answer, AnswerError, ApiError, BuildError, Cause, ConfigError, Error, ErrorKind,
    ExchangeFailure, ExchangeProgress, Head, QuestionId, QuestionKind, ReadError, ReadErrorKind,
    RequestPurpose, Response, ResumeError, RetryReason, TimeoutPhase, WaitReason,
};

/// Holds that each of these has words, and words of its own.
fn told_apart<T: Debug>(values: &[T], words: impl Fn(&T) -> String) {
    let mut seen = BTreeSet::new();
    for value in values {
        let text = words(value);
        assert!(!text.trim().is_empty(), "{value:?}");
        assert!(seen.insert(text.clone()), "{value:?} is {text:?}, too");
    }
}

/// Holds that each of these is read back as it was stored.
fn stored<T: Debug + PartialEq + Serialize + DeserializeOwned>(values: &[T]) {
    told_apart(values, |value| serde_json::to_string(value).expect("json"));
    for value in values {
        let text = serde_json::to_string(value).expect("json");
        assert_eq!(&serde_json::from_str::<T>(&text).expect("read"), value);
    }
}

const PHASES: [TimeoutPhase; 5] = [
    TimeoutPhase::Connect,
    TimeoutPhase::Send,
    TimeoutPhase::Head,
    TimeoutPhase::Body,
    TimeoutPhase::Total,
];

const READS: [ReadErrorKind; 6] = [
    ReadErrorKind::Empty,
    ReadErrorKind::Truncated,
    ReadErrorKind::Html,
    ReadErrorKind::NotJson,
    ReadErrorKind::Shape,
    ReadErrorKind::Foreign,
];

/// Every cause, with the kind of error that it is.
fn causes() -> Vec<(Cause, ErrorKind)> {
    let mut causes = vec![
        (Cause::Source, ErrorKind::Input),
        (Cause::SourceChanged, ErrorKind::Input),
        (Cause::Certificate, ErrorKind::Protocol),
        (Cause::Redirect, ErrorKind::Protocol),
        (Cause::Encoding, ErrorKind::Protocol),
        (Cause::Protocol, ErrorKind::Protocol),
        (Cause::TooLarge { cap: 16 }, ErrorKind::Protocol),
        (Cause::Resolve, ErrorKind::Transport),
        (Cause::Refused, ErrorKind::Transport),
        (Cause::Tls, ErrorKind::Transport),
        (Cause::Proxy, ErrorKind::Transport),
        (Cause::Reset, ErrorKind::Transport),
        (Cause::Truncated, ErrorKind::Transport),
        (Cause::Abandoned, ErrorKind::Transport),
    ];
    causes.extend(PHASES.map(|phase| (Cause::Timeout(phase), ErrorKind::Transport)));
    causes
}

#[test]
fn every_wait_and_every_purpose_has_words_of_its_own() {
    let waits = [
        WaitReason::PollInterval,
        WaitReason::ServerDelay,
        WaitReason::Backoff,
        WaitReason::Floor,
        WaitReason::Question,
        WaitReason::Review,
        WaitReason::Deadline,
        WaitReason::CrossCheck,
        WaitReason::Quiet,
        WaitReason::Silence,
        WaitReason::Opening,
        WaitReason::Reopen,
        WaitReason::Confirm,
        WaitReason::NotVisibleYet,
        WaitReason::ConfirmingGone,
        WaitReason::Conflict,
        WaitReason::Reconcile,
        WaitReason::Result,
        WaitReason::Cancelling,
    ];
    told_apart(&waits, |why| why.to_string());
    let purposes = [
        RequestPurpose::Start,
        RequestPurpose::StartAgain,
        RequestPurpose::Status,
        RequestPurpose::Questions,
        RequestPurpose::Events,
        RequestPurpose::Result,
        RequestPurpose::Steps,
        RequestPurpose::Check,
        RequestPurpose::Answer,
        RequestPurpose::Message,
        RequestPurpose::Reconcile,
        RequestPurpose::Cancel,
        RequestPurpose::Stream,
        RequestPurpose::StreamAfter,
    ];
    told_apart(&purposes, |purpose| purpose.to_string());
}

#[test]
fn every_reason_to_try_again_has_its_code_and_is_stored_as_it_is() {
    let reasons = [
        RetryReason::Wire(Cause::Reset),
        RetryReason::Status(503),
        RetryReason::Unreadable(ReadErrorKind::Html),
        RetryReason::NotReady,
        RetryReason::StreamEnded,
        RetryReason::StreamSilent,
        RetryReason::StreamUnusable,
    ];
    told_apart(&reasons, |reason| reason.code().to_owned());
    stored(&reasons);
    stored(
        &causes()
            .into_iter()
            .map(|(cause, _)| cause)
            .collect::<Vec<_>>(),
    );
    stored(&READS);
}

#[test]
fn every_failure_of_the_wire_has_words_and_a_kind() {
    let causes = causes();
    let of = |cause: &Cause| ExchangeFailure::new(ExchangeProgress::MaybeSent, cause.clone(), "");
    told_apart(&causes, |(cause, _)| of(cause).to_string());
    for (cause, kind) in causes {
        let failure = ExchangeFailure::new(ExchangeProgress::NotSent, cause.clone(), "host:443");
        let error = Error::failure(failure.clone());
        assert_eq!(error.kind(), kind, "{cause:?}");
        assert_eq!(error.wire_failure(), Some(&failure));
        let between = match cause {
            Cause::Refused => " to ",
            _ => ": ",
        };
        let words = format!("{}{between}host:443", of(&cause));
        assert_eq!(error.to_string(), words);
        assert_eq!(error.is_retryable(), kind == ErrorKind::Transport);
        assert_eq!(error.status(), None, "no reply came");
    }
}

/// A reply whose body was lost still tells its status.
#[test]
fn a_failure_after_the_head_of_a_reply_keeps_its_status() {
    let head = Head::new(StatusCode::BAD_GATEWAY);
    let failure = ExchangeFailure::new(
        ExchangeProgress::Answered(Box::new(head)),
        Cause::Truncated,
        "",
    );
    let error = Error::failure(failure);
    assert_eq!(error.status(), Some(StatusCode::BAD_GATEWAY));
    assert_eq!(error.request_id(), None);
}

#[test]
fn every_reply_that_cannot_be_read_has_words_and_a_kind() {
    told_apart(&READS, |kind| ReadError::new(*kind, "").to_string());
    for kind in READS {
        let read = ReadError::new(kind, "no \"id\"");
        let error = Error::read(read);
        let wire = matches!(kind, ReadErrorKind::Truncated | ReadErrorKind::Html);
        let expected = if wire {
            ErrorKind::Transport
        } else {
            ErrorKind::Decode
        };
        assert_eq!(error.kind(), expected, "{kind:?}");
        assert!(error.to_string().ends_with(": no \"id\""), "{error}");
    }
}

#[test]
fn what_the_caller_got_wrong_is_an_error_of_its_kind_with_the_same_words() {
    let origin = ResumeError::Origin {
        found: "https://a:443".into(),
        expected: "https://b:443".into(),
    };
    for (error, kind, words) in [
        (
            Error::from(BuildError::new("the id is empty")),
            ErrorKind::Input,
            "the id is empty",
        ),
        (
            ConfigError::new("no key").into(),
            ErrorKind::Config,
            "no key",
        ),
        (
            origin.into(),
            ErrorKind::Input,
            "the snapshot is of a task on https://a:443, not on https://b:443: resume it with a client of that server, or attach to the task's id",
        ),
        (
            ResumeError::Broken("no seed".into()).into(),
            ErrorKind::Input,
            "the snapshot is damaged: no seed",
        ),
    ] {
        assert_eq!((error.kind(), error.to_string()), (kind, words.to_owned()));
        assert!(!error.is_retryable(), "{error}");
    }
}

#[test]
fn an_answer_that_cannot_be_taken_says_which_and_why() {
    let q = || QuestionId::new("q7");
    for (error, words) in [
        (AnswerError::NoSuchQuestion(q()), "no question q7 is open"),
        (
            AnswerError::AlreadyAnswered {
                id: q(),
                with: Some(Answer::text("private")),
            },
            "question q7 was already answered",
        ),
        (
            AnswerError::BeingAnswered(q()),
            "an answer to question q7 is already under way",
        ),
        (
            AnswerError::WrongKind {
                id: q(),
                wants: QuestionKind::Text,
                why: "it needs words",
            },
            "the answer does not fit question q7: it needs words",
        ),
    ] {
        assert_eq!(error.to_string(), words);
    }
}

/// An error whose cause has a cause.
#[derive(Debug)]
struct Outer(std::io::Error);

impl Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the hook failed")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_is_told_with_the_whole_chain_of_its_causes() {
    let wait = Some(Duration::from_secs(7));
    let error = Error::new(ErrorKind::Local, "the snapshot was not saved")
        .with_source(Outer(std::io::Error::other("disk full")))
        .with_retry_after(wait)
        .with_attempts(3);
    assert_eq!(
        error.to_string(),
        "the snapshot was not saved: the hook failed: disk full"
    );
    let source = std::error::Error::source(&error).expect("a cause");
    assert_eq!(source.to_string(), "the hook failed");
    assert_eq!((error.retry_after(), error.attempts()), (wait, 3));
    assert_eq!((error.api_error(), error.wire_failure()), (None, None));
}

#[test]
fn the_long_text_of_a_refusal_is_cut_between_characters() {
    // Two bytes each, behind one: the cut would fall into the middle of one of them.
    let body = format!("x{}", "é".repeat(2000));
    let error = ApiError::read(&Response::new(StatusCode::CONFLICT, body));
    let kept = error.message.strip_suffix('…').expect("it is cut");
    assert_eq!(kept.len(), 2047);
    assert!(kept.ends_with('é'));
}

/// A platform may send its errors in a reply with the status 200, which would contradict them.
///
/// Rows: P4.
#[test]
fn an_error_in_a_reply_that_is_no_error_is_told_without_its_status() {
    let error = ApiError::without_body(&Head::new(StatusCode::OK));
    assert_eq!(error.to_string(), "the server answered with an error");
    let error = error.with_message("Task not found");
    let error = error.with_code(Some("TASK_NOT_FOUND".to_owned()));
    let told = "the server answered with an error: Task not found (TASK_NOT_FOUND)";
    assert_eq!(error.to_string(), told);
}

#[test]
fn a_refusal_without_a_body_is_told_by_its_status_alone() {
    let error = ApiError::without_body(&Head::new(StatusCode::FORBIDDEN));
    assert_eq!(error.to_string(), "the server answered 403 Forbidden");
    let odd = StatusCode::from_u16(799).expect("a status");
    let error = ApiError::without_body(&Head::new(odd));
    assert_eq!(error.to_string(), "the server answered 799");
}
