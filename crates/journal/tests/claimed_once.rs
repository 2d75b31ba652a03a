//! Of many processes that want an entry at once, one has it: in either journal.
#![allow(missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};

use taskward_core::{Journal, Snapshot};
use taskward_journal::{Claim, EntryId, FileJournal, JournalError};

/// Each process opens the journal by itself.
fn of_many_who_want_a_claim_one_has_it<J: Journal>(
    open: impl Fn() -> J + Sync,
    claim: impl Fn(&J, &EntryId) -> Result<Claim, JournalError> + Sync,
) {
    let text = r#"{"v":2,"provider":"toy","intent":"5ec2e7","task":"t1","saved_at":1}"#;
    let started: Snapshot = serde_json::from_str(text).expect("a snapshot");
    open().record(&started).expect("kept");
    let id = EntryId::of(&started);
    let (held, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let process = open();
                for _ in 0..20 {
                    let Ok(claim) = claim(&process, &id) else {
                        continue;
                    };
                    taken.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(held.fetch_add(1, Ordering::SeqCst), 0, "held twice");
                    std::thread::yield_now();
                    held.fetch_sub(1, Ordering::SeqCst);
                    drop(claim);
                }
            });
        }
    });
    assert!(taken.into_inner() > 0);
}

/// Rows: G9.
#[test]
fn of_many_who_want_a_claim_in_files_at_once_one_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || FileJournal::open(folder.path()).expect("a journal");
    of_many_who_want_a_claim_one_has_it(open, FileJournal::claim);
}

/// Rows: G9.
#[cfg(feature = "sqlite")]
#[test]
fn of_many_who_want_a_claim_in_a_database_at_once_one_has_it() {
    use taskward_journal::SqliteJournal;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let open = || SqliteJournal::open(&path).expect("a journal");
    of_many_who_want_a_claim_one_has_it(open, SqliteJournal::claim);
}
