//! A fleet follows many tasks to their ends, through both adapters: what it reports, refuses, stores and leaves.
#![cfg(all(feature = "async", feature = "blocking"))]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use taskward::a2a::operations::{CardReply, GetAgentCard};
use taskward::a2a::{self, A2a, CardUrl};
use taskward::agent_harness::{self, AgentHarness};
use taskward::client::FleetEvent;
use taskward::core::{Journal, Provider};
use taskward::error::{BoxError, ErrorKind};
use taskward::nanonets::{Job, Nanonets};
use taskward::question::QuestionId;
use taskward::{Answer, Error, Event, Outcome, Snapshot};
use taskward_sim::Sim;

const SPEED: u32 = 200;

fn sim() -> Sim {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    sim.expect("loopback has a free port")
}

/// A journal that keeps the newest state of each task, and cannot be written for a while.
#[derive(Clone, Default)]
struct Notebook {
    is_full: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    states: Arc<Mutex<BTreeMap<String, Snapshot>>>,
}

impl Journal for Notebook {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        assert!(!self.panics.load(Ordering::SeqCst), "the notebook burns");
        if self.is_full.load(Ordering::SeqCst) {
            return Err("no space left on device".into());
        }
        let name = snapshot.intent().expect("all are started here").to_string();
        let mut states = self.states.lock().expect("not poisoned");
        states.insert(name, snapshot.clone());
        Ok(())
    }
}

/// A task for a fleet.
enum What<P: Provider> {
    Run(P::Job),
    Attach(String),
    Resume(Box<Snapshot>),
}

/// A fleet of either adapter.
trait Crew<P: Provider> {
    fn add(&mut self, key: u32, what: What<P>) -> Result<(), Error>;
    fn next(&mut self) -> Option<(u32, FleetEvent<P::Output>)>;
    fn answer(&mut self, key: u32, question: &QuestionId, answer: Answer) -> Result<(), Error>;
    fn cancel(&mut self, key: u32) -> Result<(), Error>;
    fn remove(&mut self, key: u32) -> Option<Snapshot>;
    fn stop(&mut self);
    fn len(&self) -> usize;
    fn into_snapshots(self: Box<Self>) -> Vec<(u32, Snapshot)>;
}

struct InAsync<P: Provider> {
    runtime: tokio::runtime::Runtime,
    client: taskward::Client<P>,
    fleet: taskward::client::Fleet<u32, P>,
}

struct InBlocking<P: Provider> {
    client: taskward::blocking::Client<P>,
    fleet: taskward::blocking::Fleet<u32, P>,
}

macro_rules! run_of {
    ($client:expr, $what:expr) => {
        match $what {
            What::Run(job) => $client.run(job),
            What::Attach(id) => $client.attach(id),
            What::Resume(snapshot) => $client.resume(*snapshot),
        }
    };
}

impl<P: Provider> Crew<P> for InAsync<P> {
    fn add(&mut self, key: u32, what: What<P>) -> Result<(), Error> {
        let run = run_of!(self.client, what);
        self.runtime.block_on(self.fleet.add(key, run))
    }

    fn next(&mut self) -> Option<(u32, FleetEvent<P::Output>)> {
        self.runtime.block_on(self.fleet.next())
    }

    fn answer(&mut self, key: u32, question: &QuestionId, answer: Answer) -> Result<(), Error> {
        self.fleet.answer(&key, question, answer)
    }

    fn cancel(&mut self, key: u32) -> Result<(), Error> {
        self.fleet.cancel(&key)
    }

    fn remove(&mut self, key: u32) -> Option<Snapshot> {
        self.fleet.remove(&key)
    }

    fn stop(&mut self) {
        self.fleet.stop();
    }

    fn len(&self) -> usize {
        self.fleet.len()
    }

    fn into_snapshots(self: Box<Self>) -> Vec<(u32, Snapshot)> {
        self.fleet.into_snapshots()
    }
}

impl<P: Provider> Crew<P> for InBlocking<P> {
    fn add(&mut self, key: u32, what: What<P>) -> Result<(), Error> {
        self.fleet.add(key, run_of!(self.client, what))
    }

