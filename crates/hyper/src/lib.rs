//! Taskward's async adapter: drives the core over hyper, tokio and rustls.
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

mod body;
mod chunks;
mod client;
mod dial;
mod drive;
mod failure;
mod handle;
mod list;
mod recover;
mod run;
mod running;
mod send;
mod wire;

pub use client::{Builder, Client};
pub use handle::Handle;
pub use list::Entries;
pub use run::{BoxError, Run};
pub use running::{Events, Running, Started};
#[doc(inline)]
pub use taskward_client::recover::Recovery;
pub use taskward_core as core;
