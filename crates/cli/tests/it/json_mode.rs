//! `--json` with both streams in one pipe, as a script has it: nothing but JSON, whatever happens.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule};

use crate::common::{World, assert_hidden, bare, secrets};

/// The command with `--json 2>&1`.
fn merged(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" --json 2>&1"]);
    shell
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("set"));
    }
    shell
}

/// Every line, read as JSON, and the exit code; a line of this type gets the process a Ctrl-C.
fn lines(command: &Command, interrupt_at: Option<&str>) -> (i32, Vec<Value>) {
    let secrets = secrets(command);
    let mut child = merged(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut lines: Vec<Value> = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let line = line.expect("text");
        assert_hidden(&secrets, &[&line]);
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert!(value["v"] == 2 && value["type"].is_string(), "{line}");
        if value["type"].as_str() == interrupt_at {
            let id = child.id().to_string();
            let sent = Command::new("kill").args(["-INT", &id]).status();
            assert!(sent.expect("kill runs").success());
        }
        lines.push(value);
    }
    let code = child
        .wait()
        .expect("ends")
        .code()
        .expect("it ends by itself");
    (code, lines)
}

/// The last line tells the exit code, its name, and what to do next; the first names the task where there is one.
fn check(command: &Command, interrupt_at: Option<&str>, code: i32, name: &str) {
    let args: Vec<_> = command.get_args().collect();
    let (ended, lines) = lines(command, interrupt_at);
    let last = lines
        .last()
        .unwrap_or_else(|| panic!("{args:?} says nothing"));
    assert_eq!(
        (ended, &last["exit"]),
        (code, &json!(code)),
        "{args:?}: {last}"
    );
    assert_eq!(
        last["code"].as_str().unwrap_or("task.result"),
        name,
        "{args:?}: {last}"
    );
    if last["type"] == "error" {
        assert!(
            !last["next"].as_array().expect("hints").is_empty(),
            "{last}"
        );
        assert!(
            !last["message"].as_str().expect("a message").is_empty(),
            "{last}"
        );
    }
    if last["task_id"].is_string() {
        assert_eq!(lines[0]["task_id"], last["task_id"], "{args:?}: {lines:?}");
    }
}

/// Acceptance test W3.
#[test]
fn w3_every_line_of_json_mode_parses_with_stderr_merged_in() {
    let world = World::new();
    let speed = ["--speed", "20"];
    let nanonets = |agent| world.command(&[&["run", "--agent", agent, "5"], &speed[..]].concat());
    let harness = |input: Value, more: &[&str]| {
        let input = input.to_string();
        let run = ["run", "--provider", "agent-harness", "--input", &input];
        world.command(&[&run[..], &speed, more].concat())
    };
    let approve = ["--on-approval", "approve"];
    let goal = || json!({ "goal": "x" });
    let slow = || json!({ "scenario": "long-stream", "interval_ms": 1000 });
    let late = ["--timeout", "5s"];

    // Success and failure, a question, a deadline, Ctrl-C.
    check(&nanonets("echo"), None, 0, "task.result");
    check(&nanonets("failing"), None, 3, "task_failed");
    check(&nanonets("asker"), None, 8, "waiting");
    check(&harness(goal(), &approve), None, 0, "task.result");
    check(
        &harness(json!({ "scenario": "limit" }), &[]),
        None,
        3,
        "task_failed",
    );
    check(&harness(goal(), &[]), None, 8, "waiting");
    let task = world.start("slow");
    let watch = [&["watch", &task, "--timeout", "5s"], &speed[..]].concat();
    check(&world.command(&watch), None, 124, "deadline");
    check(&harness(slow(), &late), None, 124, "deadline");
    check(&nanonets("slow"), Some("task.created"), 130, "interrupted");
    check(
        &harness(slow(), &[]),
        Some("task.created"),
        130,
        "interrupted",
    );

    // Commands that look once, usage, and what cannot be sent.
    check(&world.command(&["result", &task]), None, 8, "pending");
    check(&world.command(&["watch"]), None, 2, "usage");
    check(
        &world.command(&["run", "--agent", "echo", "-f", "/no/such"]),
        None,
        2,
        "input",
    );

    // A key that is refused, a name that leads nowhere.
    let account = |key: &str, url: &str, args: &[&str]| {
        let mut command = bare(args);
        command
            .env("NANONETS_API_KEY", key)
            .env("NANONETS_BASE_URL", url);
        command
    };
    let run = [
        "run",
        "--agent",
        "00000000-0000-4000-8000-000000000001",
        "hi",
    ];
    check(
        &account("sim_key_of_nobody", &world.sim.url(), &run),
        None,
        4,
        "refused",
    );
    let nowhere = "https://nanonets.example.invalid";
    check(
        &account("live-canary-4f1c2b7e9d", nowhere, &run),
        None,
        75,
        "not_started",
    );
    check(&bare(&["ls"]), None, 4, "no_key");

    // Faults on the way.
    let rules = vec![
        FaultRule::new(Fault::Html200).on("status").every(3),
        FaultRule::new(Fault::Reset { after_bytes: None })
            .on("summary")
            .count(1),
        FaultRule::new(Fault::StreamEof { after_events: 2 }).count(2),
    ];
    world.sim.set_faults(rules);
    check(&nanonets("echo"), None, 0, "task.result");
    check(&harness(goal(), &approve), None, 0, "task.result");
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 40 }).on("run");
    world.sim.set_faults(vec![lost]);
    check(&nanonets("echo"), None, 5, "outcome_unknown");
}
