//! The journal that stores a task so that no crash loses it.

use crate::error::BoxError;
use crate::id::{IntentId, TaskId};
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

    /// Returns the last state of a start, if there is one. It is asked for by starts that have a name
    /// ([`IntentId::named`]): a journal that serves them also refuses to [`record`](Self::record) a start that is about to be
    /// sent while it has the state of another one of the same id that may have started something
    /// ([`Snapshot::is_same_start`], [`Snapshot::has_started_nothing`]), so that of two processes one sends it.
    ///
    /// # Errors
    /// Returns an error if the state cannot be read; and always, unless an implementation says otherwise, so that nothing
    /// is started twice over a journal that finds nothing.
    fn stored(&self, start: &IntentId) -> Result<Option<Snapshot>, BoxError> {
        Err(
            format!("this journal does not look up what it stored, and {start} may be in it")
                .into(),
        )
    }

    /// Returns the starts on one server whose outcome is unknown, for whoever recovers all of them.
    ///
    /// # Errors
    /// Returns an error if they cannot be read; and always, unless an implementation says otherwise.
    fn open_starts_on(&self, provider: &str, origin: &str) -> Result<OpenStarts, BoxError> {
        Err(format!("this journal does not list the starts on {provider} at {origin}").into())
    }
}

/// The starts on one server whose outcome is unknown, from a [`Journal`].
#[derive(Debug, Default)]
pub struct OpenStarts {
    /// Each start with its last state, or with the reason why that cannot be read.
    pub starts: Vec<(IntentId, Result<Snapshot, BoxError>)>,
    /// The tasks of all other starts on this server: none of them is what an open start created.
    pub known: Vec<TaskId>,
}
