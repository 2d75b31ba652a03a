//! What is said to a task is said once, whoever else says something and however the command before ended.
#![cfg(unix)]

use std::process::Child;

use taskward_sim::{Fault, FaultRule, Span};

use crate::common::World;
use crate::recover::{spawn, until_seen};

/// A reply that takes longer than any test.
const SLOW: Fault = Fault::Latency {
    span: Span(3_600_000),
};

impl World {
    fn messages(&self) -> usize {
        let requests = self.sim.requests();
        let messages = requests.iter().filter(|one| one.endpoint == "message");
        messages.count()
    }

    /// A reply whose request the server has, and whose reply does not come.
    fn replying(&self, task: &str, text: &str, fault: Fault) -> Child {
        let before = self.messages();
        self.sim
            .set_faults(vec![FaultRule::new(fault).on("message")]);
        let child = spawn(self.command(&["reply", task, text]));
        until_seen(self, "message", before);
        child
    }

    /// The same, killed then.
    pub(crate) fn killed_reply(&self, task: &str, text: &str, fault: Fault) {
        let mut child = self.replying(task, text, fault);
        child.kill().expect("killed");
        child.wait().expect("ends");
        self.sim.set_faults(Vec::new());
    }
}

#[test]
fn of_two_replies_at_once_the_second_sends_nothing() {
    let world = World::new();
    let task = world.start_asker();
    world.show(&task);
    let mut first = world.replying(&task, "EUR", SLOW);
    for more in [&[][..], &["--watch"], &["--force-new"]] {
        let second = world.fast(&[&["reply", &task, "USD"], more].concat());
        assert_eq!(second.code, 1, "{second:?}");
        second.says(&[
            "another process is answering this task",
            "Nothing was sent.",
            &format!("later: taskward reply {task} USD"),
        ]);
    }
    let second = world.fast(&["reply", &task, "USD", "--json"]);
    assert_eq!(second.last()["code"], "claimed", "{second:?}");
    assert_eq!(world.messages(), 1);
    first.kill().expect("killed");
    first.wait().expect("ends");
}

#[test]
fn whoever_watches_says_nothing_without_a_key_while_another_process_does() {
    let world = World::new();
    let task = world.start_asker();
    let stall = FaultRule::new(Fault::Stall { after_bytes: None }).on("message");
    world.sim.set_faults(vec![stall]);
    let mut first = spawn(world.command(&["watch", &task, "--answer", "EUR"]));
    until_seen(&world, "message", 0);
    let second = world.fast(&["watch", &task, "--answer", "USD"]);
    assert_eq!(second.code, 5, "{second:?}");
    second.says(&["something was sent to this task from here before"]);
    let third = world.fast(&["reply", &task, "USD"]);
    assert_eq!(third.code, 1, "{third:?}");
    third.says(&[
        "another process is answering this task",
        "Nothing was sent.",
    ]);
    assert_eq!(world.messages(), 1);
    first.kill().expect("killed");
    first.wait().expect("ends");
}

#[test]
fn a_message_that_arrived_before_its_command_was_killed_is_not_sent_again() {
    let world = World::new();
    for more in [&[][..], &["--watch"]] {
        let task = world.start_asker();
        world.show(&task);
        let before = world.messages();
        world.killed_reply(&task, "EUR", SLOW);
        let again = world.fast(&[&["reply", &task, "EUR"], more].concat());
        assert_eq!(again.code, 0, "{again:?}");
        again.says(&[
            "the answer that was sent from here before (\"EUR\") was delivered\n",
            "already answered: EUR; nothing was sent again\n",
        ]);
        assert_eq!(world.messages(), before + 1);
    }
}

#[test]
fn another_answer_than_the_one_that_arrived_is_told_and_not_sent() {
    let world = World::new();
    let task = world.start_asker();
    world.show(&task);
    let question = world.question(&task);
    world.killed_reply(&task, "EUR", SLOW);
    for named in [&[][..], &["--question", &question]] {
        let other = world.fast(&[&["reply", &task, "USD"], named].concat());
        assert_eq!(other.code, 1, "{other:?}");
        if !named.is_empty() {
            other.says(&[
                "already answered from here, with another answer",
                "It was: EUR",
            ]);
        }
    }
    assert_eq!(world.messages(), 1);
}

