//! A stream that is being opened stops nothing else.

use crate::world::Act::{Ask, Complete, Work};
use crate::world::hand::{reply, send, settle};
use crate::world::{Fault, Toy, UserAction, World, at, outcome, policy, run_streamed, streamed};
use bytes::Bytes;
use http::StatusCode;
use std::time::Duration;
use taskward_core::{Head, OriginBudget, Response, Step, Task};

type Streamed = Task<Toy<true, true>>;

/// A task whose stream takes so long to be opened.
fn slow(script: &[crate::world::Act], long: u64) -> World {
    let mut world = streamed(script, &[(500, 1, "begin"), (5500, 2, "step")]);
    world.opens_for = Some(long);
    world.server.page = Some(9);
    world
}

/// Rows: E31.
#[test]
fn while_a_stream_is_being_opened_the_task_is_polled_from_the_third_second_on() {
    let mut world = slow(&[Work(6000), Complete("42")], 60_000);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    let expected = [
        "     0 send POST /start",
        "    20 event started t1 running",
        "    20 opens /t/t1/stream",
        "  3020 send GET /t/t1",
        "  3040 send GET /t/t1/events",
        "  3060 event event Some(1) begin",
        "  4560 send GET /t/t1",
        "  4580 send GET /t/t1/events",
        "  6850 send GET /t/t1",
        "  6870 send GET /t/t1/events",
        "  6890 event event Some(2) step",
        "  6890 event status done",
        "  6890 send GET /t/t1/result",
        "  6910 close",
        "  6910 done succeeded 42",
    ];
    assert_eq!(world.trace, expected);
}

#[test]
fn a_stream_that_is_opened_within_three_seconds_needs_no_poll_meanwhile() {
    let mut world = slow(&[Work(6000), Complete("42")], 2900);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    let opened = world.lines().iter().position(|line| line == "opened");
    let before = &world.lines()[..opened.expect("it is opened")];
    let reads = before.iter().filter(|line| line.starts_with("send GET"));
    assert_eq!(reads.count(), 0, "{before:#?}");
}

#[test]
fn what_is_asked_is_told_and_answered_while_a_stream_is_being_opened() {
    let mut world = streamed(
        &[Work(900), Ask("which?"), Work(900), Complete("42")],
        &[(100, 1, "begin"), (1000, 2, "wait q1 which?")],
    )
    .answers(&["EUR"]);
    world.server.page = Some(9);
    world.opens_for = Some(600_000);
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    assert!(world.now < 30_000, "{:#?}", world.trace);
}

/// Rows: E31.
#[test]
fn an_opening_that_fails_is_told_and_tried_again_while_the_task_is_polled() {
    let mut world =
        slow(&[Work(200_000), Complete("42")], 60_000).faults(|_, _, path| match path {
            path if path.starts_with("/t/t1/stream") => Fault::TimedOut,
            _ => Fault::None,
        });
    assert_eq!(run_streamed(&mut world), outcome("succeeded 42"));
    let reads: Vec<u64> = world.status_sent.clone();
    let gaps = reads.windows(2).map(|two| two[1] - two[0]);
    assert!(gaps.clone().all(|gap| gap <= 11_000), "{reads:?}");
    assert_eq!(world.count("opens /t/t1/stream"), 4);
    assert_eq!(world.count("retrying"), 3, "{:#?}", world.trace);
}

#[test]
fn a_stream_that_is_being_opened_is_dropped_when_the_task_is_over_or_the_deadline_passes() {
    let mut world = slow(&[Work(6000), Complete("42")], 60_000);
    run_streamed(&mut world);
    assert_eq!(world.count(" close"), 1);
    let mut hurried = policy();
    hurried.work = Some(Duration::from_millis(2000));
    let mut world = slow(&[Work(600_000)], 60_000);
    let task: Streamed = world.start_with(hurried);
    assert_eq!(world.drive(task), outcome("deadline Working running"));
    assert_eq!((world.now, world.count(" close")), (2000, 1));
}

