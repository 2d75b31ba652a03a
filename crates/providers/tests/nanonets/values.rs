//! Replies of which a value is odd, damaged, missing or of another shape: what the watch makes of them.

use serde_json::{Value, json};
use taskward_core::{Response, http::StatusCode};

use crate::world::{Ended, START, World, outcome};

/// Returns a world in which every reply of one endpoint has this body, made of its own, for so many milliseconds.
fn bodies(
    scenario: &str,
    endpoint: &'static str,
    span: u64,
    mut edit: impl FnMut(&str) -> Vec<u8> + 'static,
) -> World {
    let mut world = World::new(scenario);
    world.rewrite = Box::new(move |at, now, mut reply| {
        if at == endpoint && now < START + span {
            let text = String::from_utf8(reply.body.to_vec()).expect("text");
            reply.body = edit(&text).into();
        }
        reply
    });
    world
}

/// The same of a field of it.
fn fields(endpoint: &'static str, span: u64, mut edit: impl FnMut(&mut Value) + 'static) -> World {
    bodies("", endpoint, span, move |text| {
        let mut value = serde_json::from_str(text).expect("JSON");
        edit(&mut value);
        value.to_string().into_bytes()
    })
}

const FOR_EVER: u64 = u64::MAX - START;
const FIVE_MINUTES: u64 = 300_000;

fn asked(world: &World, what: &str) -> usize {
    let of = |line: &&String| line.ends_with(what);
    world.requests.iter().filter(of).count()
}

/// Rows: D1, D2.
#[test]
fn a_status_that_cannot_be_read_is_a_failed_poll_however_often() {
    let edits: [fn(&str) -> Vec<u8>; 5] = [
        |text| text[..text.len() / 2].into(),
        |text| text[..text.len() - 1].into(),
        |text| format!("{text} and more").into(),
        |text| format!("{text}{text}").into(),
        |_| b"{}".into(),
    ];
    for edit in edits {
        let mut world = bodies("", "status", FIVE_MINUTES, edit);
        assert_eq!(world.run("echo", "x"), outcome("succeeded x"));
        assert!(world.now >= START + FIVE_MINUTES);
        assert!(asked(&world, "/tasks/ID") > 10, "{:?}", world.requests);
        assert_eq!(asked(&world, "/summary"), 1);
    }
}

/// Rows: D2, D4, D10.
#[test]
fn a_start_whose_reply_names_no_task_is_of_unknown_outcome_and_not_repeated() {
    let edits: [fn(&str) -> Vec<u8>; 10] = [
        |text| text.replace("\"task_id\"", "\"id\"").into(),
        |text| {
            text.replace("\"task_id\":", "\"task_id\":null,\"x\":")
                .into()
        },
        |text| text.replace("\"task_id\":", "\"task_id\":{},\"x\":").into(),
        |text| {
            text.replace("\"task_id\":\"", "\"task_id\":\"\",\"x\":\"")
                .into()
        },
        |text| {
            text.replace("\"task_id\":\"", "\"task_id\":\"\\ud83d")
                .into()
        },
        |text| format!("{text}{{}}").into(),
        |text| text[..text.len() - 1].into(),
        |_| b"[".repeat(100_000),
        |_| b"[]".into(),
        |_| b"\"started\"".into(),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut world = bodies("", "run", FOR_EVER, edit);
        let end = world.run("echo", "x");
        assert_eq!(end, outcome("outcome_unknown"), "edit {number}");
        assert_eq!(world.requests.len(), 1, "edit {number}");
        assert_eq!(world.stats().starts, 1, "edit {number}");
    }
}

