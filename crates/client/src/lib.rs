#![doc = "What both adapters share: the clock, files, trust roots, settings, and what a reply's \
head or an io error means."]
//!
//! Internal to `taskward-hyper` and `taskward-ureq`: it changes with them, and its version promises nothing.
//!
//! And what they share of following a task: how it begins, takes requests of its handles, and ends.
//!
//! Nothing here waits and nothing here sends: that is what the adapters differ in. What both must do alike is tested
//! by the suite in `conformance/`, which each of them runs.

pub mod clock;
pub mod driver;
pub mod entropy;
pub mod failure;
pub mod followed;
pub mod recover;
pub mod reply;
pub mod route;
pub mod run;
pub mod settings;
pub mod source;
pub mod tls;
pub mod trace;
