//! A2A: requests in both bindings, and what three servers really answered. The bodies are from recorded exchanges with
//! the Python SDK (`py`), the JavaScript SDK (`js`) and LangGraph (`lg`); `spec/a2a/SOURCE.md` names their versions.
#![allow(missing_docs)]

mod bodies;
mod cards;
mod errors;
mod events;
mod questions;
mod requests;
mod starts;
mod streams;
mod world;

use http::StatusCode;
use taskward_core::{Body, Request, Response, Segment};
use taskward_providers::a2a::{A2a, Binding};

/// The agent of the recorded exchanges.
pub(crate) fn rest() -> A2a {
    A2a::at(Binding::HttpJson, "/rest").expect("a path")
}

pub(crate) fn rpc() -> A2a {
    A2a::at(Binding::JsonRpc, "/rpc").expect("a path")
}

pub(crate) fn both() -> [A2a; 2] {
    [rest(), rpc()]
}

pub(crate) fn reply(status: u16, body: impl AsRef<[u8]>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    Response::new(status, body.as_ref().to_vec())
}

/// Wraps what the HTTP+JSON binding answers as JSON-RPC does.
pub(crate) fn wrapped(body: &str) -> String {
    format!(r#"{{"result":{body},"id":1,"jsonrpc":"2.0"}}"#)
}

/// A request as it goes on the wire, but for what sealing adds.
pub(crate) fn shown(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method(), request.target());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", value.to_str().expect("text"));
    }
    text + &body(request)
}

pub(crate) fn body(request: &Request) -> String {
    if let Body::Empty = request.body() {
        return String::new();
    }
    request
        .body()
        .segments()
        .map(|segment| match segment {
            Segment::Bytes(bytes) => String::from_utf8(bytes.to_vec()).expect("text"),
            Segment::Source(source) => panic!("no files here: {source:?}"),
        })
        .collect()
}
