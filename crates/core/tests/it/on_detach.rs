//! What is done about a task whose watch ends before it, in virtual time against a toy server: at the deadline and on an
//! interrupt, each with its whole trace.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Review, Work};
use crate::world::{Ended, Fault, Toy, UserAction, World, at, hand, outcome, policy, seed};
use taskward_core::{
    CancelFailure, CancelResult, OnDetach, Policy, RequestPurpose, Snapshot, Step, Task, TaskId,
};

const WITHIN: Duration = Duration::from_secs(10);
const CANCEL: OnDetach = OnDetach::Cancel { within: WITHIN };
const CONFIRM: OnDetach = OnDetach::CancelAndConfirm { within: WITHIN };

/// Five seconds of work, and then this.
fn late(how: OnDetach) -> Policy {
    let mut policy = policy();
    policy.work = Some(Duration::from_secs(5));
    policy.on_deadline = how;
    policy
}

fn interruptible(how: OnDetach) -> Policy {
    let mut policy = policy();
    policy.on_interrupt = how;
    policy
}

fn run(world: &mut World, policy: Policy) -> Ended {
    let task = world.start_with::<false, false>(policy);
    world.drive(task)
}

/// The trace from this time on.
fn from(world: &World, time: u64) -> Vec<&str> {
    let lines = world.trace.iter().map(|line| line.trim_start());
    let late = |line: &&str| {
        let at = line.split(' ').next().expect("a time");
        at.parse::<u64>().expect("a time") >= time
    };
    lines.filter(late).collect()
}

fn never_stops() -> World {
    // Accepted by something in front of the server, which hears nothing of it.
    World::new(&[Work(600_000)]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(200),
        _ => Fault::None,
    })
}

#[test]
fn by_default_a_deadline_leaves_the_task_alone() {
    let mut world = World::new(&[Work(600_000)]);
    assert_eq!(
        run(&mut world, late(OnDetach::Detach)),
        outcome("deadline Working running")
    );
    assert_eq!(from(&world, 5000), ["5000 done deadline Working running"]);
    assert_eq!(world.server.cancelled, None);
}

#[test]
fn at_the_deadline_the_server_is_asked_to_stop_the_task_and_its_word_is_taken() {
    let mut world = World::new(&[Work(600_000)]);
    run(&mut world, late(CANCEL));
    assert_eq!(
        from(&world, 5000),
        [
            "5000 send POST /t/t1/cancel",
            "5020 event Cancelling",
            "5020 done deadline Working running, the task was asked to stop, and was not seen to have",
        ]
    );
}

#[test]
fn at_the_deadline_the_task_is_stopped_and_seen_to_have() {
    let mut world = World::new(&[Work(600_000)]);
    run(&mut world, late(CONFIRM));
    assert_eq!(
        from(&world, 5000),
        [
            "5000 send POST /t/t1/cancel",
            "5020 event Cancelling",
            "5810 send GET /t/t1",
            "5830 event status stopped",
            "5830 done deadline Working stopped, the task was stopped (stopped)",
        ]
    );
    assert_eq!(world.server.cancelled, Some(5020));
}

/// Rows: I1.
#[test]
fn a_task_that_completed_meanwhile_has_succeeded_whatever_was_asked() {
    // The task completes after the last poll before the deadline.
    let mut accepted = World::new(&[Work(4990), Complete("42")]);
    assert_eq!(run(&mut accepted, late(CONFIRM)), outcome("succeeded 42"));
    for how in [CANCEL, CONFIRM] {
        let mut refused =
            World::new(&[Work(4990), Complete("42")]).faults(|_, _, path| match path {
                "/t/t1/cancel" => Fault::Status(409),
                _ => Fault::None,
            });
        assert_eq!(run(&mut refused, late(how)), outcome("succeeded 42"));
        let mut failed = World::new(&[Work(4990), Fail("boom")]).faults(|_, _, path| match path {
            "/t/t1/cancel" => Fault::Status(409),
            _ => Fault::None,
        });
        assert_eq!(
            run(&mut failed, late(how)),
            outcome("failed Some(\"boom\")")
        );
    }
    // Nor does it matter that the request was taken: it did nothing.
    let mut failed = World::new(&[Work(4990), Fail("boom")]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(200),
        _ => Fault::None,
    });
    assert_eq!(
        run(&mut failed, late(CONFIRM)),
        outcome("failed Some(\"boom\")")
    );
}