    fn next(&mut self) -> Option<(u32, FleetEvent<P::Output>)> {
        self.fleet.next()
    }

    fn answer(&mut self, key: u32, question: &QuestionId, answer: Answer) -> Result<(), Error> {
        self.fleet.answer(&key, question, answer)
    }

    fn cancel(&mut self, key: u32) -> Result<(), Error> {
        self.fleet.cancel(&key)
    }

    fn remove(&mut self, key: u32) -> Option<Snapshot> {
        self.fleet.remove(&key)
    }

    fn stop(&mut self) {
        self.fleet.stop();
    }

    fn len(&self) -> usize {
        self.fleet.len()
    }

    fn into_snapshots(self: Box<Self>) -> Vec<(u32, Snapshot)> {
        self.fleet.into_snapshots()
    }
}

/// Where a client finds its server.
#[derive(Clone, Copy)]
struct Place<'a> {
    base_url: &'a str,
    key: &'a str,
    journal: Option<&'a Notebook>,
}

type Hire<P> = fn(Place<'_>) -> Box<dyn Crew<P>>;

fn in_async<P: Provider>(place: Place<'_>) -> Box<dyn Crew<P>> {
    let mut client = taskward::Client::<P>::builder()
        .api_key(place.key.into())
        .base_url(place.base_url)
        .speed(SPEED);
    if let Some(journal) = place.journal {
        client = client.journal(journal.clone());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let client = client.build().expect("a client");
    let fleet = client.fleet().max_exchanges(4);
    Box::new(InAsync {
        runtime,
        client,
        fleet,
    })
}

fn in_blocking<P: Provider>(place: Place<'_>) -> Box<dyn Crew<P>> {
    let mut client = taskward::blocking::Client::<P>::builder()
        .api_key(place.key.into())
        .base_url(place.base_url)
        .speed(SPEED);
    if let Some(journal) = place.journal {
        client = client.journal(journal.clone());
    }
    let client = client.build().expect("a client");
    let fleet = client.fleet();
    Box::new(InBlocking { client, fleet })
}

/// Runs a test in both adapters, each with a simulator of its own.
fn in_both(test: impl Fn(&Sim, &dyn Fn(Option<&Notebook>) -> Box<dyn Crew<Nanonets>>)) {
    for hire in [in_async, in_blocking] as [Hire<Nanonets>; 2] {
        let sim = sim();
        let access = sim.nanonets();
        test(&sim, &|journal| {
            hire(Place {
                base_url: &access.base_url,
                key: &access.api_key,
                journal,
            })
        });
    }
}

fn job(sim: &Sim, agent: &str, text: &str) -> What<Nanonets> {
    What::Run(Job::agent(sim.agent(agent)).query(text))
}

fn show<O: taskward::Output>(event: &FleetEvent<O>) -> Option<String> {
    Some(match event {
        FleetEvent::Event(event) => match &event.event {
            Event::Created { .. } => "created".to_owned(),
            Event::Status(status) => status.to_string(),
            Event::Question(question) => format!("asked {}", question.text),
            Event::Answered { how, .. } => format!("answered {how:?}"),
            _ => return None,
        },
        FleetEvent::Ended(Outcome::Succeeded { output, .. }) => {
            format!("succeeded {}", output.text().unwrap_or_default())
        }
        FleetEvent::Ended(outcome) => outcome.code().to_owned(),
        FleetEvent::NotSaved(error) => format!("not saved: {:?}", error.kind()),
        _ => return None,
    })
}

/// Follows all tasks to their ends and answers what they ask; returns what was told of each.
fn follow<P: Provider>(
    crew: &mut dyn Crew<P>,
    answer: impl Fn() -> Answer,
) -> BTreeMap<u32, Vec<String>> {
    let mut told: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    while let Some((key, report)) = crew.next() {
        told.entry(key).or_default().extend(show(&report));
        if let FleetEvent::Event(event) = &report
            && let Event::Question(question) = &event.event
        {
            crew.answer(key, &question.id, answer())
                .expect("it is open");
        }
    }
    assert_eq!(crew.len(), 0, "all are over");
    told
}

fn euro() -> Answer {
    Answer::text("EUR")
}

/// Returns the last word of each task.
fn ends(told: &BTreeMap<u32, Vec<String>>) -> Vec<&str> {
    told.values()
        .map(|words| words.last().map_or("nothing", String::as_str))
        .collect()
}

#[test]
fn thirty_tasks_are_followed_to_their_ends_and_what_they_ask_is_answered_once() {
    let all = Mutex::new(Vec::new());
    in_both(|sim, hire| {
        let mut crew = hire(None);
        for key in 0..30 {
            let agent = ["echo", "asker", "failing"][key as usize % 3];
            let added = crew.add(key, job(sim, agent, &format!("convert {key}")));
            added.expect("a new task");
        }
        let told = follow(&mut *crew, euro);
        assert_eq!(told.len(), 30);
        for (key, end) in ends(&told).into_iter().enumerate() {
            let expected = if key % 3 == 2 {
                "task_failed"
            } else {
                "succeeded"
            };
            assert!(end.starts_with(expected), "{key}: {end}");
        }
        let stats = sim.stats();
        assert_eq!(stats.starts, 30);
        assert_eq!(stats.questions.len(), 10);
        assert!(stats.questions.iter().all(|asked| asked.answers == 1));
        // How often a status is seen depends on time; the rest does not.
        let words = told.into_values().map(|mut words| {
            words.retain(|word| !matches!(&**word, "queued" | "running" | "pending"));
            words
        });
        let words: Vec<Vec<String>> = words.collect();
        all.lock().expect("not poisoned").push(words);
    });
    let all = all.into_inner().expect("not poisoned");
    assert_eq!(all[0].len(), all[1].len());
    for (one, other) in all[0].iter().zip(&all[1]) {
        assert_eq!(one.first(), other.first());
        assert_eq!(one.len(), other.len(), "{one:?} {other:?}");
    }
}

/// Rows: Q2, Q3.
#[test]
fn what_a_fleet_has_is_refused_and_what_it_has_no_more_cannot_be_answered() {
    in_both(|sim, hire| {
        let mut crew = hire(None);
        crew.add(1, job(sim, "asker", "convert 5"))
            .expect("a new task");
        let refused = crew
            .add(1, job(sim, "echo", "convert 6"))
            .expect_err("the key");
        assert!(refused.to_string().contains("under this key"), "{refused}");
        let (id, question) = loop {
            match crew.next() {
                Some((1, FleetEvent::Event(event))) => {
                    if let Event::Question(question) = event.event {
                        break (sim.stats().per_task.keys().next().cloned(), question.id);
                    }
                }
                other => panic!("{other:?}"),
            }
        };
        let id = id.expect("a task");
        let refused = crew.add(2, What::Attach(id)).expect_err("the task");
        assert!(refused.to_string().contains("another key"), "{refused}");
        let snapshot = crew.remove(1).expect("it has it");
        assert!(crew.remove(1).is_none());
        for error in [
            crew.answer(1, &question, euro()).expect_err("removed"),
            crew.cancel(1).expect_err("removed"),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotDriven);
            assert!(error.to_string().contains("removed"), "{error}");
        }
        assert!(crew.next().is_none(), "there is no task");
        // It goes on where it was: the question is the same one, and is answered once.
        crew.add(7, What::Resume(Box::new(snapshot)))
            .expect("a new task");
        let told = follow(&mut *crew, euro);
        assert!(ends(&told)[0].starts_with("succeeded"), "{told:?}");
        assert_eq!(
            (sim.stats().starts, sim.stats().questions[0].answers),
            (1, 1)
        );
    });
}

/// Rows: Q4.
#[test]
fn a_task_that_cannot_be_stored_is_not_started_until_it_is() {
    in_both(|sim, hire| {
        let notebook = Notebook::default();
        notebook.is_full.store(true, Ordering::SeqCst);
        let mut crew = hire(Some(&notebook));
        crew.add(1, job(sim, "echo", "convert 5"))
            .expect("a new task");
        for _ in 0..2 {
            let (key, report) = crew.next().expect("a report");
            assert_eq!(
                (key, show(&report).as_deref()),
                (1, Some("not saved: Local"))
            );
        }
        assert_eq!(sim.stats().starts, 0);
        notebook.is_full.store(false, Ordering::SeqCst);
        let told = follow(&mut *crew, euro);
        assert!(ends(&told)[0].starts_with("succeeded"), "{told:?}");
        assert_eq!(sim.stats().starts, 1);
        let states = notebook.states.lock().expect("not poisoned");
        assert!(states.len() == 1 && states.values().all(Snapshot::is_ended));
    });
}

/// Rows: Q5.
#[test]
fn a_stopped_fleet_leaves_everything_in_the_journal_and_another_one_goes_on() {
    in_both(|sim, hire| {
        let notebook = Notebook::default();
        let mut crew = hire(Some(&notebook));
        // The threads of a blocking fleet go on by themselves until so many reports wait, which is before all have begun.
        const TASKS: u32 = 300;
        for key in 0..TASKS {
            crew.add(key, job(sim, "slow", "convert 5"))
                .expect("a new task");
        }
        let mut created = 0;
        while created < 6 {
            let (_, report) = crew.next().expect("they work for long");
            created += usize::from(show(&report).as_deref() == Some("created"));
        }
        crew.stop();
        let late = crew
            .add(TASKS, job(sim, "echo", "late"))
            .expect_err("it is stopped");
        assert!(late.to_string().contains("stopped"), "{late}");
        let mut not_started = 0;
        while let Some((_, report)) = crew.next() {
            created += usize::from(show(&report).as_deref() == Some("created"));
            not_started += usize::from(show(&report).as_deref() == Some("not_started"));
        }
        let starts = sim.stats().starts;
        assert_eq!(starts, created as u64, "each start is told");
        assert_eq!(starts + not_started as u64, u64::from(TASKS));
        assert!(not_started > 0, "nothing was begun any more");
        let left = crew.into_snapshots();
        assert_eq!(left.len() as u64, starts, "the others have not started");
        let stored = notebook.states.lock().expect("not poisoned").clone();
        let mut next = hire(None);
        for (key, snapshot) in left {
            let intent = snapshot.intent().expect("a start").to_string();
            assert_eq!(stored[&intent].revision(), snapshot.revision());
            let what = What::Resume(Box::new(stored[&intent].clone()));
            next.add(key, what).expect("a new task");
            next.cancel(key).expect("it is there");
        }
        let told = follow(&mut *next, euro);
        assert_eq!(told.len() as u64, starts);
        assert!(
            ends(&told).iter().all(|end| *end == "task_stopped"),
            "{told:?}"
        );
        assert_eq!(sim.stats().starts, starts);
    });
}

/// Rows: Q6.
#[test]
fn where_there_are_streams_a_fleet_opens_none() {
    for hire in [in_async, in_blocking] as [Hire<AgentHarness>; 2] {
        let sim = sim();
        let access = sim.harness();
        let mut crew = hire(Place {
            base_url: &access.base_url,
            key: &access.api_key,
            journal: None,
        });
        for key in 0..10 {
            let goal = agent_harness::Job::goal(format!("Write to customer {key}."));
            crew.add(key, What::Run(goal)).expect("a new task");
        }
        let told = follow(&mut *crew, || Answer::Approve);
        assert!(
            ends(&told).iter().all(|end| end.starts_with("succeeded")),
            "{told:?}"
        );
        let stats = sim.harness_stats();
        assert_eq!(
            (stats.starts, stats.streams, stats.waits.len()),
            (10, 0, 10)
        );
        assert!(stats.waits.iter().all(|wait| wait.applied == 1));
    }
}

#[test]
fn the_panic_of_a_journal_reaches_whoever_waits() {
    in_both(|sim, hire| {
        let notebook = Notebook::default();
        notebook.panics.store(true, Ordering::SeqCst);
        let mut crew = hire(Some(&notebook));
        crew.add(1, job(sim, "echo", "convert 5"))
            .expect("a new task");
        let panic = catch_unwind(AssertUnwindSafe(|| crew.next().is_some()));
        let panic = panic.expect_err("it burns");
        assert_eq!(panic.downcast_ref(), Some(&"the notebook burns"));
        assert_eq!(sim.stats().starts, 0);
    });
}

#[test]
fn a_run_of_another_client_or_with_a_handler_is_refused() {
    let sim = sim();
    let access = sim.nanonets();
    let client = || {
        let builder = taskward::blocking::Client::<Nanonets>::builder();
        let builder = builder.api_key(access.api_key.clone().into());
        builder
            .base_url(&access.base_url)
            .build()
            .expect("a client")
    };
    let (one, other) = (client(), client());
    let fleet = one.fleet();
    let run = || Job::agent(sim.agent("echo")).query("convert 5");
    let foreign = fleet.add(1, other.run(run())).expect_err("of another");
    assert!(foreign.to_string().contains("another client"), "{foreign}");
    let handled = one.run(run()).on_question(|_| Ok(euro()));
    let handled = fleet.add(1, handled).expect_err("a handler");
    assert!(handled.to_string().contains("handler"), "{handled}");
    let reviewed = fleet.add(1, one.run(run()).leave_review(true));
    let reviewed = reviewed.expect_err("a review");
    assert!(reviewed.to_string().contains("review"), "{reviewed}");
    assert!(fleet.next().is_none() && sim.stats().starts == 0);
}

/// Whoever drops the future of `next` at each of its turns loses nothing.
#[test]
fn a_future_that_is_dropped_at_every_turn_loses_nothing() {
    let sim = sim();
    let access = sim.nanonets();
    let client = taskward::Client::<Nanonets>::builder()
        .api_key(access.api_key.into())
        .base_url(&access.base_url)
        .speed(SPEED)
        .build()
        .expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut fleet = client.fleet();
        for key in 0..5 {
            let job = Job::agent(sim.agent("echo")).query("convert 5");
            fleet.add(key, client.run(job)).await.expect("a new task");
        }
        let mut ended = 0;
        while ended < 5 {
            let polled = {
                let mut next = std::pin::pin!(fleet.next());
                next.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            };
            match polled {
                Poll::Ready(Some((_, FleetEvent::Ended(_)))) => ended += 1,
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => panic!("{ended} of 5 have ended"),
                Poll::Pending => tokio::task::yield_now().await,
            }
        }
        assert!(fleet.next().await.is_none());
    });
    assert_eq!(sim.stats().starts, 5);
}

