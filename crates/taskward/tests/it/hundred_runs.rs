//! A hundred runs at once while their streams are cut: every approval comes late, in random order, and once.

use std::time::Duration;

use taskward::agent_harness::{AgentHarness, Answer as Ran, Job};
use taskward::{Answer, Outcome, Question, RunResult, TaskId};
use taskward_sim::{Fault, FaultRule, Sim};

const RUNS: usize = 100;
const SPEED: u32 = 20;

/// Returns a simulator that cuts streams in many places, again and again.
fn sim() -> Sim {
    let on_streams = |fault| FaultRule::new(fault).on("agent-harness.stream");
    Sim::builder()
        .speed(f64::from(SPEED))
        .fault(on_streams(Fault::CutBody { bytes: 700 }).every(3))
        .fault(
            on_streams(Fault::Reset {
                after_bytes: Some(1900),
            })
            .every(2),
        )
        .fault(on_streams(Fault::StreamEof { after_events: 9 }).probability(0.3))
        .fault(on_streams(Fault::Reset { after_bytes: None }).probability(0.2))
        .spawn()
        .expect("loopback has a free port")
}

/// Returns a time to think, up to twenty seconds of the simulated world, that has nothing to do with the order of the runs.
fn late(run: usize) -> Duration {
    let scattered = (run as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    Duration::from_millis(scattered)
}

fn job(run: usize) -> Job {
    Job::goal(format!("Write to customer {run}."))
}

fn approve(question: &Question) -> Answer {
    assert!(!question.text().is_empty(), "it shows what is approved");
    Answer::Approve
}

fn check(sim: &Sim, ends: Vec<RunResult<Ran>>) {
    let succeeded: Vec<TaskId> = ends
        .into_iter()
        .map(|end| match end {
            RunResult::Ended(Outcome::Succeeded { id, .. }) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    let stats = sim.harness_stats();
    assert_eq!(
        (succeeded.len(), stats.starts, stats.runs),
        (RUNS, RUNS as u64, RUNS as u64)
    );
    assert!(
        succeeded
            .iter()
            .all(|id| stats.per_run[id.as_str()].status == "succeeded")
    );
    assert_eq!(stats.waits.len(), RUNS);
    for wait in &stats.waits {
        assert_eq!(
            (wait.received, wait.applied, wait.refused),
            (1, 1, 0),
            "{wait:?}"
        );
    }
    let cut = sim
        .requests()
        .iter()
        .filter(|request| request.fault.is_some())
        .count();
    assert!(cut > RUNS / 2, "{cut} streams were cut");
}

#[cfg(feature = "async")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_runs_are_answered_once_each_in_async() {
    let sim = sim();
    let client = taskward::Client::<AgentHarness>::builder()
        .api_key(sim.harness().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .unwrap();
    let mut watches = tokio::task::JoinSet::new();
    for number in 0..RUNS {
        let run = client
            .run(job(number))
            .on_question(move |question| async move {
                tokio::time::sleep(late(number)).await;
                Ok(approve(&question))
            });
        watches.spawn(async move { run.await.unwrap() });
    }
    check(&sim, watches.join_all().await);
}

#[cfg(feature = "blocking")]
#[test]
fn a_hundred_runs_are_answered_once_each_in_blocking() {
    let sim = sim();
    let client = taskward::blocking::Client::<AgentHarness>::builder()
        .api_key(sim.harness().api_key.into())
        .base_url(&sim.url())
        .speed(SPEED)
        .build()
        .unwrap();
    let watch = |number: usize| {
        let run = client.run(job(number)).on_question(move |question| {
            std::thread::sleep(late(number));
            Ok(approve(&question))
        });
        std::thread::spawn(move || run.wait().unwrap())
    };
    let watches: Vec<_> = (0..RUNS).map(watch).collect();
    let ends = watches.into_iter().map(|watch| watch.join().unwrap());
    check(&sim, ends.collect());
}
