//! What one poll decision and one decoded reply cost: instructions, allocations and time, beside peers.
//!
//! - `cargo run --release --bin count` prints the table: instructions by callgrind, allocations by a counting
//!   allocator, time by bursts, and the target of each row.
//! - `cargo bench` measures the same contenders with criterion.
//!
//! Both run every [`Contender`] in one process, so that rows of one table can be compared.

pub mod alloc;
mod contender;
mod decode;
mod machine;

pub use contender::{Contender, Target, contenders};
pub use decode::TASK_JSON;
