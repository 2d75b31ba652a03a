//! A journal in a SQLite database, for programs and services that follow many tasks.

mod claim;
mod database;
mod row;
mod tables;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use taskward_core::{BoxError, IntentId, Journal, OpenStarts, Snapshot, TaskId};

use self::claim::{Holder, JournalFile, RowClaim};
use self::database::Database;
use crate::claim::Claim;
use crate::entry::{Arrival, Entry, EntryId, Listing, is_under_way};
use crate::error::JournalError;
use crate::file::FileJournal;
use crate::open;
use crate::time::{millis, now};
use crate::waiting::Waiting;

/// How many entries are removed in one transaction: others write in between.
const PRUNED_AT_ONCE: usize = 500;

/// A journal that stores each task in a row of a table, in a file of SQLite's.
///
/// A state is on disk when [`record`](Journal::record) returns (write-ahead log, synchronous in full), and takes the place
/// of the state before. One that comes late takes the place of no newer one, as [`FileJournal`](crate::FileJournal) says.
/// What cannot be read is reported as [`Damage`](crate::Damage) and stays where it is.
///
/// Storing, finding and listing the newest or the open ones cost the same with ten entries and with a hundred thousand:
/// each goes through an index. Readers wait for nobody. A writer waits for another one, for ten seconds at most; each
/// writes for a moment only.
///
/// Several processes may share the file. The process that makes a start claims it, until its outcome is known or the process
/// ends, so that no other process searches for its task, or repeats it, at the same time. Clones share the connection and
/// the claims. The file system must support locks: a folder on a network often does not.
#[derive(Clone, Debug)]
pub struct SqliteJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The starts that this process makes. They end before what they are written with.
    claims: Mutex<HashMap<EntryId, RowClaim>>,
    file: Arc<JournalFile>,
}

