//! Runs of Agent Harness: started, followed, ended; the table of exit codes.

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::common::{SPEED, World, bare, end};
use crate::exit_codes::check;

const HARNESS: [&str; 3] = ["run", "--provider", "agent-harness"];

fn scripted(toml: &str) -> World {
    let scenario = Scenario::parse(toml).expect("a scenario");
    World::of(Sim::builder().scenario(scenario), SPEED)
}

#[test]
fn a_run_that_is_approved_prints_what_the_agent_said() {
    let ended = end(
        bare(&[
            "run",
            "--sim",
            "--provider",
            "agent-harness",
            "Draft and send the weekly team update.",
            "--on-approval",
            "approve",
        ]),
        "",
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.starts_with("Subject: Weekly team update\n")
            && ended.stdout.ends_with("Sent to the team.\n"),
        "{ended:?}"
    );
    ended.says(&[
        "simulator at",
        "task agent-harness:run_",
        "step.done  outcome: succeeded",
        "said: Subject: Weekly team update Hi team,",
        "waits for an approval (AWAITING_APPROVAL)",
        "tool: contacts.search",
        "no description",
        "answer: approve",
        "answer delivered",
        "succeeded",
    ]);
}

/// Rows: I8, I11.
#[test]
fn every_end_of_a_run_has_its_code_in_words_and_as_json() {
    let world = scripted(
        "[[run]]\nname = \"broken\"\nsteps = [{ delta = \"Trying.\" }, { fail = \"TOOL_BROKE\" }]",
    );
    let speed = SPEED.to_string();
    let run = |input: Value, more: &[&str], code, name| {
        let input = input.to_string();
        let args = [&HARNESS[..], &["--input", &input, "--speed", &speed], more].concat();
        check(&world, &args, code, name)
    };
    let goal = || json!({ "goal": "x" });
    run(goal(), &["--on-approval", "approve"], 0, "task.result");
    let reject = run(goal(), &["--on-approval", "reject"], 3, "task_failed");
    reject.says(&["reason REJECTED", "taskward events agent-harness:"]);
    run(json!({ "scenario": "limit" }), &[], 3, "task_failed")
        .says(&["exceeded a limit", "reason MAX_STEPS"]);
    run(json!({ "scenario": "broken" }), &[], 3, "task_failed").says(&["reason TOOL_BROKE"]);
    run(goal(), &[], 8, "waiting").says(&["The task waits for an approval"]);
    let late = ["--timeout", "5s"];
    let slow = json!({ "scenario": "long-stream", "interval_ms": 1000 });
    run(slow, &late, 124, "deadline").says(&[
        "timed out after ",
        "(--timeout); the task is still running\n",
    ]);
    check(
        &world,
        &["watch", "agent-harness:run_of_nobody", "--speed", &speed],
        1,
        "gone",
    )
    .says(&["run_not_found"]);
}

#[test]
fn a_run_that_ended_has_the_same_code_however_it_is_asked_for() {
    let world = World::new();
    let done = world.start_until("long-stream", "succeeded");
    let bad = world.start_until("limit", "failed");
    for (run, code, name) in [(&done, 0, "task.result"), (&bad, 3, "task_failed")] {
        let watch = ["watch", run, "--speed", "20"];
        check(&world, &watch, code, name);
        check(&world, &["result", run], code, name);
        assert_eq!(world.run(&["result", run, "--full"]).code, code);
        assert_eq!(world.run(&["status", run]).code, code);
        assert_eq!(
            world.run(&["status", run, "--json"]).lines()[0]["exit"],
            code
        );
    }
    world
        .run(&["result", &bad])
        .says(&["exceeded a limit", "MAX_STEPS"]);
    let waits = world.start_until("approve-email", "awaiting_input");
    assert_eq!(world.run(&["status", &waits]).code, 8);
    check(&world, &["result", &waits], 8, "pending");
}

/// Rows: I14.
#[test]
fn why_a_run_was_rejected_is_told_by_its_result_and_by_a_watch() {
    let world = World::new();
    let waits = world.start_until("approve-email", "awaiting_input");
    assert_eq!(world.run(&["status", &waits]).code, 8);
    let reject = ["reject", &waits, "--reason", "Wrong recipients.", "--yes"];
    assert_eq!(world.run(&reject).code, 0);
    for command in [&["result", &waits][..], &["watch", &waits, "--speed", "20"]] {
        check(&world, command, 3, "task_failed").says(&["Wrong recipients.", "reason REJECTED"]);
    }
}