#[test]
fn a_refusal_is_the_end_once_a_poll_shows_the_task_at_work() {
    for how in [CANCEL, CONFIRM] {
        let mut world = World::new(&[Work(600_000)]).faults(|_, _, path| match path {
            "/t/t1/cancel" => Fault::Status(409),
            _ => Fault::None,
        });
        run(&mut world, late(how));
        assert_eq!(
            from(&world, 5000),
            [
                "5000 send POST /t/t1/cancel [Status(409)]",
                "5020 event CancelRefused(\"the server answered 409 Conflict: injected\")",
                "5810 send GET /t/t1",
                "5830 done deadline Working running, \
                 the task was not stopped and goes on: the server answered 409 Conflict: injected",
            ]
        );
    }
}

#[test]
fn nothing_is_waited_for_longer_than_the_bound() {
    let mut deaf = never_stops();
    let accepted = "the task was asked to stop, and was not seen to have";
    let end = format!("deadline Working running, {accepted}");
    assert_eq!(run(&mut deaf, late(CONFIRM)), outcome(&end));
    assert_eq!(deaf.now, 15_000);

    let mut storm = World::new(&[Work(600_000)]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(503),
        _ => Fault::None,
    });
    let failed = "the task was not stopped and goes on";
    let why = "the server answered 503 Service Unavailable: injected";
    let end = format!("deadline Working running, {failed}: {why}");
    assert_eq!(run(&mut storm, late(CANCEL)), outcome(&end));
    assert_eq!(storm.now, 15_000);
    // A request to stop is repeated, for it does no more when it comes twice.
    assert!(storm.requests > 5, "{}", storm.trace.join("\n"));

    let none = OnDetach::Cancel {
        within: Duration::ZERO,
    };
    let mut none_left = World::new(&[Work(600_000)]);
    let unsent = "the task was not stopped and goes on: the cancel could not be sent in time";
    let end = format!("deadline Working running, {unsent}");
    assert_eq!(run(&mut none_left, late(none)), outcome(&end));
    assert_eq!(none_left.now, 5000);
}

/// Rows: I2.
#[test]
fn a_lost_reply_to_the_request_is_asked_again_and_the_poll_tells() {
    let mut asked = 0;
    let mut world = World::new(&[Work(600_000)]).faults(move |_, _, path| {
        asked += u32::from(path == "/t/t1/cancel");
        match (path, asked) {
            ("/t/t1/cancel", 1) => Fault::LostReply,
            _ => Fault::None,
        }
    });
    let end = "deadline Working stopped, the task was stopped (stopped)";
    assert_eq!(run(&mut world, late(CONFIRM)), outcome(end));
}

#[test]
fn a_question_and_a_review_are_left_in_the_same_way() {
    for act in [Ask("which?"), Review] {
        let mut policy = policy();
        policy.human = Some(Duration::from_secs(30));
        policy.on_deadline = CONFIRM;
        let mut world = World::new(&[Work(500), act]);
        world.stays = true;
        let end = "deadline Waiting stopped, the task was stopped (stopped)";
        assert_eq!(run(&mut world, policy), outcome(end), "{act:?}");
    }
}

#[test]
fn without_a_task_there_is_nothing_to_stop() {
    let mut world = World::new(&[]).faults(|_, _, _| Fault::Refused);
    let end = run(&mut world, late(CONFIRM));
    assert_eq!(end, outcome("not_started"));
    let mut world = World::new(&[]).faults(|_, _, _| Fault::LostReply);
    assert_eq!(
        run(&mut world, late(CONFIRM)),
        outcome("unknown likely=false")
    );
}

#[test]
fn an_interrupt_leaves_at_once_or_stops_the_task_first() {
    let make = || World::new(&[Work(600_000)]).action(3000, UserAction::Interrupt);
    let mut world = make();
    let left = Ended::Left("NotRequested".into());
    assert_eq!(run(&mut world, policy()), left);
    assert_eq!(world.server.cancelled, None);
    let mut world = make();
    let accepted = "interrupted, the task was asked to stop, and was not seen to have";
    assert_eq!(run(&mut world, interruptible(CANCEL)), outcome(accepted));
    let mut world = make();
    run(&mut world, interruptible(CONFIRM));
    assert_eq!(
        from(&world, 3000),
        [
            "3000 send POST /t/t1/cancel",
            "3020 event Cancelling",
            "3540 send GET /t/t1",
            "3560 event status stopped",
            "3560 done interrupted, the task was stopped (stopped)",
        ]
    );
    let mut deaf = never_stops().action(3000, UserAction::Interrupt);
    assert_eq!(run(&mut deaf, interruptible(CONFIRM)), outcome(accepted));
    assert_eq!(deaf.now, 13_000);
}

