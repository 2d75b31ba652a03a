//! Files and folders that belong to their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(feature = "sqlite")]
use crate::error::{JournalError, failed};

/// Opens a file to be locked, and creates it when it does not exist.
pub(crate) fn open_to_write(path: &Path) -> io::Result<File> {
    open(path, options().write(true).create(true).truncate(false))
}

/// Opens what is a file or nothing: a pipe would be waited for, and a device is no place for a task.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
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
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Files as the folder has them, which is the user's own.
#[cfg(not(unix))]
pub(crate) fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Makes a file that only its owner may read, when it is not there. One that is there is not opened: to close it would end
/// the locks that this process has on it (POSIX).
#[cfg(feature = "sqlite")]
pub(crate) fn touch(path: &Path) -> Result<(), JournalError> {
    match options().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("open", path, error)),
    }
}

/// Makes a folder, and those above it, when it is not there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
