//! Events as lines of the JSON modes.

use serde_json::{Map, Value, json};
use taskward::core::{OutputPiece, RawEvent};
use taskward::question::{Answered, QuestionKind, WithdrawReason};
use taskward::{Event, Question};

use crate::clock::ProgramClock;
use crate::codes::Code;
use crate::exit::Exit;
use crate::lines::{LineType, line};
use crate::task_ref::TaskRef;

/// Makes a note: its code, and what the code says.
pub(super) fn note(task: Option<&TaskRef>, code: Code, mut fields: Value) -> Value {
    fields["code"] = code.as_str().into();
    line(LineType::Note, task, fields)
}

/// Makes the line of an event of the platform.
pub(crate) fn provider_event(raw: &RawEvent, task: Option<&TaskRef>) -> Value {
    let fields = json!({ "seq": raw.seq, "platform_data": raw.data });
    line(LineType::TaskEvent, task, fields)
}

/// Makes the line of an event.
pub(super) fn event(event: &Event, task: Option<&TaskRef>, clock: &ProgramClock) -> Value {
    match event {
        Event::Created {
            status, replayed, ..
        } => line(
            LineType::TaskCreated,
            task,
            json!({ "status": status.as_ref().map(|status| status.as_str()), "replayed": replayed }),
        ),
        Event::Status(status) => line(
            LineType::TaskStatus,
            task,
            json!({
                "status": status.as_str(),
                "known": status.known,
                "elapsed_ms": millis(clock.elapsed()),
            }),
        ),
        Event::Question(asked) => question(asked, task),
        Event::Withdrawn { question, reason } => line(
            LineType::QuestionWithdrawn,
            task,
            json!({ "question_id": question.as_str(), "reason": reason }),
        ),
        Event::Answered {
            question,
            how,
            detail,
        } => line(
            LineType::QuestionAnswered,
            task,
            json!({
                "question_id": question.as_str(),
                "outcome": write_result(*how),
                "reason": reason_of(*how),
                "detail": detail,
            }),
        ),
        Event::Sent { how, detail, .. } => line(
            LineType::MessageSent,
            task,
            json!({ "outcome": write_result(*how), "detail": detail }),
        ),
        Event::Gap { after, before } => line(
            LineType::TaskGap,
            task,
            json!({ "after": after, "before": before }),
        ),
        Event::Provider(raw) => provider_event(raw, task),
        Event::Output(piece) => output(piece, task),
        event => {
            let (code, fields) = remark(event, clock);
            note(task, code, fields)
        }
    }
}

/// Makes the line of a piece of the answer.
fn output(piece: &OutputPiece, task: Option<&TaskRef>) -> Value {
    let fields = json!({
        "artifact": piece.artifact,
        "name": piece.name,
        "append": piece.append,
        "last": piece.last,
        "text": piece.text,
        "parts": piece.parts,
    });
    line(LineType::Output, task, fields)
}

/// What an event without a line type of its own is noted as.
fn remark(event: &Event, clock: &ProgramClock) -> (Code, Value) {
    match event {
        Event::Paused(status) => (Code::InReview, json!({ "status": status.as_str() })),
        Event::Cancelling => (Code::Cancelling, json!({})),
        Event::CancelRefused(why) => (Code::CancelRejected, json!({ "detail": why.to_string() })),
        Event::Retrying {
            attempt,
            failed,
            until,
        } => (
            Code::Retrying,
            json!({
                "attempt": attempt,
                "reason": failed.reason.code(),
                "why": failed.to_string(),
                "wait_ms": millis(clock.left(*until)),
            }),
        ),
        Event::Altered { position } => (Code::EventChanged, json!({ "seq": position })),
        Event::Identified(asked) => (
            Code::QuestionIdentified,
            json!({ "question": question_fields(asked) }),
        ),
        Event::PossibleGap => (Code::PossibleGap, json!({})),
        Event::NoProgress { since, seconds } => (
            Code::NoProgress,
            json!({ "since": since, "seconds": seconds }),
        ),
        Event::Unconfirmed { event, status } => (
            Code::EndUnconfirmed,
            json!({ "event": event, "status": status.as_ref().map(|status| status.as_str()) }),
        ),
        _ => (Code::Other, json!({})),
    }
}

/// Makes the line of a question, as `--on-question` gets it, too.
pub(crate) fn question(question: &Question, task: Option<&TaskRef>) -> Value {
    line(LineType::QuestionOpened, task, question_fields(question))
}

/// Lists what is known of a question, for programs; every key is there for every platform.
pub(crate) fn question_fields(question: &Question) -> Value {
    let kind = match &question.kind {
        QuestionKind::Text => "text",
        QuestionKind::Approval => "approval",
        QuestionKind::Data => "data",
        QuestionKind::Authentication => "authentication",
        QuestionKind::Other(kind) => kind,
        _ => "other",
    };
    json!({
        "id": question.id.as_str(),
        "kind": kind,
        "text": question.text,
        "messages": question.messages,
        "payload": question.payload,
        "asked_at": question.since,
    })
}

/// Makes the last line of a success, with what is special about it.
pub(crate) fn result<'a>(
    task: impl Into<Option<&'a TaskRef>>,
    status: &str,
    mut fields: Map<String, Value>,
) -> Value {
    fields.insert("exit".into(), Exit::Ok.code().into());
    fields.insert("status".into(), status.into());
    line(LineType::TaskResult, task.into(), Value::Object(fields))
}

fn write_result(how: Answered) -> Value {
    match how {
        Answered::Gone(_) => json!("gone"),
        how => serde_json::to_value(how).unwrap_or_default(),
    }
}

/// Why the question was open no more.
fn reason_of(how: Answered) -> Option<WithdrawReason> {
    match how {
        Answered::Gone(reason) => Some(reason),
        _ => None,
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::core::{Cause, FailedAttempt};
    use taskward::event::{RetryReason, Status};
    use taskward::nanonets::Nanonets;

    #[test]
    fn every_line_has_a_version_a_type_and_its_task() {
        let task = TaskRef::of::<Nanonets>("a".into());
        let clock = ProgramClock::new(1);
        let events = [
            Event::Created {
                id: "a".into(),
                status: None,
                replayed: false,
            },
            Event::Status(Status::unknown("odd")),
            Event::Question(Question::new("q", QuestionKind::Text, "Which?")),
            Event::Cancelling,
            Event::Retrying {
                attempt: 2,
                failed: FailedAttempt::new(RetryReason::Wire(Cause::Reset), "reset"),
                until: taskward::core::Timestamp::from_millis(0),
            },
            Event::Altered {
                position: taskward::core::EventSeq(7),
            },
        ];
        let types = [
            "task.created",
            "task.status",
            "question.opened",
            "note",
            "note",
            "note",
        ];
        for (event, kind) in events.iter().zip(types) {
            let line = super::event(event, Some(&task), &clock);
            assert_eq!(
                (line["v"].as_u64(), line["type"].as_str()),
                (Some(2), Some(kind))
            );
            assert_eq!(
                (line["task"].as_str(), line["task_id"].as_str()),
                (Some("nanonets:a"), Some("a"))
            );
        }
    }
}
