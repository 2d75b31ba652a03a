//! A start that has a name is made once, however often it is run, through both adapters.
#![cfg(all(feature = "async", feature = "blocking", feature = "journal"))]

use std::path::Path;

use taskward::agent_harness::{self, AgentHarness};
use taskward::core::Provider;
use taskward::error::ErrorKind;
use taskward::journal::FileJournal;
use taskward::nanonets::{self, Nanonets};
use taskward::{Error, Output as _};
use taskward_sim::{Fault, FaultRule, Sim};

const SPEED: u32 = 1000;

fn sim() -> Sim {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    sim.expect("loopback has a free port")
}

/// Where a client finds its server, and the folder of its journal; `None` without one.
#[derive(Clone, Copy)]
struct Place<'a> {
    base_url: &'a str,
    key: &'a str,
    folder: Option<&'a Path>,
}

/// Runs a job under a name, in a process of its own as far as the client can tell; the text of its answer.
type Process<P> = fn(Place<'_>, <P as Provider>::Job, &str) -> Result<String, Error>;

fn in_async<P: Provider>(place: Place<'_>, job: P::Job, name: &str) -> Result<String, Error> {
    let mut client = taskward::Client::<P>::builder()
        .api_key(place.key.into())
        .base_url(place.base_url)
        .speed(SPEED);
    if let Some(folder) = place.folder {
        client = client.journal(FileJournal::open(folder).expect("a journal"));
    }
    let run = client.build()?.run(job).named(name);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(async { run.await?.into_answer() })?;
    Ok(answer.text().unwrap_or_default())
}

fn in_blocking<P: Provider>(place: Place<'_>, job: P::Job, name: &str) -> Result<String, Error> {
    let mut client = taskward::blocking::Client::<P>::builder()
        .api_key(place.key.into())
        .base_url(place.base_url)
        .speed(SPEED);
    if let Some(folder) = place.folder {
        client = client.journal(FileJournal::open(folder).expect("a journal"));
    }
    let answer = client.build()?.run(job).named(name).wait()?.into_answer()?;
    Ok(answer.text().unwrap_or_default())
}

/// Runs a test in both adapters: what it is given runs a job of Nanonets under a name, each time in another process.
fn in_both(test: impl Fn(&Sim, &(dyn Fn(nanonets::Job, &str) -> Result<String, Error> + Sync))) {
    for process in [in_async::<Nanonets>, in_blocking::<Nanonets>] as [Process<Nanonets>; 2] {
        let (sim, folder) = (sim(), tempfile::tempdir().expect("a folder"));
        let access = sim.nanonets();
        let place = Place {
            base_url: &access.base_url,
            key: &access.api_key,
            folder: Some(folder.path()),
        };
        test(&sim, &|job, name| process(place, job, name));
    }
}

fn echo(sim: &Sim, text: &str) -> nanonets::Job {
    nanonets::Job::agent(sim.agent("echo")).query(text)
}

#[test]
fn a_name_starts_one_task_and_whoever_runs_it_again_gets_the_same_answer() {
    in_both(|sim, process| {
        let first = process(echo(sim, "one"), "order-17").expect("an answer");
        // The job that is given now is not looked at: that was started.
        let again = process(echo(sim, "two"), "order-17").expect("an answer");
        assert_eq!(first, again);
        assert_eq!(sim.stats().starts, 1);
        let other = process(echo(sim, "two"), "order-18").expect("an answer");
        assert_ne!(first, other);
        assert_eq!(sim.stats().starts, 2);
    });
}

/// Rows: F11, G1.
#[test]
fn a_named_start_of_unknown_outcome_is_not_sent_again_where_it_has_no_key() {
    in_both(|sim, process| {
        let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
        sim.set_faults(vec![FaultRule::new(lost).on("run")]);
        let error = process(echo(sim, "one"), "order-17").expect_err("lost");
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        sim.set_faults(Vec::new());
        let again = process(echo(sim, "one"), "order-17").expect_err("still unknown");
        assert_eq!(again.kind(), ErrorKind::OutcomeUnknown, "{again}");
        assert!(
            again.intent().is_some() && again.to_string().contains("order-17"),
            "{again}"
        );
        assert_eq!(sim.stats().starts, 1);
    });
}

/// Rows: G2.
#[test]
fn a_named_start_of_unknown_outcome_is_sent_again_under_its_key() {
    let processes = [in_async::<AgentHarness>, in_blocking::<AgentHarness>];
    for process in processes as [Process<AgentHarness>; 2] {
        let (sim, folder) = (sim(), tempfile::tempdir().expect("a folder"));
        let access = sim.harness();
        let place = Place {
            base_url: &access.base_url,
            key: &access.api_key,
            folder: Some(folder.path()),
        };
        let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
        sim.set_faults(vec![FaultRule::new(lost).on("create_run")]);
        let goal = || agent_harness::Job::goal("Write.").with_input("scenario", "long-stream");
        let error = process(place, goal(), "order-17").expect_err("lost, at each attempt");
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
        sim.set_faults(Vec::new());
        process(place, goal(), "order-17").expect("an answer");
        process(place, goal(), "order-17").expect("the same answer");
        assert_eq!(sim.harness_stats().starts, 1);
    }
}

#[test]
fn a_named_start_that_was_refused_is_made_when_it_is_run_again() {
    in_both(|sim, process| {
        let refused = Fault::Status {
            code: 422,
            retry_after: None,
            after_bytes: None,
        };
        sim.set_faults(vec![FaultRule::new(refused).on("run").count(1)]);
        let error = process(echo(sim, "one"), "order-17").expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Api, "{error}");
        process(echo(sim, "one"), "order-17").expect("an answer");
        assert_eq!(sim.stats().starts, 1);
    });
}

