//! What a task tells of itself beside its steps, and reports that come out of place.

use crate::world::Act::{Complete, Work};
use crate::world::hand::{listening, reply, send, settle};
use crate::world::{Fault, Toy, UserAction, World, at, outcome, policy, seed};
use bytes::Bytes;
use http::StatusCode;
use taskward_core::{
    Cause, ExchangeFailure, ExchangeId, ExchangeProgress, Head, IdempotencyKey, Origin,
    OriginBudget, RequestPurpose, ResumeError, Snapshot, Step, Task, TaskId, testing,
};

type Polled = Task<Toy<false, false>>;
type Streamed = Task<Toy<true, true>>;

#[test]
fn the_wire_its_replies_and_the_task_each_have_their_own_sign_of_life() {
    let shared = OriginBudget::new();
    let mut task: Polled = World::new(&[]).attach(policy());
    let signs = |task: &Polled| {
        let signs = task.liveness();
        [
            signs.last_byte_at,
            signs.last_reply_at,
            signs.last_change_at,
        ]
        .map(|sign| sign.map(|at| at.as_millis()))
    };
    let fail = |task: &mut Polled, stage, now, shared: &OriginBudget| {
        let id = send(task, now, shared);
        let failure = ExchangeFailure::new(stage, Cause::Reset, "test");
        task.handle_failure(id, failure, at(now));
        settle(task, now, shared);
    };
    assert_eq!(signs(&task), [None, None, None]);
    fail(&mut task, ExchangeProgress::MaybeSent, 0, &shared);
    assert_eq!(signs(&task), [None, None, None], "nobody answered");
    let cut = ExchangeProgress::Answered(Box::new(Head::new(StatusCode::OK)));
    fail(&mut task, cut, 10_000, &shared);
    assert_eq!(signs(&task), [Some(10_000), None, None], "a head came");
    for (now, body, expected) in [
        (20_000, "<html>", [Some(20_000), None, None]),
        (40_000, "running.", [Some(40_000); 3]),
        (
            60_000,
            "running.",
            [Some(60_000), Some(60_000), Some(40_000)],
        ),
    ] {
        let id = send(&mut task, now, &shared);
        task.handle_response(id, reply(body), at(now));
        settle(&mut task, now, &shared);
        assert_eq!(signs(&task), expected, "{body}");
    }
}

#[test]
fn a_stream_is_heard_with_its_head_and_every_piece_of_it() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    assert_eq!(task.liveness().last_byte_at, Some(at(40)));
    task.handle_chunk(stream, Bytes::new(), at(50));
    assert_eq!(task.liveness().last_byte_at, Some(at(50)));
    task.handle_chunk(stream, Bytes::from_static(b":\n\n"), at(60));
    settle(&mut task, 60, &shared);
    let signs = task.liveness();
    assert_eq!(
        (signs.last_byte_at, signs.last_reply_at),
        (Some(at(60)), Some(at(20)))
    );
    task.handle_chunk(stream, Bytes::from_static(b"data: 1 step\n\n"), at(70));
    settle(&mut task, 70, &shared);
    let signs = task.liveness();
    assert_eq!(
        [signs.last_reply_at, signs.last_change_at],
        [Some(at(70)); 2]
    );
}

#[test]
fn a_head_opens_a_stream_only_for_the_request_that_asked_for_one_and_has_left() {
    let shared = OriginBudget::new();
    let head = || Head::new(StatusCode::OK);
    let mut task: Streamed = World::new(&[]).start();
    let start = send(&mut task, 0, &shared);
    task.handle_head(start, head(), at(10));
    assert!(matches!(
        task.next_step(at(10), &shared),
        Step::InFlight { stream: None, .. }
    ));
    task.handle_response(start, reply("t1 running."), at(20));
    settle(&mut task, 20, &shared);
    let Step::Open { id, .. } = task.next_step(at(20), &shared) else {
        panic!("a stream is asked for");
    };
    task.handle_head(id, head(), at(20));
    assert!(matches!(
        task.next_step(at(20), &shared),
        Step::Open { id: again, .. } if again == id
    ));
    task.sent(id);
    task.handle_head(ExchangeId(id.0 + 1), head(), at(30));
    assert!(matches!(
        task.next_step(at(30), &shared),
        Step::Receive { id: awaited, until } if awaited == id && until == at(3020)
    ));
    task.handle_head(id, head(), at(40));
    assert!(matches!(
        task.next_step(at(40), &shared),
        Step::Receive { id: open, .. } if open == id
    ));
}

