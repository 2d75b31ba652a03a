//! What dropped futures and handlers that run beside the watch bring with them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use taskward_core::{
    Answer, Answered, CancelResult, DetachReason, ErrorKind, Event, OnDetach, Outcome, Output as _,
    Policy, Reply, RunResult, TaskId,
};
use taskward_hyper::{Client, Running};
use taskward_providers::nanonets::operations::ListAgents;
use taskward_providers::nanonets::{Job, Nanonets};
use taskward_sim::nanonets::DashboardAction;
use taskward_sim::{Fault, FaultRule, Span};

use crate::suite::connections::{BESIDE, CleanEnds, crowded};
use crate::suite::follow::{Result, answers, job, setup};
use crate::suite::openings::{OPENINGS, unopened, wait_until_asked};
use crate::suite::stream::{STREAM_HEAD, Work, setup_with};
use crate::suite::support::{Probe, Server, key};

/// Nothing here takes so long, unless it never ends.
const GUARD: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_handler_is_dropped_when_its_question_is_answered_elsewhere() -> Result {
    struct Tell(Arc<Mutex<bool>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            *self.0.lock().expect("flag") = true;
        }
    }
    let (sim, client) = setup()?;
    let dropped = Arc::new(Mutex::new(false));
    let flag = dropped.clone();
    let started = client.start(job(&sim, "asker")).await?;
    let id = started.id();
    let run = client
        .attach(id.clone())
        .on_question(move |_| {
            let guard = Tell(flag.clone());
            async move {
                let _guard = guard;
                std::future::pending::<()>().await;
                Ok(Reply::Leave)
            }
        })
        .on_event({
            let sim = Arc::new(sim);
            move |event| {
                if matches!(event.event, Event::Question(_)) {
                    let action = DashboardAction::Answer("YEN".to_owned());
                    sim.dashboard(id.as_str(), action).expect("it waits");
                }
            }
        });
    let answer = run.await?.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("Done, in YEN."));
    assert!(*dropped.lock().expect("flag"));
    Ok(())
}

/// Rows: J9.
#[tokio::test]
async fn an_interrupt_ends_the_wait_for_a_stream_to_open() -> Result {
    for opening in OPENINGS {
        let (server, client) = unopened(opening);
        let mut running = client.attach(TaskId::new("7")).start().await?;
        let handle = running.handle();
        let watch = tokio::spawn(async move { running.wait().await });
        tokio::task::spawn_blocking(move || wait_until_asked(&server, opening)).await?;
        handle.interrupt().await?;
        let end = tokio::time::timeout(GUARD, watch).await???;
        assert!(
            matches!(&end, RunResult::Detached(left) if left.reason == DetachReason::Interrupted)
        );
    }
    Ok(())
}

/// Rows: E28.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_of_a_stream_that_ended_is_never_anybody_elses() -> Result {
    let (ends, client) = CleanEnds::new();
    let (others, server) = (client.clone(), ends.clone());
    let (done, mut asked) = tokio::sync::mpsc::channel(1);
    let runtime = tokio::runtime::Handle::current();
    let run = client
        .run(Work)
        .on_event(move |event| {
            if !matches!(&event.event, Event::Provider(event) if event.name == "work") {
                return;
            }
            // The stream has ended by now, or soon has: somebody else uses the client.
            let (others, done, runtime) = (others.clone(), done.clone(), runtime.clone());
            std::thread::spawn(move || {
                let call = || runtime.block_on(others.call(Probe::get()));
                let answered = (0..BESIDE).filter(|_| call().is_ok()).count();
                done.blocking_send(answered).expect("somebody listens");
            });
            // The sockets of the others move meanwhile.
            tokio::task::block_in_place(|| server.held.wait());
        })
        .on_question(async |_| Ok(Answer::text("EUR")));
    let end = tokio::spawn(run.into_future()).await??;
    ends.over.open();
    assert_eq!(end.into_answer()?.text().as_deref(), Some("EUR"));
    assert_eq!(asked.recv().await, Some(BESIDE));
    assert_eq!(ends.seen(), (true, BESIDE));
    Ok(())
}

