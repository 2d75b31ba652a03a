//! Whole runs: every event at its time, every end.

use serde_json::json;
use taskward_sim::harness::DashboardAction;

use super::world::{START, World, line, text, types};

#[test]
fn the_default_run_drafts_asks_sends_and_succeeds() {
    let mut world = World::new("");
    let run = world.create(&json!({ "goal": "Draft and send the weekly team update." }));
    assert_eq!(world.status(&run), "queued");
    assert_eq!(world.server.next_change(), Some(START + 300));
    assert_eq!(world.after(300).status(&run), "running");
    assert_eq!(world.settle(&run), "awaiting_input");
    assert_eq!(world.status(&run), "awaiting_input");
    world.after(60_000);
    let reply = world.signal(&run, &json!({ "action": "approve" }));
    assert_eq!(
        (reply.status, &reply.value()["status"]),
        (200, &json!("running"))
    );
    assert_eq!(world.settle(&run), "succeeded");
    assert_eq!(world.server.next_change(), None);
    let events = world.events(&run);
    let expected = [
        "    0 1 run.created",
        r#"  300 2 run.worker.started "queued" "running""#,
        r#"  300 3 step.progress "plan" "Plan: draft the mail, ask for approval, send it.""#,
        r#"  700 4 step.done "succeeded""#,
        r#"  700 5 tool.invoked "contacts.search""#,
        r#"  980 6 step.progress "content_delta" "Subject: Weekly team update\n\nHi ""#,
        r#" 1060 7 step.progress "content_delta" "team,\n\nthe release is out, ""#,
        r#" 1140 8 step.progress "content_delta" "two customers went live, ""#,
        r#" 1220 9 step.progress "content_delta" "and the on-call rota ""#,
        r#" 1300 10 step.progress "content_delta" "for next week is ""#,
        r#" 1380 11 step.progress "content_delta" "in the calendar.\n\nBest regards""#,
        r#" 1380 12 step.done "succeeded""#,
        r#" 1380 13 run.awaiting_input "AWAITING_APPROVAL" "approval""#,
        r#"61980 14 step.progress "content_delta" "\n\nSent to the team.""#,
        r#"61980 15 step.done "succeeded""#,
        r#"61980 16 run.worker.succeeded "running" "succeeded" "COMPLETED""#,
    ];
    assert_eq!(events.iter().map(line).collect::<Vec<_>>(), expected);
    assert_eq!(events[0]["timestamp"], "2026-05-12T10:15:00.000Z");
}

/// Rows: N2.
#[test]
fn the_same_seed_and_script_give_the_same_bytes() {
    let play = || {
        let mut world = World::new("");
        let run = world.scenario("needs-input");
        let stream = world.open(&run);
        world.settle(&run);
        let data = json!({ "recipient": "ops@example.com" });
        world.keyed_signal(
            &run,
            "s",
            &json!({ "action": "submit_input", "payload": data }),
        );
        world.settle(&run);
        world.events(&run);
        world.post("/v1/api-keys", &json!({}));
        world.get("/v1/usage");
        (world.drain(stream), world.trace)
    };
    assert_eq!(play(), play());
}

#[test]
fn a_run_that_needs_data_uses_it_and_voids_its_first_attempt() {
    let mut world = World::new("");
    let run = world.scenario("needs-input");
    assert_eq!(world.settle(&run), "awaiting_input");
    let asked = world.events(&run).pop().unwrap();
    let mut value = asked["payload"]["value"].clone();
    let request_id = value["request_id"].take();
    assert!(request_id.as_str().unwrap().starts_with("req_"));
    let expected =
        json!({ "request_id": null, "reason_code": "AWAITING_INPUT", "input_kind": "data" });
    assert_eq!(value, expected);
    let payload = json!({ "recipient": "ops@example.com", "copies": 2 });
    world.signal(
        &run,
        &json!({ "action": "submit_input", "payload": payload }),
    );
    assert_eq!(world.settle(&run), "succeeded");
    let events = world.events(&run);
    let void = events
        .iter()
        .position(|event| event["payload"]["value"]["outcome"] == "retry_step")
        .unwrap();
    assert_eq!(text(&events[..void]), "I will write to everyone");
    let rest = text(&events[void..]);
    assert!(
        rest.ends_with("Written with copies 2, recipient ops@example.com."),
        "{rest}"
    );
}

#[test]
fn a_rejected_run_fails_with_the_reason() {
    let mut world = World::new("");
    let run = world.scenario("approve-email");
    world.settle(&run);
    let payload = json!({ "reason": "Wrong recipients." });
    world.signal(&run, &json!({ "action": "reject", "payload": payload }));
    assert_eq!(world.status(&run), "failed");
    let last = world.events(&run).pop().unwrap();
    assert_eq!(
        line(&last),
        r#" 1380 14 run.worker.failed "awaiting_input" "failed" "REJECTED" "Wrong recipients.""#
    );
    assert_eq!(world.server.next_change(), None);
    assert_eq!(world.after(25 * 3_600_000).status(&run), "failed");
}

