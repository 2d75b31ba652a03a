//! Events in pages.

use serde_json::{Value, json};

use super::world::World;

fn long(switches: &str) -> (World, String) {
    let mut world = World::new(switches);
    let run = world.create(&json!({ "scenario": "long-stream", "events": 6 }));
    world.after(10_000);
    (world, run)
}

fn seqs(page: &Value) -> Vec<u64> {
    let events = page.as_array().unwrap();
    events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect()
}

#[test]
fn pages_follow_the_cursor() {
    let (mut world, run) = long("event_page_size = 4");
    let target = format!("/v1/runs/{run}/events");
    let first = world.get(&target).value();
    assert_eq!(seqs(&first["events"]), [1, 2, 3, 4]);
    assert_eq!(first["next_cursor"], "cur_4");
    let last = world.get(&format!("{target}?cursor=cur_8")).value();
    assert_eq!(
        (seqs(&last["events"]), &last["next_cursor"]),
        (vec![9, 10], &json!("cur_10"))
    );
    let none = world.get(&format!("{target}?cursor=cur_10")).value();
    assert_eq!(none, json!({ "events": [], "next_cursor": "cur_10" }));
    let ignored = world.get(&format!("{target}?after=4")).value();
    assert_eq!(ignored, first, "another parameter is none");
    for cursor in ["4", "cur_", "cur_x", "cur_-1"] {
        let reply = world.get(&format!("{target}?cursor={cursor}"));
        assert_eq!(
            (reply.status, &reply.value()["reason_code"]),
            (400, &json!("invalid_cursor")),
            "{cursor}"
        );
    }
}

#[test]
fn a_run_that_has_just_begun_has_a_first_page() {
    let mut world = World::new("");
    let run = world.scenario("approve-email");
    let page = world.get(&format!("/v1/runs/{run}/events")).value();
    assert_eq!(
        (seqs(&page["events"]), &page["next_cursor"]),
        (vec![1], &json!("cur_1"))
    );
    let later = world
        .after(300)
        .get(&format!("/v1/runs/{run}/events?cursor=cur_1"))
        .value();
    assert_eq!(seqs(&later["events"]), [2, 3]);
}

#[test]
fn wrapper_and_cursor_have_other_names() {
    for (wrapper, cursor_name) in [
        ("data", "next_cursor"),
        ("items", "cursor"),
        ("results", "cursor"),
    ] {
        let switches = format!(
            "events_wrapper = {wrapper:?}\ncursor_name = {cursor_name:?}\ncursor_type = \"integer\"\n\
             cursor_parameter = \"after\"\nevent_page_size = 6\nseq_step = 3\ncursor_ends = true"
        );
        let (mut world, run) = long(&switches);
        let page = world.get(&format!("/v1/runs/{run}/events")).value();
        assert_eq!(seqs(&page[wrapper]), [1, 4, 7, 10, 13, 16]);
        assert_eq!(page[cursor_name], 16);
        assert_eq!(page.as_object().unwrap().len(), 2);
        let rest = world
            .get(&format!("/v1/runs/{run}/events?after=16"))
            .value();
        assert_eq!(
            (seqs(&rest[wrapper]), &rest[cursor_name]),
            (vec![19, 22, 25, 28], &Value::Null)
        );
        let between = world
            .get(&format!("/v1/runs/{run}/events?after=20"))
            .value();
        assert_eq!(seqs(&between[wrapper]), [22, 25, 28]);
    }
}

/// Rows: N7.
#[test]
fn an_empty_cursor_is_none() {
    let (mut world, run) = long("event_page_size = 2");
    let first = world.get(&format!("/v1/runs/{run}/events"));
    let empty = world.get(&format!("/v1/runs/{run}/events?cursor="));
    assert_eq!((empty.status, empty.value()), (200, first.value()));
    assert_eq!(
        world.get(&format!("/v1/runs/{run}/events?cursor=x")).status,
        400
    );
}

#[test]
fn a_bare_array_has_everything() {
    let (mut world, run) = long("events_wrapper = \"bare\"\nevent_page_size = 2");
    let page = world
        .get(&format!("/v1/runs/{run}/events?cursor=x"))
        .value();
    assert_eq!(seqs(&page), (1..=10).collect::<Vec<_>>());
}

#[test]
fn the_endpoint_may_be_missing() {
    for code in [404, 405] {
        let (mut world, run) = long(&format!("events_missing = {code}"));
        let reply = world.get(&format!("/v1/runs/{run}/events"));
        assert_eq!(
            (reply.status, &reply.value()["reason_code"]),
            (code, &json!("route_not_found"))
        );
        world.open(&run);
    }
}
