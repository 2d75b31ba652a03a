//! Ctrl-C detaches, and `taskward sim` runs until it.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use taskward_sim::{Fault, FaultRule};

use crate::common::{World, assert_hidden, bare, secrets};

pub(crate) fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("it runs")
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
}

/// Reads lines until one holds `word`.
pub(crate) fn until(source: impl std::io::Read, word: &str) -> (String, impl std::io::Read) {
    let mut source = BufReader::new(source);
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert_ne!(
            source.read_line(&mut line).expect("a line"),
            0,
            "it ended before {word:?}"
        );
    }
    (line, source)
}

/// Rows: M1, M4.
#[test]
fn ctrl_c_detaches_and_says_how_to_come_back() {
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 143)] {
        let world = World::new();
        let mut child = spawn(world.command(&["run", "--agent", "slow", "hi"]));
        let (line, mut rest) = until(child.stderr.take().expect("piped"), "task nanonets:");
        signal(&child, name);
        let mut said = String::new();
        rest.read_to_string(&mut said).expect("text");
        assert_eq!(child.wait().expect("ends").code(), Some(code), "{said}");
        let task = line.split_whitespace().nth(1).expect("a task");
        assert!(
            said.contains(&format!("reattach: taskward watch {task}\n")),
            "{said}"
        );
        assert!(
            said.contains(&format!("cancel:   taskward cancel {task} --yes\n")),
            "{said}"
        );
        assert_eq!(world.sim.stats().endpoints.get("cancel"), None);
    }
}

#[test]
fn ctrl_c_in_json_ends_with_an_error_line() {
    let world = World::new();
    let mut child = spawn(world.command(&["run", "--agent", "slow", "hi", "--json"]));
    let (_, rest) = until(child.stdout.take().expect("piped"), "task.created");
    signal(&child, "-INT");
    let last = BufReader::new(rest)
        .lines()
        .last()
        .expect("a line")
        .expect("text");
    let last: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(
        (child.wait().expect("ends").code(), &last["exit"]),
        (Some(130), &130.into())
    );
    assert_eq!(last["code"], "interrupted");
}

#[test]
fn a_task_is_stopped_when_it_would_be_left_where_that_was_asked_for() {
    // By Ctrl-C.
    let world = World::new();
    let args = [
        "run",
        "--agent",
        "slow",
        "hi",
        "--cancel-on-interrupt",
        "--speed",
        "20",
    ];
    let mut child = spawn(world.command(&args));
    let (line, mut rest) = until(child.stderr.take().expect("piped"), "task nanonets:");
    signal(&child, "-INT");
    let mut said = String::new();
    rest.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{said}");
    assert!(said.contains("The task was stopped, as asked."), "{said}");
    let task = line.split_whitespace().nth(1).expect("a task");
    let id = task.strip_prefix("nanonets:").expect("a task's name");
    assert_eq!(world.sim.stats().per_task[id].status, "stopped");
    // By the deadline, and where the server does not take it.
    for (fault, outcome) in [(false, "confirmed"), (true, "failed")] {
        let refusal = Fault::Status {
            code: 422,
            retry_after: None,
            after_bytes: None,
        };
        let faults = fault.then(|| FaultRule::new(refusal).on("cancel"));
        world.sim.set_faults(faults.into_iter().collect());
        let task = world.start("slow");
        let args = ["watch", &task, "--timeout", "5s", "--cancel-on-timeout"];
        let ended = world.fast(&[&args[..], &["--json"]].concat());
        assert_eq!(ended.code, 124, "{ended:?}");
        assert_eq!(ended.last()["cancel"], outcome, "{ended:?}");
    }
    // What cannot be done is said before anything is sent.
    let input = ["run", "--provider", "agent-harness", "hi"];
    for option in ["--cancel-on-interrupt", "--cancel-on-timeout"] {
        let ended = world.run(&[&input[..], &[option]].concat());
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[option, "Agent Harness"]);
    }
    assert_eq!(world.sim.harness_stats().runs, 0);
}

/// A start whose reply does not come, interrupted once or twice: the code, and what was said after the first.
fn interrupted_start(world: &World, again: bool) -> (Option<i32>, String) {
    let mut child = spawn(world.command(&["run", "--agent", "slow", "hi"]));
    // The request has arrived: from now on nobody knows.
    let started = || {
        world
            .sim
            .requests()
            .iter()
            .any(|request| request.endpoint == "run")
    };
    while !started() && child.try_wait().expect("asked").is_none() {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let stderr = child.stderr.take().expect("piped");
    let (_, mut rest) = until(stderr, "waiting up to 2 s");
    let mut said = String::new();
    if again {
        signal(&child, "-INT");
    }
    rest.read_to_string(&mut said).expect("text");
    (child.wait().expect("ends").code(), said)
}

/// Rows: M3.
#[test]
fn ctrl_c_before_the_task_is_known_waits_a_moment_and_then_does_not_know() {
    let world = World::with_fault("run", Fault::Stall { after_bytes: None });
    let (code, said) = interrupted_start(&world, false);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("taskward recover "), "{said}");
    assert!(
        said.contains("may have been started") && said.contains("intent "),
        "{said}"
    );
}

