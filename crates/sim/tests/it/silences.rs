//! The switches for what the contracts leave open: each one against its default.

use serde_json::{Value, json};
use taskward_sim::Request;

use crate::common::World;
use crate::harness::world::World as Harness;

/// Returns what two readings of the contract answer to the same question.
fn readings<T>(switch: &str, ask: impl Fn(&mut World) -> T) -> (T, T) {
    (ask(&mut World::new("")), ask(&mut World::new(switch)))
}

fn ended(world: &mut World) -> String {
    let task = world.run("echo", "x");
    world.after(2_000);
    task
}

#[test]
fn timestamps_may_have_a_numeric_offset() {
    let (plain, switched) = readings(
        "numeric_offsets = true\nfractional_seconds = true",
        |world| {
            let task = ended(world);
            let status = world.get(&format!("/tasks/{task}")).value();
            let agent = world.post("/agents", &json!({})).value();
            [status["created_at"].clone(), agent["created_at"].clone()]
        },
    );
    assert_eq!(plain, ["2026-05-12T10:15:00Z", "2026-05-12T10:15:02Z"]);
    let expected = [
        "2026-05-12T10:15:00.000+00:00",
        "2026-05-12T10:15:02.000+00:00",
    ];
    assert_eq!(switched, expected);
}

#[test]
fn replies_may_have_fields_that_no_page_documents() {
    let (plain, switched) = readings("extra_fields = true", |world| {
        ended(world);
        world.get("/tasks").value()
    });
    let without = |mut value: Value| {
        let page = value.as_object_mut().unwrap();
        let mut removed = u32::from(page.remove("added_later").is_some());
        for entry in page["data"].as_array_mut().unwrap() {
            let entry = entry.as_object_mut().unwrap();
            removed += u32::from(entry.remove("added_later").is_some());
        }
        (value, removed)
    };
    assert_eq!(without(switched), (plain.clone(), 2));
    assert_eq!(without(plain).1, 0);
}

#[test]
fn answers_may_have_other_names_and_fewer_fields() {
    let (plain, switched) = readings(
        "answer_field = \"answer\"\nfeed_field = \"steps\"\nbare_answers = true",
        |world| {
            let task = ended(world);
            let keys = |value: Value| -> Vec<String> {
                value.as_object().unwrap().keys().cloned().collect()
            };
            let result = world.get(&format!("/tasks/{task}/result")).value();
            [keys(world.summary(&task)), keys(result)]
        },
    );
    assert!(plain[0].contains(&"task_id".to_owned()) && plain[1].contains(&"feed".to_owned()));
    assert_eq!(switched[0], ["answer", "extracted_data", "status"]);
    assert_eq!(switched[1], ["status", "steps"]);
}

#[test]
fn an_answer_may_be_refused_before_the_end() {
    let (plain, switched) = readings("early_answer_code = 409", |world| {
        let task = world.run("echo", "x");
        let codes = |world: &mut World| {
            ["summary", "result"].map(|read| world.get(&format!("/tasks/{task}/{read}")).status)
        };
        let before = codes(world);
        world.after(2_000);
        (before, codes(world))
    });
    assert_eq!(plain, ([200; 2], [200; 2]));
    assert_eq!(switched, ([409; 2], [200; 2]));
}

#[test]
fn messages_may_be_bare_and_of_another_role_and_their_id_have_another_name() {
    let (plain, switched) = readings(
        "bare_messages = true\nsystem_messages = true\nmessage_id_field = \"id\"",
        |world| {
            let task = world.run("asker", "x");
            let said = world.after(3_000).say(&task, "EUR").value();
            let list = world.get(&format!("/tasks/{task}/messages")).value();
            (said, list["data"].as_array().unwrap().clone())
        },
    );
    assert_eq!(plain.0["message_id"], plain.1.last().unwrap()["id"]);
    assert_eq!(switched.0["id"], plain.0["message_id"]);
    assert_eq!(switched.1.len(), 2 * plain.1.len());
    for (number, message) in switched.1.iter().enumerate() {
        let said = &plain.1[number / 2];
        let expected = if number.is_multiple_of(2) {
            json!({ "role": said["role"], "content": said["content"] })
        } else {
            json!({ "role": "system", "content": "Noted." })
        };
        assert_eq!(message, &expected);
    }
}

