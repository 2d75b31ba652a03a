//! What is wrong with a request, in both bindings.

use serde_json::{Map, Value, json};

use super::switches::Switches;
use crate::message::Reply;

/// A refusal, whatever binding it is told in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    message: String,
    /// Fields of the request, and what is wrong with each.
    violations: Vec<(&'static str, &'static str)>,
}

/// Why, as the protocol names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    TaskNotFound,
    TaskNotCancelable,
    PushNotificationNotSupported,
    UnsupportedOperation,
    ContentTypeNotSupported,
    InvalidAgentResponse,
    ExtendedAgentCardNotConfigured,
    ExtensionSupportRequired,
    VersionNotSupported,
    InvalidParams,
    InvalidRequest,
    /// The body of a call is no JSON.
    Parse,
    /// There is nothing at this path.
    NoPath,
    /// There is no such operation.
    NoMethod,
    /// The agent broke.
    Internal,
    /// By what stands in front of the server.
    Unauthenticated,
    /// By the simulator.
    NotModelled,
}

/// A reason in words and numbers.
struct Told {
    name: &'static str,
    status: u16,
    word: &'static str,
    rpc: i64,
}

impl Reason {
    fn told(self) -> Told {
        let told = |name, status, word, rpc| Told {
            name,
            status,
            word,
            rpc,
        };
        let unmet = "FAILED_PRECONDITION";
        match self {
            Self::TaskNotFound => told("TASK_NOT_FOUND", 404, "NOT_FOUND", -32001),
            Self::TaskNotCancelable => told("TASK_NOT_CANCELABLE", 400, unmet, -32002),
            Self::PushNotificationNotSupported => {
                told("PUSH_NOTIFICATION_NOT_SUPPORTED", 400, unmet, -32003)
            }
            Self::UnsupportedOperation => told("UNSUPPORTED_OPERATION", 400, unmet, -32004),
            Self::ContentTypeNotSupported => {
                let name = "CONTENT_TYPE_NOT_SUPPORTED";
                told(name, 400, "INVALID_ARGUMENT", -32005)
            }
            Self::InvalidAgentResponse => told("INVALID_AGENT_RESPONSE", 500, "INTERNAL", -32006),
            Self::ExtendedAgentCardNotConfigured => {
                told("EXTENDED_AGENT_CARD_NOT_CONFIGURED", 400, unmet, -32007)
            }
            Self::ExtensionSupportRequired => {
                told("EXTENSION_SUPPORT_REQUIRED", 400, unmet, -32008)
            }
            Self::VersionNotSupported => told("VERSION_NOT_SUPPORTED", 400, unmet, -32009),
            Self::InvalidParams => told("INVALID_PARAMS", 400, "INVALID_ARGUMENT", -32602),
            Self::InvalidRequest => told("INVALID_REQUEST", 400, "INVALID_ARGUMENT", -32600),
            Self::Parse => told("INVALID_REQUEST", 400, "INVALID_ARGUMENT", -32700),
            Self::NoPath => told("", 404, "NOT_FOUND", -32000),
            Self::NoMethod => told("", 404, "NOT_FOUND", -32601),
            Self::Internal => told("", 500, "INTERNAL", -32603),
            Self::Unauthenticated => told("", 401, "UNAUTHENTICATED", -32000),
            Self::NotModelled => told("", 501, "UNIMPLEMENTED", -32000),
        }
    }
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            violations: Vec::new(),
        }
    }

    /// Returns the refusal of fields that are missing.
    pub(crate) fn of_fields(violations: Vec<(&'static str, &'static str)>) -> Self {
        Self {
            violations,
            ..Self::new(Reason::InvalidParams, "Validation failed")
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::InvalidParams, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Reason::TaskNotFound, message)
    }

    /// Returns the reply that is the same in both bindings, if it is.
    fn plain(&self) -> Option<Reply> {
        match self.reason {
            Reason::Unauthenticated => {
                let mut reply = Reply::error(401, self.message.clone());
                reply
                    .headers
                    .push(("www-authenticate", "Bearer".to_owned()));
                Some(reply)
            }
            Reason::NoPath => Some(text_404()),
            Reason::NotModelled => Some(Reply::error(501, self.message.clone())),
            _ => None,
        }
    }

    fn details(&self) -> Value {
        let field = |name: &'static str| {
            let list = self.violations.iter();
            let list = list.map(|(field, what)| json!({ "field": field, name: what }));
            list.collect::<Vec<_>>()
        };
        let mut metadata = Map::new();
        let mut details = Vec::new();
        if !self.violations.is_empty() {
            metadata.insert("errors".to_owned(), json!(field("message")));
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": field("description"),
            }));
        }
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": self.reason.told().name,
            "domain": "a2a-protocol.org",
            "metadata": metadata,
        });
        details.insert(0, info);
        Value::Array(details)
    }

    /// Returns the reply of the binding HTTP+JSON.
    pub(crate) fn reply(&self, switches: &Switches) -> Reply {
        if let Some(reply) = self.plain() {
            return reply;
        }
        if self.reason == Reason::NoMethod {
            return text_404();
        }
        let error = self.status_error();
        let mut reply = Reply::json(self.reason.told().status, &error);
        if !switches.errors_are_json {
            reply.headers = vec![("content-type", super::MEDIA_TYPE.to_owned())];
        }
        reply
    }

    /// Returns the error as the binding HTTP+JSON has it, in replies and streams.
    pub(crate) fn status_error(&self) -> Value {
        let told = self.reason.told();
        let message = match self.reason {
            Reason::Internal => "unknown exception",
            _ => &self.message,
        };
        let mut error = json!({ "code": told.status, "status": told.word, "message": message });
        if !told.name.is_empty() {
            error["details"] = self.details();
        }
        json!({ "error": error })
    }

    /// Returns the error as the binding JSON-RPC has it.
    pub(crate) fn rpc_error(&self, switches: &Switches) -> Value {
        let told = self.reason.told();
        let mut error = json!({ "code": told.rpc, "message": self.message });
        if !told.name.is_empty() && self.reason != Reason::Parse && switches.error_data {
            error["data"] = self.details();
        }
        error
    }

    /// Returns the reply of the binding JSON-RPC to the call of this id.
    pub(crate) fn rpc_reply(&self, id: &Value, switches: &Switches) -> Reply {
        self.plain().unwrap_or_else(|| {
            let error = self.rpc_error(switches);
            Reply::json(200, &json!({ "error": error, "id": id, "jsonrpc": "2.0" }))
        })
    }
}

/// Returns the reply for a path that there is not.
pub(crate) fn text_404() -> Reply {
    Reply {
        status: 404,
        headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
        body: b"Not Found".to_vec(),
    }
}
