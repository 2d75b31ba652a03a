//! What is true already and not to be read yet.

use serde_json::json;

use super::world::{START, World, types};

const FOR_EVER: &str = "9223372036854775807";

#[test]
fn a_new_run_may_be_hidden_for_a_while() {
    let mut world = World::new("new_run_hidden_ms = 500");
    let run = world.scenario("approve-email");
    let target = format!("/v1/runs/{run}");
    assert_eq!(world.after(499).get(&target).status, 404);
    assert_eq!(world.get(&format!("{target}/events/stream")).status, 404);
    assert_eq!(world.after(1).get(&target).status, 200);
}

#[test]
fn a_signal_shows_later_than_it_works() {
    let mut world = World::new("signal_delay_ms = 1000");
    let run = world.scenario("two-waits");
    world.settle(&run);
    let before = world.events(&run).len();
    let reply = world.signal(&run, &json!({ "action": "approve" }));
    assert_eq!(reply.value()["status"], "awaiting_input");
    assert_eq!(
        world.signal(&run, &json!({ "action": "approve" })).status,
        409,
        "there is no wait any more"
    );
    assert_eq!(
        world.after(20).events(&run).len(),
        before + 1,
        "the next wait is there"
    );
    world.signal(&run, &json!({ "action": "submit_input", "payload": {} }));
    assert_eq!(world.after(999).status(&run), "awaiting_input");
    assert_eq!(world.after(1).status(&run), "succeeded");
}

#[test]
fn an_end_shows_later_than_its_event() {
    let mut world = World::new("end_delay_ms = 30000");
    let run = world.scenario("limit");
    world.settle(&run);
    assert_eq!(
        types(&world.events(&run)).last(),
        Some(&"run.limit_exceeded")
    );
    assert_eq!(world.after(29_999).status(&run), "running");
    assert_eq!(world.after(1).status(&run), "failed");
    let mut world = World::new(&format!("end_delay_ms = {FOR_EVER}"));
    let run = world.scenario("limit");
    world.settle(&run);
    assert_eq!(world.after(365 * 24 * 3_600_000).status(&run), "running");
}

#[test]
fn a_wait_may_be_read_before_its_event_comes() {
    let mut world = World::new("wait_event_delay_ms = 3000");
    let run = world.scenario("approve-email");
    world.settle(&run);
    let stream = world.open(&run);
    assert_eq!(world.status(&run), "awaiting_input");
    assert_eq!(world.seqs(stream).last(), Some(&12));
    assert_eq!(world.server.next_change(), Some(START + 1_380 + 3_000));
    assert_eq!(world.after(3_000).seqs(stream), [13]);

    // What comes behind an answer that was given before the event does not overtake it.
    let run = world.scenario("approve-email");
    world.settle(&run);
    world.signal(&run, &json!({ "action": "approve" }));
    world.settle(&run);
    assert_eq!(world.status(&run), "succeeded");
    assert_eq!(world.events(&run).len(), 12);
    assert_eq!(world.after(3_000).events(&run).len(), 16);
}

#[test]
fn a_wait_may_be_told_before_it_is_read() {
    let mut world = World::new("wait_status_delay_ms = 800");
    let run = world.scenario("approve-email");
    world.settle(&run);
    assert_eq!(
        types(&world.events(&run)).last(),
        Some(&"run.awaiting_input")
    );
    assert_eq!(world.after(799).status(&run), "running");
    assert_eq!(world.after(1).status(&run), "awaiting_input");
}
