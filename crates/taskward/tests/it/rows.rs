//! What must hold through both adapters: starts that are let go of, handlers that fail, deadlines that pass at a bad
//! moment.
#![cfg(all(feature = "async", feature = "blocking"))]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskward::agent_harness::{self, AgentHarness};
use taskward::core::TimeLimit;
use taskward::error::BoxError;
use taskward::nanonets::{self, File, Nanonets};
use taskward::outcome::DetachReason;
use taskward::{
    Answer, Error, ErrorKind, Outcome, Output as _, Policy, Provider, Question, Reply, RunResult,
    Snapshot,
};
use taskward_sim::{Fault, FaultRule, Sim, Span};

/// How fast the simulator and the clients' clocks run, where the time of the world does not matter.
const SPEED: u32 = 100;

#[derive(Clone, Copy, Debug)]
enum Adapter {
    Async,
    Blocking,
}

const BOTH: [Adapter; 2] = [Adapter::Async, Adapter::Blocking];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A client of either adapter for a provider of this simulator.
macro_rules! client {
    ($client:ty, $provider:ty, $sim:expr, $speed:expr) => {{
        let (key, base_url) = access::<$provider>($sim);
        <$client>::builder()
            .api_key(key.into())
            .base_url(&base_url)
            .speed($speed)
            .build()
            .expect("a client")
    }};
}

/// Sees a run through, written once for both adapters.
macro_rules! through {
    ($adapter:expr, $provider:ty, $sim:expr, $speed:expr, |$client:ident| $run:expr) => {
        match $adapter {
            Adapter::Async => {
                let $client = client!(taskward::Client<$provider>, $provider, $sim, $speed);
                runtime().block_on(async { ($run).await })
            }
            Adapter::Blocking => {
                let $client = client!(
                    taskward::blocking::Client<$provider>,
                    $provider,
                    $sim,
                    $speed
                );
                ($run).wait()
            }
        }
    };
}

/// Returns key and base URL.
fn access<P: Provider>(sim: &Sim) -> (String, String) {
    let (nanonets, harness) = (sim.nanonets(), sim.harness());
    match P::NAME {
        "nanonets" => (nanonets.api_key, nanonets.base_url),
        _ => (harness.api_key, harness.base_url),
    }
}

fn sim() -> Sim {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    sim.expect("loopback has a free port")
}

fn job(sim: &Sim, agent: &str) -> nanonets::Job {
    nanonets::Job::agent(sim.agent(agent)).query("Convert 10 dollars.")
}

fn upload(sim: &Sim) -> nanonets::Job {
    job(sim, "invoice").attach(File::bytes("a.bin", vec![7; 200_000]))
}

fn goal() -> agent_harness::Job {
    agent_harness::Job::goal("Write.")
}

fn outcome<O: std::fmt::Debug>(end: Result<RunResult<O>, Error>) -> Outcome<O> {
    match end {
        Ok(RunResult::Ended(outcome)) => outcome,
        other => panic!("{other:?}"),
    }
}

fn sent(sim: &Sim, endpoint: &str) -> usize {
    let requests = sim.requests();
    let of = requests
        .iter()
        .filter(|request| request.endpoint == endpoint);
    of.count()
}

/// Rows: G1, G13.
#[test]
fn an_upload_whose_reply_does_not_come_in_time_is_unknown_and_sent_once() {
    for adapter in BOTH {
        let sim = sim();
        sim.set_faults(vec![
            FaultRule::new(Fault::Stall { after_bytes: None }).on("run"),
        ]);
        let mut impatient = Policy::default();
        impatient.limits.upload_head = Duration::from_millis(300);
        let policy = || impatient.clone();
        let end = through!(adapter, Nanonets, &sim, 1, |client| client
            .run(upload(&sim))
            .policy(policy()));
        let Outcome::Unknown { reason, .. } = outcome(end) else {
            panic!("{adapter:?}: it may have been made");
        };
        assert_eq!(
            reason.to_string(),
            "timed out while waiting for the reply",
            "{adapter:?}"
        );
        assert_eq!(sent(&sim, "run"), 1, "{adapter:?}");
    }
}

