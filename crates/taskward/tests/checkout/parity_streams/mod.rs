//! Both adapters follow the same runs of Agent Harness through the same faults, and must report the same. Every exchange on
//! the way is checked against the specification.
//!
//! Server and clients run faster than the world, and how often a run is read beside its stream depends on the moment.
//! So what is compared is what does not: the events of the run in their order, what was asked, what became of the
//! answers, the outcome, the runs that were made and the signals for each wait. No event may be missing or come twice.

mod cases;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cases::Case;
use taskward::agent_harness::{self, AgentHarness, Job};
use taskward::core::{DetachReason, Question, QuestionKind, SecretString};
use taskward::event::NumberedEvent;
use taskward::{Answer, Error, Event, Outcome, Policy, Reply, RunResult};
use taskward_sim::harness::Stats;
use taskward_sim::{Scenario, Sim};

use crate::spec::Spec;

/// Server and clients run this many times faster than the world.
const SPEED: u32 = 200;
/// A quarter of a second of the world.
const IDLE: Duration = Duration::from_secs(50);

/// What a run left behind.
#[derive(Debug, Default, PartialEq)]
struct Record {
    /// Events of the run: position and name.
    events: Vec<String>,
    /// Questions and the outcomes of their answers.
    answers: Vec<String>,
    end: String,
    starts: u64,
    waits: Vec<String>,
}

impl Record {
    /// Returns the events without their positions.
    fn names(&self) -> Vec<String> {
        let name = |event: &String| event.split(' ').nth(1).map(str::to_owned);
        self.events.iter().filter_map(name).collect()
    }
}

/// What is recorded of the reported events.
#[derive(Default)]
struct Log {
    positions: Vec<u64>,
    record: Record,
}

impl Log {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Provider(event) => {
                let position = event.seq.expect("events have positions").0;
                self.positions.push(position);
                self.record
                    .events
                    .push(format!("{position} {}", event.name));
            }
            Event::Answered { how, .. } => self.record.answers.push(format!("{how:?}")),
            _ => {}
        }
    }
}

/// What both clients are given.
struct Stage {
    sim: Sim,
    key: SecretString,
    base_url: String,
    policy: Policy,
    job: Job,
    log: Arc<Mutex<Log>>,
}

impl Stage {
    fn of(case: &Case) -> Self {
        let file = format!("[agent_harness]\n{}", case.switches);
        let mut builder = Sim::builder()
            .seed(7)
            .speed(f64::from(SPEED))
            .scenario(Scenario::parse(&file).expect("a scenario"))
            .record_bodies();
        for rule in &case.faults {
            builder = builder.fault(rule.clone());
        }
        let sim = builder.spawn().expect("a simulator");
        let access = sim.harness();
        let mut policy = Policy::default();
        policy.limits.stream_idle = IDLE;
        policy.work = Some(case.patience());
        policy.human = Some(case.patience());
        Self {
            key: access.api_key.into(),
            base_url: access.base_url,
            sim,
            policy,
            job: case.job(),
            log: Arc::default(),
        }
    }

    fn hook(&self) -> impl FnMut(&NumberedEvent) + Send + 'static {
        let log = self.log.clone();
        move |event| log.lock().expect("log").take(event)
    }

    /// Answers by the kind of the question.
    fn answer(&self) -> impl FnMut(&Question) -> Reply + Send + 'static {
        let log = self.log.clone();
        move |question| {
            let reported = format!("{:?} {:?}", question.kind, question.text());
            log.lock().expect("log").record.answers.push(reported);
            let input = || {
                [("data".to_owned(), "the team".into())]
                    .into_iter()
                    .collect()
            };
            match question.kind {
                QuestionKind::Approval => Answer::Approve.into(),
                QuestionKind::Data => Answer::Input(input()).into(),
                _ => Reply::Leave,
            }
        }
    }

    /// Returns what the run left behind; every exchange is judged on the way.
    fn record(self, case: &Case, end: Result<RunResult<agent_harness::Answer>, Error>) -> Record {
        judge(&self.sim);
        let Log {
            positions,
            mut record,
        } = std::mem::take(&mut *self.log.lock().expect("log"));
        let reported = || format!("{}: {positions:?} {:?}", case.name, story(&self.sim));
        if case.is_lossy() {
            // The list is read when the stream is late, which depends on the moment, and fills in what is missing.
            assert!(positions.is_sorted_by(|a, b| a < b), "{}", reported());
            record.events.clear();
            record.answers.retain(|reported| reported == "Applied");
        } else {
            let all = (0..).map(|number| 1 + number * case.step());
            assert!(
                positions.iter().copied().eq(all.take(positions.len())),
                "{}",
                reported()
            );
        }
        let stats = self.sim.harness_stats();
        record.starts = stats.starts;
        record.waits = waits(&stats);
        record.end = describe(end);
        record
    }
}

fn waits(stats: &Stats) -> Vec<String> {
    let of = |wait: &taskward_sim::harness::WaitStats| {
        format!(
            "{} {:?} received {} applied {} replayed {} refused {}",
            wait.seq, wait.action, wait.received, wait.applied, wait.replayed, wait.refused
        )
    };
    stats.waits.iter().map(of).collect()
}

