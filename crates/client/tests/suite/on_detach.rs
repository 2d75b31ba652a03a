//! What happens to a task that is detached before it ends: at the deadline, on an interrupt, on a drop.

use std::time::Duration;

use taskward_core::{
    BoxError, CancelFailure, CancelResult, DetachReason, ErrorKind, Event, Journal, OnDetach,
    Outcome, RetryReason, RunResult, SecretString, Snapshot,
};
use taskward_providers::agent_harness::{self, AgentHarness};
use taskward_providers::nanonets::Nanonets;
use taskward_sim::{Fault, FaultRule, Sim, Span};

use super::follow::{Result, job, setup};
use crate::adapter::{Client, block_on, follow};

const DEADLINE: Duration = Duration::from_secs(10);
/// Of the simulator's time, which is fast: a second or so.
const CANCEL: OnDetach = OnDetach::Cancel {
    within: Duration::from_secs(100),
};
const CONFIRM: OnDetach = OnDetach::CancelAndConfirm {
    within: Duration::from_secs(100),
};

/// Returns the outcome of a slow task at its deadline.
fn late(client: &Client<Nanonets>, sim: &Sim, how: Option<OnDetach>) -> Result<CancelResult> {
    let run = client.run(job(sim, "slow")).deadline(DEADLINE);
    let end = follow(match how {
        Some(how) => run.on_deadline(how),
        None => run,
    })?;
    match end {
        RunResult::Ended(Outcome::DeadlineExceeded { cancel, .. }) => Ok(cancel),
        other => panic!("{other:?}"),
    }
}

/// Returns the statuses of all tasks.
fn statuses(sim: &Sim) -> Vec<String> {
    let tasks = sim.stats().per_task;
    tasks.into_values().map(|task| task.status).collect()
}

fn cancels(sim: &Sim) -> u64 {
    let asked = sim.stats().endpoints.get("cancel").copied();
    asked.unwrap_or_default()
}

#[test]
fn at_a_deadline_a_task_is_left_alone_unless_the_caller_says_otherwise() -> Result {
    let (sim, client) = setup()?;
    assert_eq!(late(&client, &sim, None)?, CancelResult::NotRequested);
    assert_eq!(cancels(&sim), 0);
    Ok(())
}

#[test]
fn at_a_deadline_a_task_is_cancelled_when_the_caller_says_so() -> Result {
    let (sim, client) = setup()?;
    assert_eq!(late(&client, &sim, Some(CANCEL))?, CancelResult::Accepted);
    let CancelResult::Confirmed(status) = late(&client, &sim, Some(CONFIRM))? else {
        panic!("it was not seen to have stopped");
    };
    assert_eq!(cancels(&sim), 2);
    assert_eq!(statuses(&sim), [status.as_str(), status.as_str()]);
    Ok(())
}

#[test]
fn a_cancel_that_cannot_be_had_at_the_deadline_is_told() -> Result {
    let (sim, client) = setup()?;
    sim.set_faults(vec![
        FaultRule::new(Fault::Status {
            code: 403,
            retry_after: None,
            after_bytes: None,
        })
        .on("cancel"),
    ]);
    let CancelResult::Failed(CancelFailure::Attempt(failed)) = late(&client, &sim, Some(CONFIRM))?
    else {
        panic!("it was refused");
    };
    assert_eq!(failed.reason, RetryReason::Status(403));
    Ok(())
}

#[test]
fn an_interrupt_stops_the_task_first_when_the_caller_says_so() -> Result {
    let (sim, client) = setup()?;
    let mut running = block_on(client.run(job(&sim, "slow")).on_interrupt(CONFIRM).start())?;
    while !matches!(
        block_on(running.next())?.as_deref(),
        Some(Event::Created { .. })
    ) {}
    let handle = running.handle();
    let other = std::thread::spawn(move || block_on(handle.interrupt()));
    let RunResult::Detached(left) = block_on(running.wait())? else {
        panic!("it was interrupted");
    };
    other.join().expect("no panic")?;
    assert_eq!(left.reason, DetachReason::Interrupted);
    let CancelResult::Confirmed(status) = &left.cancel else {
        panic!("{:?}", left.cancel);
    };
    assert_eq!(statuses(&sim), [status.as_str()]);
    // What was stored leads to the same truth.
    let again = follow(client.resume(left.snapshot))?;
    assert!(
        matches!(again.outcome(), Some(Outcome::Stopped { .. })),
        "{again:?}"
    );
    Ok(())
}