/// Rows: D5, D6.
#[test]
fn damaged_text_of_question_and_answer_is_told_with_a_mark_in_its_place() {
    for lost in ["\\ud83d", "\\ude00\\ud83d"] {
        let marks = "\u{fffd}".repeat(lost.matches("\\u").count());
        let mut world = bodies("", "summary", FOR_EVER, move |text| {
            text.replace("cut here", &format!("cut {lost} here")).into()
        });
        let end = outcome(&format!("succeeded cut {marks} here"));
        assert_eq!(world.run("echo", "cut here"), end, "{lost}");
    }
    let broken = |text: &str| {
        let pieces: Vec<&[u8]> = text.split("cut here").map(str::as_bytes).collect();
        pieces.join(&b"cut \xff here"[..])
    };
    let mut world = bodies("", "summary", FOR_EVER, broken);
    let end = outcome("succeeded cut \u{fffd} here");
    assert_eq!(world.run("echo", "cut here"), end);
    let question = |lost: &'static str| {
        let mut world = bodies("", "messages", FOR_EVER, move |text| {
            text.replace("?", lost).into()
        });
        match world.run("asker", "convert") {
            Ended::Left(question) => question,
            other => panic!("{other:?}"),
        }
    };
    let whole = question("?");
    assert!(whole.ends_with('?'), "{whole}");
    assert_eq!(question("\\udc00"), whole.replace('?', "\u{fffd}"));
}

/// Rows: D6.
#[test]
fn a_damaged_status_is_a_failed_poll() {
    let mut world = bodies("", "status", FIVE_MINUTES, |text| {
        let (before, after) = text.split_once("\"status\":\"").expect("a status");
        [before.as_bytes(), b"\"status\":\"\xff", after.as_bytes()].concat()
    });
    assert_eq!(world.run("echo", "x"), outcome("succeeded x"));
    let reported: Vec<&str> = world.events.iter().map(String::as_str).collect();
    assert_eq!(reported, ["started running", "completed"]);
}

/// Rows: D7.
#[test]
fn a_number_that_is_none_spoils_no_answer() {
    let digits = "1234567890123456789012345678901234567890";
    for odd in ["NaN", "1e400", "-Infinity", digits] {
        let mut world = bodies("", "summary", FOR_EVER, move |text| {
            let text = text.replacen('{', &format!("{{\"score\":{odd},"), 1);
            text.replace("\"x\"", &format!("{{\"text\":\"x\",\"total\":[{odd}]}}"))
                .into()
        });
        assert_eq!(world.run("echo", "x"), outcome("succeeded x"), "{odd}");
    }
}

/// Rows: D9, D11, D15.
#[test]
fn nulls_unknown_fields_and_odd_times_are_read_over_in_every_reply() {
    let strange = json!({"deep": [1, {"a": null}], "status": "failed"});
    let edits: [fn(&mut Value, &Value); 3] = [
        |reply, strange| {
            reply["zz"] = strange.clone();
            reply["error"] = Value::from("completed");
        },
        |reply, _| {
            for name in ["agent_id", "title", "agent_name", "message", "updated_at"] {
                reply[name] = Value::Null;
            }
        },
        |reply, _| {
            for (name, at) in [
                ("created_at", json!("2026-05-12T10:15:00")),
                ("updated_at", json!(12)),
                ("completed_at", json!("0001-01-01T00:00:00.123456789Z")),
            ] {
                reply[name] = at;
            }
        },
    ];
    for (agent, edit) in ["echo", "asker", "failing"]
        .into_iter()
        .flat_map(|agent| edits.map(|edit| (agent, edit)))
    {
        let mut plain = World::new("").answers(&["EUR"]);
        let expected = plain.run(agent, "x");
        let mut world = World::new("").answers(&["EUR"]);
        let strange = strange.clone();
        world.rewrite = Box::new(move |_, _, mut reply| {
            if let Ok(mut value) = serde_json::from_slice::<Value>(&reply.body) {
                edit(&mut value, &strange);
                if let Some(messages) = value["data"].as_array_mut() {
                    messages.iter_mut().for_each(|one| edit(one, &strange));
                }
                reply.body = value.to_string().into();
            }
            reply
        });
        assert_eq!(world.run(agent, "x"), expected, "{agent}");
        assert_eq!(world.requests, plain.requests, "{agent}");
    }
}

