//! What an event says, and what it means for the run.

use serde::Deserialize as _;
use serde_json::{Map, Value};
use taskward_core::{
    EventKind, EventSeq, Question, QuestionId, QuestionKind, RawEvent, Status, StreamEvent,
    TaskFailure, TaskId, UnconfirmedEnd,
};

use super::types::{
    AwaitingInputPayload, EventReasonCode, InputKind, RunEvent, RunEventType, RunStatus,
    StatusTransitionPayload,
};

/// The SSE name of a run's events; frames of another name say nothing of the run.
pub(super) const RUN_EVENT: &str = "run_event";

/// Converts an event to the machine's form.
pub(super) fn item_of(run: &TaskId, event: RunEvent) -> StreamEvent {
    let kind = kind_of(run, &event);
    let begun = begun(&event);
    let position = EventSeq(event.seq);
    let name = event.r#type.as_str().to_owned();
    let stream_event = StreamEvent::new(RawEvent::new(Some(position), name, envelope(event)), kind);
    match begun {
        Some((from, to)) => stream_event.with_status_change(from, to),
        None => stream_event,
    }
}

/// Returns the status that a run leaves when its worker begins, and the one it comes to. Every other change is followed by a read.
fn begun(event: &RunEvent) -> Option<(Status, Status)> {
    if event.r#type != RunEventType::RunWorkerStarted {
        return None;
    }
    let payload = StatusTransitionPayload::deserialize(&event.payload.value).unwrap_or_default();
    let from = payload.from_status.unwrap_or(RunStatus::Queued);
    Some((status_of(&from), status_of(&RunStatus::Running)))
}

fn kind_of(run: &TaskId, event: &RunEvent) -> EventKind {
    match &event.r#type {
        RunEventType::RunCreated
        | RunEventType::RunWorkerStarted
        | RunEventType::StepProgress
        | RunEventType::StepDone => EventKind::Working,
        RunEventType::RunAwaitingInput => EventKind::Asking(question_of(run, event)),
        RunEventType::RunWorkerSucceeded => EventKind::Ended(UnconfirmedEnd::Succeeded),
        RunEventType::RunWorkerFailed => {
            EventKind::Ended(UnconfirmedEnd::Failed(fault_of(event, "failed")))
        }
        RunEventType::RunLimitExceeded => {
            let mut fault = fault_of(event, "failed");
            fault
                .reason
                .get_or_insert_with(|| "limit_exceeded".to_owned());
            fault
                .message
                .get_or_insert_with(|| "the task exceeded a limit".to_owned());
            EventKind::Ended(UnconfirmedEnd::Failed(fault))
        }
        RunEventType::RunCancelled => {
            let mut fault = fault_of(event, "cancelled");
            if fault.reason.as_deref() == Some(EventReasonCode::SignalTimeout.as_str()) {
                fault.message = Some("no signal came within the platform's timeout".to_owned());
                fault = fault.as_unanswered();
            }
            EventKind::Ended(UnconfirmedEnd::Stopped(fault))
        }
        // What the catalogue does not have may be anything, unless it says where it leads.
        RunEventType::Unknown(_)
            if event.payload.value.get("to_status").and_then(Value::as_str)
                == Some(RunStatus::Running.as_str()) =>
        {
            EventKind::Working
        }
        RunEventType::Unknown(_) => EventKind::Neutral,
    }
}

fn fault_of(event: &RunEvent, status: &'static str) -> TaskFailure {
    let reason = StatusTransitionPayload::deserialize(&event.payload.value)
        .ok()
        .and_then(|transition| transition.reason_code);
    let code = reason.map(|code| code.to_string());
    TaskFailure::new(Status::known(status)).with_reason(code, words_of(&event.payload.value))
}

/// Returns an event's detail besides its code: the reason of the person who rejected a run.
fn words_of(payload: &Value) -> Option<String> {
    let words = payload.get("reason")?.as_str()?;
    (!words.trim().is_empty()).then(|| words.to_owned())
}

/// Returns the status for the machine; known words allocate nothing.
pub(super) fn status_of(status: &RunStatus) -> Status {
    match status {
        RunStatus::Queued => Status::known("queued"),
        RunStatus::Running => Status::known("running"),
        RunStatus::AwaitingInput => Status::known("awaiting_input"),
        RunStatus::Stalled => Status::known("stalled"),
        RunStatus::Succeeded => Status::known("succeeded"),
        RunStatus::Failed => Status::known("failed"),
        RunStatus::Cancelled => Status::known("cancelled"),
        RunStatus::Unknown(raw) => Status::unknown(raw.clone()),
    }
}

/// Builds the question of a wait, which is identified by its run and its place in the log; the platform gives it no other
/// id.
fn question_of(run: &TaskId, event: &RunEvent) -> Question {
    let payload = AwaitingInputPayload::deserialize(&event.payload.value).unwrap_or_default();
    let approval = payload.reason_code == Some(EventReasonCode::AwaitingApproval);
    let kind = match payload.input_kind {
        Some(InputKind::Approval) => QuestionKind::Approval,
        // One kind is documented; these are what a wait for data would be called.
        Some(InputKind::Unknown(kind))
            if ["data", "input", "user_input", "submit_input"].contains(&kind.as_str()) =>
        {
            QuestionKind::Data
        }
        Some(InputKind::Unknown(kind)) => QuestionKind::Other(kind),
        None if approval => QuestionKind::Approval,
        None => QuestionKind::Other("unknown".to_owned()),
    };
    let seq = event.seq.to_string();
    Question::new(
        QuestionId::of(&[run.as_str().as_bytes(), seq.as_bytes()]),
        kind,
        "",
    )
    .asked_at(EventSeq(event.seq))
    .asked_since(event.timestamp.as_ref().map(ToString::to_string))
    .with_payload(event.payload.value.clone())
}

/// Returns the event as it came. The platform leaves the run's id out of it.
fn envelope(event: RunEvent) -> Value {
    let RunEvent {
        seq,
        r#type,
        timestamp,
        payload,
        extra,
        ..
    } = event;
    let mut inner = payload.extra;
    inner.insert("redacted".to_owned(), Value::Bool(payload.redacted));
    inner.insert("value".to_owned(), payload.value);
    let mut outer = Map::new();
    outer.insert("seq".to_owned(), seq.into());
    outer.insert("type".to_owned(), Value::String(r#type.to_string()));
    if let Some(timestamp) = timestamp {
        outer.insert("timestamp".to_owned(), Value::String(timestamp.to_string()));
    }
    outer.insert("payload".to_owned(), Value::Object(inner));
    outer.extend(extra);
    Value::Object(outer)
}
