//! Errors, by who has to act: the caller ([`BuildError`]), the server ([`ReadError`], [`ApiError`]) or the network
//! ([`ExchangeFailure`](crate::ExchangeFailure)); [`Error`] is what a whole call can return.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::build_error::BuildError;
use crate::credential::ConfigError;
use crate::failure::{Cause, ExchangeFailure, ExchangeProgress};
use crate::id::{IntentId, TaskId};
use crate::question::AnswerError;
use crate::response::{Head, Response};

/// An error from the caller's own code: anything that `?` converts into a boxed error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a reply's error text that are kept.
const MAX_TEXT: usize = 2048;

/// A reply arrived but cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    kind: ReadErrorKind,
    detail: String,
}

/// What is wrong with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The body is empty where JSON is needed.
    Empty,
    /// The JSON ends too early: the connection was cut, and the server is not to blame.
    Truncated,
    /// A web page: a proxy, a login page, an outage page.
    Html,
    /// The body is not JSON.
    NotJson,
    /// The JSON lacks a field that is needed, or has another shape.
    Shape,
    /// The reply is about another task than the requested one.
    Foreign,
}

impl ReadError {
    /// Creates an error of this kind; `detail` names the field.
    pub fn new(kind: ReadErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// Returns what is wrong with the reply.
    #[must_use]
    pub fn kind(&self) -> ReadErrorKind {
        self.kind
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ReadErrorKind::Empty => "the reply is empty",
            ReadErrorKind::Truncated => "the reply's JSON is cut short",
            ReadErrorKind::Html => "expected JSON, got HTML (a proxy or a network login page?)",
            ReadErrorKind::NotJson => "the reply is not JSON",
            ReadErrorKind::Shape => "the reply has another shape than expected",
            ReadErrorKind::Foreign => "the reply is about another task",
        })?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for ReadError {}

/// What kind of error a reply is: what the client does next follows from this. A platform that sends its errors in a
/// reply with a 2xx status (JSON-RPC) says of each which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// The request itself is malformed, or names an id that cannot exist.
    Invalid,
    /// The server refused the request, and repeating it would not change that.
    Refused,
    /// The key is missing, wrong, or not allowed to do this.
    Unauthorised,
    /// What the request names does not exist, or no longer.
    Gone,
    /// The server does not offer this operation.
    NoSuchMethod,
    /// The task cannot be cancelled in its present state; a read shows which state that is.
    NotCancellable,
    /// The request contradicts what the server knows: an earlier one, or the state of the task.
    Conflict,
    /// The client sent too many requests; the server did nothing.
    RateLimited,
    /// The server failed, or gave up waiting. It may have done what was asked.
    Server,
}

impl ErrorClass {
    /// Returns the class of a status code other than 2xx (RFC 9110, section 15).
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Invalid,
            401 | 403 => Self::Unauthorised,
            404 | 410 => Self::Gone,
            405 | 406 | 501 => Self::NoSuchMethod,
            409 | 422 => Self::Conflict,
            429 => Self::RateLimited,
            505 | 511 => Self::Refused,
            // A status of 600 or above is not HTTP; whoever sent it may have done anything.
            408 | 425 | 500.. => Self::Server,
            _ => Self::Refused,
        }
    }
}

/// The server answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// What kind of error it is: the client branches on this.
    pub class: ErrorClass,
    /// The status code; 200 where the platform sends errors in the body.
    pub status: StatusCode,
    /// The server's text for people; it may change at any time.
    pub message: String,
    /// The server's own code for the error, if it sends one.
    pub code: Option<String>,
    /// The server's id for the exchange.
    pub request_id: Option<String>,
}

impl ApiError {
    /// Reads an error reply, whatever its body is: `error`, `message` or `detail` of a JSON object, or else the raw
    /// text.
    #[must_use]
    pub fn read(reply: &Response) -> Self {
        let body = &reply.body[..reply.body.len().min(64 * 1024)];
        let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let found = value.as_ref().and_then(error_text);
        let code = value.as_ref().and_then(|value| {
            let object = value
                .get("error")
                .filter(|inner| inner.is_object())
                .unwrap_or(value);
            ["reason_code", "code"]
                .iter()
                .find_map(|name| object.get(*name)?.as_str().map(str::to_owned))
        });
        let message = found.unwrap_or_else(|| match reply.head.media_type().as_deref() {
            Some("text/html") => String::new(),
            _ => String::from_utf8_lossy(body).trim().to_owned(),
        });
        let mut error = Self::of_head(&reply.head, clip(message), code);
        if error.request_id.is_none() {
            let id = value.as_ref().and_then(|value| value.get("request_id"));
            error.request_id = id.and_then(|id| id.as_str()).map(str::to_owned);
        }
        error
    }