/// Rows: D12, D13.
#[test]
fn a_status_that_the_contract_does_not_have_is_told_once_and_ends_nothing() {
    for (odd, reported) in [
        (json!("paused"), "paused"),
        (json!(""), ""),
        (json!(7), "7"),
        (json!(true), "true"),
        (json!("Completed"), "Completed"),
        (json!(" completed "), " completed "),
        (json!("FAILED"), "FAILED"),
        (json!("stopped\n"), "stopped\n"),
        (json!("cancelled"), "cancelled"),
    ] {
        let status = odd.clone();
        let mut world = fields("status", FIVE_MINUTES, move |task| {
            task["status"] = status.clone();
        });
        assert_eq!(world.run("echo", "x"), outcome("succeeded x"), "{odd}");
        assert!(world.now >= START + FIVE_MINUTES, "{odd}");
        let events: Vec<&str> = world.events.iter().map(String::as_str).collect();
        assert_eq!(events, ["started running", reported, "completed"], "{odd}");
        assert_eq!(asked(&world, "/summary"), 1, "{odd}");
    }
}

/// Rows: D14.
#[test]
fn messages_in_any_wrapper_ask_the_same_question_once() {
    let wrap: [fn(Value) -> Value; 4] = [
        |list| list,
        |list| json!({ "data": list }),
        |list| json!({ "messages": list }),
        |list| json!({ "data": null, "messages": list, "has_more": false }),
    ];
    for wrap in wrap {
        let mut world = fields("messages", FOR_EVER, move |reply| {
            let list = ["data", "messages"]
                .iter()
                .find_map(|name| reply.get(*name).filter(|list| list.is_array()));
            *reply = wrap(list.expect("a list").clone());
        })
        .answers(&["EUR"]);
        let ended = world.run("asker", "convert");
        let answered = matches!(&ended, Ended::Outcome(text) if text.contains("EUR"));
        assert!(answered, "{ended:?}");
        assert_eq!(world.stats().questions[0].answers, 1);
    }
}

/// Rows: D18.
#[test]
fn a_refusal_that_speaks_of_completion_completes_nothing() {
    for body in [
        r#"{"error":"completed"}"#,
        r#"{"status":"completed"}"#,
        r#"{"status":"completed","error":{"status":"completed"},"result":"42"}"#,
        "completed",
    ] {
        for endpoint in ["status", "summary"] {
            let mut world = World::new("");
            world.rewrite = Box::new(move |at, now, reply| {
                if at == endpoint && now < START + 40_000 {
                    Response::new(StatusCode::INTERNAL_SERVER_ERROR, body)
                } else {
                    reply
                }
            });
            assert_eq!(world.run("echo", "x"), outcome("succeeded x"), "{body}");
            assert!(world.now >= START + 40_000, "{endpoint}: {body}");
        }
        // A start is not taken for one either.
        let mut world = World::new("");
        world.rewrite = Box::new(move |at, _, reply| match at {
            "run" => Response::new(StatusCode::BAD_REQUEST, body),
            _ => reply,
        });
        assert_eq!(world.run("echo", "x"), outcome("refused"), "{body}");
    }
}

/// Rows: D19.
#[test]
fn a_summary_without_a_result_is_a_success_without_an_answer() {
    for result in [None, Some(Value::Null)] {
        let mut world = fields("summary", FOR_EVER, move |summary| {
            let summary = summary.as_object_mut().expect("an object");
            summary.remove("result");
            if let Some(result) = &result {
                summary.insert("result".to_owned(), result.clone());
            }
        });
        assert_eq!(world.run("echo", "x"), outcome("succeeded "));
        assert_eq!(asked(&world, "/summary"), 1);
    }
}
