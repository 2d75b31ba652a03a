//! What is listed of runs: events, usage; resuming; and every example of the help.

use serde_json::{Value, json};
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::common::{SPEED, World, bare, end};
use crate::exit_codes::check;

#[test]
fn events_are_tabs_for_pipes_and_lines_for_programs() {
    // More than a page of them.
    let scenario = Scenario::parse("[agent_harness]\nevent_page_size = 7").expect("valid");
    let world = World::of(Sim::builder().scenario(scenario), SPEED);
    let run = world.start_run(&json!({ "scenario": "long-stream", "events": 30 }));
    world.wait_until(&run, "succeeded");
    let listed = world.run(&["events", &run]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let numbers = |text: &str| -> Vec<u64> {
        text.lines()
            .map(|line| line.split('\t').next().expect("a cell"))
            .map(|seq| seq.parse().expect("a number"))
            .collect()
    };
    let all: Vec<u64> = (1..=34).collect();
    assert_eq!(numbers(&listed.stdout), all);
    assert!(listed.stdout.contains("\trun.worker.succeeded\t"));
    let rest = world.run(&["events", &run, "--after", "20"]);
    assert_eq!(numbers(&rest.stdout), all[20..]);
    let lines = world
        .run(&["events", &run, "--after", "33", "--json"])
        .lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (
            &lines[0]["type"],
            &lines[0]["seq"],
            &lines[0]["platform_data"]["type"]
        ),
        (
            &json!("task.event"),
            &json!(34),
            &json!("run.worker.succeeded")
        )
    );
    let full = world.run(&["result", &run, "--full"]);
    let full: Value = serde_json::from_str(&full.stdout).expect("JSON");
    assert_eq!(full.as_array().map(Vec::len), Some(34));
    assert_eq!(world.run(&["events", &run, "--after", "34"]).stdout, "");
    let nobody = ["events", "agent-harness:run_of_nobody"];
    assert_eq!(world.run(&nobody).code, 1);
}

#[test]
fn events_are_followed_to_the_end_and_nothing_is_answered() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let id = run
        .strip_prefix("agent-harness:")
        .expect("a run")
        .to_owned();
    let approve = || {
        world
            .sim
            .harness_dashboard(&id, taskward_sim::harness::DashboardAction::Approve)
    };
    let ended = std::thread::scope(|scope| {
        let followed = scope.spawn(|| world.fast(&["events", &run, "--follow", "--after", "12"]));
        world.wait_for_stream(&run);
        approve().expect("it waits");
        followed.join().expect("no panic")
    });
    assert_eq!(ended.code, 0, "{ended:?}");
    let kinds: Vec<&str> = ended
        .stdout
        .lines()
        .map(|line| line.split('\t').nth(2).expect("a type"))
        .collect();
    assert_eq!(
        kinds,
        [
            "run.awaiting_input",
            "step.progress",
            "step.done",
            "run.worker.succeeded"
        ]
    );
    let lines = world.fast(&["events", &run, "--follow", "--json"]);
    assert_eq!(lines.last()["status"], "succeeded");
    let bad = world.start_until("limit", "failed");
    check(
        &world,
        &["events", &bad, "--follow", "--speed", "20"],
        3,
        "task_failed",
    );
}

