//! Many runs at once: each yields its result with its key, and a batch that is run again starts nothing twice; through both
//! adapters.
#![cfg(all(feature = "async", feature = "blocking", feature = "journal"))]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use taskward::client::BatchHandle;
use taskward::journal::FileJournal;
use taskward::nanonets::{Answer, Job, Nanonets};
use taskward::outcome::{DetachReason, RunResult};
use taskward::{Error, ErrorKind, Output as _};
use taskward_sim::Sim;

const SPEED: u32 = 1000;

fn sim() -> Sim {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    sim.expect("loopback has a free port")
}

type Jobs = Box<dyn Iterator<Item = (String, Job)> + Send>;
type End = (String, Result<RunResult<Answer>, Error>);

/// What is done with a result, and whether the next one is taken.
type OnResult<'a> = &'a mut dyn FnMut(End, &BatchHandle) -> bool;

/// Runs a batch, in a process of its own as far as the client can tell.
type Process = fn(&Sim, &Path, Jobs, usize, OnResult<'_>);

fn limit(limit: usize) -> NonZeroUsize {
    NonZeroUsize::new(limit).expect("more than none")
}

fn in_async(sim: &Sim, folder: &Path, jobs: Jobs, most: usize, on_result: OnResult<'_>) {
    let access = sim.nanonets();
    let client = taskward::Client::<Nanonets>::builder()
        .api_key(access.api_key.as_str().into())
        .base_url(&access.base_url)
        .speed(SPEED)
        .journal(FileJournal::open(folder).expect("a journal"))
        .build()
        .expect("settings");
    let runner = client.clone();
    let runs = jobs.map(move |(key, job)| (key.clone(), runner.run(job).named(key)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut batch = client.run_all(runs, limit(most));
        let handle = batch.handle();
        while let Some(end) = batch.next().await {
            if !on_result(end, &handle) {
                return;
            }
        }
        assert!(batch.next().await.is_none(), "an end is an end");
    });
}

fn in_blocking(sim: &Sim, folder: &Path, jobs: Jobs, most: usize, on_result: OnResult<'_>) {
    let access = sim.nanonets();
    let client = taskward::blocking::Client::<Nanonets>::builder()
        .api_key(access.api_key.as_str().into())
        .base_url(&access.base_url)
        .speed(SPEED)
        .journal(FileJournal::open(folder).expect("a journal"))
        .build()
        .expect("settings");
    let runner = client.clone();
    let runs = jobs.map(move |(key, job)| (key.clone(), runner.run(job).named(key)));
    let mut batch = client.run_all(runs, limit(most));
    let handle = batch.handle();
    for end in batch.by_ref() {
        if !on_result(end, &handle) {
            return;
        }
    }
    assert!(batch.next().is_none(), "an end is an end");
}

/// Runs a test in both adapters.
fn in_both(test: impl Fn(&Sim, &Path, Process)) {
    for process in [in_async, in_blocking] as [Process; 2] {
        let (sim, folder) = (sim(), tempfile::tempdir().expect("a folder"));
        test(&sim, folder.path(), process);
    }
}

/// Returns jobs of these keys, each for the agent of its name.
fn jobs<'a>(sim: &Sim, keys: impl IntoIterator<Item = (&'a str, String)>) -> Jobs {
    let job = |(agent, key): (&str, String)| {
        let job = Job::agent(sim.agent(agent)).query(&key);
        (key, job)
    };
    let jobs: Vec<_> = keys.into_iter().map(job).collect();
    Box::new(jobs.into_iter())
}

fn orders(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    (0..count).map(|order| ("echo", format!("order-{order}")))
}

/// Returns the answers by their keys.
fn answers(
    sim: &Sim,
    folder: &Path,
    process: Process,
    jobs: Jobs,
    most: usize,
) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    process(sim, folder, jobs, most, &mut |(key, result), _| {
        let answer = result.expect("a result").into_answer().expect("an answer");
        let twice = answers.insert(key, answer.text().unwrap_or_default());
        assert_eq!(twice, None);
        true
    });
    answers
}

/// Rows: G18.
#[test]
fn each_job_yields_its_result_with_its_key_and_a_batch_run_again_starts_nothing_twice() {
    in_both(|sim, folder, process| {
        let first = answers(sim, folder, process, jobs(sim, orders(20)), 4);
        assert_eq!(first.len(), 20);
        let (order, said) = first.iter().next().expect("an answer");
        assert!(said.contains(order.as_str()), "{said}");
        assert_eq!(sim.stats().starts, 20);
        // One job more than before.
        let again = answers(sim, folder, process, jobs(sim, orders(21)), 4);
        assert_eq!(sim.stats().starts, 21);
        assert!(
            first.iter().all(|(key, answer)| again[key] == *answer),
            "{again:?}"
        );
    });
}

