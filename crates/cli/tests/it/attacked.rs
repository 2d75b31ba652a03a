//! What a hostile server or the worst moment can do to a command, and what it still has to say.

use taskward_sim::{Fault, FaultRule};

use crate::common::{SPEED, World};

fn rule(endpoint: &str, fault: Fault) -> FaultRule {
    FaultRule::new(fault).on(endpoint)
}

/// A task that waits for an answer.
fn asking() -> (World, String) {
    let world = World::new();
    let task = world.start("asker");
    assert_eq!(world.fast(&["watch", &task]).code, 8);
    (world, task)
}

/// What may have been sent is neither confirmed nor denied: after this no look works.
fn cut_off(fault: Fault) -> Vec<FaultRule> {
    vec![
        rule("message", fault),
        rule("status", Fault::Reset).after(2),
        rule("messages", Fault::Reset).after(2),
    ]
}

/// Rows: H1.
#[test]
fn a_reply_that_may_have_arrived_is_of_unknown_outcome_however_late_it_is() {
    for fault in [Fault::LostReplyAfterApply(0), Fault::Reset] {
        let (world, task) = asking();
        world.sim.set_faults(vec![
            rule("message", fault.clone()),
            rule("status", Fault::Reset).after(1),
            rule("messages", Fault::Reset).after(1),
        ]);
        let speed = SPEED.to_string();
        let reply = ["reply", &task, "EUR", "--timeout", "20s", "--speed", &speed];
        let ended = world.run(&reply);
        assert_eq!(ended.code, 5, "{fault:?}: {ended:?}");
        ended.says(&[
            "the message may or may not have arrived",
            "It was not sent again",
            &format!("taskward messages {task}"),
            &format!("task {task}"),
        ]);
        world.sim.set_faults(vec![
            rule("message", fault.clone()),
            rule("status", Fault::Reset).after(1),
            rule("messages", Fault::Reset).after(1),
        ]);
        let last = world.run(&[&reply[..], &["--json"]].concat()).last();
        assert_eq!(last["code"], "outcome_unknown", "{fault:?}: {last}");
        assert_eq!(last["task"], task.as_str());
    }
}

/// Rows: H1.
#[test]
fn an_answer_that_may_have_arrived_is_of_unknown_outcome_however_late_it_is() {
    for fault in [Fault::LostReplyAfterApply(0), Fault::Reset] {
        for json in [false, true] {
            let world = World::new();
            world.sim.set_faults(cut_off(fault.clone()));
            let run = ["run", "--agent", "asker", "hi", "--answer", "EUR"];
            let late = ["--timeout", "20s", "--answer-timeout", "20s"];
            let json: &[&str] = if json { &["--json"] } else { &[] };
            let ended = world.fast(&[&run, &late[..], json].concat());
            assert_eq!(ended.code, 5, "{fault:?}: {ended:?}");
            match json {
                [] => ended.says(&[
                    "the answer may or may not have arrived",
                    "taskward messages",
                ]),
                _ => assert_eq!(ended.last()["code"], "outcome_unknown"),
            }
        }
    }
}

#[test]
fn an_answer_and_a_message_that_never_left_are_told_not_sent_at_the_deadline() {
    let world = World::new();
    world
        .sim
        .set_faults(vec![rule("messages", Fault::Reset).after(1)]);
    let run = ["run", "--agent", "asker", "hi", "--answer", "EUR"];
    let ended = world.fast(&[&run[..], &["--answer-timeout", "20s"]].concat());
    assert_eq!(ended.code, 124, "{ended:?}");
    ended.says(&["The answer was not sent."]);
    assert!(!ended.stderr.contains("nobody answered"), "{ended:?}");
}