/// Rows: M2.
#[test]
fn the_second_ctrl_c_does_not_wait_and_says_what_is_left() {
    let world = World::with_fault("run", Fault::Stall { after_bytes: None });
    let (code, said) = interrupted_start(&world, true);
    assert_eq!(code, Some(130), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "error: the task may have been started", "{said}");
    assert!(lines[3].starts_with("  see: taskward recover "), "{said}");
    let last = lines.last().expect("lines");
    assert!(
        last.starts_with("  intent ") && last.ends_with("exit 130"),
        "{said}"
    );
    // The journal is whole: it knows of the start, and no process holds it.
    world.sim.set_faults(Vec::new());
    let ended = world.fast(&["recover"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&["probably never made"]);
    assert!(!ended.stderr.contains("cannot be read"), "{ended:?}");
}

/// Runs it, interrupts it once it has sent something to this endpoint, and gives its code and its words.
fn interrupted_write(
    world: &World,
    endpoint: &str,
    name: &str,
    args: &[&str],
) -> (Option<i32>, String) {
    let before = world.sim.requests().len();
    let mut child = spawn(world.command(args));
    let sent = || {
        let requests = world.sim.requests();
        requests[before..].iter().any(|it| it.endpoint == endpoint)
    };
    while !sent() && child.try_wait().expect("asked").is_none() {
        std::thread::yield_now();
    }
    signal(&child, name);
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).expect("text");
    (child.wait().expect("ends").code(), said)
}

/// Rows: H1.
#[test]
fn a_signal_while_an_answer_is_on_its_way_does_not_know_whether_it_arrived() {
    // Each signal waits two seconds of real time for the reply, so the two kinds of answers wait side by side.
    std::thread::scope(|scope| {
        for endpoint in ["signal", "message"] {
            scope.spawn(move || answers_interrupted(endpoint));
        }
    });
}

/// Interrupts the commands that answer over this endpoint.
fn answers_interrupted(endpoint: &str) {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let asker = world.start_asker();
    let [run_question, question] = [&run, &asker].map(|task| world.question(task));
    let stall = FaultRule::new(Fault::Stall { after_bytes: None }).on(endpoint);
    world.sim.set_faults(vec![stall]);
    let commands: [(&[&str], &str, String); 2] = match endpoint {
        "signal" => [
            (
                &["watch", &run, "--on-approval", "approve"],
                "answer",
                format!("taskward watch {run}"),
            ),
            (
                &["approve", &run, "--question", &run_question],
                "answer",
                format!("taskward watch {run}"),
            ),
        ],
        _ => [
            (
                &["reply", &asker, "EUR", "--question", &question],
                "answer",
                format!("taskward messages {asker}"),
            ),
            (
                &[
                    "reply",
                    &asker,
                    "EUR",
                    "--question",
                    &question,
                    "--watch",
                    "--force-new",
                ],
                "answer",
                format!("taskward messages {asker}"),
            ),
        ],
    };
    for ((args, what, see), name) in commands.iter().zip(["-INT", "-TERM"]) {
        let (code, said) = interrupted_write(&world, endpoint, name, args);
        assert_eq!(code, Some(5), "{args:?}: {said}");
        for words in [
            &format!("waiting up to 2 s for the reply to the {what}"),
            &format!("the {what} may or may not have arrived"),
            see,
        ] {
            assert!(said.contains(words.as_str()), "{words:?} in {said}");
        }
        assert!(!said.contains("goes on"), "{said}");
    }
}

#[test]
fn a_signal_while_a_task_is_being_stopped_does_not_say_that_it_is_left_as_it_is() {
    let world = World::new();
    for (name, json) in [("-INT", false), ("-TERM", true)] {
        let task = world.start("slow");
        let slow: FaultRule = "latency:for=3600s,on=cancel".parse().expect("a rule");
        world.sim.set_faults(vec![slow]);
        let mut args = vec!["cancel", &task, "--yes"];
        if json {
            args.extend(["--json", "--verbose"]);
        }
        let (code, said) = interrupted_write(&world, "cancel", name, &args);
        assert_eq!(code, Some(5), "{said}");
        for words in [
            "waiting up to 2 s for the task to stop",
            "error: a stop was requested, and is not confirmed",
            &format!("taskward status {task}"),
        ] {
            assert!(said.contains(words), "{words:?} in {said}");
        }
        assert!(
            !said.contains("left as it is") && !said.contains("goes on."),
            "{said}"
        );
        let id = task.strip_prefix("nanonets:").expect("a task");
        assert_eq!(world.sim.stats().per_task[id].status, "stopped");
    }
}