/// Rows: I13.
#[test]
fn a_mistyped_run_has_the_same_words_however_it_is_asked_for_and_is_not_kept() {
    let world = World::new();
    let words = ["the server does not know this task", "run_not_found"];
    let nobody = "agent-harness:run_of_nobody";
    for command in [
        &["status", nobody][..],
        &["result", nobody],
        &["result", nobody, "--full"],
        &["events", nobody],
        &["watch", nobody, "--speed", "20"],
    ] {
        check(&world, command, 1, "gone").says(&words);
    }
    let last = world.run(&["watch", "--last"]);
    assert_eq!(last.code, 2, "{last:?}");
    last.says(&["no task was started or followed on this machine"]);
}

/// Rows: H14.
#[test]
fn a_wait_that_nobody_answers_in_time_is_named_and_started_anew_by_the_printed_command() {
    let world = World::new();
    let input = json!({ "goal": "x y", "signal_timeout_ms": 20_000 }).to_string();
    let args = [
        &HARNESS[..],
        &[
            "--input",
            &input,
            "--idempotency-key",
            "once",
            "--speed",
            "20",
            "--on-question",
            "sleep 60",
        ],
    ]
    .concat();
    let ended = check(&world, &args, 3, "task_stopped");
    ended.says(&[
        "nobody answered its question in time",
        "reason signal_timeout",
        "the question was withdrawn",
    ]);
    let fresh = ended.printed("again");
    assert!(
        fresh.starts_with("taskward run --again agent-harness:run_"),
        "{fresh}"
    );
    let run = format!(
        "agent-harness:{}",
        world
            .sim
            .harness_stats()
            .per_run
            .keys()
            .next()
            .expect("a run")
    );
    // The second time the key finds the run that is over.
    assert_eq!(world.sim.harness_stats().starts, 1);
    let watched = world.fast(&["watch", &run, "--json"]);
    let last = watched.last();
    assert_eq!(
        (watched.code, &last["reason"]),
        (3, &json!("signal_timeout"))
    );
    assert_eq!(watched.next_command(1), ["run", "--again", &run]);
    let elsewhere = world.run_elsewhere(&["watch", &run, "--json"]);
    let hints = elsewhere.last()["next"].clone();
    assert_eq!(hints.as_array().map(Vec::len), Some(1), "{hints}");
    assert_eq!(world.run(&["result", &run]).code, 3);
}

/// Rows: G7.
#[test]
fn the_same_key_is_the_same_run_and_says_so() {
    let world = World::new();
    let goal = json!({ "goal": "nightly" });
    let key = ["--idempotency-key", "nightly-7", "--detach"];
    let first = world.harness(&goal, &key);
    let second = world.harness(&goal, &key);
    assert_eq!((first.code, second.code), (0, 0), "{second:?}");
    assert_eq!(first.stdout, second.stdout);
    assert!(!first.stderr.contains("used before"), "{first:?}");
    second.says(&["this key was used before: following the task it started"]);
    let lines = world.harness(&goal, &[&key[..], &["--json"]].concat());
    assert_eq!(lines.lines()[0]["replayed"], true);
    assert_eq!(world.sim.harness_stats().runs, 1);
    let input = json!({ "goal": "another" }).to_string();
    let other = [&HARNESS[..], &["--input", &input], &key[..2]].concat();
    let refused = check(&world, &other, 1, "refused");
    refused.says(&[
        "\"nightly-7\": it was used with another job, or its first use is still being worked on",
        "This command started nothing.",
        "409",
        "idempotency_conflict",
    ]);
    assert!(
        refused
            .printed("again")
            .contains("--idempotency-key nightly-7")
    );
    assert!(!refused.printed("new").contains("--idempotency-key"));
    assert_eq!(world.sim.harness_stats().runs, 1);
}

#[test]
fn a_start_of_unknown_outcome_is_found_by_the_printed_command() {
    let world = World::with_fault("create_run", Fault::LostReplyAfterApply { after_bytes: 10 });
    let input = json!({ "goal": "x" }).to_string();
    let args = [
        &HARNESS[..],
        &["--input", &input, "--detach", "--speed", "20"],
    ]
    .concat();
    let ended = check(&world, &args, 5, "outcome_unknown");
    ended.says(&["may have been started", "never makes two", "intent "]);
    // One for each command, however often it was sent.
    assert_eq!(world.sim.harness_stats().runs, 2);
    world.sim.set_faults(Vec::new());
    let printed = ended.printed("again");
    let printed = printed.split("  (").next().expect("a command").trim_end();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", printed]);
    for (name, value) in world.command(&[]).get_envs() {
        shell.env(name, value.expect("set"));
    }
    let found = world.ended(shell, "");
    assert_eq!(found.code, 0, "{found:?}");
    found.says(&["this key was used before"]);
    assert_eq!(world.sim.harness_stats().runs, 2);
}