/// Rows: J4.
#[test]
fn a_deadline_that_passes_during_an_upload_leaves_it_unknown() {
    for adapter in BOTH {
        let sim = sim();
        sim.set_faults(vec![
            FaultRule::new(Fault::Stall { after_bytes: None }).on("run"),
        ]);
        let end = through!(adapter, Nanonets, &sim, 1, |client| client
            .run(upload(&sim))
            .deadline(Duration::from_millis(1500)));
        let ended = outcome(end);
        assert!(
            matches!(ended, Outcome::Unknown { .. }),
            "{adapter:?}: {ended:?}"
        );
        assert_eq!(sent(&sim, "run"), 1, "{adapter:?}");
    }
}

/// Rows: J3.
#[test]
fn a_deadline_that_passes_during_a_poll_ends_it_with_the_last_status() {
    for adapter in BOTH {
        let sim = sim();
        sim.set_faults(vec![
            FaultRule::new(Fault::Stall { after_bytes: None }).on("status"),
        ]);
        let mut eager = Policy::default();
        eager.poll_backoff.first = Duration::from_millis(50);
        eager.poll_backoff.floor = Duration::from_millis(50);
        let policy = || eager.clone();
        let end = through!(adapter, Nanonets, &sim, 1, |client| client
            .run(job(&sim, "slow"))
            .policy(policy())
            .deadline(Duration::from_millis(1500)));
        let Outcome::DeadlineExceeded {
            id,
            limit: clock,
            last,
            ..
        } = outcome(end)
        else {
            panic!("{adapter:?}: a deadline ends it");
        };
        assert_eq!(clock, TimeLimit::Working, "{adapter:?}");
        assert_eq!(
            last.map(|last| last.to_string()).as_deref(),
            Some("running")
        );
        let task = sim.stats().per_task.keys().next().cloned();
        assert_eq!(id.map(|id| id.to_string()), task, "{adapter:?}");
        assert_eq!(sent(&sim, "status"), 1, "{adapter:?}: it was cut");
        assert_eq!(sent(&sim, "cancel"), 0, "{adapter:?}: the task goes on");
    }
}

/// Rows: J5.
#[test]
fn a_deadline_of_nothing_sends_nothing() {
    for adapter in BOTH {
        let sim = sim();
        let end = through!(adapter, Nanonets, &sim, SPEED, |client| client
            .run(job(&sim, "echo"))
            .deadline(Duration::ZERO));
        assert!(matches!(
            outcome(end),
            Outcome::DeadlineExceeded { id: None, .. }
        ));
        let end = through!(adapter, AgentHarness, &sim, SPEED, |client| client
            .run(goal())
            .deadline(Duration::ZERO));
        assert!(matches!(
            outcome(end),
            Outcome::DeadlineExceeded { id: None, .. }
        ));
        assert!(sim.requests().is_empty(), "{adapter:?}");
    }
}

/// Rows: J6.
#[test]
fn a_deadline_of_all_the_time_there_is_is_none() {
    for adapter in BOTH {
        for longest in [Duration::from_secs(u64::MAX), Duration::MAX] {
            let sim = sim();
            let end = through!(adapter, Nanonets, &sim, SPEED, |client| client
                .run(job(&sim, "echo"))
                .deadline(longest)
                .answer_deadline(longest));
            assert!(matches!(outcome(end), Outcome::Succeeded { .. }));
            let mut patient = Policy::default();
            patient.limits.connect = longest;
            patient.limits.head = longest;
            patient.limits.status_head = longest;
            patient.limits.idle = longest;
            patient.limits.stream_idle = longest;
            let policy = || patient.clone();
            let end = through!(adapter, AgentHarness, &sim, SPEED, |client| client
                .run(
                    goal()
                        .with_input("scenario", "long-stream")
                        .with_input("events", 20)
                )
                .policy(policy())
                .deadline(longest));
            assert!(matches!(outcome(end), Outcome::Succeeded { .. }));
        }
    }
}

/// Collects what was stored.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<Snapshot>>>);

impl Store {
    fn keep(&self) -> impl FnMut(&Snapshot) -> Result<(), BoxError> + Send + 'static {
        let store = self.clone();
        move |snapshot| {
            store.0.lock().expect("a store").push(snapshot.clone());
            Ok(())
        }
    }

    /// Returns what was stored before the start was sent.
    fn first(&self) -> Snapshot {
        let first = self.0.lock().expect("a store").first().cloned();
        first.expect("stored before the start leaves")
    }
}

