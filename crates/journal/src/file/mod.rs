//! A journal of files: a folder, and in it a file for each task.

mod claim;
mod lock;
mod record;
mod states;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use taskward_core::{BoxError, Journal, Snapshot};

pub use self::claim::Claim;
use self::lock::{Lock, WAIT, Waiting};
use self::states::Writer;
use crate::entry::{Damage, Entry, EntryId, Listing, is_unsettled, outlives};
use crate::error::{JournalError, failed};
use crate::time::{millis, now};

/// A file is written anew once it is larger.
const MAX_FILE: usize = 1024 * 1024;

const RECORDS: &str = "jsonl";

/// Keeps each task in a file of its own, in one folder.
///
/// A file holds a line for each state, with a checksum: a line that was cut by a crash is passed over, and the one before
/// it counts. A state is on disk (`fsync`) when [`record`](Journal::record) returns. What repeats a
/// start under its key is written over as soon as the task's id is on disk; what starts the same as a new task stays
/// ([`Snapshot::start_again`]: its text, and of files the path, size and digest). Folder and files are readable by their
/// owner only.
///
/// A state that comes late takes the place of no newer one: of two states of one start, that with the task's id counts,
/// and then the one of the higher revision. The other one is passed over without an error. Go on with a start from the
/// state that the journal holds, not from an older one of your own. A task that was started elsewhere has no start: each
/// watch of it counts anew, and the state that was kept last counts.
///
/// What cannot be read is told as [`Damage`] and left where it is: lines that were damaged or written by a newer version,
/// files that are empty, are none, or hold another entry's states.
///
/// A start whose outcome is unknown is claimed by the process that makes it, until it is known or the process ends, so
/// that nobody else looks for it, or repeats it, at the same time. Clones share their claims.
///
/// Whoever writes waits for the folder's lock (the file `lock`), for ten seconds at most.
///
/// Services that follow hundreds of tasks keep them in a database instead.
#[derive(Clone, Debug)]
pub struct FileJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    waiting: Waiting,
    claims: Mutex<HashMap<EntryId, Claim>>,
    writer: Writer,
}

