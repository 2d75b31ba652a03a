//! What a journal stores of one task.

use std::fmt;
use std::path::PathBuf;

use hmac_sha256::Hash as Sha256;
use serde::Deserialize;
use taskward_core::{Snapshot, TaskId, Timestamp};

/// The prefix of the name of an entry whose task was only followed.
const FOLLOWED: &str = "task-";

/// Names an entry: the intent of a task that was started here, or a digest of the id of one that was only followed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(String);

impl EntryId {
    /// Returns the entry that a snapshot belongs to.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let name = snapshot.intent().map(|intent| intent.as_str());
        match name.filter(|name| Self::is_name(name)) {
            Some(name) => Self(name.to_owned()),
            None => Self::digest([
                name.unwrap_or_default(),
                snapshot.provider(),
                snapshot.origin().unwrap_or_default(),
                snapshot.task().map_or("", |id| id.as_str()),
            ]),
        }
    }

    /// Returns the entry of a task that is only followed. A process that sends to a task claims this entry, whichever process
    /// started the task.
    #[must_use]
    pub fn of_task(provider: &str, origin: &str, task: &TaskId) -> Self {
        Self::digest(["", provider, origin, task.as_str()])
    }

    fn digest(parts: [&str; 4]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let hex = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        Self(format!("{FOLLOWED}{}", hex.collect::<String>()))
    }

    /// Returns whether it can name a file, on every system.
    pub(crate) fn is_name(name: &str) -> bool {
        let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
    }

    /// Returns the entry of this name, if the snapshot that stands there belongs to it; an error says whose it is.
    pub(crate) fn named(name: &str, snapshot: &Snapshot) -> Result<Self, String> {
        match Self::of(snapshot) {
            id if id.as_str() == name => Ok(id),
            other => Err(format!("it is of another entry, {other}")),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::is_name(name).then(|| Self(name.to_owned()))
    }

    /// Returns whether it names a start; a task that was only followed has no start that could be lost.
    #[must_use]
    pub fn is_start(&self) -> bool {
        !self.0.starts_with(FOLLOWED)
    }

    /// Returns its text.
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

/// A task as it was last stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// When it was stored.
    pub at: Timestamp,
    /// The task.
    pub snapshot: Snapshot,
}

impl AsRef<Snapshot> for Entry {
    fn as_ref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Entry {
    /// Returns whether it is a start that may or may not have created a task: the task's id is not known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        is_open(&self.snapshot)
    }
}

/// Returns whether a start may or may not have created a task.
pub(crate) fn is_open(snapshot: &Snapshot) -> bool {
    snapshot.task().is_none() && snapshot.is_unknown()
}

/// Returns whether a start may be made from this state on, so that no other process may.
pub(crate) fn is_under_way(snapshot: &Snapshot) -> bool {
    snapshot.is_unknown() && !snapshot.is_ended()
}

/// What becomes of a state that arrives where another one of the same entry is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It takes the place of the stored one.
    Replaces,
    /// It is older, and came late: the stored one stays.
    IsOlder,
    /// It is of another start, which must not be sent: the one of this name may have started something.
    IsOfAnotherStart,
}

impl Arrival {
    /// Only states of one start can be ordered, by its intent: its task's id is never forgotten, and a process that resumes it
    /// continues to count its revisions. A task that was started elsewhere is counted from the beginning each time it is
    /// followed.
    pub(crate) fn of(arrived: &Snapshot, stored: &Snapshot) -> Self {
        if stored.intent().is_none() || stored.intent() != arrived.intent() {
            return Self::Replaces;
        }
        if !stored.is_same_start(arrived) {
            return match stored.has_started_nothing() {
                true => Self::Replaces,
                false => Self::IsOfAnotherStart,
            };
        }
        let is_older = match (stored.task(), arrived.task()) {
            (Some(_), None) => true,
            (None, Some(_)) => false,
            _ => arrived.revision() < stored.revision(),
        };
        match is_older {
            true => Self::IsOlder,
            false => Self::Replaces,
        }
    }
}

/// Returns whether the outcome of a start, an answer or a message is still to be found out.
pub(crate) fn is_unsettled(snapshot: &Snapshot) -> bool {
    snapshot.is_unknown() || snapshot.unconfirmed_write().is_some()
}

/// A part of a journal that could not be read. It stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
    /// The entry that it hides: no other state of it can be read. It may be a start of unknown outcome.
    pub entry: Option<EntryId>,
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
    /// The tasks, the one stored last first.
    pub entries: Vec<Entry>,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// Only the version, which is read first: the rest of another one may be of any shape.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// Checks the version of a record or a snapshot before the rest of it is read; an error says what is wrong, and what
/// reads it.
pub(crate) fn check_version(json: &[u8]) -> Result<(), String> {
    let Version { v } = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    Snapshot::check_version(v).map_err(|e| e.to_string())
}
