//! What is asked of a followed task from elsewhere, and what it says to that.

use std::time::Duration;

use taskward_core::{
    Answer, AnswerError, Answered, ErrorKind, Event, Output as _, Provider, QuestionId,
    QuestionKind, RunResult, Status,
};

use super::follow::{self, Result};
use super::harness::{LATE, job, setup};
use crate::adapter::{Handle, Running, block_on};

/// Longer than any test: what takes so long hangs.
const FOREVER: Duration = Duration::from_secs(86_400);

/// Returns the kind of an answer's error, and the answer that the question has.
fn reason(error: &AnswerError) -> (&'static str, Option<&Answer>) {
    match error {
        AnswerError::NoSuchQuestion(_) => ("no such question", None),
        AnswerError::AlreadyAnswered { with, .. } => ("already answered", with.as_ref()),
        AnswerError::BeingAnswered(_) => ("being answered", None),
        AnswerError::WrongKind {
            wants: QuestionKind::Approval | QuestionKind::Data,
            ..
        } => ("wrong kind", None),
        other => panic!("{other}"),
    }
}

/// Follows to the next question.
fn asked<P: Provider>(running: &mut Running<P>) -> Result<QuestionId> {
    loop {
        if let Event::Question(question) = block_on(running.next())?.ok_or("it asks")?.event {
            return Ok(question.id);
        }
    }
}

/// Rows: H18.
#[test]
fn an_answer_that_cannot_be_taken_says_why_to_the_driver_and_through_a_handle() -> Result {
    let (_sim, client) = setup(Vec::new(), LATE)?;
    let mut running = block_on(client.run(job("two-waits")).start())?;
    let id = asked(&mut running)?;
    let text = || Answer::text("yes");
    let mut seen = Vec::new();
    for (id, answer) in [(&"no such one".into(), text()), (&id, text())] {
        seen.push(running.answer(id, answer).expect_err("it cannot be taken"));
    }
    running.answer(&id, Answer::Approve)?;
    seen.push(
        running
            .answer(&id, Answer::Approve)
            .expect_err("one is under way"),
    );
    while !matches!(
        block_on(running.next())?.ok_or("it asks again")?.event,
        Event::Answered {
            how: Answered::Applied,
            ..
        }
    ) {}
    seen.push(running.answer(&id, text()).expect_err("it has its answer"));
    let reported: Vec<_> = seen.iter().map(reason).collect();
    let (approve, first) = (Answer::Approve, "already answered");
    assert_eq!(
        reported,
        [
            ("no such question", None),
            ("wrong kind", None),
            ("being answered", None),
            (first, Some(&approve)),
        ]
    );
    // The second wait: the same through a handle, from another thread.
    let (handle, second) = (running.handle(), asked(&mut running)?);
    let other = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for (id, answer) in [
            ("no such one".into(), Answer::Approve),
            (second.clone(), text()),
            (id, Answer::Approve),
        ] {
            let error = block_on(handle.answer(id, answer)).expect_err("it cannot be taken");
            assert_eq!(error.kind(), ErrorKind::Input);
            let (kind, with) = reason(error.answer_error().expect("a reason"));
            seen.push((kind, with.cloned()));
        }
        block_on(handle.interrupt()).map(|()| seen)
    });
    while block_on(running.next())?.is_some() {}
    assert_eq!(
        other.join().expect("no panic")?,
        [
            ("no such question", None),
            ("wrong kind", None),
            (first, Some(approve)),
        ]
    );
    Ok(())
}

/// Returns the result of each command of a handle.
fn commands(handle: &Handle) -> [Option<ErrorKind>; 4] {
    [
        block_on(handle.answer("q", Answer::Approve)).err(),
        block_on(handle.send_message("more")).err(),
        block_on(handle.cancel()).err(),
        block_on(handle.interrupt()).err(),
    ]
    .map(|error| error.map(|error| error.kind()))
}

const NOT_DRIVEN: [Option<ErrorKind>; 4] = [Some(ErrorKind::NotDriven); 4];

/// Rows: H19.
#[test]
fn a_command_that_nobody_takes_is_withdrawn_and_not_applied_later() -> Result {
    let (sim, client) = follow::setup()?;
    let mut running = block_on(client.run(follow::job(&sim, "asker")).start())?;
    let impatient = running.handle().with_timeout(Duration::ZERO);
    // More than there is room for.
    for _ in 0..20 {
        assert_eq!(commands(&impatient), NOT_DRIVEN);
    }
    let question = asked(&mut running)?;
    running.answer(&question, Answer::text("EUR"))?;
    let answer = block_on(running.wait())?.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("Done, in EUR."));
    let endpoints = sim.stats().endpoints;
    assert_eq!((endpoints.get("cancel"), endpoints["message"]), (None, 1));
    Ok(())
}

/// Rows: H19.
#[test]
fn a_command_to_a_task_that_is_over_or_was_dropped_fails_at_once() -> Result {
    let (sim, client) = follow::setup()?;
    let mut running = block_on(client.run(follow::job(&sim, "echo")).start())?;
    let handle = running.handle().with_timeout(FOREVER);
    while block_on(running.next())?.is_some() {}
    assert_eq!(commands(&handle), NOT_DRIVEN);
    block_on(running.wait())?.into_answer()?;
    assert_eq!(commands(&handle), NOT_DRIVEN);
    // Dropped while somebody waits, or before.
    let running = block_on(client.run(follow::job(&sim, "slow")).start())?;
    let handle = running.handle().with_timeout(FOREVER);
    let waiting = std::thread::spawn(move || commands(&handle));
    std::thread::yield_now();
    drop(running);
    assert_eq!(waiting.join().expect("no panic"), NOT_DRIVEN);
    Ok(())
}

/// Rows: H19.
#[test]
fn a_command_is_taken_as_soon_as_the_task_is_driven_again() -> Result {
    let (sim, client) = follow::setup()?;
    let mut running = block_on(client.run(follow::job(&sim, "slow")).start())?;
    let handle = running.handle().with_timeout(FOREVER);
    let waiting = std::thread::spawn(move || block_on(handle.interrupt()));
    std::thread::yield_now();
    while block_on(running.next())?.is_some() {}
    waiting.join().expect("no panic")?;
    let end = block_on(running.wait())?;
    assert!(matches!(end, RunResult::Detached(_)), "{end:?}");
    Ok(())
}

/// Rows: E32.
#[test]
fn the_status_of_a_run_follows_its_events() -> Result {
    let (_sim, client) = setup(Vec::new(), LATE)?;
    let mut running = block_on(client.run(job("two-waits")).start())?;
    assert_eq!(running.status(), None);
    let mut reported = Vec::new();
    while let Some(event) = block_on(running.next())? {
        match event.event {
            Event::Status(status) => reported.push(status.to_string()),
            Event::Provider(event) => reported.push(event.name),
            Event::Question(_) => break,
            _ => {}
        }
    }
    let at = |name: &str| reported.iter().position(|one| one == name);
    assert!(
        matches!((at("run.worker.started"), at("running")), (Some(event), Some(status)) if event.abs_diff(status) == 1),
        "{reported:?}"
    );
    assert_eq!(running.status().map(Status::as_str), Some("awaiting_input"));
    Ok(())
}
