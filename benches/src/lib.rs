//! What one poll decision, one decoded reply and one event of a stream cost: instructions, allocations and time, beside peers.
//!
//! - `cargo run --release --bin count` prints the table: instructions by callgrind, allocations by a counting
//!   allocator, time by bursts, and the target of each row.
//! - `cargo run --release --bin count sse` prints the rows of one bench.
//! - `cargo run --release --bin transport` prints what whole polls and uploads cost over loopback, beside peers, with
//!   the server in a process of its own.
//! - `cargo bench` measures the same contenders with criterion.
//!
//! Both run every [`Contender`] in one process, so that rows of one table can be compared.

pub mod alloc;
mod contender;
mod decode;
pub mod figures;
mod machine;
mod sse;
mod stream;
pub mod transport;

pub use contender::{Bound, Claim, Contender, Target, claims, contenders};
pub use decode::TASK_JSON;