/// Follows a task of which only the state before its start is left.
fn unknown_once_more(adapter: Adapter, sim: &Sim, saved: &Snapshot) {
    let intent = saved.intent().cloned().expect("a start");
    assert!(saved.task().is_none(), "{adapter:?}");
    let before = sim.requests().len();
    let end = through!(adapter, Nanonets, sim, SPEED, |client| client
        .resume(saved.clone()));
    let Outcome::Unknown { intent: kept, .. } = outcome(end) else {
        panic!("{adapter:?}: nobody knows");
    };
    assert_eq!(kept, intent, "{adapter:?}");
    assert_eq!(sim.requests().len(), before, "{adapter:?}: nothing is sent");
    assert_eq!((sim.stats().starts, sent(sim, "cancel")), (1, 0));
}

/// Follows a run of which only the state before its start is left: its key finds it.
fn found_again(adapter: Adapter, sim: &Sim, saved: &Snapshot) {
    assert!(saved.task().is_none() && saved.intent().is_some());
    let end = through!(adapter, AgentHarness, sim, SPEED, |client| client
        .resume(saved.clone()));
    assert!(
        matches!(end, Ok(RunResult::Detached(_))),
        "{adapter:?}: {end:?}"
    );
    let stats = sim.harness_stats();
    assert_eq!((stats.starts, stats.runs), (1, 1), "{adapter:?}");
}

/// Waits for what the simulator does: there is nothing to be woken by.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Rows: G16.
#[test]
fn a_future_that_is_dropped_during_the_start_leaves_the_task_and_its_intent() {
    let sim = sim();
    // The server has made it, and its reply is on its way.
    let late = |endpoint| {
        let ten_minutes = Fault::Latency {
            span: Span(600_000),
        };
        FaultRule::new(ten_minutes).on(endpoint).count(1)
    };
    sim.set_faults(vec![late("run"), late("create_run")]);
    let (unkeyed, keyed) = (Store::default(), Store::default());
    runtime().block_on(async {
        let client = client!(taskward::Client<Nanonets>, Nanonets, &sim, SPEED);
        let run = client.run(job(&sim, "slow")).on_save(unkeyed.keep());
        tokio::select! {
            end = run.into_future() => panic!("too early: {end:?}"),
            () = until(|| sim.stats().starts == 1) => {}
        }
        let client = client!(taskward::Client<AgentHarness>, AgentHarness, &sim, SPEED);
        let run = client.run(goal()).on_save(keyed.keep());
        tokio::select! {
            end = run.into_future() => panic!("too early: {end:?}"),
            () = until(|| sim.harness_stats().starts == 1) => {}
        }
    });
    for adapter in BOTH {
        unknown_once_more(adapter, &sim, &unkeyed.first());
    }
    found_again(Adapter::Async, &sim, &keyed.first());
}

/// Returns a hook that keeps the first state and dies with its thread at the second.
fn dying(store: &Store) -> impl FnMut(&Snapshot) -> Result<(), BoxError> + Send + 'static {
    let mut keep = store.keep();
    let mut saves = 0;
    move |snapshot| {
        saves += 1;
        assert!(saves < 2, "this thread dies");
        keep(snapshot)
    }
}

/// Whether this died with its thread.
fn dies(watch: impl FnOnce() + Send) {
    let died = std::thread::scope(|scope| scope.spawn(watch).join());
    assert!(died.is_err(), "it was to die");
}

/// Rows: G16.
#[test]
fn a_thread_that_dies_during_the_start_leaves_the_task_and_its_intent() {
    for adapter in BOTH {
        // The reply is here, and nothing of it was stored yet.
        let (sim, unkeyed, keyed) = (sim(), Store::default(), Store::default());
        dies(|| {
            let _ = through!(adapter, Nanonets, &sim, SPEED, |client| client
                .run(job(&sim, "slow"))
                .on_save(dying(&unkeyed)));
        });
        unknown_once_more(adapter, &sim, &unkeyed.first());
        dies(|| {
            let _ = through!(adapter, AgentHarness, &sim, SPEED, |client| client
                .run(goal())
                .on_save(dying(&keyed)));
        });
        found_again(adapter, &sim, &keyed.first());
    }
}

