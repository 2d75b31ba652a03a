//! The machine driven by hand, without server and clock: what holds between its steps.

use taskward::core::http::StatusCode;
use taskward::core::testing::{past_saves, settle};
use taskward::core::{
    Answer, Cause, EventNo, ExchangeFailure, ExchangeId, ExchangeProgress, Head, OriginBudget,
    Policy, Response, Revision, Seed, Step, Task, TaskId, Timestamp,
};
use taskward::nanonets::Nanonets;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn attached() -> Task<Nanonets> {
    let id = TaskId::new("8c1e0a4e-0000-4000-8000-000000000001");
    Task::attach(Nanonets, id, None, Policy::default(), Seed([7; 32]), at(0))
}

fn reply(body: &str) -> Response {
    Response::new(StatusCode::OK, body.to_owned())
}

/// Sends what is to be sent at this time and answers it.
fn exchange(task: &mut Task<Nanonets>, now: Timestamp, body: &str) -> ExchangeId {
    let Step::Send { id, .. } = task.next_step(now, &OriginBudget::new()) else {
        panic!("nothing is sent");
    };
    task.sent(id);
    task.handle_response(id, reply(body), now);
    id
}

#[test]
fn an_event_is_repeated_until_it_is_taken_and_the_numbers_have_no_gaps() {
    let mut task = attached();
    let shared = OriginBudget::new();
    for (n, status) in ["pending", "queued", "running"].into_iter().enumerate() {
        let now = at(20 * n as u64);
        exchange(&mut task, now, &format!(r#"{{"status":"{status}"}}"#));
        let expected = EventNo(n as u64 + 1);
        for later in 0..3 {
            let later = now.after(std::time::Duration::from_millis(later));
            match past_saves(&mut task, later, &shared) {
                Step::Event { no, .. } => assert_eq!(no, expected),
                step => panic!("{step:?} instead of event {expected}"),
            }
            task.taken(EventNo(expected.0 + 1));
            task.taken(EventNo(expected.0 - 1));
        }
        task.taken(expected);
        let step = past_saves(&mut task, now, &shared);
        assert!(matches!(step, Step::Wait { .. }), "{step:?}");
    }
}

#[test]
fn after_the_end_nothing_changes() {
    let mut task = attached();
    let shared = OriginBudget::new();
    let read = exchange(&mut task, at(0), r#"{"status":"completed"}"#);
    settle(&mut task, at(0), &shared);
    exchange(&mut task, at(0), r#"{"status":"completed","result":"yes"}"#);
    let end = format!("{:?}", settle(&mut task, at(0), &shared).1);
    assert_eq!(end, "Done");
    let outcome = format!("{:?}", task.outcome());
    assert!(outcome.starts_with("Some(Succeeded"), "{outcome}");
    let stored = task.snapshot();

    for id in [read, ExchangeId(2), ExchangeId(3)] {
        task.sent(id);
        task.handle_response(id, reply(r#"{"status":"running"}"#), at(1));
        task.handle_failure(
            id,
            ExchangeFailure::new(ExchangeProgress::MaybeSent, Cause::Reset, ""),
            at(2),
        );
        task.handle_head(id, Head::new(StatusCode::OK), at(2));
        task.handle_chunk(id, "data: x\n\n".into(), at(2));
        task.handle_end(id, at(2));
        task.closed(id);
    }
    task.saved(Revision(99));
    task.taken(EventNo(1));
    assert!(task.answer(&"q".into(), Answer::text("a"), at(3)).is_err());
    task.cancel(at(3)).expect("there is a cancel here");
    assert_eq!(format!("{:?}", task.next_step(at(9_999_999), &shared)), end);
    assert_eq!(format!("{:?}", task.outcome()), outcome);
    assert!(task.snapshot().is_ended());
    assert_eq!(task.snapshot().revision(), stored.revision());
    assert_eq!(shared.tokens(), OriginBudget::new().tokens());
    assert_eq!(shared.requests_per_second(), None);
}
