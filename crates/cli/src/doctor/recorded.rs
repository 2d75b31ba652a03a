//! The file of a recording.

use std::fs;
use std::path::{Path, PathBuf};

use taskward::error::doctor::Recording;

use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::failure_text::without_os_error;
use crate::store::state_folder;

/// More than any recording has.
const MAX: u64 = 64 * 1024 * 1024;

/// Writes a recording, to a new file beside the journal where none is named.
pub(super) fn write(recording: &Recording, named: Option<&Path>) -> CliResult<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => default_path()?,
    };
    fs::write(&path, recording.text()).map_err(|error| unwritten(&path, &error))?;
    Ok(path)
}

fn default_path() -> CliResult<PathBuf> {
    let state = state_folder();
    let folder = match state.as_deref().and_then(Path::parent) {
        Some(folder) => folder.join("doctor"),
        None => std::env::temp_dir(),
    };
    fs::create_dir_all(&folder).map_err(|error| unwritten(&folder, &error))?;
    let at = crate::clock::written(super::clock::now());
    let at: String = at.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let number = std::process::id();
    Ok(folder.join(format!("{at}-{number}.jsonl")))
}

fn unwritten(path: &Path, error: &std::io::Error) -> CliError {
    let what = format!(
        "the recording cannot be written to {}: {}",
        path.display(),
        without_os_error(&error.to_string())
    );
    CliError::new(Code::Output, what)
        .why("What was found stands above; there is no recording of it.")
        .next(
            "or",
            "taskward doctor --live --record FILE",
            "where there is room",
        )
}

/// Reads a recording.
pub(super) fn read(path: &Path) -> CliResult<Recording> {
    let wrong = |why: String| {
        CliError::input(format!(
            "{} is no recording that can be replayed",
            path.display()
        ))
        .why(why)
        .why("Nothing was sent.")
    };
    let meta = fs::metadata(path).map_err(|e| wrong(without_os_error(&e.to_string())))?;
    if meta.len() > MAX {
        return Err(wrong("it is too large".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|e| wrong(without_os_error(&e.to_string())))?;
    Recording::parse(&text).map_err(|error| wrong(format!("{error}")))
}
