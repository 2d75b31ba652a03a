//! One reply as it came, for a diagnosis.

use std::time::Duration;

use taskward_core::{ErrorKind, Response};
use taskward_hyper::Client;
use taskward_providers::agent_harness::operations::{CreateRun, StreamRunEvents};
use taskward_providers::agent_harness::{AgentHarness, Job};
use taskward_providers::nanonets::operations::GetTaskStatus;

use crate::suite::follow::{Result, setup};

const GUARD: Duration = Duration::from_secs(30);

/// Rows: O1.
#[tokio::test]
async fn a_refusal_is_shown_with_its_body_and_no_reply_is_asked_for_again() -> Result {
    let (sim, client) = setup()?;
    let mut seen = None;
    let show = |reply: &Response| seen = Some(reply.clone());
    let refused = client
        .observe(GUARD, GetTaskStatus::new("no-id"), show)
        .await;
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::Api);
    let seen = seen.expect("a reply");
    assert_eq!(seen.status(), 400);
    assert!(seen.body.starts_with(b"{\"error\":"), "{seen:?}");
    sim.set_faults(vec!["status:code=503".parse()?]);
    let failed = client
        .observe(GUARD, GetTaskStatus::new("no-id"), |_| {})
        .await;
    assert!(failed.is_err());
    assert_eq!(sim.requests().len(), 2);
    Ok(())
}

/// Rows: O1.
#[tokio::test]
async fn of_a_stream_without_an_end_its_beginning_is_shown() -> Result {
    let sim = taskward_sim::Sim::spawn()?;
    let access = sim.harness();
    let client = Client::<AgentHarness>::builder()
        .api_key(access.api_key.into())
        .base_url(&access.base_url)
        .build()?;
    let job = Job::goal("x").with_input("scenario", "approve-email");
    let key = taskward_core::IdempotencyKey::new("k");
    let run = client.call(CreateRun { job, key }).await?;
    let mut seen = None;
    let show = |reply: &Response| seen = Some(reply.body.clone());
    let stream = StreamRunEvents(run.id.as_str().to_owned());
    let events = client.observe(Duration::from_secs(2), stream, show).await?;
    assert!(!events.is_empty());
    assert!(seen.expect("a reply").starts_with(b"event: run_event\n"));
    Ok(())
}