/// Runs the asker with this handler.
fn ask(
    adapter: Adapter,
    sim: &Sim,
    handler: fn(&Question) -> Result<Reply, BoxError>,
) -> Result<RunResult<nanonets::Answer>, Error> {
    let job = job(sim, "asker");
    match adapter {
        Adapter::Async => {
            let client = client!(taskward::Client<Nanonets>, Nanonets, sim, SPEED);
            let run = client.run(job);
            let run = run.on_question(move |question| async move { handler(&question) });
            runtime().block_on(async { run.await })
        }
        Adapter::Blocking => {
            let client = client!(taskward::blocking::Client<Nanonets>, Nanonets, sim, SPEED);
            let run = client.run(job);
            run.on_question(move |question| handler(&question)).wait()
        }
    }
}

/// The task waits as before: nothing was sent, and the next process may answer.
fn is_untouched(adapter: Adapter, sim: &Sim) {
    let stats = sim.stats();
    assert_eq!(stats.questions.len(), 1, "{adapter:?}");
    assert_eq!(stats.questions[0].answers, 0, "{adapter:?}");
    assert_eq!((sent(sim, "message"), sent(sim, "cancel")), (0, 0));
    let id = stats.per_task.keys().next().expect("a task").clone();
    let end = through!(adapter, Nanonets, sim, SPEED, |client| client
        .attach(id.clone()));
    let Ok(RunResult::Detached(left)) = end else {
        panic!("{adapter:?}: it still asks");
    };
    let DetachReason::Question(question) = &left.reason else {
        panic!("{adapter:?}: it still asks");
    };
    assert!(question.text().contains("currency"), "{adapter:?}");
    let end = {
        let id = id.clone();
        let client = client!(taskward::blocking::Client<Nanonets>, Nanonets, sim, SPEED);
        client
            .attach(id)
            .on_question(|_| Ok(Answer::text("EUR")))
            .wait()
    };
    let Outcome::Succeeded { output, .. } = outcome(end) else {
        panic!("{adapter:?}: it goes on once it was answered");
    };
    assert_eq!(output.text().as_deref(), Some("Done, in EUR."));
}

/// Rows: H17.
#[test]
fn a_handler_that_panics_ends_the_watch_and_says_nothing_to_the_task() {
    for adapter in BOTH {
        let sim = sim();
        dies(|| {
            let _ = ask(adapter, &sim, |_| panic!("the handler is broken"));
        });
        is_untouched(adapter, &sim);
    }
}

/// Rows: H17.
#[test]
fn a_handler_that_fails_ends_the_watch_with_its_error_and_says_nothing_to_the_task() {
    for adapter in BOTH {
        let sim = sim();
        let error = ask(adapter, &sim, |_| Err("the human went home".into()));
        let error = error.expect_err("the handler failed");
        assert_eq!(error.kind(), ErrorKind::Local, "{adapter:?}");
        assert!(error.to_string().contains("went home"), "{error}");
        let task = sim.stats().per_task.keys().next().cloned();
        assert_eq!(error.task().map(ToString::to_string), task, "{adapter:?}");
        is_untouched(adapter, &sim);
    }
}

/// Rows: H8, H17.
#[test]
fn an_answer_without_a_word_is_an_error_and_nothing_is_sent() {
    for adapter in BOTH {
        let sim = sim();
        let error = ask(adapter, &sim, |_| Ok(Answer::text(" \n").into()));
        let error = error.expect_err("no words");
        assert_eq!(error.kind(), ErrorKind::Local, "{adapter:?}");
        assert!(error.to_string().contains("it is empty"), "{error}");
        is_untouched(adapter, &sim);
    }
}

/// Rows: H5.
#[test]
fn a_question_that_nobody_answers_is_handed_back_or_waited_for_as_long_as_is_said() {
    for adapter in BOTH {
        let sim = sim();
        let end = ask(adapter, &sim, |_| Ok(Reply::Leave));
        assert!(
            matches!(end, Ok(RunResult::Detached(_))),
            "{adapter:?}: {end:?}"
        );
        is_untouched(adapter, &sim);
    }
    // A person who never answers has the configured time, and a blocking handler is only asked.
    let sim = sim();
    let client = client!(taskward::Client<Nanonets>, Nanonets, &sim, SPEED);
    let run = client
        .run(job(&sim, "asker"))
        .answer_deadline(Duration::from_secs(30))
        .on_question(|_| std::future::pending::<Result<Reply, BoxError>>());
    let end = runtime().block_on(async { run.await });
    assert!(matches!(
        outcome(end),
        Outcome::DeadlineExceeded {
            limit: TimeLimit::Waiting,
            ..
        }
    ));
}