impl FileJournal {
    /// The journal in this folder, which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Self::opened(folder.into(), Waiting::default())
    }

    /// The same, and `told` hears of each wait for the folder's lock that lasts longer than a second, with the lock's
    /// path.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_telling(
        folder: impl Into<PathBuf>,
        told: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Result<Self, JournalError> {
        Self::opened(folder.into(), Waiting(Some(Arc::new(told))))
    }

    fn opened(folder: PathBuf, waiting: Waiting) -> Result<Self, JournalError> {
        make_folder(&folder).map_err(|e| failed("make the folder", &folder, e))?;
        // Whether it can be written to is found out now, not when the first id is to be kept.
        drop(Lock::exclusive(&folder, WAIT, &waiting)?);
        Ok(Self::of(folder, waiting))
    }

    /// The journal in this folder, to look into: it need not be possible to write there.
    ///
    /// # Errors
    /// When the folder is not there, or cannot be read.
    pub fn open_to_read(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Self::opened_to_read(folder.into(), Waiting::default())
    }

    /// The same, and `told` hears of waits as [`open_telling`](Self::open_telling) says.
    ///
    /// # Errors
    /// As [`open_to_read`](Self::open_to_read).
    pub fn open_to_read_telling(
        folder: impl Into<PathBuf>,
        told: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Result<Self, JournalError> {
        Self::opened_to_read(folder.into(), Waiting(Some(Arc::new(told))))
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

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// All tasks, as they were last kept.
    ///
    /// # Errors
    /// When the folder cannot be read, or another process keeps its lock; a file that cannot be read is told as
    /// [`Damage`].
    pub fn list(&self) -> Result<Listing, JournalError> {
        let _lock = Lock::shared(self.folder(), WAIT, &self.0.waiting)?;
        self.read()
    }

    /// The one entry whose id is this or begins with it.
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
                // The first line that is wrong stands for all.
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

    /// Claims an entry: until the claim is dropped, no other process repeats its start or looks for it.
    ///
    /// # Errors
    /// When another process holds it, or the folder cannot be written to.
    pub fn claim(&self, id: &EntryId) -> Result<Claim, JournalError> {
        let lock = self.lock()?;
        Claim::take(&lock, self.folder(), id)
    }

    /// Whether the process that has claimed an entry makes its start for the first time. Any other one finds out what
    /// became of a start that was made before. Only of an entry that [`claim`](Self::claim) cannot have: of one that
    /// nobody holds, the last holder is told.
    #[must_use]
    pub fn is_being_made(&self, id: &EntryId) -> bool {
        Claim::is_of_maker(self.folder(), id)
    }

    /// Removes an entry, whatever it is, or what is in its place and cannot be read: nobody will be able to find out what
    /// became of it.
    ///
    /// # Errors
    /// When it cannot be removed, or another process is at work on it.
    pub fn remove(&self, id: &EntryId) -> Result<(), JournalError> {
        let lock = self.lock()?;
        let claim = Claim::take(&lock, self.folder(), id)?;
        let removed = self.discard(id);
        claim.release(&lock);
        removed
    }

    /// Removes the entries that nobody needs: those not kept for `age` whose task is known, over, or was never made,
    /// beyond the `least` newest. One stays that is open, has an answer under way, cannot be read in every line, or is
    /// being worked on by a process. What processes left behind that were killed goes, too. Gives how many entries.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file cannot be removed.
    pub fn prune(&self, age: Duration, least: usize) -> Result<usize, JournalError> {
        let folder = self.folder();
        let lock = self.lock()?;
        // Read under the lock that it is removed under: nothing is kept in between.
        let Listing { entries, damage } = self.read()?;
        let oldest = now().as_millis().saturating_sub(millis(age));
        let mut removed = 0;
        for entry in entries.into_iter().skip(least) {
            let path = self.path(&entry.id);
            let is_damaged = damage.iter().any(|damage| damage.path == path);
            if entry.at.as_millis() > oldest || is_unsettled(&entry.snapshot) || is_damaged {
                continue;
            }
            let claim = match Claim::take(&lock, folder, &entry.id) {
                Ok(claim) => claim,
                Err(JournalError::Claimed(_)) => continue,
                Err(error) => return Err(error),
            };
            let discarded = self.discard(&entry.id);
            claim.release(&lock);
            discarded?;
            removed += 1;
        }
        self.sweep(&lock)?;
        Ok(removed)
    }

    /// Removes what a process that was killed left behind: under the folder's lock nobody writes a file, and only a claim
    /// that somebody holds is locked.
    fn sweep(&self, lock: &Lock) -> Result<(), JournalError> {
        for path in self.paths()? {
            match path.extension().and_then(|kind| kind.to_str()) {
                // It was not written to the end; one that stays is written over.
                Some(states::FRESH) => drop(fs::remove_file(path)),
                Some(claim::KIND) => {
                    if let Some(id) = id_of(&path)
                        && let Ok(claim) = Claim::take(lock, self.folder(), &id)
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

    /// Everything in the folder.
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

    /// The files of the folder, by name.
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

    fn discard(&self, id: &EntryId) -> Result<(), JournalError> {
        let path = self.path(id);
        let removed = if path.is_dir() {
            fs::remove_dir(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(|e| failed("remove", &path, e))
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<EntryId, Claim>> {
        // Plain data: nothing is left half-written by a panic.
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        let id = EntryId::of(snapshot);
        let lock = self.lock()?;
        let mut claims = self.claims();
        let fresh = if is_under_way(snapshot) && !claims.contains_key(&id) {
            Some(Claim::take(&lock, self.folder(), &id)?)
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
                // Nothing is sent of a start that is not kept.
                if let Some(claim) = fresh {
                    claim.release(&lock);
                }
                Err(error)
            }
        }
    }

    /// Writes a state down, unless a newer one is kept. Gives whether the start is under way by the one that counts.
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
        if let Some(last) = last.as_ref().filter(|last| outlives(last, snapshot)) {
            return Ok(is_under_way(last));
        }
        // What a start was made of is not kept beyond it.
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
}

/// Whether a start may be made from this state on, so that nobody else may.
fn is_under_way(snapshot: &Snapshot) -> bool {
    snapshot.is_unknown() && !snapshot.is_ended()
}

/// The entry that a file is named after.
fn id_of(path: &Path) -> Option<EntryId> {
    EntryId::from_name(path.file_stem()?.to_str()?)
}

/// Makes a file that only its owner may read, when it is not there.
#[cfg(feature = "sqlite")]
pub(crate) fn touch(path: &Path) -> Result<(), JournalError> {
    let made = lock::open(path, lock::options().append(true).create(true));
    made.map(drop).map_err(|e| failed("open", path, e))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