#[test]
fn no_more_runs_are_under_way_than_the_limit_says_and_the_next_job_is_taken_when_there_is_room() {
    in_both(|sim, folder, process| {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let counted = jobs(sim, orders(12)).inspect(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let mut yielded = 0;
        process(sim, folder, Box::new(counted), 3, &mut |_, _| {
            yielded += 1;
            let taken = taken.load(Ordering::SeqCst);
            assert!(taken <= yielded + 3, "{taken} taken, {yielded} yielded");
            true
        });
        assert_eq!((yielded, taken.load(Ordering::SeqCst)), (12, 12));
    });
}

/// Rows: G19.
#[test]
fn a_second_job_of_a_key_is_an_error_and_nothing_is_sent_for_it() {
    in_both(|sim, folder, process| {
        let keys = ["a", "b", "a"].map(|key| ("echo", key.to_owned()));
        let mut ends = Vec::new();
        process(sim, folder, jobs(sim, keys), 1, &mut |(key, result), _| {
            ends.push((key, result.map(drop).map_err(|error| error.kind())));
            true
        });
        let of = |key: &str| (key.to_owned(), Ok(()));
        assert_eq!(
            ends,
            [of("a"), of("b"), ("a".to_owned(), Err(ErrorKind::Input))]
        );
        assert_eq!(sim.stats().starts, 2);
    });
}

/// Rows: G20.
#[test]
fn a_stopped_batch_hands_back_what_is_under_way_and_begins_nothing_more() {
    let most = std::cell::Cell::new(0);
    in_both(|sim, folder, process| {
        // Two that wait for a review while others end.
        let slow = ["reviewer", "reviewer"].into_iter().zip(["x", "y"]);
        let slow = slow.map(|(agent, key)| (agent, key.to_owned()));
        let keys: Vec<_> = slow.chain(orders(5)).collect();
        let mut ends = BTreeMap::new();
        process(
            sim,
            folder,
            jobs(sim, keys.clone()),
            3,
            &mut |(key, result), handle| {
                if ends.len() == 1 {
                    handle.stop();
                    handle.stop();
                }
                let end = match result.expect("it was begun") {
                    RunResult::Ended(_) => "ended",
                    RunResult::Detached(left) => {
                        assert_eq!(left.reason, DetachReason::Interrupted);
                        "detached"
                    }
                };
                ends.insert(key, end);
                true
            },
        );
        // A thread may not have come to its start; nobody who was started is passed over in silence.
        let slow = ends.iter().filter(|(key, _)| !key.starts_with("order"));
        let slow: Vec<_> = slow.map(|(_, end)| *end).collect();
        assert!(slow.iter().all(|end| *end == "detached"), "{ends:?}");
        assert_eq!(sim.stats().starts, ends.len() as u64, "{ends:?}");
        assert!(ends.len() < keys.len(), "{ends:?}");
        // The rest, when it is run again.
        let rest = keys.into_iter().filter(|(agent, _)| *agent == "echo");
        answers(sim, folder, process, jobs(sim, rest), 3);
        assert_eq!(sim.stats().starts, 5 + slow.len() as u64);
        most.set(slow.len().max(most.get()));
    });
    assert_eq!(most.get(), 2);
}

/// Rows: G20.
#[test]
fn a_dropped_batch_leaves_tasks_that_a_second_one_follows() {
    in_both(|sim, folder, process| {
        let slow = std::iter::once(("reviewer", "slow".to_owned()));
        let keys: Vec<_> = slow.chain(orders(10)).collect();
        let mut ends = 0;
        process(sim, folder, jobs(sim, keys.clone()), 2, &mut |_, _| {
            ends += 1;
            // Dropped as soon as a task was started whose end was not seen.
            sim.stats().starts <= ends
        });
        let mut ends = BTreeMap::new();
        process(
            sim,
            folder,
            jobs(sim, keys),
            2,
            &mut |(key, result), handle| {
                ends.insert(key, result.expect("a result").outcome().is_some());
                if ends.len() == 10 {
                    handle.stop();
                }
                true
            },
        );
        let ended = ends.values().filter(|ended| **ended).count();
        // Its thread may not have come to it; a result it has none.
        assert_eq!(
            (ended, ends.get("slow").copied().unwrap_or_default()),
            (10, false)
        );
        assert!((10..=11).contains(&sim.stats().starts), "{ends:?}");
    });
}

#[test]
fn the_panic_of_a_hook_reaches_whoever_takes_the_results() {
    let sim = sim();
    let access = sim.nanonets();
    let client = taskward::blocking::Client::<Nanonets>::builder()
        .api_key(access.api_key.as_str().into())
        .base_url(&access.base_url)
        .speed(SPEED)
        .build()
        .expect("settings");
    let run = |key: &str| client.run(Job::agent(sim.agent("echo")).query(key));
    let runs = [
        ("a", run("a").on_event(|_| panic!("the hook"))),
        ("b", run("b")),
    ];
    let mut batch = client.run_all(runs, limit(2));
    let (key, result) = batch.next().expect("a result");
    assert_eq!((key, result.is_ok()), ("b", true));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| batch.next().is_none()));
    let panic = panic.expect_err("it panics");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the hook"));
}
