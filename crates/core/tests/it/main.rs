//! The core from outside: the machine against a toy platform in virtual time, the decoder of event streams.

mod abandon;
mod abilities;
mod clocks;
mod connections;
mod deliveries;
mod driver;
mod ends;
mod late;
mod lists;
mod long_stream;
mod outcomes;
mod polling;
mod questions;
mod reasons;
mod resume;
mod retries;
mod sse;
mod sse_memory;
mod sse_world;
mod stand_ins;
mod starts;
mod stored;
mod streaming;
mod turns;
mod words;
mod world;