#[test]
fn only_the_stream_that_is_to_be_closed_is_taken_for_closed() {
    let shared = OriginBudget::new();
    let (mut task, stream) = listening(&shared);
    task.closed(stream);
    assert!(matches!(
        task.next_step(at(40), &shared),
        Step::Receive { .. }
    ));
    let late = 40 + policy().limits.stream_idle.as_millis() as u64;
    let closes = |task: &mut Streamed, shared: &OriginBudget| {
        let (_, next) = testing::settle(task, at(late), shared);
        matches!(next, Step::Close { id } if id == stream)
    };
    assert!(closes(&mut task, &shared), "nothing came for so long");
    task.closed(ExchangeId(stream.0 + 7));
    assert!(closes(&mut task, &shared), "that was another one");
    task.closed(stream);
    assert!(!closes(&mut task, &shared));
}

#[test]
fn a_cancel_that_was_accepted_or_comes_too_late_asks_for_nothing() {
    let mut world = World::new(&[Work(600_000)]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(200),
        _ => Fault::None,
    });
    for at in [5000, 8000] {
        world = world.action(at, UserAction::Cancel);
    }
    world = world.action(20_000, UserAction::Dashboard("stop"));
    assert_eq!(world.run(), outcome("stopped by Us"));
    assert_eq!(world.count("POST /t/t1/cancel"), 1);
    // One that was refused may be asked for once more.
    let mut world = World::new(&[Work(20_000), Complete("42")]).faults(|_, _, path| match path {
        "/t/t1/cancel" => Fault::Status(409),
        _ => Fault::None,
    });
    for at in [5000, 8000] {
        world = world.action(at, UserAction::Cancel);
    }
    let mut task: Polled = world.start();
    assert_eq!(world.drive_on(&mut task), outcome("succeeded 42"));
    assert_eq!(world.count("POST /t/t1/cancel"), 2);
    let ended = task.snapshot();
    task.cancel(at(world.now)).expect("it could be cancelled");
    assert_eq!(task.snapshot(), ended, "after the end nothing changes");
    assert!(matches!(
        task.next_step(at(world.now), &world.shared),
        Step::Done
    ));
}

#[test]
fn a_start_goes_under_the_callers_key_else_under_one_of_its_own_and_without_where_none_is_taken() {
    let key = || Some(IdempotencyKey::new("mine"));
    let started = |world: &World| world.writes[0].1.clone();
    let job = crate::world::ToyJob("go".into());
    let mut world = World::new(&[Complete("42")]);
    let task: Task<Toy<true, false>> =
        Task::start_keyed(Toy, &job, key(), policy(), seed(), at(0)).expect("a task");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert_eq!(started(&world).as_deref(), Some("mine"));
    let mut world = World::new(&[Complete("42")]);
    let task = world.start::<true, false>();
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    assert!(started(&world).is_some_and(|key| key != "mine"));
    let mut world = World::new(&[Complete("42")]);
    assert_eq!(world.run(), outcome("succeeded 42"));
    assert_eq!(started(&world), None);
}

#[test]
fn a_task_of_one_server_is_none_of_anothers() {
    let here = Origin::parse("https://here.example", "").expect("an origin");
    let there = Origin::parse("https://there.example", "").expect("an origin");
    let task = || World::new(&[]).attach(policy());
    let stored: Snapshot = task()
        .bind_origin(&here)
        .expect("it was of none")
        .snapshot();
    let resume = || Polled::resume(Toy, stored.clone(), at(0)).expect("resume");
    let again = resume().bind_origin(&here).expect("the same");
    assert_eq!(again.snapshot(), resume().snapshot());
    let refused = resume().bind_origin(&there).map(|_| ());
    let Err(ResumeError::Origin { found, expected }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((&*found, &*expected), (here.canonical(), there.canonical()));
}

#[test]
fn what_is_asked_for_goes_before_what_is_only_due() {
    let shared = OriginBudget::new();
    let mut world = World::new(&[Work(60_000)]);
    world.server = world.server.clone().begun(0);
    let mut task = world.attach(policy());
    let id = send(&mut task, 0, &shared);
    task.handle_response(id, reply("running."), at(20));
    settle(&mut task, 20, &shared);
    // The driver comes late: the next poll is long due, and already planned, when a message comes.
    let planned = |task: &mut Polled, shared: &OriginBudget| {
        assert!(matches!(
            task.next_step(at(9000), shared),
            Step::Send { .. }
        ));
        task.request_purpose()
    };
    assert_eq!(planned(&mut task, &shared), Some(RequestPurpose::Status));
    task.send_message("more".into(), at(9000)).expect("sent");
    assert_eq!(planned(&mut task, &shared), Some(RequestPurpose::Check));
}

#[test]
fn an_id_that_no_request_can_hold_is_told_and_nothing_is_sent() {
    for id in ["..", "", "."] {
        let mut world = World::new(&[]);
        let mut task = Polled::attach(Toy, TaskId::new(id), None, policy(), seed(), at(0));
        assert_eq!(world.drive_on(&mut task), outcome("result_unavailable"));
        assert_eq!(world.requests, 0, "{id:?}");
    }
}
