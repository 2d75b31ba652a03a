//! Taskward's blocking adapter: drives the core over ureq and rustls.
//!
//! Internal to [Taskward](https://docs.rs/taskward): it may change in every release.
//!
//! ```no_run
//! use std::time::Duration;
//! use taskward_core::{Answer, Output as _, Provider};
//! use taskward_ureq::Client;
//!
//! # fn ask(_: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
//! fn follow<P: Provider>(job: P::Job) -> Result<(), taskward_core::Error> {
//!     let client = Client::<P>::from_env()?;
//!     let end = client
//!         .run(job)
//!         .deadline(Duration::from_secs(900))
//!         .on_question(|q| Ok(Answer::text(ask(q.text())?)))
//!         .wait()?;
//!     println!("{:?}", end.into_answer()?.text());
//!     Ok(())
//! }
//! ```
//!
//! [`Client`] holds one account: server, key, connections, retry budget. [`Client::run`] and its siblings describe what
//! to do ([`Run`]); [`Run::wait`] drives the task to its end, [`Run::start`] returns a [`Running`], which gives the events,
//! takes answers and can be dropped. [`Client::call`] performs any single operation with retries, [`Client::list`] returns
//! the entries of a list as an iterator.
//!
//! Everything runs on the calling thread, but for one thread per open stream, and one per lookup of a host name.
//!
//! # What this crate does not do
//! It decides nothing: the core decides about retries, redirects, poll intervals and outcomes. It never decompresses a
//! reply, stores no cookies, and has no switch that turns the verification of certificates off.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod dial;
mod failure;
mod send;
mod size_lines;
mod transport;
mod wire;

use taskward_client::Blocking;

#[doc(inline)]
pub use taskward_client::{BatchHandle, BatchResult, BoxError, FleetEvent, Recoveries, Recovery};
pub use taskward_core as core;
pub use transport::Ureq;

/// One account of a provider, over ureq.
pub type Client<P> = taskward_client::BlockingClient<P, Ureq>;
/// Settings of a [`Client`].
pub type Builder<P> = taskward_client::Builder<P, Ureq, Blocking>;
/// A task to follow, described but not started.
pub type Run<P> = taskward_client::Run<P, Ureq, Blocking>;
/// A task that is being followed.
pub type Running<P> = taskward_client::Running<P, Ureq, Blocking>;
/// A [`Running`] whose task is known to exist.
pub type Started<P> = taskward_client::Started<P, Ureq, Blocking>;
/// The events of a [`Running`] as an iterator.
pub type Events<'a, P> = taskward_client::Events<'a, P, Ureq, Blocking>;
/// Many runs, so many at once, as an iterator of their results.
pub type Batch<K, P> = taskward_client::BlockingBatch<K, P, Ureq>;
/// Many tasks under one driver: what happened, with the key of each.
pub type Fleet<K, P> = taskward_client::BlockingFleet<K, P, Ureq>;
/// The entries of a list as an iterator.
pub type Entries<P, O> = taskward_client::Entries<P, Ureq, Blocking, O>;
/// A handle to a task that another thread drives.
pub type Handle = taskward_client::BlockingHandle;