#[test]
fn an_answer_of_unknown_outcome_is_sent_again_only_when_that_is_said() {
    let world = World::new();
    let task = world.start_asker();
    world.show(&task);
    let question = world.question(&task);
    world.killed_reply(&task, "EUR", Fault::Stall { after_bytes: None });
    for named in [&[][..], &[], &["--question", &question]] {
        let again = world.fast(&[&["reply", &task, "EUR"], named].concat());
        assert_eq!(again.code, 5, "{again:?}");
        again.says(&[
            "may or may not have arrived",
            "Nothing was sent now.",
            &format!("taskward reply --question {question} --force-new {task} EUR"),
        ]);
        assert!(!again.stderr.contains("already answered"), "{again:?}");
    }
    assert_eq!(world.messages(), 1);
    let forced = [
        "reply",
        &task,
        "EUR",
        "--question",
        &question,
        "--force-new",
    ];
    let forced = world.fast(&forced);
    assert_eq!((forced.code, world.messages()), (0, 2), "{forced:?}");
    // That one is known to have arrived.
    let again = world.fast(&["reply", &task, "EUR", "--question", &question]);
    assert_eq!((again.code, world.messages()), (0, 2), "{again:?}");
    again.says(&["already answered: EUR"]);
}

#[test]
fn a_watch_says_whose_answer_was_delivered() {
    let world = World::new();
    let task = world.start_asker();
    world.show(&task);
    world.killed_reply(&task, "EUR", SLOW);
    let ended = world.fast(&["watch", &task, "--answer", "USD"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.says(&[
        "--answer is for later questions",
        "the answer that was sent from here before (\"EUR\") was delivered",
    ]);
    assert!(ended.stdout.contains("EUR"), "{ended:?}");
    assert_eq!(world.messages(), 1);
}

#[test]
fn recover_of_a_start_whose_task_is_known_makes_nothing_up() {
    use crate::recover::{HARNESS, intent};
    let world = World::new();
    let run = world.start_until("approve-email", "awaiting_input");
    let name = intent(&world);
    let found = world.run(&["recover", &name]);
    assert_eq!(found.stdout, format!("{run}\n"));
    found.says(&[&format!("follow: taskward watch {run}\n")]);
    let found = world.run(&["recover", &name, "--json"]);
    let lines = found.lines();
    assert_eq!(lines.len(), 1, "{found:?}");
    assert_eq!(lines[0]["status"], "unknown");
    assert_eq!(HARNESS.made(&world), 1);
    let wrong = world.run(&["recover", &name, "--adopt", &run]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    wrong.says(&["a task is named by --adopt=TASK"]);
}

#[test]
fn a_watch_of_the_last_task_passes_over_no_start_of_unknown_outcome() {
    use crate::recover::{HARNESS, NANONETS, intent};
    for start in [NANONETS, HARNESS] {
        let world = World::new();
        start.lose(&world);
        let name = intent(&world);
        let recover = format!("taskward recover {name}");
        let none = world.fast(&["watch", "--last"]);
        assert_eq!(none.code, 5, "{none:?}");
        none.says(&[&recover]);
    }
    let world = World::new();
    let old = world.start_until("approve-email", "awaiting_input");
    HARNESS.lose(&world);
    let before = world.sim.requests().len();
    let last = world.fast(&["watch", "--last", "--on-approval", "approve", "--json"]);
    assert_eq!(last.code, 5, "{last:?}");
    let end = last.last();
    assert_eq!(end["code"], "outcome_unknown");
    let name = end["intent_id"].as_str().expect("a name");
    assert_eq!(last.next_command(0), ["recover", name]);
    assert_eq!(world.sim.requests().len(), before);
    assert!(!last.stdout.contains(&old), "{last:?}");
}
