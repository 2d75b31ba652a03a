//! The journal in a database.
#![cfg(feature = "sqlite")]
#![allow(missing_docs)]

use std::time::Duration;

use taskward_core::{Journal as _, Snapshot};
use taskward_journal::{JournalError, SqliteJournal};

fn snapshot(task: &str) -> Snapshot {
    let text = format!(r#"{{"v":1,"provider":"toy","task":"{task}","saved_at":0}}"#);
    serde_json::from_str(&text).expect("a snapshot")
}

fn starting() -> Snapshot {
    let text = r#"{"v":1,"provider":"toy","intent":"5ec2e7","saved_at":0,
                   "start":{"intent":"5ec2e7","digest":"d"}}"#;
    serde_json::from_str(text).expect("a snapshot")
}

#[test]
fn the_last_state_of_each_task_is_kept_and_found_by_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let journal = SqliteJournal::open(&path).expect("a journal");
    let started: Snapshot = serde_json::from_str(
        r#"{"v":1,"provider":"toy","intent":"5ec2e7","task":"t1","saved_at":1}"#,
    )
    .expect("a snapshot");
    journal.record(&starting()).expect("kept");
    journal.record(&started).expect("kept");
    let other = SqliteJournal::open(&path).expect("another process");
    for number in 0..100 {
        let journal = if number % 2 == 0 { &journal } else { &other };
        journal
            .record(&snapshot(&format!("t-{number}")))
            .expect("kept");
    }
    let listing = other.list().expect("a listing");
    assert_eq!((listing.entries.len(), listing.damage.len()), (101, 0));
    assert_eq!(other.find("5ec2e7").expect("it is there").snapshot, started);
    assert!(matches!(other.find("nope"), Err(JournalError::NoEntry(_))));
}

#[test]
fn old_entries_go_and_open_ones_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(folder.path().join("tasks.db")).expect("a journal");
    journal.record(&starting()).expect("kept");
    journal.record(&snapshot("t1")).expect("kept");
    assert_eq!(journal.prune(Duration::from_secs(60)).expect("pruned"), 0);
    assert_eq!(journal.prune(Duration::ZERO).expect("pruned"), 1);
    assert!(journal.list().expect("a listing").entries[0].is_open());
}

#[test]
fn a_database_of_a_newer_version_and_a_file_that_is_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    drop(SqliteJournal::open(&path).expect("a journal"));
    let raw = rusqlite::Connection::open(&path).expect("a database");
    raw.pragma_update(None, "user_version", 7).expect("written");
    raw.execute("INSERT INTO tasks VALUES ('x', 1, 0, 'no json')", [])
        .expect("written");
    let error = SqliteJournal::open(&path).expect_err("it is newer");
    assert!(error.to_string().contains("newer version (7"), "{error}");
    raw.pragma_update(None, "user_version", 1).expect("written");
    let listing = SqliteJournal::open(&path).expect("a journal").list();
    assert_eq!(listing.expect("a listing").damage.len(), 1);
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "a long text that is no database at all").expect("a file");
    assert!(SqliteJournal::open(&text).is_err());
}

#[cfg(unix)]
#[test]
fn only_their_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(folder.path().join("tasks.db")).expect("a journal");
    journal.record(&snapshot("t1")).expect("kept");
    for file in std::fs::read_dir(folder.path()).expect("a folder") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.path());
    }
}
