//! The tables, and what of an older version becomes of them.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use taskward_core::Timestamp;

use super::row;
use crate::error::JournalError;

/// The version of the tables.
const VERSION: i64 = 2;

/// `is_open`: a start that may or may not have created a task. `is_unsettled`: it must not be pruned. `is_start`: it was
/// started here. The other columns repeat what the snapshot says, for the indexes.
const TABLES: &str = "CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    is_open INTEGER NOT NULL,
    is_unsettled INTEGER NOT NULL,
    is_start INTEGER NOT NULL,
    provider TEXT,
    origin TEXT,
    task TEXT,
    snapshot TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_by_time ON tasks (at DESC, id);
CREATE INDEX tasks_open ON tasks (at DESC, id) WHERE is_open = 1;
CREATE INDEX tasks_by_id ON tasks (task);
CREATE INDEX tasks_started ON tasks (provider, origin, task) WHERE is_start = 1;
CREATE TABLE claims (
    entry TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    is_maker INTEGER NOT NULL
) STRICT;
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;";

/// Makes the tables, or brings those of an older version to this one.
pub(super) fn bring_up(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have done it meanwhile.
    match version(&change)? {
        0 => change.execute_batch(TABLES)?,
        1 => from_first(&change)?,
        VERSION => return Ok(()),
        version => return Err(newer(path, version)),
    }
    change.pragma_update(None, "user_version", VERSION)?;
    Ok(change.commit()?)
}

/// Checks that the tables are of this version.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    match version(connection)? {
        VERSION => Ok(()),
        version if version > VERSION => Err(newer(path, version)),
        // Opening it to write makes them.
        _ => Err(rusqlite::Error::QueryReturnedNoRows.into()),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn newer(path: &Path, version: i64) -> JournalError {
    JournalError::Newer {
        path: path.to_owned(),
        version,
    }
}

/// The first version had one table, without what the indexes need.
fn from_first(change: &Transaction<'_>) -> Result<(), JournalError> {
    change.execute_batch("ALTER TABLE tasks RENAME TO first_tasks; DROP INDEX tasks_by_time;")?;
    change.execute_batch(TABLES)?;
    {
        let mut query = change.prepare("SELECT id, at, snapshot FROM first_tasks")?;
        let mut rows = query.query([])?;
        while let Some(found) = rows.next()? {
            let (id, at): (String, i64) = (found.get(0)?, found.get(1)?);
            let at = Timestamp::from_millis(at.unsigned_abs());
            row::insert(
                change,
                &id,
                at,
                found.get_ref(2)?.as_bytes().unwrap_or_default(),
            )?;
        }
    }
    change.execute_batch("DROP TABLE first_tasks;")?;
    Ok(())
}

/// When pruning began last.
const PRUNED_AT: &str = "pruned_at";

/// The prefix of the names of files that were taken over and stay, since something in them cannot be read.
const LEFT: &str = "left:";

/// Returns when pruning began last; `None` if it never did.
pub(super) fn pruned_at(connection: &Connection) -> Result<Option<Timestamp>, JournalError> {
    let query = "SELECT value FROM facts WHERE name = ?1";
    let value = connection.query_row(query, params![PRUNED_AT], |row| row.get::<_, i64>(0));
    let value = value.optional()?;
    Ok(value.map(|value| Timestamp::from_millis(value.unsigned_abs())))
}

/// Stores that pruning begins.
pub(super) fn prune_began(change: &Transaction<'_>, now: Timestamp) -> Result<(), JournalError> {
    store(change, PRUNED_AT, now)
}

/// Returns the entries whose files were taken over and stay.
pub(super) fn left_files(connection: &Connection) -> Result<HashSet<String>, JournalError> {
    let mut query = connection.prepare("SELECT name FROM facts WHERE name >= ?1 AND name < ?2")?;
    let names = query.query_map(params![LEFT, "left;"], |row| row.get::<_, String>(0))?;
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let names = names.iter().filter_map(|name| name.strip_prefix(LEFT));
    Ok(names.map(str::to_owned).collect())
}

/// Stores that the file of an entry was taken over and stays.
pub(super) fn leave_file(
    change: &Transaction<'_>,
    entry: &str,
    now: Timestamp,
) -> Result<(), JournalError> {
    store(change, &format!("{LEFT}{entry}"), now)
}

/// Stores that something happens now.
fn store(change: &Transaction<'_>, name: &str, now: Timestamp) -> Result<(), JournalError> {
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let store = "INSERT OR REPLACE INTO facts (name, value) VALUES (?1, ?2)";
    change.execute(store, params![name, now])?;
    Ok(())
}
