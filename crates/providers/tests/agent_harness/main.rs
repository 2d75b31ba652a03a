//! The provider and the machine against the simulated platform, in virtual time. Every request and every reply of these
//! runs is held against the specification; the faults are injected by name on top.
#![allow(missing_docs)]

mod answers;
mod attack;
mod ends;
mod entries;
mod foreign;
mod regressions;
#[path = "../judge/scenarios.rs"]
mod scenarios;
#[path = "../judge/spec.rs"]
mod spec;
mod starts;
mod stream_rows;
mod streams;
mod time;
mod values;
mod waits;
mod world;

/// The three ways a server may begin a stream that is opened again.
const REPLAYS: [&str; 3] = ["from_start", "last_event_id", "live_only"];

fn replaying(replay: &str) -> String {
    format!("[agent_harness]\nreplay = \"{replay}\"\n")
}

/// Two waits of one kind, so that an answer to the first would fit the second.
const TWO: &str = r#"
    [[run]]
    name = "two"
    steps = [
        { delta = "a" },
        { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
        { run = "300ms" },
        { delta = "b" },
        { wait = { kind = "approval", reason = "AWAITING_APPROVAL" } },
        { run = "300ms" },
        { succeed = true },
    ]
"#;

fn done() -> world::Ended {
    world::outcome("succeeded succeeded")
}