/// Rows: G2.
#[test]
fn one_lost_reply_is_repeated_under_its_key_and_makes_one_run() {
    let world = World::new();
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 10 }).on("create_run");
    world.sim.set_faults(vec![lost.count(1)]);
    let ended = world.harness(&json!({ "scenario": "limit" }), &[]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(world.sim.harness_stats().runs, 1);
}

/// Rows: E8.
#[test]
fn a_key_that_is_refused_at_once_or_in_the_middle_ends_the_watch_and_not_the_run() {
    let world = World::new();
    let mut command = bare(&["run", "--provider", "agent-harness", "x", "--json"]);
    command
        .env("AGENT_HARNESS_API_KEY", "key_sim_none:canarysecret")
        .env("AGENT_HARNESS_BASE_URL", world.sim.url());
    let wrong = end(command, "");
    let last = wrong.last();
    assert_eq!((wrong.code, &last["http_status"]), (4, &json!(401)));
    assert!(!wrong.stdout.contains("canarysecret"), "{wrong:?}");
    let access = world.sim.harness();
    let (key_id, _) = access.api_key.split_once(':').expect("a key");
    let revoke = format!(
        "taskward api DELETE /api-keys/{key_id} --provider agent-harness; echo '{{\"approve\":true}}'"
    );
    let ended = world.harness(&json!({ "goal": "x" }), &["--on-question", &revoke]);
    assert_eq!(ended.code, 4, "{ended:?}");
    ended.says(&["AGENT_HARNESS_API_KEY", "401"]);
}

#[test]
fn json_lines_tell_every_event_with_its_number() {
    let world = World::new();
    let ended = world.harness(
        &json!({ "scenario": "two-waits" }),
        &[
            "--json",
            "--on-approval",
            "approve",
            "--answer",
            "{\"to\": \"all\"}",
        ],
    );
    let lines = ended.lines();
    let first = &lines[0];
    assert_eq!(
        (&first["type"], &first["replayed"]),
        (&json!("task.created"), &json!(false))
    );
    let task = first["task"].as_str().expect("a task");
    assert!(lines.iter().all(|line| line["task"] == task), "{lines:?}");
    let events: Vec<&Value> = lines
        .iter()
        .filter(|line| line["type"] == "task.event")
        .collect();
    let numbers: Vec<u64> = events
        .iter()
        .map(|line| line["seq"].as_u64().expect("a number"))
        .collect();
    assert_eq!(
        numbers,
        (1..=numbers.len() as u64).collect::<Vec<_>>(),
        "{lines:?}"
    );
    assert!(
        events
            .iter()
            .all(|line| line["platform_data"]["seq"] == line["seq"]
                && line["platform_data"]["type"].is_string())
    );
    let kinds: Vec<&Value> = lines
        .iter()
        .filter(|line| line["type"] == "question.opened")
        .map(|line| &line["kind"])
        .collect();
    assert_eq!(kinds, ["approval", "data"]);
    let last = ended.last();
    assert_eq!(
        (
            &last["status"],
            &last["platform_data"]["status"],
            &last["confirmed"]
        ),
        (&json!("succeeded"), &json!("succeeded"), &json!(true))
    );
    assert!(
        last["text"]
            .as_str()
            .expect("text")
            .starts_with("May I go on?"),
        "{last}"
    );
    let waits = world.sim.harness_stats().waits;
    assert!(waits.iter().all(|wait| wait.applied == 1), "{waits:?}");
}

#[test]
fn a_part_of_the_answer_can_be_chosen_and_kept_in_a_file() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("answer.txt");
    let input = json!({ "goal": "x" });
    let approve = ["--on-approval", "approve", "--quiet"];
    let file = ["-o", path.to_str().expect("utf-8")];
    let kept = world.harness(&input, &[&approve[..], &file].concat());
    assert_eq!(
        std::fs::read_to_string(&path).expect("written"),
        kept.stdout
    );
    assert_eq!(kept.stderr.lines().count(), 1, "{kept:?}");
    let run = world.harness(&input, &[&approve[..], &["--print", "result"]].concat());
    let run: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(run["status"], "succeeded");
    let none = world.harness(&input, &[&approve[..], &["--print", "data"]].concat());
    assert_eq!(none.code, 1, "{none:?}");
    none.says(&["without structured data"]);
}

