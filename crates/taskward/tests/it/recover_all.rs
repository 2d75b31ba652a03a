//! All starts of unknown outcome are recovered at once, through both adapters and with both journals.
#![cfg(all(feature = "async", feature = "blocking", feature = "journal"))]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use taskward::agent_harness::{self, AgentHarness};
use taskward::client::Recoveries;
use taskward::core::{IntentId, Journal, Provider};
use taskward::error::ErrorKind;
use taskward::journal::FileJournal;
use taskward::nanonets::{self, Nanonets};
use taskward::{Error, Policy, Recovery, TaskId};
use taskward_sim::{Fault, FaultRule, Sim};

const SPEED: u32 = 1000;

/// What came of the starts of a journal, each by its id: the tasks that it may have created, or that it was followed.
type Found = BTreeMap<IntentId, Result<Vec<TaskId>, ErrorKind>>;

/// Runs jobs of these names, then recovers what is unknown and follows what can be followed.
type Process<P> = fn(&Place<'_>, Vec<(String, <P as Provider>::Job)>) -> Result<Found, Error>;

struct Place<'a> {
    base_url: &'a str,
    key: &'a str,
    journal: &'a dyn Fn() -> Option<Box<dyn Journal>>,
}

/// A journal of any kind.
struct AnyJournal(Box<dyn Journal>);

impl Journal for AnyJournal {
    fn record(&self, snapshot: &taskward::Snapshot) -> Result<(), taskward::error::BoxError> {
        self.0.record(snapshot)
    }

    fn stored(
        &self,
        start: &IntentId,
    ) -> Result<Option<taskward::Snapshot>, taskward::error::BoxError> {
        self.0.stored(start)
    }

    fn open_starts_on(
        &self,
        provider: &str,
        origin: &str,
    ) -> Result<taskward::core::OpenStarts, taskward::error::BoxError> {
        self.0.open_starts_on(provider, origin)
    }
}

/// Tells candidates from what is followed.
fn told<R>(recoveries: Recoveries<R>) -> (Found, Vec<(IntentId, R)>) {
    let (mut found, mut runs) = (Found::new(), Vec::new());
    for (start, recovery) in recoveries {
        match recovery {
            Ok(Recovery::Follow(run)) => runs.push((start, run)),
            Ok(Recovery::Found(result)) => {
                let tasks = result.candidates.iter().map(|one| one.id.clone());
                found.insert(start, Ok(tasks.collect()));
            }
            Ok(_) => panic!("another recovery"),
            Err(error) => drop(found.insert(start, Err(error.kind()))),
        }
    }
    (found, runs)
}

fn in_async<P: Provider>(place: &Place<'_>, jobs: Vec<(String, P::Job)>) -> Result<Found, Error> {
    let mut client = taskward::Client::<P>::builder()
        .api_key(place.key.into())
        .base_url(place.base_url)
        .speed(SPEED);
    if let Some(journal) = (place.journal)() {
        client = client.journal(AnyJournal(journal));
    }
    let client = client.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for (name, job) in jobs {
            // Some of them end in an error.
            let _ = client.run(job).named(name).await;
        }
        let (mut found, runs) = told(client.recover_all().await?);
        let mut batch = client.run_all(runs, NonZeroUsize::MIN);
        while let Some((start, end)) = batch.next().await {
            found.insert(start, end.map(|_| Vec::new()).map_err(|error| error.kind()));
        }
        Ok(found)
    })
}

fn in_blocking<P: Provider>(
    place: &Place<'_>,
    jobs: Vec<(String, P::Job)>,
) -> Result<Found, Error> {
    let mut client = taskward::blocking::Client::<P>::builder()
        .api_key(place.key.into())
        .base_url(place.base_url)
        .speed(SPEED);
    if let Some(journal) = (place.journal)() {
        client = client.journal(AnyJournal(journal));
    }
    let client = client.build()?;
    for (name, job) in jobs {
        // Some of them end in an error.
        let _ = client.run(job).named(name).wait();
    }
    let (mut found, runs) = told(client.recover_all()?);
    for (start, end) in client.run_all(runs, NonZeroUsize::MIN) {
        found.insert(start, end.map(|_| Vec::new()).map_err(|error| error.kind()));
    }
    Ok(found)
}

fn sim() -> Sim {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn();
    sim.expect("loopback has a free port")
}

/// Opens a journal.
type Open = Box<dyn Fn() -> Option<Box<dyn Journal>>>;

