//! What threads and handlers on the calling thread bring with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use taskward_core::{
    Answer, DetachReason, ErrorKind, Event, Outcome, Output as _, Policy, RunResult, TaskId,
};
use taskward_providers::nanonets::Nanonets;
use taskward_sim::nanonets::DashboardAction;
use taskward_ureq::{BoxError, Client, Handle, Run, Running};

use crate::suite::connections::{BESIDE, CleanEnds, crowded};
use crate::suite::follow::{Result, answers, job, setup};
use crate::suite::openings::{GUARD, OPENINGS, unopened, wait_until_asked};
use crate::suite::stream::{STREAM_HEAD, Work, setup_with};
use crate::suite::support::{Probe, key};

#[test]
fn an_answer_from_elsewhere_makes_the_handlers_own_late() -> Result {
    let (sim, client) = setup()?;
    let sim = Arc::new(sim);
    let id = client.start(job(&sim, "asker"))?.id();
    let (dashboard, task) = (sim.clone(), id.clone());
    let end = client
        .attach(id)
        .on_question(move |_| {
            let action = DashboardAction::Answer("YEN".to_owned());
            dashboard.dashboard(task.as_str(), action)?;
            Ok(Answer::text("EUR"))
        })
        .wait()?;
    assert_eq!(end.into_answer()?.text().as_deref(), Some("Done, in YEN."));
    assert_eq!(answers(&sim), [1]);
    Ok(())
}

#[test]
fn a_handler_that_panics_sends_nothing() -> Result {
    let (sim, client) = setup()?;
    let run = client
        .run(job(&sim, "asker"))
        .on_question(|_| -> std::result::Result<Answer, BoxError> { panic!("oh") });
    let panicked = std::thread::spawn(move || run.wait().map(|_| ())).join();
    assert!(panicked.is_err());
    assert_eq!(answers(&sim), [0]);
    Ok(())
}

#[test]
fn a_handle_answers_while_the_events_are_read_elsewhere() -> Result {
    let (sim, client) = setup()?;
    let mut running = client.run(job(&sim, "asker")).start()?;
    let handle = running.handle();
    let (questions, asked) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for event in running.events() {
            if let Event::Question(question) = event.expect("nothing is stored").event {
                questions.send(question).expect("somebody listens");
            }
        }
        running
    });
    let question = asked.recv()?;
    let wrong = handle.answer("no such question", Answer::text("x"));
    assert_eq!(wrong.expect_err("it is not open").kind(), ErrorKind::Input);
    handle.answer(question.id, Answer::text("EUR"))?;
    let mut running = reader.join().expect("no panic");
    let answer = running.wait()?.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("Done, in EUR."));
    let again = running.wait().expect_err("it was given once");
    assert_eq!(again.kind(), ErrorKind::Local);
    assert!(running.cancel().is_err() && running.snapshot().is_ended());
    assert!(handle.cancel().is_err());
    Ok(())
}

#[test]
fn an_interrupt_ends_the_watch_and_not_the_task() -> Result {
    let (sim, client) = setup()?;
    let mut running = client.run(job(&sim, "slow")).start()?;
    let handle = running.handle();
    let watch = std::thread::spawn(move || {
        let end = running.wait();
        (running, end)
    });
    handle.interrupt()?;
    let (mut running, end) = watch.join().expect("no panic");
    let RunResult::Detached(left) = end? else {
        panic!("it was interrupted");
    };
    assert_eq!(left.reason, DetachReason::Interrupted);
    assert_eq!(running.detached().map(|left| left.id), Some(left.id));
    running.cancel()?;
    let end = running.wait()?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Stopped { .. })),
        "{end:?}"
    );
    Ok(())
}

#[test]
fn a_request_is_taken_while_a_stream_is_open_and_silent() -> Result {
    let (_server, _platform, client) = setup_with(Policy::default(), |_, conn, _| {
        conn.say(STREAM_HEAD);
        conn.say("data: 1 work\n\n");
        conn.hold();
    });
    let mut running = client.run(Work).start()?;
    let handle = running.handle();
    let (reported, received) = std::sync::mpsc::channel();
    let watch = std::thread::spawn(move || {
        for event in running.events() {
            if let Event::Provider(_) = event.expect("nothing is stored").event {
                reported.send(()).expect("somebody listens");
            }
        }
        running.wait()
    });
    received.recv()?;
    std::thread::sleep(Duration::from_millis(100));
    let started = Instant::now();
    handle.interrupt()?;
    let end = watch.join().expect("no panic")?;
    assert!(matches!(&end, RunResult::Detached(left) if left.reason == DetachReason::Interrupted));
    assert!(started.elapsed() < Duration::from_secs(2));
    Ok(())
}

/// Rows: E28.
#[test]
fn the_connection_of_a_stream_that_ended_is_never_anybody_elses() -> Result {
    let (ends, client) = CleanEnds::new();
    let (others, server) = (client.clone(), ends.clone());
    let (done, asked) = std::sync::mpsc::channel();
    let end = client
        .run(Work)
        .on_event(move |event| {
            if !matches!(&event.event, Event::Provider(event) if event.name == "work") {
                return;
            }
            // The stream has ended by now, or soon has: somebody else uses the client.
            let (others, done) = (others.clone(), done.clone());
            std::thread::spawn(move || {
                let answered = (0..BESIDE).filter(|_| others.call(Probe::get()).is_ok());
                done.send(answered.count()).expect("somebody listens");
            });
            server.held.wait();
        })
        .on_question(|_| Ok(Answer::text("EUR")))
        .wait()?;
    ends.over.open();
    assert_eq!(end.into_answer()?.text().as_deref(), Some("EUR"));
    assert_eq!(asked.recv()?, BESIDE);
    assert_eq!(ends.seen(), (true, BESIDE));
    Ok(())
}

/// Rows: J9.
#[test]
fn an_interrupt_ends_the_wait_for_a_stream_to_open() -> Result {
    for opening in OPENINGS {
        let (server, client) = unopened(opening);
        let mut running = client.attach(TaskId::new("7")).start()?;
        let handle = running.handle();
        let (reported, ended) = std::sync::mpsc::channel();
        let watch = std::thread::spawn(move || {
            let end = running.wait();
            reported.send(end).expect("somebody listens");
        });
        wait_until_asked(&server, opening);
        handle.interrupt()?;
        let end = ended.recv_timeout(GUARD)??;
        assert!(
            matches!(&end, RunResult::Detached(left) if left.reason == DetachReason::Interrupted)
        );
        watch.join().expect("no panic");
    }
    Ok(())
}

#[test]
fn clients_and_handles_go_anywhere() {
    fn anywhere<T: Send + 'static>() {}
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Client<Nanonets>>();
    shared::<Handle>();
    anywhere::<Run<Nanonets>>();
    anywhere::<Running<Nanonets>>();
}

#[test]
fn requests_beyond_the_connections_wait_for_their_turn() {
    let (server, peak) = crowded(3);
    let client = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(&server.url())
        .max_connections(3)
        .build()
        .expect("settings");
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| assert_eq!(client.call(Probe::get()).expect("a reply").body, "{}"));
        }
    });
    assert_eq!(peak.load(Ordering::SeqCst), 3);
    assert_eq!(server.connections(), 3);
    assert_eq!(server.seen().len(), 50);
}
