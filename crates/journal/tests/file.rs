//! The journal of files: what it keeps, and what nothing can take from it.
#![allow(missing_docs)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use taskward_core::{Journal as _, Snapshot};
use taskward_journal::{EntryId, FileJournal, JournalError};
use tempfile::TempDir;

/// A start under a key, whose reply has not come.
const STARTING: &str = r#"{"v":1,"provider":"toy","origin":"https://toy.example","intent":"5ec2e7","saved_at":5,
    "start":{"intent":"5ec2e7","digest":"d1","begun_at":5,
             "request":{"method":"POST","target":"/start","headers":[["idempotency-key","k"]],
                        "body":[{"base64":"Ym9keQ=="}]}}}"#;
/// The same start, its task known.
const STARTED: &str = r#"{"v":1,"provider":"toy","origin":"https://toy.example","intent":"5ec2e7","task":"t1",
    "saved_at":6}"#;
/// A task that was only followed.
const FOLLOWED: &str = r#"{"v":1,"provider":"toy","task":"t/2","saved_at":7}"#;

fn snapshot(text: &str) -> Snapshot {
    serde_json::from_str(text).expect("a snapshot")
}

fn journal() -> (TempDir, FileJournal) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = FileJournal::open(folder.path().join("state/journal")).expect("a journal");
    (folder, journal)
}

fn file(journal: &FileJournal, id: &EntryId) -> PathBuf {
    journal.folder().join(format!("{id}.jsonl"))
}

fn keep(journal: &FileJournal, text: &str) -> EntryId {
    let snapshot = snapshot(text);
    journal.record(&snapshot).expect("it is kept");
    EntryId::of(&snapshot)
}

#[test]
fn the_last_state_of_each_task_is_kept_and_found_by_another_process() {
    let (_folder, journal) = journal();
    let started = keep(&journal, STARTING);
    assert_eq!(keep(&journal, STARTED), started);
    let followed = keep(&journal, FOLLOWED);
    let again = FileJournal::open(journal.folder()).expect("another process");
    let listing = again.list().expect("a listing");
    assert_eq!(listing.damage, []);
    let ids: Vec<_> = listing.entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.contains(&&started) && ids.contains(&&followed));
    assert_eq!(
        again.find("5ec").expect("a beginning is enough").snapshot,
        snapshot(STARTED)
    );
    assert!(matches!(again.find("nope"), Err(JournalError::NoEntry(_))));
    assert!(matches!(again.find(""), Err(JournalError::Ambiguous(_))));
}

#[test]
fn what_a_start_was_made_of_is_gone_once_its_task_is_known() {
    let (_folder, journal) = journal();
    let id = keep(&journal, STARTING);
    let path = file(&journal, &id);
    assert!(
        fs::read_to_string(&path)
            .expect("a file")
            .contains("Ym9keQ==")
    );
    keep(&journal, STARTED);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(
        !text.contains("Ym9keQ==") && text.lines().count() == 1,
        "{text}"
    );
}

/// Rows: G11.
#[test]
fn a_line_cut_at_any_byte_is_passed_over_and_the_one_before_counts() {
    let (_folder, journal) = journal();
    let id = keep(&journal, FOLLOWED);
    let path = file(&journal, &id);
    let first = fs::read(&path).expect("a file");
    let later = FOLLOWED.replace("\"saved_at\":7", "\"saved_at\":8");
    keep(&journal, &later);
    let whole = fs::read(&path).expect("a file");
    for cut in first.len()..whole.len() {
        fs::write(&path, &whole[..cut]).expect("a cut file");
        let listing = journal.list().expect("a listing");
        let complete = cut + 1 == whole.len();
        let expected = if complete { &later } else { FOLLOWED };
        assert_eq!(listing.entries[0].snapshot, snapshot(expected), "{cut}");
        assert_eq!(
            listing.damage.is_empty(),
            complete || cut == first.len(),
            "{cut}"
        );
        // The next one begins on a line of its own.
        keep(&journal, &later);
        let listing = journal.list().expect("a listing");
        assert_eq!(listing.entries[0].snapshot, snapshot(&later), "{cut}");
    }
}

