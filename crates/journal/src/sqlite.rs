//! A journal in a SQLite database, for services that follow many tasks.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use taskward_core::{BoxError, Journal, Snapshot};

use crate::entry::{Damage, Entry, EntryId, Listing};
use crate::error::JournalError;
use crate::time::{millis, now};

/// The version of the tables.
const VERSION: i64 = 1;
/// How long another writer is waited for.
const BUSY: Duration = Duration::from_secs(10);

const TABLES: &str = "CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    snapshot TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS tasks_by_time ON tasks (at DESC);
PRAGMA user_version = 1;";

/// Keeps each task in a row of a table, in a file of SQLite's.
///
/// A state is on disk when [`record`](Journal::record) returns (write-ahead log, synchronous in full), and takes the place
/// of the state before. Several processes may share the file. There are no claims: give each start to one process.
/// Clones share the connection.
#[derive(Clone, Debug)]
pub struct SqliteJournal(Arc<Mutex<Connection>>);

impl SqliteJournal {
    /// The journal in this file, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened, or is of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        // SQLite gives its files the mode of the first one: only the owner may read them.
        crate::file::touch(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > VERSION {
            return Err(JournalError::Newer {
                path: path.to_owned(),
                version,
            });
        }
        connection.execute_batch(TABLES)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// All tasks, as they were last kept.
    ///
    /// # Errors
    /// When the database cannot be read; a row that cannot is told as [`Damage`].
    pub fn list(&self) -> Result<Listing, JournalError> {
        let connection = self.connection();
        let mut query =
            connection.prepare("SELECT id, at, snapshot FROM tasks ORDER BY at DESC, id")?;
        let mut listing = Listing::default();
        let mut rows = query.query([])?;
        let mut line = 0;
        while let Some(row) = rows.next()? {
            line += 1;
            match entry(row)? {
                Ok(entry) => listing.entries.push(entry),
                Err(why) => listing.damage.push(Damage {
                    path: connection.path().unwrap_or_default().into(),
                    line,
                    why,
                }),
            }
        }
        Ok(listing)
    }

    /// The entry of this id.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn find(&self, id: &str) -> Result<Entry, JournalError> {
        let connection = self.connection();
        let mut query = connection.prepare("SELECT id, at, snapshot FROM tasks WHERE id = ?1")?;
        let found = query.query_row(params![id], entry).optional()?;
        let found = found.ok_or_else(|| JournalError::NoEntry(id.to_owned()))?;
        found.map_err(|why| JournalError::NoEntry(format!("{id} that can be read: {why}")))
    }

    /// Removes the entries that nobody needs: those not kept for `age` whose task is known, over, or was never made. An
    /// open one stays. Gives how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn prune(&self, age: Duration) -> Result<usize, JournalError> {
        let oldest = now().as_millis().saturating_sub(millis(age));
        let oldest = i64::try_from(oldest).unwrap_or(i64::MAX);
        let delete = "DELETE FROM tasks WHERE at <= ?1 AND is_open = 0";
        Ok(self.connection().execute(delete, params![oldest])?)
    }

    fn keep(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        let id = EntryId::of(snapshot);
        let text = serde_json::to_string(snapshot)?;
        let at = i64::try_from(now().as_millis()).unwrap_or(i64::MAX);
        let connection = self.connection();
        let mut insert = connection.prepare(
            "INSERT INTO tasks (id, at, is_open, snapshot) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET at = ?2, is_open = ?3, snapshot = ?4",
        )?;
        insert.execute(params![id.as_str(), at, snapshot.is_unknown(), text])?;
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Each use is one statement: nothing is left half-done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for SqliteJournal {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        Ok(self.keep(snapshot)?)
    }
}

/// A row as an entry, or what is wrong with it.
fn entry(row: &Row<'_>) -> rusqlite::Result<Result<Entry, String>> {
    let (id, at, text): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let Some(id) = EntryId::from_name(&id) else {
        return Ok(Err(format!("{id:?} is no name of a task")));
    };
    let at = taskward_core::Timestamp::from_millis(at.unsigned_abs());
    let snapshot = serde_json::from_str(&text).map_err(|e| e.to_string());
    Ok(snapshot.map(|snapshot| Entry { id, at, snapshot }))
}
