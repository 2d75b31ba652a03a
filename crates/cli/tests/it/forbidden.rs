//! A key that is not allowed to do something is exit 4, whatever was asked for.

use taskward_sim::{Fault, FaultRule};

use crate::common::World;

const TASK: &str = "nanonets:8c1e0a4e-0000-4000-8000-000000000007";
const RUN: &str = "agent-harness:run_7";
const AGENT: &str = "00000000-0000-4000-8000-000000000001";
const HARNESS: &[&str] = &["--provider", "agent-harness"];
const QUESTION: &[&str] = &["--question", "q_0123456789abcdef"];
const FORBIDDEN: Fault = Fault::Status {
    code: 403,
    retry_after: None,
    after_bytes: None,
};

/// Rows: B31.
#[test]
fn a_403_is_exit_4_whatever_command_gets_it() {
    let world = World::new();
    world.sim.set_faults(vec![FaultRule::new(FORBIDDEN)]);
    let mut all: Vec<Vec<&str>> = Vec::new();
    for task in [TASK, RUN] {
        all.extend(["status", "result", "watch"].map(|name| vec![name, task]));
    }
    all.push(vec!["messages", TASK]);
    all.push(vec!["cancel", TASK, "--yes"]);
    all.push([&["reply", TASK, "EUR"], QUESTION].concat());
    all.push(vec!["events", RUN]);
    all.push(vec!["resume-run", RUN]);
    all.push([&["approve", RUN], QUESTION].concat());
    all.push([&["reject", RUN], QUESTION].concat());
    all.push([&["input", RUN, "a=1"], QUESTION].concat());
    all.push(vec!["send", TASK, "more"]);
    all.push(vec!["send", TASK, "more", "--continue"]);
    all.push(vec!["run", "--agent", AGENT, "hello"]);
    all.push(vec!["run", "--agent", "invoice", "hello"]);
    all.push([&["run", "Write."], HARNESS].concat());
    all.push(vec!["ls"]);
    all.push([&["usage"], HARNESS].concat());
    for agents in [
        &["list"][..],
        &["show", AGENT],
        &["versions", AGENT],
        &["publish", AGENT],
        &["create", "--name", "n"],
        &["update", AGENT, "--name", "n"],
    ] {
        all.push([&["agents"], agents].concat());
    }
    all.push(vec!["api", "GET", "/agents"]);
    all.push([&["api", "GET", "/runs/run_7"], HARNESS].concat());
    let mut wrong = Vec::new();
    for args in &all {
        let ended = world.run(args);
        if ended.code != 4 {
            wrong.push(format!("{args:?}: {} {}", ended.code, ended.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows: B31.
#[test]
fn a_403_to_the_write_itself_is_exit_4_where_the_reads_before_it_are_allowed() {
    let world = World::new();
    let asker = world.start_asker();
    let asked = world.question(&asker);
    let run = world.start_until("approve-email", "awaiting_input");
    let approval = world.question(&run);
    let stalled = world.start_until("stall", "stalled");
    let slow = world.start("slow");
    world
        .sim
        .set_faults(vec![FaultRule::new(FORBIDDEN).method("POST")]);
    for args in [
        &["reply", &asker, "EUR", "--question", &asked][..],
        &["send", &slow, "more"],
        &["cancel", &slow, "--yes"],
        &["approve", &run, "--question", &approval],
        &["reject", &run, "--question", &approval],
        &["resume-run", &stalled],
        &["run", "--agent", "invoice", "hello", "--detach"],
        &["run", "--provider", "agent-harness", "Write.", "--detach"],
        &["agents", "create", "--name", "n"],
    ] {
        let ended = world.run(args);
        assert_eq!(ended.code, 4, "{args:?}: {ended:?}");
    }
}
