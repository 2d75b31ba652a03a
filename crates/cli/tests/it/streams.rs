//! stdout is the answer, stderr the conversation, JSON lines are for programs.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::common::{Ended, SPEED, World, bare, end};

const INVOICE: &str = "description,quantity,unit_price\n\"Widget, large\",2,3.50\nBolt,10,0.25\n";

fn invoice(args: &[&str]) -> Ended {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("invoice.csv");
    std::fs::write(&path, INVOICE).expect("write");
    let mut command = bare(
        &[
            &["run", "--sim", "--speed", "100", "-f", "invoice.csv"],
            args,
        ]
        .concat(),
    );
    command.current_dir(&dir);
    end(command, "")
}

#[test]
fn the_first_command_of_a_newcomer_prints_the_line_items() {
    let ended = invoice(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON alone");
    assert_eq!(data["items"][0]["description"], "Widget, large");
    assert_eq!(data["total"], json!(9.5));
    assert_eq!(data["files"][0]["name"], "invoice.csv");
    ended.says(&[
        "simulator at",
        "task nanonets:",
        "sending 1 file, 68 B",
        "completed",
    ]);
}

#[test]
fn a_part_of_the_answer_can_be_chosen_and_kept_in_a_file() {
    let summary = invoice(&["--print", "summary"]);
    assert!(
        summary.code == 0 && !summary.stdout.starts_with('{'),
        "{summary:?}"
    );
    let result: Value =
        serde_json::from_str(&invoice(&["--print", "result"]).stdout).expect("JSON");
    assert!(
        result.to_string().contains(summary.stdout.trim_end()),
        "{result}"
    );
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("answer.json");
    let kept = invoice(&["-o", path.to_str().expect("utf-8"), "--quiet"]);
    assert_eq!(
        std::fs::read_to_string(&path).expect("written"),
        kept.stdout
    );
    assert!(
        kept.stderr.starts_with("task nanonets:") && kept.stderr.lines().count() == 1,
        "{kept:?}"
    );
    let world = World::of(taskward_sim::Sim::builder(), 200);
    let none = world.fast(&[
        "run",
        "--agent",
        "slow",
        "hi",
        "--print",
        "data",
        "--timeout",
        "0",
    ]);
    assert_eq!(none.code, 1, "{none:?}");
    none.says(&["without structured data", "taskward result nanonets:"]);
}

#[test]
fn json_lines_begin_with_the_task_and_end_with_the_result() {
    let lines = invoice(&["--json"]).lines();
    assert_eq!(lines[0]["type"], "task.created");
    let task = lines[0]["task"].as_str().expect("a task");
    assert_eq!(
        task,
        format!("nanonets:{}", lines[0]["task_id"].as_str().expect("an id"))
    );
    assert!(lines.iter().all(|line| line["task"] == task), "{lines:?}");
    let last = lines.last().expect("a line");
    assert_eq!(
        (&last["type"], &last["exit"], &last["status"]),
        (&json!("task.result"), &json!(0), &json!("completed"))
    );
    assert_eq!(last["data"]["total"], json!(9.5));
    assert!(last["text"].is_string(), "{last}");
}

#[test]
fn detached_it_prints_the_task_and_a_line_break_and_nothing_else() {
    let world = World::new();
    let ended = world.run(&["run", "--agent", "slow", "hi", "--detach"]);
    let id = world
        .sim
        .stats()
        .per_task
        .into_keys()
        .next()
        .expect("a task");
    assert_eq!((ended.code, ended.stdout), (0, format!("nanonets:{id}\n")));
    let lines = world.run(&["run", "--agent", "slow", "hi", "--detach", "--json"]);
    assert_eq!(lines.lines()[0]["type"], "task.created");
    assert_eq!(lines.last()["exit"], 0);
}

#[test]
fn a_usage_error_is_json_too() {
    for args in [
        &["run", "--json", "--bogus"][..],
        &["bogus", "--json"],
        &["ls", "--json", "--status", "compleeted"],
    ] {
        let ended = end(bare(args), "");
        assert_eq!(
            (ended.code, &ended.last()["code"]),
            (2, &json!("usage")),
            "{ended:?}"
        );
    }
}

/// Rows: D20.
#[test]
fn text_of_the_agent_cannot_steer_a_terminal() {
    let world = World::new();
    let hostile = "a\u{1b}]52;c;cGF5\u{7}\u{9b}2J\u{202e}b";
    let ended = world.fast(&["run", "--agent", "chat", hostile]);
    assert_eq!(ended.code, 8);
    assert!(
        !ended.stderr.contains(['\u{7}', '\u{9b}', '\u{202e}']),
        "{ended:?}"
    );
    let lines = world.fast(&["run", "--agent", "chat", hostile, "--json"]);
    assert!(
        !lines.stdout.contains(['\u{7}', '\u{9b}', '\u{202e}']),
        "{lines:?}"
    );
    let question = lines
        .lines()
        .into_iter()
        .find(|line| line["type"] == "question.opened");
    assert!(question.expect("asked")["text"].is_string());
}

#[cfg(unix)]
#[test]
fn an_answer_that_its_file_does_not_take_is_printed_all_the_same() {
    let world = World::new();
    let ended = world.fast(&["run", "--agent", "echo", "hi", "-o", "/dev/full"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("hi"), "{ended:?}");
    ended.says(&["/dev/full", "taskward result nanonets:"]);
}

/// Rows: D16.
#[test]
fn an_id_with_a_line_break_is_refused_in_words_and_nothing_is_sent() {
    let world = World::new();
    for id in ["nanonets:a\nb", "nanonets:a%0Ab"] {
        let ended = world.run(&["status", id]);
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&["control characters"]);
    }
    assert_eq!(world.sim.requests(), []);
}

/// Rows: M5, M6.
#[test]
fn closed_and_full_streams_make_no_panic() {
    let world = World::new();
    let speed = SPEED.to_string();
    let args = ["run", "--agent", "echo", "hi", "--json", "--speed", &speed];
    let mut child = world
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    // The reader goes away before the first line.
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(141));
    // The task goes on, and nobody else knows its name.
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("reattach: taskward watch nanonets:"),
        "{text}"
    );
    let full = || std::fs::File::options().write(true).open("/dev/full");
    if let Ok(full) = full() {
        let help = bare(&["--help"]).stdout(full).output().expect("runs");
        assert_eq!(help.status.code(), Some(1), "{help:?}");
    }
    if let Ok(full) = full() {
        let output = world.command(&args).stdout(full).output().expect("runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("taskward watch nanonets:"), "{text}");
    }
    if let Ok(full) = full() {
        let output = world
            .command(&args[..4])
            .args(&args[5..])
            .stdout(full)
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("taskward result nanonets:"), "{text}");
    }
}
