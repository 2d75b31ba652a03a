//! Creation: its key, its fields, what comes back.

use serde_json::{Value, json};
use taskward_sim::{Request, SimBody};

use super::world::World;

fn body() -> Value {
    json!({
        "input": { "goal": "Count." },
        "metadata": { "ticket": 7 },
        "workspace_id": "finance",
        "subject_id": "user-17",
        "attachment_refs": [{ "id": "a" }],
        "sensitivity_tags": ["pii"],
        "streaming": true,
        "routing_hint": "fast",
        "priority": "high",
    })
}

#[test]
fn a_new_run_is_queued_and_says_what_it_was_given() {
    let mut world = World::new("");
    let reply = world.create_with("k", &body());
    let created = reply.value();
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("run_"), "{id}");
    let request_id = created["request_id"].as_str().unwrap();
    let expected = json!({
        "id": id,
        "status": "queued",
        "request_id": request_id,
        "workspace_id": "finance",
        "subject_id": "user-17",
        "streaming": true,
        "routing_hint": "fast",
        "priority": "high",
        "created_at": "2026-05-12T10:15:00.000Z",
        "updated_at": "2026-05-12T10:15:00.000Z",
    });
    assert_eq!((reply.status, &created), (201, &expected));
    let read = world.after(1_000).get(&format!("/v1/runs/{id}")).value();
    assert_ne!(
        read["request_id"], created["request_id"],
        "each call has its own"
    );
    assert_eq!(
        (&read["status"], &read["updated_at"]),
        (&json!("running"), &json!("2026-05-12T10:15:00.980Z"))
    );
    assert_eq!(
        World::new("create_status_code = 202")
            .create_with("k", &body())
            .status,
        202
    );
}

#[test]
fn events_show_nothing_that_the_client_supplied() {
    let routing = json!({ "routing_decision_reason": "planner_first_step" });
    for (switches, redacted) in [("", true), ("redaction = false", false)] {
        let mut world = World::new(switches);
        let reply = world.create_with("k", &body()).value();
        let run = reply["id"].as_str().unwrap();
        let mut expected = json!({
            "request_id": reply["request_id"],
            "streaming": true,
            "routing_hint": "fast",
            "routing": routing,
        });
        if !redacted {
            for key in ["input", "metadata", "attachment_refs", "sensitivity_tags"] {
                expected[key] = body()[key].clone();
            }
        }
        let payload = &world.events(run)[0]["payload"];
        assert_eq!(*payload, json!({ "redacted": redacted, "value": expected }));
    }
    let mut world = World::new("");
    let bare = world.create_with("k", &json!({})).value();
    let payload = &world.events(bare["id"].as_str().unwrap())[0]["payload"];
    assert_eq!(
        payload["redacted"], false,
        "nothing was there to be taken out"
    );
}

#[test]
fn a_repeated_creation_gives_the_run_as_it_is_now() {
    let mut world = World::new("");
    let first = world.create_with("k", &body()).value();
    // The order of the fields is no difference.
    let text = r#"{"priority":"high","routing_hint":"fast","streaming":true,"sensitivity_tags":["pii"],
        "attachment_refs":[{"id":"a"}],"subject_id":"user-17","workspace_id":"finance",
        "metadata":{"ticket":7},"input":{"goal":"Count."}}"#;
    let mut again = Request::new("POST", "/v1/runs")
        .header("idempotency-key", "k")
        .header("content-type", "application/json; charset=utf-8");
    again.body = SimBody::Bytes(text.as_bytes().to_vec());
    let reply = world.after(5_000).send(again);
    let replayed = reply.value();
    assert_eq!(reply.status, 200);
    assert_eq!(
        (&replayed["id"], &replayed["replayed"], &replayed["status"]),
        (&first["id"], &json!(true), &json!("awaiting_input"))
    );
    let other = world.create_with("other", &body()).value();
    assert_ne!(other["id"], first["id"]);
    let stats = world.server.stats();
    assert_eq!((stats.starts, stats.replays, stats.conflicts), (2, 1, 0));
    let mut world = World::new("replay_status_code = 201");
    world.create_with("k", &body());
    assert_eq!(world.create_with("k", &body()).status, 201);
}

#[test]
fn a_key_takes_no_other_parameters() {
    for (switches, code) in [("", 409), ("key_conflict_status_code = 422", 422)] {
        let mut world = World::new(switches);
        world.create_with("k", &json!({ "input": { "goal": "a" } }));
        let reply = world.create_with("k", &json!({ "input": { "goal": "b" } }));
        assert_eq!(reply.status, code);
        assert_eq!(reply.value()["reason_code"], "idempotency_conflict");
        let stats = world.server.stats();
        assert_eq!((stats.runs, stats.conflicts), (1, 1));
    }
}

