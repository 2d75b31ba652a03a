//! providers

pub mod wire;