/// Rows: E27.
#[test]
fn a_stalled_run_is_told_and_resumed_only_when_it_is_asked_for() {
    let world = World::new();
    let run = world.start_until("stall", "stalled");
    let status = world.run(&["status", &run]);
    assert_eq!(status.code, 8, "{status:?}");
    status.says(&[&format!("taskward resume-run {run} --watch")]);
    let late = world.fast(&["watch", &run, "--timeout", "10s"]);
    assert_eq!(late.code, 124, "{late:?}");
    late.says(&["stalled", &format!("taskward resume-run {run} --watch")]);
    assert_eq!(world.sim.harness_stats().resumes, 0);
    let resumed = world.fast(&["resume-run", &run, "--watch"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert_eq!(
        resumed.stdout,
        "Working on the report. Back at work, and done.\n"
    );
    let again = ["resume-run", run.as_str()];
    check(&world, &again, 1, "api").says(&["run_not_stalled", "taskward status"]);
    let run = world.start_until("stall", "stalled");
    let lines = world.run(&["resume-run", &run, "--json"]);
    assert_eq!(lines.last()["status"], "resumed");
    assert_eq!(world.sim.harness_stats().resumes, 2);
}

#[test]
fn usage_is_a_table_and_its_range_is_checked_first() {
    let world = World::new();
    let run = world.start_run(&json!({ "scenario": "limit" }));
    world.wait_until(&run, "failed");
    let table = world.run(&["usage", "--granularity", "hour"]);
    assert_eq!(table.code, 0, "{table:?}");
    assert!(
        table
            .stdout
            .lines()
            .all(|line| line.split('\t').count() == 3)
    );
    table.says(&["totals: run.created 1"]);
    let filtered = world.run(&["usage", "--event-type", "run.created", "--start", "1d"]);
    assert_eq!(filtered.stdout.lines().count(), 1, "{filtered:?}");
    let none = world.run(&["usage", "--workspace", "nobody's"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""), "{none:?}");
    let line = &world.run(&["usage", "--json"]).lines()[0];
    assert_eq!(
        (
            &line["type"],
            &line["platform_data"]["totals"]["run.created"]
        ),
        (&json!("usage"), &json!(1))
    );
    let before = world.sim.requests().len();
    for args in [
        &["--start", "yesterday"][..],
        &["--start", "2026-03-01"],
        &["--end", "2026-03-01T00:00:00"],
        &[
            "--start",
            "2026-03-02T00:00:00Z",
            "--end",
            "2026-03-01T00:00:00Z",
        ],
        &["--granularity", "week"],
    ] {
        let ended = world.run(&[&["usage"], args].concat());
        assert_eq!(ended.code, 2, "{args:?}: {ended:?}");
    }
    assert_eq!(world.sim.requests().len(), before);
}

#[test]
fn several_runs_are_watched_at_once_under_their_names() {
    let world = World::new();
    let good = world.start_run(&json!({ "scenario": "long-stream", "events": 5 }));
    let bad = world.start_run(&json!({ "scenario": "limit" }));
    let ended = world.fast(&["watch", &good, &bad]);
    assert_eq!(ended.code, 3, "{ended:?}");
    ended.says(&[
        &format!("{good}  succeeded"),
        &format!("{bad}  said: Thinking about"),
        "exceeded a limit",
    ]);
}

/// The examples of a command's help page.
fn examples(command: &str) -> Vec<String> {
    let page = end(bare(&["help", command]), "").stdout;
    let start = page.find("Examples:").expect("examples");
    let lines = page[start..].lines().skip(1);
    lines
        .take_while(|line| line.starts_with("  "))
        .map(|line| line.trim().to_owned())
        .collect()
}

#[cfg(unix)]
#[test]
fn every_example_of_the_help_runs() {
    let world = World::of(Sim::builder(), 200);
    let dir = tempfile::tempdir().expect("dir");
    let data = json!({ "recipient": "a", "data": { "to": "b" } }).to_string();
    for name in ["data.json", "reply.json"] {
        std::fs::write(dir.path().join(name), &data).expect("write");
    }
    for (command, scenario, status) in [
        ("approve", "approve-email", "awaiting_input"),
        ("reject", "approve-email", "awaiting_input"),
        ("input", "needs-input", "awaiting_input"),
        ("events", "limit", "failed"),
        ("resume-run", "stall", "stalled"),
        ("usage", "limit", "failed"),
    ] {
        for example in examples(command) {
            let run = world.start_until(scenario, status);
            // A filter of JSON need not be installed.
            let example = example
                .replace("| jq .event.type", "")
                .replace("| jq .usage", "")
                .replace("jq .data reply.json", "cat data.json")
                // As fast as the simulator.
                .replace("--watch", "--watch --speed 200")
                .replace("--follow", "--follow --speed 200");
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &example]).current_dir(&dir);
            shell.env("run", &run);
            if status == "awaiting_input" {
                shell.env("q", world.question(&run));
            }
            for (name, value) in world.command(&[]).get_envs() {
                shell.env(name, value.expect("set"));
            }
            let ended = world.ended(shell, "");
            // Following the events of a run that failed ends as the run did.
            let code = if example.contains("--follow") { 3 } else { 0 };
            assert_eq!(ended.code, code, "{example}: {ended:?}");
        }
    }
    // The first of them has its own simulator, and nobody approves in the second.
    let runs = examples("run");
    let runs: Vec<&String> = runs
        .iter()
        .filter(|example| example.contains("agent-harness"))
        .collect();
    let codes: Vec<i32> = runs
        .iter()
        .map(|example| {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &format!("{example} --speed 200")]);
            for (name, value) in world.command(&[]).get_envs() {
                shell.env(name, value.expect("set"));
            }
            world.ended(shell, "").code
        })
        .collect();
    assert_eq!(codes, [0, 8], "{runs:?}");
}

#[test]
fn a_result_is_the_runs_own_read_when_its_events_cannot_be_read() {
    let world = World::new();
    let run = world.start_until("long-stream", "succeeded");
    let missing = Fault::Status {
        code: 404,
        retry_after: None,
        after_bytes: None,
    };
    world
        .sim
        .set_faults(vec![FaultRule::new(missing).on("events")]);
    for more in [&[][..], &["--print", "result"]] {
        let ended = world.run(&[&["result", &run], more].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.says(&["the events could not be read"]);
        assert_eq!(
            ended
                .stderr
                .lines()
                .filter(|line| line.contains("events"))
                .count(),
            1
        );
    }
    // The words stand in the events alone.
    let words = world.run(&["result", &run, "--print", "summary"]);
    assert_eq!(words.code, 1, "{words:?}");
    words.says(&["404"]);
}

#[test]
fn following_events_ends_at_its_time_limit_also_while_the_run_waits_for_a_human() {
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let ended = world.fast(&["events", &run, "--follow", "--timeout", "10s"]);
    assert_eq!(ended.code, 124, "{ended:?}");
    ended.says(&["timed out after ", &format!("taskward watch {run}")]);
}
