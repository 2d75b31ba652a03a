//! Replies and frames of which a value is odd, damaged or missing: what the watch makes of them.

use serde_json::{Value, json};
use taskward_core::{Response, http::StatusCode};

use crate::world::{Ended, START, World, outcome};

fn done() -> Ended {
    outcome("succeeded succeeded")
}

/// Returns the event log of an undisturbed run.
fn whole() -> Vec<String> {
    let mut world = World::new("").approves();
    assert_eq!(world.run("approve-email"), done());
    world.log
}

/// Returns a world in which the first `count` replies of one endpoint have another body, made of their own.
fn bodies(
    scenario: &str,
    endpoint: &'static str,
    count: usize,
    mut edit: impl FnMut(&str) -> Vec<u8> + 'static,
) -> World {
    let mut world = World::new(scenario).approves();
    world.judged = false;
    world.rewrite = Some(Box::new(move |at, number, mut reply| {
        if at == endpoint && number < count {
            let text = String::from_utf8(reply.body.to_vec()).expect("text");
            reply.body = edit(&text).into();
        }
        reply
    }));
    world
}

/// A run whose events are told by its list alone.
const LISTED: &str = "[agent_harness]\nstream_missing = 405\n";

/// Rows: D1, D2, D6.
#[test]
fn a_run_that_cannot_be_read_is_a_failed_poll_however_often() {
    let edits: [fn(&str) -> Vec<u8>; 5] = [
        |text| text[..text.len() / 2].into(),
        |text| format!("{text} and more").into(),
        |text| text.replace("\"status\":\"", "\"status\":\"\\ud83d").into(),
        |_| b"{}".into(),
        |_| b"[".repeat(100_000),
    ];
    for edit in edits {
        let mut world = bodies("", "read_run", 12, edit);
        assert_eq!(world.run("approve-email"), done(), "{:#?}", world.reported);
        assert_eq!(world.log, whole());
        assert!(world.asked("read_run") > 12, "{:?}", world.requests);
        assert_eq!(world.stats().waits[0].applied, 1);
    }
}

/// Rows: D10.
#[test]
fn a_start_whose_reply_names_no_run_is_repeated_under_its_key_and_then_of_unknown_outcome() {
    let edits: [fn(&str) -> Vec<u8>; 5] = [
        |text| text.replace("\"id\"", "\"run\"").into(),
        |text| text.replace("\"id\":", "\"id\":null,\"x\":").into(),
        |text| text.replace("\"id\":\"", "\"id\":\"\\ud83d").into(),
        |text| text[..text.len() - 1].into(),
        |_| b"\"started\"".into(),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut world = bodies("", "create_run", 2, edit);
        let end = world.run("approve-email");
        assert_eq!(end, done(), "edit {number}: {:#?}", world.reported);
        assert_eq!(world.count("started replayed true"), 1, "edit {number}");
        let keys: Vec<_> = world
            .writes
            .iter()
            .filter(|(endpoint, ..)| endpoint == "create_run")
            .map(|(_, key, digest)| (key, digest))
            .collect();
        assert_eq!(keys.len(), 3, "edit {number}");
        assert!(keys.iter().all(|one| *one == keys[0]), "edit {number}");
        assert_eq!(world.stats().starts, 1, "edit {number}");
        let mut world = bodies("", "create_run", usize::MAX, edit);
        let end = world.run("approve-email");
        assert_eq!(end, outcome("outcome_unknown"), "edit {number}");
        assert_eq!(world.stats().starts, 1, "edit {number}");
    }
}

