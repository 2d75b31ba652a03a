//! Tasks in virtual time: agents, states, messages, switches.

use crate::common::{START, World, file};
use serde_json::{Value, json};
use taskward_sim::nanonets::DashboardAction;

#[test]
fn a_task_runs_and_leaves_a_summary() {
    let mut world = World::new("");
    let agent = world.server.agent("echo").unwrap();
    let run = world.post(
        &format!("/agents/{agent}/run"),
        &json!({ "query": "  hello\n world" }),
    );
    let body = run.value();
    assert_eq!(
        (run.status, &body["status"], &body["created_at"]),
        (201, &json!("running"), &json!("2026-05-12T10:15:00Z"))
    );
    assert!(
        run.headers
            .contains(&("date", "Tue, 12 May 2026 10:15:00 GMT".to_owned()))
    );
    let id = body["task_id"].as_str().unwrap();
    assert_eq!(world.server.next_due(), Some(START + 2_000));
    assert_eq!(world.after(1_999).status(id), "running");
    let task = world.after(1).get(&format!("/tasks/{id}")).value();
    assert_eq!(
        (&task["status"], &task["title"]),
        (&json!("completed"), &json!("hello world"))
    );
    assert_eq!(task["updated_at"], "2026-05-12T10:15:02Z");
    let summary = world.summary(id);
    assert_eq!(
        summary["result"],
        json!({ "summary": "  hello\n world", "completed_at": "2026-05-12T10:15:02Z" })
    );
    assert_eq!(world.server.next_due(), None);
}

/// Rows: N2.
#[test]
fn the_same_seed_and_script_give_the_same_bytes() {
    let play = || {
        let mut world = World::new("");
        let asker = world.run("asker", "count");
        world.after(3_000).say(&asker, "EUR");
        world.after(60_000).get(&format!("/tasks/{asker}/result"));
        world.log(&asker);
        world.get("/tasks");
        world.post("/agents", &json!({ "name": "Buyer" }));
        world.get("/agents");
        world.trace
    };
    assert_eq!(play(), play());
}

#[test]
fn every_answer_before_the_end_is_live() {
    let mut world = World::new("");
    let slow = world.run("slow", "take your time");
    assert_eq!(
        world.after(59_000).summary(&slow).get("result"),
        None,
        "nothing lasting yet"
    );
    assert_eq!(
        world.after(1_000).summary(&slow)["result"],
        "1 of 10 minutes done."
    );
    let end = world.after(540_000).summary(&slow);
    assert_eq!(
        (&end["status"], &end["result"]["summary"]),
        (&json!("completed"), &json!("Ten minutes well spent."))
    );

    let mut world = World::new("live_answers = false");
    let slow = world.run("slow", "take your time");
    assert_eq!(world.after(120_000).summary(&slow).get("result"), None);
}

#[test]
fn a_question_is_asked_answered_and_used() {
    let mut world = World::new("");
    let id = world.run("asker", "What did we spend?");
    assert_eq!(world.after(2_000).status(&id), "waiting_for_input");
    let reply = world.say(&id, "EUR").value();
    assert_eq!(reply["status"], "waiting_for_input");
    assert_eq!(
        world.after(999).status(&id),
        "waiting_for_input",
        "the status lags behind the log"
    );
    let question = (
        "assistant".to_owned(),
        json!("Which currency should the answer be in?"),
    );
    let log = [
        ("user".to_owned(), json!("What did we spend?")),
        question,
        ("user".to_owned(), json!("EUR")),
    ];
    assert_eq!(world.log(&id), log);
    assert_eq!(world.after(1).status(&id), "running");
    let summary = world.after(2_000).summary(&id);
    assert_eq!(summary["result"]["summary"], "Done, in EUR.");
    assert_eq!(summary["extracted_data"]["answer"], "EUR");
    let stats = world.server.stats();
    assert_eq!(stats.questions.len(), 1);
    assert_eq!(stats.questions[0].answers, 1);
}

#[test]
fn a_second_answer_to_the_same_question_is_counted() {
    let mut world = World::new("");
    let id = world.run("asker", "x");
    world.after(2_000).say(&id, "EUR");
    world.after(500).say(&id, "USD");
    assert_eq!(world.server.stats().questions[0].answers, 2);
    assert_eq!(
        world.after(10_000).summary(&id)["extracted_data"]["answer"],
        "USD"
    );
}

