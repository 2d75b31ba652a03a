//! Answers to runs: approve, reject, input, and who gives them.

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::common::{SPEED, World};
use crate::exit_codes::check;

/// How many signals of each wait were applied, and with which action.
fn applied(world: &World) -> Vec<(u64, Option<String>)> {
    let waits = world.sim.harness_stats().waits;
    waits
        .into_iter()
        .map(|wait| (wait.applied, wait.action))
        .collect()
}

#[test]
fn an_approval_is_taken_once_and_the_run_goes_on() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    world.show(&run);
    let ended = world.fast(&["approve", &run]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    ended.says(&["answer delivered", &format!("taskward watch {run}")]);
    assert_eq!(applied(&world), [(1, Some("approve".to_owned()))]);
    let watched = world.fast(&["watch", &run]);
    assert_eq!(watched.code, 0, "{watched:?}");
    assert!(
        watched.stdout.ends_with("Sent to the team.\n"),
        "{watched:?}"
    );
    // The whole conversation, although it was seen from its middle only.
    let run = world.start_until("approve-email", "awaiting_input");
    world.show(&run);
    let ended = world.fast(&["approve", &run, "--watch"]);
    assert_eq!((ended.code, ended.stdout), (0, watched.stdout));
    let run = world.start_until("approve-email", "awaiting_input");
    let question = world.question(&run);
    let lines = world.fast(&["approve", &run, "--question", &question, "--json"]);
    assert_eq!(lines.last()["answer"], json!({ "approve": true }));
}

/// Rows: H13.
#[test]
fn a_rejection_wants_consent_and_makes_the_run_fail() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let unseen = world.fast(&["reject", &run, "--reason", "Not now."]);
    assert_eq!(unseen.code, 8, "{unseen:?}");
    world.show(&run);
    let unsure = world.fast(&["reject", &run, "--reason", "Not now."]);
    assert_eq!(unsure.code, 2, "{unsure:?}");
    let question = world.question(&run);
    for refused in [unseen, unsure] {
        refused.says(&[&format!(
            "taskward reject --question {question} {run} --reason 'Not now.'"
        )]);
    }
    assert_eq!(applied(&world), [(0, None)]);
    let ended = world.fast(&["reject", &run, "--reason", "Wrong recipients.", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    check(&world, &["watch", &run, "--speed", "20"], 3, "task_failed");
    let events = world.run(&["events", &run]);
    assert!(events.stdout.contains("Wrong recipients."), "{events:?}");
    let run = world.start_until("approve-email", "awaiting_input");
    // The id is the consent.
    let question = world.question(&run);
    let ended = world.fast(&["reject", &run, "--question", &question, "--watch"]);
    assert_eq!(ended.code, 3, "{ended:?}");
}

#[test]
fn data_is_given_as_fields_as_json_from_a_file_or_from_stdin() {
    let world = World::new();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("data.json");
    std::fs::write(&path, "{\"to\": \"a file\"}").expect("write");
    let at = format!("@{}", path.display());
    for (args, stdin, to) in [
        (&["to=you", "copies:=2", "--watch"][..], "", "you"),
        (&["{\"to\": \"json\"}", "--watch"], "", "json"),
        (&[at.as_str(), "--watch"], "", "a file"),
        (&["-", "--watch"], "{\"to\": \"a pipe\"}\n", "a pipe"),
    ] {
        let run = world.start_until("needs-input", "awaiting_input");
        world.show(&run);
        let args = [&["input", &run, "--speed", "20"], args].concat();
        let ended = world.run_with(&args, stdin);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains(to), "{ended:?}");
    }
    let run = world.start_until("needs-input", "awaiting_input");
    world.show(&run);
    let ended = world.fast(&["input", &run, "n:=1", "--json"]);
    assert_eq!(ended.last()["answer"], json!({ "input": { "n": 1 } }));
    let before = world.sim.requests().len();
    for args in [
        &["alone"][..],
        &["=x"],
        &["a=1", "a=2"],
        &["n:=one"],
        &["[1]"],
        &["\"text\""],
        &["@/no/such"],
        &["-"],
        &[],
    ] {
        let ended = world.run_with(&[&["input", &run], args].concat(), "7");
        assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
    }
    assert_eq!(world.sim.requests().len(), before);
}