/// Both journals, each in this folder.
fn journals(folder: &Path) -> Vec<Open> {
    let files = folder.join("files");
    #[cfg_attr(not(feature = "sqlite"), allow(unused_mut))]
    let mut journals: Vec<Open> = vec![Box::new(move || {
        Some(Box::new(FileJournal::open(&files).expect("a journal")))
    })];
    #[cfg(feature = "sqlite")]
    {
        let file = folder.join("tasks.sqlite");
        journals.push(Box::new(move || {
            let journal = taskward::journal::SqliteJournal::open(&file).expect("a journal");
            Some(Box::new(journal))
        }));
    }
    journals
}

/// Loses the replies to the first two starts.
fn lose_two(sim: &Sim, on: &str) {
    let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
    sim.set_faults(vec![FaultRule::new(lost).on(on).count(2)]);
}

/// Rows: G1, G4.
#[test]
fn each_lost_start_is_given_with_its_own_candidates_and_none_is_adopted() {
    for process in [in_async::<Nanonets>, in_blocking::<Nanonets>] as [Process<Nanonets>; 2] {
        let folder = tempfile::tempdir().expect("a folder");
        for journal in journals(folder.path()) {
            let sim = sim();
            lose_two(&sim, "run");
            let access = sim.nanonets();
            let place = Place {
                base_url: &access.base_url,
                key: &access.api_key,
                journal: &journal,
            };
            let job = |text: &str| nanonets::Job::agent(sim.agent("echo")).query(text);
            // The third one says the same as the first, and is known to be another task.
            let jobs = [("a", "one"), ("b", "two"), ("c", "one")];
            let jobs = jobs.map(|(name, text)| (name.to_owned(), job(text)));
            let found = process(&place, jobs.into()).expect("recovered");
            let intent = |name| IntentId::named(Nanonets::NAME, &access.base_url, name);
            let starts: Vec<_> = found.keys().cloned().collect();
            let mut expected = vec![intent("a"), intent("b")];
            expected.sort();
            assert_eq!(starts, expected, "{found:?}");
            let tasks: Vec<_> = found
                .values()
                .flat_map(|tasks| tasks.clone().expect("tasks"))
                .collect();
            assert!(tasks.len() == 2 && tasks[0] != tasks[1], "{found:?}");
            assert_eq!(sim.stats().starts, 3);
            // Two searches look at two tasks, and each is read once.
            assert_eq!(sim.stats().endpoints["messages"], 2);
            // Asked once more, nothing has changed.
            assert_eq!(process(&place, Vec::new()).expect("recovered"), found);
        }
    }
}

/// Rows: G2, G4.
#[test]
fn each_start_under_a_key_is_followed() {
    let processes = [in_async::<AgentHarness>, in_blocking::<AgentHarness>];
    for process in processes as [Process<AgentHarness>; 2] {
        let folder = tempfile::tempdir().expect("a folder");
        for journal in journals(folder.path()) {
            let sim = sim();
            let lost = Fault::LostReplyAfterApply { after_bytes: 0 };
            // At each attempt of the first start, and at none of its repetition.
            let attempts = Policy::default().retry.writes;
            sim.set_faults(vec![
                FaultRule::new(lost).on("create_run").count(attempts.into()),
            ]);
            let access = sim.harness();
            let place = Place {
                base_url: &access.base_url,
                key: &access.api_key,
                journal: &journal,
            };
            let goal = agent_harness::Job::goal("Write.").with_input("scenario", "long-stream");
            let found = process(&place, vec![("a".to_owned(), goal)]).expect("recovered");
            let intent = IntentId::named(AgentHarness::NAME, &access.base_url, "a");
            assert_eq!(found, Found::from([(intent, Ok(Vec::new()))]));
            assert_eq!(
                process(&place, Vec::new()).expect("recovered"),
                Found::new()
            );
            assert_eq!(sim.harness_stats().starts, 1);
        }
    }
}

#[test]
fn without_a_journal_that_lists_them_nothing_is_said_to_be_recovered() {
    struct Deaf;
    impl Journal for Deaf {
        fn record(&self, _: &taskward::Snapshot) -> Result<(), taskward::error::BoxError> {
            Ok(())
        }
    }
    for process in [in_async::<Nanonets>, in_blocking::<Nanonets>] as [Process<Nanonets>; 2] {
        let sim = sim();
        let access = sim.nanonets();
        let mut place = Place {
            base_url: &access.base_url,
            key: &access.api_key,
            journal: &|| None,
        };
        let error = process(&place, Vec::new()).expect_err("no journal");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        place.journal = &|| Some(Box::new(Deaf));
        let error = process(&place, Vec::new()).expect_err("a journal that lists nothing");
        assert_eq!(error.kind(), ErrorKind::Local, "{error}");
    }
}
