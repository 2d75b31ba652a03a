//! Every reply of a long session against the contract's schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use taskward_sim::Request;

use crate::contract::{Contract, fits};
use crate::world::{World, event};

/// The operations, with the schema of their success reply.
const OPERATIONS: [(&str, &str, Option<&str>); 14] = [
    ("POST", "/v1/runs", Some("CreateRunResponse")),
    ("GET", "/v1/runs/{id}", Some("Run")),
    ("GET", "/v1/runs/{id}/events", Some("RunEventPage")),
    ("GET", "/v1/runs/{id}/events/stream", None),
    ("POST", "/v1/runs/{id}/signal", Some("SignalResponse")),
    ("POST", "/v1/runs/{id}/resume", Some("OpenObject")),
    ("GET", "/v1/usage", Some("Usage")),
    ("POST", "/v1/api-keys", Some("ApiKey")),
    ("DELETE", "/v1/api-keys/{key_id}", None),
    ("POST", "/v1/api-keys/{key_id}/rotate", Some("ApiKey")),
    ("GET", "/health/live", Some("OpenObject")),
    ("GET", "/health/ready", Some("OpenObject")),
    ("GET", "/health/deps", Some("OpenObject")),
    ("GET", "/openapi.json", Some("OpenObject")),
];

/// Runs a session that visits every operation in every state; returns the events of its streams, too.
fn session(switches: &str) -> (World, Vec<Value>) {
    let mut world = World::new(switches);
    let mut runs = Vec::new();
    for name in world.server.scenarios() {
        let input = json!({ "scenario": name, "goal": "x", "bytes": 100, "events": 30 });
        let body = json!({ "input": input, "workspace_id": "w", "streaming": true });
        let reply = world.create_with(&name, &body).value();
        runs.push(reply["id"].as_str().unwrap().to_owned());
        world.create_with(&name, &body);
    }
    world.create_with("limit", &json!({}));
    world.create_with("wrong", &json!({ "input": 1 }));
    let streams: Vec<_> = runs.iter().map(|run| world.open(run)).collect();
    let mut events = Vec::new();
    for round in 0..8 {
        for (run, stream) in runs.iter().zip(&streams) {
            world.status(run);
            world.get(&format!("/v1/runs/{run}/events"));
            let frames = world.drain(*stream).0;
            events.extend(frames.iter().filter(|frame| frame.seq.is_some()).map(event));
            if round > 3 {
                world.signal(
                    run,
                    &json!({ "action": "submit_input", "payload": { "a": 1 } }),
                );
                world.signal(run, &json!({ "action": "odd" }));
                world.resume(run);
            }
        }
        world.after(300 * (round + 1));
    }
    let issued = world.post("/v1/api-keys", &json!({})).value();
    let id = issued["key_id"].as_str().unwrap();
    for (method, target) in [
        ("POST", format!("/v1/api-keys/{id}/rotate")),
        ("DELETE", format!("/v1/api-keys/{id}")),
        ("DELETE", format!("/v1/api-keys/{id}")),
        ("GET", "/v1/usage".to_owned()),
        ("GET", "/v1/usage?granularity=year".to_owned()),
        ("GET", "/v1/runs/run_x".to_owned()),
        ("GET", "/health/live".to_owned()),
        ("GET", "/health/ready".to_owned()),
        ("GET", "/health/deps".to_owned()),
        ("GET", "/openapi.json".to_owned()),
    ] {
        world.send(Request::new(method, &target));
    }
    world.send(Request::new("GET", "/v1/usage").header("authorization", "Bearer wrong"));
    (world, events)
}

