//! What every transport must do, whichever way it waits. Each runs these tests in a binary of its own, where a module
//! `adapter` says how its calls are waited for.

mod again;
mod backpressure;
mod bodies;
pub(crate) mod connections;
mod credentials;
mod detach;
mod exchange;
pub(crate) mod follow;
mod foreign;
mod handles;
mod harness;
mod lists;
mod on_detach;
pub(crate) mod openings;
mod probes;
mod recover;
mod redirects;
mod secure;
mod settings;
pub(crate) mod stream;
pub(crate) mod support;
mod trace;
mod uploads;
