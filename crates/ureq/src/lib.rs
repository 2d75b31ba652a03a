//! Taskward's blocking adapter: drives the core over ureq and rustls.
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
//! It decides nothing: retries, redirects, pace and ends are the core's. It never unpacks a compressed reply, keeps no
//! cookies, and has no switch that turns verification of certificates off.

mod body;
mod client;
mod dial;
mod drive;
mod failure;
mod handle;
mod inbox;
mod list;
mod recover;
mod run;
mod running;
mod send;
mod size_lines;
mod wire;

pub use client::{Builder, Client};
pub use handle::Handle;
pub use list::Entries;
pub use run::{BoxError, Run};
pub use running::{Events, Running, Started};
#[doc(inline)]
pub use taskward_client::recover::Recovery;
pub use taskward_core as core;
