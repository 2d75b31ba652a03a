//! Who may touch a folder, and how its files are opened.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{JournalError, failed};

/// How long the folder's lock is waited for: its holder writes one state, or reads them all.
pub(super) const WAIT: Duration = Duration::from_secs(10);
/// How often it is tried meanwhile. The system's own waiting has no end.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a wait lasts before it is reported.
const LONG: Duration = Duration::from_secs(1);

const NAME: &str = "lock";

/// A hook that is called with the path of a lock that is waited for.
type Tell = dyn Fn(&Path) + Send + Sync;

/// The hook that is called, once for each wait, when the lock is waited for.
#[derive(Clone, Default)]
pub(super) struct Waiting(pub(super) Option<Arc<Tell>>);

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reported = self.0.as_ref().map(|_| "a hook");
        f.debug_tuple("Waiting").field(&reported).finish()
    }
}

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
        match within(wait, reported, &path, || file.try_lock()) {
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
        match within(wait, reported, &path, || file.try_lock_shared()) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Err(JournalError::Busy { path, wait }),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

/// Tries until it is free, or the time is over.
fn within(
    wait: Duration,
    reported: &Waiting,
    path: &Path,
    lock: impl Fn() -> Result<(), TryLockError>,
) -> Result<(), TryLockError> {
    let started = Instant::now();
    let mut reported = reported.0.as_deref();
    loop {
        match lock() {
            Err(TryLockError::WouldBlock) if started.elapsed() < wait => std::thread::sleep(PAUSE),
            tried => return tried,
        }
        if started.elapsed() >= LONG
            && let Some(tell) = reported.take()
        {
            tell(path);
        }
    }
}

/// Opens a file to be locked, and creates it when it does not exist.
pub(super) fn open_to_write(path: &Path) -> io::Result<File> {
    open(path, options().write(true).create(true).truncate(false))
}

/// Opens what is a file or nothing: a pipe would be waited for, and a device is no place for a task.
pub(super) fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::other("it is a folder, and no file")),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => options.open(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => options.open(path),
        Err(error) => Err(error),
    }
}

/// Files that only their owner may read.
#[cfg(unix)]
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Files as the folder has them, which is the user's own.
#[cfg(not(unix))]
pub(super) fn options() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(test)]
mod tests {
    use super::*;

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