#[test]
fn a_request_to_stop_that_hangs_is_told_to_have_had_no_reply_and_a_planned_one_to_be_unsent() {
    let mut world = World::new(&[Work(600_000)]);
    world.hangs = Some(RequestPurpose::Status);
    let mut task: Task<Toy<false, false>> = world.start_with(late(CONFIRM));
    assert_eq!(world.drive_on(&mut task), Ended::Stopped);
    assert_eq!(task.cancel_result(), CancelResult::NotRequested);
    task.cancel(at(world.now)).expect("cancel");
    assert_eq!(
        task.cancel_result(),
        CancelResult::Failed(CancelFailure::NotSent)
    );
    world.hangs = Some(RequestPurpose::Cancel);
    assert_eq!(world.drive_on(&mut task), Ended::Stopped);
    assert_eq!(
        task.cancel_result(),
        CancelResult::Failed(CancelFailure::NoReply)
    );
    // It is still waited for when the deadline comes, and then no longer than the bound.
    let (deadline, end) = (5000, 15_000);
    for (now, until) in [
        (world.now, None),
        (deadline, Some(end)),
        (end - 1, Some(end)),
    ] {
        hand::settle(&mut task, now, &world.shared);
        let step = task.next_step(at(now), &world.shared);
        assert!(matches!(step, Step::InFlight { .. }), "{step:?}");
        assert_eq!(task.cancel_deadline(), until.map(at));
    }
    world.now = end;
    let told = "the task was not stopped and goes on: no reply to the cancel came in time";
    let told = format!("deadline Working running, {told}");
    assert_eq!(world.drive(task), outcome(&told));
}

#[test]
fn a_turn_whose_message_has_not_left_is_nobodys_to_stop() {
    let turn = |world: &World| {
        Task::<Toy<false, false>>::continue_with(
            Toy,
            TaskId::new("t1"),
            "more".into(),
            interruptible(CONFIRM),
            seed(),
            at(world.now),
        )
        .expect("a turn")
    };
    for (time, left) in [(0, true), (10, true), (30, true), (3000, false)] {
        let mut world = World::new(&[Work(600_000)]).action(time, UserAction::Interrupt);
        world.server = world.server.clone().begun(0);
        let task = turn(&world);
        let expected = match left {
            true => Ended::Left("NotRequested".into()),
            false => outcome("interrupted, the task was stopped (stopped)"),
        };
        assert_eq!(world.drive(task), expected, "{time}");
        assert_eq!(world.server.cancelled.is_none(), left, "{time}");
    }
}

#[test]
fn a_turn_whose_message_may_have_arrived_is_ours_to_stop() {
    for (hangs, fault) in [
        (Some(RequestPurpose::Message), Fault::None),
        (None, Fault::LostReply),
    ] {
        let mut world = World::new(&[Complete("old"), Work(600_000), Complete("new")])
            .action(200, UserAction::Stop)
            .faults(move |n, _, path| match path.ends_with("/say") || n > 3 {
                true => fault,
                false => Fault::None,
            });
        world.hangs = hangs;
        world.server = world.server.clone().begun(0);
        let mut task: Task<Toy<false, false>> = Task::continue_with(
            Toy,
            TaskId::new("t1"),
            "more".into(),
            interruptible(CONFIRM),
            seed(),
            at(0),
        )
        .expect("a turn");
        assert_eq!(world.drive_on(&mut task), Ended::Stopped);
        assert_eq!(world.count("/say"), 1, "{hangs:?}");
        assert!(task.interrupt(at(world.now)), "{hangs:?}");
    }
}

#[test]
fn what_a_refused_cancel_finds_over_is_told_once_the_list_of_its_events_is_read() {
    let mut policy = late(CONFIRM);
    policy.work = Some(Duration::from_millis(6500));
    let mut world = World::new(&[Work(6400), Complete("42")]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(409),
        "/t/t1/stream" => Fault::Status(405),
        _ => Fault::None,
    });
    world.latency = 0;
    world.server.page = Some(2);
    world.server.stream = vec![(100, 1, "begin"), (6000, 2, "step"), (6400, 3, "end")];
    let task = world.start_with::<true, true>(policy);
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(world.count("event event Some(3) end"), 1);
}

