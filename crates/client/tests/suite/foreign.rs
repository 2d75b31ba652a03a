//! Replies about another task, over the wire: as if they had not come.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskward_core::{Error, ErrorKind, Event, Operation, Outcome, Output as _, Policy, RunResult};
use taskward_core::{Provider, TaskId};
use taskward_providers::a2a::{A2a, operations as a};
use taskward_providers::agent_harness::{AgentHarness, operations as h};
use taskward_providers::nanonets::{Nanonets, operations as n};

use super::follow::Result;
use super::lists::server;
use super::support::{Server, impatient, key, ok};
use crate::adapter::{Client, calls, follow};

fn client<P: Provider>(server: &Server, policy: Policy) -> Result<Client<P>> {
    Ok(Client::builder()
        .api_key(key())
        .base_url(&server.url())
        .policy(policy)
        .speed(1000)
        .build()?)
}

/// Follows `ours` to its end; returns the other reported events.
fn watch<P: Provider>(server: &Server) -> Result<(Outcome<P::Output>, String)> {
    let reported = Arc::new(Mutex::new(Vec::<Event>::new()));
    let log = reported.clone();
    let run = client::<P>(server, Policy::default())?
        .attach(TaskId::new("ours"))
        .deadline(Duration::from_secs(3600))
        .on_event(move |event| log.lock().expect("log").push(event.event.clone()));
    let RunResult::Ended(outcome) = follow(run)? else {
        panic!("it was left");
    };
    let reported = format!("{:?}", reported.lock().expect("log"));
    Ok((outcome, reported))
}

/// Returns the error of a call.
fn refused<P, O>(server: &Server, operation: O) -> Result<Error>
where
    P: Provider,
    O: Operation + Clone + Send + 'static,
    O::Output: Send + std::fmt::Debug,
{
    let client = client::<P>(server, impatient())?;
    Ok(calls(&client, &[operation]).remove(0).expect_err("theirs"))
}

/// Rows: D22.
#[test]
fn a_task_is_watched_past_the_replies_of_another() -> Result {
    let theirs = r#"{"task_id":"theirs","status":"completed","result":"said elsewhere"}"#;
    let task = "/api/v1/tasks/ours";
    let summary = "/api/v1/tasks/ours/summary";
    let server = server(&[
        (task, &ok(theirs)),
        (task, &ok(r#"{"task_id":"ours","status":"running"}"#)),
        (task, &ok(theirs)),
        (task, &ok(r#"{"status":"completed"}"#)),
        (summary, &ok(theirs)),
        (
            summary,
            &ok(r#"{"task_id":"ours","status":"completed","result":"ours"}"#),
        ),
    ]);
    let (outcome, reported) = watch::<Nanonets>(&server)?;
    let answer = outcome.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("ours"));
    assert!(
        !reported.contains("elsewhere") && !reported.contains("theirs"),
        "{reported}"
    );
    assert_eq!(reported.matches("Foreign").count(), 3, "{reported}");
    Ok(())
}

/// Rows: D22.
#[test]
fn a_run_is_watched_past_the_replies_and_events_of_another() -> Result {
    let run = "/v1/runs/ours";
    let stream = "event: run_event\n\
        data: {\"seq\":1,\"type\":\"run.created\"}\n\n\
        event: run_event\n\
        data: {\"seq\":2,\"type\":\"run.worker.failed\",\"run_id\":\"theirs\",\"said\":\"elsewhere\"}\n\n\
        event: run_event\n\
        data: {\"seq\":2,\"type\":\"run.worker.succeeded\",\"run_id\":\"ours\"}\n\n";
    let stream = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n{stream}",
        stream.len()
    );
    let server = server(&[
        (
            run,
            &ok(r#"{"id":"theirs","status":"failed","output":"elsewhere"}"#),
        ),
        (
            run,
            &ok(r#"{"id":"ours","status":"succeeded","output":"ours"}"#),
        ),
        ("/v1/runs/ours/events/stream", &stream),
        (
            "/v1/runs/ours/events",
            &ok(
                r#"{"events":[{"seq":1,"type":"run.created"},{"seq":2,"type":"run.worker.succeeded"}]}"#,
            ),
        ),
    ]);
    let (outcome, reported) = watch::<AgentHarness>(&server)?;
    let answer = outcome.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("ours"));
    assert!(
        !reported.contains("elsewhere") && !reported.contains("theirs"),
        "{reported}"
    );
    Ok(())
}

/// Returns a reply over JSON-RPC.
fn result(task: &str) -> String {
    ok(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{task}}}"#))
}

const AGENTS_THEIRS: &str = r#"{"id":"theirs","status":{"state":"TASK_STATE_FAILED"},"artifacts":[{"parts":[{"text":"elsewhere"}]}]}"#;

/// Rows: D22.
#[test]
fn a_task_of_an_agent_is_watched_past_the_replies_of_another() -> Result {
    let ours = r#"{"id":"ours","status":{"state":"TASK_STATE_COMPLETED"},"artifacts":[{"parts":[{"text":"ours"}]}]}"#;
    let works = r#"{"id":"ours","status":{"state":"TASK_STATE_WORKING"}}"#;
    // The agent that is assumed without a card has one place for all calls.
    let server = server(&[
        ("/", &result(AGENTS_THEIRS)),
        ("/", &result(works)),
        ("/", &result(AGENTS_THEIRS)),
        ("/", &result(ours)),
    ]);
    let (outcome, reported) = watch::<A2a>(&server)?;
    let answer = outcome.into_answer()?;
    assert_eq!(answer.text().as_deref(), Some("ours"));
    assert!(
        !reported.contains("elsewhere") && !reported.contains("theirs"),
        "{reported}"
    );
    assert_eq!(reported.matches("Foreign").count(), 2, "{reported}");
    Ok(())
}

/// Rows: D22.
#[test]
fn one_read_of_another_task_is_an_error_that_tells_nothing_of_it() -> Result {
    let theirs = r#"{"task_id":"theirs","id":"theirs","run_id":"theirs","status":"completed","result":"elsewhere","data":[]}"#;
    for target in ["", "/summary", "/messages"] {
        let server = server(&[(&format!("/api/v1/tasks/ours{target}"), &ok(theirs))]);
        let error = match target {
            "" => refused::<Nanonets, _>(&server, n::GetTaskStatus::new("ours")),
            "/summary" => refused::<Nanonets, _>(&server, n::GetTaskSummary::new("ours")),
            _ => refused::<Nanonets, _>(&server, n::ListTaskMessages("ours".into())),
        }?;
        told_nothing(&error);
    }
    let server = server(&[
        ("/v1/runs/ours", &ok(theirs)),
        ("/v1/runs/ours/events", &ok(theirs)),
    ]);
    told_nothing(&refused::<AgentHarness, _>(
        &server,
        h::GetRun::new("ours"),
    )?);
    let events = h::ListRunEvents::new("ours");
    told_nothing(&refused::<AgentHarness, _>(&server, events)?);
    let server = super::lists::server(&[("/", &result(AGENTS_THEIRS))]);
    let read = a::GetTask::new(&A2a::default(), "ours");
    told_nothing(&refused::<A2a, _>(&server, read)?);
    Ok(())
}

fn told_nothing(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Decode, "{error:?}");
    let said = format!("{error} {error:?}");
    assert!(said.contains("about another task"), "{said}");
    assert!(
        !said.contains("theirs") && !said.contains("elsewhere"),
        "{said}"
    );
}
