//! providers

pub mod generated;
pub mod wire;
