//! Tasks followed over the simulator: questions, hooks, handles, detaching and resuming.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskward_core::{
    Answer, DetachReason, ErrorKind, Event, Outcome, Output as _, Reply, RunResult, SecretString,
    StoppedBy, TimeLimit,
};
use taskward_providers::nanonets::{Job, Nanonets};
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Fault, FaultRule, Sim};

use crate::adapter::{BoxError, Client, block_on, follow, handler};

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn StdError>>;

/// A simulator and a client, both this much faster than the world.
const SPEED: u32 = 50;

pub(crate) fn setup() -> Result<(Sim, Client<Nanonets>)> {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn()?;
    let access = sim.nanonets();
    let client = Client::builder()
        .api_key(SecretString::from(access.api_key))
        .base_url(&access.base_url)
        .speed(SPEED)
        .build()?;
    Ok((sim, client))
}

pub(crate) fn job(sim: &Sim, agent: &str) -> Job {
    Job::agent(sim.agent(agent)).query("Convert 10 dollars.")
}

fn ask(_question: &str) -> std::result::Result<String, std::io::Error> {
    Ok("EUR".to_owned())
}

pub(crate) fn answers(sim: &Sim) -> Vec<u64> {
    sim.stats().questions.iter().map(|q| q.answers).collect()
}

#[test]
fn a_question_reaches_the_handler_and_its_answer_the_agent() -> Result {
    let (sim, client) = setup()?;
    let end = follow(
        client
            .run(job(&sim, "asker"))
            .deadline(Duration::from_secs(900))
            .on_question(handler(|q| Ok(Answer::text(ask(q.text())?)))),
    )?;
    assert_eq!(end.into_answer()?.text().as_deref(), Some("Done, in EUR."));
    assert_eq!(answers(&sim), [1]);
    Ok(())
}

#[test]
fn without_a_handler_a_question_hands_control_back() -> Result {
    let (sim, client) = setup()?;
    let RunResult::Detached(left) = follow(client.run(job(&sim, "asker")))? else {
        panic!("nobody could answer");
    };
    let DetachReason::Question(question) = &left.reason else {
        panic!("left for {:?}", left.reason);
    };
    assert!(question.text().contains("currency"));
    // Following it again hands control back as well; a stored one continues with a handler.
    let again = follow(client.attach(left.id.clone()))?;
    assert!(matches!(again, RunResult::Detached(_)));
    let end = follow(
        client
            .resume(left.snapshot)
            .on_question(handler(|_| Ok(Answer::text("CHF")))),
    )?;
    assert_eq!(end.into_answer()?.text().as_deref(), Some("Done, in CHF."));
    assert_eq!(answers(&sim), [1]);
    Ok(())
}

#[test]
fn a_handler_that_fails_leaves_the_task_alone() -> Result {
    let (sim, client) = setup()?;
    let error = follow(client.run(job(&sim, "asker")).on_question(handler(
        |_| -> std::result::Result<Answer, BoxError> { Err("the human went home".into()) },
    )))
    .expect_err("the handler failed");
    assert_eq!(error.kind(), ErrorKind::Local);
    assert!(error.to_string().contains("went home"), "{error}");
    assert_eq!(answers(&sim), [0]);
    let id = error.task().expect("the task is known").clone();
    let left = follow(client.attach(id).on_question(handler(|_| Ok(Reply::Leave))))?;
    assert!(matches!(left, RunResult::Detached(_)));
    assert_eq!(answers(&sim), [0]);
    Ok(())
}

#[test]
fn a_handler_can_stop_the_task() -> Result {
    let (sim, client) = setup()?;
    let end = follow(
        client
            .run(job(&sim, "asker"))
            .on_question(handler(|_| Ok(Reply::Cancel))),
    )?;
    let Some(Outcome::Stopped { by, .. }) = end.outcome() else {
        panic!("{end:?}");
    };
    assert_eq!(*by, StoppedBy::Us);
    Ok(())
}

#[test]
fn what_cannot_be_stored_is_not_sent() -> Result {
    let (sim, client) = setup()?;
    let error = follow(
        client
            .run(job(&sim, "echo"))
            .on_save(|_| Err("the disk is full".into())),
    )
    .expect_err("it could not be stored");
    assert_eq!(error.kind(), ErrorKind::Local);
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(sim.requests().is_empty());
    Ok(())
}

