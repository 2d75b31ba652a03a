//! Keys, usage, and what needs no key.

use serde_json::{Value, json};
use taskward_sim::{Head, Reply, Request, SimBody, harness::Server};

use super::world::World;

fn with_key(world: &mut World, method: &str, target: &str, key: &str) -> Reply {
    world.send(Request::new(method, target).header("authorization", &format!("Bearer {key}")))
}

fn reason(reply: &Reply) -> (u16, Value) {
    (reply.status, reply.value()["reason_code"].clone())
}

/// Rows: N5.
#[test]
fn only_the_fake_key_opens() {
    for (switches, missing, wrong) in [
        ("", "invalid_api_key", "invalid_api_key"),
        (
            "auth_codes = \"quickstart\"",
            "AUTH_MISSING_HEADER",
            "AUTH_KEY_INVALID",
        ),
    ] {
        let mut world = World::new(switches);
        let key = world.server.api_key().to_owned();
        let (id, secret) = key.split_once(':').unwrap();
        assert!(id.starts_with("key_sim_") && !secret.is_empty(), "{key}");
        let target = "/v1/usage";
        assert_eq!(with_key(&mut world, "GET", target, &key).status, 200);
        for given in [format!("{id}:x"), id.to_owned(), "key_sim_x:y".to_owned()] {
            assert_eq!(
                reason(&with_key(&mut world, "GET", target, &given)),
                (401, json!(wrong))
            );
        }
        let real = with_key(&mut world, "GET", target, "key_abc123xyz:secret");
        assert_eq!(reason(&real), (401, json!(wrong)));
        let warning = real.value()["error"].as_str().unwrap().to_owned();
        assert!(
            warning.contains("simulator") && !warning.contains("secret"),
            "{warning}"
        );
        for value in ["", "Basic x", &key] {
            let reply = world.send(Request::new("GET", target).header("authorization", value));
            assert_eq!(reason(&reply), (401, json!(missing)));
        }
    }
}

/// Rows: N7.
#[test]
fn a_key_is_issued_for_an_object_or_for_nothing() {
    let mut world = World::new("");
    let bare = world.send(Request::new("POST", "/v1/api-keys"));
    let objects = [json!({}), json!({ "name": "" })].map(|body| world.post("/v1/api-keys", &body));
    assert_eq!(
        (bare.status, objects.map(|reply| reply.status)),
        (201, [201, 201])
    );
    for body in [json!([]), json!([{}]), json!(null), json!("x"), json!(1)] {
        let refused = world.post("/v1/api-keys", &body);
        assert_eq!(reason(&refused), (400, json!("invalid_request")), "{body}");
    }
    let mut cut = Request::new("POST", "/v1/api-keys").header("content-type", "application/json");
    cut.body = SimBody::Bytes(b"{".to_vec());
    assert_eq!(world.send(cut).status, 400);
}

#[test]
fn a_key_is_issued_rotated_and_revoked_in_mid_run() {
    let mut world = World::new("");
    let run = world.scenario("approve-email");
    let read = format!("/v1/runs/{run}");
    let issued = world.post("/v1/api-keys", &json!({}));
    let key = issued.value();
    let (id, credential) = (
        key["key_id"].as_str().unwrap(),
        key["api_key"].as_str().unwrap(),
    );
    assert_eq!(issued.status, 201);
    assert_eq!(
        credential,
        format!("{id}:{}", key["secret"].as_str().unwrap())
    );
    assert_eq!(
        with_key(&mut world, "GET", &read, credential).status,
        200,
        "one customer"
    );

    let rotated = world.send(Request::new("POST", &format!("/v1/api-keys/{id}/rotate")));
    assert_eq!(
        (rotated.status, &rotated.value()["key_id"]),
        (200, &key["key_id"])
    );
    let fresh = rotated.value()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(
        reason(&with_key(&mut world, "GET", &read, credential)),
        (401, json!("invalid_api_key"))
    );
    assert_eq!(with_key(&mut world, "GET", &read, &fresh).status, 200);

    let stream = world.open(&run);
    let revoke = Request::new("DELETE", &format!("/v1/api-keys/{id}"));
    let reply = world.send(revoke.clone());
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(
        reason(&with_key(&mut world, "GET", &read, &fresh)),
        (401, json!("api_key_revoked"))
    );
    assert_eq!(world.seqs(stream), [1], "a stream that is open stays so");
    for request in [
        revoke,
        Request::new("POST", &format!("/v1/api-keys/{id}/rotate")),
    ] {
        assert_eq!(
            reason(&world.send(request)),
            (404, json!("api_key_not_found"))
        );
    }
    let unknown = Request::new("DELETE", "/v1/api-keys/key_sim_x");
    assert_eq!(
        reason(&world.send(unknown)),
        (404, json!("api_key_not_found"))
    );

    let own = world.server.api_key().split(':').next().unwrap().to_owned();
    world.send(Request::new("DELETE", &format!("/v1/api-keys/{own}")));
    assert_eq!(reason(&world.get(&read)), (401, json!("api_key_revoked")));
}

