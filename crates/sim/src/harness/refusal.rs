//! What is wrong with a request.

use serde_json::json;

use crate::message::Reply;
use crate::routes::NoRoute;

/// A refusal in the platform's envelope, but for the id of the call.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    reason_code: &'static str,
    error: String,
    routes: Option<Vec<String>>,
    allow: Option<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, reason_code: &'static str, error: impl Into<String>) -> Self {
        Self {
            status,
            reason_code,
            error: error.into(),
            routes: None,
            allow: None,
        }
    }

    pub(crate) fn reply(self, request_id: &str) -> Reply {
        let mut body = json!({
            "error": self.error,
            "reason_code": self.reason_code,
            "request_id": request_id,
        });
        if let Some(routes) = self.routes {
            body["routes"] = json!(routes);
        }
        let mut reply = Reply::json(self.status, &body);
        let allow = self.allow.map(|methods| ("allow", methods));
        reply.headers.extend(allow);
        reply
    }
}

impl From<NoRoute> for Refusal {
    fn from(none: NoRoute) -> Self {
        Self {
            status: none.status,
            reason_code: "route_not_found",
            error: none.error,
            routes: Some(none.routes),
            allow: none.allow,
        }
    }
}