#[test]
fn an_answer_that_does_not_fit_is_not_sent_and_the_one_that_does_is_printed() {
    let world = World::new();
    let approval = world.start_until("approve-email", "awaiting_input");
    world.show(&approval);
    let ended = world.fast(&["input", &approval, "a=1"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    ended.says(&["does not fit", "Nothing was sent"]);
    assert!(ended.printed("approve").starts_with("taskward approve"));
    let data = world.start_until("needs-input", "awaiting_input");
    world.show(&data);
    let ended = world.fast(&["approve", &data]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.printed("input").contains("KEY=VALUE --question "));
    assert_eq!(applied(&world), [(0, None), (0, None)]);
}

/// Rows: H11.
#[test]
fn a_run_that_does_not_wait_is_told_with_its_status_and_the_platforms_word() {
    let world = World::new();
    let early = world.start_run(&json!({ "scenario": "long-stream", "interval_ms": 1000 }));
    world.wait_until(&early, "running");
    let over = world.start_until("limit", "failed");
    for (run, status) in [(&early, "running"), (&over, "failed")] {
        for answer in [
            &["approve", run][..],
            &["reject", run, "--yes"],
            &["input", run, "a=b"],
        ] {
            let ended = check(&world, answer, 1, "not_waiting");
            ended.says(&[&format!("it is {status}"), "reason run_not_awaiting_input"]);
        }
    }
    let nobody = ["approve", "agent-harness:run_of_nobody"];
    check(&world, &nobody, 1, "gone").says(&["run_not_found", "404"]);
    assert_eq!(world.sim.harness_stats().endpoints.get("signal"), None);
}

#[test]
fn a_signal_by_hand_gets_the_platforms_own_refusals() {
    let world = World::new();
    let run = world.start_until("limit", "failed");
    let path = format!(
        "/runs/{}/signal",
        run.strip_prefix("agent-harness:").expect("a run")
    );
    let signal = |path: &str, action: &str, code, name: &str| {
        let body = json!({ "action": action }).to_string();
        let args = [
            "api",
            "POST",
            path,
            "--provider",
            "agent-harness",
            "--idempotency-key",
            "by-hand",
            "-d",
            &body,
        ];
        let ended = check(&world, &args, code, "api");
        ended.says(&[name, &format!("reason {name}")]);
    };
    signal(&path, "dance", 1, "invalid_signal_type");
    signal(&path, "approve", 1, "run_not_awaiting_input");
    signal("/runs/run_of_nobody/signal", "approve", 1, "run_not_found");
    let waits = world.start_until("approve-email", "awaiting_input");
    let path = format!(
        "/v1/runs/{}/signal",
        waits.strip_prefix("agent-harness:").expect("a run")
    );
    let body = "{\"action\": \"approve\"}";
    let args = [
        "api",
        "POST",
        &path,
        "--provider",
        "agent-harness",
        "-d",
        body,
    ];
    let taken = world.run(&[&args[..], &["--idempotency-key", "k"]].concat());
    assert_eq!(taken.code, 0, "{taken:?}");
    let health = ["api", "GET", "/health/live", "--provider", "agent-harness"];
    assert_eq!(world.run(&health).code, 0);
}

/// Rows: H12.
#[test]
fn a_lost_reply_to_a_signal_is_repeated_under_its_key_and_counts_once() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    world.show(&run);
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 10 }).on("signal");
    world.sim.set_faults(vec![lost.count(1)]);
    let ended = world.fast(&["approve", &run]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(applied(&world), [(1, Some("approve".to_owned()))]);
}

/// Rows: H12.
#[test]
fn a_signal_that_is_never_answered_is_of_unknown_outcome() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    world.show(&run);
    let reset = FaultRule::new(Fault::CloseBeforeHead).on("signal");
    world.sim.set_faults(vec![reset]);
    let ended = world.fast(&["approve", &run]);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "may or may not have arrived",
        &format!("taskward events {run}"),
    ]);
    let lines = world.fast(&["watch", &run, "--on-approval", "approve", "--json"]);
    assert_eq!(
        (lines.code, &lines.last()["code"]),
        (5, &json!("outcome_unknown"))
    );
}

/// Rows: H5, H7.
#[test]
fn the_printed_command_answers_as_it_stands() {
    let world = World::new();
    for (scenario, label, code) in [
        ("approve-email", "approve", 0),
        ("approve-email", "reject", 3),
        ("needs-input", "input", 0),
    ] {
        let run = world.start_run(&json!({ "scenario": scenario }));
        let waits = world.fast(&["watch", &run]);
        assert_eq!(waits.code, 8, "{waits:?}");
        let printed = waits.printed(label);
        let printed = printed.split("  (").next().expect("a command").trim_end();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("{printed} --speed 20")]);
        for (name, value) in world.command(&[]).get_envs() {
            shell.env(name, value.expect("set"));
        }
        let ended = world.ended(shell, "");
        assert_eq!(ended.code, code, "{printed}: {ended:?}");
    }
}

