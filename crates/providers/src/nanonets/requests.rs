//! Requests about one task, and how replies name it.

use http::Method;
use serde::de::DeserializeOwned;
use taskward_core::{BuildError, ReadError, Request, Response, Target};

use super::types::SendMessageRequest;
use crate::wire::{self, Naming, Subject};

/// Where a reply names its task: itself, and each message or step in it.
const NAMING: Naming = Naming {
    ids: &["task_id"],
    inside: &[("data", &ENTRY), ("messages", &ENTRY), ("feed", &ENTRY)],
};
const ENTRY: Naming = Naming {
    ids: &["task_id"],
    inside: &[],
};

/// Returns how replies name this task.
pub(super) fn subject(id: &str) -> Subject<'_> {
    Subject::new(id, &NAMING)
}

/// Reads a reply about this task.
pub(super) fn read_about<T: DeserializeOwned>(id: &str, reply: &Response) -> Result<T, ReadError> {
    subject(id).check(&reply.body)?;
    Ok(wire::decode(&reply.body)?)
}

pub(super) fn task_target(
    id: &str,
    rest: &'static str,
) -> Result<http::uri::PathAndQuery, BuildError> {
    Target::new("/api/v1/tasks").segment(id)?.path(rest).build()
}

pub(super) fn message_request(id: &str, text: &str) -> Result<Request, BuildError> {
    let body = SendMessageRequest {
        message: text.to_owned(),
    };
    Request::json(Method::POST, task_target(id, "/message")?, &body)
}

pub(super) fn cancel_request(id: &str) -> Result<Request, BuildError> {
    Ok(Request::empty(Method::POST, task_target(id, "/cancel")?))
}
