//! What is asked of a followed task from elsewhere, and what it says to that.

use taskward_core::{
    Answer, AnswerError, Answered, ErrorKind, Event, Provider, QuestionId, QuestionKind,
};

use super::follow::Result;
use super::harness::{LATE, job, setup};
use crate::adapter::{Running, block_on};

/// The kind of an answer's error, and the answer that the question has.
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

/// Goes on to the next question.
fn asked<P: Provider>(running: &mut Running<P>) -> Result<QuestionId> {
    loop {
        if let Event::Question(question) = block_on(running.next())?.ok_or("it asks")? {
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
        block_on(running.next())?.ok_or("it asks again")?,
        Event::Answered {
            how: Answered::Applied,
            ..
        }
    ) {}
    seen.push(running.answer(&id, text()).expect_err("it has its answer"));
    let told: Vec<_> = seen.iter().map(reason).collect();
    let (approve, first) = (Answer::Approve, "already answered");
    assert_eq!(
        told,
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
