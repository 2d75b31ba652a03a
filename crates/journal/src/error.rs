//! What a journal cannot do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::entry::{Damage, EntryId};

/// A journal that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The message of the error.
        source: io::Error,
    },
    /// Another process holds the journal, and has for long.
    #[error("another process has held {} for {} s", path.display(), wait.as_secs())]
    Busy {
        /// What it holds.
        path: PathBuf,
        /// How long it was waited for.
        wait: Duration,
    },
    /// Another process starts this task, or recovers its start.
    #[error("another process is at work on {0}")]
    Claimed(EntryId),
    /// No entry has this id or begins with it.
    #[error("the journal has no entry {0}")]
    NoEntry(String),
    /// There is such an entry, and nothing in it can be read.
    #[error("the entry cannot be read: {0}")]
    Damaged(Damage),
    /// Several entries begin with this.
    #[error("{0} is the beginning of several entries: give more of it")]
    Ambiguous(String),
    /// The database failed.
    #[cfg(feature = "sqlite")]
    #[error("the journal's database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The database is of a newer version.
    #[cfg(feature = "sqlite")]
    #[error("{} was written by a newer version ({version}): use that one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// A snapshot that cannot be written.
    #[error("the task cannot be written down: {0}")]
    Encode(#[from] serde_json::Error),
}

pub(crate) fn failed(what: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}