impl SqliteJournal {
    /// Opens the journal in this file, and creates the file and its folder when they do not exist.
    ///
    /// # Errors
    /// When it cannot be opened, or is of a newer version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Self::opened(path.into(), Waiting::default())
    }

    /// Opens the journal like [`open`](Self::open), and calls `reported` with the file's path for each wait for another writer
    /// that lasts longer than a second.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_reporting_waits(
        path: impl Into<PathBuf>,
        reported: impl Fn(&Path) + Send + Sync + 'static,
    ) -> Result<Self, JournalError> {
        Self::opened(path.into(), Waiting::new(reported))
    }

    fn opened(path: PathBuf, waiting: Waiting) -> Result<Self, JournalError> {
        Ok(Self::of(Database::open(path, waiting)?))
    }

    /// Opens a journal that exists, to read it; neither the file nor its folder need be writable.
    ///
    /// # Errors
    /// When the file does not exist, cannot be read, or is not of this version.
    pub fn open_to_read(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Ok(Self::of(Database::open_to_read(path.into())?))
    }

    fn of(database: Database) -> Self {
        let holder = Holder::new(database.path());
        Self(Arc::new(Inner {
            claims: Mutex::default(),
            file: Arc::new(JournalFile { database, holder }),
        }))
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database().path()
    }

    /// Returns all tasks, as they were last stored, the one stored last first.
    ///
    /// # Errors
    /// When the database cannot be read; a row that cannot be read is reported as [`Damage`](crate::Damage).
    pub fn list(&self) -> Result<Listing, JournalError> {
        self.select("ORDER BY at DESC, id", params![])
    }

    /// Returns the entries that were stored last, at most so many, the last one first.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn newest(&self, most: usize) -> Result<Listing, JournalError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.select("ORDER BY at DESC, id LIMIT ?1", params![most])
    }

    /// Returns the starts that may or may not have created a task ([`Entry::is_open`]), the one stored last first. One that
    /// cannot be read is among the damage.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn open_starts(&self) -> Result<Listing, JournalError> {
        self.select("WHERE is_open = 1 ORDER BY at DESC, id", params![])
    }

    /// Returns what is stored of the tasks of this id, on whatever server: the one stored last first.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn of_task(&self, task: &TaskId) -> Result<Listing, JournalError> {
        self.select(
            "WHERE task = ?1 ORDER BY at DESC, id",
            params![task.as_str()],
        )
    }

    /// Returns the ids of the tasks that were started on this server.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn started_on(&self, provider: &str, origin: &str) -> Result<Vec<TaskId>, JournalError> {
        self.database().read(|connection| {
            let mut query = connection.prepare(
                "SELECT task FROM tasks WHERE provider = ?1 AND origin = ?2 AND is_start = 1 AND task IS NOT NULL",
            )?;
            let names = query.query_map(params![provider, origin], |row| row.get::<_, String>(0))?;
            let names = names.collect::<Result<Vec<_>, _>>()?;
            Ok(names.into_iter().map(TaskId::new).collect())
        })
    }

    /// Returns how many entries there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self) -> Result<usize, JournalError> {
        self.database().read(|connection| {
            let count: i64 =
                connection.query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or_default())
        })
    }

    /// Returns the one entry whose id is this or begins with it.
    ///
    /// # Errors
    /// When there is none, several are, or it cannot be read.
    pub fn find(&self, id: &str) -> Result<Entry, JournalError> {
        // No id has a character beyond `z`, so that this is every name that begins with it.
        let found = self.select(
            "WHERE id = ?1 OR (id > ?1 AND id < ?1 || '~') ORDER BY id LIMIT 2",
            params![id],
        )?;
        let Listing { entries, damage } = found;
        let entries = entries
            .into_iter()
            .map(|entry| (entry.id.clone(), Ok(entry)));
        let damage = damage
            .into_iter()
            .filter_map(|damage| Some((damage.entry.clone()?, Err(JournalError::Damaged(damage)))));
        let mut found: Vec<_> = entries.chain(damage).collect();
        if let Some(exact) = found.iter().position(|(name, _)| name.as_str() == id) {
            return found.swap_remove(exact).1;
        }
        match (found.pop(), found.len()) {
            (Some((_, one)), 0) => one,
            (Some(_), _) => Err(JournalError::Ambiguous(id.to_owned())),
            (None, _) => Err(JournalError::NoEntry(id.to_owned())),
        }
    }

    /// Claims an entry: until the claim is dropped, no other process repeats its start or searches for its task.
    ///
    /// # Errors
    /// When another process has claimed it, or the database cannot be written.
    pub fn claim(&self, id: &EntryId) -> Result<Claim, JournalError> {
        self.write(|change| claim::take(change, self.holder(), id, false))?;
        Ok(Claim::new(RowClaim::new(&self.0.file, id)))
    }

    /// Returns whether the process that has claimed an entry makes its start for the first time; any other one recovers a
    /// start that was made before. Only for an entry that [`claim`](Self::claim) refuses.
    #[must_use]
    pub fn is_being_made(&self, id: &EntryId) -> bool {
        let made = self.database().read(|connection| {
            let query = "SELECT holder, is_maker FROM claims WHERE entry = ?1";
            let found = connection.query_row(query, params![id.as_str()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))
            });
            Ok(found.optional()?)
        });
        // What cannot be read is taken for the worse: its holder may be about to start it.
        made.map_or(true, |found| {
            found.is_some_and(|(holder, is_maker)| is_maker && self.holder().is_alive(&holder))
        })
    }

    /// Removes an entry, whether it can be read or not: nobody will be able to find out the outcome of its start.
    ///
    /// # Errors
    /// When there is none, it cannot be removed, or another process is at work on it.
    pub fn remove(&self, id: &EntryId) -> Result<(), JournalError> {
        self.write(|change| {
            if claim::living(change, self.holder(), id)?.is_some() {
                return Err(JournalError::Claimed(id.clone()));
            }
            change.execute("DELETE FROM claims WHERE entry = ?1", params![id.as_str()])?;
            let removed =
                change.execute("DELETE FROM tasks WHERE id = ?1", params![id.as_str()])?;
            match removed {
                0 => Err(JournalError::NoEntry(id.to_string())),
                _ => Ok(()),
            }
        })
    }

    /// Removes the entries that nobody needs: those not stored for `age` whose task is known, over, or was never created,
    /// beyond the `least` newest. An entry stays if it is open, has an answer on its way, or is claimed by a process. What
    /// killed processes left behind is removed, too. Returns how many entries were removed.
    ///
    /// It is done in small steps, so that nobody waits for it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn prune(&self, age: Duration, least: usize) -> Result<usize, JournalError> {
        let oldest = i64::try_from(now().as_millis().saturating_sub(millis(age)));
        let (oldest, least) = (
            oldest.unwrap_or(i64::MAX),
            i64::try_from(least).unwrap_or(i64::MAX),
        );
        self.write(|change| claim::sweep(change, self.holder()))?;
        let mut removed = 0;
        loop {
            let some = self.write(|change| {
                // Whoever is dead was swept: a claim that is left is held.
                let delete = "DELETE FROM tasks WHERE id IN (
                    SELECT id FROM tasks WHERE is_unsettled = 0 AND at <= ?1
                        AND at < (SELECT coalesce(min(at), ?1 + 1) FROM (SELECT at FROM tasks ORDER BY at DESC LIMIT ?2))
                        AND id NOT IN (SELECT entry FROM claims)
                    LIMIT ?3)";
                Ok(change.execute(delete, params![oldest, least, PRUNED_AT_ONCE as i64])?)
            })?;
            removed += some;
            if some < PRUNED_AT_ONCE {
                return Ok(removed);
            }
        }
    }

    /// Prunes like [`prune`](Self::prune), unless that was done within the last `pause`, by whomever.
    ///
    /// # Errors
    /// As [`prune`](Self::prune).
    pub fn prune_at_most_every(
        &self,
        pause: Duration,
        age: Duration,
        least: usize,
    ) -> Result<usize, JournalError> {
        let now = now();
        let is_due = |connection: &Connection| {
            let last = tables::pruned_at(connection)?;
            Ok(last.is_none_or(|last| now.since(last) >= pause))
        };
        // Mostly it is not, and nobody needs to wait for the answer.
        if !self.database().read(is_due)? {
            return Ok(0);
        }
        let begins = self.write(|change| {
            let begins = is_due(change)?;
            if begins {
                tables::prune_began(change, now)?;
            }
            Ok(begins)
        })?;
        match begins {
            true => self.prune(age, least),
            false => Ok(0),
        }
    }

    /// Takes over what a [`FileJournal`] stores in this folder, with its names and times. Files are removed but for those in
    /// which something cannot be read: these are taken over once, and stay. An entry that another process works on is left
    /// to the next call, and so is what a program that has the files writes later. Returns how many entries were taken over.
    ///
    /// # Errors
    /// When a file cannot be read or removed, or the database cannot be written.
    pub fn take_over(&self, folder: &Path) -> Result<usize, JournalError> {
        let mut names = FileJournal::names_in(folder);
        if names.is_empty() {
            return Ok(0);
        }
        let left = self.database().read(tables::left_files)?;
        names.retain(|name| !left.contains(name.as_str()));
        let mut taken = 0;
        if !names.is_empty() {
            FileJournal::open(folder)?.hand_over(names, |handed| {
                self.write(|change| {
                    for one in handed {
                        taken += row::take_over(change, one)?;
                        if !one.is_whole {
                            tables::leave_file(change, one.id.as_str(), now())?;
                        }
                    }
                    Ok(())
                })
            })?;
        }
        Ok(taken)
    }

    /// Stores a start with the task that a human has said it created ([`Snapshot::adopting`]), unless another start has that
    /// task: two humans may decide at once.
    ///
    /// # Errors
    /// When another start has the task, or the database cannot be written.
    pub fn adopt(&self, adopted: &Snapshot) -> Result<(), JournalError> {
        self.keep_if(adopted, |change| match row::other_start(change, adopted)? {
            Some(other) => Err(JournalError::TaskOfAnother(other)),
            None => Ok(()),
        })
    }

    fn keep(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.keep_if(snapshot, |_| Ok(()))
    }

    fn keep_if(
        &self,
        snapshot: &Snapshot,
        allowed: impl FnOnce(&Transaction<'_>) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let id = EntryId::of(snapshot);
        let mut claims = self.claims();
        let holds = claims.contains_key(&id);
        let goes_on = self.write(|change| {
            allowed(change)?;
            let before = row::stored(change, &id)?;
            if is_under_way(snapshot) && !holds {
                claim::take(change, self.holder(), &id, before.is_none())?;
            }
            // What cannot be read is no newer state.
            let before: Option<Snapshot> =
                before.and_then(|before| serde_json::from_slice(&before).ok());
            let arrival = before
                .as_ref()
                .map_or(Arrival::Replaces, |before| Arrival::of(snapshot, before));
            let goes_on = match arrival {
                Arrival::Replaces => {
                    row::store(change, &id, snapshot)?;
                    is_under_way(snapshot)
                }
                Arrival::IsOlder => before.as_ref().is_some_and(is_under_way),
                Arrival::IsOfAnotherStart => return Err(JournalError::AnotherStart(id.clone())),
            };
            if !goes_on && (holds || is_under_way(snapshot)) {
                claim::release(change, self.holder(), &id)?;
            }
            Ok(goes_on)
        })?;
        // The transaction is on disk: what it says of the claim holds.
        if !goes_on {
            if let Some(over) = claims.remove(&id) {
                over.was_released();
            }
        } else if !holds {
            let claim = RowClaim::new(&self.0.file, &id);
            claims.insert(id, claim);
        }
        Ok(())
    }

    fn select(&self, rest: &str, params: impl rusqlite::Params) -> Result<Listing, JournalError> {
        self.database()
            .read(|connection| row::select(connection, rest, params))
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.database().write(work)
    }

    fn database(&self) -> &Database {
        &self.0.file.database
    }

    fn holder(&self) -> &Holder {
        &self.0.file.holder
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<EntryId, RowClaim>> {
        // Plain data: a panic leaves nothing half-written.
        self.0.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for SqliteJournal {
    fn record(&self, snapshot: &Snapshot) -> Result<(), BoxError> {
        Ok(self.keep(snapshot)?)
    }

    fn stored(&self, start: &IntentId) -> Result<Option<Snapshot>, BoxError> {
        let Listing {
            mut entries,
            mut damage,
        } = self.select("WHERE id = ?1", params![start.as_str()])?;
        match damage.pop() {
            Some(damage) => Err(JournalError::Damaged(damage).into()),
            None => Ok(entries.pop().map(|entry| entry.snapshot)),
        }
    }

    fn open_starts_on(&self, provider: &str, origin: &str) -> Result<OpenStarts, BoxError> {
        let known = self.started_on(provider, origin)?;
        let listing = self.open_starts()?;
        Ok(open::open_starts(listing, known, provider, origin))
    }
}
