//! PollResult one status reply: as the machine does, as a typed value, and as peers would.

use std::hint::black_box;

use serde::Deserialize;
use taskward_core::bytes::Bytes;
use taskward_core::http::StatusCode;
use taskward_core::{PollResult, Provider as _, ReadKind, Response, TaskId};
use taskward_providers::nanonets::{Nanonets, types};
use taskward_providers::wire;

use crate::contender::{Contender, at_most};

/// A reply to a status request, with every field of the contract.
pub const TASK_JSON: &str = concat!(
    r#"{"task_id":"8c1e0a4e-5c0b-4f6e-9d1a-000000000001","agent_id":"b7a2f7d0-3a1c-4d7e-8f00-000000000002","#,
    r#""status":"running","created_at":"2026-03-04T05:06:07Z","updated_at":"2026-03-04T05:06:19Z","title":"A"}"#
);

/// The task that it is about.
pub(crate) const TASK_ID: &str = "8c1e0a4e-5c0b-4f6e-9d1a-000000000001";

/// The size that every figure of this bench is about.
const _: () = assert!(TASK_JSON.len() == 203);

/// Returns the reply as an adapter hands it over.
pub(crate) fn reply() -> Response {
    Response::new(StatusCode::OK, Bytes::from_static(TASK_JSON.as_bytes()))
}

/// Returns the cheap read of every poll.
fn status() -> Box<dyn FnMut()> {
    let reply = reply();
    let id = TaskId::new(TASK_ID);
    Box::new(move || {
        let reading = Nanonets.read(&id, &ReadKind::Status, black_box(&reply));
        assert!(matches!(black_box(reading), Ok(PollResult::Pending(_))));
    })
}

/// Returns the whole reply, tolerantly, into the generated type.
fn task() -> Box<dyn FnMut()> {
    Box::new(|| {
        let task = wire::decode::<types::Task>(black_box(TASK_JSON.as_bytes()));
        assert!(black_box(task).is_ok());
    })
}

/// What a client without care would write: strings for everything, strict.
#[derive(Deserialize)]
#[allow(dead_code)]
pub(crate) struct Plain {
    task_id: String,
    agent_id: String,
    pub(crate) status: String,
    created_at: String,
    updated_at: String,
    title: String,
}

/// Returns a derived struct of strings.
fn serde_derive() -> Box<dyn FnMut()> {
    Box::new(|| {
        let task = serde_json::from_slice::<Plain>(black_box(TASK_JSON.as_bytes()));
        assert!(black_box(task).is_ok());
    })
}

/// Returns an untyped tree.
fn serde_value() -> Box<dyn FnMut()> {
    Box::new(|| {
        let task = serde_json::from_slice::<serde_json::Value>(black_box(TASK_JSON.as_bytes()));
        assert!(black_box(task).is_ok());
    })
}

/// Returns the contenders of this bench.
pub(crate) fn contenders() -> Vec<Contender> {
    let one = |name, target, prepare| Contender::new("decode", name, target, prepare);
    vec![
        one("status", at_most(4_000, 0), status),
        one("task", at_most(6_500, 3), task),
        one("serde-derive", None, serde_derive),
        one("serde-value", None, serde_value),
    ]
}
