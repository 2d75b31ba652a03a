//! Exit codes and words of starts, questions, ends and deadlines that go wrong.

use serde_json::{Value, json};
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Fault, FaultRule, Scenario, Sim};

use crate::common::{Ended, SPEED, World};
use crate::exit_codes::check;

fn scripted(text: &str) -> World {
    let scenario = Scenario::parse(text).expect("a scenario");
    World::of(Sim::builder().scenario(scenario), SPEED)
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
        after_bytes: None,
    }
}

fn sent(world: &World, endpoint: &str) -> usize {
    let requests = world.sim.requests();
    let of = requests
        .iter()
        .filter(|request| request.endpoint == endpoint);
    of.count()
}

/// Rows: G2.
#[test]
fn a_run_whose_first_reply_is_lost_is_followed_to_its_end() {
    let world = World::new();
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 10 }).on("create_run");
    world.sim.set_faults(vec![lost.count(1)]);
    let ended = world.harness(&json!({ "scenario": "long-stream", "events": 5 }), &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let stats = world.sim.harness_stats();
    assert_eq!((stats.runs, stats.replays), (1, 1));
}

/// Rows: G7.
#[test]
fn a_key_whose_first_use_is_never_done_with_is_of_unknown_outcome() {
    let world = scripted("[agent_harness]\ncreate_in_progress_ms = 600000\n");
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("create_run");
    world.sim.set_faults(vec![lost.count(1)]);
    let ended = world.harness(&json!({ "goal": "x" }), &["--detach"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&["may have been started", "never makes two"]);
    assert_eq!(sent(&world, "create_run"), 4);
    assert_eq!(world.sim.harness_stats().runs, 1);
}

/// Rows: G13, J4.
#[test]
fn a_deadline_during_an_upload_does_not_hide_that_the_task_may_be_there() {
    let world = World::with_fault("run", Fault::Stall { after_bytes: None });
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("a.bin");
    std::fs::write(&path, vec![7; 100_000]).expect("write");
    let file = path.to_str().expect("text");
    let run = [
        "run",
        "--agent",
        "invoice",
        "--file",
        file,
        "--timeout",
        "2s",
    ];
    let ended = check(&world, &run, 5, "outcome_unknown");
    ended.says(&["may have been started", "taskward recover ", "intent "]);
    assert_eq!(sent(&world, "run"), 2, "one for each command");
}

/// Rows: H1.
#[test]
fn a_message_that_never_arrived_is_of_unknown_outcome_and_not_sent_again() {
    let world = World::new();
    let task = world.start("asker");
    assert_eq!(world.fast(&["watch", &task]).code, 8);
    let lost = FaultRule::new(Fault::CloseBeforeHead).on("message");
    world.sim.set_faults(vec![lost]);
    let ended = world.fast(&["reply", &task, "EUR"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    ended.says(&[
        "may or may not have arrived",
        "It was not sent again",
        &format!("taskward messages {task}"),
    ]);
    assert_eq!(sent(&world, "message"), 1);
    assert_eq!(world.sim.stats().questions[0].answers, 0);
}

/// Rows: H8.
#[test]
fn an_answer_that_no_agent_takes_is_refused_before_anything_is_sent() {
    let world = World::new();
    let task = world.start("asker");
    assert_eq!(world.fast(&["watch", &task]).code, 8);
    let before = world.sim.requests().len();
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("long.txt");
    let long = "long ".repeat(2_000_000);
    std::fs::write(&path, &long).expect("write");
    let at = format!("@{}", path.display());
    let refused = |ended: Ended, word: &str| {
        assert_eq!(ended.code, 2, "{ended:?}");
        ended.says(&[word]);
        assert!(ended.stderr.len() < 2000, "it is not printed");
    };
    refused(world.run(&["reply", &task, ""]), "empty");
    refused(world.run_with(&["reply", &task, "-"], " \n\t\n"), "empty");
    refused(world.run_with(&["reply", &task, "-"], &long), "262144");
    refused(world.run(&["watch", &task, "--answer", &at]), "262144");
    refused(world.run(&["watch", &task, "--answer", " "]), "empty");
    assert_eq!(world.sim.requests().len(), before);
    // What can be said is said as it is, whatever is in it; and nothing of it steers the terminal.
    let odd = "a\0b \u{1b}[2J c\r\n\td";
    let ended = world.run_with(&["reply", &task, "-", "--speed", "20"], odd);
    assert_eq!(ended.code, 0, "{ended:?}");
    let said = world.run(&["messages", &task, "--json"]).lines();
    let ours = said.iter().filter(|line| line["text"] == odd);
    assert_eq!(ours.count(), 1, "{said:#?}");
}

const SILENT: &str = r#"
    [[agent]]
    name = "silent"
    steps = [
        { status = "waiting_for_input", for = "3600s" },
        { complete = { summary = "Done." } },
    ]
"#;

/// Rows: H9, H10.
#[test]
fn a_question_without_words_says_so() {
    let world = scripted(SILENT);
    let speed = SPEED.to_string();
    let run = ["run", "--agent", "silent", "hi", "--speed", &speed];
    let ended = check(&world, &run, 8, "waiting");
    ended.says(&["The agent asked and sent no text.", "taskward reply"]);
    assert_eq!(sent(&world, "messages"), 6, "three looks for each command");
}

#[cfg(unix)]
/// Rows: H15.
#[test]
fn an_answer_that_comes_after_somebody_elses_is_dropped_and_the_task_goes_on() {
    let world = World::new();
    let command = r#"task=$(sed -n 's/.*"task":"\([^"]*\)".*/\1/p')
        taskward reply "$task" YEN --speed 20 >/dev/null 2>&1; echo EUR"#;
    let ended = world.fast(&["run", "--agent", "asker", "5", "--on-question", command]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let data: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(data["answer"], "YEN", "{ended:?}");
    assert_eq!(world.sim.stats().questions[0].answers, 1);
}

/// Rows: I3.
#[test]
fn a_cancel_of_somebody_elses_task_and_of_none_are_told_alike_but_for_their_code() {
    let world = World::new();
    let (_, foreign) = world.sim.foreign_ids();
    let words = |id: &str, code: i32| {
        let cancel = ["cancel", id, "--yes"];
        let ended = check(&world, &cancel, code, "refused");
        ended.says(&["the server did not cancel the task"]);
        // But for the id, the server's own words and the page that tells more.
        let mut lines = ended.stderr.lines().map(str::to_owned).collect::<Vec<_>>();
        let own = ["the server answered", "  see: ", id];
        lines.retain(|line| !own.iter().any(|own| line.contains(own)));
        lines
    };
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(words(&foreign, 4), words(unknown, 1));
    assert_eq!(sent(&world, "cancel"), 4);
}

/// Rows: I4.
#[test]
fn a_cancel_that_takes_a_minute_is_waited_for_and_says_so() {
    let world = scripted("[switches]\ncancel_delay_ms = 60000\n");
    let task = world.start("slow");
    let ended = world.fast(&["cancel", &task, "--yes"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "stopped\n"));
    ended.says(&["stopping; the current step finishes first"]);
    assert_eq!(sent(&world, "cancel"), 1);
}

/// Rows: I5.
#[test]
fn a_task_that_somebody_else_stopped_says_that_it_was_not_this_command() {
    let world = World::new();
    let speed = SPEED.to_string();
    let task = world.start("slow");
    let id = task.trim_start_matches("nanonets:");
    world
        .sim
        .dashboard(id, DashboardAction::Stop)
        .expect("it runs");
    let watch = ["watch", &task, "--speed", &speed];
    check(&world, &watch, 3, "task_stopped").says(&["not by this command"]);
}

/// Rows: I8.
#[test]
fn a_task_that_vanishes_while_it_is_watched_is_gone() {
    for code in [404, 410] {
        let world = World::new();
        let task = world.start("slow");
        let rule = FaultRule::new(status(code)).on("status").after(3);
        world.sim.set_faults(vec![rule]);
        let ended = world.fast(&["watch", &task]);
        assert_eq!(ended.code, 1, "{ended:?}");
        ended.says(&["the server does not know this task", &code.to_string()]);
        assert_eq!(
            sent(&world, "status"),
            6,
            "three reads, and three that say so"
        );
    }
}

/// Rows: I9.
#[test]
fn a_completed_task_whose_answer_cannot_be_read_is_for_later() {
    for code in [404, 409, 500] {
        // The patience for an answer is waited out.
        let world = World::of(Sim::builder(), 100);
        let rule = FaultRule::new(status(code)).on("summary");
        world.sim.set_faults(vec![rule]);
        let run = ["run", "--agent", "echo", "hi", "--speed", "100"];
        let ended = check(&world, &run, 75, "result_unavailable");
        ended.says(&["the task completed", "taskward result nanonets:"]);
        world.sim.set_faults(Vec::new());
        let later = ended.printed("later");
        let task = later.split_whitespace().last().expect("a task");
        let found = world.run(&["result", task]);
        assert_eq!(found.code, 0, "{found:?}");
        assert!(found.stdout.contains("\"query\": \"hi\""), "{found:?}");
    }
}

/// Rows: J3.
#[test]
fn a_deadline_during_a_poll_tells_the_last_status_and_the_task() {
    let world = World::new();
    let task = world.start("slow");
    let rule = FaultRule::new(Fault::Stall { after_bytes: None })
        .on("status")
        .after(1);
    world.sim.set_faults(vec![rule]);
    let ended = world.run(&["watch", &task, "--timeout", "3s"]);
    assert_eq!(ended.code, 124, "{ended:?}");
    ended.says(&[
        "The task was running",
        "Nothing was done to the task.",
        &format!("taskward watch {task}"),
        &format!("taskward cancel {task}"),
    ]);
    assert_eq!(sent(&world, "cancel"), 0);
}

/// Rows: J6.
#[test]
fn a_deadline_beyond_all_measure_is_none() {
    let world = World::new();
    for longest in ["18446744073709551615", "18446744073709551615s", "0"] {
        let ended = world.fast(&["run", "--agent", "echo", "hi", "--timeout", longest]);
        assert_eq!(ended.code, 0, "{longest}: {ended:?}");
        let limits = ["--timeout", longest, "--answer-timeout", longest];
        let ended = world.harness(&json!({ "scenario": "long-stream", "events": 5 }), &limits);
        assert_eq!(ended.code, 0, "{longest}: {ended:?}");
    }
}