/// A platform whose starts open streams is started by plain requests in a fleet.
///
/// Rows: Q6.
#[test]
fn an_agent_that_is_started_by_a_stream_is_started_by_a_plain_request() {
    let sim = sim();
    let (agents, key) = (sim.a2a().agents, sim.a2a().api_key);
    let agent = agents.iter().find(|agent| agent.name == "script");
    let url = CardUrl::parse(&agent.expect("it is built in").card_url).expect("a URL");
    let server = url.origin().to_string();
    let builder = || {
        let builder = taskward::blocking::Client::<A2a>::builder();
        builder
            .api_key(key.clone().into())
            .base_url(&server)
            .speed(SPEED)
    };
    let reader = builder().build().expect("a client");
    let Ok(CardReply::Card(card, _)) = reader.call(GetAgentCard::new(url.clone())) else {
        panic!("a card is read whole the first time");
    };
    let found = A2a::from_card(&card, &url, None).expect("an interface");
    let client = builder().discovered_url(&found.root).provider(found.agent);
    let client = client.build().expect("a client");
    assert!(client.provider().capabilities().start_by_stream);
    let fleet = client.fleet();
    for key in 0..4 {
        let job = a2a::Job::text("work 2; ask Which one?; work 1; artifact done");
        fleet.add(key, client.run(job)).expect("a new task");
    }
    let mut ended = 0;
    while let Some((key, report)) = fleet.next() {
        match report {
            FleetEvent::Event(event) => {
                if let Event::Question(question) = &event.event {
                    fleet
                        .answer(&key, &question.id, euro())
                        .expect("it is open");
                }
            }
            FleetEvent::Ended(Outcome::Succeeded { .. }) => ended += 1,
            other => panic!("{key}: {other:?}"),
        }
    }
    assert_eq!(ended, 4);
    let streams = sim.requests().into_iter();
    let streams: Vec<_> = streams
        .filter(|request| {
            request.endpoint.contains("stream") || request.endpoint.contains("subscribe")
        })
        .collect();
    assert!(streams.is_empty(), "{streams:?}");
}
