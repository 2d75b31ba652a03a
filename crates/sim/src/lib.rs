//! A simulator of agent platforms: their servers as pure state machines, and (feature `http`) a loopback server over
//! them for tests, the command line and other languages.
//!
//! ```
//! use taskward_sim::{Request, Scenario, nanonets::Server};
//!
//! let mut server = Server::new(7, &Scenario::default(), 0);
//! let agent = server.agent("echo").ok_or("echo is built in")?;
//! let key = format!("Bearer {}", server.api_key());
//! let run = Request::new("POST", &format!("/api/v1/agents/{agent}/run"))
//!     .header("authorization", &key)
//!     .json(&serde_json::json!({ "query": "hello" }));
//! let task = server.handle(run, 0).value();
//! let path = format!("/api/v1/tasks/{}/summary", task["task_id"].as_str().ok_or("no id")?);
//! let summary = server.handle(Request::new("GET", &path).header("authorization", &key), 5_000).value();
//! assert_eq!(summary["result"]["summary"], "hello");
//! # Ok::<(), &str>(())
//! ```
//!
//! The pure part reads no clock, socket, file or random source: time is a number of milliseconds since the epoch that
//! the caller passes, and everything random follows from the seed.
//!
//! It does *not* talk to any platform, persist anything, or invent replies: what it cannot model it refuses with 501.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod a2a;
mod dashboard;
mod faults;
pub mod harness;
mod ids;
mod message;
pub mod multipart;
pub mod nanonets;
pub mod platform;
pub mod platforms;
pub mod routes;
mod scenario;
mod struck;
mod switches;
mod time;
mod written;

#[cfg(feature = "http")]
mod http;

pub use a2a::A2aAccess;
pub use faults::{Corruption, Fault, FaultError, FaultRule};
pub use harness::HarnessAccess;
pub use message::{
    Answer, Form, Frame, Head, KEPT_BYTES, Part, Pulled, Reply, Request, SimBody, StreamId, Upload,
};
pub use nanonets::{
    ContentShape, DataPlace, Envelope, LateMessage, ListEnd, NanonetsAccess, RejectEnds, Switches,
    Title,
};
pub use scenario::{Scenario, ScenarioError};
pub use struck::Faults;
pub use time::Span;

#[cfg(feature = "http")]
pub use http::{Builder, RequestRecord, Sim};