/// Rows: D8, D9, D11, D15.
#[test]
fn odd_numbers_nulls_unknown_fields_and_odd_times_change_nothing_that_is_told() {
    fn event(event: &mut Value, edit: usize) {
        match edit {
            0 => event["seq"] = Value::from(event["seq"].to_string()),
            1 => event["seq"] = json!(event["seq"].as_f64().expect("a number")),
            2 => event["timestamp"] = json!("2026-05-12 at noon"),
            3 => event["timestamp"] = Value::Null,
            _ => {
                event["zz"] = json!({"deep": [1, {"a": null}], "type": "run.cancelled"});
                event["payload"]["status"] = json!("failed");
            }
        }
    }
    let log = whole();
    for edit in 0..5 {
        let mut world = World::new("").approves();
        world.frames = Some(Box::new(move |frame| {
            let Some((head, rest)) = frame.split_once("data: ") else {
                return frame;
            };
            let (data, tail) = rest.split_once('\n').expect("a line");
            let mut value = serde_json::from_str(data).expect("JSON");
            event(&mut value, edit);
            format!("{head}data: {value}\n{tail}")
        }));
        assert_eq!(world.run("approve-email"), done(), "edit {edit}");
        assert_eq!(world.log, log, "edit {edit}");
        assert_eq!(
            world.count("retrying"),
            0,
            "edit {edit}: {:#?}",
            world.reported
        );
        let mut world = bodies(LISTED, "events", usize::MAX, move |text| {
            let mut page: Value = serde_json::from_str(text).expect("JSON");
            let events = page["events"].as_array_mut().expect("a list");
            events.iter_mut().for_each(|one| event(one, edit));
            page.to_string().into()
        });
        assert_eq!(world.run("approve-email"), done(), "edit {edit}");
        assert_eq!(world.log, log, "edit {edit}");
    }
    for endpoint in ["create_run", "read_run", "signal"] {
        let mut world = bodies("", endpoint, usize::MAX, |text| {
            let mut reply: Value = serde_json::from_str(text).expect("JSON");
            reply["zz"] = json!({"status": "failed"});
            reply["request_id"] = Value::Null;
            reply["created_at"] = json!("0001-01-01T00:00:00");
            reply.to_string().into()
        });
        assert_eq!(world.run("approve-email"), done(), "{endpoint}");
        assert_eq!(world.log, log, "{endpoint}");
    }
}

/// Rows: D5, D6, D7.
#[test]
fn damaged_text_and_odd_numbers_in_an_event_cost_neither_the_event_nor_the_run() {
    let log = whole();
    for odd in [
        "\"cut \\ud83d\"",
        "\"\\ude00\\ud83d\"",
        "NaN",
        "1e400",
        "1234567890123456789012345678901234567890",
    ] {
        let mut world = World::new("").approves();
        world.frames = Some(Box::new(move |frame| {
            frame.replace("\"redacted\":", &format!("\"odd\":{odd},\"redacted\":"))
        }));
        assert_eq!(world.run("approve-email"), done(), "{odd}");
        assert_eq!(world.log, log, "{odd}");
        assert_eq!(world.count("retrying"), 0, "{odd}: {:#?}", world.reported);
    }
}

/// Rows: D12, D13.
#[test]
fn a_status_that_the_contract_does_not_have_is_told_once_and_ends_nothing() {
    for (odd, reported) in [
        (json!("paused"), "paused"),
        (json!(""), ""),
        (json!(7), "7"),
        (json!("Succeeded"), "Succeeded"),
        (json!(" succeeded "), " succeeded "),
        (json!("canceled"), "canceled"),
        (json!("FAILED"), "FAILED"),
    ] {
        for scenario in ["", LISTED] {
            let status = odd.clone();
            let mut world = bodies(scenario, "read_run", 3, move |text| {
                let mut run: Value = serde_json::from_str(text).expect("JSON");
                run["status"] = status.clone();
                run.to_string().into()
            });
            let end = world.run("long-stream");
            assert_eq!(end, done(), "{odd}: {:#?}", world.reported);
            let line = format!("status {reported}");
            let times = world
                .reported
                .iter()
                .filter(|reported| **reported == line)
                .count();
            assert!(times <= 1, "{odd}: {:#?}", world.reported);
            assert_eq!(times, usize::from(world.asked("read_run") > 0), "{odd}");
        }
    }
}

/// Rows: D18.
#[test]
fn a_refusal_that_speaks_of_success_is_none() {
    for body in [
        r#"{"error":"succeeded"}"#,
        r#"{"id":"r","status":"succeeded"}"#,
        r#"{"status":"failed","error":{"status":"cancelled"}}"#,
        "succeeded",
    ] {
        let mut world = World::new(LISTED).approves();
        world.judged = false;
        world.rewrite = Some(Box::new(move |at, number, reply| {
            if at == "read_run" && number < 8 {
                Response::new(StatusCode::INTERNAL_SERVER_ERROR, body)
            } else {
                reply
            }
        }));
        assert_eq!(world.run("approve-email"), done(), "{body}");
        assert_eq!(world.log, whole(), "{body}");
        assert!(world.now > START + 10_000, "{body}");
    }
}
