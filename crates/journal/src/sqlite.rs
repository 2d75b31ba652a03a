//! A journal in a SQLite database, for services that follow many tasks.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, TransactionBehavior, params};
use taskward_core::{BoxError, Journal, Snapshot, Timestamp};

use crate::entry::{Damage, Entry, EntryId, Listing, check_version, is_unsettled, outlives};
use crate::error::JournalError;
use crate::time::{millis, now};

/// The version of the tables.
const VERSION: i64 = 1;
/// How long another writer is waited for.
const BUSY: Duration = Duration::from_secs(10);
/// How often a new database is tried to be opened that another connection is making.
const PAUSE: Duration = Duration::from_millis(5);

const TABLES: &str = "CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    snapshot TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS tasks_by_time ON tasks (at DESC);
PRAGMA user_version = 1;";

/// A journal that stores each task in a row of a table, in a file of SQLite's.
///
/// A state is on disk when [`record`](Journal::record) returns (write-ahead log, synchronous in full), and takes the place
/// of the state before. One that comes late takes the place of no newer one, as [`FileJournal`](crate::FileJournal) says.
/// Several processes may share the file. There are no claims: give each start to one process. Clones share the
/// connection.
#[derive(Clone, Debug)]
pub struct SqliteJournal(Arc<Mutex<Connection>>);

impl SqliteJournal {
    /// Opens the journal in this file, and creates the file when it does not exist.
    ///
    /// # Errors
    /// When it cannot be opened, or is of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        let path = path.as_ref();
        // SQLite gives its files the mode of the first one: only the owner may read them.
        crate::file::touch(path)?;
        let started = Instant::now();
        loop {
            match Self::connect(path) {
                // A process that creates the database, or turns its log on, locks others out, and SQLite does not wait for that.
                Err(JournalError::Database(error))
                    if is_busy(&error) && started.elapsed() < BUSY =>
                {
                    std::thread::sleep(PAUSE);
                }
                connected => return connected,
            }
        }
    }

    fn connect(path: &Path) -> Result<Self, JournalError> {
        let mut connection = Connection::open(path)?;
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
        if version < VERSION {
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            change.execute_batch(TABLES)?;
            change.commit()?;
        }
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Returns all tasks, as they were last stored.
    ///
    /// # Errors
    /// When the database cannot be read; a row that cannot be read is reported as [`Damage`].
    pub fn list(&self) -> Result<Listing, JournalError> {
        let connection = self.connection();
        let mut query =
            connection.prepare("SELECT id, at, snapshot FROM tasks ORDER BY at DESC, id")?;
        let mut listing = Listing::default();
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            match entry(row)? {
                Ok(entry) => listing.entries.push(entry),
                Err(damage) => listing.damage.push(damage.of(&connection)),
            }
        }
        Ok(listing)
    }

    /// Returns the entry of this id.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn find(&self, id: &str) -> Result<Entry, JournalError> {
        let connection = self.connection();
        let mut query = connection.prepare("SELECT id, at, snapshot FROM tasks WHERE id = ?1")?;
        let found = query.query_row(params![id], entry).optional()?;
        let found = found.ok_or_else(|| JournalError::NoEntry(id.to_owned()))?;
        found.map_err(|damage| JournalError::Damaged(damage.of(&connection)))
    }

    /// Removes the entries that nobody needs: those not stored for `age` whose task is known, over, or was never created. An
    /// entry that is open or has an answer on its way stays. Returns how many were removed.
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
        let mut connection = self.connection();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let kept: Option<Vec<u8>> = change
            .query_row(
                "SELECT snapshot FROM tasks WHERE id = ?1",
                params![id.as_str()],
                |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()),
            )
            .optional()?;
        // What cannot be read is no newer state.
        let kept: Option<Snapshot> = kept.and_then(|kept| serde_json::from_slice(&kept).ok());
        if kept.is_some_and(|kept| outlives(&kept, snapshot)) {
            return Ok(());
        }
        change.execute(
            "INSERT INTO tasks (id, at, is_open, snapshot) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET at = ?2, is_open = ?3, snapshot = ?4",
            params![id.as_str(), at, is_unsettled(snapshot), text],
        )?;
        Ok(change.commit()?)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // Each use is one statement or transaction: a panic leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for SqliteJournal {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        Ok(self.keep(snapshot)?)
    }
}

/// Returns whether another connection has the lock.
fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// A row that cannot be read.
struct Unreadable {
    name: String,
    why: String,
}

impl Unreadable {
    fn of(self, connection: &Connection) -> Damage {
        Damage {
            path: connection.path().unwrap_or_default().into(),
            line: 0,
            why: format!("the row {:?}: {}", self.name, self.why),
            entry: EntryId::from_name(&self.name),
        }
    }
}

/// Reads a row as an entry, or returns what is wrong with it.
fn entry(row: &Row<'_>) -> rusqlite::Result<Result<Entry, Unreadable>> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes()?);
    let (name, snapshot) = (String::from_utf8_lossy(text(0)?), text(2)?);
    let at = Timestamp::from_millis(row.get::<_, i64>(1)?.unsigned_abs());
    let read = || {
        check_version(snapshot)?;
        let snapshot: Snapshot = serde_json::from_slice(snapshot).map_err(|e| e.to_string())?;
        let id = EntryId::named(&name, &snapshot)?;
        Ok(Entry { id, at, snapshot })
    };
    Ok(read().map_err(|why| Unreadable {
        name: name.to_string(),
        why,
    }))
}
