//! What one poll decision, one decoded reply and one event of a stream cost: instructions, allocations and time, beside peers.
//!
//! - `cargo run --release --bin count` prints the table: instructions by callgrind, allocations by a counting
//!   allocator, time by bursts, and the target of each row.
//! - `cargo run --release --bin count sse` prints the rows of one bench.
//! - `cargo run --release --bin transport` prints what whole polls and uploads cost over loopback, beside peers, with
//!   the server in a process of its own.
//! - `cargo run --release --bin pace` prints how many polls a task costs and how late its end is seen.
//! - `cargo run --release --bin crowd` follows ten thousand tasks at once, with few descriptors on a slow server.
//! - `cargo run --release --bin heap` prints how much memory a followed task takes while it waits.
//! - `cargo run --release --bin journal` prints what the program costs with a journal of 100,000 tasks.
//! - `cargo run --release --bin fleet` follows up to a million tasks under one driver in virtual time.
//! - `cargo bench` measures the same contenders with criterion, `cargo bench sse` those of one bench.
//!
//! The programs also print rows of one table, a line of JSON each, which `cargo xtask bench` collects. `count` and
//! `cargo bench` run every [`Contender`] in one process, so that rows of one table can be compared.

pub mod alloc;
mod contender;
mod decode;
pub mod figures;
pub mod fleet;
pub mod machine;
mod nothing;
pub mod pace;
pub mod row;
mod sse;
mod stream;
pub mod transport;

pub use contender::{Bound, Claim, Contender, Target};
pub use decode::TASK_JSON;

/// Returns all contenders, peers beside ours.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let mut contenders = machine::contenders();
    contenders.extend(decode::contenders());
    contenders.extend(stream::contenders());
    contenders.extend(sse::contenders());
    contenders
}

/// Returns what is claimed of them.
#[must_use]
pub fn claims() -> Vec<Claim> {
    sse::claims()
}