/// Rows: M2.
#[test]
fn the_code_of_the_second_ctrl_c_is_that_of_an_interrupt() {
    let world = World::with_fault("run", Fault::Stall { after_bytes: None });
    let run = ["run", "--agent", "slow", "hi", "--json", "--verbose"];
    let mut child = spawn(world.command(&run));
    let started = || {
        let requests = world.sim.requests();
        requests.iter().any(|request| request.endpoint == "run")
    };
    while !started() {
        std::thread::yield_now();
    }
    signal(&child, "-INT");
    let (_, _rest) = until(child.stderr.take().expect("piped"), "waiting up to 2 s");
    signal(&child, "-INT");
    let mut said = String::new();
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(130), "{said}");
    let last: Value = serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&last["exit"], &last["code"]),
        (&130.into(), &"interrupted".into())
    );
    assert!(last["intent_id"].is_string(), "{last}");
}

#[test]
fn a_message_that_arrives_while_a_signal_waits_for_it_is_told_as_delivered() {
    let world = World::new();
    let asker = world.start_asker();
    world.show(&asker);
    // A second of the world.
    let slow: FaultRule = "latency:for=20s,on=message".parse().expect("a rule");
    world.sim.set_faults(vec![slow]);
    let reply = ["reply", &asker, "EUR", "--watch"];
    let (code, said) = interrupted_write(&world, "message", "-INT", &reply);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("The answer was delivered."), "{said}");
    assert!(!said.contains("may or may not"), "{said}");
}

#[test]
fn a_task_that_was_seen_to_end_is_not_said_to_go_on() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    // It is taken at once; its reply is half a minute away, and at its own pace the program waits for that.
    let slow: FaultRule = "latency:for=600s,on=signal".parse().expect("a rule");
    world.sim.set_faults(vec![slow]);
    let watch = ["watch", &run, "--on-approval", "approve"];
    let mut child = spawn(world.command(&watch));
    let (_, mut rest) = until(child.stderr.take().expect("piped"), "to_status: succeeded");
    signal(&child, "-TERM");
    let mut said = String::new();
    rest.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(5), "{said}");
    for words in [
        "error: the answer may or may not have arrived\n",
        "  The task has ended: its last known status is succeeded.\n",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert!(!said.contains("goes on"), "{said}");
}

#[test]
fn a_message_on_its_way_is_told_apart_from_what_was_done_about_its_task() {
    let world = World::new();
    let asker = world.start_asker();
    world.show(&asker);
    world.sim.set_faults(vec![
        FaultRule::new(Fault::Stall { after_bytes: None }).on("message"),
    ]);
    let reply = [
        "reply",
        &asker,
        "EUR",
        "--watch",
        "--cancel-on-interrupt",
        "--speed",
        "20",
    ];
    let (code, said) = interrupted_write(&world, "message", "-INT", &reply);
    // That it was stopped is known, whatever became of the message.
    assert_eq!(code, Some(130), "{said}");
    for words in [
        "Detached; the task was stopped.\n",
        "  The answer may or may not have arrived.\n",
    ] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert_eq!(world.sim.stats().endpoints.get("cancel"), Some(&1));
}

