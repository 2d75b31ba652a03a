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
    /// Another start of this name was stored meanwhile.
    #[error("another start is stored as {0}: it may have started the task")]
    AnotherStart(EntryId),
    /// The task that was to be adopted is that of another start.
    #[error("the task is that of another start, {0}")]
    TaskOfAnother(EntryId),
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
    #[error("cannot use the journal's database {}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The message of the error.
        source: rusqlite::Error,
    },
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

#[cfg(feature = "sqlite")]
impl From<rusqlite::Error> for JournalError {
    /// Of a database that is yet to be named.
    fn from(source: rusqlite::Error) -> Self {
        Self::Database {
            path: PathBuf::new(),
            source,
        }
    }
}

#[cfg(feature = "sqlite")]
impl JournalError {
    /// Names the database that an error is about, and says of one that is held by another connection for how long.
    pub(crate) fn at(self, path: &Path) -> Self {
        let path = path.to_owned();
        match self {
            Self::Database { source, .. } if is_busy(&source) => Self::Busy {
                path,
                wait: crate::waiting::WAIT,
            },
            Self::Database { source, .. } => Self::Database { path, source },
            other => other,
        }
    }
}

/// Returns whether another connection has the database's lock.
#[cfg(feature = "sqlite")]
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseBusy | DatabaseLocked))
}
