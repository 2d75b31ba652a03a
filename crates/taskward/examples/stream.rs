//! Follows one long stream through either adapter and prints what came of it and how much memory it took at most:
//! `stream async|blocking EVENTS INTERVAL_MS`, with the usual environment. `cargo xtask stream-test` runs it.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use taskward::agent_harness::{AgentHarness, Job};
use taskward::event::NumberedEvent;
use taskward::{Event, RunResult};

/// How many events came, and whether each was the one after the last.
#[derive(Clone, Copy, Default)]
struct Seen {
    events: u64,
    disorder: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [adapter, events, interval] = args.as_slice() else {
        return Err("usage: stream async|blocking EVENTS INTERVAL_MS".into());
    };
    let job = Job::goal("Write on and on.")
        .with_input("scenario", "long-stream")
        .with_input("events", events.parse::<u64>()?)
        .with_input("interval_ms", interval.parse::<u64>()?);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let counted = seen.clone();
    let count = move |event: &NumberedEvent| {
        if let Event::Provider(event) = &event.event {
            let mut seen = counted.lock().expect("nobody panics with it");
            seen.events += 1;
            seen.disorder |= event.seq.map(|p| p.0) != Some(seen.events);
        }
    };
    let begun = Instant::now();
    let end = match adapter.as_str() {
        "async" => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let client = taskward::Client::<AgentHarness>::from_env()?;
                client.run(job).on_event(count).await
            })
        }
        "blocking" => taskward::blocking::Client::<AgentHarness>::from_env()
            .and_then(|client| client.run(job).on_event(count).wait()),
        other => return Err(format!("there is no adapter {other:?}").into()),
    };
    let end = match end? {
        RunResult::Ended(outcome) => outcome.code(),
        RunResult::Detached(_) => "left",
    };
    let seen = *seen.lock().expect("nobody panics with it");
    println!(
        "{}",
        serde_json::json!({
            "end": end,
            "events": seen.events,
            "in_order": !seen.disorder,
            "seconds": begun.elapsed().as_secs(),
            "peak_kib": peak_kib(),
        })
    );
    Ok(())
}

/// Returns the largest resident set so far, where the system reports it (Linux).
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
