//! One line of a journal's file: a checksum, and a state of the task as JSON.

use serde::{Deserialize, Serialize};
use taskward_core::{Snapshot, Timestamp};

use crate::entry::{EntryId, check_version};

/// The version that is written: that of the snapshot in it, which says what it means.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    v: u32,
    pub(super) at: Timestamp,
    pub(super) snapshot: Snapshot,
}

/// Returns the line, its end included.
pub(super) fn write(snapshot: &Snapshot, at: Timestamp) -> serde_json::Result<String> {
    let record = Record {
        v: VERSION,
        at,
        snapshot: snapshot.clone(),
    };
    let json = serde_json::to_string(&record)?;
    Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())))
}

/// Reads a line of this entry's file without its end, or returns what is wrong with it.
pub(super) fn read(line: &[u8], id: &EntryId) -> Result<Record, String> {
    let damaged = || "it is damaged".to_owned();
    let (sum, json) = line.split_at_checked(9).ok_or_else(damaged)?;
    let sum = std::str::from_utf8(sum).ok().and_then(|sum| {
        let digits = sum.strip_suffix(' ')?;
        u32::from_str_radix(digits, 16).ok()
    });
    if sum != Some(crc32fast::hash(json)) {
        return Err(damaged());
    }
    check_version(json)?;
    let record: Record = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    EntryId::named(id.as_str(), &record.snapshot)?;
    Ok(record)
}
