//! The outcome of pending answers and messages, and what is reported of it.

use std::time::Duration;

use crate::world::Act::{Ask, Complete, Fail, Work};
use crate::world::{Act, Ended, Fault, Toy, UserAction, World, at, outcome, policy, seed};
use taskward_core::{Answered, RequestPurpose, Task, TaskId, WithdrawReason};

fn run<const KEYED: bool>(world: &mut World) -> Ended {
    let task = world.start::<KEYED, false>();
    world.drive(task)
}

/// A task that asks, and what is said to it meets these faults one after the other.
fn said(script: &[Act], faults: &'static [Fault]) -> World {
    let mut faults = faults.iter().copied();
    World::new(script)
        .answers(&["this"])
        .faults(move |_, _, path| match path.ends_with("/say") {
            true => faults.next().unwrap_or(Fault::None),
            false => Fault::None,
        })
}

const ASKS: [Act; 3] = [Ask("which?"), Work(500), Complete("42")];

/// Returns when the write that was sent last was searched for.
fn reads_after(world: &World) -> Vec<u64> {
    let sent = world.sent.iter();
    let last = sent
        .clone()
        .rposition(|sent| sent.purpose == RequestPurpose::Answer);
    let reads = sent.skip(last.expect("it was sent"));
    let reads = reads.filter(|sent| sent.purpose == RequestPurpose::Reconcile);
    reads.map(|sent| sent.at).collect()
}

/// Rows: H1.
#[test]
fn a_keyed_answer_of_unknown_outcome_is_repeated_as_long_as_the_task_asks_and_writes_are_allowed() {
    const LOST: &[Fault] = &[Fault::LostRequest; 9];
    let mut world = said(&ASKS, LOST);
    assert_eq!(
        run::<true>(&mut world),
        Ended::Left("answer unknown".into())
    );
    let writes = policy().retry.writes as usize;
    assert_eq!(world.count("/say"), writes);
    let answers: Vec<_> = world
        .writes
        .iter()
        .filter(|(path, ..)| path.ends_with("/say"))
        .collect();
    assert!(answers[0].1.is_some());
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    // Between two of them a read shows that the task still asks.
    let lines = world.lines();
    for pair in lines.windows(2).filter(|pair| pair[1].contains("/say")) {
        assert_eq!(pair[0], "send GET /t/t1/log");
    }
    // The reads before a repetition count among the three that search for the last attempt.
    assert_eq!(reads_after(&world).len(), 1);
    let (how, detail) = &world.outcomes[0];
    assert_eq!(*how, Answered::Unknown);
    assert!(
        detail.as_ref().is_some_and(|why| why.contains("test")),
        "{detail:?}"
    );
    for lost in 1..writes {
        let mut world = said(&ASKS, &LOST[..lost]);
        assert_eq!(run::<true>(&mut world), outcome("succeeded 42"), "{lost}");
        assert_eq!(world.count("/say"), lost + 1, "{lost}");
        assert_eq!(world.outcomes, [(Answered::Applied, None)], "{lost}");
    }
}

#[test]
fn one_attempt_that_may_have_arrived_is_enough_for_an_answer_to_be_of_unknown_outcome() {
    const THEN: &[Fault] = &[
        Fault::LostRequest,
        Fault::Refused,
        Fault::Refused,
        Fault::Refused,
        Fault::Refused,
        Fault::Refused,
    ];
    let mut world = said(&ASKS, THEN);
    let unknown = Ended::Left("answer unknown".into());
    assert_eq!(run::<true>(&mut world), unknown);
    assert_eq!(world.outcomes[0].0, Answered::Unknown);
}

/// A conflict may mean that an attempt before has arrived, or that somebody else has answered: the task tells.
#[test]
fn a_keyed_answer_that_is_refused_as_a_conflict_is_searched_for_and_not_repeated() {
    for fault in [&[Fault::Status(409)][..], &[Fault::Status(422)]] {
        let mut world = said(&ASKS, fault);
        assert_eq!(
            run::<true>(&mut world),
            Ended::Left("answer unknown".into())
        );
        assert_eq!((world.count("/say"), reads_after(&world).len()), (1, 3));
        let (how, detail) = &world.outcomes[0];
        assert_eq!(*how, Answered::Refused);
        assert!(
            detail.as_ref().is_some_and(|why| why.contains("injected")),
            "{detail:?}"
        );
    }
    for fault in [&[Fault::StatusAfter(409)][..], &[Fault::StatusAfter(422)]] {
        let mut world = said(&ASKS, fault);
        assert_eq!(run::<true>(&mut world), outcome("succeeded 42"));
        // It has none of its own that may have arrived.
        let gone = |how| matches!(how, Answered::Gone(_));
        assert!(gone(world.outcomes[0].0), "{:?}", world.outcomes);
    }
    let lost: &[Fault] = &[Fault::LostReply, Fault::StatusAfter(409)];
    let mut world = said(&ASKS, lost);
    assert_eq!(run::<true>(&mut world), outcome("succeeded 42"));
    assert_eq!(world.outcomes, [(Answered::Applied, None)]);
    // Without a key a conflict is a refusal like any other.
    let mut world = said(&ASKS, &[Fault::Status(409)]);
    assert_eq!(
        run::<false>(&mut world),
        Ended::Left("answer unknown".into())
    );
    assert_eq!((world.count("/say"), reads_after(&world).len()), (1, 0));
    assert_eq!(world.outcomes[0].0, Answered::Refused);
}

