//! An answer leaves only for the question that its author saw: whatever comes between, and whatever cannot be read.

use crate::world::Act::{Ask, Complete, Work};
use crate::world::hand::{listening, reply, send, settle};
use crate::world::{Ended, Toy, UserAction, World, at, streamed};
use bytes::Bytes;
use http::StatusCode;
use taskward_core::{
    Answer, AnswerError, ExchangeFailure, ExchangeId, OriginBudget, Question, Response, Step, Task,
};

/// The conversation of a task that waits: it does not say for what.
const LOG: &str = "user m0 go\nassistant m1 what?.";

type Streamed = Task<Toy<true, true>>;

/// Goes on until this time.
fn until(world: &mut World, task: &mut Streamed, time: u64) {
    world.actions.push((time, UserAction::Stop));
    world.actions.sort_by_key(|(at, _)| *at);
    assert_eq!(world.drive_on(task), Ended::Stopped);
}

/// What a task does from `now` to `until` beside a server whose status is always "waiting": its events, and what it
/// writes. The list of events is answered with this status, and a stream is refused.
fn drive(
    task: &mut Streamed,
    now: u64,
    until: u64,
    list: StatusCode,
    budget: &OriginBudget,
) -> Vec<String> {
    let (mut now, mut lines) = (now, Vec::new());
    while now < until {
        lines.extend(settle(task, now, budget));
        match task.next_step(at(now), budget) {
            Step::Send { id, request, .. } | Step::Open { id, request, .. } => {
                task.sent(id);
                now += 1;
                match (request.method().as_str(), request.target().as_str()) {
                    ("GET", "/t/t1") => task.handle_response(id, reply("waiting."), at(now)),
                    ("GET", "/t/t1/log") => task.handle_response(id, reply(LOG), at(now)),
                    ("GET", path) if path.contains("/events") => {
                        task.handle_response(id, Response::new(list, "no list"), at(now));
                    }
                    // There is a stream if there is a list, and it cannot be opened.
                    ("GET", _) if list == StatusCode::METHOD_NOT_ALLOWED => {
                        task.handle_response(id, Response::new(list, "no stream"), at(now));
                    }
                    ("GET", _) => {
                        task.handle_failure(id, ExchangeFailure::abandoned(), at(now));
                    }
                    (method, path) => {
                        lines.push(format!("{method} {path}"));
                        task.handle_response(id, Response::new(StatusCode::ACCEPTED, ""), at(now));
                    }
                }
            }
            Step::Wait { until: later, .. } | Step::Receive { until: later, .. } => {
                now = later.as_millis().max(now + 1);
            }
            Step::Close { id } => task.closed(id),
            Step::InFlight { .. } => panic!("every request is answered at once"),
            step => panic!("{step:?}"),
        }
    }
    lines
}

fn hear(task: &mut Streamed, stream: ExchangeId, text: &str, now: u64) {
    task.handle_chunk(stream, Bytes::from(text.to_owned()), at(now));
}

/// Asserts that nobody can answer this question any more.
fn assert_forgotten(task: &mut Streamed, question: &str, now: u64) {
    let answered = task.answer(&question.into(), Answer::text("x"), at(now));
    assert!(
        matches!(answered, Err(AnswerError::NoSuchQuestion(_))),
        "{answered:?}"
    );
}

fn only_question(task: &Streamed) -> Question {
    let open: Vec<_> = task.questions().cloned().collect();
    assert_eq!(open.len(), 1, "{open:?}");
    open[0].clone()
}

/// Rows: H26.
#[test]
fn an_answer_to_a_stand_in_goes_to_no_question_that_an_event_asks_after_the_task_has_worked() {
    let budget = OriginBudget::new();
    let (mut task, stream) = listening(&budget);
    hear(&mut task, stream, "data: 1 begin\n\n", 50);
    let told = drive(
        &mut task,
        60,
        60_000,
        StatusCode::METHOD_NOT_ALLOWED,
        &budget,
    );
    let asked = only_question(&task);
    assert!(asked.stand_in, "{told:?}");
    task.answer(&asked.id, Answer::text("x"), at(60_000))
        .expect("it is open");
    let check = send(&mut task, 60_000, &budget);
    // Somebody else answers, and the task asks something else before the check is judged.
    hear(
        &mut task,
        stream,
        "data: 2 step\n\ndata: 3 wait\n\n",
        60_010,
    );
    settle(&mut task, 60_010, &budget);
    task.handle_response(check, reply(LOG), at(60_020));
    let lines = drive(
        &mut task,
        60_020,
        90_000,
        StatusCode::METHOD_NOT_ALLOWED,
        &budget,
    );
    assert!(
        lines.contains(&format!("answered {} Gone(TaskMovedOn)", asked.id)),
        "{lines:#?}"
    );
    assert!(
        !lines.iter().any(|line| line.starts_with("POST")),
        "{lines:#?}"
    );
    assert_eq!(only_question(&task).id.to_string(), "q3", "{lines:#?}");
}

