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

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "error_body",
        body: error_body::target,
    },
    Target {
        name: "multipart",
        body: multipart::target,
    },
    Target {
        name: "replies",
        body: replies::target,
    },
    Target {
        name: "retry_after",
        body: retry_after::target,
    },
    Target {
        name: "sanitise",
        body: sanitise::target,
    },
    Target {
        name: "snapshot",
        body: snapshot::target,
    },
    Target {
        name: "sse",
        body: sse::target,
    },
    Target {
        name: "task_agent_harness",
        body: task::agent_harness,
    },
    Target {
        name: "task_nanonets",
        body: task::nanonets,
    },
    Target {
        name: "url",
        body: url::target,
    },
];