#[test]
fn a_wait_that_nobody_answers_is_cancelled() {
    let mut world = World::new("");
    let run = world.scenario("approve-email");
    world.settle(&run);
    assert_eq!(
        world.after(24 * 3_600_000 - 1).status(&run),
        "awaiting_input"
    );
    assert_eq!(world.after(1).status(&run), "cancelled");
    let last = world.events(&run).pop().unwrap();
    assert_eq!(
        line(&last),
        r#"86401380 14 run.cancelled "awaiting_input" "cancelled" "signal_timeout""#
    );
    let shorter = [
        World::new("signal_timeout_ms = 5000").create_and_settle(json!({})),
        World::new("").create_and_settle(json!({ "signal_timeout_ms": 5_000 })),
    ];
    for (mut world, run) in shorter {
        assert_eq!(world.after(4_999).status(&run), "awaiting_input");
        assert_eq!(world.after(1).status(&run), "cancelled");
    }
}

impl World {
    fn create_and_settle(mut self, input: serde_json::Value) -> (Self, String) {
        let run = self.create(&input);
        self.settle(&run);
        (self, run)
    }
}

#[test]
fn a_stalled_run_goes_on_when_it_is_resumed() {
    for (switches, told) in [("", false), ("lifecycle_events = true", true)] {
        let mut world = World::new(switches);
        let run = world.scenario("stall");
        assert_eq!(world.resume(&run).value()["reason_code"], "run_not_stalled");
        assert_eq!(world.settle(&run), "stalled");
        assert_eq!(world.server.next_change(), None, "it waits for ever");
        assert_eq!(world.after(3_600_000).status(&run), "stalled");
        let reply = world.resume(&run);
        assert_eq!(
            (reply.status, &reply.value()["status"]),
            (200, &json!("running"))
        );
        assert_eq!(world.resume(&run).status, 409);
        assert_eq!(world.settle(&run), "succeeded");
        assert_eq!(world.server.stats().resumes, 1);
        let events = world.events(&run);
        assert_eq!(
            text(&events),
            "Working on the report. Back at work, and done."
        );
        let types = types(&events);
        assert_eq!(types.contains(&"run.stalled"), told);
        assert_eq!(types.contains(&"run.resumed"), told);
    }
}

#[test]
fn a_run_over_its_limit_reads_as_the_switch_says() {
    for (switches, status) in [
        ("", "failed"),
        ("limit_status = \"cancelled\"", "cancelled"),
        ("limit_status = \"running\"", "running"),
    ] {
        let mut world = World::new(switches);
        let run = world.scenario("limit");
        assert_eq!(world.after(60_000).status(&run), status);
        let last = world.events(&run).pop().unwrap();
        let expected = format!("  960 5 run.limit_exceeded \"running\" {status:?} \"MAX_STEPS\"");
        assert_eq!(line(&last), expected);
        assert_eq!(
            world.signal(&run, &json!({ "action": "approve" })).status,
            409
        );
        assert!(
            world.dashboard(&run, DashboardAction::Stop).is_err(),
            "it has ended"
        );
    }
}

#[test]
fn the_name_of_a_scenario_has_dashes_or_underscores() {
    let file = "[[run]]\nname = \"two_ends\"\nsteps = [{fail = \"underscores\"}]\n\
                [[run]]\nname = \"two-ends\"\nsteps = [{fail = \"dashes\"}]\n\
                [[run]]\nname = \"own-run\"\nsteps = [{succeed = true}]\n";
    let mut world = World::with(file);
    let mut named = |name: &str| {
        let run = world.scenario(name);
        world.settle(&run);
        let stats = world.server.stats();
        (
            stats.per_run[&run].scenario.clone(),
            stats.per_run[&run].status.clone(),
        )
    };
    let expected = |name: &str, status: &str| (name.to_owned(), status.to_owned());
    assert_eq!(named("own_run"), expected("own-run", "succeeded"));
    assert_eq!(named("two-ends"), expected("two-ends", "failed"));
    assert_eq!(
        named("two_ends"),
        expected("two_ends", "failed"),
        "its own name comes first"
    );
    let waits = "awaiting_input";
    assert_eq!(named("approve_email"), expected("approve-email", waits));
    assert_eq!(named("approve-email"), expected("approve-email", waits));
}