#[tokio::test]
async fn dropping_the_future_of_next_loses_nothing() -> Result {
    let (sim, client) = setup()?;
    let mut running = client.run(job(&sim, "asker")).start().await?;
    let mut reported = Vec::new();
    loop {
        // Far shorter than an exchange takes, so that nearly every one is cut.
        let Ok(next) = tokio::time::timeout(Duration::from_micros(300), running.next()).await
        else {
            continue;
        };
        let Some(event) = next? else { break };
        if let Event::Question(question) = &event.event {
            running.answer(&question.id, Answer::text("EUR"))?;
        }
        reported.push(name(&event));
    }
    let answer = running.wait().await?.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("Done, in EUR."));
    assert_eq!(sim.stats().starts, 1);
    assert_eq!(answers(&sim), [1]);
    assert_eq!(reported[0], "started");
    assert_eq!(
        reported.iter().filter(|name| **name == "question").count(),
        1
    );
    assert_eq!(
        reported.iter().filter(|name| **name == "answered").count(),
        1
    );
    Ok(())
}

#[tokio::test]
async fn dropping_the_future_of_a_page_loses_nothing() -> Result {
    let scenario = taskward_sim::Scenario::parse("[switches]\nfiller_agents = 30")?;
    let sim = taskward_sim::Sim::builder().scenario(scenario).spawn()?;
    let access = sim.nanonets();
    let client: Client<Nanonets> = Client::builder()
        .api_key(taskward_core::SecretString::from(access.api_key))
        .base_url(&access.base_url)
        .build()?;
    let mut list = client.list(ListAgents {
        limit: Some(4),
        name: Some("filler".into()),
        ..ListAgents::default()
    });
    let mut count = 0;
    loop {
        // Far shorter than an exchange takes, so that nearly every one is cut.
        let Ok(page) = tokio::time::timeout(Duration::from_micros(50), list.next_page()).await
        else {
            continue;
        };
        let Some(page) = page? else { break };
        count += page.len();
    }
    assert_eq!((count, sim.requests().len()), (30, 8));
    Ok(())
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Created { .. } => "started",
        Event::Question(_) => "question",
        Event::Answered {
            how: Answered::Applied,
            ..
        } => "answered",
        _ => "other",
    }
}

