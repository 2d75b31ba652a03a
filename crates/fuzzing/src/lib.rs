//! The bodies of the fuzz targets: each takes bytes, makes something of them, and panics when what must hold does not.
//!
//! `fuzz/` wraps each in a program of libFuzzer, `cargo xtask fuzz` runs those, and the test `replay` runs every file of
//! their corpora through its body, and some thousand mutations of them.

pub mod error_body;
pub mod multipart;
pub mod replies;
pub mod retry_after;
pub mod sanitise;
pub mod snapshot;
pub mod sse;
pub mod url;

pub use taskward_simulation::fuzzed as task;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its program and of its corpus.
    pub name: &'static str,
    /// Its body.
    pub body: fn(&[u8]),
}

impl Target {
    const fn new(name: &'static str, body: fn(&[u8])) -> Self {
        Self { name, body }
    }
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target::new("error_body", error_body::target),
    Target::new("multipart", multipart::target),
    Target::new("replies", replies::target),
    Target::new("retry_after", retry_after::target),
    Target::new("sanitise", sanitise::target),
    Target::new("snapshot", snapshot::target),
    Target::new("sse", sse::target),
    Target::new("task_a2a", task::a2a),
    Target::new("task_agent_harness", task::agent_harness),
    Target::new("task_nanonets", task::nanonets),
    Target::new("url", url::target),
];