/// A task that is started and whose stream is being opened, at 20 ms.
fn opening(shared: &OriginBudget) -> (Streamed, taskward_core::ExchangeId) {
    let mut task: Streamed = World::new(&[]).start();
    let start = send(&mut task, 0, shared);
    task.handle_response(start, reply("t1 running."), at(20));
    let stream = send(&mut task, 20, shared);
    (task, stream)
}

/// The page was made before the connection was: what happened between them is in neither, and is read for.
#[test]
fn a_list_in_whose_midst_the_stream_is_opened_is_read_once_more() {
    let shared = OriginBudget::new();
    let (mut task, stream) = opening(&shared);
    let read = send(&mut task, 3020, &shared);
    task.handle_response(read, reply("running."), at(3030));
    let page = send(&mut task, 3030, &shared);
    task.handle_head(stream, Head::new(StatusCode::OK), at(3040));
    task.handle_response(page, reply("1 begin\n2 step."), at(3050));
    let told = settle(&mut task, 3050, &shared);
    assert_eq!(told, ["event Some(1) begin", "event Some(2) step"]);
    let again = send(&mut task, 3050, &shared);
    task.handle_chunk(stream, Bytes::from_static(b"data: 4 step\n\n"), at(3055));
    task.handle_response(again, reply("1 begin\n2 step\n3 step\n4 step."), at(3060));
    let told = settle(&mut task, 3060, &shared);
    assert_eq!(told, ["event Some(3) step", "event Some(4) step"]);
    // Now the connection alone tells.
    task.handle_chunk(stream, Bytes::from_static(b"data: 5 step\n\n"), at(3070));
    assert_eq!(settle(&mut task, 3070, &shared), ["event Some(5) step"]);
    assert!(matches!(
        task.next_step(at(3070), &shared),
        Step::Receive { id, .. } if id == stream
    ));
}

/// It would end the watch, and with it what is known of the message.
#[test]
fn a_refusal_of_the_stream_is_judged_once_nothing_else_is_under_way() {
    let shared = OriginBudget::new();
    let (mut task, stream) = opening(&shared);
    task.send_message("more".into(), at(100)).expect("sent");
    let check = send(&mut task, 100, &shared);
    let refused = Response::new(StatusCode::UNAUTHORIZED, "no");
    task.handle_response(stream, refused, at(110));
    assert!(matches!(
        task.next_step(at(110), &shared),
        Step::InFlight { id, stream: None } if id == check
    ));
    task.handle_response(check, reply("running."), at(120));
    settle(&mut task, 120, &shared);
    assert!(matches!(task.next_step(at(120), &shared), Step::Done));
    let outcome = task.outcome().map(taskward_core::Outcome::code);
    assert_eq!(outcome, Some("access_lost"));
}

#[test]
fn a_second_report_of_an_opening_and_one_of_another_change_nothing() {
    let shared = OriginBudget::new();
    let (mut task, stream) = opening(&shared);
    let other = taskward_core::ExchangeId(stream.0 + 1);
    task.handle_response(other, Response::new(StatusCode::UNAUTHORIZED, "no"), at(30));
    task.handle_head(other, Head::new(StatusCode::OK), at(30));
    assert!(matches!(
        task.next_step(at(30), &shared),
        Step::Receive { id, .. } if id == stream
    ));
    task.handle_head(stream, Head::new(StatusCode::OK), at(40));
    task.handle_response(
        stream,
        Response::new(StatusCode::UNAUTHORIZED, "no"),
        at(50),
    );
    assert!(matches!(
        task.next_step(at(50), &shared),
        Step::Receive { id, .. } if id == stream
    ));
}

/// The next process opens a stream of its own.
#[test]
fn a_task_that_is_stored_while_its_stream_is_being_opened_is_gone_on_with() {
    let mut world = slow(&[Work(20_000), Complete("42")], 60_000).action(4000, UserAction::Stop);
    let mut task: Streamed = world.start();
    world.drive_on(&mut task);
    let saved = task.snapshot();
    world.hang_up();
    world.opens_for = None;
    let task = Streamed::resume(Toy, saved, at(world.now)).expect("resume");
    assert_eq!(world.drive(task), outcome("succeeded 42"));
    for event in ["event Some(1) begin", "event Some(2) step"] {
        assert_eq!(world.count(event), 1, "{event}");
    }
}