    /// Returns the error that a reply is by its status alone: every status but 2xx.
    ///
    /// # Errors
    /// Returns the server's error.
    pub fn of(reply: &Response) -> Result<(), Self> {
        match reply.status().is_success() {
            true => Ok(()),
            false => Err(Self::read(reply)),
        }
    }

    /// Sets the class, where the platform says more than the status code.
    #[must_use]
    pub fn with_class(mut self, class: ErrorClass) -> Self {
        self.class = class;
        self
    }

    /// Sets the text for people.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = clip(message.into());
        self
    }

    /// Sets the server's own code for the error.
    #[must_use]
    pub fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code;
        self
    }

    /// Creates the error for a reply whose body was lost.
    #[must_use]
    pub fn without_body(head: &Head) -> Self {
        Self::of_head(head, String::new(), None)
    }

    fn of_head(head: &Head, message: String, code: Option<String>) -> Self {
        Self {
            class: ErrorClass::of_status(head.status),
            status: head.status,
            message,
            code,
            request_id: head.request_id().map(str::to_owned),
        }
    }
}

fn error_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(object) => ["error", "message", "detail"]
            .iter()
            .find_map(|name| object.get(*name).and_then(error_text)),
        _ => None,
    }
}

fn clip(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT)
            .rev()
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.is_success(), self.status.canonical_reason()) {
            // "200 OK" would contradict the error that the body holds.
            (true, _) => f.write_str("the server answered with an error")?,
            (false, Some(reason)) => {
                write!(f, "the server answered {} {reason}", self.status.as_u16())?;
            }
            (false, None) => write!(f, "the server answered {}", self.status.as_u16())?,
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

/// The error of a call, or of a whole `run` that ends without an answer.
///
/// ```text
/// kind            who has to act        did the server act?     try again?
/// Config, Input   the caller            no                      after fixing it
/// Auth, Api       the caller            no                      after fixing it
/// RateLimited     nobody: just wait     no                      later
/// Transport       the network           no (for a write)        later
/// Protocol        the server            no                      after fixing it
/// Decode          the server            a read only             later
/// OutcomeUnknown  the network           maybe                   check first
/// Task            the agent             yes                     as you like
/// Pending         nobody                yes, still running      follow it
/// NotDriven       this program          no                      once the task is driven
/// Local           this machine          see the message         after fixing it
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    api: Option<ApiError>,
    failure: Option<ExchangeFailure>,
    read: Option<ReadError>,
    answer: Option<AnswerError>,
    task: Option<TaskId>,
    intent: Option<IntentId>,
    attempts: u32,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key, the base URL or a setting is missing or malformed; nothing was sent.
    Config,
    /// The job, a file or a parameter cannot be used; nothing was sent.
    Input,
    /// The server answered 401 or 403.
    Auth,
    /// The server refused for another reason.
    Api,
    /// The server answered 429 until the retry budget was used up.
    RateLimited,
    /// The network failed until the retry budget was used up; a write was not applied.
    Transport,
    /// What answered is not the server that we know: an untrusted certificate, a redirect elsewhere, not HTTP.
    Protocol,
    /// The reply to a read cannot be parsed.
    Decode,
    /// A write may or may not have been applied.
    OutcomeUnknown,
    /// The task failed or was stopped.
    Task,
    /// The task is still running: a question, a deadline or an interrupt ended the call.
    Pending,
    /// The task completed, but its answer cannot be read yet.
    ResultUnavailable,
    /// Nobody drives the task that a handle spoke to: its request was withdrawn and will not be applied later.
    NotDriven,
    /// Something on this side failed: a handler, a save hook or a file.
    Local,
}