#[tokio::test]
async fn a_handle_answers_while_the_events_are_read_elsewhere() -> Result {
    let (sim, client) = setup()?;
    let mut running = client.run(job(&sim, "asker")).start().await?;
    let handle = running.handle();
    let (questions, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let reader = tokio::spawn(async move {
        let mut events = running.events();
        while let Some(event) = std::future::poll_fn(|cx| {
            futures_core::Stream::poll_next(std::pin::Pin::new(&mut events), cx)
        })
        .await
        {
            if let Event::Question(question) = event.expect("nothing is stored").event {
                questions.send(question).expect("somebody listens");
            }
        }
        running
    });
    let question = asked.recv().await.ok_or("no question")?;
    let wrong = handle.answer("no such question", Answer::text("x")).await;
    assert_eq!(wrong.expect_err("it is not open").kind(), ErrorKind::Input);
    handle.answer(question.id, Answer::text("EUR")).await?;
    let mut running = reader.await?;
    let answer = running.wait().await?.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("Done, in EUR."));
    let again = running.wait().await.expect_err("it was given once");
    assert_eq!(again.kind(), ErrorKind::Local);
    assert!(running.cancel().is_err() && running.snapshot().is_ended());
    drop(running);
    assert!(handle.cancel().await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_interrupt_ends_the_watch_and_not_the_task() -> Result {
    let (sim, client) = setup()?;
    let mut running = client.run(job(&sim, "slow")).start().await?;
    let handle = running.handle();
    let watch = tokio::spawn(async move {
        let end = running.wait().await;
        (running, end)
    });
    handle.interrupt().await?;
    let (mut running, end) = watch.await?;
    let RunResult::Detached(left) = end? else {
        panic!("it was interrupted");
    };
    assert_eq!(left.reason, DetachReason::Interrupted);
    assert_eq!(running.detached().map(|left| left.id), Some(left.id));
    running.cancel()?;
    let end = running.wait().await?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Stopped { .. })),
        "{end:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_request_is_taken_while_a_stream_is_open_and_silent() -> Result {
    let (_server, _platform, client) = setup_with(Policy::default(), |_, conn, _| {
        conn.say(STREAM_HEAD);
        conn.say("data: 1 work\n\n");
        conn.hold();
    });
    let mut running = client.run(Work).start().await?;
    let handle = running.handle();
    let (reported, mut received) = tokio::sync::mpsc::channel(1);
    let watch = tokio::spawn(async move {
        while let Some(event) = running.next().await.expect("nothing is stored") {
            if let Event::Provider(_) = event.event {
                reported.send(()).await.expect("somebody listens");
            }
        }
        running.wait().await
    });
    received.recv().await.ok_or("no event")?;
    // On one thread: the driver runs until there is nothing to do for it.
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    handle.interrupt().await?;
    let end = tokio::time::timeout(GUARD, watch).await???;
    assert!(matches!(&end, RunResult::Detached(left) if left.reason == DetachReason::Interrupted));
    Ok(())
}

/// A future that never gets a turn waits forever: the guard detects that, not how long a turn takes.
#[test]
fn a_busy_stream_leaves_the_others_of_its_runtime_their_turns() {
    let (done, finished) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let others = runtime.block_on(beside_a_busy_stream());
        done.send(others.map_err(|e| e.to_string()))
            .expect("somebody waits");
    });
    let others = finished.recv_timeout(GUARD);
    others.expect("they get their turns").expect("no error");
}

async fn beside_a_busy_stream() -> Result {
    let (_server, _platform, client) = setup_with(Policy::default(), |_, conn, _| {
        conn.say(STREAM_HEAD);
        conn.say("data: 1 work\n\n");
        let nothing = ":\n".repeat(100_000);
        while conn.say(&nothing) {}
    });
    let mut running = client.run(Work).start().await?;
    let handle = running.handle();
    // From here on the stream never runs dry.
    while !matches!(running.next().await?.as_deref(), Some(Event::Provider(_))) {}
    let watch = tokio::spawn(async move { running.wait().await });
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
    handle.interrupt().await?;
    assert!(matches!(watch.await??, RunResult::Detached(_)));
    Ok(())
}

#[test]
fn futures_and_handles_go_anywhere() {
    fn anywhere<T: Send + 'static>(_: &T) {}
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn check(client: Client<Nanonets>, job: Job, mut running: Running<Nanonets>) {
        shared(&client);
        shared(&running.handle());
        anywhere(&client.run(job.clone()).into_future());
        let mut list = client.list(ListAgents::default());
        anywhere(&list);
        anywhere(&async move { list.next_page().await.map(|_| ()) });
        let other = client.clone();
        anywhere(&async move { other.start(job).await });
        anywhere(&async move { client.call(ListAgents::default()).await });
        anywhere(&async move { running.next().await });
    }
    let _ = check;
}

