//! Which replies are errors, and of which class: by the protocol's own reason, else by the number, else by the status.

use http::StatusCode;
use serde_json::Value;
use taskward_core::{ApiError, ErrorClass, Response};

use super::agent::{A2a, Binding};
use super::binding::{RPC_ID, Verdict, verdict};
use super::types::{Error, ErrorBody, RpcReply};
use crate::wire::{self, Token};

/// Says whether a reply is an error.
///
/// # Errors
/// Returns the server's error.
pub(super) fn classify(agent: &A2a, reply: &Response) -> Result<(), ApiError> {
    let is_success = reply.status().is_success();
    let body = match agent.binding() {
        Binding::HttpJson if is_success => None,
        Binding::HttpJson => error_over_http(&reply.body),
        Binding::JsonRpc => match verdict(&reply.body) {
            Some(Verdict::Result) if is_success => return Ok(()),
            // What is broken is no error of the server's; reading it says what it is.
            None if is_success && !may_hold_error(&reply.body) => return Ok(()),
            _ => error_over_rpc(reply),
        },
    };
    match body {
        Some(body) => Err(error_of(reply, &body)),
        None if is_success => Ok(()),
        None => Err(without_words(reply)),
    }
}

/// Returns whether a body that cannot be judged by its beginning may be an envelope with an error after all: one that is
/// read only by the tolerant rules. Reading nothing is cheap, and a body without the word has no such member.
fn may_hold_error(body: &[u8]) -> bool {
    body.windows(7).any(|window| window == b"\"error\"")
}

fn error_over_http(body: &[u8]) -> Option<ErrorBody> {
    wire::decode::<Error>(body).ok()?.error
}

fn error_over_rpc(reply: &Response) -> Option<ErrorBody> {
    let envelope: RpcReply = wire::decode(&reply.body).ok()?;
    // Somebody else's error is none of ours: reading it says so.
    let is_other = |id: Token| id.as_str() != RPC_ID.to_string();
    if envelope.id.is_some_and(is_other) {
        return None;
    }
    let odd = || {
        envelope
            .extra
            .contains_key("error")
            .then(ErrorBody::default)
    };
    let error = envelope.error.or_else(odd)?;
    // With another status, an error without a number of JSON-RPC is that of something before the agent.
    let is_spoken = error.code.is_some_and(|code| code < 0) || reason_of(&error).is_some();
    (reply.status().is_success() || is_spoken).then_some(error)
}

/// Returns the error that a reply with such a body is.
fn error_of(reply: &Response, body: &ErrorBody) -> ApiError {
    let reason = reason_of(body);
    let number = body.code.filter(|code| *code < 0);
    let class = class_of(reply.status(), reason, body);
    let code = reason.map(str::to_owned);
    let code = code.or_else(|| number.map(|number| number.to_string()));
    let error = ApiError::read(reply).with_class(class);
    let error = match &body.message {
        Some(message) => error.with_message(message.as_str()),
        None => error,
    };
    error.with_code(code.or_else(|| body.status.clone()))
}

/// Returns the error that came as an event.
pub(super) fn error_of_event(body: &ErrorBody) -> ApiError {
    error_of(&Response::new(StatusCode::OK, ""), body)
}

/// Returns the error that a reply is by its status alone. Such a 404 is no word about a task: whoever answers it does not
/// know the path.
fn without_words(reply: &Response) -> ApiError {
    let error = ApiError::read(reply);
    let class = of_status(reply.status());
    error.with_class(match class {
        ErrorClass::Gone if reply.status() == StatusCode::NOT_FOUND => ErrorClass::NoSuchMethod,
        other => other,
    })
}

fn class_of(status: StatusCode, reason: Option<&str>, body: &ErrorBody) -> ErrorClass {
    let by_status = of_status(status);
    // What stands before the agent says these, whatever the body is.
    if matches!(
        by_status,
        ErrorClass::Unauthorised | ErrorClass::RateLimited
    ) {
        return by_status;
    }
    if let Some(class) = reason.and_then(of_reason) {
        return class;
    }
    match body.code {
        Some(number @ ..0) => of_number(number),
        // The number of an HTTP status, which JSON-RPC sends with 200.
        Some(number) if status.is_success() => u16::try_from(number)
            .ok()
            .and_then(|number| StatusCode::from_u16(number).ok())
            .filter(|status| !status.is_success())
            .map_or(ErrorClass::Server, of_status),
        _ if status.is_success() => ErrorClass::Server,
        _ => by_status,
    }
}

/// Returns the class of a status, where no body says more.
fn of_status(status: StatusCode) -> ErrorClass {
    match status.as_u16() {
        // Frameworks say this of parameters.
        422 => ErrorClass::Invalid,
        _ => ErrorClass::of_status(status),
    }
}

/// Returns the class of a reason of the protocol.
fn of_reason(reason: &str) -> Option<ErrorClass> {
    Some(match reason {
        "TASK_NOT_FOUND" => ErrorClass::Gone,
        "TASK_NOT_CANCELABLE" => ErrorClass::NotCancellable,
        "PUSH_NOTIFICATION_NOT_SUPPORTED"
        | "UNSUPPORTED_OPERATION"
        | "CONTENT_TYPE_NOT_SUPPORTED"
        | "EXTENDED_AGENT_CARD_NOT_CONFIGURED"
        | "EXTENSION_SUPPORT_REQUIRED"
        | "VERSION_NOT_SUPPORTED" => ErrorClass::Refused,
        "INVALID_PARAMS" | "INVALID_REQUEST" => ErrorClass::Invalid,
        "METHOD_NOT_FOUND" => ErrorClass::NoSuchMethod,
        "INVALID_AGENT_RESPONSE" | "INTERNAL_ERROR" => ErrorClass::Server,
        _ => return None,
    })
}

/// Returns the class of a number of JSON-RPC. A number that this version does not know is a failure of the server: what
/// was asked may have been done.
fn of_number(number: i64) -> ErrorClass {
    match number {
        -32001 => ErrorClass::Gone,
        -32002 => ErrorClass::NotCancellable,
        -32005..=-32003 | -32009..=-32007 => ErrorClass::Refused,
        -32600 | -32602 | -32700 => ErrorClass::Invalid,
        -32601 => ErrorClass::NoSuchMethod,
        _ => ErrorClass::Server,
    }
}

/// Returns the protocol's own reason, from the details of either binding.
fn reason_of(body: &ErrorBody) -> Option<&str> {
    let details = body.details.as_ref().into_iter().chain(&body.data);
    let items = details.flat_map(|details| match details {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    });
    items
        .filter_map(|item| item.get("reason")?.as_str())
        .find(|reason| !reason.is_empty())
}
