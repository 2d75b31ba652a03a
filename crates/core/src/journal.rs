//! The journal that stores a task so that no crash loses it.

use crate::error::BoxError;
use crate::snapshot::Snapshot;

/// Stores tasks. The core does no I/O: how and where they are stored is up to the implementation.
///
/// It receives every state that must survive a crash: above all the intent of a start before its first byte is sent,
/// and the task's id before anybody is told of it.
pub trait Journal: Send + Sync {
    /// Stores this state of a task in place of the earlier ones. The state is durable when this returns.
    ///
    /// # Errors
    /// Returns an error if the state cannot be stored: the write that was to follow is not sent.
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError>;
}
