//! Signals: one for a wait, whatever is sent.

use serde_json::{Value, json};
use taskward_sim::harness::WaitStats;

use super::world::{World, types};

fn approve() -> Value {
    json!({ "action": "approve" })
}

fn waiting(switches: &str, scenario: &str) -> (World, String) {
    let mut world = World::new(switches);
    let run = world.scenario(scenario);
    assert_eq!(world.settle(&run), "awaiting_input");
    (world, run)
}

/// Received, applied, replayed, refused.
fn counts(wait: &WaitStats) -> [u64; 4] {
    [wait.received, wait.applied, wait.replayed, wait.refused]
}

#[test]
fn a_signal_is_applied_once_and_repeated_by_its_key() {
    let (mut world, run) = waiting("", "approve-email");
    let first = world.keyed_signal(&run, "k", &approve());
    let again = world.after(2_000).keyed_signal(&run, "k", &approve());
    assert_eq!(
        (first.status, first.body.clone()),
        (again.status, again.body)
    );
    let other = world.keyed_signal(&run, "k", &json!({ "action": "reject" }));
    assert_eq!(
        (other.status, &other.value()["reason_code"]),
        (409, &json!("idempotency_conflict"))
    );
    let late = world.keyed_signal(&run, "new", &approve());
    assert_eq!(
        (late.status, &late.value()["reason_code"]),
        (409, &json!("run_not_awaiting_input"))
    );
    assert_eq!(world.settle(&run), "succeeded");
    let waits = world.server.stats().waits;
    assert_eq!(
        (waits.len(), waits[0].seq, waits[0].run.as_str()),
        (1, 13, run.as_str())
    );
    assert_eq!(counts(&waits[0]), [4, 1, 1, 2]);
    assert_eq!(waits[0].action.as_deref(), Some("approve"));
}

#[test]
fn a_platform_without_signal_keys_refuses_the_repetition() {
    let (mut world, run) = waiting("signal_idempotency = false", "approve-email");
    assert_eq!(world.keyed_signal(&run, "k", &approve()).status, 200);
    let again = world.keyed_signal(&run, "k", &approve());
    assert_eq!(again.value()["reason_code"], "run_not_awaiting_input");
}

#[test]
fn the_key_of_the_header_or_of_the_body_counts() {
    let keyed = |key: &str| json!({ "action": "approve", "idempotency_key": key });
    let (mut world, run) = waiting("", "approve-email");
    world.signal(&run, &keyed("k"));
    assert_eq!(
        world.keyed_signal(&run, "k", &keyed("k")).status,
        200,
        "one key in both places"
    );
    assert_eq!(
        world.keyed_signal(&run, "other", &keyed("k")).status,
        409,
        "the header's counts"
    );
    let (mut world, run) = waiting("signal_key = \"body\"", "approve-email");
    world.signal(&run, &keyed("k"));
    assert_eq!(
        world.keyed_signal(&run, "other", &keyed("k")).status,
        200,
        "the body's counts"
    );
}

#[test]
fn a_key_of_one_run_means_nothing_to_another() {
    let (mut world, one) = waiting("", "approve-email");
    let two = world.scenario("approve-email");
    world.settle(&two);
    world.keyed_signal(&one, "k", &approve());
    world.keyed_signal(&two, "k", &approve());
    let applied: Vec<_> = world.server.stats().waits.iter().map(counts).collect();
    assert_eq!(applied, [[1, 1, 0, 0], [1, 1, 0, 0]]);
}

#[test]
fn a_run_that_waits_for_nothing_takes_no_signal() {
    for (switches, code) in [("", 409), ("not_awaiting_status_code = 422", 422)] {
        let mut world = World::new(switches);
        let run = world.scenario("approve-email");
        for (ms, state) in [
            (0, "queued"),
            (500, "running"),
            (24 * 3_600_000 + 2_000, "cancelled"),
        ] {
            let reply = world.after(ms).signal(&run, &approve());
            let error = reply.value();
            assert_eq!(
                (reply.status, &error["reason_code"]),
                (code, &json!("run_not_awaiting_input"))
            );
            assert_eq!(error["error"], format!("the run is {state}"));
        }
        let waits = world.server.stats().waits;
        assert_eq!(
            counts(&waits[0]),
            [1, 0, 0, 1],
            "those before the wait are none of its"
        );
        assert_eq!(waits[0].action, None);
    }
}

