//! Where a task is kept so that no crash loses it.

use crate::error::BoxError;
use crate::snapshot::Snapshot;

/// Keeps tasks. Core does no I/O: where and how is the implementation's business.
///
/// It is given every state that must survive: above all the intent of a start before its first byte leaves, and the
/// task's id before anybody is told.
pub trait Journal: Send + Sync {
    /// Keeps this state of a task in the place of the states before it. It is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be kept: the write that was to follow does not leave.
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError>;
}