#[test]
fn without_a_key_an_answer_of_unknown_outcome_is_searched_for_three_times() {
    let mut world = said(&ASKS, &[Fault::LostRequest]);
    assert_eq!(
        run::<false>(&mut world),
        Ended::Left("answer unknown".into())
    );
    assert_eq!((world.count("/say"), reads_after(&world).len()), (1, 3));
    let reads = reads_after(&world);
    // The log may lag behind the write.
    let waits = [reads[1] - reads[0], reads[2] - reads[1]];
    assert_eq!(waits, [2020, 4020]);
}

#[test]
fn a_web_page_in_reply_to_an_answer_is_no_acceptance() {
    let mut world = said(&ASKS, &[Fault::Login]);
    assert_eq!(
        run::<false>(&mut world),
        Ended::Left("answer unknown".into())
    );
    assert_eq!(world.outcomes[0].0, Answered::Unknown);
    assert_eq!(world.server.said, [""; 0]);
    let mut world = said(&ASKS, &[Fault::Login]);
    assert_eq!(run::<true>(&mut world), outcome("succeeded 42"));
    assert_eq!(world.server.said, ["this"]);
}

#[test]
fn a_key_that_is_refused_with_an_answer_ends_the_watch() {
    for keyed in [false, true] {
        let mut world = said(&ASKS, &[Fault::Status(401)]);
        let ended = match keyed {
            true => run::<true>(&mut world),
            false => run::<false>(&mut world),
        };
        assert_eq!(ended, outcome("access_lost"), "{keyed}");
    }
    // So it does at the reads before and after.
    for (n, status) in [(4, 401), (4, 403), (6, 401), (6, 403)] {
        let mut world = said(&ASKS, &[]);
        world.faults = Box::new(move |at, _, path| match (at == n, path.ends_with("/say")) {
            (true, _) => Fault::Status(status),
            (_, true) => Fault::LostReply,
            _ => Fault::None,
        });
        assert_eq!(run::<false>(&mut world), outcome("access_lost"), "{n}");
        assert!(
            world.lines()[..]
                .iter()
                .any(|line| line.contains("/log [Status")),
            "{n}"
        );
    }
}

#[test]
fn a_read_before_an_answer_that_fails_is_made_again_and_the_answer_sent_once() {
    for fault in [
        Fault::Status(503),
        Fault::Html,
        Fault::CutBody,
        Fault::LostReply,
    ] {
        let mut world = said(&ASKS, &[]);
        world.faults = Box::new(move |n, _, _| match n {
            4 | 5 => fault,
            _ => Fault::None,
        });
        assert_eq!(
            run::<false>(&mut world),
            outcome("succeeded 42"),
            "{fault:?}"
        );
        assert_eq!(world.server.said, ["this"], "{fault:?}");
        assert_eq!(world.count("event retrying"), 2, "{fault:?}");
    }
}

#[test]
fn an_answer_under_way_at_the_deadline_may_have_arrived_and_one_before_it_has_not() {
    for (hangs, expected, why) in [
        (
            RequestPurpose::Answer,
            Answered::Unknown,
            "before the reply came",
        ),
        (
            RequestPurpose::Check,
            Answered::NotSent,
            "before it could be sent",
        ),
    ] {
        let mut hurried = policy();
        hurried.human = Some(Duration::from_secs(30));
        hurried.work = Some(Duration::from_secs(30));
        let mut world = said(&ASKS, &[]);
        world.hangs = Some(hangs);
        let mut task: Task<Toy<false, false>> = world.start_with(hurried);
        assert_eq!(world.drive_on(&mut task), Ended::Stopped);
        world.now = 60_000;
        world.drive_on(&mut task);
        let why = format!("the watch ended {why}");
        assert_eq!(world.outcomes, [(expected, Some(why))]);
    }
}

/// Nothing in the end of a task shows whether a message came before it.
#[test]
fn what_is_known_of_a_message_when_the_task_ends_is_told_and_no_more() {
    for end in [Complete("42"), Fail("boom")] {
        for (fault, expected) in [
            (Fault::Refused, Answered::Gone(WithdrawReason::TaskMovedOn)),
            (Fault::LostRequest, Answered::Unknown),
            (Fault::LostReply, Answered::Applied),
        ] {
            // The task is read just after the message was sent.
            let mut world = World::new(&[Work(2535), end])
                .action(2500, UserAction::Message("more"))
                .faults(move |_, _, path| match path.ends_with("/say") {
                    true => fault,
                    false => Fault::None,
                });
            run::<false>(&mut world);
            assert_eq!(world.count("/say"), 1, "{fault:?}");
            assert_eq!(world.outcomes.len(), 1, "{fault:?}");
            assert_eq!(
                world.outcomes[0].0, expected,
                "{fault:?}: {:#?}",
                world.trace
            );
        }
    }
}

/// It may have taken the message up on its way, or have ended before: a new turn would show within half a minute.
///
/// Rows: H30.
#[test]
fn a_turn_of_a_task_at_work_ends_with_it_once_its_end_has_stood() {
    let mut world = World::new(&[Work(600), Complete("new")]);
    world.server = world.server.clone().begun(0);
    let id = TaskId::new("t1");
    let task: Task<Toy<false, false>> =
        Task::continue_with(Toy, id, "more".into(), policy(), seed(), at(0)).expect("a turn");
    assert_eq!(world.drive(task), outcome("succeeded new"));
    assert!((30_000..33_000).contains(&world.now), "{}", world.now);
    assert_eq!(world.server.said, ["more"]);
}
