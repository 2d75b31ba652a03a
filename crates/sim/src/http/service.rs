//! The endpoints under `/_sim`: the simulator itself, asked by tests and by other languages.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::State;
use crate::faults::FaultRule;
use crate::harness;
use crate::message::{Head, Reply};
use crate::nanonets::DashboardAction;
use crate::time::{Span, http_date};

const ROUTES: [&str; 18] = [
    "GET /_sim/faults",
    "PUT /_sim/faults",
    "DELETE /_sim/faults",
    "GET /_sim/requests",
    "GET /_sim/stats",
    "POST /_sim/dashboard/tasks/{id}/approve",
    "POST /_sim/dashboard/tasks/{id}/reject",
    "POST /_sim/dashboard/tasks/{id}/answer",
    "POST /_sim/dashboard/tasks/{id}/stop",
    "POST /_sim/dashboard/agents/{id}/draft",
    "POST /_sim/dashboard/runs/{id}/approve",
    "POST /_sim/dashboard/runs/{id}/reject",
    "POST /_sim/dashboard/runs/{id}/input",
    "POST /_sim/dashboard/runs/{id}/cancel",
    "POST /_sim/dashboard/runs/{id}/stall",
    "POST /_sim/advance",
    "POST /_sim/reset",
    "GET /_sim",
];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultList {
    faults: Vec<FaultRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    by: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DashboardAnswer {
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DashboardReject {
    reason: String,
}

/// Returns whether a path is the simulator's own.
pub(super) fn is_service(path: &str) -> bool {
    path == "/_sim" || path.starts_with("/_sim/")
}

/// Answers a service request.
pub(super) fn handle(state: &mut State, head: &Head, body: &[u8]) -> Reply {
    let mut reply = answer(state, head, body).unwrap_or_else(|refusal| refusal);
    reply.headers.push(("date", http_date(state.clock.now())));
    reply
}

fn answer(state: &mut State, head: &Head, body: &[u8]) -> Result<Reply, Reply> {
    let segments = head.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).skip(1).collect();
    state.catch_up();
    match (head.method.as_str(), segments.as_slice()) {
        ("GET", []) => Ok(ok(&json!({ "routes": ROUTES }))),
        ("GET", ["faults"]) => Ok(ok(&json!(FaultList {
            faults: state.faults.rules()
        }))),
        ("PUT", ["faults"]) => {
            let list: FaultList = read(body)?;
            state.set_faults(list.faults);
            Ok(ok(&json!(FaultList {
                faults: state.faults.rules()
            })))
        }
        ("DELETE", ["faults"]) => {
            state.set_faults(Vec::new());
            Ok(done())
        }
        ("GET", ["requests"]) => Ok(ok(&json!({ "requests": state.log }))),
        ("GET", ["stats"]) => {
            let mut stats = json!(state.nanonets.stats());
            stats["faulted"] = json!(state.faulted());
            stats["agent-harness"] = json!(state.harness.stats());
            Ok(ok(&stats))
        }
        ("POST", ["dashboard", "tasks", id, action]) => {
            let action = match *action {
                "approve" => DashboardAction::Approve,
                "reject" => DashboardAction::Reject,
                "answer" => DashboardAction::Answer(read::<DashboardAnswer>(body)?.message),
                "reword" => DashboardAction::Reword(read::<DashboardAnswer>(body)?.message),
                "ask-more" => DashboardAction::AskMore(read::<DashboardAnswer>(body)?.message),
                "stop" => DashboardAction::Stop,
                _ => return Err(unknown(head)),
            };
            acted(state.nanonets_dashboard(id, action))
        }
        ("POST", ["dashboard", "agents", id, "draft"]) => {
            let id = state.draft_agent(id, &read(body)?)?;
            Ok(ok(&json!({ "ok": true, "id": id })))
        }
        ("POST", ["dashboard", "runs", id, action]) => {
            let action = match *action {
                "approve" => harness::DashboardAction::Approve,
                "reject" => {
                    let reason = read_or_default::<DashboardReject>(body)?.reason;
                    harness::DashboardAction::Reject(reason)
                }
                "input" => harness::DashboardAction::Input(read(body)?),
                "cancel" => harness::DashboardAction::Stop,
                "stall" => harness::DashboardAction::Stall,
                _ => return Err(unknown(head)),
            };
            acted(state.harness_dashboard(id, action))
        }
        ("POST", ["advance"]) => {
            let Advance { by } = read(body)?;
            state.advance(by);
            Ok(done())
        }
        ("POST", ["reset"]) => {
            state.reset();
            Ok(done())
        }
        _ => Err(unknown(head)),
    }
}

/// Reads a body that may as well be empty or null.
fn read_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Reply> {
    if body.is_empty() {
        return Ok(T::default());
    }
    Ok(read::<Option<T>>(body)?.unwrap_or_default())
}

fn acted(done_or: Result<(), String>) -> Result<Reply, Reply> {
    done_or
        .map(|()| done())
        .map_err(|why| Reply::error(409, why))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    serde_json::from_slice(body).map_err(|why| Reply::error(400, why.to_string()))
}

fn ok(value: &Value) -> Reply {
    Reply::json(200, value)
}

fn done() -> Reply {
    ok(&json!({ "ok": true }))
}

fn unknown(head: &Head) -> Reply {
    let error = format!("no such service route: {} {}", head.method, head.path);
    Reply::json(404, &json!({ "error": error, "routes": ROUTES }))
}
