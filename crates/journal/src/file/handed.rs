//! What a journal of files hands over to a database.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use taskward_core::Timestamp;

use super::{FileClaim, FileJournal, RECORDS, id_of, states};
use crate::entry::EntryId;
use crate::error::{JournalError, failed};
use crate::time::millis;

/// An entry as a database stores it.
pub(crate) struct Handed {
    pub(crate) id: EntryId,
    pub(crate) at: Timestamp,
    /// The snapshot as JSON, or what stands in its place and cannot be read.
    pub(crate) text: Vec<u8>,
    /// Whether nothing else is in its file, which is removed then.
    pub(crate) is_whole: bool,
}

impl FileJournal {
    /// Returns the names of the entries that a folder has files of.
    pub(crate) fn names_in(folder: &Path) -> Vec<EntryId> {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = files.map(|file| file.path());
        let records = paths.filter(|path| path.extension().is_some_and(|kind| kind == RECORDS));
        records.filter_map(|path| id_of(&path)).collect()
    }

    /// Hands these entries over, but for those that another process works on, and removes the files of which nothing is lost
    /// by that.
    pub(crate) fn hand_over(
        &self,
        names: Vec<EntryId>,
        take: impl FnOnce(&[Handed]) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        // Nothing is stored in between.
        let lock = self.lock()?;
        let (mut handed, mut over) = (Vec::new(), Vec::new());
        for id in names {
            let path = self.path(&id);
            let claim = match FileClaim::take(&lock, self.folder(), &id) {
                Ok(claim) => claim,
                Err(JournalError::Claimed(_)) => continue,
                Err(error) => return Err(error),
            };
            let mut damage = Vec::new();
            if let Some(entry) = states::entry(&path, id.clone(), &mut damage) {
                handed.push(Handed {
                    id,
                    at: entry.at,
                    text: serde_json::to_vec(&entry.snapshot)?,
                    is_whole: damage.is_empty(),
                });
            } else if !damage.is_empty() {
                let changed = fs::metadata(&path).and_then(|found| found.modified());
                let changed = changed
                    .ok()
                    .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                handed.push(Handed {
                    id,
                    at: Timestamp::from_millis(changed.map_or(0, millis)),
                    text: states::bytes(&path).map_or_else(|_| Vec::new(), |text| last_json(&text)),
                    is_whole: false,
                });
            }
            over.push((claim, path, damage.is_empty()));
        }
        take(&handed)?;
        for (claim, path, is_whole) in over {
            // What cannot be read stays for the program that wrote it.
            let removed = if is_whole {
                fs::remove_file(&path)
            } else {
                Ok(())
            };
            claim.release(&lock);
            removed.map_err(|e| failed("remove", &path, e))?;
        }
        Ok(())
    }
}

/// Returns the last line that holds anything, without its checksum.
fn last_json(text: &[u8]) -> Vec<u8> {
    let mut lines = text.split(|byte| *byte == b'\n').rev();
    let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let start = last
        .iter()
        .position(|byte| *byte == b'{')
        .unwrap_or_default();
    last[start..].to_vec()
}
