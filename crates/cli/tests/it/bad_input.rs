//! What cannot work is said before anything is sent.

use crate::common::{SPEED, World, bare, end};

/// Runs it against a simulator that must not see a request.
fn refused(args: &[&str], code: i32, words: &[&str]) {
    let world = World::new();
    let ended = world.run(args);
    assert_eq!(ended.code, code, "{args:?}: {ended:?}");
    ended.says(words);
    assert_eq!(world.sim.requests(), [], "{args:?}");
    let json = world.run(&[args, &["--json"]].concat());
    assert_eq!(
        (json.code, &json.last()["type"]),
        (code, &"error".into()),
        "{args:?}"
    );
}

/// Rows: K1, K7, K13.
#[test]
fn a_job_that_cannot_be_sent_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("dir");
    let dir = dir.path().to_str().expect("utf-8");
    let missing = format!("{dir}/missing.pdf");
    refused(
        &["run", "--agent", "echo"],
        2,
        &["nothing to run", "-f PATH"],
    );
    refused(&["run", "--agent", "echo", "  "], 2, &["nothing to run"]);
    refused(
        &["run", "hello"],
        2,
        &["which agent", "taskward agents list"],
    );
    refused(
        &["run", "--agent", "echo", "-f", &missing],
        2,
        &["missing.pdf", "Nothing was sent"],
    );
    refused(&["run", "--agent", "echo", "-f", dir], 2, &["directory"]);
    for special in ["/dev/null", "/dev/zero"] {
        refused(
            &["run", "--agent", "echo", "-f", special],
            2,
            &["no regular file", "-f -"],
        );
    }
    refused(
        &["run", "--agent", "echo", "hi", "--answer", ""],
        2,
        &["--answer", "empty"],
    );
    refused(
        &["run", "--agent", "echo", "hi", "--answer", "@/no/such"],
        2,
        &["/no/such"],
    );
    refused(
        &["run", "--agent", "echo", "hi", "--output-schema", "{\"a\":"],
        2,
        &["--output-schema", "JSON"],
    );
    refused(
        &["run", "--agent", "echo", "hi", "-o", dir],
        2,
        &["directory"],
    );
    refused(
        &["run", "--agent", "echo", "hi", "-o", "/no/such/dir/a.json"],
        2,
        &["/no/such/dir"],
    );
    let file = format!("{dir}/a.csv");
    std::fs::write(&file, "a,b\n").expect("write");
    refused(
        &["run", "--agent", "echo", "-f", &format!("{file};type=a\nb")],
        2,
        &["content type", "Nothing was sent"],
    );
    refused(
        &[
            "run",
            "--agent",
            "echo",
            "-f",
            &format!("{file};name={}", "n".repeat(256)),
        ],
        2,
        &["256 bytes"],
    );
    for option in [
        ["-o", "a.json"],
        ["--print", "data"],
        ["--answer", "a"],
        ["--on-question", "a"],
    ] {
        refused(
            &[&["run", "--agent", "echo", "hi", "--detach"], &option[..]].concat(),
            2,
            &["--detach", option[0]],
        );
    }
    refused(
        &["run", "--agent", "echo", "-", "-f", "-"],
        2,
        &["stdin", "once"],
    );
    refused(
        &["run", "--agent", "echo", "hi", "--timeout", "soon"],
        2,
        &["--timeout"],
    );
    refused(&["run", "--agent", "", "hi"], 2, &["empty"]);
    refused(
        &["run", "--sim", "--detach", "hi"],
        2,
        &["--sim and --detach", "taskward sim"],
    );
}

