//! A journal of files: a folder, and in it a file for each task.

mod claim;
#[cfg(feature = "sqlite")]
mod handed;
mod lock;
mod record;
mod states;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward_core::{BoxError, IntentId, Journal, OpenStarts, Snapshot};

use self::claim::FileClaim;
#[cfg(feature = "sqlite")]
pub(crate) use self::handed::Handed;
use self::lock::Lock;
use self::states::Writer;
use crate::claim::Claim;
use crate::entry::{Arrival, Damage, Entry, EntryId, Listing, is_under_way, is_unsettled};
use crate::error::{JournalError, failed};
use crate::open;
use crate::own_file::make_folder;
use crate::time::{millis, now};
use crate::waiting::{WAIT, Waiting};

/// A file is rewritten once it is larger.
const MAX_FILE: usize = 1024 * 1024;

const RECORDS: &str = "jsonl";

/// A journal that stores each task in a file of its own, in one folder.
///
/// A file holds a line for each state, with a checksum: a line that was cut by a crash is skipped, and the one before it
/// counts. A state is on disk (`fsync`) when [`record`](Journal::record) returns. The request that repeats a start under
/// its key is overwritten as soon as the task's id is on disk; what is needed to start the same as a new task stays
/// ([`Snapshot::start_again`]: its text, and of files the path, size and digest). Folder and files are readable by their
/// owner only.
///
/// A late state never replaces a newer one: of two states of one start, that with the task's id counts, and then the one of
/// the higher revision. The other one is ignored without an error. Resume a start from the state that the journal has, not
/// from an older one of your own. A task that was started elsewhere has no start: its revisions begin again each time it is
/// followed, and the state that was stored last counts.
///
/// What cannot be read is reported as [`Damage`] and stays where it is: lines that were damaged or written by a newer
/// version, files that are empty, that are no files, or that hold another entry's states.
///
/// The process that makes a start claims it until its outcome is known or the process ends, so that no other process
/// searches for its task, or repeats it, at the same time. Clones share their claims.
///
/// A write waits for the folder's lock (the file `lock`), for ten seconds at most.
///
/// Services that follow hundreds of tasks store them in a database instead.
#[derive(Clone, Debug)]
pub struct FileJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    waiting: Waiting,
    claims: Mutex<HashMap<EntryId, FileClaim>>,
    writer: Writer,
}

