//! What a journal keeps of one task.

use std::fmt;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use taskward_core::{Snapshot, Timestamp};

/// Names an entry: the intent of a task that was started here, or a digest of the id of one that was only followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(String);

impl EntryId {
    /// The entry that a snapshot belongs to.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let name = snapshot.intent().map(|intent| intent.as_str());
        match name.filter(|name| Self::is_name(name)) {
            Some(name) => Self(name.to_owned()),
            None => {
                let mut hash = Sha256::new();
                for part in [
                    name.unwrap_or_default(),
                    snapshot.provider(),
                    snapshot.origin().unwrap_or_default(),
                    snapshot.task().map_or("", |id| id.as_str()),
                ] {
                    hash.update(part.len().to_le_bytes());
                    hash.update(part);
                }
                let digest = hash.finalize();
                let hex = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
                Self(format!("task-{}", hex.collect::<String>()))
            }
        }
    }

    /// Whether it can name a file, on every system.
    pub(crate) fn is_name(name: &str) -> bool {
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::is_name(name).then(|| Self(name.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A task as it was last kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// When it was kept.
    pub at: Timestamp,
    /// The task.
    pub snapshot: Snapshot,
}

impl Entry {
    /// Whether it is a start that may or may not have made a task: nobody knows its id.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.snapshot.task().is_none() && self.snapshot.is_unknown()
    }
}

/// A part of a journal that could not be read. It is kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path.display(), self.why),
            line => write!(f, "{}, line {line}: {}", self.path.display(), self.why),
        }
    }
}

/// Everything that a journal holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// The tasks, the one kept last first.
    pub entries: Vec<Entry>,
    /// What could not be read.
    pub damage: Vec<Damage>,
}