/// Runs it, interrupts it after this many milliseconds, and looks at what it leaves behind.
fn interrupted_after(millis: u64, args: &[&str]) {
    let world = World::new();
    let existing = world.start("slow");
    let args: Vec<&str> = args
        .iter()
        .map(|arg| {
            if *arg == "EXISTING" {
                existing.as_str()
            } else {
                arg
            }
        })
        .collect();
    let writes = |world: &World| {
        let stats = (world.sim.stats().starts, world.sim.harness_stats().starts);
        stats.0 + stats.1
    };
    let before = writes(&world);
    let mut child = spawn(world.command(&args));
    // Wherever the program is by then: the moment is what is tried, so there is nothing to wait for.
    std::thread::sleep(Duration::from_millis(millis));
    // It may be over by now.
    if child.try_wait().expect("asked").is_none() {
        signal(&child, "-INT");
    }
    let output = child.wait_with_output().expect("ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    let context = format!("{args:?} after {millis} ms: {stdout}{stderr}");
    assert_hidden(&secrets(&world.command(&[])), &[&stdout, &stderr]);
    for stream in [&stdout, &stderr] {
        assert!(stream.is_empty() || stream.ends_with('\n'), "{context}");
    }
    let json = args.contains(&"--json");
    if json {
        assert_eq!(stderr, "", "{context}");
        for line in stdout.lines() {
            let line: Value = serde_json::from_str(line).expect(&context);
            assert!(line["type"].is_string(), "{context}");
        }
    }
    let Some(code) = output.status.code() else {
        // Before it hears signals the system ends it: then nothing was sent yet.
        assert_eq!(writes(&world), before, "{context}");
        assert_eq!(stdout, "", "{context}");
        return;
    };
    if code == 124 && is_interrupt_ignored() {
        // The signal came before the program listened to signals, and so to nobody.
        return;
    }
    assert!([0, 3, 5, 8, 130].contains(&code), "{code}: {context}");
    if writes(&world) > before || code == 5 {
        let named = [
            "intent ",
            "task nanonets:",
            "task agent-harness:",
            "\"intent_id\":\"",
            "\"task_id\":\"",
        ];
        let all = format!("{stdout}{stderr}");
        assert!(named.iter().any(|name| all.contains(name)), "{context}");
    }
    if code == 130 {
        let last = if json { &stdout } else { &stderr };
        let last = last.lines().last().expect(&context);
        assert!(
            last.contains("exit 130") || last.contains("\"exit\":130"),
            "{context}"
        );
    }
}

/// Returns whether whoever started this test has it ignore Ctrl-C, as a shell does for what it starts in the background:
/// then the program, too, ignores it until it listens.
fn is_interrupt_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    ignored.is_some_and(|bits| bits & 0b10 != 0)
}

/// Acceptance test W5: no instant of a Ctrl-C leaves half a line, or a task without its name.
#[test]
fn w5_ctrl_c_at_any_instant_leaves_whole_lines_and_a_name() {
    let commands: [&[&str]; 5] = [
        &["run", "--agent", "slow", "hi", "--speed", "20"],
        &["run", "--agent", "slow", "hi", "--speed", "20", "--json"],
        &[
            "run",
            "--provider",
            "agent-harness",
            "--input",
            r#"{"scenario":"long-stream"}"#,
            "--speed",
            "20",
        ],
        &[
            "run",
            "--provider",
            "agent-harness",
            "--input",
            r#"{"scenario":"long-stream"}"#,
            "--speed",
            "20",
            "--json",
        ],
        &["watch", "EXISTING", "--speed", "20"],
    ];
    // As good as random, and the same in every run of the test.
    let instants: Vec<u64> = (0..20u64).map(|n| n * n * 7919 % 400).collect();
    std::thread::scope(|scope| {
        for chunk in instants.chunks(5) {
            scope.spawn(move || {
                for (millis, args) in chunk.iter().zip(commands) {
                    interrupted_after(*millis, args);
                }
            });
        }
    });
}

#[test]
fn a_fault_of_the_command_line_strikes_and_one_that_is_none_is_refused() {
    let faults = [
        "--fault",
        "status:code=403,on=agents",
        "--fault",
        "refuse:for=1s,after=99",
    ];
    let mut child = spawn(bare(&[&["sim", "--json"], &faults[..]].concat()));
    let (ready, _rest) = until(child.stdout.take().expect("piped"), "ready");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    let access = &ready["providers"]["nanonets"];
    let mut list = bare(&["agents", "list", "--json"]);
    for (name, field) in [
        ("NANONETS_API_KEY", "api_key"),
        ("NANONETS_BASE_URL", "base_url"),
    ] {
        list.env(name, access[field].as_str().expect("text"));
    }
    let ended = crate::common::end(list, "");
    assert_eq!(ended.last()["http_status"], 403, "{ended:?}");
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    for (rule, word) in [
        ("meteorite", "meteorite"),
        ("status:code=often", "often"),
        ("status:code=503,hue=red", "hue"),
        ("", "--fault"),
    ] {
        let ended = crate::common::end(bare(&["sim", "--fault", rule]), "");
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
        ended.says(&["--fault", word]);
    }
}

#[test]
fn the_simulator_serves_until_ctrl_c_and_tells_programs_where() {
    let mut child = spawn(bare(&["sim", "--json", "--seed", "7", "--speed", "50"]));
    let (ready, _rest) = until(child.stdout.take().expect("piped"), "ready");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    assert_eq!((&ready["v"], &ready["type"]), (&2.into(), &"ready".into()));
    let access = &ready["providers"]["nanonets"];
    let mut run = bare(&[
        "run", "--agent", "echo", "hi", "--print", "summary", "--speed", "50",
    ]);
    run.env(
        "NANONETS_API_KEY",
        access["api_key"].as_str().expect("a key"),
    );
    run.env(
        "NANONETS_BASE_URL",
        access["base_url"].as_str().expect("a URL"),
    );
    let ended = crate::common::end(run, "");
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "hi\n"),
        "{ended:?}"
    );
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
