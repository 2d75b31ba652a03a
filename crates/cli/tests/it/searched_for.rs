//! Whose task is one that `recover` finds, and what it says of those that it could not compare.
#![cfg(unix)]

use std::time::Instant;

use taskward::Snapshot;
use taskward::core::Journal as _;
use taskward_sim::{Fault, FaultRule, Span};

use crate::common::World;
use crate::recover::{GUARD, HARNESS, NANONETS, elsewhere, intent, kept, spawn, task};

/// Rows: G14.
#[test]
fn of_several_tasks_the_one_that_is_named_is_adopted() {
    let world = World::new();
    NANONETS.lose(&world);
    let (name, other) = (intent(&world), elsewhere(&world));
    let several = world.fast(&["recover", "--adopt"]);
    assert_eq!(several.code, 5, "{several:?}");
    several.says(&["2 tasks may be the one", "none was adopted"]);
    let adopt = several.printed("adopt");
    assert!(adopt.starts_with(&format!("taskward recover {name} --adopt=nanonets:")));
    let unknown = world.fast(&["recover", "--adopt=nanonets:t1"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    unknown.says(&["nanonets:t1 is none of the tasks", "Nothing was adopted."]);
    let foreign = world.fast(&["recover", "--adopt=agent-harness:t1"]);
    assert_eq!(foreign.code, 2, "{foreign:?}");
    let named = world.fast(&["recover", &format!("--adopt={other}")]);
    assert_eq!(task(&named), other);
    named.says(&[&format!("adopted: {name} is {other}")]);
    world.run(&["recover"]).says(&["Nothing to recover"]);
    let last = world.fast(&["watch", "--last"]);
    assert_eq!(last.code, 0, "{last:?}");
    last.says(&[&format!("task {other}")]);
    assert_eq!(world.sim.stats().starts, 2);
}

#[test]
fn a_start_under_a_key_takes_no_task_by_name() {
    let world = World::new();
    HARNESS.lose(&world);
    let before = world.sim.requests().len();
    let named = world.fast(&["recover", "--adopt=agent-harness:r1"]);
    assert_eq!(named.code, 2, "{named:?}");
    named.says(&["no task can be named", "Nothing was sent."]);
    assert_eq!(world.sim.requests().len(), before);
}

#[test]
fn the_task_of_another_start_is_not_taken_for_the_one_that_is_searched_for() {
    let world = World::new();
    let cut = FaultRule::new(Fault::CloseBeforeHead).on("run");
    world.sim.set_faults(vec![cut]);
    assert_eq!(world.fast(NANONETS.args).code, 5);
    world.sim.set_faults(Vec::new());
    let name = intent(&world);
    let fresh = task(&world.fast(&[NANONETS.args, &["--force-new", "--detach"]].concat()));
    let none = world.fast(&["recover", &name, "--adopt"]);
    assert_eq!(none.code, 5, "{none:?}");
    none.says(&[
        "it was probably never made",
        "1 more is already known as the task of another start.",
    ]);
    let named = world.fast(&["recover", &name, &format!("--adopt={fresh}")]);
    assert_eq!(named.code, 2, "{named:?}");
    named.says(&[&format!(
        "{fresh} is already known as the task of another start"
    )]);
    assert_eq!(world.sim.stats().starts, 1);
}

#[test]
fn of_two_lost_starts_of_the_same_each_gets_a_task_of_its_own() {
    let world = World::new();
    NANONETS.lose(&world);
    let first = intent(&world);
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run");
    world.sim.set_faults(vec![lost]);
    let second = world.fast(&[NANONETS.args, &["--force-new"]].concat());
    assert_eq!(second.code, 5, "{second:?}");
    world.sim.set_faults(Vec::new());
    let several = world.fast(&["recover", &first]);
    several.says(&["2 tasks may be the one"]);
    let one = several.printed("adopt");
    let one = one.split_once("--adopt=").expect("a task").1;
    let one = one.split(' ').next().expect("a task");
    let adopted = world.fast(&["recover", &first, &format!("--adopt={one}")]);
    assert_eq!(task(&adopted), one);
    // The only one that is left.
    let other = world.fast(&["recover", "--adopt"]);
    other.says(&["1 more is already known as the task of another start."]);
    assert_ne!(task(&other), one);
    world.run(&["recover"]).says(&["Nothing to recover"]);
    assert_eq!(world.sim.stats().starts, 2);
}

#[test]
fn a_task_that_another_process_may_be_making_now_is_not_taken() {
    let world = World::new();
    NANONETS.kill(&world, Fault::Stall { after_bytes: None });
    let name = intent(&world);
    let slow = FaultRule::new(Fault::Latency {
        span: Span(3_600_000),
    })
    .on("run");
    world.sim.set_faults(vec![slow]);
    let mut child = spawn(world.command(&[NANONETS.args, &["--force-new"]].concat()));
    let end = Instant::now() + GUARD;
    while NANONETS.made(&world) == 0 {
        assert!(Instant::now() < end, "no task was made");
        std::thread::yield_now();
    }
    let found = world.fast(&["recover", &name, "--adopt"]);
    assert_eq!(found.code, 5, "{found:?}");
    found.says(&[
        "one task may be the one of this start; it was not adopted",
        "Another process makes the same start now",
    ]);
    child.kill().expect("killed");
    child.wait().expect("ends");
    // Nobody is at work on it any more, and one of the two starts made it.
    task(&world.fast(&["recover", &name, "--adopt"]));
}

#[test]
fn what_was_not_compared_is_not_adopted_before_it_is_named() {
    let world = World::new();
    NANONETS.lose(&world);
    let name = intent(&world);
    let gone = Fault::Status {
        code: 403,
        retry_after: None,
        after_bytes: None,
    };
    world
        .sim
        .set_faults(vec![FaultRule::new(gone).on("messages")]);
    for args in [&["recover"][..], &["recover", "--adopt"]] {
        let found = world.fast(args);
        assert_eq!(found.code, 5, "{found:?}");
        found.says(&[
            "one task may be the one of this start; it was not adopted",
            "What was said in 1 of them was not compared.",
        ]);
        assert!(found.stdout.contains("cannot be read"), "{found:?}");
        for word in ["never made", "--force-new", "cannot be compared"] {
            assert!(!found.stderr.contains(word), "{found:?}");
        }
    }
    let lines = world.fast(&["recover", "--json"]).lines();
    let [found, search, _] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        (&found["compared"], &search["complete"], &search["seen"]),
        (&"unreadable".into(), &false.into(), &1.into())
    );
    let named = format!("--adopt={}", found["task"].as_str().expect("a task"));
    task(&world.fast(&["recover", &name, &named]));
    world.run(&["recover"]).says(&["Nothing to recover"]);
}

/// The journal as the program would have written it by a clock that was ahead by so much.
fn set_clock(world: &World, ahead: i64) {
    let journal = kept(world);
    let entry = journal.find(&intent(world)).expect("a start");
    let mut kept = serde_json::to_value(&entry.snapshot).expect("JSON");
    for name in ["begun_at", "ended_at"] {
        let at = kept["start"][name].as_i64().expect("a time");
        kept["start"][name] = (at + ahead).into();
    }
    let kept: Snapshot = serde_json::from_value(kept).expect("a snapshot");
    journal.record(&kept).expect("kept");
}

/// Rows: G15.
#[test]
fn a_task_that_was_made_by_another_clock_is_found_and_told_as_that() {
    for ahead in [-600_000, 600_000, 10_800_000] {
        let world = World::new();
        NANONETS.lose(&world);
        set_clock(&world, ahead);
        let found = world.fast(&["recover", "--adopt"]);
        assert_eq!(found.code, 5, "{ahead}: {found:?}");
        found.says(&["one task may be the one", "clock", "it was not adopted"]);
        assert!(
            found.stdout.contains("the same, at another time"),
            "{found:?}"
        );
        let adopt = found.printed("adopt");
        let words = adopt.split_once("  ").map_or(adopt.as_str(), |line| line.0);
        let words: Vec<&str> = words.split(' ').skip(1).collect();
        task(&world.fast(&words));
        world.run(&["recover"]).says(&["Nothing to recover"]);
    }
    // Nothing was made, and the clock ran back: nobody knows by how much it was wrong.
    let world = World::new();
    let cut = FaultRule::new(Fault::CloseBeforeHead).on("run");
    world.sim.set_faults(vec![cut]);
    assert_eq!(world.fast(NANONETS.args).code, 5);
    world.sim.set_faults(Vec::new());
    set_clock(&world, 10_800_000);
    let none = world.fast(&["recover"]);
    assert_eq!(none.code, 5, "{none:?}");
    none.says(&[
        "no task of this start was found",
        "The list had no task of its agent made since",
        "shows an earlier time than when the start began",
        "taskward ls --agent",
    ]);
    for word in ["never made", "--force-new"] {
        assert!(!none.stderr.contains(word), "{none:?}");
    }
}

#[test]
fn commands_that_are_printed_find_the_same_key() {
    let world = World::new();
    NANONETS.lose(&world);
    let name = intent(&world);
    HARNESS.lose(&world);
    let key = world.state.path().join("key file");
    std::fs::write(&key, world.sim.nanonets().api_key).expect("written");
    let flag = format!("--key-file '{}'", key.display());
    let key = key.to_str().expect("text");
    let several = world.run(&["recover", "--key-file", key]);
    assert_eq!(several.code, 5, "{several:?}");
    assert_eq!(several.stderr.matches(&flag).count(), 2, "{several:?}");
    let journal = kept(&world);
    let entry = journal.find(&name).expect("a start");
    let claim = journal.claim(&entry.id).expect("a claim");
    let claimed = world.fast(&["recover", &name, "--key-file", key]);
    assert_eq!(claimed.code, 1, "{claimed:?}");
    claimed.says(&[&format!("taskward recover {name} {flag}")]);
    drop(claim);
    let found = world.fast(&["recover", &name, "--key-file", key]);
    assert_eq!(found.code, 0, "{found:?}");
    assert_eq!(found.stderr.matches(&flag).count(), 2, "{found:?}");
}