#[test]
fn a_scenario_file_spells_a_run_out() {
    let mut world = World::with(
        r#"
        [[run]]
        name = "order"
        steps = [
            { progress = { kind = "thinking", input = "secret" } },
            { run = "2s" },
            { tool = { tool = "shop" } },
            { deltas = { count = 2, bytes = 5, every = "100ms" } },
            { step_done = "retry_step" },
            { emit = { type = "run.weather", value = "sunny" } },
            { wait = { kind = "form", payload = { fields = ["colour"] }, timeout = "10m" } },
            { delta = "In {data.colour} for {goal}." },
            { stall = true },
            { limit = "MAX_COST" },
        ]
        "#,
    );
    assert_eq!(world.server.scenarios().last().unwrap(), "order");
    let run = world.scenario("order");
    assert_eq!(world.settle(&run), "awaiting_input");
    let payload = json!({ "colour": "red" });
    world.signal(
        &run,
        &json!({ "action": "submit_input", "payload": payload }),
    );
    assert_eq!(world.settle(&run), "stalled");
    world.resume(&run);
    assert_eq!(world.status(&run), "failed");
    let events = world.events(&run);
    let expected = [
        "    0 1 run.created",
        r#"  300 2 run.worker.started "queued" "running""#,
        r#"  300 3 step.progress "thinking""#,
        r#" 2300 4 tool.invoked "shop""#,
        r#" 2300 5 step.progress "content_delta" "4 and""#,
        r#" 2400 6 step.progress "content_delta" "5 and""#,
        r#" 2500 7 step.done "retry_step""#,
        " 2500 8 run.weather",
        r#" 2500 9 run.awaiting_input "AWAITING_INPUT" "form""#,
        r#" 2500 10 step.progress "content_delta" "In red for the report.""#,
        r#" 2500 11 run.limit_exceeded "running" "failed" "MAX_COST""#,
    ];
    assert_eq!(events.iter().map(line).collect::<Vec<_>>(), expected);
    assert_eq!(
        events[2]["payload"],
        json!({ "redacted": true, "value": { "kind": "thinking" } })
    );
    assert_eq!(
        events[7]["payload"],
        json!({ "redacted": false, "value": "sunny" })
    );
    assert_eq!(events[8]["payload"]["value"]["fields"], json!(["colour"]));
}

#[test]
fn the_human_elsewhere_answers_stops_and_stalls() {
    let mut world = World::new("");
    let approved = world.scenario("approve-email");
    let rejected = world.scenario("approve-email");
    let given = world.scenario("needs-input");
    let stopped = world.create(&json!({ "scenario": "long-stream" }));
    assert!(world.dashboard("run_x", DashboardAction::Approve).is_err());
    assert!(
        world
            .dashboard(&approved, DashboardAction::Approve)
            .is_err(),
        "too early"
    );
    world.after(5_000);
    world
        .dashboard(&approved, DashboardAction::Approve)
        .unwrap();
    let reason = DashboardAction::Reject("No.".to_owned());
    world.dashboard(&rejected, reason).unwrap();
    let data = json!({ "to": "ops" }).as_object().unwrap().clone();
    world
        .dashboard(&given, DashboardAction::Input(data))
        .unwrap();
    world.dashboard(&stopped, DashboardAction::Stop).unwrap();
    assert_eq!(world.status(&rejected), "failed");
    assert_eq!(world.status(&stopped), "cancelled");
    let seen = world.events(&stopped);
    // Fragments come every 5 ms from 300 ms on; the one of this very moment has been seen.
    assert_eq!(seen.len(), 2 + 941 + 1);
    assert_eq!(
        seen.last().unwrap()["payload"]["value"]["reason_code"],
        "cancelled_in_dashboard"
    );
    assert_eq!(
        world.after(60_000).events(&stopped),
        seen,
        "nothing comes behind the end"
    );
    assert_eq!(world.status(&approved), "succeeded");
    assert!(text(&world.events(&given)).ends_with("Written with to ops."));
    let waits = world.server.stats().waits;
    let actions: Vec<_> = waits
        .iter()
        .map(|wait| (wait.received, wait.applied, wait.action.as_deref()))
        .collect();
    assert_eq!(
        actions,
        [
            (0, 1, Some("submit_input")),
            (0, 1, Some("approve")),
            (0, 1, Some("reject")),
        ]
    );
}

#[test]
fn a_run_that_loses_its_worker_goes_on_where_it_was() {
    let mut world = World::new("");
    let whole = world.create(&json!({ "scenario": "long-stream", "events": 100 }));
    let run = world.create(&json!({ "scenario": "long-stream", "events": 100 }));
    assert!(
        world.dashboard(&run, DashboardAction::Stall).is_err(),
        "no worker yet"
    );
    world
        .after(400)
        .dashboard(&run, DashboardAction::Stall)
        .unwrap();
    assert_eq!(world.status(&run), "stalled");
    assert_eq!(world.events(&run).len(), 2 + 21);
    assert_eq!(world.after(10_000).events(&run).len(), 2 + 21);
    world.resume(&run);
    assert_eq!(world.settle(&run), "succeeded");
    assert_eq!(text(&world.events(&run)), text(&world.events(&whole)));
}

#[test]
fn two_waits_follow_each_other() {
    let mut world = World::new("");
    let run = world.scenario("two-waits");
    world.settle(&run);
    world.signal(&run, &json!({ "action": "approve" }));
    assert_eq!(world.status(&run), "running");
    assert_eq!(world.after(20).status(&run), "awaiting_input");
    world.signal(
        &run,
        &json!({ "action": "submit_input", "payload": { "n": 1 } }),
    );
    assert_eq!(world.settle(&run), "succeeded");
    assert!(text(&world.events(&run)).ends_with("Done with n 1."));
    let waits = world.server.stats().waits;
    let told: Vec<_> = waits
        .iter()
        .map(|wait| (wait.seq, wait.received, wait.applied))
        .collect();
    assert_eq!(told, [(5, 1, 1), (6, 1, 1)]);
}
