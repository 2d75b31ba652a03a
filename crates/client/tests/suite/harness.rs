//! Runs of Agent Harness followed over the simulator, whatever happens to their streams.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskward_core::{Answer, Event, Outcome, RunResult, SecretString};
use taskward_providers::agent_harness::operations::{ListRunEvents, StreamRunEvents};
use taskward_providers::agent_harness::{self, AgentHarness, Job};
use taskward_sim::harness::Stats;
use taskward_sim::{Fault, FaultRule, Sim};

use super::follow::Result;
use super::support::{Server, key};
use crate::adapter::{Client, calls, follow, handler};

/// A simulator and a client, both this much faster than the world.
const SPEED: u32 = 100;
/// Soon enough for a test, and late enough for a machine that is busy.
const SOON: Duration = Duration::from_secs(1);
pub(super) const LATE: Duration = Duration::from_secs(60);

/// Returns a simulator of these faults, and a client that takes a stream for dead after `idle` of the world.
pub(super) fn setup(faults: Vec<FaultRule>, idle: Duration) -> Result<(Sim, Client<AgentHarness>)> {
    let sim = Sim::builder().speed(f64::from(SPEED)).spawn()?;
    sim.set_faults(faults);
    let access = sim.harness();
    let mut policy = taskward_core::Policy::default();
    policy.limits.stream_idle = idle * SPEED;
    let client = Client::builder()
        .api_key(SecretString::from(access.api_key))
        .base_url(&access.base_url)
        .policy(policy)
        .speed(SPEED)
        .build()?;
    Ok((sim, client))
}

pub(super) fn job(scenario: &str) -> Job {
    Job::goal("Draft and send the weekly team update.").with_input("scenario", scenario)
}

/// Strikes streams.
fn on_streams(fault: Fault) -> FaultRule {
    FaultRule::new(fault).on("agent-harness.stream")
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
        after_bytes: None,
    }
}

/// A run as it was reported.
struct Reported {
    /// The positions of its events.
    events: Vec<u64>,
    /// Its other events.
    others: Vec<Event>,
    end: RunResult<agent_harness::Answer>,
}

/// Follows a run to its end, approving what it asks.
fn follow_approving(client: &Client<AgentHarness>, job: Job) -> Result<Reported> {
    let reported = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let log = reported.clone();
    let run = client
        .run(job)
        .deadline(Duration::from_secs(3600))
        .on_event(move |event| {
            let mut log = log.lock().expect("log");
            match &event.event {
                Event::Provider(event) => log.0.extend(event.seq.map(|p| p.0)),
                other => log.1.push(other.clone()),
            }
        })
        .on_question(handler(|_| Ok(Answer::Approve)));
    let end = follow(run)?;
    let (events, others) = std::mem::take(&mut *reported.lock().expect("log"));
    Ok(Reported {
        events,
        others,
        end,
    })
}

/// Returns the positions of all events of the only run, as the platform lists them.
fn listed(sim: &Sim, client: &Client<AgentHarness>) -> Result<Vec<u64>> {
    let stats = sim.harness_stats();
    let run = stats.per_run.keys().next().ok_or("no run")?;
    let page = calls(client, &[ListRunEvents::new(run.clone())]).remove(0)?;
    Ok(page.events.readable().map(|event| event.seq).collect())
}

/// Returns how often each wait was ended by a signal of ours.
fn signals(stats: &Stats) -> Vec<(u64, u64)> {
    let of = |wait: &taskward_sim::harness::WaitStats| (wait.applied, wait.refused);
    stats.waits.iter().map(of).collect()
}

#[test]
fn a_run_is_followed_by_its_stream_and_its_wait_answered_once() -> Result {
    let (sim, client) = setup(Vec::new(), LATE)?;
    let reported = follow_approving(&client, job("approve-email"))?;
    assert!(matches!(
        reported.end,
        RunResult::Ended(Outcome::Succeeded { .. })
    ));
    assert_eq!(reported.events, listed(&sim, &client)?);
    let stats = sim.harness_stats();
    assert_eq!(
        (stats.starts, stats.streams, signals(&stats)),
        (1, 1, vec![(1, 0)])
    );
    // The same, read at once by an operation.
    let run = stats.per_run.keys().next().ok_or("no run")?.clone();
    let events = calls(&client, &[StreamRunEvents(run)]).remove(0)?;
    let seqs: Vec<u64> = events.readable().map(|event| event.seq).collect();
    assert_eq!(seqs, reported.events);
    Ok(())
}

#[test]
fn whatever_becomes_of_its_streams_a_run_is_told_whole_and_ends_as_it_ended() -> Result {
    let endless = |fault: Fault| vec![on_streams(fault)];
    for faults in [
        endless(Fault::EndlessLine),
        endless(Fault::EndlessData),
        endless(Fault::EndlessBody { bytes: None }),
        endless(Fault::GzipBomb),
        endless(Fault::Html200),
        endless(Fault::WrongContentType {
            content_type: "text/plain".to_owned(),
        }),
        endless(Fault::StreamEof { after_events: 0 }),
        endless(Fault::Stall {
            after_bytes: Some(0),
        }),
        endless(Fault::CutBody { bytes: 700 }),
        endless(Fault::Reset { after_bytes: None }),
        endless(Fault::Redirect {
            to: Some("http://elsewhere.example/".to_owned()),
            code: 307,
        }),
        endless(status(404)),
        endless(status(503)),
        vec![on_streams(Fault::DuplicateReply)],
        vec![FaultRule::new(Fault::Trailers)],
        vec![
            on_streams(Fault::Reset {
                after_bytes: Some(900),
            })
            .count(2),
        ],
        vec![on_streams(Fault::TruncatedJson).count(1)],
    ] {
        let name = format!("{faults:?}");
        let (sim, client) = setup(faults, SOON)?;
        let reported = follow_approving(&client, job("approve-email"))?;
        assert!(
            matches!(reported.end, RunResult::Ended(Outcome::Succeeded { .. })),
            "{name}: {:?}",
            reported.end
        );
        let all = listed(&sim, &client)?;
        assert_eq!(reported.events, all, "{name}: {:?}", reported.others);
        let stats = sim.harness_stats();
        assert_eq!((stats.starts, signals(&stats)), (1, vec![(1, 0)]), "{name}");
        let reads: u64 = stats.endpoints.values().sum();
        assert!(reads < 200, "{name}: {stats:?}");
    }
    Ok(())
}

