//! The connection to the file: how it is opened, and how long it is waited for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::tables;
use crate::error::{JournalError, failed, is_busy};
use crate::own_file;
use crate::waiting::{WAIT, Waiting};

/// SQLite waits for nothing by itself: nobody would be told.
const NO_WAIT: Duration = Duration::ZERO;

#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    waiting: Waiting,
    connection: Mutex<Connection>,
}

impl Database {
    /// Opens the file, creates it when it does not exist, and brings its tables to this version.
    pub(super) fn open(path: PathBuf, waiting: Waiting) -> Result<Self, JournalError> {
        // SQLite gives its files the mode of the first one: only the owner may read them.
        if let Some(folder) = path.parent() {
            own_file::make_folder(folder).map_err(|e| failed("make the folder", folder, e))?;
        }
        if is_empty(&path) && !is_without_log(&path) {
            let why = "it is empty, and its log (-wal) is not: it was cut";
            return Err(failed("open", &path, io::Error::other(why)));
        }
        own_file::touch(&path)?;
        // A process that creates the database, or turns its log on, locks others out, and SQLite does not wait for that.
        let is_busy = |error: &JournalError| matches!(error, JournalError::Database { source, .. } if is_busy(source));
        let connection = waiting.until(&path, WAIT, is_busy, || connect(&path));
        let connection = connection.map_err(|e| e.at(&path))?;
        Ok(Self {
            path,
            waiting,
            connection: Mutex::new(connection),
        })
    }

    /// Opens a file that exists. Nothing need be writable.
    pub(super) fn open_to_read(path: PathBuf) -> Result<Self, JournalError> {
        // Where it can be written, claims can be taken.
        let connection = existing(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, "")
            .or_else(|_| existing(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, ""))
            .or_else(|error| match is_without_log(&path) {
                // Reading needs an index of the log, which cannot be made here; without a log there is nothing to index.
                true => existing(&path, OpenFlags::SQLITE_OPEN_READ_ONLY, "?immutable=1"),
                false => Err(error),
            });
        let connection = connection.map_err(|e| e.at(&path))?;
        Ok(Self {
            path,
            waiting: Waiting::default(),
            connection: Mutex::new(connection),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads. Nobody is waited for.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        work(&self.lock()).map_err(|e| e.at(&self.path))
    }

    /// Writes in one transaction, which is on disk when this returns; with an error, nothing was written.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let connection = self.lock();
        let transact = || {
            // One writer at a time, from the beginning: what it reads is what it changes.
            let change = self.waiting.until(&self.path, WAIT, is_busy, || {
                Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)
            })?;
            let done = work(&change)?;
            change.commit()?;
            Ok(done)
        };
        transact().map_err(|error: JournalError| error.at(&self.path))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // Each use is one statement or transaction: a panic leaves nothing half-done.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path) -> Result<Connection, JournalError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(NO_WAIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // As FULL; where the file system allows no such log, the folder is synced as well.
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    // What is no longer stored does not stay in free pages for ever.
    connection.pragma_update(None, "secure_delete", "ON")?;
    tables::bring_up(&mut connection, path)?;
    Ok(connection)
}

/// Returns whether there is a file, with nothing in it.
fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() == 0)
}

/// Returns whether nothing is beside the file that it would have to be read with.
fn is_without_log(path: &Path) -> bool {
    let mut log = path.to_owned().into_os_string();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |log| log.len() == 0)
}

fn existing(path: &Path, flags: OpenFlags, query: &str) -> Result<Connection, JournalError> {
    let uri = format!("file:{}{query}", escaped(path));
    let connection = Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?;
    connection.busy_timeout(WAIT)?;
    tables::check(&connection, path)?;
    Ok(connection)
}

/// Writes a path in a URI, where these three characters mean something else.
fn escaped(path: &Path) -> String {
    let path = path.to_string_lossy();
    path.replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}
