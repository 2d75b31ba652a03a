//! Who works on a start.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::states;
use crate::entry::EntryId;
use crate::error::{JournalError, failed};
use crate::own_file::open_to_write;

/// What the names of the files end in.
pub(super) const KIND: &str = "claim";

/// What the claim of a process that makes a start for the first time contains.
const MAKER: &[u8] = b"makes it";

/// A claim as a file.
///
/// It is a locked file. The lock ends with the process, however that ends. A process that has the folder's lock and finds
/// the file unlocked removes it, so that nobody locks a file that no longer exists.
#[derive(Debug)]
pub(crate) struct FileClaim {
    folder: PathBuf,
    path: PathBuf,
    file: Option<File>,
}

impl FileClaim {
    /// Takes the claim under the folder's lock.
    pub(super) fn take(_: &Lock, folder: &Path, id: &EntryId) -> Result<Self, JournalError> {
        let path = path(folder, id);
        let file = open_to_write(&path).map_err(|e| failed("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => {
                // Written by an earlier holder that was killed.
                file.set_len(0).map_err(|e| failed("write to", &path, e))?;
                Ok(Self {
                    folder: folder.to_owned(),
                    path,
                    file: Some(file),
                })
            }
            Err(TryLockError::WouldBlock) => Err(JournalError::Claimed(id.clone())),
            Err(TryLockError::Error(e)) => Err(failed("lock", &path, e)),
        }
    }

    /// Marks that the holder makes the start for the first time.
    pub(super) fn of_maker(mut self) -> Self {
        if let Some(file) = &mut self.file {
            // Without the mark, another process only asks once too often.
            let _ = file.write_all(MAKER);
        }
        self
    }

    /// Returns whether the claim that another process has says so.
    pub(super) fn is_of_maker(folder: &Path, id: &EntryId) -> bool {
        match states::bytes(&path(folder, id)) {
            Ok(text) => text == MAKER,
            // Some systems let nobody read a locked file; and a file that is gone is locked by nobody.
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    /// Releases the claim under the folder's lock, which the caller has.
    pub(super) fn release(mut self, lock: &Lock) {
        self.end(Some(lock));
    }

    fn end(&mut self, lock: Option<&Lock>) {
        if self.file.take().is_some() && lock.is_some() {
            // One that stays is no claim: it is taken again, or removed when the journal is pruned.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for FileClaim {
    fn drop(&mut self) {
        if self.file.is_some() {
            let lock = Lock::at_once(&self.folder);
            self.end(lock.as_ref());
        }
    }
}

fn path(folder: &Path, id: &EntryId) -> PathBuf {
    folder.join(format!("{id}.{KIND}"))
}
