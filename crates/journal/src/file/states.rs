//! The file of an entry: a line for each state.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::record::{self, Record};
use crate::entry::{Damage, Entry, EntryId};
use crate::error::{JournalError, failed};
use crate::own_file::{open, options};

/// Reads a file. Only a regular file is read: a pipe has no end.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open(path, OpenOptions::new().read(true))?.read_to_end(&mut text)?;
    Ok(text)
}

/// Returns the last state in it that can be read.
pub(super) fn last(text: &[u8], id: &EntryId) -> Option<Record> {
    let mut lines = text.split(|byte| *byte == b'\n').rev();
    lines.find_map(|line| record::read(line, id).ok())
}

/// Returns the lines that cannot be read, each with its number and why.
pub(super) fn unreadable<'a>(
    text: &'a [u8],
    id: &EntryId,
) -> impl Iterator<Item = (usize, &'a [u8], String)> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    lines.filter_map(move |(index, line)| {
        let why = record::read(line, id).err()?;
        (!line.is_empty()).then_some((index + 1, line, why))
    })
}

/// Returns the entry in a file, and what in it could not be read.
pub(super) fn entry(path: &Path, id: EntryId, damage: &mut Vec<Damage>) -> Option<Entry> {
    let mut wrong = |line, why, hidden: Option<&EntryId>| {
        damage.push(Damage {
            path: path.to_owned(),
            line,
            why,
            entry: hidden.cloned(),
        });
    };
    let text = match bytes(path) {
        Ok(text) => text,
        // Removed since its name was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            wrong(0, error.to_string(), Some(&id));
            return None;
        }
    };
    let last = last(&text, &id);
    let hidden = last.is_none().then_some(&id);
    let mut is_damaged = false;
    for (line, _, why) in unreadable(&text, &id) {
        is_damaged = true;
        wrong(line, why, hidden);
    }
    if last.is_none() && !is_damaged {
        wrong(0, "it is empty".to_owned(), hidden);
    }
    last.map(|record| Entry {
        id,
        at: record.at,
        snapshot: record.snapshot,
    })
}

/// Writes files so that a crash at any moment leaves the states before, or the new one as well.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Whether the names of all files are on disk, as far as this process knows.
    is_synced: AtomicBool,
}

impl Writer {
    /// Adds a line and waits until it is on disk. What could not be written whole is taken back.
    pub(super) fn append(
        &self,
        path: &Path,
        before: &[u8],
        line: &str,
    ) -> Result<(), JournalError> {
        let wrong = |e| failed("write to", path, e);
        let mut file = open(path, options().append(true)).map_err(wrong)?;
        let mut text = String::with_capacity(line.len() + 1);
        if before.last().is_some_and(|byte| *byte != b'\n') {
            // The line before was cut: it ends here.
            text.push('\n');
        }
        text.push_str(line);
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Where even this fails, the checksum shows it.
            let _ = u64::try_from(before.len()).map(|size| file.set_len(size));
            return Err(wrong(error));
        }
        self.sync_names(path)
    }

    /// Puts these lines, each with its end, in the place of all that were there. A new file is whole from the beginning.
    pub(super) fn replace(&self, path: &Path, lines: &[u8]) -> Result<(), JournalError> {
        let fresh = path.with_extension(FRESH);
        let wrong = |e| failed("write to", &fresh, e);
        let options = &mut options();
        let options = options.write(true).create(true).truncate(true);
        let mut file = open(&fresh, options).map_err(wrong)?;
        let written = file.write_all(lines).and_then(|()| file.sync_all());
        drop(file);
        if let Err(error) = written {
            let _ = fs::remove_file(&fresh);
            return Err(wrong(error));
        }
        self.is_synced.store(false, Ordering::Relaxed);
        fs::rename(&fresh, path).map_err(|e| failed("replace", path, e))?;
        self.sync_names(path)
    }

    /// Waits until the name of a new file is on disk; where that failed before, too.
    fn sync_names(&self, path: &Path) -> Result<(), JournalError> {
        if !self.is_synced.load(Ordering::Relaxed)
            && let Some(folder) = path.parent()
        {
            sync(folder).map_err(|e| failed("write to", folder, e))?;
            self.is_synced.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What the name of a file ends in that is not whole yet.
pub(super) const FRESH: &str = "new";

fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(test)]
    tests::sync()?;
    // Elsewhere a folder is no file that could be opened, and its entries need no more than the file's own sync.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many syncs of a folder fail, and how many were made.
        static SYNCS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn sync() -> io::Result<()> {
        let (fail, made) = SYNCS.get();
        SYNCS.set((fail.saturating_sub(1), made + 1));
        match fail {
            0 => Ok(()),
            _ => Err(io::Error::other("the disk is gone")),
        }
    }

    #[test]
    fn a_name_that_may_not_be_on_disk_is_synced_with_the_next_state() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("5ec2e7.jsonl");
        let writer = Writer::default();
        SYNCS.set((1, 0));
        let error = writer
            .replace(&path, b"one\n")
            .expect_err("its name is not on disk");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        writer.append(&path, b"one\n", "two\n").expect("it is now");
        assert_eq!(SYNCS.get(), (0, 2));
        writer
            .append(&path, b"one\ntwo\n", "three\n")
            .expect("it was");
        assert_eq!(SYNCS.get(), (0, 2), "its name is on disk");
        assert_eq!(bytes(&path).expect("a file"), b"one\ntwo\nthree\n");
    }
}
