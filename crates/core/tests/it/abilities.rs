//! A platform with a start and reads alone: what it cannot do is refused before anything is sent, and tried by nothing.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Review, Work};
use crate::world::{Act, Bare, Ended, Toy, ToyJob, UserAction, World, at, outcome, policy, seed};
use taskward_core::{ErrorKind, OnDetach, Policy, Task, TaskId, Unsupported};

const STOP: [OnDetach; 2] = [
    OnDetach::Cancel {
        within: Duration::from_secs(10),
    },
    OnDetach::CancelAndConfirm {
        within: Duration::from_secs(10),
    },
];

fn start(policy: Policy) -> Task<Bare> {
    Task::start(Bare, &ToyJob("go".into()), policy, seed(), at(0)).expect("a task")
}

fn run(script: &[Act]) -> (Ended, World) {
    let mut world = World::new(script).action(60_000, UserAction::Dashboard("approve"));
    (world.drive(start(policy())), world)
}

#[test]
fn a_task_that_can_only_be_read_is_followed_to_every_end() {
    let (ended, _) = run(&[Work(3000), Review, Work(3000), Complete("42")]);
    assert_eq!(ended, outcome("succeeded 42"));
    let (ended, world) = run(&[Work(3000), Fail("boom")]);
    assert_eq!(ended, outcome("failed None"));
    assert_eq!(world.count("/trail"), 0);
    let (ended, world) = run(&[Work(3000), Ask("which?")]);
    assert_eq!(ended, Ended::Left("which?".into()));
    assert_eq!((world.count("/stream"), world.count("/events")), (0, 0));
}

#[test]
fn what_a_platform_has_no_call_for_is_refused_at_once() {
    let refused = |result: Result<(), Unsupported>, what: &str| {
        let error = result.expect_err(what);
        assert_eq!(error.to_string(), format!("{what} is not possible on bare"));
        assert_eq!(taskward_core::Error::from(error).kind(), ErrorKind::Input);
    };
    let mut task = start(policy());
    let before = task.snapshot();
    refused(task.cancel(at(0)), "cancelling a task");
    let sent = task.send_message("more".into(), at(0)).map(|_| ());
    refused(sent, "sending a message");
    assert_eq!(task.snapshot(), before);
    let (id, text) = (TaskId::new("t1"), "more".to_owned());
    let turn = Task::continue_with(Bare, id, text, policy(), seed(), at(0)).map(|_| ());
    refused(turn, "sending a message");
    for how in STOP {
        refused(
            start(policy()).on_deadline(how).map(|_| ()),
            "cancelling a task",
        );
        refused(
            start(policy()).on_interrupt(how).map(|_| ()),
            "cancelling a task",
        );
    }
    assert!(start(policy()).on_deadline(OnDetach::Detach).is_ok());
    assert!(start(policy()).on_interrupt(OnDetach::Detach).is_ok());
}

#[test]
fn what_is_done_at_the_end_of_a_watch_is_chosen_for_one_task() {
    let world = || World::new(&[Work(600_000)]).action(3000, UserAction::Interrupt);
    let task = |world: &World| world.start::<false, false>();
    for how in STOP {
        let mut stopped = world();
        let task = task(&stopped).on_interrupt(how).expect("it can be");
        let Ended::Outcome(told) = stopped.drive(task) else {
            panic!("{how:?}");
        };
        assert!(told.starts_with("interrupted, the task was "), "{told}");
        assert_eq!(stopped.server.cancelled, Some(3020));
    }
    let mut hurried = policy();
    hurried.work = Some(Duration::from_secs(5));
    hurried.on_deadline = STOP[1];
    let mut left = World::new(&[Work(600_000)]);
    let task: Task<Toy<false, false>> = left.start_with(hurried);
    let task = task.on_deadline(OnDetach::Detach).expect("it can be left");
    assert_eq!(left.drive(task), outcome("deadline Working running"));
    assert_eq!(left.server.cancelled, None);
}

/// A policy belongs to no platform: a policy that asks for an unsupported operation has that reported at the end.
#[test]
fn a_task_that_cannot_be_cancelled_is_detached_and_that_is_told() {
    for how in STOP {
        let mut hurried = policy();
        hurried.work = Some(Duration::from_secs(5));
        hurried.on_deadline = how;
        let mut world = World::new(&[Work(600_000)]);
        let Ended::Outcome(told) = world.drive(start(hurried.clone())) else {
            panic!("{how:?}");
        };
        let unsupported = taskward_core::CancelResult::Unsupported;
        assert_eq!(told, format!("deadline Working running, {unsupported}"));
        assert_eq!(world.now, 5000);
        // Without a task there is nothing that could not be stopped.
        hurried.work = Some(Duration::ZERO);
        let told = World::new(&[]).drive(start(hurried));
        assert_eq!(told, outcome("deadline Working -"));
    }
}