#[test]
fn a_task_a_message_and_a_path_that_make_no_sense_are_refused() {
    let long = "a".repeat(2049);
    for task in [
        "..",
        "",
        "nanonets:",
        "elsewhere:1",
        "a\nb",
        "nanonets:a%1Bb",
        &long,
    ] {
        refused(&["status", task], 2, &["error:"]);
    }
    for of in [
        &["agents", "show", "a\nb"][..],
        &["run", "hi", "--agent", "a\u{1b}b"],
    ] {
        refused(of, 2, &["control characters"]);
    }
    refused(&["reply", "t", ""], 2, &["empty"]);
    refused(&["reply", "t", "-"], 2, &["empty"]);
    refused(&["cancel", "t"], 2, &["--yes"]);
    refused(&["ls", "--since", "yesterday"], 2, &["--since"]);
    refused(
        &["api", "GET", "https://example.com/agents"],
        2,
        &["names a server"],
    );
    refused(
        &["api", "POST", "/agents", "-d", "{"],
        2,
        &["--data", "JSON", "Nothing was sent"],
    );
    refused(&["watch", "a", "b", "-o", "x.json"], 2, &["-o"]);
}

#[test]
fn a_number_that_would_arrive_as_another_one_is_refused_and_named() {
    let json = "{\"limit\":[1,18446744073709551616]}";
    for (args, option) in [
        (
            &["agents", "update", "echo", "--yes", "--config", json][..],
            "--config",
        ),
        (&["api", "POST", "/agents", "-d", json], "--data"),
        (
            &["run", "--provider", "agent-harness", "--input", json],
            "--input",
        ),
    ] {
        let words =
            "has the number 18446744073709551616, which would arrive as 1.8446744073709552e+19";
        refused(args, 2, &[option, words, "Nothing was sent"]);
    }
}

