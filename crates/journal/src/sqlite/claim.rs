//! Who works on a start: a row that names a process, and a locked file that tells whether the process lives.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::database::Database;
use crate::entry::EntryId;
use crate::error::{JournalError, failed};
use crate::own_file::{open, open_to_write};
use crate::time::now;

/// What follows the database's name in the names of the files.
const KIND: &str = "-holder-";

/// This process as a holder of claims.
///
/// Its file is locked for as long as the process lives, however that ends; it is made with the first claim. One file stands
/// for all claims of a process. Files are made and swept within a transaction that writes, so that nobody sweeps one that
/// is about to be locked.
#[derive(Debug)]
pub(super) struct Holder {
    database: PathBuf,
    own: Mutex<Option<Own>>,
}

#[derive(Debug)]
struct Own {
    name: String,
    path: PathBuf,
    _locked: File,
}

impl Holder {
    pub(super) fn new(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            own: Mutex::default(),
        }
    }

    /// Returns the name of this process in the claims, and makes its file when there is none.
    fn name(&self, _: &Transaction<'_>) -> Result<String, JournalError> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*own {
            return Ok(own.name.clone());
        }
        // A process that had this number may have left rows that name it.
        let (process, began) = (std::process::id(), now().as_millis());
        let mut number = 0_u32;
        loop {
            let name = format!("{process}-{began}-{number}");
            let path = self.path(&name);
            // Another journal of this process may be there.
            if !path.exists() {
                let file = open_to_write(&path).map_err(|e| failed("make", &path, e))?;
                file.try_lock().map_err(|e| match e {
                    TryLockError::Error(e) => failed("lock", &path, e),
                    TryLockError::WouldBlock => {
                        failed("lock", &path, io::ErrorKind::WouldBlock.into())
                    }
                })?;
                *own = Some(Own {
                    name: name.clone(),
                    path,
                    _locked: file,
                });
                return Ok(name);
            }
            number += 1;
        }
    }

    /// Returns whether the process of this name lives.
    pub(super) fn is_alive(&self, name: &str) -> bool {
        let is_name = !name.is_empty() && name.bytes().all(|c| c.is_ascii_digit() || c == b'-');
        if !is_name {
            // Nothing of ours has such a name.
            return false;
        }
        match open(&self.path(name), OpenOptions::new().read(true)) {
            // Shared, so that two who look at once do not take each other for the holder.
            Ok(file) => file.try_lock_shared().is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        let mut path = self.database.clone().into_os_string();
        path.push(KIND);
        path.push(name);
        path.into()
    }

    /// Removes the files of processes that are dead.
    fn sweep(&self, _: &Transaction<'_>) {
        let beginning = self.path("");
        let (Some(folder), Some(beginning)) = (beginning.parent(), beginning.file_name()) else {
            return;
        };
        let beginning = beginning.as_encoded_bytes();
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = file.file_name();
            let is_dead = name
                .as_encoded_bytes()
                .strip_prefix(beginning)
                .and_then(|name| str::from_utf8(name).ok())
                .is_some_and(|name| !self.is_alive(name));
            if is_dead {
                // One that stays is no claim, and is swept another time.
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let own = self.own.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = own.take() {
            // Still locked: whoever looks meanwhile finds it held, or gone.
            let _ = fs::remove_file(&own.path);
        }
    }
}

/// What each claim needs to end itself.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) database: Database,
    pub(super) holder: Holder,
}

/// A claim as a row.
#[derive(Debug)]
pub(super) struct RowClaim {
    file: Arc<JournalFile>,
    entry: EntryId,
    is_held: bool,
}

impl RowClaim {
    /// Stands for a claim that [`take`] has put on disk.
    pub(super) fn new(file: &Arc<JournalFile>, entry: &EntryId) -> Self {
        Self {
            file: file.clone(),
            entry: entry.clone(),
            is_held: true,
        }
    }

    /// Ends without a transaction: its row was removed by one already.
    pub(super) fn was_released(mut self) {
        self.is_held = false;
    }
}

impl Drop for RowClaim {
    fn drop(&mut self) {
        if self.is_held {
            let JournalFile { database, holder } = &*self.file;
            // A row that stays counts until this process ends.
            let _ = database.write(|change| release(change, holder, &self.entry));
        }
    }
}

/// Returns the name of the living process that holds an entry, this one included.
pub(super) fn living(
    change: &Transaction<'_>,
    holder: &Holder,
    id: &EntryId,
) -> Result<Option<String>, JournalError> {
    let query = "SELECT holder FROM claims WHERE entry = ?1";
    let found = change.query_row(query, params![id.as_str()], |row| row.get::<_, String>(0));
    Ok(found.optional()?.filter(|name| holder.is_alive(name)))
}

/// Takes a claim; it is held once the transaction is on disk.
pub(super) fn take(
    change: &Transaction<'_>,
    holder: &Holder,
    id: &EntryId,
    is_maker: bool,
) -> Result<(), JournalError> {
    if living(change, holder, id)?.is_some() {
        return Err(JournalError::Claimed(id.clone()));
    }
    change.execute(
        "INSERT OR REPLACE INTO claims (entry, holder, is_maker) VALUES (?1, ?2, ?3)",
        params![id.as_str(), holder.name(change)?, is_maker],
    )?;
    Ok(())
}

/// Releases a claim of this process; one of another process stays.
pub(super) fn release(
    change: &Transaction<'_>,
    holder: &Holder,
    id: &EntryId,
) -> Result<(), JournalError> {
    change.execute(
        "DELETE FROM claims WHERE entry = ?1 AND holder = ?2",
        params![id.as_str(), holder.name(change)?],
    )?;
    Ok(())
}

/// Removes the claims and the files of dead processes.
pub(super) fn sweep(change: &Transaction<'_>, holder: &Holder) -> Result<(), JournalError> {
    let mut query = change.prepare("SELECT DISTINCT holder FROM claims")?;
    let names = query.query_map([], |row| row.get::<_, String>(0))?;
    for name in names.collect::<Result<Vec<_>, _>>()? {
        if !holder.is_alive(&name) {
            change.execute("DELETE FROM claims WHERE holder = ?1", params![name])?;
        }
    }
    holder.sweep(change);
    Ok(())
}
