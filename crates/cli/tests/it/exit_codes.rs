//! The table of exit codes, row by row, in words and as JSON.

use serde_json::json;
use taskward_sim::{Fault, FaultRule};

use crate::common::{Ended, SPEED, World, bare, end};

/// Runs `args` twice, in words and with `--json`, and compares code and name.
pub(crate) fn check(world: &World, args: &[&str], code: i32, name: &str) -> Ended {
    let words = world.run(args);
    assert_eq!(words.code, code, "{args:?}: {words:?}");
    if code != 0 && !words.stderr.is_empty() {
        words.says(&[&format!("exit {code}")]);
    }
    let lines = world.run_elsewhere(&[args, &["--json"]].concat());
    assert_eq!(lines.code, code, "{args:?}: {lines:?}");
    let last = lines.last();
    assert_eq!(
        last["code"].as_str().unwrap_or("task.result"),
        name,
        "{last}"
    );
    words
}

#[test]
fn a_task_that_ended_has_the_same_code_however_it_is_asked_for() {
    let world = World::new();
    let speed = SPEED.to_string();
    let fast = ["--speed", &speed];
    for (agent, code, name) in [("echo", 0, "task.result"), ("failing", 3, "task_failed")] {
        check(
            &world,
            &[&["run", "--agent", agent, "hi"], &fast[..]].concat(),
            code,
            name,
        );
        let task = world.start(agent);
        check(&world, &[&["watch", &task], &fast[..]].concat(), code, name);
        check(&world, &[&["watch", &task], &fast[..]].concat(), code, name);
        check(&world, &["result", &task], code, name);
        assert_eq!(world.run(&["status", &task]).code, code);
        assert_eq!(world.run(&["result", &task, "--full"]).code, code);
        assert_eq!(
            world.run(&["status", &task, "--json"]).lines()[0]["exit"],
            code
        );
    }
    let task = world.start("slow");
    let stopped = world.fast(&["cancel", &task, "--yes"]);
    assert_eq!(
        (stopped.code, stopped.stdout.as_str()),
        (0, "stopped\n"),
        "{stopped:?}"
    );
    check(
        &world,
        &["watch", &task, "--speed", &speed],
        3,
        "task_stopped",
    );
    check(&world, &["result", &task], 3, "task_stopped");
    assert_eq!(world.run(&["status", &task]).code, 3);
}

/// Rows: H6, J3.
#[test]
fn a_task_that_goes_on_is_pending_or_out_of_time() {
    let world = World::new();
    let speed = SPEED.to_string();
    let slow = world.start("slow");
    assert_eq!(world.run(&["status", &slow]).code, 8);
    check(&world, &["result", &slow], 8, "pending").says(&["taskward watch nanonets:"]);
    let late = check(
        &world,
        &["watch", &slow, "--timeout", "5s", "--speed", &speed],
        124,
        "deadline",
    );
    late.says(&[
        "taskward watch nanonets:",
        "taskward cancel nanonets:",
        "the task is still running",
    ]);
    let review = [
        "run",
        "--agent",
        "reviewer",
        "pay",
        "--no-wait-review",
        "--speed",
        &speed,
    ];
    check(&world, &review, 8, "waiting").says(&["review", "dashboard"]);
    let unanswered = world.start("reviewer");
    let watch = [
        "watch",
        &unanswered,
        "--answer-timeout",
        "5s",
        "--speed",
        &speed,
    ];
    check(&world, &watch, 124, "deadline");
}

/// Rows: G1.
#[test]
fn a_lost_reply_to_the_start_is_unknown_and_nothing_is_sent_again() {
    let world = World::with_fault("run", Fault::LostReplyAfterApply { after_bytes: 40 });
    let ended = check(
        &world,
        &["run", "--agent", "echo", "hi"],
        5,
        "outcome_unknown",
    );
    ended.says(&[
        "may have been started",
        "Nothing was sent again",
        "taskward recover ",
        "taskward run --force-new --agent echo hi",
        "intent ",
    ]);
    let again = ["run", "--agent", "echo", "hi", "--detach", "--json"];
    let lines = world.run_elsewhere(&again);
    assert_eq!(lines.code, 5);
    let last = lines.last();
    assert!(
        last["intent_id"].is_string() && last["task_id"].is_null(),
        "{last}"
    );
    assert_eq!(world.sim.stats().starts, 3, "one start for each command");
}

/// Rows: H1.
#[test]
fn a_lost_reply_to_a_message_is_searched_for_and_not_sent_again() {
    let world = World::new();
    let task = world.start("asker");
    assert_eq!(world.fast(&["watch", &task]).code, 8);
    let lost = taskward_sim::FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 20 });
    world.sim.set_faults(vec![lost.on("message")]);
    let ended = world.fast(&["reply", &task, "EUR"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.sim.stats().questions[0].answers, 1);
}

/// Rows: H4.
#[test]
fn a_refusal_by_the_server_tells_its_words_and_the_status() {
    let world = World::new();
    let stranger = "00000000-0000-4000-8000-000000000000";
    let run = ["run", "--agent", stranger, "hi"];
    check(&world, &run, 1, "refused").says(&["404", stranger, "inactive", "taskward agents list"]);
    let mut command = bare(&["run", "--agent", stranger, "hi", "--json"]);
    command
        .env("NANONETS_API_KEY", "sim_key_of_nobody")
        .env("NANONETS_BASE_URL", world.sim.url());
    let wrong = end(command, "");
    let last = wrong.last();
    assert_eq!(
        (wrong.code, &last["http_status"]),
        (4, &json!(401)),
        "{last}"
    );
    assert!(
        last["message"]
            .as_str()
            .expect("text")
            .contains("NANONETS_API_KEY"),
        "{last}"
    );
    assert!(!wrong.stdout.contains("sim_key_of_nobody"));
    let done = world.start("failing");
    assert_eq!(world.fast(&["watch", &done]).code, 3);
    check(&world, &["reply", &done, "too late"], 1, "not_waiting").says(&["it is failed"]);
    let late = world.fast(&["send", &done, "too late", "--continue"]);
    assert_eq!(late.code, 1, "{late:?}");
    late.says(&["rejected the message", "409"]);
}