/// Rows: G11.
#[test]
fn rubbish_and_newer_versions_are_told_and_left_where_they_are() {
    let (_folder, journal) = journal();
    let id = keep(&journal, FOLLOWED);
    let path = file(&journal, &id);
    let kept = fs::read_to_string(&path).expect("a file");
    let newer = r#"{"v":99,"at":1,"what":"else"}"#;
    let newer = format!("{:08x} {newer}\n", crc32fast::hash(newer.as_bytes()));
    let flipped = kept.replace("toy", "tov");
    let all = format!("{kept}not a record\n{newer}{flipped}\u{0}\u{0}\n");
    fs::write(&path, &all).expect("a file");
    fs::write(journal.folder().join("Ünknown.jsonl"), "x").expect("a file");
    let listing = journal.list().expect("a listing");
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].snapshot, snapshot(FOLLOWED));
    let told: Vec<String> = listing.damage.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(
        told.iter()
            .any(|line| line.contains("line 3") && line.contains("newer version"))
    );
    assert_eq!(fs::read_to_string(&path).expect("a file"), all);
}

/// Rows: G9.
#[test]
fn a_start_belongs_to_one_process_until_its_task_is_known() {
    let (_folder, journal) = journal();
    let other = FileJournal::open(journal.folder()).expect("another process");
    let id = keep(&journal, STARTING);
    assert!(matches!(other.claim(&id), Err(JournalError::Claimed(_))));
    let refused = other
        .record(&snapshot(STARTING))
        .expect_err("it is another's");
    assert!(refused.to_string().contains("another process"), "{refused}");
    keep(&journal, STARTED);
    drop(other.claim(&id).expect("it is free"));
    // A process that dies lets go, too.
    let third = FileJournal::open(journal.folder()).expect("a process");
    keep(&third, STARTING);
    drop(third);
    let claim = other.claim(&id).expect("its holder is gone");
    assert!(matches!(journal.claim(&id), Err(JournalError::Claimed(_))));
    drop(claim);
    let names: Vec<_> = fs::read_dir(journal.folder()).expect("a folder").collect();
    assert_eq!(names.len(), 2, "the lock and the entry: {names:?}");
}

#[test]
fn what_cannot_be_kept_is_an_error_that_names_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = folder.path().join("file");
    fs::write(&taken, "").expect("a file");
    let error = FileJournal::open(taken.join("journal")).expect_err("no folder can be there");
    assert!(error.to_string().contains("file/journal"), "{error}");
    let journal = FileJournal::open(folder.path().join("journal")).expect("a journal");
    let id = EntryId::of(&snapshot(FOLLOWED));
    fs::create_dir(file(&journal, &id)).expect("in the way");
    let error = journal
        .record(&snapshot(FOLLOWED))
        .expect_err("a folder is in the way");
    assert!(error.to_string().contains(id.as_str()), "{error}");
}

#[cfg(unix)]
#[test]
fn only_their_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, journal) = journal();
    let id = keep(&journal, FOLLOWED);
    let mode = |path: &std::path::Path| {
        let file = fs::metadata(path).expect("it is there");
        file.permissions().mode() & 0o777
    };
    assert_eq!(mode(&file(&journal, &id)), 0o600);
    assert_eq!(mode(journal.folder()), 0o700);
}

#[test]
fn old_entries_go_and_open_ones_stay() {
    let (_folder, journal) = journal();
    let open = keep(&journal, STARTING);
    for number in 0..5 {
        keep(&journal, &FOLLOWED.replace("t/2", &format!("t{number}")));
    }
    assert_eq!(
        journal.prune(Duration::from_secs(60), 0).expect("pruned"),
        0
    );
    assert_eq!(journal.prune(Duration::ZERO, 3).expect("pruned"), 3 - 1);
    let left = journal.list().expect("a listing").entries;
    assert!(left.iter().any(|entry| entry.id == open && entry.is_open()));
}

#[test]
fn an_entry_that_nobody_works_on_can_be_removed() {
    let (_folder, journal) = journal();
    let (open, other) = (keep(&journal, STARTING), keep(&journal, FOLLOWED));
    let elsewhere = FileJournal::open(journal.folder()).expect("the same folder");
    let error = elsewhere.remove(&open).expect_err("it is being started");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(journal);
    elsewhere.remove(&open).expect("its process is gone");
    let left = elsewhere.list().expect("a listing").entries;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, other);
    assert!(elsewhere.remove(&open).is_err(), "it is gone");
}

#[test]
fn many_threads_keep_many_tasks_and_none_is_lost() {
    let (_folder, journal) = journal();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let journal = journal.clone();
            scope.spawn(move || {
                for number in 0..8 {
                    let text = FOLLOWED.replace("t/2", &format!("{thread}-{number}"));
                    keep(&journal, &text);
                    keep(&journal, &text.replace("\"saved_at\":7", "\"saved_at\":9"));
                }
            });
        }
    });
    let listing = journal.list().expect("a listing");
    assert_eq!((listing.entries.len(), listing.damage.len()), (32, 0));
}
