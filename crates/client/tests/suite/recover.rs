//! Recovery of starts of unknown outcome, over the simulator.

use std::sync::{Arc, Mutex};

use taskward_core::{
    Answer, BoxError, ErrorKind, Journal, Outcome, Provider, RunResult, SecretString, Similarity,
    Snapshot,
};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::{Job, Nanonets};
use taskward_sim::{Fault, FaultRule, Sim};

use super::follow::Result;
use crate::adapter::{Client, Recovery, block_on, follow, handler};

const SPEED: u32 = 100;

/// A journal that only remembers.
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
        .speed(SPEED)
        .build()?)
}

fn on_nanonets(faults: Vec<FaultRule>) -> Result<(Sim, Client<Nanonets>, Memory)> {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn()?;
    sim.set_faults(faults);
    let (access, memory) = (sim.nanonets(), Memory::default());
    let client = client(access.api_key, &access.base_url, &memory)?;
    Ok((sim, client, memory))
}

fn job(sim: &Sim) -> Job {
    Job::agent(sim.agent("echo")).query("Say it once.")
}

fn unknown<O: std::fmt::Debug>(end: &RunResult<O>) {
    assert!(
        matches!(end.outcome(), Some(Outcome::Unknown { .. })),
        "{end:?}"
    );
}

#[test]
fn the_journal_knows_of_a_start_before_the_server_does_and_of_its_task_before_the_caller() -> Result
{
    let (sim, client, memory) = on_nanonets(Vec::new())?;
    let mut running = block_on(client.run(job(&sim)).start())?;
    assert!(sim.requests().is_empty());
    let event = block_on(running.next())?.expect("an event").event;
    assert!(format!("{event:?}").starts_with("Created"), "{event:?}");
    let kept = memory.0.lock().expect("memory").clone();
    assert!(kept[0].is_unknown() && kept[0].origin().is_some());
    assert_eq!(kept.last().and_then(Snapshot::task), running.id());
    assert_eq!(kept[0].intent(), kept[1].intent());
    Ok(())
}

#[test]
fn a_lost_start_without_a_key_is_searched_for_and_nothing_is_adopted() -> Result {
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 })
        .on("run")
        .count(1);
    let (sim, client, memory) = on_nanonets(vec![lost])?;
    unknown(&follow(client.run(job(&sim)))?);
    let Recovery::Found(found) = block_on(client.recover(memory.last()))? else {
        panic!("it has no key");
    };
    let [task] = &found.candidates[..] else {
        panic!("not one: {found:?}");
    };
    assert!(
        found.complete && task.similarity == Similarity::Same,
        "{found:?}"
    );
    assert!(sim.stats().per_task.contains_key(task.id.as_str()));
    assert_eq!(sim.stats().starts, 1);
    let Recovery::Follow(run) = block_on(client.recover(memory.last().adopting(task.id.clone())))?
    else {
        panic!("its task is known");
    };
    let end = follow(run)?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Succeeded { .. })),
        "{end:?}"
    );
    Ok(())
}

#[test]
fn a_start_that_never_arrived_is_not_found() -> Result {
    let cut = FaultRule::new(Fault::CloseBeforeHead).on("run").count(1);
    let (sim, client, memory) = on_nanonets(vec![cut])?;
    unknown(&follow(client.run(job(&sim)))?);
    let Recovery::Found(found) = block_on(client.recover(memory.last()))? else {
        panic!("it has no key");
    };
    assert_eq!((found.candidates.len(), sim.stats().starts), (0, 0));
    assert!(found.complete, "{found:?}");
    Ok(())
}

#[test]
fn a_lost_start_under_a_key_is_repeated_and_followed() -> Result {
    let lost = FaultRule::new(Fault::LostReplyAfterApply { after_bytes: 0 }).on("create_run");
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn()?;
    sim.set_faults(vec![lost]);
    let (access, memory) = (sim.harness(), Memory::default());
    let client: Client<AgentHarness> = client(access.api_key, &access.base_url, &memory)?;
    let job = agent_harness::Job::goal("Say it once.").with_input("scenario", "approve-email");
    unknown(&follow(client.run(job))?);
    sim.set_faults(Vec::new());
    let Recovery::Follow(run) = block_on(client.recover(memory.last()))? else {
        panic!("it has a key");
    };
    let end = follow(run.on_question(handler(|_| Ok(Answer::Approve))))?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Succeeded { .. })),
        "{end:?}"
    );
    assert_eq!(sim.harness_stats().per_run.len(), 1);
    Ok(())
}

#[test]
fn a_task_whose_id_is_known_is_followed_and_one_that_was_refused_is_not() -> Result {
    let (sim, client, memory) = on_nanonets(Vec::new())?;
    follow(client.run(job(&sim)))?;
    let Recovery::Follow(run) = block_on(client.recover(memory.last()))? else {
        panic!("its id is known");
    };
    let end = follow(run)?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Succeeded { .. })),
        "{end:?}"
    );
    let end = follow(client.run(Job::agent("00000000-0000-4000-8000-000000000000").query("x")))?;
    assert!(
        matches!(end.outcome(), Some(Outcome::Refused(_))),
        "{end:?}"
    );
    let error = block_on(client.recover(memory.last())).expect_err("it made no task");
    assert_eq!(error.kind(), ErrorKind::Input);
    Ok(())
}

#[test]
fn a_snapshot_of_another_server_is_not_searched_for_here() -> Result {
    let cut = FaultRule::new(Fault::CloseBeforeHead).on("run").count(1);
    let (sim, client, memory) = on_nanonets(vec![cut])?;
    unknown(&follow(client.run(job(&sim)))?);
    let (other_sim, other, _) = on_nanonets(Vec::new())?;
    let error = block_on(other.recover(memory.last())).expect_err("another server");
    assert!(error.to_string().contains("not on"), "{error}");
    assert!(other_sim.requests().is_empty());
    Ok(())
}
