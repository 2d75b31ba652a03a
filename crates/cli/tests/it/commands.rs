//! The commands that look once.

use serde_json::{Value, json};

use crate::common::{World, bare, end};

#[test]
fn lists_are_tabs_for_pipes_and_lines_for_programs() {
    let world = World::new();
    let tasks: Vec<String> = (0..3).map(|_| world.start("slow")).collect();
    let ended = world.run(&["ls"]);
    let first: Vec<&str> = ended
        .stdout
        .lines()
        .map(|line| line.split('\t').next().expect("a cell"))
        .collect();
    assert_eq!(first, [tasks[2].as_str(), &tasks[1], &tasks[0]]);
    assert_eq!(world.run(&["ls", "--limit", "1"]).stdout.lines().count(), 1);
    assert_eq!(world.run(&["ls", "--status", "completed"]).stdout, "");
    assert_eq!(
        world
            .run(&["ls", "--status", "running,queued", "--agent", "slow"])
            .stdout
            .lines()
            .count(),
        3
    );
    assert_eq!(
        world
            .run(&["ls", "--since", "2000-01-01T00:00:00Z"])
            .stdout
            .lines()
            .count(),
        3
    );
    let lines = world.run(&["ls", "--json", "--limit", "2"]).lines();
    assert_eq!(
        (lines.len(), &lines[0]["task"], &lines[0]["type"]),
        (2, &json!(tasks[2]), &json!("task"))
    );
    let agents = world.run(&["agents", "list", "--name", "ECHO"]);
    assert_eq!(agents.stdout.lines().count(), 2, "{agents:?}");
    let shown: Value =
        serde_json::from_str(&world.run(&["agents", "show", "echo"]).stdout).expect("JSON");
    assert_eq!(
        (&shown["name"], &shown["version_number"]),
        (&json!("echo"), &json!(2))
    );
}

#[test]
fn more_tasks_than_a_page_holds_are_all_listed() {
    let world = World::new();
    let body = json!({ "query": "x" }).to_string();
    let path = format!("/agents/{}/run", world.sim.agent("slow"));
    for _ in 0..101 {
        assert_eq!(world.run(&["api", "POST", &path, "-d", &body]).code, 0);
    }
    let agents = world.run(&["api", "get", "agents?limit=1"]);
    let page: Value = serde_json::from_str(&agents.stdout).expect("JSON");
    assert_eq!(page["has_more"], true);
    assert_eq!(
        world.run(&["ls", "--limit", "250"]).stdout.lines().count(),
        101
    );
    let refused = world.run(&["api", "GET", "/nothing"]);
    assert_eq!(refused.code, 1);
    refused.says(&["404", "http 404"]);
    let unsent = world.run(&["api", "POST", &path, "-d", "{}"]);
    assert_eq!(unsent.code, 1, "{unsent:?}");
}

#[test]
fn a_finished_conversation_can_be_read() {
    let world = World::new();
    let task = world.start("echo");
    assert_eq!(world.fast(&["watch", &task]).code, 0);
    let said = world.run(&["messages", &task]);
    assert!(
        said.stdout.starts_with("user  ") && said.stdout.contains("  hello\n"),
        "{said:?}"
    );
    let full: Value =
        serde_json::from_str(&world.run(&["result", &task, "--full"]).stdout).expect("JSON");
    assert!(full.is_array());
    let line = world.run(&["status", &task]);
    assert!(
        line.stdout.starts_with(&format!("{task}\tcompleted\t")),
        "{line:?}"
    );
}

#[test]
fn a_cancel_tells_how_the_task_really_ended() {
    let world = World::new();
    let running = world.start("slow");
    let waiting = world.start("asker");
    assert_eq!(world.fast(&["watch", &waiting]).code, 8);
    let done = world.start("echo");
    assert_eq!(world.fast(&["watch", &done]).code, 0);
    for (task, end) in [
        (&running, "stopped\n"),
        (&waiting, "stopped\n"),
        (&done, "completed\n"),
    ] {
        let ended = world.fast(&["cancel", task, "--yes"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, end), "{ended:?}");
    }
    let (_, foreign) = world.sim.foreign_ids();
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (task, code) in [(foreign.as_str(), 4), (unknown, 1)] {
        let ended = world.fast(&["cancel", task, "--yes"]);
        assert_eq!(ended.code, code, "{ended:?}");
        ended.says(&["did not cancel"]);
    }
}

#[test]
fn several_tasks_are_watched_at_once_and_the_first_bad_end_names_the_whole() {
    let world = World::new();
    let good = world.start("echo");
    let bad = world.start("failing");
    let ended = world.fast(&["watch", &good, &bad]);
    assert_eq!(ended.code, 3, "{ended:?}");
    ended.says(&[
        &format!("{good}  completed"),
        &format!("{bad}  failed"),
        "The ledger refused",
    ]);
    assert!(ended.stdout.contains("\"query\": \"hello\""), "{ended:?}");
}

#[test]
fn a_file_from_a_pipe_is_sent_under_the_name_it_is_given() {
    let world = World::new();
    let args = [
        "run",
        "--agent",
        "echo",
        "-f",
        "-;name=a \"b\".csv;type=text/x-odd",
        "--speed",
        "20",
    ];
    let ended = world.run_with(&args, "1,2\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let file = &data["files"][0];
    assert_eq!(
        (&file["size"], &file["type"]),
        (&json!(4), &json!("text/x-odd")),
        "{file}"
    );
}

#[test]
fn help_explains_commands_and_topics() {
    for topic in [
        "environment",
        "exit-codes",
        "json",
        "questions",
        "recovery",
        "simulator",
        "run",
        "batch",
        "sim",
        "completion",
        "man",
        "doctor",
    ] {
        let ended = end(bare(&["help", topic]), "");
        assert!(
            ended.code == 0 && ended.stdout.len() > 200,
            "{topic}: {ended:?}"
        );
    }
    assert!(
        end(bare(&["help", "exit-codes"]), "")
            .stdout
            .contains("141")
    );
    assert_eq!(end(bare(&["--help"]), "").code, 0);
    assert_eq!(end(bare(&["help", "agents", "list"]), "").code, 0);
    assert_eq!(end(bare(&["help", "nothing"]), "").code, 2);
}

/// Rows: I13.
#[test]
fn a_mistyped_task_has_the_same_words_however_it_is_asked_for_and_is_not_kept() {
    let world = World::new();
    for (nobody, http) in [
        ("00000000-0000-4000-8000-000000000000", "http 404"),
        ("no-uuid", "http 400"),
    ] {
        for command in [
            &["status", nobody][..],
            &["result", nobody],
            &["result", nobody, "--full"],
            &["messages", nobody],
            &["watch", nobody, "--speed", "20"],
        ] {
            let ended = world.run(command);
            assert_eq!(ended.code, 1, "{ended:?}");
            ended.says(&["the server does not know this task", http]);
        }
    }
    let last = world.run(&["watch", "--last"]);
    assert_eq!(last.code, 2, "{last:?}");
    last.says(&["no task was started or followed on this machine"]);
}
