//! The results of a batch: a line for each job that has ended, in a file that is only ever added to.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::codes::Code;
use crate::error::{CliError, CliResult};
use crate::lines::{LineType, stamped};
use crate::out::{Out, json_line};

/// The file of `-o`, locked for as long as the batch goes on.
#[derive(Debug)]
pub(super) struct Results {
    path: PathBuf,
    file: File,
}

/// The jobs that have ended, by their keys; whether each ended well.
pub(super) type Ended = HashMap<String, bool>;

impl Results {
    /// Opens the file of `-o`, with the jobs that it says have ended. A last line that a kill cut short is cut off: its job
    /// is read again.
    pub(super) fn open(path: &Path, jobs: &Path, out: &Out) -> CliResult<(Self, Ended)> {
        let refused = |why: String| {
            let what = format!("cannot write the results to {}: {why}", path.display());
            CliError::input(what).why("Nothing was started.")
        };
        if is_same(path, jobs) {
            return Err(refused("it is the file of the jobs".to_owned()));
        }
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(refused("it is no file".to_owned()));
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let file = file.map_err(|error| refused(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("another batch is writing to {}", path.display());
                return Err(CliError::new(Code::Claimed, what).why("Nothing was started."));
            }
            Err(TryLockError::Error(error)) => out.say(&format!(
                "warning: {} cannot be locked ({error}): no other batch may write to it meanwhile",
                path.display()
            )),
        }
        let path = path.to_owned();
        let results = Self { path, file };
        let ended = results.ended(out).map_err(refused)?;
        Ok((results, ended))
    }

    /// Reads what has ended.
    fn ended(&self, out: &Out) -> Result<Ended, String> {
        let mut bytes = Vec::new();
        let read = (&self.file).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        let mut ended = Ended::new();
        for (at, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Some((key, is_well)) = result(line) else {
                return Err(format!("its line {} is no result of a batch", at + 1));
            };
            ended.insert(key, is_well);
        }
        if whole < bytes.len() {
            // Only what a batch was writing: any other file is not touched.
            if !bytes[whole..].starts_with(b"{") {
                return Err("its last line is no result of a batch".to_owned());
            }
            let length = u64::try_from(whole).map_err(|error| error.to_string())?;
            let cut = self.file.set_len(length);
            cut.and_then(|()| self.file.sync_all())
                .map_err(|error| error.to_string())?;
            out.say(&format!(
                "the last line of {} was cut short, and is written again",
                self.path.display()
            ));
        }
        Ok(ended)
    }

    /// Adds the line of a job that has ended: it is there for good once this returns.
    pub(super) fn add(&mut self, line: &Value) -> CliResult<()> {
        let line = json_line(&stamped(line.clone())) + "\n";
        let added = self.file.write_all(line.as_bytes());
        let added = added.and_then(|()| self.file.sync_data());
        added.map_err(|error| {
            let what = format!("cannot write to {}: {error}", self.path.display());
            CliError::new(Code::Output, what)
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The key of a line, and whether its job ended well.
fn result(line: &[u8]) -> Option<(String, bool)> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let is_result = line["type"] == LineType::BatchJob.as_str();
    let key = line["key"].as_str().filter(|_| is_result)?;
    Some((key.to_owned(), line["exit"] == 0))
}

/// Whether two names are of one file.
fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    let place = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    #[cfg(not(unix))]
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    place(one).is_some_and(|one| place(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_result_with_a_key_or_no_result() {
        let line = |text: &str| result(text.as_bytes());
        let well = r#"{"v":2,"type":"batch.job","key":"a","exit":0}"#;
        assert_eq!(line(well), Some(("a".to_owned(), true)));
        let badly = r#"{"v":2,"type":"batch.job","key":"b","exit":3}"#;
        assert_eq!(line(badly), Some(("b".to_owned(), false)));
        for other in [
            r#"{"type":"batch.job","exit":0}"#,
            r#"{"type":"note","key":"a"}"#,
            r#"{"key":"a","exit":0}"#,
            r#"{"type":"batch.job","key":"a"#,
            "[]",
            "",
        ] {
            assert_eq!(line(other), None, "{other}");
        }
    }
}
