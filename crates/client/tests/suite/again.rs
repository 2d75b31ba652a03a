//! The same started once more as a new task, over the simulator.

use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use taskward_core::{
    BoxError, Error, ErrorKind, Journal, Provider, SecretString, Snapshot, StartAgainError,
};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{File, Job, Nanonets};
use taskward_sim::Sim;

use super::follow::Result;
use crate::adapter::{Client, block_on};

const CSV: &str = "description,quantity,unit_price\nBolt,2,1.50\n";

/// A journal that only remembers; an entry of it is its last state.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<Snapshot>>>);

impl Journal for Memory {
    fn record(&self, snapshot: &Snapshot) -> std::result::Result<(), BoxError> {
        self.0.lock().expect("memory").push(snapshot.clone());
        Ok(())
    }
}

impl Memory {
    fn last(&self) -> Snapshot {
        let kept = self.0.lock().expect("memory");
        kept.last().expect("a state").clone()
    }
}

fn client<P: Provider>(key: String, base_url: &str, memory: &Memory) -> Result<Client<P>> {
    Ok(Client::builder()
        .api_key(SecretString::from(key))
        .base_url(base_url)
        .journal(memory.clone())
        .build()?)
}

fn on_nanonets() -> Result<(Sim, Client<Nanonets>, Memory)> {
    let (sim, memory) = (Sim::builder().record_bodies().spawn()?, Memory::default());
    let access = sim.nanonets();
    let client = client(access.api_key, &access.base_url, &memory)?;
    Ok((sim, client, memory))
}

/// Starts a task that sends a file, and returns what is stored of it.
fn started(client: &Client<Nanonets>, memory: &Memory, sim: &Sim, file: &Path) -> Result<Snapshot> {
    let job = Job::agent(sim.agent("invoice"))
        .query("Sum it up.")
        .file(file);
    block_on(client.start(job))?;
    Ok(memory.last())
}

fn reason(error: &Error) -> Option<&StartAgainError> {
    error.source()?.downcast_ref()
}

/// Rows: G17.
#[test]
fn a_new_task_is_started_by_the_same_bytes_under_a_new_key() -> Result {
    let (sim, memory) = (Sim::builder().record_bodies().spawn()?, Memory::default());
    let access = sim.harness();
    let client: Client<AgentHarness> = client(access.api_key, &access.base_url, &memory)?;
    let job = agent_harness::Job::goal("Write to the team.").subject("user-17");
    block_on(client.start(job))?;
    let first = memory.last();
    let mut running = block_on(client.run_again(&first).start())?;
    block_on(running.next())?;
    assert!(running.id().is_some() && running.id() != first.task());
    // Under a key of the caller's, twice, it is one.
    for _ in 0..2 {
        let own = client.run_again(&first).idempotency_key("mine");
        let mut running = block_on(own.start())?;
        block_on(running.next())?;
    }
    let stats = sim.harness_stats();
    assert_eq!((stats.runs, stats.starts, stats.replays), (3, 3, 1));
    let requests = sim.requests();
    let starts = requests.iter().filter(|it| it.endpoint == "create_run");
    let bodies: Vec<_> = starts.map(|it| &it.body_sha256).collect();
    assert_eq!(bodies, [bodies[0]; 4]);
    Ok(())
}

/// Rows: G17.
#[test]
fn a_file_is_sent_again_when_it_is_what_it_was_or_when_that_is_insisted_on() -> Result {
    let (sim, client, memory) = on_nanonets()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a.csv");
    std::fs::write(&file, CSV)?;
    let first = started(&client, &memory, &sim, &file)?;
    // Another file of the same content in its place is the same.
    std::fs::remove_file(&file)?;
    std::fs::write(&file, CSV)?;
    let mut running = block_on(client.run_again(&first).start())?;
    block_on(running.next())?;
    let bodies = |sim: &Sim| {
        let requests = sim.requests().into_iter();
        let starts = requests.filter(|it| it.endpoint == "run");
        starts.map(|it| it.body_sha256).collect::<Vec<_>>()
    };
    let sent = bodies(&sim);
    assert_eq!(sent[0], sent[1]);
    // What is stored of the new one repeats the start once more.
    assert!(memory.last().start_again().is_ok());

    // As long as it was, and with another content.
    std::fs::write(&file, CSV.replace('2', "4"))?;
    let error = block_on(client.run_again(&first).start()).map(|_| ());
    let error = error.expect_err("it changed");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(
        reason(&error),
        Some(&StartAgainError::FileChanged(file.clone()))
    );
    assert_eq!(bodies(&sim).len(), 2);
    let mut running = block_on(client.run_again(&first).force_new(true).start())?;
    block_on(running.next())?;
    assert_ne!(bodies(&sim)[2], sent[0]);

    std::fs::remove_file(&file)?;
    let error = block_on(client.run_again(&first).force_new(true).start()).map(|_| ());
    let error = error.expect_err("it is gone");
    let gone = reason(&error);
    assert!(
        matches!(gone, Some(StartAgainError::FileUnreadable { path, .. }) if *path == file),
        "{error}"
    );
    assert_eq!(bodies(&sim).len(), 3);
    Ok(())
}

/// Rows: G17, L5.
#[test]
fn what_was_not_kept_is_not_started_and_the_error_says_why() -> Result {
    let (sim, client, memory) = on_nanonets()?;
    let agent = sim.agent("slow");
    let key = sim.nanonets().api_key;
    let jobs = [
        (
            Job::agent(&agent).attach(File::bytes("a.csv", CSV)),
            "from memory",
        ),
        (
            Job::agent(&agent).query("x".repeat(64 << 10)),
            "at most 65536",
        ),
        (
            Job::agent(&agent).query(format!("With {key}.")),
            "held the API key",
        ),
    ];
    for (job, why) in jobs {
        block_on(client.start(job))?;
        let kept = memory.last();
        let text = serde_json::to_string(&kept)?;
        assert!(!text.contains(&key) && !text.contains("Qm9sd"), "{text}");
        let error = block_on(client.run_again(&kept).start()).map(|_| ());
        let error = error.expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    // Of a task that is only followed nothing is known here.
    let id = memory.last().task().expect("an id").clone();
    let mut followed = block_on(client.attach(id).start())?;
    block_on(followed.next())?;
    let error = block_on(client.run_again(followed.snapshot()).start()).map(|_| ());
    let error = error.expect_err("nothing is kept");
    assert_eq!(reason(&error), Some(&StartAgainError::NothingKept));
    assert_eq!(sim.stats().starts, 3);
    Ok(())
}