#[test]
fn the_network_is_tried_again_and_then_it_is_later() {
    let mut command = bare(&["run", "--agent", "echo", "hi", "--speed", "1000", "--json"]);
    command
        .env("NANONETS_API_KEY", "sim_key_unused")
        .env("NANONETS_BASE_URL", "http://127.0.0.1:1");
    let ended = end(command, "");
    let last = ended.last();
    assert_eq!(
        (ended.code, &last["retry"]),
        (75, &json!("later")),
        "{last}"
    );
    assert!(
        last["message"]
            .as_str()
            .expect("text")
            .contains("127.0.0.1:1"),
        "{last}"
    );
    assert_eq!(last["attempts"], 5, "{last}");
}

fn down(retry_after: Option<&str>) -> Fault {
    Fault::Status {
        code: 503,
        retry_after: retry_after.map(str::to_owned),
        after_bytes: None,
    }
}

/// Rows: F3.
#[test]
fn a_server_that_asks_to_wait_for_hours_is_told_to_the_caller_at_once() {
    let world = World::with_fault("agents", down(Some("9999")));
    let list = check(&world, &["agents", "list"], 75, "transport");
    list.says(&["asks to wait 9999 s"]);
    let json = world.run(&["run", "--agent", "echo", "hi", "--json"]);
    assert_eq!((json.code, &json.last()["retry_after"]), (75, &json!(9999)));
}

#[test]
fn every_wait_of_a_single_call_is_told_and_a_deadline_ends_it() {
    let world = World::new();
    let once = taskward_sim::FaultRule::new(down(Some("1")))
        .on("agents")
        .count(1);
    world.sim.set_faults(vec![once]);
    let ended = world.fast(&["run", "--agent", "echo", "hi"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["; retrying in 1s"]);
    let world = World::with_fault("agents", Fault::Stall { after_bytes: None });
    let run = [
        "run",
        "--agent",
        "echo",
        "hi",
        "--timeout",
        "5s",
        "--speed",
        "20",
    ];
    check(&world, &run, 124, "deadline").says(&["nothing was started"]);
}

/// Rows: F10.
#[test]
fn a_deadline_without_any_status_says_what_went_wrong_last() {
    let world = World::with_fault("status", down(None));
    let run = ["run", "--agent", "slow", "hi", "--timeout", "20s"];
    let ended = world.fast(&run);
    assert_eq!(ended.code, 124, "{ended:?}");
    ended.says(&["The task was", "Nothing was done to the task."]);
    let task = world.start("slow");
    let ended = world.fast(&["watch", &task, "--timeout", "20s"]);
    ended.says(&["Its status could not be read; last: ", "503"]);
}

/// Rows: I1.
#[test]
fn a_cancel_tells_how_the_task_had_ended_already() {
    let world = World::new();
    for (agent, code, word) in [("echo", 0, "completed\n"), ("failing", 3, "failed\n")] {
        let task = world.start(agent);
        world.fast(&["watch", &task]);
        let ended = world.fast(&["cancel", &task, "--yes"]);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (code, word),
            "{ended:?}"
        );
        assert_eq!(
            world.fast(&["cancel", &task, "--yes", "--json"]).last()["status"],
            word.trim()
        );
    }
}

/// Acceptance test W1: of ten minutes of looks, three in ten fail at random, each in another way.
#[test]
fn w1_a_third_of_failed_polls_ends_nothing_and_each_is_told_once() {
    let failing = || {
        [
            down(None),
            Fault::Reset { after_bytes: None },
            Fault::CloseBeforeHead,
            Fault::Html200,
            Fault::TruncatedJson,
        ]
        .map(|fault| FaultRule::new(fault).probability(0.07))
    };
    let watched = |endpoints: &[&str], args: &[&str], seed| {
        let world = World::of(taskward_sim::Sim::builder().seed(seed), 200);
        let rules = endpoints
            .iter()
            .flat_map(|endpoint| failing().map(|rule| rule.on(endpoint)));
        // A run is looked at when its stream cannot be had.
        let no_stream = FaultRule::new(down(None)).on("stream");
        world.sim.set_faults(rules.chain([no_stream]).collect());
        let ended = world.fast(&[args, &["--timeout", "0"]].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        let failed = world.sim.requests().into_iter();
        let failed = failed.filter(|request| request.fault.is_some()).count();
        assert!(failed >= 10, "{failed}");
        let told = ended.stderr.matches("retrying").count();
        assert!(
            (1..=failed).contains(&told),
            "{told} of {failed}: {ended:?}"
        );
        // Besides them there are the server, the task, and its changes of status.
        let others = ended
            .stderr
            .lines()
            .filter(|line| !line.contains("retrying"));
        assert!(others.count() < 40, "{ended:?}");
    };
    let harness = ["run", "--provider", "agent-harness", "--input", LONG];
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            scope.spawn(move || watched(&["status"], &["run", "--agent", "slow", "hi"], seed));
            scope.spawn(move || watched(&["read_run", "events"], &harness, seed));
        }
    });
}

/// A run of ten minutes.
const LONG: &str = r#"{"scenario":"long-stream","interval_ms":60000,"events":10}"#;
