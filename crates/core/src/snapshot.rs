//! A stored task: a format of its own, versioned, without secrets.
/// x
#[derive(Clone, Debug)]
pub struct Snapshot;
/// x
#[derive(Clone, Debug)]
pub struct ResumeError;