#[test]
fn a_task_in_the_list_may_have_no_agent_name() {
    let (plain, switched) = readings("omit_agent_name = true", |world| {
        ended(world);
        world.get("/tasks").value()["data"][0]
            .get("agent_name")
            .cloned()
    });
    assert_eq!((plain, switched), (Some(json!("echo")), None));
}

#[test]
fn a_cursor_may_be_bound_to_its_filters() {
    let (plain, switched) = readings("cursor_binds_filters = true", |world| {
        let first = world.get("/agents?limit=2&q=o&status=published").value();
        let cursor = first["next_cursor"].as_str().unwrap();
        ["status=published&q=o&limit=1", "status=published", ""].map(|filters| {
            world
                .get(&format!("/agents?{filters}&cursor={cursor}"))
                .status
        })
    });
    assert_eq!(plain, [200, 200, 200]);
    assert_eq!(switched, [200, 400, 400]);
}

#[test]
fn where_no_query_is_documented_none_is_taken() {
    let mut world = World::new("");
    let task = ended(&mut world);
    for target in [format!("/tasks/{task}"), format!("/tasks/{task}/messages")] {
        assert_eq!(world.get(&target).status, 200);
        assert_eq!(
            world.get(&format!("{target}?expand=all")).status,
            400,
            "{target}"
        );
    }
}

/// Returns what two readings of the Agent Harness contract answer to the same question.
fn harness_readings<T>(switch: &str, ask: impl Fn(&mut Harness) -> T) -> (T, T) {
    (ask(&mut Harness::new("")), ask(&mut Harness::new(switch)))
}

#[test]
fn a_run_may_show_its_id_and_status_alone_or_more_than_documented() {
    let ask = |world: &mut Harness| -> Vec<String> {
        let run = world.scenario("approve-email");
        let view = world.get(&format!("/v1/runs/{run}")).value();
        view.as_object().unwrap().keys().cloned().collect()
    };
    let (plain, bare) = harness_readings("bare_runs = true", ask);
    assert!(
        plain.len() > 4 && !plain.contains(&"added_later".to_owned()),
        "{plain:?}"
    );
    assert_eq!(bare, ["id", "status"]);
    let (_, extended) = harness_readings("extra_fields = true\nbare_runs = true", ask);
    assert_eq!(extended, ["added_later", "id", "status"]);
}

#[test]
fn a_replay_may_not_say_so_and_codes_of_refusals_differ() {
    let (plain, switched) = harness_readings(
        "replayed_field = false\nkey_missing_status_code = 422\nrun_not_found_status_code = 410\nresume_missing = 404",
        |world| {
            world.create_with("k", &json!({}));
            let replayed = world
                .create_with("k", &json!({}))
                .value()
                .get("replayed")
                .cloned();
            let run = world.scenario("approve-email");
            let codes = [
                world.post("/v1/runs", &json!({})).status,
                world.get("/v1/runs/run_none").status,
                world.resume(&run).status,
            ];
            (replayed, codes)
        },
    );
    assert_eq!(plain, (Some(json!(true)), [400, 404, 409]));
    assert_eq!(switched, (None, [422, 410, 404]));
}

#[test]
fn a_rotated_secret_may_open_for_a_while_and_keys_may_not_manage_keys() {
    let (plain, switched) = harness_readings("rotated_key_grace_ms = 1000", |world| {
        let old = world.server.api_key().to_owned();
        let id = old.split(':').next().unwrap().to_owned();
        world.post(&format!("/v1/api-keys/{id}/rotate"), &json!({}));
        let ask = |world: &mut Harness| {
            let request = Request::new("GET", "/v1/usage");
            let key = format!("Bearer {old}");
            world.send(request.header("Authorization", &key)).status
        };
        [ask(world), ask(world.after(999)), ask(world.after(1))]
    });
    assert_eq!(plain, [401, 401, 401]);
    assert_eq!(switched, [200, 200, 401]);
    let create = |world: &mut Harness| world.post("/v1/api-keys", &json!({})).status;
    assert_eq!(
        harness_readings("keys_manage_keys = false", create),
        (201, 403)
    );
}
