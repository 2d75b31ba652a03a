//! Answers and messages that are on their way when the watch ends, in virtual time against a toy server.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, outcome, policy, seed};
use taskward_core::{OnDetach, Policy, RequestPurpose, Task, TaskId};

/// A minute for the agent and a minute for the human.
fn minute() -> Policy {
    let mut policy = policy();
    policy.work = Some(Duration::from_secs(60));
    policy.human = Some(Duration::from_secs(60));
    policy
}

/// A task that asks; what is said to it meets `fault`, and after that no look works.
fn cut_off(fault: Fault) -> World {
    let mut said = false;
    World::new(&[Ask("which?"), Work(500), Complete("42")])
        .answers(&["this"])
        .faults(move |_, _, path| {
            if path.ends_with("/say") {
                said = true;
                return fault;
            }
            if said { Fault::Refused } else { Fault::None }
        })
}

/// Rows: H1.
#[test]
fn an_answer_that_may_have_arrived_is_told_so_when_the_deadline_ends_the_watch() {
    for fault in [
        Fault::LostReply,
        Fault::LostRequest,
        Fault::TimedOut,
        Fault::StatusAfter(502),
    ] {
        let mut world = cut_off(fault);
        let task = world.start_with::<false, false>(minute());
        assert_eq!(world.drive(task), Ended::Left("answer unknown".into()));
        assert_eq!(world.count("answered m1 Unknown"), 1, "{fault:?}");
        let mut keyed = cut_off(fault);
        let task = keyed.start_with::<true, false>(minute());
        assert_eq!(keyed.drive(task), Ended::Left("answer unknown".into()));
        assert_eq!(keyed.count("answered m1 Unknown"), 1, "{fault:?}");
    }
}

/// Rows: H1.
#[test]
fn a_message_that_may_have_arrived_ends_its_turn_unknown_and_not_late() {
    for fault in [
        Fault::LostReply,
        Fault::LostRequest,
        Fault::StatusAfter(502),
    ] {
        let mut world = cut_off(fault);
        world.server = world.server.clone().begun(0);
        let task = Task::<Toy<false, false>>::continue_with(
            Toy,
            TaskId::new("t1"),
            "this".into(),
            minute(),
            seed(),
            at(0),
        );
        let ended = world.drive(task.expect("a turn"));
        assert_eq!(ended, outcome("unknown likely=false"), "{fault:?}");
        assert_eq!(world.count("Unknown"), 1, "{fault:?}");
    }
}

#[test]
fn a_message_beside_the_watch_that_may_have_arrived_is_told_so_at_the_deadline() {
    for how in [
        OnDetach::Detach,
        OnDetach::Cancel {
            within: Duration::from_secs(10),
        },
    ] {
        let mut policy = minute();
        policy.on_deadline = how;
        let mut world = cut_off(Fault::LostReply).action(5000, UserAction::Message("more"));
        world.server = World::new(&[Work(600_000)]).server;
        let task = world.start_with::<false, false>(policy);
        let Ended::Outcome(ended) = world.drive(task) else {
            panic!("{:#?}", world.trace);
        };
        assert!(ended.starts_with("deadline Working"), "{ended}");
        assert_eq!(world.count("sent 1 Unknown"), 1, "{:#?}", world.trace);
    }
}

#[test]
fn an_answer_that_surely_never_left_is_told_not_sent_at_the_deadline() {
    let mut world = cut_off(Fault::Refused);
    let task = world.start_with::<false, false>(minute());
    // The human had answered at once: it is the agent's time that ran out.
    assert_eq!(world.drive(task), outcome("deadline Working waiting"));
    assert_eq!(world.count("answered m1 NotSent"), 1, "{:#?}", world.trace);
    assert_eq!(world.server.said, Vec::<String>::new());
}

/// The question is open again then, and the time of the human does not begin with that: neither now nor for a process
/// that goes on from what this one stored.
///
/// Rows: J10.
#[test]
fn a_deadline_that_takes_back_an_answer_gives_nobody_more_time() {
    let mut policy = minute();
    policy.human = Some(Duration::from_secs(3600));
    let mut world = cut_off(Fault::None);
    world.hangs = Some(RequestPurpose::Check);
    world.stays = true;
    let mut task: Task<Toy<false, false>> = world.start_with(policy);
    assert_eq!(world.drive_on(&mut task), Ended::Stopped);
    let before = world.saved.len();
    world.now = 70_000;
    let late = outcome("deadline Working waiting");
    assert_eq!(world.drive_on(&mut task), late, "{:#?}", world.trace);
    assert_eq!(world.count("answered m1 NotSent"), 1, "{:#?}", world.trace);
    let stored = world.saved.split_off(before);
    assert!(!stored.is_empty());
    for saved in stored {
        let requests = world.requests;
        world.now = 80_000;
        let task: Task<Toy<false, false>> = Task::resume(Toy, saved, at(80_000)).expect("a state");
        assert_eq!(world.drive(task), late, "{:#?}", world.trace);
        assert_eq!((world.now, world.requests), (80_000, requests));
    }
}

#[test]
fn an_answer_without_a_key_that_was_lost_is_of_unknown_outcome_when_its_task_is_stopped_by_somebody_else()
 {
    let mut said = false;
    let mut world = World::new(&[Ask("which?"), Work(500), Complete("42")])
        .answers(&["this"])
        .action(2000, UserAction::Dashboard("stop"))
        .faults(move |_, _, path| {
            if path.ends_with("/say") {
                said = true;
                return Fault::LostRequest;
            }
            // The conversation cannot be read: the status alone tells that it is over.
            match said && path.ends_with("/log") {
                true => Fault::Refused,
                false => Fault::None,
            }
        });
    let end = world.run();
    assert_eq!(
        world.count("answered m1 Unknown"),
        1,
        "{end:?} {:?}",
        world.trace
    );
    assert_eq!(world.count("answered"), 1);
}
