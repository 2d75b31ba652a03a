//! A start that has a name of the caller's: whoever starts it once more, in whichever process, follows what was started.

use crate::id::IntentId;
use crate::snapshot::{SavedEnd, Snapshot};

impl IntentId {
    /// Derives the id of the start of this name on one server: the same name gives the same id, in every process, and so
    /// the same place in a journal. It is `n-` and 24 hexadecimal characters.
    #[must_use]
    pub fn named(provider: &str, origin: &str, name: &str) -> Self {
        let parts = [provider, origin, name].map(str::as_bytes);
        Self::new(format!("n-{}", crate::id::digest(&parts, 12)))
    }
}

impl Snapshot {
    /// Returns whether both are states of one start. Two starts of one name have the same
    /// [`intent`](Self::intent) and are not the same.
    #[must_use]
    pub fn is_same_start(&self, other: &Self) -> bool {
        self.intent().is_some() && self.intent() == other.intent() && self.0.seed == other.0.seed
    }

    /// Returns whether this is the end of a start that is known to have started nothing: it was refused, or never sent.
    #[must_use]
    pub fn has_started_nothing(&self) -> bool {
        let saved = &self.0;
        let is_over = match &saved.ended {
            None | Some(SavedEnd::Answered(_)) => false,
            Some(_) => true,
        };
        is_over && saved.task.is_none() && !self.is_unknown()
    }
}