/// Stores starts, and no id.
struct FullDisk;

impl Journal for FullDisk {
    fn record(&self, snapshot: &Snapshot) -> std::result::Result<(), BoxError> {
        match snapshot.task() {
            None => Ok(()),
            Some(_) => Err("the disk is full".into()),
        }
    }
}

#[test]
fn an_interrupt_in_mid_start_hands_over_no_id_that_could_not_be_kept() -> Result {
    let (sim, client) = setup()?;
    sim.set_faults(vec![
        FaultRule::new(Fault::Latency { span: Span(30_000) }).on("run"),
    ]);
    let run = client.run(job(&sim, "slow")).journal(FullDisk);
    let mut running = block_on(run.start())?;
    let handle = running.handle();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !sim.requests().iter().any(|one| one.endpoint == "run") {
                std::thread::yield_now();
            }
            block_on(handle.interrupt())
        });
        let error = block_on(running.wait()).expect_err("nothing was kept of it");
        assert_eq!(error.kind(), ErrorKind::Local, "{error}");
        assert!(error.task().is_some(), "{error:?}");
        // It was taken, or following had ended before.
        let _ = other.join().expect("no panic");
    });
    Ok(())
}

#[test]
fn a_second_interrupt_waits_for_nothing() -> Result {
    let (sim, client) = setup()?;
    sim.set_faults(vec![
        FaultRule::new(Fault::Status {
            code: 503,
            retry_after: Some("3600".to_owned()),
            after_bytes: None,
        })
        .on("cancel"),
    ]);
    let patient = OnDetach::Cancel {
        within: Duration::from_secs(36_000),
    };
    let mut running = block_on(client.run(job(&sim, "slow")).on_interrupt(patient).start())?;
    while !matches!(
        block_on(running.next())?.as_deref(),
        Some(Event::Created { .. })
    ) {}
    let handle = running.handle();
    let other = std::thread::spawn(move || {
        block_on(handle.interrupt())?;
        block_on(handle.interrupt())
    });
    let RunResult::Detached(left) = block_on(running.wait())? else {
        panic!("it was interrupted");
    };
    other.join().expect("no panic")?;
    assert!(
        matches!(left.cancel, CancelResult::Failed(_)),
        "{:?}",
        left.cancel
    );
    Ok(())
}

#[test]
fn a_watch_that_is_dropped_leaves_its_task_alone() -> Result {
    let (sim, client) = setup()?;
    let mut running = block_on(client.run(job(&sim, "slow")).on_interrupt(CONFIRM).start())?;
    while !matches!(
        block_on(running.next())?.as_deref(),
        Some(Event::Created { .. })
    ) {}
    drop(running);
    assert_eq!((cancels(&sim), statuses(&sim).len()), (0, 1));
    Ok(())
}

/// What a platform cannot do is refused before it costs anything; a policy that asks for it anyway, because it is made for
/// several platforms, learns from the outcome that it could not be done.
#[test]
fn where_nothing_can_be_cancelled_a_run_that_wants_it_is_refused() -> Result {
    let sim = Sim::builder().speed(100.0).spawn()?;
    let access = sim.harness();
    let client = |policy| {
        Client::<AgentHarness>::builder()
            .api_key(SecretString::from(access.api_key.clone()))
            .base_url(&access.base_url)
            .policy(policy)
            .speed(100)
            .build()
    };
    let job =
        || agent_harness::Job::goal("Draft the update.").with_input("scenario", "long-stream");
    let mut policy = taskward_core::Policy::default();
    let plain = client(policy.clone())?;
    let at_deadline = follow(plain.run(job()).on_deadline(CANCEL)).expect_err("refused");
    let at_interrupt = follow(plain.run(job()).on_interrupt(CONFIRM)).expect_err("refused");
    for error in [at_deadline, at_interrupt] {
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains("cancelling a task"), "{error}");
    }
    assert_eq!(sim.harness_stats().starts, 0);

    policy.on_deadline = CANCEL;
    let job = job()
        .with_input("events", 1000)
        .with_input("interval_ms", 1000);
    let end = follow(client(policy)?.run(job).deadline(DEADLINE))?;
    let Some(Outcome::DeadlineExceeded { cancel, .. }) = end.outcome() else {
        panic!("{end:?}");
    };
    assert_eq!(*cancel, CancelResult::Unsupported);
    Ok(())
}
