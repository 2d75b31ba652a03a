//! That one process works on a start, and no other one.

use std::fmt;

/// What ends a claim when it is dropped.
trait Held: fmt::Debug + Send + Sync {}

impl<T: fmt::Debug + Send + Sync> Held for T {}

/// A start that no other process may touch, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Claim {
    _held: Box<dyn Held>,
}

impl Claim {
    pub(crate) fn new(held: impl fmt::Debug + Send + Sync + 'static) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}