#[test]
fn keys_are_limited_in_number_and_time() {
    let mut world = World::new("api_key_limit = 2\napi_key_lifetime_ms = 60000");
    assert_eq!(
        world.after(59_999).post("/v1/api-keys", &json!({})).status,
        201
    );
    let refused = world.post("/v1/api-keys", &json!({}));
    assert_eq!(reason(&refused), (409, json!("api_key_limit_reached")));
    assert_eq!(
        reason(&world.after(1).get("/v1/usage")),
        (401, json!("api_key_expired"))
    );
}

#[test]
fn usage_adds_up_what_the_filters_keep() {
    let mut world = World::new("");
    let labelled = json!({ "workspace_id": "finance", "subject_id": "u1" });
    let run = world.create_with("a", &labelled).value()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stream = json!({ "scenario": "long-stream", "events": 10, "delta_bytes": 9 });
    world.create_with("b", &json!({ "input": stream, "workspace_id": "ops" }));
    world.settle(&run);
    world
        .after(50 * 60_000)
        .signal(&run, &json!({ "action": "reject" }));
    world
        .after(10 * 60_000)
        .create(&json!({ "scenario": "stall" }));
    world.after(400);
    let usage = world.get("/v1/usage?granularity=hour").value();
    let expected = json!({
        "start": "2026-05-01T00:00:00.000Z",
        "end": "2026-05-12T11:15:01.781Z",
        "granularity": "hour",
        "buckets": [
            { "start": "2026-05-12T10:00:00Z", "event_type": "run.created", "quantity": 2 },
            { "start": "2026-05-12T10:00:00Z", "event_type": "task.completed", "quantity": 1 },
            { "start": "2026-05-12T10:00:00Z", "event_type": "tokens.consumed", "quantity": 71 },
            { "start": "2026-05-12T10:00:00Z", "event_type": "tool.invoked", "quantity": 1 },
            { "start": "2026-05-12T11:00:00Z", "event_type": "run.created", "quantity": 1 },
            { "start": "2026-05-12T11:00:00Z", "event_type": "tokens.consumed", "quantity": 5 },
        ],
        "totals": { "run.created": 3, "task.completed": 1, "tokens.consumed": 76, "tool.invoked": 1 },
    });
    assert_eq!(usage, expected);
    let mut totals = |query: &str| {
        let reply = world.get(&format!("/v1/usage?{query}"));
        assert_eq!(reply.status, 200, "{query}");
        reply.value()["totals"].clone()
    };
    let finance = json!({ "run.created": 1, "tokens.consumed": 41, "tool.invoked": 1 });
    assert_eq!(totals("workspace_id=finance"), finance);
    assert_eq!(
        totals("subject_id=u1&event_type=tool.invoked"),
        json!({ "tool.invoked": 1 })
    );
    assert_eq!(totals("subject_id=u1&workspace_id=ops"), json!({}));
    assert_eq!(
        totals("event_type=run.created&start=2026-05-12T11:00:00%2B00:00"),
        json!({ "run.created": 1 })
    );
    assert_eq!(
        totals("event_type=run.created&end=2026-05-12T13:00:00%2B02:00"),
        json!({ "run.created": 2 })
    );
    let day = world.get("/v1/usage?event_type=run.created").value();
    let bucket =
        json!({ "start": "2026-05-12T00:00:00Z", "event_type": "run.created", "quantity": 3 });
    assert_eq!(
        (&day["granularity"], &day["buckets"]),
        (&json!("day"), &json!([bucket]))
    );
    let month = world.get("/v1/usage?granularity=month").value();
    assert_eq!(month["buckets"][0]["start"], "2026-05-01T00:00:00Z");
    for query in [
        "granularity=year",
        "granularity=",
        "start=yesterday",
        // A plus that is not escaped is a blank.
        "start=2026-05-01T00:00:00+00:00",
        "end=2026-05-01T00:00:00",
        "start=2026-05-02T00:00:00Z&end=2026-05-01T00:00:00Z",
    ] {
        assert_eq!(
            reason(&world.get(&format!("/v1/usage?{query}"))),
            (400, json!("invalid_request")),
            "{query}"
        );
    }
}

/// Rows: N3.
#[test]
fn every_route_has_its_name_and_others_get_the_list() {
    let endpoint = |method: &str, path: &str| -> (&str, Option<String>) {
        let head: Head = Request::new(method, path).head;
        Server::endpoint(&head)
    };
    assert_eq!(endpoint("POST", "/v1/runs"), ("create_run", None));
    assert_eq!(
        endpoint("GET", "/v1/runs/r/events/stream"),
        ("stream", Some("r".to_owned()))
    );
    assert_eq!(endpoint("DELETE", "/v1/api-keys/k"), ("revoke_key", None));
    assert_eq!(endpoint("GET", "/v2/runs"), ("unknown", None));
    let mut world = World::new("");
    for (method, path, code) in [
        ("GET", "/v2/runs", 404),
        ("GET", "/v1/runs", 405),
        ("DELETE", "/v1/runs/r", 405),
    ] {
        let reply = world.send(Request::new(method, path));
        assert_eq!(reason(&reply), (code, json!("route_not_found")));
        assert_eq!(reply.value()["routes"].as_array().unwrap().len(), 14);
    }
}
