//! Who may touch a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::{JournalError, failed};
use crate::own_file::{open, open_to_write};
use crate::waiting::Waiting;

const NAME: &str = "lock";

/// The lock of a folder, until this is dropped. Every change of a file is made under it, and every claim is taken and
/// removed under it.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock to write.
    pub(super) fn exclusive(
        folder: &Path,
        wait: Duration,
        reported: &Waiting,
    ) -> Result<Self, JournalError> {
        let path = folder.join(NAME);
        let file = open_to_write(&path).map_err(|e| failed("open", &path, e))?;
        match reported.until(&path, wait, is_held, || file.try_lock()) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Busy { path, wait }),
            Err(TryLockError::Error(e)) => Err(failed("lock", &path, e)),
        }
    }

    /// Takes the lock to write, when it is free now.
    pub(super) fn at_once(folder: &Path) -> Option<Self> {
        Self::exclusive(folder, Duration::ZERO, &Waiting::default()).ok()
    }

    /// Takes the lock to read. Where there is nothing to lock, or locks are not supported, reading needs none: a file is
    /// replaced as a whole, and a half-written line has no checksum, so nothing wrong is read; at worst, a line that is being
    /// written is reported as damaged.
    pub(super) fn shared(
        folder: &Path,
        wait: Duration,
        reported: &Waiting,
    ) -> Result<Option<Self>, JournalError> {
        let path = folder.join(NAME);
        let Ok(file) = open(&path, OpenOptions::new().read(true)) else {
            return Ok(None);
        };
        match reported.until(&path, wait, is_held, || file.try_lock_shared()) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Err(JournalError::Busy { path, wait }),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

/// Returns whether somebody else has the lock.
fn is_held(error: &TryLockError) -> bool {
    matches!(error, TryLockError::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::WAIT;

    #[test]
    fn a_lock_that_is_never_let_go_of_ends_in_an_error_that_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let nobody = Waiting::default();
        let held = Lock::exclusive(folder.path(), WAIT, &nobody).expect("it is free");
        let wait = Duration::from_millis(20);
        let refused = [
            Lock::exclusive(folder.path(), wait, &nobody).map(drop),
            Lock::shared(folder.path(), wait, &nobody).map(drop),
        ];
        for error in refused.map(|refused| refused.expect_err("it is held")) {
            assert!(matches!(&error, JournalError::Busy { .. }), "{error}");
            let path = folder.path().join(NAME);
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
        }
        drop(held);
        let reader = Lock::shared(folder.path(), wait, &nobody).expect("it is free");
        let another = Lock::shared(folder.path(), wait, &nobody).expect("readers share it");
        assert!(reader.is_some() && another.is_some());
        assert!(Lock::at_once(folder.path()).is_none());
    }
}
