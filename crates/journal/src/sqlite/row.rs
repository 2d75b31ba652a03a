//! The row of an entry.

use rusqlite::{Connection, OptionalExtension as _, Params, Row, Transaction, params};
use taskward_core::{Snapshot, Timestamp};

use crate::entry::{
    Arrival, Damage, Entry, EntryId, Listing, check_version, is_open, is_unsettled,
};
use crate::error::JournalError;
use crate::file::Handed;
use crate::time::now;

/// Reads the rows that a query's end selects.
pub(super) fn select(
    connection: &Connection,
    rest: &str,
    params: impl Params,
) -> Result<Listing, JournalError> {
    let mut query = connection.prepare(&format!("SELECT id, at, snapshot FROM tasks {rest}"))?;
    let mut rows = query.query(params)?;
    let mut listing = Listing::default();
    while let Some(row) = rows.next()? {
        match entry(row)? {
            Ok(entry) => listing.entries.push(entry),
            Err(unreadable) => listing.damage.push(unreadable.of(connection)),
        }
    }
    Ok(listing)
}

/// Returns what stands in an entry's place, readable or not.
pub(super) fn stored(
    connection: &Connection,
    id: &EntryId,
) -> Result<Option<Vec<u8>>, JournalError> {
    let query = "SELECT snapshot FROM tasks WHERE id = ?1";
    let found = connection.query_row(query, params![id.as_str()], |row| {
        Ok(row.get_ref(0)?.as_bytes().unwrap_or_default().to_vec())
    });
    Ok(found.optional()?)
}

/// Returns the other start that has the task of this one.
pub(super) fn other_start(
    change: &Transaction<'_>,
    adopted: &Snapshot,
) -> Result<Option<EntryId>, JournalError> {
    let query = "SELECT id FROM tasks
        WHERE is_start = 1 AND provider = ?1 AND origin IS ?2 AND task = ?3 AND id <> ?4";
    let (task, own) = (
        adopted.task().map(|task| task.as_str()),
        EntryId::of(adopted),
    );
    let params = params![adopted.provider(), adopted.origin(), task, own.as_str()];
    let found = change.query_row(query, params, |row| row.get::<_, String>(0));
    Ok(found.optional()?.and_then(|name| EntryId::from_name(&name)))
}

/// Stores a snapshot in the place of what is there.
pub(super) fn store(
    change: &Transaction<'_>,
    id: &EntryId,
    snapshot: &Snapshot,
) -> Result<(), JournalError> {
    let text = serde_json::to_string(snapshot)?;
    write(change, id.as_str(), now(), Some(snapshot), &text)
}

/// Stores what a journal of files hands over, unless what is there is newer or of another start. Returns how many rows that
/// were.
pub(super) fn take_over(change: &Transaction<'_>, handed: &Handed) -> Result<usize, JournalError> {
    let Handed { id, at, text, .. } = handed;
    let arrived: Option<Snapshot> = serde_json::from_slice(text).ok();
    let before = stored(change, id)?;
    let stays = match (&before, &arrived) {
        (None, _) => false,
        (Some(before), Some(arrived)) => serde_json::from_slice(before)
            .is_ok_and(|before: Snapshot| Arrival::of(arrived, &before) != Arrival::Replaces),
        (Some(_), None) => true,
    };
    if stays {
        return Ok(0);
    }
    insert(change, id.as_str(), *at, text)?;
    Ok(1)
}

/// Stores what an earlier journal stored under this name at this time, readable or not.
pub(super) fn insert(
    change: &Transaction<'_>,
    name: &str,
    at: Timestamp,
    text: &[u8],
) -> Result<(), JournalError> {
    let snapshot: Option<Snapshot> = serde_json::from_slice(text).ok();
    write(
        change,
        name,
        at,
        snapshot.as_ref(),
        &String::from_utf8_lossy(text),
    )
}

fn write(
    change: &Transaction<'_>,
    name: &str,
    at: Timestamp,
    snapshot: Option<&Snapshot>,
    text: &str,
) -> Result<(), JournalError> {
    let at = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let is_start = EntryId::from_name(name).is_none_or(|id| id.is_start());
    let mut insert = change.prepare(
        "INSERT OR REPLACE INTO tasks
            (id, at, is_open, is_unsettled, is_start, provider, origin, task, snapshot)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        name,
        at,
        // One that cannot be read may be the start of a task.
        snapshot.map_or(is_start, is_open),
        snapshot.is_none_or(is_unsettled),
        is_start,
        snapshot.map(Snapshot::provider),
        snapshot.and_then(Snapshot::origin),
        snapshot.and_then(|snapshot| Some(snapshot.task()?.as_str())),
        text,
    ])?;
    Ok(())
}

/// A row that cannot be read.
struct Unreadable {
    name: String,
    why: String,
}

impl Unreadable {
    fn of(self, connection: &Connection) -> Damage {
        Damage {
            path: connection.path().unwrap_or_default().into(),
            line: 0,
            why: format!("the row {:?}: {}", self.name, self.why),
            entry: EntryId::from_name(&self.name),
        }
    }
}

/// Reads a row as an entry, or returns what is wrong with it.
fn entry(row: &Row<'_>) -> rusqlite::Result<Result<Entry, Unreadable>> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes()?);
    let (name, snapshot) = (String::from_utf8_lossy(text(0)?), text(2)?);
    let at = Timestamp::from_millis(row.get::<_, i64>(1)?.unsigned_abs());
    let read = || {
        check_version(snapshot)?;
        let snapshot: Snapshot = serde_json::from_slice(snapshot).map_err(|e| e.to_string())?;
        let id = EntryId::named(&name, &snapshot)?;
        Ok(Entry { id, at, snapshot })
    };
    Ok(read().map_err(|why| Unreadable {
        name: name.to_string(),
        why,
    }))
}