/// Rows: D16.
#[test]
fn an_id_with_a_slash_stays_one_segment_of_its_path() {
    let world = World::new();
    let ended = world.run(&["status", "nanonets:../agents/x?y"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(
        world.sim.requests()[0].path,
        "/api/v1/tasks/..%2Fagents%2Fx%3Fy"
    );
}

/// Rows: L2, L3, L4.
#[test]
fn a_key_is_asked_for_and_its_shape_is_checked_before_anything_is_sent() {
    let world = World::new();
    let with_key = |key: Option<&str>| {
        let mut command = bare(&["run", "--agent", "echo", "hi"]);
        command.env("NANONETS_BASE_URL", world.sim.url());
        if let Some(key) = key {
            command.env("NANONETS_API_KEY", key);
        }
        end(command, "")
    };
    let none = with_key(None);
    assert_eq!(none.code, 4, "{none:?}");
    none.says(&[
        "no API key",
        "NANONETS_API_KEY",
        "--key-file",
        "--key-stdin",
    ]);
    // An empty variable counts as none.
    let unset = with_key(Some(""));
    assert_eq!((unset.code, unset.stderr), (4, none.stderr));
    for (key, word) in [
        (" ", "white space"),
        ("secretcanary-with\ninside", "line break"),
        ("secretcanary with space", "white space"),
        ("\"secretcanary-quoted\"", "quotes"),
        ("Bearer secretcanary-key", "Bearer"),
        ("YOUR_API_KEY", "placeholder"),
        ("schlüsselcanary-äöü", "no key has"),
    ] {
        let ended = with_key(Some(key));
        assert_eq!(ended.code, 2, "{key:?}: {ended:?}");
        ended.says(&[
            word,
            "The key came from the environment variable NANONETS_API_KEY",
            "Settings, API Keys",
        ]);
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
    }
    assert_eq!(world.sim.requests(), []);
}

/// Rows: L1, L4.
#[test]
fn a_key_comes_from_a_file_or_from_stdin_and_its_last_line_break_is_dropped() {
    let world = World::new();
    let key = world.sim.nanonets().api_key + "\n";
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("my key");
    std::fs::write(&path, &key).expect("write");
    let path = path.to_str().expect("utf-8");
    let base = world.sim.url();
    let run = |args: &[&str], stdin: &str| {
        let mut command = bare(args);
        command.env("NANONETS_BASE_URL", &base);
        world.ended(command, stdin)
    };
    assert_eq!(run(&["ls", "--key-file", path], "").code, 0);
    assert_eq!(run(&["ls", "--key-stdin"], &key).code, 0);
    // What was dropped is told to whoever wants to know, and nothing of the key is.
    run(&["ls", "--key-stdin", "-v"], &key).says(&["the line break", "from stdin was dropped"]);
    for (content, word) in [("", "empty"), ("YOUR_API_KEY\n", "placeholder")] {
        let path = dir.path().join("no key");
        std::fs::write(&path, content).expect("write");
        let path = path.to_str().expect("utf-8");
        let ended = run(&["ls", "--key-file", path], "");
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[word, "Settings, API Keys"]);
    }
    let asked = run(
        &[
            "run",
            "--agent",
            "asker",
            "5",
            "--key-file",
            path,
            "--speed",
            "20",
        ],
        "",
    );
    assert!(
        asked
            .printed("answer")
            .ends_with(&format!("--watch --key-file '{path}'")),
        "{asked:?}"
    );
    let missing = run(&["ls", "--key-file", "/no/such/key"], "");
    assert_eq!(missing.code, 2, "{missing:?}");
    missing.says(&["/no/such/key"]);
    let both = run(&["run", "--agent", "echo", "-", "--key-stdin"], "x");
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn a_variable_that_is_empty_counts_as_unset_and_a_bad_one_is_named() {
    let world = World::new();
    let with = |name: &str, value: &str| {
        let mut command = world.command(&["cancel", "t"]);
        command.env(name, value);
        let ended = world.ended(command, "");
        assert_eq!(ended.code, 2, "{ended:?}");
        ended
    };
    for name in ["TASKWARD_TIMEOUT", "TASKWARD_NO_INPUT"] {
        with(name, "").says(&["--yes"]);
        with(name, "maybe").says(&[name, "maybe", "Nothing was sent"]);
    }
    assert_eq!(world.sim.requests(), []);
}

#[test]
fn a_server_that_would_leak_the_key_is_refused() {
    for (url, word) in [
        ("http://example.com", "unencrypted"),
        ("https://user:pass@example.com", "user or password"),
        ("example.com", "scheme"),
        ("https://example.com?x=1", "query"),
    ] {
        let mut command = bare(&["ls"]);
        command
            .env("NANONETS_API_KEY", "sim_key_unused")
            .env("NANONETS_BASE_URL", url);
        let ended = end(command, "");
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[word, "NANONETS_BASE_URL"]);
        assert!(!ended.stderr.contains("pass@"), "{ended:?}");
    }
    let mut command = bare(&["watch", "t", "--speed", "20"]);
    command
        .env("NANONETS_API_KEY", "sim_key_unused")
        .env("NANONETS_BASE_URL", "https://example.invalid");
    assert_eq!(end(command, "").code, 2);
}

#[test]
fn an_agent_by_name_is_one_that_runs_or_an_error_that_says_so() {
    let mut scenario = taskward_sim::Scenario::default();
    let mut nanonets = taskward_sim::nanonets::Settings::default();
    nanonets.switches.filler_agents = 250;
    scenario.set(nanonets);
    let world = World::of(taskward_sim::Sim::builder().scenario(scenario), SPEED);
    // The two versions of echo are one agent, behind three pages of others.
    let found = world.fast(&["run", "--agent", "echo", "hi", "--print", "data"]);
    assert_eq!(found.code, 0, "{found:?}");
    for (agent, words) in [
        (
            "invoise",
            &["no agent is named", "Did you mean \"invoice\"?"][..],
        ),
        ("Echo", &["no agent is named", "Did you mean \"echo\"?"]),
        ("inactive", &["cannot be run", "inactive"]),
        ("draft", &["cannot be run", "draft"]),
    ] {
        let ended = world.run(&["run", "--agent", agent, "hi"]);
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(words);
    }
    assert_eq!(world.sim.stats().starts, 1);
}
