//! The platforms, a folder for each: its words, what its server is asked, and what `run`, `status` and `result` do there.

mod a2a;
mod agent_harness;
mod nanonets;
