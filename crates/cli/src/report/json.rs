//! Events as JSON lines: `"v":1`, a `type`, and the task wherever it is known.

use serde_json::{Map, Value, json};
use taskward::{Answered, Event, Question, QuestionId, QuestionKind, WithdrawReason};

use crate::clock::ProgramClock;
use crate::exit::Exit;
use crate::task_ref::TaskRef;

/// A line about a task.
pub(crate) fn about(task: &TaskRef, kind: &str, fields: Value) -> Value {
    line(kind, Some(task), fields)
}

fn line(kind: &str, task: Option<&TaskRef>, fields: Value) -> Value {
    let mut line = Map::new();
    line.insert("v".into(), 1.into());
    line.insert("type".into(), kind.into());
    line.insert("task".into(), task.map(ToString::to_string).into());
    line.insert("task_id".into(), task.map(|task| task.id().as_str()).into());
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    Value::Object(line)
}

/// The first line about a task that existed before.
pub(super) fn watching(task: &TaskRef) -> Value {
    line("note", Some(task), json!({ "note": "watching" }))
}

/// A line of the stderr of the command that is to answer a question.
pub(super) fn of_command(task: Option<&TaskRef>, question: &QuestionId, text: &str) -> Value {
    let fields = json!({ "note": "on_question", "question_id": question, "text": text });
    line("note", task, fields)
}

/// The line before a new task that is started like this one.
pub(super) fn starting_like(task: &TaskRef) -> Value {
    line(
        "note",
        None,
        json!({ "note": "starting_again", "like": task.to_string() }),
    )
}

/// The line for an event.
pub(super) fn event(event: &Event, task: Option<&TaskRef>, clock: &ProgramClock) -> Value {
    let told = |name: &str, mut fields: Value| {
        fields["name"] = name.into();
        line("event", task, fields)
    };
    match event {
        Event::Created {
            status, replayed, ..
        } => line(
            "task.created",
            task,
            json!({ "status": status.as_ref().map(|status| status.as_str()), "replayed": replayed }),
        ),
        Event::Status(status) => line(
            "task.status",
            task,
            json!({
                "status": status.as_str(),
                "known": status.known,
                "elapsed_ms": millis(clock.elapsed()),
            }),
        ),
        Event::Question(asked) => question(asked, task),
        Event::Withdrawn { question, reason } => told(
            "withdrawn",
            json!({ "question_id": question.as_str(), "reason": reason }),
        ),
        Event::Paused(status) => told("review", json!({ "status": status.as_str() })),
        Event::Answered {
            question,
            how,
            detail,
        } => told(
            "answered",
            json!({
                "question_id": question.as_str(),
                "how": write_result(*how),
                "reason": reason_of(*how),
                "detail": detail,
            }),
        ),
        Event::Sent { how, detail, .. } => told(
            "sent",
            json!({ "how": write_result(*how), "detail": detail }),
        ),
        Event::Cancelling => told("cancelling", json!({})),
        Event::CancelRefused(why) => told("cancel_refused", json!({ "detail": why })),
        Event::Retrying {
            attempt,
            reason,
            why,
            until,
        } => line(
            "note",
            task,
            json!({
                "note": "retrying",
                "attempt": attempt,
                "reason": reason.code(),
                "why": why,
                "wait_ms": millis(clock.left(*until)),
            }),
        ),
        Event::Gap { after, before } => {
            line("gap", task, json!({ "after": after, "before": before }))
        }
        Event::Altered { position } => line("altered", task, json!({ "seq": position })),
        Event::Identified(asked) => told("identified", shown(asked)),
        Event::Unconfirmed { event, status } => told(
            "unconfirmed",
            json!({ "event": event, "status": status.as_ref().map(|status| status.as_str()) }),
        ),
        Event::Provider(raw) => line("event", task, json!({ "seq": raw.seq, "event": raw.data })),
        _ => told("other", json!({})),
    }
}

/// A question, as its line and as `--on-question` gets it.
pub(crate) fn question(question: &Question, task: Option<&TaskRef>) -> Value {
    line("task.question", task, shown(question))
}

fn shown(question: &Question) -> Value {
    let kind = match &question.kind {
        QuestionKind::Text => "text",
        QuestionKind::Approval => "approval",
        QuestionKind::Data => "data",
        QuestionKind::Other(kind) => kind,
        _ => "other",
    };
    let mut shown = json!({
        "id": question.id.as_str(),
        "kind": kind,
        "text": question.text,
        "messages": question.messages,
    });
    if let Some(payload) = &question.payload {
        shown["payload"] = payload.clone();
    }
    if let Some(since) = &question.since {
        shown["asked_at"] = since.as_str().into();
    }
    shown
}

/// The last line of a success, with what is special about it.
pub(crate) fn result(task: &TaskRef, status: &str, fields: Map<String, Value>) -> Value {
    let mut line = line(
        "result",
        Some(task),
        json!({ "exit": Exit::Ok.code(), "status": status }),
    );
    if let Value::Object(line) = &mut line {
        line.extend(fields);
    }
    line
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
    use taskward::core::Cause;
    use taskward::nanonets::Nanonets;
    use taskward::{RetryReason, Status};

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
                reason: RetryReason::Wire(Cause::Reset),
                why: "reset".into(),
                until: taskward::core::Timestamp::from_millis(0),
            },
            Event::Altered {
                position: taskward::core::EventSeq(7),
            },
        ];
        let types = [
            "task.created",
            "task.status",
            "task.question",
            "event",
            "note",
            "altered",
        ];
        for (event, kind) in events.iter().zip(types) {
            let line = super::event(event, Some(&task), &clock);
            assert_eq!(
                (line["v"].as_u64(), line["type"].as_str()),
                (Some(1), Some(kind))
            );
            assert_eq!(
                (line["task"].as_str(), line["task_id"].as_str()),
                (Some("nanonets:a"), Some("a"))
            );
        }
    }
}