/// Rows: B32.
#[test]
fn with_trailers_behind_every_reply_a_run_is_followed_by_one_stream() -> Result {
    let (sim, client) = setup(vec![FaultRule::new(Fault::Trailers)], LATE)?;
    let reported = follow_approving(&client, job("approve-email"))?;
    assert!(matches!(
        reported.end,
        RunResult::Ended(Outcome::Succeeded { .. })
    ));
    assert_eq!(reported.events, listed(&sim, &client)?);
    let is_retry = |event: &Event| matches!(event, Event::Retrying { .. });
    assert!(
        !reported.others.iter().any(is_retry),
        "{:?}",
        reported.others
    );
    let stats = sim.harness_stats();
    assert_eq!(
        (stats.starts, stats.streams, signals(&stats)),
        (1, 1, vec![(1, 0)])
    );
    let struck = |record: &taskward_sim::RequestRecord| record.fault.as_deref() == Some("trailers");
    assert!(sim.requests().iter().all(struck));
    Ok(())
}

/// Follows a run with an event of so many bytes.
fn check_big_event(bytes: u64) -> Result {
    let (sim, client) = setup(Vec::new(), LATE)?;
    let reported = follow_approving(&client, job("big-event").with_input("bytes", bytes))?;
    assert!(
        matches!(reported.end, RunResult::Ended(Outcome::Succeeded { .. })),
        "{:?}",
        reported.end
    );
    let last = reported.events.len() as u64;
    assert!(last > 3 && reported.events == (1..=last).collect::<Vec<_>>());
    let retried = reported
        .others
        .iter()
        .any(|event| matches!(event, Event::Retrying { .. }));
    assert!(!retried, "{:?}", reported.others);
    assert_eq!(sim.harness_stats().streams, 1);
    Ok(())
}

#[test]
fn an_event_of_seven_megabytes_passes() -> Result {
    check_big_event(7_000_000)
}

#[test]
fn an_event_of_fourteen_megabytes_passes() -> Result {
    check_big_event(14_000_000)
}

#[test]
fn a_key_revoked_in_mid_run_ends_the_watch_and_says_that_the_run_goes_on() -> Result {
    let (sim, client) = setup(
        vec![
            on_streams(Fault::StreamEof { after_events: 2 }).count(1),
            on_streams(status(401)),
        ],
        LATE,
    )?;
    let reported = follow_approving(&client, job("approve-email"))?;
    let RunResult::Ended(Outcome::AccessLost { id, error }) = reported.end else {
        panic!("{:?}", reported.end);
    };
    assert_eq!(error.status.as_u16(), 401);
    assert!(sim.harness_stats().per_run.contains_key(id.as_str()));
    assert!(
        reported.events.starts_with(&[1, 2]),
        "{:?}",
        reported.events
    );
    Ok(())
}

#[test]
fn a_stream_is_redirected_within_its_own_server_only() {
    let other = Server::says("");
    let elsewhere = other.url();
    let server = Server::new(move |conn, _| {
        while let Some(seen) = conn.request() {
            let line = seen.line().to_owned();
            if line.starts_with("GET /v1/runs/r/events/stream") {
                conn.say("HTTP/1.1 307 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n");
            } else if line.starts_with("GET /there") {
                conn.say(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: run_event\ndata: \
                     {\"seq\":1,\"type\":\"run.worker.succeeded\",\"payload\":{\"value\":null}}\n\n",
                );
                return conn.hold();
            } else if line.starts_with("GET /v1/runs/s/events/stream") {
                conn.say(format!(
                    "HTTP/1.1 307 Moved\r\nLocation: {elsewhere}/there\r\nContent-Length: 0\r\n\r\n"
                ));
            } else if line.contains("/events") {
                conn.json("[]");
            } else {
                // Until a stream was seen, it works.
                let id = if line.contains("/r ") { "r" } else { "s" };
                conn.json(&format!("{{\"id\":\"{id}\",\"status\":\"running\"}}"));
            }
        }
    });
    let client = Client::<AgentHarness>::builder()
        .api_key(key())
        .base_url(&server.url())
        .speed(SPEED)
        .build()
        .expect("settings");
    let watch = |run: &str| {
        let run = client.attach(run).deadline(Duration::from_secs(60));
        follow(run).expect("an end")
    };
    let RunResult::Ended(end) = watch("r") else {
        panic!("nothing asks");
    };
    assert!(matches!(end, Outcome::Succeeded { .. }), "{end:?}");
    let followed: Vec<_> = server
        .seen()
        .into_iter()
        .filter(|seen| seen.line().starts_with("GET /there"))
        .collect();
    assert_eq!(followed.len(), 1);
    assert_eq!(followed[0].header("accept"), Some("text/event-stream"));
    assert!(followed[0].header("authorization").is_some());
    let RunResult::Ended(end) = watch("s") else {
        panic!("nothing asks");
    };
    assert!(matches!(end, Outcome::DeadlineExceeded { .. }), "{end:?}");
    assert!(other.seen().is_empty(), "another server was asked");
}