#[test]
fn a_creation_in_progress_conflicts_for_a_while() {
    let mut world = World::new("create_in_progress_ms = 2000");
    assert_eq!(world.create_with("k", &body()).status, 201);
    let reply = world.after(1_999).create_with("k", &body());
    assert_eq!(
        (reply.status, &reply.value()["reason_code"]),
        (409, &json!("idempotency_in_progress"))
    );
    let reply = world.after(1).create_with("k", &body());
    assert_eq!(
        (reply.status, &reply.value()["replayed"]),
        (200, &json!(true))
    );
    assert_eq!(world.server.stats().conflicts, 1);
}

#[test]
fn a_key_may_be_forgotten() {
    let mut world = World::new("key_lifetime_ms = 60000");
    let first = world.create_with("k", &body()).value();
    let again = world.after(59_999).create_with("k", &body()).value();
    assert_eq!(again["id"], first["id"]);
    let fresh = world.after(1).create_with("k", &json!({}));
    assert_eq!(fresh.status, 201);
    assert_ne!(fresh.value()["id"], first["id"]);
    assert_eq!(world.server.stats().starts, 2);
}

#[test]
fn a_wrong_creation_is_refused_and_makes_nothing() {
    let mut world = World::new("");
    let mut check = |body: Value, expected: &str| {
        let reply = world.create_with("k", &body);
        let error = reply.value();
        assert_eq!(
            (reply.status, &error["reason_code"]),
            (400, &json!("invalid_request"))
        );
        assert!(
            error["error"].as_str().unwrap().contains(expected),
            "{error}"
        );
    };
    check(json!([]), "an object");
    check(json!({ "input": "x" }), "input must be an object");
    check(json!({ "input": null }), "input must be an object");
    check(json!({ "metadata": [] }), "metadata must be an object");
    check(
        json!({ "workspace_id": 1 }),
        "workspace_id must be a string",
    );
    check(
        json!({ "attachment_refs": {} }),
        "attachment_refs must be an array",
    );
    check(json!({ "streaming": "yes" }), "streaming must be a boolean");
    check(
        json!({ "input": { "scenario": 1 } }),
        "input.scenario must be a string",
    );
    check(
        json!({ "input": { "scenario": "odd" } }),
        "approve-email, needs-input, long-stream, limit",
    );
    check(
        json!({ "input": { "scenario": "long-stream", "events": -1 } }),
        "input.events must be a whole number",
    );
    check(
        json!({ "input": { "scenario": "big-event", "bytes": 1u64 << 40 } }),
        "input.bytes",
    );
    check(
        json!({ "input": { "signal_timeout_ms": "1" } }),
        "input.signal_timeout_ms",
    );
    assert_eq!(world.server.stats().runs, 0);

    let request = || Request::new("POST", "/v1/runs");
    let no_key = world.send(request().json(&json!({})));
    assert_eq!(
        (no_key.status, &no_key.value()["reason_code"]),
        (400, &json!("idempotency_key_required"))
    );
    let mut broken = request().header("idempotency-key", "k").json(&json!({}));
    broken.body = SimBody::Bytes(b"{".to_vec());
    assert_eq!(
        world.send(broken).value()["error"],
        "the body is not valid JSON"
    );
    let plain = request()
        .header("idempotency-key", "k")
        .header("content-type", "text/plain");
    assert_eq!(world.send(plain).status, 400);
    assert_eq!(world.server.stats().runs, 0);

    let mut strict = World::new("input_required = true\nvalidation_status_code = 422");
    let reply = strict.create_with("k", &json!({}));
    assert_eq!(
        (reply.status, &reply.value()["error"]),
        (422, &json!("input is required"))
    );
    assert_eq!(world.create_with("k", &json!({})).status, 201);
}

#[test]
fn the_head_alone_condemns_what_the_whole_request_would() {
    let mut world = World::new("");
    let run = world.scenario("approve-email");
    let key = format!("Bearer {}", world.server.api_key());
    let requests = [
        Request::new("POST", "/v1/runs").header("authorization", &key),
        Request::new("GET", "/v1/runs/run_x").header("authorization", &key),
        Request::new("POST", &format!("/v1/runs/{run}/signal")).header("authorization", &key),
        Request::new("GET", &format!("/v1/runs/{run}")),
        Request::new("PUT", "/v1/runs"),
    ];
    for request in requests {
        let early = world.server.admit(&request.head).unwrap_err();
        assert_eq!(early, world.server.handle(request, world.now).into_reply());
    }
    let good = Request::new("GET", &format!("/v1/runs/{run}")).header("authorization", &key);
    assert_eq!(world.server.admit(&good.head), Ok(()));
}