impl Error {
    /// Creates an error of this kind with a message that says what happened.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            api: None,
            failure: None,
            read: None,
            answer: None,
            task: None,
            intent: None,
            attempts: 0,
            retry_after: None,
            source: None,
        }))
    }

    /// Creates the error for a reply that is an error.
    #[must_use]
    pub fn api(api: ApiError) -> Self {
        let kind = match api.class {
            ErrorClass::Unauthorised => ErrorKind::Auth,
            ErrorClass::RateLimited => ErrorKind::RateLimited,
            // This is not HTTP as we speak it.
            ErrorClass::Server if api.status.as_u16() >= 600 => ErrorKind::Protocol,
            ErrorClass::Server => ErrorKind::Transport,
            ErrorClass::Invalid
            | ErrorClass::Refused
            | ErrorClass::Gone
            | ErrorClass::NoSuchMethod
            | ErrorClass::NotCancellable
            | ErrorClass::Conflict => ErrorKind::Api,
        };
        let mut error = Self::new(kind, api.to_string());
        error.0.api = Some(api);
        error
    }

    /// Creates the error for an exchange that failed without any effect.
    #[must_use]
    pub fn failure(failure: ExchangeFailure) -> Self {
        let kind = match failure.cause {
            Cause::Source | Cause::SourceChanged => ErrorKind::Input,
            Cause::Certificate
            | Cause::Redirect
            | Cause::Encoding
            | Cause::Protocol
            | Cause::TooLarge { .. } => ErrorKind::Protocol,
            Cause::Resolve
            | Cause::Refused
            | Cause::OutOfDescriptors
            | Cause::Tls
            | Cause::Proxy
            | Cause::Timeout(_)
            | Cause::Reset
            | Cause::Truncated
            | Cause::Abandoned => ErrorKind::Transport,
        };
        let mut error = Self::new(kind, failure.to_string());
        error.0.failure = Some(failure);
        error
    }

    /// Creates the error for a reply that cannot be read.
    #[must_use]
    pub fn read(read: ReadError) -> Self {
        let kind = match read.kind() {
            ReadErrorKind::Truncated | ReadErrorKind::Html => ErrorKind::Transport,
            ReadErrorKind::Empty
            | ReadErrorKind::NotJson
            | ReadErrorKind::Shape
            | ReadErrorKind::Foreign => ErrorKind::Decode,
        };
        let mut error = Self::new(kind, read.to_string());
        error.0.read = Some(read);
        error
    }

    /// Turns this error into one about a write with unknown outcome, with the same cause.
    #[must_use]
    pub fn into_unknown(mut self, intent: Option<IntentId>) -> Self {
        self.0.kind = ErrorKind::OutcomeUnknown;
        self.0.intent = intent;
        self
    }

    /// Adds the id of the task to this error.
    #[must_use]
    pub fn with_task(mut self, id: TaskId) -> Self {
        self.0.task = Some(id);
        self
    }

    /// Adds the wait that the server asked for.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Sets how many requests were made.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Sets the cause of this error.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns why an answer was rejected before anything was sent, if that is what happened.
    #[must_use]
    pub fn answer_error(&self) -> Option<&AnswerError> {
        self.0.answer.as_ref()
    }

    /// Returns the server's error, if it sent one.
    #[must_use]
    pub fn api_error(&self) -> Option<&ApiError> {
        self.0.api.as_ref()
    }

    /// Returns the failure of the exchange, if it failed.
    #[must_use]
    pub fn wire_failure(&self) -> Option<&ExchangeFailure> {
        self.0.failure.as_ref()
    }

    /// Returns the status code of the last reply, if one came.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match (&self.0.api, &self.0.failure) {
            (Some(api), _) => Some(api.status),
            (
                None,
                Some(ExchangeFailure {
                    progress: ExchangeProgress::Answered(head),
                    ..
                }),
            ) => Some(head.status),
            _ => None,
        }
    }

    /// Returns the server's id for the last exchange, by which its support can find it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.api.as_ref()?.request_id.as_deref()
    }

    /// Returns the id of the task that the error is about; the task is not lost.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        self.0.task.as_ref()
    }

    /// Returns the start or answer whose outcome is unknown.
    #[must_use]
    pub fn intent(&self) -> Option<&IntentId> {
        self.0.intent.as_ref()
    }

    /// Returns how many requests were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Returns how long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns whether the same call may succeed later without any change.
    ///
    /// # Troubleshooting
    /// A caller that loops on this should wait at least [`retry_after`](Self::retry_after) between tries.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.0.kind,
            ErrorKind::RateLimited | ErrorKind::Transport | ErrorKind::ResultUnavailable
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut cause: Option<&(dyn std::error::Error + 'static)> =
            self.0.source.as_deref().map(|e| e as _);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Config, error.to_string())
    }
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::new(ErrorKind::Input, error.to_string())
    }
}

impl From<AnswerError> for Error {
    fn from(answer: AnswerError) -> Self {
        let mut error = Self::new(ErrorKind::Input, answer.to_string());
        error.0.answer = Some(answer);
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    /// Rows: D17.
    #[test]
    fn an_error_body_of_any_shape_still_tells_its_status() {
        for (body, message) in [
            (&br#"{"error":"no"}"#[..], "no"),
            (br#"{"message":"no"}"#, "no"),
            (br#"{"detail":"no"}"#, "no"),
            (br#"{"error":{"message":"no","code":"x"}}"#, "no"),
            (br#""no""#, "no"),
            (b"plain no", "plain no"),
            (b"", ""),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            let error = ApiError::read(&Response::new(StatusCode::CONFLICT, body.to_vec()));
            assert_eq!(
                (error.status, error.message.as_str()),
                (StatusCode::CONFLICT, message)
            );
        }
        let big = ApiError::read(&Response::new(StatusCode::BAD_GATEWAY, vec![b'x'; 5 << 20]));
        assert!(big.message.len() < 2100);
        let mut html = Response::new(StatusCode::BAD_GATEWAY, "<html>…");
        html.head.headers.insert(
            header::CONTENT_TYPE,
            "text/html; charset=utf-8".parse().expect("value"),
        );
        assert_eq!(ApiError::read(&html).message, "");
    }
}