#[test]
fn a_task_is_stored_before_its_start_and_once_its_id_is_known() -> Result {
    let (sim, client) = setup()?;
    let saved = Arc::new(Mutex::new(Vec::new()));
    let log = saved.clone();
    let run = client.run(job(&sim, "echo")).on_save(move |snapshot| {
        log.lock().expect("log").push(snapshot.clone());
        Ok(())
    });
    let end = follow(run)?;
    let saved = saved.lock().expect("log");
    assert!(saved[0].task().is_none() && saved[0].intent().is_some());
    assert_eq!(saved[1].task(), end.outcome().and_then(Outcome::task));
    Ok(())
}

#[test]
fn a_question_told_by_next_is_left_to_wait_when_it_was_not_answered() -> Result {
    let (sim, client) = setup()?;
    let mut running = block_on(client.run(job(&sim, "asker")).start())?;
    while !matches!(
        block_on(running.next())?.as_deref(),
        Some(Event::Question(_))
    ) {}
    assert_eq!(running.questions().count(), 1);
    let left = block_on(running.wait())?;
    assert!(matches!(left, RunResult::Detached(_)), "{left:?}");
    Ok(())
}

#[test]
fn a_started_task_can_be_followed_by_its_id() -> Result {
    let (sim, client) = setup()?;
    let id = block_on(client.start(job(&sim, "echo")))?.id();
    let end = follow(client.attach(id.clone()))?;
    assert_eq!(end.outcome().and_then(Outcome::task), Some(&id));
    end.into_answer()?;
    assert_eq!(sim.stats().starts, 1);
    Ok(())
}

#[test]
fn a_deadline_ends_the_watch() -> Result {
    let (sim, client) = setup()?;
    let end = follow(
        client
            .run(job(&sim, "slow"))
            .deadline(Duration::from_secs(20)),
    )?;
    let Some(Outcome::DeadlineExceeded { limit, .. }) = end.outcome() else {
        panic!("{end:?}");
    };
    assert_eq!(*limit, TimeLimit::Working);
    Ok(())
}

#[test]
fn a_stored_task_keeps_its_deadlines() -> Result {
    let (sim, client) = setup()?;
    let snapshot = block_on(client.start(job(&sim, "echo")))?.snapshot();
    let run = client.resume(snapshot).deadline(Duration::from_secs(5));
    assert_eq!(follow(run).expect_err("refused").kind(), ErrorKind::Config);
    Ok(())
}

#[test]
fn a_review_is_waited_out_unless_the_caller_leaves_it() -> Result {
    let (sim, client) = setup()?;
    let RunResult::Detached(left) = follow(client.run(job(&sim, "reviewer")).leave_review(true))?
    else {
        panic!("it pauses");
    };
    assert!(matches!(left.reason, DetachReason::Review(_)));
    let sim = Arc::new(sim);
    let dashboard = sim.clone();
    let id = left.id.clone();
    let run = client.attach(left.id).on_event(move |event| {
        if matches!(event.event, Event::Paused(_)) {
            dashboard
                .dashboard(id.as_str(), DashboardAction::Approve)
                .expect("in review");
        }
    });
    follow(run)?.into_answer()?;
    Ok(())
}

#[test]
fn a_start_whose_reply_is_lost_is_never_made_again() -> Result {
    let (sim, client) = setup()?;
    sim.set_faults(vec![
        FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("run"),
    ]);
    let end = follow(client.run(job(&sim, "echo")))?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Unknown { .. })),
        "{end:?}"
    );
    let error = block_on(client.start(job(&sim, "echo"))).expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.intent().is_some());
    assert_eq!(sim.stats().starts, 2);
    Ok(())
}

#[test]
fn a_refused_start_says_why() -> Result {
    let (sim, _) = setup()?;
    let client = Client::<Nanonets>::builder()
        .api_key(SecretString::from("not-the-right-key"))
        .base_url(&sim.nanonets().base_url)
        .build()?;
    let error = block_on(client.start(job(&sim, "echo"))).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Auth);
    let file = follow(client.run(job(&sim, "invoice").file("no/such/file.csv")));
    assert_eq!(file.expect_err("no file").kind(), ErrorKind::Input);
    Ok(())
}

#[test]
fn a_message_goes_on_with_a_task_that_is_over() -> Result {
    let (sim, client) = setup()?;
    let end = follow(
        client
            .run(job(&sim, "chat"))
            .on_question(handler(|_| Ok(Answer::text("bye")))),
    )?;
    let id = end
        .outcome()
        .and_then(Outcome::task)
        .ok_or("no task")?
        .clone();
    let before = sim.stats().endpoints.get("message").copied();
    let next = follow(client.continue_with(id, "Once more."))?;
    assert_ne!(sim.stats().endpoints.get("message").copied(), before);
    drop(next);
    Ok(())
}