impl FileJournal {
    /// Opens the journal in this folder, and creates the folder when it does not exist.
    ///
    /// # Errors
    /// When the folder cannot be created or written to.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Self::opened(folder.into(), Waiting::default())
    }

    /// Opens the journal like [`open`](Self::open), and calls `reported` with the lock's path for each wait for the folder's lock
    /// that lasts longer than a second.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_reporting_waits(
        folder: impl Into<PathBuf>,
        reported: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Result<Self, JournalError> {
        Self::opened(folder.into(), Waiting::new(reported))
    }

    fn opened(folder: PathBuf, waiting: Waiting) -> Result<Self, JournalError> {
        make_folder(&folder).map_err(|e| failed("make the folder", &folder, e))?;
        // Checks now whether it can be written to, not when the first id is to be stored.
        drop(Lock::exclusive(&folder, WAIT, &waiting)?);
        Ok(Self::of(folder, waiting))
    }

    /// Opens the journal in this folder to read it; the folder need not be writable.
    ///
    /// # Errors
    /// When the folder does not exist, or cannot be read.
    pub fn open_to_read(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Self::opened_to_read(folder.into(), Waiting::default())
    }

    /// Opens the journal like [`open_to_read`](Self::open_to_read), and calls `reported` like
    /// [`open_reporting_waits`](Self::open_reporting_waits).
    ///
    /// # Errors
    /// As [`open_to_read`](Self::open_to_read).
    pub fn open_to_read_reporting_waits(
        folder: impl Into<PathBuf>,
        reported: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Result<Self, JournalError> {
        Self::opened_to_read(folder.into(), Waiting::new(reported))
    }

    fn opened_to_read(folder: PathBuf, waiting: Waiting) -> Result<Self, JournalError> {
        fs::read_dir(&folder).map_err(|e| failed("read", &folder, e))?;
        Ok(Self::of(folder, waiting))
    }

    fn of(folder: PathBuf, waiting: Waiting) -> Self {
        Self(Arc::new(Inner {
            folder,
            waiting,
            claims: Mutex::default(),
            writer: Writer::default(),
        }))
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Returns all tasks, as they were last stored.
    ///
    /// # Errors
    /// When the folder cannot be read, or another process does not release its lock; a file that cannot be read is reported
    /// as [`Damage`].
    pub fn list(&self) -> Result<Listing, JournalError> {
        let _lock = Lock::shared(self.folder(), WAIT, &self.0.waiting)?;
        self.read()
    }

    /// Returns the one entry whose id is this or begins with it.
    ///
    /// # Errors
    /// When there is none, several are, or nothing in it can be read.
    pub fn find(&self, id: &str) -> Result<Entry, JournalError> {
        let Listing { entries, damage } = self.list()?;
        let mut found: BTreeMap<String, Result<Entry, Damage>> = BTreeMap::new();
        for entry in entries {
            found.insert(entry.id.to_string(), Ok(entry));
        }
        for damage in damage {
            if let Some(entry) = &damage.entry {
                // The first line that is wrong is reported for all.
                found.entry(entry.to_string()).or_insert(Err(damage));
            }
        }
        found.retain(|name, _| name.starts_with(id));
        let one = match (found.remove(id), found.len()) {
            (Some(exact), _) => Some(exact),
            (None, 0 | 1) => found.pop_first().map(|(_, one)| one),
            (None, _) => return Err(JournalError::Ambiguous(id.to_owned())),
        };
        one.ok_or_else(|| JournalError::NoEntry(id.to_owned()))?
            .map_err(JournalError::Damaged)
    }

    /// Claims an entry: until the claim is dropped, no other process repeats its start or searches for its task.
    ///
    /// # Errors
    /// When another process has claimed it, or the folder cannot be written to.
    pub fn claim(&self, id: &EntryId) -> Result<Claim, JournalError> {
        let lock = self.lock()?;
        Ok(Claim::new(FileClaim::take(&lock, self.folder(), id)?))
    }

    /// Returns whether the process that has claimed an entry makes its start for the first time; any other one recovers a
    /// start that was made before. Only for an entry that [`claim`](Self::claim) refuses: for one that is not claimed, this
    /// is about its last holder.
    #[must_use]
    pub fn is_being_made(&self, id: &EntryId) -> bool {
        FileClaim::is_of_maker(self.folder(), id)
    }

    /// Removes an entry, whatever it is, or an unreadable file in its place: nobody will be able to find out the outcome of
    /// its start.
    ///
    /// # Errors
    /// When it cannot be removed, or another process is at work on it.
    pub fn remove(&self, id: &EntryId) -> Result<(), JournalError> {
        self.discard(&self.lock()?, id)
    }

    /// Removes the entries that nobody needs: those not stored for `age` whose task is known, over, or was never created,
    /// beyond the `least` newest. An entry stays if it is open, has an answer on its way, has a line that cannot be read, or is
    /// claimed by a process. Files of killed processes are removed, too. Returns how many entries were removed.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file cannot be removed.
    pub fn prune(&self, age: Duration, least: usize) -> Result<usize, JournalError> {
        let lock = self.lock()?;
        // Read under the lock under which it is removed: nothing is stored in between.
        let Listing { entries, damage } = self.read()?;
        let oldest = now().as_millis().saturating_sub(millis(age));
        let mut removed = 0;
        for entry in entries.into_iter().skip(least) {
            let path = self.path(&entry.id);
            let is_damaged = damage.iter().any(|damage| damage.path == path);
            if entry.at.as_millis() > oldest || is_unsettled(&entry.snapshot) || is_damaged {
                continue;
            }
            match self.discard(&lock, &entry.id) {
                Ok(()) => removed += 1,
                Err(JournalError::Claimed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.sweep(&lock)?;
        Ok(removed)
    }

    /// Removes the files of killed processes: under the folder's lock nobody writes a file, and only a claim of a living
    /// process is locked.
    fn sweep(&self, lock: &Lock) -> Result<(), JournalError> {
        for path in self.paths()? {
            match path.extension().and_then(|kind| kind.to_str()) {
                // It was not written to the end; one that cannot be removed is overwritten.
                Some(states::FRESH) => drop(fs::remove_file(path)),
                Some(claim::KIND) => {
                    if let Some(id) = id_of(&path)
                        && let Ok(claim) = FileClaim::take(lock, self.folder(), &id)
                    {
                        claim.release(lock);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn lock(&self) -> Result<Lock, JournalError> {
        Lock::exclusive(self.folder(), WAIT, &self.0.waiting)
    }

    /// Reads everything in the folder.
    fn read(&self) -> Result<Listing, JournalError> {
        let mut listing = Listing::default();
        for path in self.paths()? {
            if path.extension().is_none_or(|kind| kind != RECORDS) {
                continue;
            }
            match id_of(&path) {
                Some(id) => {
                    let entry = states::entry(&path, id, &mut listing.damage);
                    listing.entries.extend(entry);
                }
                None => listing.damage.push(Damage {
                    path,
                    line: 0,
                    why: "its name is none of a task".to_owned(),
                    entry: None,
                }),
            }
        }
        let newest_first = |entry: &Entry| (std::cmp::Reverse(entry.at), entry.id.clone());
        listing.entries.sort_by_cached_key(newest_first);
        Ok(listing)
    }

    /// Lists the files of the folder, by name.
    fn paths(&self) -> Result<Vec<PathBuf>, JournalError> {
        let folder = self.folder();
        let wrong = |e| failed("read", folder, e);
        let mut paths = Vec::new();
        for file in fs::read_dir(folder).map_err(wrong)? {
            paths.push(file.map_err(wrong)?.path());
        }
        paths.sort();
        Ok(paths)
    }

    fn path(&self, id: &EntryId) -> PathBuf {
        self.folder().join(format!("{id}.{RECORDS}"))
    }

    /// Removes what stands in an entry's place, while no other process is at work on it.
    fn discard(&self, lock: &Lock, id: &EntryId) -> Result<(), JournalError> {
        let claim = FileClaim::take(lock, self.folder(), id)?;
        let path = self.path(id);
        let removed = if path.is_dir() {
            fs::remove_dir(&path)
        } else {
            fs::remove_file(&path)
        };
        claim.release(lock);
        removed.map_err(|e| failed("remove", &path, e))
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<EntryId, FileClaim>> {
        // Plain data: a panic leaves nothing half-written.
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        let id = EntryId::of(snapshot);
        let lock = self.lock()?;
        let mut claims = self.claims();
        let fresh = if is_under_way(snapshot) && !claims.contains_key(&id) {
            Some(FileClaim::take(&lock, self.folder(), &id)?)
        } else {
            None
        };
        let is_new = !self.path(&id).exists();
        match self.write(&id, snapshot) {
            Ok(goes_on) => {
                let fresh = fresh.map(|claim| if is_new { claim.of_maker() } else { claim });
                match fresh.or_else(|| claims.remove(&id)) {
                    Some(claim) if goes_on => drop(claims.insert(id, claim)),
                    Some(claim) => claim.release(&lock),
                    None => {}
                }
                Ok(())
            }
            Err(error) => {
                // Nothing is sent of a start that is not stored.
                if let Some(claim) = fresh {
                    claim.release(&lock);
                }
                Err(error)
            }
        }
    }

    /// Writes a state, unless a newer one is stored. Returns whether the start is in flight by the state that counts.
    fn write(&self, id: &EntryId, snapshot: &Snapshot) -> Result<bool, JournalError> {
        let line = record::write(snapshot, now())?;
        let (path, writer) = (self.path(id), &self.0.writer);
        let before = match states::bytes(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("write to", &path, error)),
        };
        let Some(before) = before else {
            writer.replace(&path, line.as_bytes())?;
            return Ok(is_under_way(snapshot));
        };
        let last = states::last(&before, id).map(|record| record.snapshot);
        if let Some(last) = &last {
            match Arrival::of(snapshot, last) {
                Arrival::Replaces => {}
                Arrival::IsOlder => return Ok(is_under_way(last)),
                Arrival::IsOfAnotherStart => return Err(JournalError::AnotherStart(id.clone())),
            }
        }
        // The request of a start is not stored beyond the start.
        let is_resolved = !snapshot.is_unknown() && last.is_some_and(|last| last.is_unknown());
        if is_resolved || before.len() > MAX_FILE {
            let mut lines = Vec::new();
            for (_, unreadable, _) in states::unreadable(&before, id) {
                lines.extend_from_slice(unreadable);
                lines.push(b'\n');
            }
            // A file that is large by what cannot be read stays so.
            if is_resolved || lines.len() < before.len() / 2 {
                lines.extend_from_slice(line.as_bytes());
                writer.replace(&path, &lines)?;
                return Ok(is_under_way(snapshot));
            }
        }
        writer.append(&path, &before, &line)?;
        Ok(is_under_way(snapshot))
    }
}

impl Journal for FileJournal {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        Ok(self.keep(snapshot)?)
    }

    fn stored(&self, start: &IntentId) -> Result<Option<Snapshot>, BoxError> {
        let Some(id) = EntryId::from_name(start.as_str()) else {
            return Ok(None);
        };
        let _lock = Lock::shared(self.folder(), WAIT, &self.0.waiting)?;
        let mut damage = Vec::new();
        let entry = states::entry(&self.path(&id), id, &mut damage);
        match (entry, damage.pop()) {
            (None, Some(damage)) => Err(JournalError::Damaged(damage).into()),
            (entry, _) => Ok(entry.map(|entry| entry.snapshot)),
        }
    }

    fn open_starts_on(&self, provider: &str, origin: &str) -> Result<OpenStarts, BoxError> {
        let listing = self.list()?;
        let is_here = |entry: &&Entry| {
            let at = &entry.snapshot;
            entry.id.is_start() && (at.provider(), at.origin()) == (provider, Some(origin))
        };
        let here = listing.entries.iter().filter(is_here);
        let known = here.filter_map(|entry| entry.snapshot.task().cloned());
        let known = known.collect();
        Ok(open::open_starts(listing, known, provider, origin))
    }
}

/// Returns the entry that a file is named after.
fn id_of(path: &Path) -> Option<EntryId> {
    EntryId::from_name(path.file_stem()?.to_str()?)
}