#[test]
fn data_never_approves_and_an_approval_never_sends_data() {
    let world = World::new();
    let two = json!({ "scenario": "two-waits" });
    let only_data = world.harness(&two, &["--answer", "{\"a\": 1}"]);
    assert_eq!(only_data.code, 8, "{only_data:?}");
    assert!(only_data.printed("approve").starts_with("taskward approve"));
    let only_approval = world.harness(&two, &["--on-approval", "approve"]);
    assert_eq!(only_approval.code, 8, "{only_approval:?}");
    assert!(only_approval.printed("input").starts_with("taskward input"));
    let both = ["--on-approval", "approve", "--answer", "{\"a\": 1}"];
    assert_eq!(world.harness(&two, &both).code, 0);
    assert_eq!(
        applied(&world),
        [
            (0, None),
            (1, Some("approve".to_owned())),
            (0, None),
            (1, Some("approve".to_owned())),
            (1, Some("submit_input".to_owned())),
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_command_answers_every_kind_from_the_question_it_is_given() {
    let world = World::new();
    let command = r#"case "$(cat)" in
        *'"kind":"approval"'*) echo '{"approve": true}' ;;
        *'"kind":"data"'*) echo '{"input": {"to": "me"}}' ;;
    esac"#;
    let two = json!({ "scenario": "two-waits" });
    let ended = world.harness(&two, &["--on-question", command]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&["answer: approve", "answer: {\"to\":\"me\"}"]);
    let reject = "echo '{\"reject\": \"not today\"}'";
    assert_eq!(world.harness(&two, &["--on-question", reject]).code, 3);
    let silent = world.harness(&two, &["--on-question", "true"]);
    assert_eq!(silent.code, 8, "{silent:?}");
    let odd = world.harness(&two, &["--on-question", "echo yes"]);
    assert_eq!(odd.code, 8, "{odd:?}");
    odd.says(&["echo yes", "{\"approve\": true}", "is still open"]);
}

#[test]
fn a_wait_whose_event_is_not_seen_is_told_and_answered_by_either_command() {
    let scenario =
        Scenario::parse("[agent_harness]\nwait_event_delay_ms = 3600000").expect("valid");
    let world = World::of(Sim::builder().scenario(scenario), 200);
    let run = world.start_until("approve-email", "awaiting_input");
    let ended = world.fast(&["watch", &run]);
    assert_eq!(ended.code, 8, "{ended:?}");
    ended.says(&["do not tell of which kind"]);
    assert!(ended.printed("approve").starts_with("taskward approve"));
    assert!(ended.printed("input").starts_with("taskward input"));
    // It was shown, and nobody knows what it is.
    let unnamed = world.fast(&["approve", &run, "--watch"]);
    assert_eq!(unnamed.code, 8, "{unnamed:?}");
    unnamed.says(&["does not tell yet what is asked"]);
    let question = world.question(&run);
    let ended = world.fast(&["approve", &run, "--watch", "--question", &question]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(applied(&world), [(1, Some("approve".to_owned()))]);
}

#[test]
fn what_a_wait_is_about_may_be_told_after_the_wait() {
    let scenario = Scenario::parse("[agent_harness]\nwait_event_delay_ms = 70000").expect("valid");
    let world = World::of(Sim::builder().scenario(scenario), SPEED);
    let run = world.start_until("approve-email", "awaiting_input");
    let ended = world.fast(&["watch", &run, "--on-approval", "approve", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines = ended.lines();
    let identified = lines
        .iter()
        .find(|line| line["code"] == "question_identified");
    let identified: &Value = identified.expect("told later");
    assert_eq!(identified["question"]["kind"], "approval", "{identified}");
    let asked = lines
        .iter()
        .filter(|line| line["type"] == "question.opened");
    assert_eq!(asked.count(), 1);
    assert_eq!(applied(&world), [(1, Some("approve".to_owned()))]);
}

#[test]
fn an_answer_that_the_server_refuses_is_told_in_its_words() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let refuse = Fault::Status {
        code: 400,
        retry_after: None,
        after_bytes: None,
    };
    world
        .sim
        .set_faults(vec![FaultRule::new(refuse).on("signal")]);
    let watch = ["watch", &run, "--on-approval", "approve", "--speed", "20"];
    check(&world, &watch, 8, "waiting").says(&["the server rejected the answer", "400"]);
    let lines = world.run(&[&watch[..], &["--json"]].concat());
    let message = lines.last()["message"].to_string();
    assert!(
        message.contains("rejected the answer") && message.contains("400"),
        "{message}"
    );
}