#[test]
fn an_action_that_does_not_exist_is_no_signal() {
    for (switches, code) in [("", 400), ("invalid_signal_status_code = 422", 422)] {
        let (mut world, run) = waiting(switches, "approve-email");
        for body in [
            json!({}),
            json!({ "action": "maybe" }),
            json!({ "action": 1 }),
            json!({ "action": "Approve" }),
        ] {
            let reply = world.signal(&run, &body);
            assert_eq!(
                (reply.status, &reply.value()["reason_code"]),
                (code, &json!("invalid_signal_type"))
            );
        }
        assert_eq!(world.status(&run), "awaiting_input");
        assert_eq!(counts(&world.server.stats().waits[0]), [0; 4]);
    }
}

/// Rows: N7.
#[test]
fn a_payload_is_an_object_and_a_key_a_string() {
    let (mut world, run) = waiting("", "needs-input");
    for body in [
        json!({ "action": "submit_input", "payload": "x" }),
        json!({ "action": "submit_input", "payload": null }),
        json!({ "action": "submit_input", "payload": [1] }),
        json!({ "action": "approve", "idempotency_key": 1 }),
        json!({ "action": "approve", "idempotency_key": "" }),
        json!("approve"),
    ] {
        let reply = world.signal(&run, &body);
        assert_eq!(
            (reply.status, &reply.value()["reason_code"]),
            (400, &json!("invalid_request")),
            "{body}"
        );
    }
    let unnamed = world.keyed_signal(&run, "", &approve());
    assert_eq!(unnamed.status, 400, "{:?}", unnamed.value());
    assert_eq!(world.create_with("", &json!({ "input": {} })).status, 400);
    assert_eq!(world.status(&run), "awaiting_input");
}

#[test]
fn an_action_of_the_other_kind_goes_on_or_is_refused() {
    let input = json!({ "action": "submit_input", "payload": { "a": 1 } });
    let cases = [("approve-email", input), ("needs-input", approve())];
    for (scenario, body) in cases {
        let (mut world, run) = waiting("", scenario);
        assert_eq!(world.signal(&run, &body).status, 200);
        assert_eq!(world.settle(&run), "succeeded");
        let (mut world, run) = waiting("strict_signals = true", scenario);
        let reply = world.signal(&run, &body);
        assert_eq!(
            (reply.status, &reply.value()["reason_code"]),
            (400, &json!("invalid_signal_type"))
        );
        assert_eq!(counts(&world.server.stats().waits[0]), [1, 0, 0, 1]);
        assert_eq!(
            world.signal(&run, &json!({ "action": "reject" })).status,
            200
        );
        assert_eq!(world.status(&run), "failed");
    }
}

#[test]
fn no_other_run_takes_a_signal() {
    let mut world = World::new("");
    for run in [world.server.foreign_run(), "run_x".to_owned()] {
        let reply = world.signal(&run, &approve());
        assert_eq!(
            (reply.status, &reply.value()["reason_code"]),
            (404, &json!("run_not_found"))
        );
        assert_eq!(world.resume(&run).status, 404);
    }
}

#[test]
fn a_taken_signal_may_have_no_body() {
    let switches = "empty_write_replies = true\nsignal_status_code = 202\nlifecycle_events = true";
    let (mut world, run) = waiting(switches, "approve-email");
    let reply = world.keyed_signal(&run, "k", &approve());
    assert_eq!((reply.status, reply.body.len()), (202, 0));
    let again = world.keyed_signal(&run, "k", &approve());
    assert_eq!((again.status, again.body.len()), (202, 0));
    assert_eq!(
        types(&world.events(&run)).last(),
        Some(&"run.signal_received")
    );
}
