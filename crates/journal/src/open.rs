//! The starts of unknown outcome, as whoever recovers all of them wants them.

use taskward_core::{IntentId, OpenStarts, TaskId};

use crate::entry::{EntryId, Listing};
use crate::error::JournalError;

/// Picks the starts on one server, which are the open ones of `listing`; the other starts there created the `known` tasks.
/// Whose a start is that cannot be read nobody knows: it is among those of every server.
pub(crate) fn open_starts(
    listing: Listing,
    known: Vec<TaskId>,
    provider: &str,
    origin: &str,
) -> OpenStarts {
    let mut open = OpenStarts {
        starts: Vec::new(),
        known,
    };
    let is_here = |at: &taskward_core::Snapshot| {
        at.provider() == provider && at.origin().is_none_or(|there| there == origin)
    };
    for entry in listing.entries {
        if entry.is_open() && is_here(&entry.snapshot) {
            let start = IntentId::new(entry.id.as_str());
            open.starts.push((start, Ok(entry.snapshot)));
        }
    }
    for damage in listing.damage {
        if let Some(start) = damage.entry.as_ref().filter(|id| EntryId::is_start(id)) {
            let start = IntentId::new(start.as_str());
            if open.starts.iter().all(|(known, _)| *known != start) {
                let error = JournalError::Damaged(damage);
                open.starts.push((start, Err(error.into())));
            }
        }
    }
    open
}
