//! A journal of files: a folder, and in it a file for each task.

mod record;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward_core::{BoxError, Journal, Snapshot};

use crate::entry::{Damage, Entry, EntryId, Listing};
use crate::error::JournalError;
use crate::time::{millis, now};

/// A file is written anew once it is larger.
const MAX_FILE: u64 = 1024 * 1024;

const RECORDS: &str = "jsonl";
const CLAIM: &str = "claim";

/// Keeps each task in a file of its own, in one folder.
///
/// A file holds a line for each state, with a checksum: a line that was cut by a crash is passed over, and the one before
/// it counts. A state is on disk (`fsync`) when [`record`](Journal::record) returns. What a start was made of is written
/// over as soon as the task's id is on disk. Folder and files are readable by their owner only.
///
/// A start whose outcome is unknown is claimed by the process that makes it, until it is known or the process ends, so
/// that nobody else looks for it, or repeats it, at the same time. Clones share their claims.
///
/// Services that follow hundreds of tasks keep them in a database instead.
#[derive(Clone, Debug)]
pub struct FileJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    claims: Mutex<HashMap<EntryId, Claim>>,
}

/// A start that nobody else may touch, until this is dropped.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    id: EntryId,
    file: Option<File>,
}

impl FileJournal {
    /// The journal in this folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let folder = folder.into();
        make_folder(&folder).map_err(|e| failed("make the folder", &folder, e))?;
        // Whether it can be written to is found out now, not when the first id is to be kept.
        drop(lock(&folder)?);
        Ok(Self(Arc::new(Inner {
            folder,
            claims: Mutex::default(),
        })))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// All tasks, as they were last kept.
    ///
    /// # Errors
    /// When the folder cannot be read; a file that cannot is told as [`Damage`].
    pub fn list(&self) -> Result<Listing, JournalError> {
        let folder = self.folder();
        let _lock = lock(folder)?;
        let mut listing = Listing::default();
        let files = fs::read_dir(folder).map_err(|e| failed("read", folder, e))?;
        for file in files {
            let path = file.map_err(|e| failed("read", folder, e))?.path();
            if path.extension().is_some_and(|kind| kind == RECORDS) {
                let stem = path.file_stem().and_then(|name| name.to_str());
                match stem.and_then(EntryId::from_name) {
                    Some(id) => listing.entries.extend(read(&path, id, &mut listing.damage)),
                    None => listing.damage.push(Damage {
                        path,
                        line: 0,
                        why: "its name is none of a task".to_owned(),
                    }),
                }
            }
        }
        let newest_first = |entry: &Entry| (std::cmp::Reverse(entry.at), entry.id.clone());
        listing.entries.sort_by_cached_key(newest_first);
        Ok(listing)
    }

    /// The one entry whose id is this or begins with it.
    ///
    /// # Errors
    /// When there is none, or several are.
    pub fn find(&self, id: &str) -> Result<Entry, JournalError> {
        let mut found: Vec<Entry> = self.list()?.entries;
        found.retain(|entry| entry.id.as_str().starts_with(id));
        if let Some(exact) = found.iter().position(|entry| entry.id.as_str() == id) {
            return Ok(found.swap_remove(exact));
        }
        match found.pop() {
            Some(_) if !found.is_empty() => Err(JournalError::Ambiguous(id.to_owned())),
            Some(entry) => Ok(entry),
            None => Err(JournalError::NoEntry(id.to_owned())),
        }
    }

    /// Claims an entry: until the claim is dropped, no other process repeats its start or looks for it.
    ///
    /// # Errors
    /// When another process holds it.
    pub fn claim(&self, id: &EntryId) -> Result<Claim, JournalError> {
        let _lock = lock(self.folder())?;
        Claim::take(self.folder(), id)
    }

    /// Removes an entry, whatever it is: nobody will be able to find out what became of it.
    ///
    /// # Errors
    /// When it cannot be removed, or another process is at work on it.
    pub fn remove(&self, id: &EntryId) -> Result<(), JournalError> {
        let _lock = lock(self.folder())?;
        let _claim = Claim::take(self.folder(), id)?;
        let path = self.path(id);
        fs::remove_file(&path).map_err(|e| failed("remove", &path, e))
    }

