//! What of the suite follows from the contract of a transport. Pools and TLS, which this one does without, are an adapter's
//! own: the adapters' binaries check theirs.
#![allow(dead_code, reason = "the modules that are left out use the rest")]

#[path = "../suite/again.rs"]
pub(crate) mod again;
#[path = "../suite/backpressure.rs"]
pub(crate) mod backpressure;
#[path = "../suite/bodies.rs"]
pub(crate) mod bodies;
#[path = "../suite/credentials.rs"]
pub(crate) mod credentials;
#[path = "../suite/detach.rs"]
pub(crate) mod detach;
#[path = "../suite/exchange.rs"]
pub(crate) mod exchange;
#[path = "../suite/follow.rs"]
pub(crate) mod follow;
#[path = "../suite/foreign.rs"]
pub(crate) mod foreign;
#[path = "../suite/handles.rs"]
pub(crate) mod handles;
#[path = "../suite/harness.rs"]
pub(crate) mod harness;
#[path = "../suite/lists.rs"]
pub(crate) mod lists;
#[path = "../suite/on_detach.rs"]
pub(crate) mod on_detach;
#[path = "../suite/openings.rs"]
pub(crate) mod openings;
#[path = "../suite/probes.rs"]
pub(crate) mod probes;
#[path = "../suite/recover.rs"]
pub(crate) mod recover;
#[path = "../suite/redirects.rs"]
pub(crate) mod redirects;
#[path = "../suite/stream.rs"]
pub(crate) mod stream;
#[path = "../suite/support.rs"]
pub(crate) mod support;
#[path = "../suite/trace.rs"]
pub(crate) mod trace;
#[path = "../suite/uploads.rs"]
pub(crate) mod uploads;
