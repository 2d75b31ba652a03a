//! `-v` tells what a run decides, in order, and nobody else hears of it.

use crate::common::{World, end};

use serde_json::json;

/// What a line is about: its numbers and ids differ from run to run.
fn gist(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["*", .., "POST" | "GET", _path] => words[..words.len() - 1].join(" "),
        ["*", "checking", "again", "now"] => "* checking again".to_owned(),
        ["*", "checking", "again", "in", wait] => {
            assert!(wait.ends_with('s') && *wait != "0s", "{line}");
            "* checking again".to_owned()
        }
        [head @ .., elapsed] if elapsed.starts_with('(') => head.join(" "),
        _ => line.to_owned(),
    }
}

#[test]
fn verbose_tells_each_request_with_its_purpose_each_pause_and_the_end_in_order() {
    let world = World::new();
    let run = [
        "run",
        "--agent",
        "asker",
        "hi-canary",
        "--answer",
        "EUR-canary",
    ];
    let ended = world.fast(&[&run[..], &["-v"]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<String> = ended.stderr.lines().map(gist).collect();
    assert!(lines[0].starts_with("server "), "{lines:?}");
    assert!(lines[3].starts_with("task nanonets:"), "{lines:?}");
    let (pause, read) = ("* checking again", "* poll the status: GET");
    // How often the status is polled depends on timing; a pause precedes each poll.
    for pair in lines[4..].windows(2).filter(|pair| pair[0] == pause) {
        assert_eq!(pair[1], read, "{lines:?}");
    }
    for cycle in [pause, read] {
        assert!(lines.iter().any(|line| line == cycle), "{lines:?}");
    }
    let timeless: Vec<&str> = lines[1..]
        .iter()
        .map(String::as_str)
        .filter(|line| ![pause, read, "running"].contains(line))
        .collect();
    let expected = [
        "* list agents: GET",
        "* start the task: POST",
        &lines[3],
        "waiting_for_input",
        "* read the questions: GET",
        "question: Which currency should the answer be in?",
        "answer: EUR-canary",
        "* check that the question is still open: GET",
        "* send the answer: POST",
        "answer delivered",
        "completed",
        "* read the result: GET",
        "* the task ended: succeeded",
    ];
    assert_eq!(timeless, expected, "{ended:?}");
    // No decision tells what anybody said.
    for line in ended.stderr.lines().filter(|line| line.starts_with('*')) {
        assert!(!line.contains("canary"), "{line}");
    }
    let quiet = world.fast(&run);
    assert!(!quiet.stderr.contains('*'), "{quiet:?}");
}

#[test]
fn verbose_tells_why_something_is_tried_again_and_how_long_the_server_asked_to_wait() {
    let world = World::new();
    let rules = [
        "status:code=429,retry_after=7,on=status,count=1",
        "status:code=503,on=summary,count=1",
    ];
    world
        .sim
        .set_faults(rules.map(|rule| rule.parse().expect("a rule")).to_vec());
    let ended = world.fast(&["run", "--agent", "echo", "hi", "-v"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let told: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| {
            line.contains("asked the client to wait") || line.contains("cannot be read yet")
        })
        .collect();
    let [asked, later] = told.as_slice() else {
        panic!("{ended:?}");
    };
    assert!(
        asked.starts_with("* the server asked the client to wait: "),
        "{asked}"
    );
    assert!(
        later.starts_with("* the result cannot be read yet: "),
        "{later}"
    );
    let retries = ended.stderr.matches("retrying in ").count();
    assert_eq!(retries, 2, "{ended:?}");
    // Each is told before it is waited for.
    let at = |words: &str| ended.stderr.find(words).expect(words);
    assert!(at("answered 429") < at(asked) && at("answered 503") < at(later));
}

#[test]
fn verbose_leaves_json_lines_alone_and_names_the_task_where_several_are_watched() {
    let world = World::new();
    let (a, b) = (world.start("echo"), world.start("echo"));
    let ended = world.fast(&["watch", &a, &b, "-v"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for task in [&a, &b] {
        let over = format!("{task}  * the task ended: succeeded\n");
        ended.says(&[&over, &format!("{task}  * poll the status: GET ")]);
    }
    let mut command = world.command(&["watch", &a, "-v", "--json", "--speed", "20"]);
    command.env("TASKWARD_DEBUG", "http");
    let ended = end(command, "");
    ended.says(&["* poll the status: GET ", " exchange "]);
    for line in ended.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["v"], json!(2), "{line}");
    }
}