#[test]
fn every_reply_of_a_session_validates_against_the_contract() {
    let mut contract = Contract::read("agent-harness");
    let mut seen = BTreeMap::<&str, u32>::new();
    let mut statuses = BTreeMap::<u16, u32>::new();
    let mut kinds = BTreeSet::new();
    for switches in [
        "",
        "lifecycle_events = true\ncursor_type = \"integer\"\nevents_wrapper = \"data\"\ncreate_status_code = 202",
        "events_wrapper = \"bare\"\nredaction = false\nseq_step = 7\nvalidation_status_code = 422",
        "events_wrapper = \"items\"\ncursor_ends = true\nauth_codes = \"quickstart\"\nsignal_delay_ms = 500",
        "extra_fields = true\nreplayed_field = false\nrotated_key_grace_ms = 1000\nkey_missing_status_code = 422",
    ] {
        let (world, events) = session(switches);
        for (method, path, reply) in world.trace {
            let (_, pattern, schema) = OPERATIONS
                .iter()
                .find(|(m, pattern, _)| *m == method && fits(pattern, &path))
                .unwrap();
            let schema = if reply.status < 300 {
                *schema
            } else {
                Some("Error")
            };
            if let Some(schema) = schema {
                contract.check(schema, &reply.value());
            }
            *seen.entry(pattern).or_default() += 1;
            *statuses.entry(reply.status).or_default() += 1;
            assert!(
                contract.documents(&method, pattern, reply.status),
                "{method} {pattern} answered {}",
                reply.status
            );
        }
        for event in events {
            contract.check("RunEvent", &event);
            kinds.insert(event["type"].as_str().unwrap().to_owned());
            let payloads = &contract.spec["components"]["schemas"]["RunEvent"]["x-payload-by-type"];
            let schema = payloads[event["type"].as_str().unwrap()].as_str();
            if let Some(schema) = schema
                .and_then(|path| path.rsplit('/').next())
                .map(str::to_owned)
            {
                contract.check(&schema, &event["payload"]["value"]);
            }
        }
    }
    assert_eq!(seen.len(), 14, "paths visited: {seen:?}");
    let codes: Vec<_> = statuses.keys().copied().collect();
    assert_eq!(codes, [200, 201, 202, 204, 400, 401, 404, 409, 422]);
    let documented = [
        "run.awaiting_input",
        "run.created",
        "run.limit_exceeded",
        "run.worker.started",
        "run.worker.succeeded",
        "step.done",
        "step.progress",
    ];
    let ours = [
        "run.resumed",
        "run.signal_received",
        "run.stalled",
        "tool.invoked",
    ];
    let mut expected = [documented.as_slice(), &ours].concat();
    expected.sort_unstable();
    assert_eq!(kinds.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_documented_operation_is_modelled() {
    let operations = Contract::read("agent-harness").operations();
    let mut documented: Vec<_> = operations
        .iter()
        .map(|(method, path)| (method.as_str(), path.as_str()))
        .collect();
    let mut modelled: Vec<_> = OPERATIONS
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .collect();
    documented.sort_unstable();
    modelled.sort_unstable();
    assert_eq!(documented, modelled);
    for (method, path) in documented {
        let status = World::new("").send(Request::new(method, path)).status;
        assert!(
            ![405, 501].contains(&status),
            "{method} {path} answered {status}"
        );
    }
}

#[test]
fn the_description_served_is_the_contract() {
    let contract = Contract::read("agent-harness");
    let served = World::new("").get("/openapi.json");
    let text = String::from_utf8(served.body).unwrap();
    let expected = format!(
        "{}\n",
        serde_json::to_string_pretty(&contract.spec).unwrap()
    );
    assert!(
        text == expected,
        "crates/sim/src/harness/openapi.json is not spec/agent-harness/openapi.yaml as JSON"
    );
}

/// The simulator takes the bodies that the specification with its overlay admits, and no others.
///
/// Rows: N7.
#[test]
fn a_body_is_taken_if_and_only_if_the_corrected_specification_admits_it() {
    let contract = Contract::corrected("agent-harness");
    let mut world = World::new("api_key_limit = 1000");
    let run = world.scenario("needs-input");
    let values = [
        json!(""),
        json!("x"),
        json!(null),
        json!(1),
        json!(true),
        json!([]),
        json!([1, "x"]),
        json!({}),
        json!({ "goal": "" }),
    ];
    let signal = format!("/v1/runs/{run}/signal");
    let targets: [(&str, &str, &[&str], Value); 3] = [
        (
            "/v1/runs",
            "CreateRunRequest",
            &[
                "input",
                "metadata",
                "workspace_id",
                "subject_id",
                "attachment_refs",
                "sensitivity_tags",
                "streaming",
                "routing_hint",
            ],
            json!({}),
        ),
        (
            &signal,
            "SignalRequest",
            &["action", "payload", "idempotency_key"],
            json!({ "action": "approve" }),
        ),
        ("/v1/api-keys", "OpenObject", &["name"], json!({})),
    ];
    let (mut sent, mut taken) = (0, 0);
    for (path, schema, fields, base) in targets {
        let with = |field: &str, value: &Value| {
            let mut body = base.clone();
            body[field] = value.clone();
            body
        };
        let mut bodies = vec![json!({}), json!([]), json!(null), json!("x"), base.clone()];
        for field in fields.iter().copied().chain(["unheard_of"]) {
            bodies.extend(values.iter().map(|value| with(field, value)));
        }
        for body in bodies {
            sent += 1;
            let key = format!("key of body {sent}");
            let request = Request::new("POST", path).header("idempotency-key", &key);
            // A signal that comes too late has the right form, too.
            let status = world.send(request.json(&body)).status;
            let admitted = contract.admits(schema, &body);
            assert_eq!(status != 400, admitted, "{path} {body}: {status}");
            taken += usize::from(admitted);
        }
    }
    assert!(taken > 50, "{taken}");
}
