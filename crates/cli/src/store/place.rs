//! Where the journal is.

#[cfg(unix)]
use std::fs;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

/// The file of the journal, in its folder.
pub(crate) const FILE: &str = "tasks.sqlite";

/// Where state is kept when `XDG_STATE_HOME` names no folder, as a reader of the help would type it.
pub(crate) const DEFAULT_STATE: &str = if cfg!(windows) {
    "%LOCALAPPDATA%"
} else {
    "~/.local/state"
};

/// The variable that [`DEFAULT_STATE`] is found by.
pub(crate) const HOME: &str = if cfg!(windows) {
    "LOCALAPPDATA"
} else {
    "HOME"
};

/// The folder of the journal, where there is a place for it.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let folder = |name: &str| {
        let folder = PathBuf::from(std::env::var_os(name)?);
        folder.is_absolute().then_some(folder)
    };
    let home = |name| folder(name).filter(|home| home.is_dir());
    let state = folder("XDG_STATE_HOME").or_else(|| {
        let home = home(HOME)?;
        Some(if cfg!(windows) {
            home
        } else {
            home.join(".local/state")
        })
    })?;
    Some(state.join("taskward").join("journal"))
}

/// A folder for whoever has no home. Others may write to where it is, so it has to be this user's alone.
pub(super) fn temporary_folder() -> Result<PathBuf, String> {
    #[cfg(unix)]
    let folder = {
        let user = rustix::process::getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("taskward-{user}"));
        own(&folder, user)?;
        folder
    };
    // The system's temporary folder is the user's own.
    #[cfg(not(unix))]
    let folder = std::env::temp_dir().join("taskward");
    Ok(folder.join("journal"))
}

#[cfg(unix)]
fn own(folder: &Path, user: u32) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    let found = fs::symlink_metadata(folder);
    let found = found.map_err(|error| {
        let error = made.err().unwrap_or(error);
        format!("cannot make the folder {}: {error}", folder.display())
    })?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(format!("{} is not this user's alone", folder.display()))
}