#[tokio::test]
async fn a_poll_without_a_reply_is_dropped_when_its_task_is_to_be_stopped() -> Result {
    let (sim, client) = setup()?;
    let within = Duration::from_secs(60);
    let run = client.run(job(&sim, "slow"));
    let run = run.on_interrupt(OnDetach::Cancel { within });
    let mut running = run.start().await?;
    while !matches!(
        running.next().await?.as_deref(),
        Some(Event::Created { .. })
    ) {}
    // No reply comes to the next poll, for hours.
    let hours = Span(36_000_000);
    sim.set_faults(vec![
        FaultRule::new(Fault::Latency { span: hours }).on("status"),
    ]);
    let handle = running.handle();
    let polled = async {
        while !sim.requests().iter().any(|one| one.endpoint == "status") {
            tokio::task::yield_now().await;
        }
        handle.interrupt().await
    };
    let end = async { tokio::time::timeout(GUARD, running.wait()).await };
    let (end, received) = tokio::join!(end, polled);
    received?;
    let RunResult::Detached(left) = end.expect("it does not wait for the reply")? else {
        panic!("it was interrupted");
    };
    assert_eq!(left.reason, DetachReason::Interrupted);
    assert_eq!(left.cancel, CancelResult::Accepted);
    Ok(())
}

/// Rows: H19.
#[tokio::test]
async fn a_command_whose_future_is_dropped_is_withdrawn() -> Result {
    let (sim, client) = setup()?;
    let mut running = client.run(job(&sim, "asker")).start().await?;
    let handle = running.handle();
    for _ in 0..3 {
        let mut cancel = Box::pin(handle.cancel());
        let polled = std::future::poll_fn(|cx| Poll::Ready(cancel.as_mut().poll(cx))).await;
        assert!(polled.is_pending(), "nobody drives");
        drop(cancel);
    }
    while !matches!(running.next().await?.as_deref(), Some(Event::Question(_))) {}
    assert_eq!(sim.stats().endpoints.get("cancel"), None);
    Ok(())
}

#[tokio::test]
async fn requests_beyond_the_connections_wait_for_their_turn() {
    let (server, peak) = crowded(3);
    let client = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(&server.url())
        .max_connections(3)
        .build()
        .expect("settings");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        calls.spawn(async move { client.call(Probe::get()).await });
    }
    for reply in calls.join_all().await {
        assert_eq!(reply.expect("a reply").body, "{}");
    }
    assert_eq!(peak.load(Ordering::SeqCst), 3);
    assert_eq!(server.connections(), 3);
    assert_eq!(server.seen().len(), 50);
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_waits_leaves_its_turn_to_others() {
    let (server, _) = crowded(2);
    let client = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(&server.url())
        .max_connections(1)
        .build()
        .expect("settings");
    let first = client.clone();
    let held = tokio::spawn(async move { first.call(Probe::get()).await });
    while server.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut waiting = Box::pin(client.call(Probe::get()));
    let polled = std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    drop(waiting);
    held.abort();
    assert!(held.await.expect_err("aborted").is_cancelled());
    let third = client.clone();
    let third = tokio::spawn(async move { third.call(Probe::get()).await });
    // The first one stays with the server, which has two of them now.
    third.await.expect("a task").expect("a reply");
    assert_eq!(server.seen().len(), 2);
}

/// Rows: F17.
#[tokio::test]
async fn tasks_that_wait_for_a_connection_have_sent_nothing_when_the_server_refuses_the_first() {
    let server = Server::new(|conn, _| {
        while let Some(seen) = conn.request() {
            let refusal = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}";
            if seen.line().contains("/probe") {
                conn.json("{}");
            } else {
                conn.say(refusal);
            }
        }
    });
    let client = Client::<Nanonets>::builder()
        .api_key(key())
        .base_url(&server.url())
        .max_connections(2)
        .build()
        .expect("settings");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..300 {
        let client = client.clone();
        tasks.spawn(async move { client.attach(format!("t{number}")).await.map(drop) });
    }
    // Once the rate is known, a few requests are sent at once, and one in each second.
    while server.seen().len() < 5 {
        tokio::task::yield_now().await;
    }
    // Its turn is behind those of all tasks.
    client.call(Probe::get()).await.expect("a reply");
    let sent = server.seen().len();
    assert!(sent < 60, "{sent} of 300 were sent");
}