    /// Removes the entries that nobody needs: those not kept for `age` whose task is known, over, or was never made,
    /// beyond the `least` newest. An open one stays. Gives how many.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn prune(&self, age: Duration, least: usize) -> Result<usize, JournalError> {
        let entries = self.list()?.entries;
        let _lock = lock(self.folder())?;
        let oldest = now().as_millis().saturating_sub(millis(age));
        let mut removed = 0;
        for entry in entries.into_iter().skip(least) {
            if entry.at.as_millis() > oldest || entry.snapshot.is_unknown() {
                continue;
            }
            let path = self.path(&entry.id);
            fs::remove_file(&path).map_err(|e| failed("remove", &path, e))?;
            removed += 1;
        }
        Ok(removed)
    }

    fn path(&self, id: &EntryId) -> PathBuf {
        self.folder().join(format!("{id}.{RECORDS}"))
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<EntryId, Claim>> {
        // Plain data: nothing is left half-written by a panic.
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        let id = EntryId::of(snapshot);
        let line = record::write(snapshot, now())?;
        let path = self.path(&id);
        let _lock = lock(self.folder())?;
        let mut claims = self.claims();
        if snapshot.is_unknown() && !snapshot.is_ended() && !claims.contains_key(&id) {
            claims.insert(id.clone(), Claim::take(self.folder(), &id)?);
        }
        let size = fs::metadata(&path).map_or(0, |file| file.len());
        // What a start was made of is not kept beyond it.
        let resolved = !snapshot.is_unknown() && claims.contains_key(&id);
        if resolved || size > MAX_FILE {
            replace(&path, &line)?;
        } else {
            append(&path, &line)?;
        }
        if !snapshot.is_unknown() || snapshot.is_ended() {
            claims.remove(&id);
        }
        Ok(())
    }
}

impl Journal for FileJournal {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        Ok(self.keep(snapshot)?)
    }
}

impl Claim {
    /// Whoever calls holds the folder's lock, so that no claim is removed while another one opens it.
    fn take(folder: &Path, id: &EntryId) -> Result<Self, JournalError> {
        let path = folder.join(format!("{id}.{CLAIM}"));
        let file = options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| failed("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                id: id.clone(),
                file: Some(file),
            }),
            Err(fs::TryLockError::WouldBlock) => Err(JournalError::Claimed(id.clone())),
            Err(fs::TryLockError::Error(e)) => Err(failed("lock", &path, e)),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A claim whose file stays is no claim any more: the lock ends with the handle.
        self.file = None;
        let _ = fs::remove_file(self.folder.join(format!("{}.{CLAIM}", self.id)));
    }
}

/// The lock of a folder, for as long as the handle lives. Every change of a file and every claim is made under it.
fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let file = options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| failed("open", &path, e))?;
    file.lock().map_err(|e| failed("lock", &path, e))?;
    Ok(file)
}

/// Adds a line and waits until it is on disk. What could not be written whole is taken back.
fn append(path: &Path, line: &str) -> Result<(), JournalError> {
    let wrong = |e| failed("write to", path, e);
    let is_new = !path.exists();
    let mut file = options()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(wrong)?;
    let size = file.metadata().map_err(wrong)?.len();
    let mut text = String::with_capacity(line.len() + 1);
    if size > 0 && last_byte(&mut file).map_err(wrong)? != b'\n' {
        // The line before was cut: it ends here.
        text.push('\n');
    }
    text.push_str(line);
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_data());
    if let Err(error) = written {
        // Where even this fails, the checksum tells.
        let _ = file.set_len(size);
        return Err(wrong(error));
    }
    if is_new {
        sync_folder(path)?;
    }
    Ok(())
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Puts one line in the place of all that were there.
fn replace(path: &Path, line: &str) -> Result<(), JournalError> {
    let fresh = path.with_extension("new");
    let wrong = |e| failed("write to", &fresh, e);
    let mut file = options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&fresh)
        .map_err(wrong)?;
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(wrong)?;
    fs::rename(&fresh, path).map_err(|e| failed("replace", path, e))?;
    sync_folder(path)
}

/// The last state that a file holds, and what in it could not be read.
fn read(path: &Path, id: EntryId, damage: &mut Vec<Damage>) -> Option<Entry> {
    let mut wrong = |line, why| {
        damage.push(Damage {
            path: path.to_owned(),
            line,
            why,
        });
    };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            wrong(0, error.to_string());
            return None;
        }
    };
    let mut last = None;
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match record::read(line) {
            Ok(record) => last = Some(record),
            Err(why) => wrong(number + 1, why),
        }
    }
    last.map(|record| Entry {
        id,
        at: record.at,
        snapshot: record.snapshot,
    })
}

/// Makes a file that only its owner may read, when it is not there.
#[cfg(feature = "sqlite")]
pub(crate) fn touch(path: &Path) -> Result<(), JournalError> {
    let made = options().append(true).create(true).open(path);
    made.map(drop).map_err(|e| failed("open", path, e))
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// Files that only their owner may read.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Waits until the name of a new file is on disk.
fn sync_folder(path: &Path) -> Result<(), JournalError> {
    // Elsewhere a folder is no file that could be opened, and its entries need no more than the file's own sync.
    if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|e| failed("write to", folder, e))?;
    }
    Ok(())
}
