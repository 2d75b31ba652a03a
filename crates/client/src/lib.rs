//! Taskward's client: starts, follows and recovers tasks over any transport, as futures or with threads.
//!
//! - [`AsyncClient`] (feature `async`) is driven by an [`AsyncTransport`](transport::AsyncTransport);
//!   `taskward-hyper` brings one.
//! - [`BlockingClient`] (feature `blocking`) is driven by a [`BlockingTransport`](transport::BlockingTransport);
//!   `taskward-ureq` brings one.
//!
//! What both flavours share stands once: the builder, [`Run`], [`Running`], lists, recovery, and the driver of a followed
//! task. Only what waits is written twice, in the folders `asynchronous` and `blocking`. [`transport`] says what a client
//! needs of the world.
//!
//! The modules that are not re-exported here are for the adapters: they change with them.
//!
//! # What this crate does not do
//! It opens no socket, and decides neither about retries nor about outcomes: the transport does the one, the core the other.

#![cfg_attr(docsrs, feature(doc_cfg))]
// One flavour alone needs less of what they share.
#![cfg_attr(not(all(feature = "async", feature = "blocking")), allow(dead_code))]

#[cfg(feature = "async")]
mod asynchronous;
mod batch;
#[cfg(feature = "blocking")]
mod blocking;
mod client;
pub mod clock;
pub mod connection;
mod digest;
mod driver;
mod entropy;
mod exchange;
pub mod failure;
mod first_messages;
mod fleet;
mod list;
mod progress;
mod recover;
pub mod reply;
mod requests;
pub mod route;
mod run;
mod running;
mod settings;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod trace;
pub mod transport;
mod turns;

#[cfg(feature = "async")]
pub use asynchronous::{AsyncBatch, AsyncClient, AsyncFleet, AsyncHandle};
pub use batch::{BatchHandle, BatchResult};
#[cfg(feature = "blocking")]
pub use blocking::{BlockingBatch, BlockingClient, BlockingFleet, BlockingHandle};
pub use client::{Async, Blocking, Builder, Client, Flavour};
pub use fleet::{FleetEvent, FleetReport};
pub use list::Entries;
pub use recover::{Recoveries, Recovery};
pub use run::{BoxError, Run};
pub use running::{Events, Running, Started};
