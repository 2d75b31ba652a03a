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
}

impl FileJournal {
    /// Returns whether a folder has files of such a journal.
    pub(crate) fn is_in(folder: &Path) -> bool {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .map(|file| file.path())
            .any(|path| path.extension().is_some_and(|kind| kind == RECORDS))
    }

    /// Hands every entry over that no other process works on, and removes the files of which nothing is lost by that. Returns
    /// whether that was all of them.
    pub(crate) fn hand_over(
        &self,
        take: impl FnOnce(&[Handed]) -> Result<(), JournalError>,
    ) -> Result<bool, JournalError> {
        // Nothing is stored in between.
        let lock = self.lock()?;
        let (mut handed, mut over, mut is_all) = (Vec::new(), Vec::new(), true);
        for path in self.paths()? {
            let is_record = path.extension().is_some_and(|kind| kind == RECORDS);
            let Some(id) = id_of(&path).filter(|_| is_record) else {
                continue;
            };
            let claim = match FileClaim::take(&lock, self.folder(), &id) {
                Ok(claim) => claim,
                Err(JournalError::Claimed(_)) => {
                    is_all = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut damage = Vec::new();
            if let Some(entry) = states::entry(&path, id.clone(), &mut damage) {
                handed.push(Handed {
                    id,
                    at: entry.at,
                    text: serde_json::to_vec(&entry.snapshot)?,
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
        Ok(is_all)
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