/// Rows: E15, E18.
#[test]
fn a_stream_that_is_cut_again_and_again_changes_nothing_that_is_told() {
    let world = World::new();
    let cut = FaultRule::new(Fault::CutBody { bytes: 900 })
        .on("stream")
        .count(6);
    world.sim.set_faults(vec![cut]);
    let ended = world.harness(
        &json!({ "goal": "x" }),
        &["--on-approval", "approve", "--json"],
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    let numbers: Vec<u64> = ended
        .lines()
        .iter()
        .filter_map(|line| line["seq"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    assert_eq!(world.sim.harness_stats().waits[0].received, 1);
}

/// Rows: I12.
#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let world = World::new();
    let run = |args: &[&str], words: &[&str]| {
        let args = [&HARNESS[..], args].concat();
        let ended = world.run(&args);
        assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
        ended.says(words);
        let json = world.run(&[&args[..], &["--json"]].concat());
        assert_eq!((json.code, &json.last()["exit"]), (2, &json!(2)));
    };
    run(&[], &["nothing to run", "--input"]);
    run(&[" "], &["nothing to run"]);
    run(&["--input", "[1]"], &["--input", "a list"]);
    run(&["--input", "{"], &["--input", "not JSON"]);
    run(&["--input", "@/no/such"], &["/no/such"]);
    run(&["a", "--input", "{\"goal\": \"b\"}"], &["given twice"]);
    run(&["a", "--metadata", "7"], &["--metadata", "a number"]);
    run(
        &["a", "--idempotency-key", " "],
        &["--idempotency-key", "empty"],
    );
    run(&["a", "--idempotency-key", "x\ny"], &["Nothing was sent"]);
    run(
        &["a", "--agent", "b"],
        &["--agent is not for Agent Harness"],
    );
    run(&["a", "-f", "b"], &["-f is not for Agent Harness"]);
    run(&["a", "--no-wait-review"], &["--no-wait-review"]);
    run(
        &["a", "--answer", "yes"],
        &["--answer", "not JSON", "--on-approval approve"],
    );
    run(&["a", "--on-approval", "maybe"], &["maybe"]);
    for (option, value) in [
        ("--input", "{}"),
        ("--workspace", "w"),
        ("--idempotency-key", "k"),
        ("--on-approval", "ask"),
    ] {
        let ended = world.run(&["run", "--agent", "echo", "hi", option, value]);
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[option, "not for Nanonets"]);
    }
    let [nanonets, harness] = [
        ("Nanonets and A2A", "Agent Harness"),
        ("Agent Harness", "Nanonets"),
    ];
    for (args, (able, unable)) in [
        (&["ls", "--provider", "agent-harness"][..], nanonets),
        (&["agents", "list", "--provider", "agent-harness"], nanonets),
        (&["messages", "agent-harness:r"], nanonets),
        (&["reply", "agent-harness:r", "x"], nanonets),
        (&["send", "agent-harness:r", "x"], nanonets),
        (&["cancel", "agent-harness:r", "--yes"], nanonets),
        (&["events", "nanonets:t"], harness),
        (&["approve", "nanonets:t"], harness),
        (&["reject", "nanonets:t"], harness),
        (
            &["input", "nanonets:t", "a=b"],
            ("Agent Harness and A2A", "Nanonets"),
        ),
        (&["resume-run", "nanonets:t"], harness),
        (&["usage", "--provider", "nanonets"], harness),
    ] {
        let ended = world.run(args);
        assert_eq!(ended.code, 2, "{args:?}");
        let what = format!("{} is for {able}, not for {unable}", args[0]);
        ended.says(&[&what, "Nothing was sent."]);
    }
    for args in [
        &["status", "nanonets:t", "--provider", "agent-harness"][..],
        &["watch", "nanonets:t", "agent-harness:r"],
    ] {
        assert_eq!(world.run(args).code, 2, "{args:?}");
    }
    let cancel = world.run(&["cancel", "agent-harness:r", "--yes"]);
    cancel.says(&["taskward api METHOD PATH"]);
    assert_eq!(world.sim.requests(), []);
}

#[test]
fn the_key_is_asked_for_by_its_name_and_its_url_may_end_in_v1() {
    let world = World::new();
    let access = world.sim.harness();
    let none = end(bare(&["run", "--provider", "agent-harness", "x"]), "");
    assert_eq!(none.code, 4, "{none:?}");
    none.says(&["AGENT_HARNESS_API_KEY", "KEY_ID:SECRET", "--sim"]);
    for url in [
        access.base_url.clone(),
        access.base_url.clone() + "/",
        access.base_url.clone() + "/v1",
        access.base_url.clone() + "/v1/",
    ] {
        let mut command = bare(&["usage"]);
        command
            .env("AGENT_HARNESS_API_KEY", &access.api_key)
            .env("AGENT_HARNESS_BASE_URL", url);
        let ended = world.ended(command, "");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    // An account of the other provider is not looked for.
    let mut command = bare(&["usage", "--key-stdin"]);
    command.env("AGENT_HARNESS_BASE_URL", &access.base_url);
    assert_eq!(world.ended(command, &access.api_key).code, 0);
}
