//! What a caller makes of an end: its name, its task, its words, and the error that stands for it.

use http::StatusCode;
use serde_json::{Value, json};
use taskward_core::{
    ApiError, CancelFailure, CancelResult, Cause, DetachReason, Detached, Error, ErrorKind,
    FailedAttempt, IntentId, NotStartedReason, Outcome, Output, Question, QuestionKind,
    ReadErrorKind, Response, RetryReason, RunResult, Snapshot, Status, StoppedBy, TaskFailure,
    TaskId, TimeLimit, UnavailableReason, UnknownReason,
};

type Ending = Outcome<&'static str>;

fn id() -> TaskId {
    TaskId::new("t1")
}

fn refusal(status: u16) -> ApiError {
    let status = StatusCode::from_u16(status).expect("a status");
    let mut reply = Response::new(status, r#"{"error":"no","code":"nope"}"#);
    let name = "r-7".parse().expect("a value");
    reply.head.headers.insert("x-request-id", name);
    ApiError::read(&reply)
}

fn failed(status: &'static str) -> TaskFailure {
    TaskFailure::new(Status::known(status))
}

fn stopped(by: StoppedBy) -> Ending {
    let fault = failed("stopped");
    Outcome::Stopped {
        id: id(),
        by,
        failure: fault,
    }
}

fn late(id: Option<TaskId>, clock: TimeLimit, cancel: CancelResult) -> Ending {
    Outcome::DeadlineExceeded {
        id,
        limit: clock,
        last: Some(Status::known("running")),
        cancel,
    }
}

fn not_started(temporary: bool) -> Ending {
    Outcome::NotStarted {
        reason: NotStartedReason::Attempt(FailedAttempt::new(
            RetryReason::Wire(Cause::Refused),
            "cannot connect",
        )),
        attempts: 4,
        temporary,
    }
}

/// Every end but a success: its name, whether it has a task, the kind of its error, and its words.
fn ends() -> Vec<(Ending, &'static str, bool, ErrorKind, &'static str)> {
    use ErrorKind as K;
    let reason = |reason: Option<&str>, message: Option<&str>| {
        failed("failed").with_reason(reason.map(str::to_owned), message.map(str::to_owned))
    };
    let broken = |fault| Outcome::Failed {
        id: id(),
        failure: fault,
    };
    let no = "the server answered 404 Not Found: no (nope)";
    vec![
        (
            Outcome::ResultUnavailable {
                id: id(),
                reason: UnavailableReason::Attempt(FailedAttempt::new(
                    RetryReason::Wire(Cause::Truncated),
                    "cut short",
                )),
            },
            "result_unavailable",
            true,
            K::ResultUnavailable,
            "the task completed, but its answer cannot be read yet: cut short",
        ),
        (
            broken(failed("failed")),
            "task_failed",
            true,
            K::Task,
            "the task failed",
        ),
        (
            broken(reason(Some("limit"), None)),
            "task_failed",
            true,
            K::Task,
            "the task failed: limit",
        ),
        (
            broken(reason(None, Some("too much"))),
            "task_failed",
            true,
            K::Task,
            "the task failed: too much",
        ),
        (
            broken(reason(Some("limit"), Some("too much"))),
            "task_failed",
            true,
            K::Task,
            "the task failed: too much (limit)",
        ),
        (
            stopped(StoppedBy::Us),
            "task_stopped",
            true,
            K::Task,
            "the task was stopped as asked",
        ),
        (
            stopped(StoppedBy::Unanswered),
            "task_stopped",
            true,
            K::Task,
            "the task was cancelled because nobody answered its question in time",
        ),
        (
            stopped(StoppedBy::Other),
            "task_stopped",
            true,
            K::Task,
            "the task was stopped by someone else",
        ),
        (
            Outcome::Refused(refusal(422)),
            "refused",
            false,
            K::Api,
            "the start was refused: the server answered 422 Unprocessable Entity: no (nope)",
        ),
        (
            not_started(true),
            "not_started",
            false,
            K::Transport,
            "the task was not started: cannot connect",
        ),
        (
            not_started(false),
            "not_started",
            false,
            K::Protocol,
            "the task was not started: cannot connect",
        ),
        (
            Outcome::Unknown {
                intent: IntentId::new("i-1"),
                reason: UnknownReason::Attempt(FailedAttempt::new(
                    RetryReason::Wire(Cause::Reset),
                    "the connection was lost",
                )),
                likely: true,
            },
            "outcome_unknown",
            false,
            K::OutcomeUnknown,
            "the task may have started: the connection was lost",
        ),
        (
            Outcome::AccessLost {
                id: id(),
                error: refusal(401),
            },
            "access_lost",
            true,
            K::Auth,
            "the key was refused: the server answered 401 Unauthorized: no (nope)",
        ),
        (
            Outcome::Gone {
                id: id(),
                error: refusal(404),
            },
            "gone",
            true,
            K::Api,
            no,
        ),
        (
            late(None, TimeLimit::Working, CancelResult::NotRequested),
            "deadline",
            false,
            K::Pending,
            "the deadline passed before the task was started",
        ),
        (
            late(Some(id()), TimeLimit::Working, CancelResult::NotRequested),
            "deadline",
            true,
            K::Pending,
            "the deadline passed; the task goes on (last status: running)",
        ),
        (
            late(Some(id()), TimeLimit::Waiting, CancelResult::Unsupported),
            "deadline",
            true,
            K::Pending,
            "nobody answered in time; the task goes on, since it cannot be stopped from here (last status: running)",
        ),
        (
            late(
                Some(id()),
                TimeLimit::Working,
                CancelResult::Confirmed(Status::known("stopped")),
            ),
            "deadline",
            true,
            K::Pending,
            "the deadline passed; the task was stopped (stopped)",
        ),
        (
            Outcome::Interrupted {
                id: id(),
                last: None,
                cancel: CancelResult::Accepted,
            },
            "interrupted",
            true,
            K::Pending,
            "interrupted; the task was asked to stop, and was not seen to have",
        ),
        (
            Outcome::Interrupted {
                id: id(),
                last: Some(Status::known("running")),
                cancel: CancelResult::Failed(CancelFailure::Attempt(FailedAttempt::new(
                    RetryReason::Status(409),
                    "409",
                ))),
            },
            "interrupted",
            true,
            K::Pending,
            "interrupted; the task was not stopped and goes on: 409 (last status: running)",
        ),
    ]
}

#[test]
fn every_end_has_its_name_and_knows_its_task() {
    for (end, code, has_task, _, words) in ends() {
        assert_eq!(end.code(), code, "{words}");
        assert_eq!(end.task(), has_task.then(id).as_ref(), "{words}");
        assert!(end.to_string().ends_with(words), "{end}");
    }
    let end = Outcome::Succeeded {
        id: id(),
        output: "42",
    };
    assert_eq!((end.code(), end.task()), ("succeeded", Some(&id())));
    assert_eq!(end.to_string(), "the task completed", "not the answer");
}

#[test]
fn every_end_but_a_success_is_an_error_that_names_the_task_and_says_what_happened() {
    for (end, code, has_task, kind, words) in ends() {
        let refusal = matches!(code, "refused" | "access_lost" | "gone");
        let error = RunResult::Ended(end).into_answer().expect_err(code);
        assert_eq!(error.kind(), kind, "{words}");
        assert_eq!(error.task(), has_task.then(id).as_ref(), "{words}");
        assert!(words.ends_with(&error.to_string()), "{error}");
        assert_eq!(error.api_error().is_some(), refusal, "{words}");
        assert_eq!(error.request_id(), refusal.then_some("r-7"), "{words}");
        let attempts = if code == "not_started" { 4 } else { 0 };
        assert_eq!(error.attempts(), attempts, "{words}");
        let intent = (code == "outcome_unknown").then(|| IntentId::new("i-1"));
        assert_eq!(error.intent(), intent.as_ref(), "{words}");
    }
    let end = RunResult::Ended(Outcome::Succeeded {
        id: id(),
        output: "42",
    });
    assert_eq!(end.outcome().map(Outcome::code), Some("succeeded"));
    assert_eq!(end.into_answer().expect("an answer"), "42");
}

#[test]
fn every_way_of_handing_control_back_says_what_the_task_waits_for() {
    let snapshot: Snapshot =
        serde_json::from_value(json!({"v": 2, "provider": "toy", "task": "t1", "saved_at": 0}))
            .expect("a snapshot");
    let ask = |text| Question::new("q1", QuestionKind::Text, text);
    let left = |why| Detached::new(id(), why, snapshot.clone());
    let interrupted = left(DetachReason::Interrupted);
    let stopped = interrupted.clone().with_cancel(CancelResult::Accepted);
    for (left, code, kind, words) in [
        (
            left(DetachReason::Question(ask("EUR or CHF?"))),
            "question",
            ErrorKind::Pending,
            "the agent waits for an answer: EUR or CHF?",
        ),
        (
            left(DetachReason::Question(ask(""))),
            "question",
            ErrorKind::Pending,
            "the agent waits for an answer",
        ),
        (
            left(DetachReason::AnswerUnconfirmed(ask("EUR?"))),
            "answer_unknown",
            ErrorKind::OutcomeUnknown,
            "the answer may or may not have arrived",
        ),
        (
            left(DetachReason::Review(Status::known("awaiting_review"))),
            "review",
            ErrorKind::Pending,
            "the task waits for a human's review (awaiting_review)",
        ),
        (
            interrupted,
            "interrupted",
            ErrorKind::Pending,
            "interrupted; the task goes on",
        ),
        (
            stopped,
            "interrupted",
            ErrorKind::Pending,
            "interrupted; the task was asked to stop, and was not seen to have",
        ),
    ] {
        assert_eq!(left.reason.code(), code);
        let end: RunResult<()> = RunResult::Detached(Box::new(left));
        assert!(end.outcome().is_none(), "the task goes on");
        let error = end.into_answer().expect_err(words);
        assert_eq!((error.kind(), error.to_string()), (kind, words.to_owned()));
        assert_eq!(error.task(), Some(&id()));
    }
}

#[test]
fn every_cancel_result_has_its_name() {
    let stopped = CancelResult::Confirmed(Status::known("stopped"));
    for (outcome, code) in [
        (CancelResult::NotRequested, "left_running"),
        (CancelResult::Accepted, "cancel_accepted"),
        (stopped, "cancel_confirmed"),
        (
            CancelResult::Failed(CancelFailure::Attempt(FailedAttempt::new(
                RetryReason::Status(409),
                "409",
            ))),
            "cancel_failed",
        ),
        (CancelResult::Unsupported, "cancel_unsupported"),
    ] {
        assert_eq!(outcome.code(), code);
    }
}

/// An answer as a provider reads it.
struct Answer(Value);

impl Output for Answer {
    fn text(&self) -> Option<String> {
        self.0["text"].as_str().map(str::to_owned)
    }
    fn json(&self) -> Option<&Value> {
        self.0.get("json")
    }
    fn raw(&self) -> &Value {
        &self.0
    }
}

#[test]
fn structured_data_is_read_from_the_answer_or_from_its_text() {
    type Read = Result<Vec<u32>, (ReadErrorKind, &'static str)>;
    let cases: [(Value, Read); 5] = [
        (json!({"json": [1, 2]}), Ok(vec![1, 2])),
        (json!({"text": "[3]"}), Ok(vec![3])),
        (json!({"json": [4], "text": "[5]"}), Ok(vec![4])),
        (
            json!({"text": "four"}),
            Err((ReadErrorKind::Shape, "the answer is text")),
        ),
        (
            json!({}),
            Err((ReadErrorKind::Empty, "completed without an answer")),
        ),
    ];
    for (raw, expected) in cases {
        match (Answer(raw.clone()).data::<Vec<u32>>(), expected) {
            (Ok(data), Ok(expected)) => assert_eq!(data, expected, "{raw}"),
            (Err(error), Err((kind, words))) => {
                assert_eq!(error.kind(), kind, "{raw}");
                assert!(error.to_string().contains(words), "{raw}: {error}");
            }
            (got, _) => panic!("{raw}: {got:?}"),
        }
    }
    let odd = Answer(json!({"json": {"a": 1}})).data::<Vec<u32>>();
    assert_eq!(odd.expect_err("no list").kind(), ReadErrorKind::Shape);
}

#[test]
fn text_that_was_lost_on_its_way_marks_the_whole_answer_as_damaged() {
    for (raw, damaged) in [
        (
            json!({"text": "whole", "n": 1, "b": true, "x": null}),
            false,
        ),
        (json!({"text": "lo\u{fffd}st"}), true),
        (json!({"json": ["a", {"b": "\u{fffd}"}]}), true),
        (json!({"na\u{fffd}me": 1}), true),
    ] {
        assert_eq!(Answer(raw.clone()).is_damaged(), damaged, "{raw}");
    }
}

/// What somebody who loops on an error needs to know, for each status a server refuses with.
#[test]
fn the_kind_of_a_refusal_says_whether_the_same_call_may_work_later() {
    for (status, kind, later) in [
        (400, ErrorKind::Api, false),
        (401, ErrorKind::Auth, false),
        (403, ErrorKind::Auth, false),
        (404, ErrorKind::Api, false),
        (409, ErrorKind::Api, false),
        (429, ErrorKind::RateLimited, true),
        (500, ErrorKind::Transport, true),
        (501, ErrorKind::Api, false),
        (503, ErrorKind::Transport, true),
        (505, ErrorKind::Api, false),
        (511, ErrorKind::Api, false),
        (599, ErrorKind::Transport, true),
        (600, ErrorKind::Protocol, false),
        (999, ErrorKind::Protocol, false),
    ] {
        let error = Error::api(refusal(status));
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (kind, later),
            "{status}"
        );
        assert_eq!(error.status().map(|code| code.as_u16()), Some(status));
    }
}