#[test]
fn the_delay_after_a_reply_is_a_switch() {
    for (delay, before, after) in [(0, 0, 0), (3_000, 2_999, 1)] {
        let mut world = World::new(&format!("reply_delay_ms = {delay}"));
        let id = world.run("asker", "x");
        world.after(2_000).say(&id, "EUR");
        if delay > 0 {
            assert_eq!(world.after(before).status(&id), "waiting_for_input");
        }
        assert_eq!(world.after(after).status(&id), "running");
    }
}

#[test]
fn a_conversation_pauses_after_each_turn_until_bye() {
    let mut world = World::new("");
    let id = world.run("chat", "hi");
    assert_eq!(world.after(1_000).status(&id), "waiting_for_input");
    world.say(&id, "more");
    assert_eq!(world.after(2_000).status(&id), "waiting_for_input");
    assert_eq!(
        world.log(&id).last().unwrap().1,
        "Turn 2: you said \"more\". Say bye to end."
    );
    world.say(&id, "bye");
    let summary = world.after(2_000).summary(&id);
    assert_eq!(
        (&summary["status"], &summary["result"]),
        (&json!("completed"), &json!("Goodbye after 3 turns."))
    );
    let feed = world.get(&format!("/tasks/{id}/result")).value();
    assert!(
        feed["feed"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["type"] == "message")
    );
}

#[test]
fn a_message_to_a_running_task_is_taken_up_when_the_turn_ends() {
    let mut world = World::new("");
    let id = world.run("slow", "work");
    let reply = world.after(1_000).say(&id, "and hurry").value();
    assert_eq!(reply["status"], "running");
    assert_eq!(
        world.after(599_000).status(&id),
        "running",
        "the end waits for the message"
    );
    assert_eq!(
        world.after(2_000).summary(&id)["result"]["summary"],
        "Noted: and hurry"
    );
}

#[test]
fn a_completed_task_goes_on_with_a_message() {
    let mut world = World::new("");
    let id = world.run("echo", "one");
    assert_eq!(world.after(2_000).say(&id, "two").status, 200);
    let gap = world.summary(&id);
    assert_eq!(
        (&gap["status"], &gap["result"]["summary"]),
        (&json!("completed"), &json!("one"))
    );
    assert_eq!(world.after(1_000).status(&id), "running");
    assert_eq!(world.after(2_000).summary(&id)["result"]["summary"], "two");

    let mut world = World::new("message_to_completed = \"conflict\"");
    let id = world.run("echo", "one");
    assert_eq!(world.after(2_000).say(&id, "two").status, 409);
}

#[test]
fn ended_tasks_take_no_messages() {
    let mut world = World::new("");
    let failed = world.run("failing", "x");
    let stopped = world.run("slow", "x");
    world.after(2_000).cancel(&stopped);
    assert_eq!(world.say(&failed, "hello").status, 409);
    assert_eq!(world.say(&stopped, "hello").status, 409);
    let mut world = World::new("message_to_ended = \"bad_request\"");
    let failed = world.run("failing", "x");
    assert_eq!(world.after(2_000).say(&failed, "hello").status, 400);
}

#[test]
fn a_failure_leaves_its_trail() {
    let mut world = World::new("");
    let id = world.run("failing", "x");
    let result = world
        .after(2_000)
        .get(&format!("/tasks/{id}/result"))
        .value();
    let kinds: Vec<&str> = result["feed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        (&result["status"], kinds.as_slice()),
        (
            &json!("failed"),
            ["message", "tool_call", "error"].as_slice()
        )
    );
    assert_eq!(
        world.summary(&id)["result"],
        "The ledger refused the entry: account 4711 is closed."
    );
}

#[test]
fn only_the_dashboard_ends_a_review() {
    let mut world = World::new("");
    let id = world.run("reviewer", "Pay 500");
    assert_eq!(world.after(2_000).status(&id), "awaiting_review");
    assert_eq!(world.say(&id, "yes").status, 200);
    assert_eq!(world.after(3_600_000).status(&id), "awaiting_review");
    assert_eq!(
        world.dashboard(&id, DashboardAction::Answer("yes".into())),
        Err(format!("task {id} is awaiting_review"))
    );
    world.dashboard(&id, DashboardAction::Approve).unwrap();
    assert_eq!(world.status(&id), "running");
    world.after(1_000);
    assert_eq!(
        world.dashboard(&id, DashboardAction::Approve),
        Err(format!("task {id} is running"))
    );
    assert_eq!(
        world.after(60_000).status(&id),
        "awaiting_review",
        "the message began a new turn"
    );

    for (switch, end) in [("failed", "failed"), ("stopped", "stopped")] {
        let mut world = World::new(&format!("reject_ends = \"{switch}\""));
        let id = world.run("reviewer", "Pay 500");
        world
            .after(2_000)
            .dashboard(&id, DashboardAction::Reject)
            .unwrap();
        assert_eq!(world.status(&id), end);
    }
    assert!(world.dashboard("nothing", DashboardAction::Stop).is_err());
}