/// The clock of the bound begins with the task: a start that is under way is seen through first.
#[test]
fn an_interrupt_before_the_id_is_known_stops_the_task_once_it_is() {
    let make = || {
        World::new(&[Work(600_000)])
            .action(10, UserAction::Interrupt)
            .faults(|n, _, _| if n == 1 { Fault::Refused } else { Fault::None })
    };
    let mut world = make();
    let end = run(&mut world, interruptible(CONFIRM));
    assert_eq!(
        end,
        outcome("not_started"),
        "it had not left, and is not sent any more"
    );
    assert_eq!(world.server.starts, 0);

    let mut world = World::new(&[Work(600_000)])
        .action(10, UserAction::Interrupt)
        .faults(|n, _, _| {
            if n == 1 {
                Fault::LostReply
            } else {
                Fault::None
            }
        });
    let task = world.start_with::<true, false>(interruptible(CONFIRM));
    let end = world.drive(task);
    assert_eq!(end, outcome("interrupted, the task was stopped (stopped)"));
    assert_eq!(world.server.starts, 1);

    let mut deaf = never_stops().action(10, UserAction::Interrupt);
    deaf.faults = Box::new(|n, _, path| match (n, path) {
        (1, _) => Fault::LostReply,
        (_, "/t/t1/cancel") => Fault::Status(200),
        _ => Fault::None,
    });
    let task = deaf.start_with::<true, false>(interruptible(CONFIRM));
    let accepted = "interrupted, the task was asked to stop, and was not seen to have";
    assert_eq!(deaf.drive(task), outcome(accepted));
    let known = deaf.trace.iter().find(|line| line.contains("started"));
    let known: u64 = known.expect("told")[..7].trim().parse().expect("a time");
    assert_eq!(deaf.now, known + 10_000);
}

#[test]
fn with_an_open_stream_it_is_the_same() {
    let mut world = World::new(&[Work(600_000)]);
    world.server.stream = vec![(500, 1, "begin"), (1500, 2, "step")];
    let task = world.start_with::<false, true>(late(CONFIRM));
    let end = world.drive(task);
    assert_eq!(
        end,
        outcome("deadline Working stopped, the task was stopped (stopped)")
    );
    let cancel = world.trace.iter().position(|line| line.contains("/cancel"));
    let after = &world.trace[cancel.expect("a request to cancel")..];
    assert!(
        !after.iter().any(|line| line.contains("open GET")),
        "{after:#?}"
    );
}

#[test]
fn an_abandonment_resumed_at_any_step_comes_to_the_same_end() {
    let expected = outcome("deadline Working stopped, the task was stopped (stopped)");
    let mut kills = 0;
    for n in 3.. {
        let mut world = World::new(&[Work(600_000)]);
        let task = world.start_with::<true, false>(late(CONFIRM));
        world.kill_after = Some(n);
        if world.drive(task) != Ended::Stopped {
            break;
        }
        kills += 1;
        world.kill_after = None;
        let (step, snapshot) = world.snapshots.last().expect("a step").clone();
        let text = serde_json::to_string(&snapshot).expect("json");
        let snapshot: Snapshot = serde_json::from_str(&text).expect("json");
        world.now += 3000;
        let task: Task<Toy<true, false>> =
            Task::resume(Toy, snapshot, at(world.now)).expect("resume");
        assert_eq!(world.drive(task), expected, "{step}");
        assert_eq!(world.server.starts, 1, "{step}");
    }
    assert!(kills > 15, "{kills}");
}

/// A request of one's own, before the deadline: what is known of it is told, whatever is to be done at the deadline.
#[test]
fn a_cancel_that_was_accepted_before_is_not_asked_for_again() {
    for (how, end) in [(OnDetach::Detach, 5000), (CANCEL, 5000), (CONFIRM, 15_000)] {
        let mut world = never_stops().action(2000, UserAction::Cancel);
        let accepted = "the task was asked to stop, and was not seen to have";
        let told = format!("deadline Working running, {accepted}");
        assert_eq!(run(&mut world, late(how)), outcome(&told));
        assert_eq!(world.now, end);
        let asked = world.trace.iter().filter(|line| line.contains("/cancel"));
        assert_eq!(asked.count(), 1);
    }
}

#[test]
fn a_policy_without_it_is_stored_as_before_and_one_with_it_comes_back() {
    let plain = serde_json::to_string(&policy()).expect("json");
    assert!(!plain.contains("on_deadline") && !plain.contains("on_interrupt"));
    let mut policy = late(CONFIRM);
    policy.on_interrupt = CANCEL;
    let text = serde_json::to_string(&policy).expect("json");
    assert!(
        text.contains(r#""on_deadline":{"cancel_and_confirm":{"within":"#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Policy>(&text).expect("json"), policy);
}
