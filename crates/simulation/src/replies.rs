//! The server's replies, as the task takes them.

use taskward_core::http::StatusCode;
use taskward_core::http::header::{HeaderName, HeaderValue};
use taskward_core::{Head, Response};
use taskward_sim::Reply;

pub(super) fn head_of(reply: &Reply) -> Head {
    let mut head = Head::new(StatusCode::from_u16(reply.status).unwrap_or_default());
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            head.headers.insert(HeaderName::from_static(name), value);
        }
    }
    head
}

pub(super) fn response(reply: &Reply) -> Response {
    Response {
        head: head_of(reply),
        body: reply.body.clone().into(),
    }
}
