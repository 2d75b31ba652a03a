//! The platforms, a folder for each: its words, what its server is asked, and what `run`, `status` and `result` do there.

mod agent_harness;
mod nanonets;
