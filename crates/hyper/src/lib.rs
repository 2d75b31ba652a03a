//! Taskward's async adapter: drives the core over hyper, tokio and rustls.
//!
//! Internal to [Taskward](https://docs.rs/taskward): it may change in every release.
//!
//! ```no_run
//! use std::time::Duration;
//! use taskward_core::{Answer, Output as _, Provider};
//! use taskward_hyper::Client;
//!
//! # async fn ask(_: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
//! async fn follow<P: Provider>(job: P::Job) -> Result<(), taskward_core::Error> {
//!     let client = Client::<P>::from_env()?;
//!     let end = client
//!         .run(job)
//!         .deadline(Duration::from_secs(900))
//!         .on_question(async |q| Ok(Answer::text(ask(q.text()).await?)))
//!         .await?;
//!     println!("{:?}", end.into_answer()?.text());
//!     Ok(())
//! }
//! ```
//!
//! [`Client`] holds one account: server, key, connections, retry budget. [`Client::run`] and its siblings describe what
//! to do ([`Run`]); awaiting one drives the task to its end, [`Run::start`] returns a [`Running`], which gives the events,
//! takes answers and can be dropped. [`Client::call`] performs any single operation with retries, [`Client::list`] returns
//! the entries of a list as a stream.
//!
//! Every future is `Send + 'static` and runs on a current-thread runtime as well; it needs tokio's I/O and time.
//! Exchanges move only while they are polled: only reads of files are spawned.
//!
//! # What this crate does not do
//! It decides nothing: the core decides about retries, redirects, poll intervals and outcomes. It never decompresses a
//! reply, stores no cookies, speaks HTTP/1.1 only, and has no switch that turns the verification of certificates off.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod chunks;
mod dial;
mod failure;
mod progress;
mod send;
mod transport;
mod wire;

use taskward_client::Async;

pub use dial::proxy_from_env;
#[doc(inline)]
pub use taskward_client::{BatchHandle, BatchResult, BoxError, FleetEvent, Recoveries, Recovery};
pub use taskward_core as core;
pub use transport::Hyper;

/// One account of a provider, over hyper.
pub type Client<P> = taskward_client::AsyncClient<P, Hyper>;
/// Settings of a [`Client`].
pub type Builder<P> = taskward_client::Builder<P, Hyper, Async>;
/// A task to follow, described but not started.
pub type Run<P> = taskward_client::Run<P, Hyper, Async>;
/// A task that is being followed.
pub type Running<P> = taskward_client::Running<P, Hyper, Async>;
/// A [`Running`] whose task is known to exist.
pub type Started<P> = taskward_client::Started<P, Hyper, Async>;
/// The events of a [`Running`] as a stream.
pub type Events<'a, P> = taskward_client::Events<'a, P, Hyper, Async>;
/// Many runs, so many at once, as a stream of their results.
pub type Batch<K, P> = taskward_client::AsyncBatch<K, P, Hyper>;
/// Many tasks under one driver: a stream of what happened, with the key of each.
pub type Fleet<K, P> = taskward_client::AsyncFleet<K, P, Hyper>;
/// The entries of a list as a stream.
pub type Entries<P, O> = taskward_client::Entries<P, Hyper, Async, O>;
/// A handle to a task that is driven elsewhere.
pub type Handle = taskward_client::AsyncHandle<Hyper>;