#[test]
fn the_dashboard_answers_and_stops_too() {
    let mut world = World::new("");
    let (asker, slow) = (world.run("asker", "x"), world.run("slow", "x"));
    world
        .after(2_000)
        .dashboard(&asker, DashboardAction::Answer("GBP".into()))
        .unwrap();
    world.dashboard(&slow, DashboardAction::Stop).unwrap();
    assert_eq!(world.status(&slow), "stopped");
    assert_eq!(
        world.after(3_000).summary(&asker)["extracted_data"]["answer"],
        "GBP"
    );
}

#[test]
fn a_cancel_gives_the_true_end_each_time() {
    let mut world = World::new("");
    let running = world.run("slow", "x");
    let waiting = world.run("asker", "x");
    let completed = world.run("echo", "x");
    world.after(2_000);
    for (id, end) in [
        (&running, "stopped"),
        (&waiting, "stopped"),
        (&completed, "completed"),
    ] {
        for _ in 0..2 {
            let reply = world.cancel(id);
            assert_eq!((reply.status, &reply.value()["status"]), (200, &json!(end)));
            world.after(1_000);
        }
    }
    assert_eq!(
        world.log(&waiting).len(),
        2,
        "the conversation stays readable"
    );
    world.after(3_600_000);
    assert_eq!(world.status(&running), "stopped");
}

#[test]
fn a_cancel_that_is_late_can_meet_the_end() {
    let mut world = World::new("cancel_delay_ms = 1000");
    let (echo, slow) = (world.run("echo", "x"), world.run("slow", "x"));
    world.after(1_500);
    for id in [&echo, &slow] {
        assert_eq!(world.cancel(id).value()["status"], "running");
    }
    assert_eq!(world.after(5_000).status(&echo), "completed");
    assert_eq!(world.status(&slow), "stopped");
}

#[test]
fn more_tasks_than_slots_are_queued_first_come_first_served() {
    let mut world = World::new("");
    let ids: Vec<String> = (0..4).map(|n| world.run("echo", &n.to_string())).collect();
    let other = world.run("slow", "another agent has its own slots");
    let statuses = |world: &mut World| ids.iter().map(|id| world.status(id)).collect::<Vec<_>>();
    assert_eq!(
        statuses(&mut world),
        ["running", "running", "queued", "queued"]
    );
    assert_eq!(world.status(&other), "running");
    world.cancel(&ids[0]);
    assert_eq!(
        statuses(&mut world),
        ["stopped", "running", "running", "queued"]
    );
    world.after(2_000);
    assert_eq!(
        statuses(&mut world),
        ["stopped", "completed", "completed", "running"]
    );
}

#[test]
fn a_wait_frees_the_slot_unless_the_switch_keeps_it() {
    for (holds, expected) in [(false, "running"), (true, "queued")] {
        let mut world = World::new(&format!(
            "concurrency_limit = 1\nwaiting_holds_slot = {holds}"
        ));
        let (first, second) = (world.run("asker", "1"), world.run("asker", "2"));
        assert_eq!(world.after(2_000).status(&first), "waiting_for_input");
        assert_eq!(world.status(&second), expected);
        world.say(&first, "EUR");
        world.after(1_000);
        assert_eq!(
            world.status(&first),
            if holds { "running" } else { "queued" }
        );
    }
}

