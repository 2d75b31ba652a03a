//! `cargo xtask stream-test`: a stream of eight hours and two million events through both adapters, each in a process of
//! its own, against a simulator in another; then streams that have no end and no event. Every event must come, once and
//! in order, and the memory must stay small.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::simulator::{Simulator, build};

/// The most memory that a client may take, however many events come.
const PEAK_KIB: u64 = 16 * 1024;
/// The most that it may take of what never ends: the largest event it would take, twice while that grows, and what it
/// always takes.
const PEAK_KIB_ENDLESS: u64 = 64 * 1024;
/// The simulator runs this many times faster than the world: eight hours in three seconds, or as fast as the client
/// reads.
const SPEED: u32 = 10_000;
/// How long the run takes, in simulated milliseconds.
const RUN_MS: u64 = 8 * 3_600_000;

/// How long the stream is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of events.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
}

/// Runs the test and prints a line for each adapter and stream.
pub(crate) fn run(args: &Args) -> Result<()> {
    build("stream")?;
    let simulator = Simulator::start(SPEED)?;
    let interval = (RUN_MS / args.events.max(1)).max(1);
    for adapter in ["async", "blocking"] {
        simulator.faults(&json!([]))?;
        let report = follow(&simulator, adapter, args.events, interval)?;
        let told = report["events"].as_u64().context("no count")?;
        check(adapter, &report, PEAK_KIB)?;
        // What the run tells besides its text.
        ensure!(
            told >= args.events && told < args.events + 10,
            "{adapter}: {told} events of {}",
            args.events
        );
        for kind in ["endless-line", "endless-data"] {
            simulator.faults(&json!([{ "kind": kind, "on": "agent-harness.stream" }]))?;
            let report = follow(&simulator, adapter, 100, interval)?;
            check(&format!("{adapter} {kind}"), &report, PEAK_KIB_ENDLESS)?;
        }
    }
    Ok(())
}

fn follow(simulator: &Simulator, adapter: &str, events: u64, interval: u64) -> Result<Value> {
    let args = [adapter, &events.to_string(), &interval.to_string()];
    simulator.client("stream", "agent-harness", &args)
}

fn check(name: &str, report: &Value, most: u64) -> Result<()> {
    let peak = report["peak_kib"].as_u64().context("no memory reading")?;
    println!(
        "{name:22} end={} events={} in order={} peak={peak} KiB, {} s",
        report["end"], report["events"], report["in_order"], report["seconds"]
    );
    ensure!(report["end"] == "succeeded", "{name}: {report}");
    ensure!(report["in_order"] == true, "{name}: {report}");
    ensure!(peak < most, "{name}: took {peak} KiB, more than {most}");
    Ok(())
}