/// Rows: G9.
#[test]
fn of_many_processes_that_run_one_name_at_once_one_starts_it() {
    in_both(|sim, process| {
        let answers = std::thread::scope(|scope| {
            let processes: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| process(echo(sim, "one"), "order-17")))
                .collect();
            processes
                .into_iter()
                .map(|process| process.join().expect("it does not panic"))
                .collect::<Vec<_>>()
        });
        assert_eq!(sim.stats().starts, 1);
        assert!(answers.iter().any(Result::is_ok), "{answers:?}");
        // Whoever came too early is told so, and follows the task the next time.
        process(echo(sim, "one"), "order-17").expect("an answer");
        assert_eq!(sim.stats().starts, 1);
    });
}

#[test]
fn a_name_without_a_journal_that_finds_it_starts_nothing() {
    for process in [in_async::<Nanonets>, in_blocking::<Nanonets>] as [Process<Nanonets>; 2] {
        let sim = sim();
        let access = sim.nanonets();
        let place = Place {
            base_url: &access.base_url,
            key: &access.api_key,
            folder: None,
        };
        let error = process(place, echo(&sim, "one"), "order-17").expect_err("no journal");
        assert!(error.to_string().contains("needs a journal"), "{error}");
        assert_eq!(sim.stats().starts, 0);
    }
    let sim = sim();
    let access = sim.nanonets();
    let client = taskward::blocking::Client::<Nanonets>::builder()
        .api_key(access.api_key.as_str().into())
        .base_url(&access.base_url)
        .build()
        .expect("settings");
    let hook = client
        .run(echo(&sim, "one"))
        .named("order-17")
        .on_save(|_| Ok(()));
    let error = hook.wait().expect_err("the hook looks up nothing");
    assert_eq!(error.kind(), ErrorKind::Local, "{error}");
    let attached = client.attach("some").named("order-17").wait();
    assert!(
        attached
            .expect_err("no start")
            .to_string()
            .contains("only a start")
    );
    assert_eq!(sim.stats().starts, 0);
}