#[test]
fn delayed_reads_show_the_time_before() {
    let mut world = World::new(
        "summary_delay_ms = 500\nresult_delay_ms = 1000\npending_ms = 100\nnew_task_hidden_ms = 50",
    );
    let id = world.run("echo", "x");
    assert_eq!(world.get(&format!("/tasks/{id}")).status, 404);
    assert_eq!(world.get("/tasks").value()["data"], json!([]));
    assert_eq!(world.after(50).status(&id), "pending");
    assert_eq!(world.after(2_050).status(&id), "completed");
    let summary = world.summary(&id);
    assert_eq!(
        (&summary["status"], summary.get("result")),
        (&json!("running"), None)
    );
    assert_eq!(world.after(500).summary(&id)["status"], "completed");
    let result = world.get(&format!("/tasks/{id}/result")).value();
    assert_eq!(
        (&result["status"], &result["feed"]),
        (&json!("running"), &json!([]))
    );
    let result = world.after(500).get(&format!("/tasks/{id}/result")).value();
    assert_eq!(
        (&result["status"], &result["feed"][0]["type"]),
        (&json!("completed"), &json!("task_complete"))
    );
}

#[test]
fn extracted_data_stands_where_the_switch_says() {
    for (switch, pointer) in [
        ("top", "/extracted_data/total"),
        ("result", "/result/extracted_data/total"),
        (
            "structured_content",
            "/result/structuredContent/extracted_data/total",
        ),
    ] {
        let mut world = World::new(&format!("extracted_data = \"{switch}\""));
        let reply = world
            .run_form("invoice", vec![file("files", "a.csv", "Bolt,2,1.25\n")])
            .value();
        let summary = world
            .after(2_000)
            .summary(reply["task_id"].as_str().unwrap());
        assert_eq!(summary.pointer(pointer), Some(&json!(2.5)), "{switch}");
        assert_eq!(
            summary["result"]["text"],
            "Read 1 line item(s) from 1 file(s), total 2.5."
        );
    }
}

#[test]
fn replies_take_the_forms_that_the_switches_give_them() {
    let mut world = World::new(
        "run_status_code = 202\nrun_reply_omits_status = true\nempty_write_replies = true\nexplicit_nulls = true\n\
         fractional_seconds = true\nmessage_envelope = \"messages\"\ncontent_shape = \"blocks\"\ntitle = \"absent\"\n\
         keep_query_in_log = false\ntrim_messages = true\nuser_messages_in_feed = true",
    );
    let agent = world.server.agent("chat").unwrap();
    let run = world.post(&format!("/agents/{agent}/run"), &json!({ "query": "x" }));
    assert_eq!((run.status, run.value().get("status")), (202, None));
    let id = run.value()["task_id"].as_str().unwrap().to_owned();
    assert_eq!(world.after(1_000).say(&id, " y ").body, b"");
    let list = world.get(&format!("/tasks/{id}/messages")).value();
    assert_eq!(list.get("data"), None);
    assert_eq!(list["messages"][0]["user_id"], Value::Null);
    assert_eq!(
        list["messages"][1]["content"],
        json!([{ "type": "text", "text": "y" }])
    );
    let task = world.get(&format!("/tasks/{id}")).value();
    assert_eq!(
        (&task["title"], &task["created_at"]),
        (&Value::Null, &json!("2026-05-12T10:15:00.000Z"))
    );
    assert_eq!(
        world.get(&format!("/tasks/{id}/result")).value()["feed"][0]["role"],
        "user"
    );
    assert_eq!(world.cancel(&id).body, b"");
}

#[test]
fn a_scenario_spells_out_agents_step_by_step() {
    let mut world = World::with(
        r#"
        [[agent]]
        name = "buyer"
        steps = [
            { status = "compacting", for = "5s" },
            { tool = { name = "search" } },
            { ask = "Which supplier for {query}?" },
            { run = "2s" },
            { say = "Ordering from {answer}." },
            { review = "Order over 500" },
            { complete = { object = { ordered = true } } },
        ]
        [[agent]]
        name = "echo"
        is_active = false
        steps = []
        "#,
    );
    let id = world.run("buyer", "bolts");
    assert_eq!(world.status(&id), "compacting");
    assert_eq!(world.after(5_000).status(&id), "waiting_for_input");
    assert_eq!(world.log(&id)[1].1, "Which supplier for bolts?");
    world.say(&id, "ACME");
    assert_eq!(world.after(3_000).status(&id), "awaiting_review");
    assert_eq!(world.summary(&id)["result"], "Order over 500");
    world.dashboard(&id, DashboardAction::Approve).unwrap();
    assert_eq!(world.summary(&id)["result"], json!({ "ordered": true }));
    let echo = world.server.agent("echo").unwrap();
    assert_eq!(
        world
            .post(&format!("/agents/{echo}/run"), &json!({ "query": "x" }))
            .status,
        403
    );
}