fn describe(end: Result<RunResult<agent_harness::Answer>, Error>) -> String {
    match end {
        Ok(RunResult::Ended(Outcome::Succeeded { output, .. })) => {
            format!("succeeded, confirmed: {}", output.is_confirmed())
        }
        Ok(RunResult::Ended(Outcome::Failed { failure: fault, .. })) => format!("failed {fault:?}"),
        Ok(RunResult::Ended(Outcome::Stopped {
            by, failure: fault, ..
        })) => format!("stopped {by:?} {fault:?}"),
        Ok(RunResult::Ended(other)) => other.code().to_owned(),
        Ok(RunResult::Detached(left)) => match &left.reason {
            DetachReason::Question(question) => format!("left question {:?}", question.kind),
            other => format!("left {other:?}"),
        },
        Err(error) => format!("error {:?}", error.kind()),
    }
}

/// Returns what the simulator saw, for a test that failed.
fn story(sim: &Sim) -> Vec<String> {
    let line = |request: taskward_sim::RequestRecord| {
        format!(
            "{} {:?} {:?}",
            request.endpoint, request.status, request.fault
        )
    };
    sim.requests().into_iter().map(line).collect()
}

/// Holds every exchange against the specification.
fn judge(sim: &Sim) {
    for request in sim.requests() {
        let target = match request.query.as_str() {
            "" => request.path.clone(),
            query => format!("{}?{query}", request.path),
        };
        let untouched = request.fault.is_none();
        // A write may be answered by nothing.
        let body = request.reply_body.as_ref().filter(|body| !body.is_null());
        let reply = request.status.zip(body);
        Spec::judge("agent-harness").check(
            (&request.method, &target),
            request.request_body.as_ref(),
            reply.filter(|_| untouched),
        );
    }
}

async fn through_hyper(case: &Case) -> Record {
    let stage = Stage::of(case);
    let client = taskward::Client::<AgentHarness>::builder()
        .api_key(stage.key.clone())
        .base_url(&stage.base_url)
        .policy(stage.policy.clone())
        .speed(SPEED);
    let client = client.build().expect("a client");
    let mut answer = stage.answer();
    let end = client
        .run(stage.job.clone())
        .on_event(stage.hook())
        .on_question(move |question| std::future::ready(Ok(answer(&question))))
        .await;
    stage.record(case, end)
}

fn through_ureq(case: &Case) -> Record {
    let stage = Stage::of(case);
    let client = taskward::blocking::Client::<AgentHarness>::builder()
        .api_key(stage.key.clone())
        .base_url(&stage.base_url)
        .policy(stage.policy.clone())
        .speed(SPEED);
    let client = client.build().expect("a client");
    let mut answer = stage.answer();
    let end = client
        .run(stage.job.clone())
        .on_event(stage.hook())
        .on_question(move |question| Ok(answer(&question)))
        .wait();
    stage.record(case, end)
}

/// Runs every case in both adapters; the next case goes to whichever of the threads is free.
fn run_all(cases: &[Case], threads: usize) -> Vec<(Record, Record)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    // Each has its own server.
                    let both = std::thread::scope(|scope| {
                        let ureq = scope.spawn(|| through_ureq(case));
                        let hyper = runtime.block_on(through_hyper(case));
                        (hyper, ureq.join().expect("no panic"))
                    });
                    done.lock().expect("records").insert(number, both);
                }
            });
        }
    });
    let done = done.into_inner().expect("records");
    done.into_values().collect()
}

/// Runs a scenario through every case in both adapters; `end` is how each must end.
fn check(scenario: &'static str, end: &str, waits: usize) {
    let cases = cases::of(scenario);
    // A run that never ends waits for nearly all of its time.
    let threads = if scenario == "stall" { 6 } else { 1 };
    let mut plain = None;
    for (case, (hyper, ureq)) in cases.iter().zip(run_all(&cases, threads)) {
        assert_eq!(hyper, ureq, "{scenario}: {}", case.name);
        if !case.is_lossy() {
            let names = ureq.names();
            let plain = plain.get_or_insert_with(|| names.clone());
            assert_eq!(*plain, names, "{scenario}: {}", case.name);
        }
        assert!(
            ureq.end.starts_with(end),
            "{scenario}: {}: {ureq:#?}",
            case.name
        );
        assert_eq!(ureq.starts, 1, "{scenario}: {}", case.name);
        assert_eq!(ureq.waits.len(), waits, "{scenario}: {}", case.name);
        let once = |wait: &String| wait.contains("applied 1") && wait.contains("refused 0");
        assert!(
            ureq.waits.iter().all(once),
            "{scenario}: {}: {ureq:#?}",
            case.name
        );
    }
    assert!(cases.len() > 8, "{}", cases.len());
}

#[test]
fn an_approved_run_is_told_alike() {
    check("approve-email", "succeeded, confirmed: true", 1);
}

#[test]
fn a_run_that_needs_input_is_told_alike() {
    check("needs-input", "succeeded, confirmed: true", 1);
}

#[test]
fn a_run_of_two_waits_is_told_alike() {
    check("two-waits", "succeeded, confirmed: true", 2);
}

#[test]
fn a_long_run_is_told_alike() {
    check("long-stream", "succeeded, confirmed: true", 0);
}

#[test]
fn a_run_over_its_limit_is_told_alike() {
    check("limit", "failed", 0);
}

#[test]
fn a_stalled_run_is_told_alike() {
    check("stall", "deadline", 0);
}

#[test]
fn a_run_of_a_large_event_is_told_alike() {
    check("big-event", "succeeded, confirmed: true", 0);
}
