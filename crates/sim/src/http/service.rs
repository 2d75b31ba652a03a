//! The endpoints under `/_sim`: the simulator itself, asked by tests and by other languages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::state::State;
use crate::dashboard::read;
use crate::faults::FaultRule;
use crate::message::{Head, Reply};
use crate::platforms::PLATFORMS;
use crate::time::{Span, http_date};

/// Returns all routes: what is the same for all platforms, and what their dashboards can do.
fn routes() -> Vec<&'static str> {
    let before = [
        "GET /_sim/faults",
        "PUT /_sim/faults",
        "DELETE /_sim/faults",
        "GET /_sim/scenario",
        "POST /_sim/scenario",
        "GET /_sim/requests",
        "GET /_sim/stats",
    ];
    let of_platforms = PLATFORMS.iter().flat_map(|platform| platform.routes);
    let behind = ["POST /_sim/advance", "POST /_sim/reset", "GET /_sim"];
    before
        .iter()
        .chain(of_platforms)
        .chain(&behind)
        .copied()
        .collect()
}

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
        ("GET", []) => Ok(ok(&json!({ "routes": routes() }))),
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
        ("GET", ["scenario"]) => Ok(ok(&in_force(state))),
        ("POST", ["scenario"]) => add_scenario(state, body),
        ("DELETE", ["scenario", table, name]) => match state.remove(table, name) {
            Some(removed) => {
                removed.map_or_else(|why| Err(Reply::error(404, why)), |()| Ok(done()))
            }
            None => Err(unknown(head)),
        },
        ("GET", ["requests"]) => Ok(ok(&json!({ "requests": state.log }))),
        ("GET", ["stats"]) => {
            let mut stats = json!({ "faulted": state.faulted() });
            state
                .platforms()
                .for_each(|platform| platform.add_stats(&mut stats));
            Ok(ok(&stats))
        }
        ("POST", ["dashboard", path @ ..]) => match state.operate(path, body) {
            Some(done) => done,
            None => Err(unknown(head)),
        },
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

fn add_scenario(state: &mut State, body: &[u8]) -> Result<Reply, Reply> {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    if text.is_empty() {
        let wanted = "the body must be a scenario: TOML as in a file, or the same tables in JSON";
        return Err(Reply::error(400, wanted));
    }
    let added = state.add_scenario(text);
    added.map_err(|why| Reply::error(400, why))?;
    Ok(ok(&in_force(state)))
}

/// Returns what is in force of all scenarios, by the tables of a file.
fn in_force(state: &State) -> Value {
    let mut all = Map::new();
    for platform in state.platforms() {
        if let Value::Object(tables) = platform.in_force() {
            all.extend(tables);
        }
    }
    all.insert("fault".to_owned(), json!(state.faults.rules()));
    Value::Object(all)
}

fn ok(value: &Value) -> Reply {
    Reply::json(200, value)
}

fn done() -> Reply {
    ok(&json!({ "ok": true }))
}

fn unknown(head: &Head) -> Reply {
    let error = format!("no such service route: {} {}", head.method, head.path);
    Reply::json(404, &json!({ "error": error, "routes": routes() }))
}