/// Rows: H31.
#[test]
fn while_neither_stream_nor_list_says_what_for_a_task_waits_no_answer_leaves() {
    for (list, outcome) in [
        // It may be read again: the answer waits.
        (StatusCode::SERVICE_UNAVAILABLE, None),
        (StatusCode::METHOD_NOT_ALLOWED, Some("answered q1 NotSent")),
    ] {
        let budget = OriginBudget::new();
        let (mut task, stream) = listening(&budget);
        hear(&mut task, stream, "data: 1 wait\n\n", 50);
        drive(
            &mut task,
            60,
            20_000,
            StatusCode::METHOD_NOT_ALLOWED,
            &budget,
        );
        let asked = only_question(&task);
        assert_eq!(asked.id.to_string(), "q1");
        // Whoever answers now, and whatever is asked next, no event says so.
        task.handle_end(stream, at(20_000));
        drive(&mut task, 20_000, 700_000, list, &budget);
        task.answer(&asked.id, Answer::text("x"), at(700_000))
            .expect("it is open");
        let lines = drive(&mut task, 700_000, 760_000, list, &budget);
        assert!(
            !lines.iter().any(|line| line.starts_with("POST")),
            "{lines:#?}"
        );
        let answered = lines.iter().find(|line| line.starts_with("answered"));
        assert_eq!(answered.map(String::as_str), outcome, "{lines:#?}");
    }
}

/// A server without a list, whose reopened stream begins with what happens next: what was asked before its connection
/// was lost may have been answered, and something else asked.
fn live(stream: &[(u64, u64, &'static str)]) -> (World, Streamed) {
    let script = [Work(900), Ask("a?"), Work(900_000), Complete("42")];
    let mut world = streamed(&script, stream).action(20_000, UserAction::CutStream);
    world.server.live = true;
    world.stays = true;
    let mut task = world.start();
    until(&mut world, &mut task, 10_000);
    assert_eq!(only_question(&task).id.to_string(), "q2");
    until(&mut world, &mut task, 60_000);
    (world, task)
}

/// Rows: H31.
#[test]
fn a_reopened_stream_that_is_quiet_proves_nothing_about_a_question() {
    let (mut world, mut task) = live(&[(500, 1, "begin"), (1000, 2, "wait")]);
    task.answer(&"q2".into(), Answer::text("x"), at(60_000))
        .expect("it is open");
    until(&mut world, &mut task, 120_000);
    assert_eq!(world.count("answered q2 NotSent"), 1, "{:#?}", world.trace);
    assert_eq!(world.server.said, [""; 0]);
}

/// Rows: E13, H31.
#[test]
fn a_gap_after_a_question_hides_what_became_of_it() {
    let (world, mut task) = live(&[(500, 1, "begin"), (1000, 2, "wait"), (40_000, 9, "note")]);
    assert_eq!(
        world.count("withdrawn q2 TaskMovedOn"),
        1,
        "{:#?}",
        world.trace
    );
    assert_forgotten(&mut task, "q2", 60_000);
}

/// Rows: H31.
#[test]
fn what_neither_the_stream_nor_the_list_lets_be_read_may_have_answered_a_question() {
    let budget = OriginBudget::new();
    let (mut task, stream) = listening(&budget);
    hear(&mut task, stream, "data: 1 wait\n\n", 50);
    let list = StatusCode::SERVICE_UNAVAILABLE;
    drive(&mut task, 60, 10_000, list, &budget);
    assert_eq!(only_question(&task).id.to_string(), "q1");
    hear(&mut task, stream, "data: what\n\n", 10_000);
    let lines = drive(&mut task, 10_000, 120_000, list, &budget);
    let withdrawn = "withdrawn q1 TaskMovedOn".to_owned();
    assert!(lines.contains(&withdrawn), "{lines:#?}");
    assert_forgotten(&mut task, "q1", 120_000);
}

/// Rows: H31.
#[test]
fn an_answer_that_was_checked_long_ago_is_checked_again_before_it_leaves() {
    let budget = OriginBudget::new();
    let (mut task, stream) = listening(&budget);
    hear(&mut task, stream, "data: 1 wait\n\n", 50);
    drive(
        &mut task,
        60,
        20_000,
        StatusCode::METHOD_NOT_ALLOWED,
        &budget,
    );
    task.answer(&"q1".into(), Answer::text("x"), at(20_000))
        .expect("it is open");
    let check = send(&mut task, 20_000, &budget);
    task.handle_response(check, reply(LOG), at(20_005));
    let list = send(&mut task, 20_005, &budget);
    let none = Response::new(StatusCode::METHOD_NOT_ALLOWED, "no list");
    task.handle_response(list, none, at(20_010));
    let Step::Save { revision } = task.next_step(at(20_010), &budget) else {
        panic!("it is stored before it leaves");
    };
    // The journal takes forty seconds.
    task.saved(revision);
    let id = send(&mut task, 60_000, &budget);
    task.handle_response(id, reply(LOG), at(60_010));
    let lines = drive(
        &mut task,
        60_010,
        65_000,
        StatusCode::METHOD_NOT_ALLOWED,
        &budget,
    );
    assert_eq!(lines[0], "POST /t/t1/say", "{lines:#?}");
}
