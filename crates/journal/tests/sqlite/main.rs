//! The journal in a database: what is stored, what cannot be read, and other versions.
#![cfg(feature = "sqlite")]
#![allow(missing_docs)]

mod claims;
mod queries;

use std::time::Duration;

use taskward_core::{Journal as _, Snapshot, TaskId};
use taskward_journal::{EntryId, JournalError, SqliteJournal};

fn snapshot(task: &str) -> Snapshot {
    let text = format!(r#"{{"v":2,"provider":"toy","task":"{task}","saved_at":0}}"#);
    serde_json::from_str(&text).expect("a snapshot")
}

fn starting() -> Snapshot {
    let text = r#"{"v":2,"provider":"toy","intent":"5ec2e7","saved_at":0,
                   "start":{"intent":"5ec2e7","digest":"d"}}"#;
    serde_json::from_str(text).expect("a snapshot")
}

#[test]
fn the_last_state_of_each_task_is_kept_and_found_by_another_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let journal = SqliteJournal::open(&path).expect("a journal");
    let started: Snapshot = serde_json::from_str(
        r#"{"v":2,"provider":"toy","intent":"5ec2e7","task":"t1","saved_at":1}"#,
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
fn old_entries_go_and_unsettled_ones_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(folder.path().join("tasks.db")).expect("a journal");
    journal.record(&starting()).expect("kept");
    journal.record(&snapshot("t1")).expect("kept");
    let answering = r#"{"v":2,"provider":"toy","task":"t2","saved_at":7,"writes":[
        {"kind":{"message":{"no":1,"text":"this"}},"state":"write","cursor":"2"}]}"#;
    let answering: Snapshot = serde_json::from_str(answering).expect("a snapshot");
    journal.record(&answering).expect("kept");
    assert_eq!(
        journal.prune(Duration::from_secs(60), 0).expect("pruned"),
        0
    );
    assert_eq!(journal.prune(Duration::ZERO, 0).expect("pruned"), 1);
    let left = journal.list().expect("a listing").entries;
    assert_eq!(left.len(), 2);
    assert!(left.iter().any(taskward_journal::Entry::is_open));
    assert!(left.iter().any(|entry| entry.snapshot.is_writing()));
}

#[test]
fn an_older_state_of_a_start_that_comes_late_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(folder.path().join("tasks.db")).expect("a journal");
    let state = |revision: u64, rest: &str| -> Snapshot {
        let text = format!(
            r#"{{"v":2,"provider":"toy","intent":"5ec2e7","saved_at":1,"revision":{revision},{rest}}}"#
        );
        serde_json::from_str(&text).expect("a snapshot")
    };
    let (starting, started) = (
        r#""start":{"intent":"5ec2e7","digest":"d"}"#,
        r#""task":"t1""#,
    );
    let steps = [
        (state(3, starting), true),
        (state(2, starting), false),
        // That its task is known is worth more than any count.
        (state(2, started), true),
        (state(4, starting), false),
        (state(1, started), false),
        (state(3, started), true),
    ];
    let mut last = None;
    for (state, counts) in steps {
        journal.record(&state).expect("it is kept or passed over");
        if counts {
            last = Some(state);
        }
        let kept = journal.find("5ec2e7").expect("it is there").snapshot;
        assert_eq!(Some(&kept), last.as_ref());
    }
    // The revisions of a task that was started elsewhere begin again each time it is followed.
    for revision in [40, 1] {
        let mut watched = serde_json::to_value(snapshot("t1")).expect("a value");
        watched["revision"] = revision.into();
        let watched: Snapshot = serde_json::from_value(watched).expect("a snapshot");
        journal.record(&watched).expect("kept");
        let entries = journal.list().expect("a listing").entries;
        assert!(entries.iter().any(|entry| entry.snapshot == watched));
    }
}

#[test]
fn many_open_a_new_database_at_once_and_all_of_them_keep() {
    for _ in 0..4 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tasks.db");
        let barrier = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let journal = SqliteJournal::open(path).expect("a journal");
                    let kept = journal.record(&snapshot(&format!("t-{number}")));
                    kept.expect("kept");
                });
            }
        });
        let journal = SqliteJournal::open(&path).expect("a journal");
        assert_eq!(journal.list().expect("a listing").entries.len(), 8);
    }
}

#[test]
fn a_row_that_cannot_be_read_is_told_and_never_taken_for_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let journal = SqliteJournal::open(&path).expect("a journal");
    journal.record(&starting()).expect("kept");
    let raw = rusqlite::Connection::open(&path).expect("a database");
    let of_another = serde_json::to_string(&snapshot("t1")).expect("text");
    for (text, reported) in [
        ("", "EOF"),
        ("no json", "expected"),
        (&of_another, "of another entry"),
    ] {
        raw.execute("UPDATE tasks SET snapshot = ?1", [text])
            .expect("written");
        let listing = journal.list().expect("a listing");
        let [damage] = listing.damage.as_slice() else {
            panic!("not told once: {:?}", listing.damage);
        };
        assert!(damage.why.contains(reported), "{damage}");
        assert_eq!(damage.entry.as_ref().map(|id| id.as_str()), Some("5ec2e7"));
        match journal.find("5ec2e7") {
            Err(JournalError::Damaged(found)) => assert_eq!(found, *damage),
            found => panic!("{found:?}"),
        }
    }
    journal.record(&starting()).expect("kept again");
    assert!(journal.find("5ec2e7").expect("it can be read").is_open());
}

#[test]
fn a_database_of_the_first_version_is_brought_to_this_one_with_all_that_it_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let raw = rusqlite::Connection::open(&path).expect("a database");
    raw.execute_batch(
        "CREATE TABLE tasks (id TEXT PRIMARY KEY, at INTEGER NOT NULL, is_open INTEGER NOT NULL,
             snapshot TEXT NOT NULL) STRICT;
         CREATE INDEX tasks_by_time ON tasks (at DESC);
         PRAGMA user_version = 1;",
    )
    .expect("the tables of the first version");
    let (open, done) = (starting(), snapshot("t1"));
    for (at, state) in [(7, &open), (5, &done)] {
        let text = serde_json::to_string(state).expect("text");
        let row = (EntryId::of(state).to_string(), at, text);
        raw.execute("INSERT INTO tasks VALUES (?1, ?2, 1, ?3)", row)
            .expect("written");
    }
    raw.execute("INSERT INTO tasks VALUES ('bad', 3, 1, 'no json')", [])
        .expect("written");
    assert!(
        SqliteJournal::open_to_read(&path).is_err(),
        "reading changes nothing"
    );
    let journal = SqliteJournal::open(&path).expect("a journal");
    let listing = journal.list().expect("a listing");
    let kept: Vec<_> = listing
        .entries
        .iter()
        .map(|entry| (entry.at.as_millis(), &entry.snapshot))
        .collect();
    assert_eq!(kept, [(7, &open), (5, &done)]);
    let starts = journal.open_starts().expect("a listing");
    assert_eq!(
        (starts.entries.len(), starts.damage.len()),
        (1, 1),
        "{starts:?}"
    );
    assert_eq!(
        journal
            .of_task(&TaskId::new("t1"))
            .expect("a listing")
            .entries
            .len(),
        1
    );
}

#[test]
fn a_database_of_a_newer_version_and_a_file_that_is_none_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    drop(SqliteJournal::open(&path).expect("a journal"));
    let raw = rusqlite::Connection::open(&path).expect("a database");
    raw.pragma_update(None, "user_version", 7).expect("written");
    raw.execute(
        "INSERT INTO tasks VALUES ('x', 1, 0, 0, 1, NULL, NULL, NULL, 'no json')",
        [],
    )
    .expect("written");
    let error = SqliteJournal::open(&path).expect_err("it is newer");
    assert!(error.to_string().contains("newer version (7"), "{error}");
    raw.pragma_update(None, "user_version", 2).expect("written");
    let listing = SqliteJournal::open(&path).expect("a journal").list();
    assert_eq!(listing.expect("a listing").damage.len(), 1);
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "a long text that is no database at all").expect("a file");
    assert!(SqliteJournal::open(&text).is_err());
    // One that was cut to nothing is not taken for a new one while its log is there.
    let cut = folder.path().join("cut.db");
    std::fs::write(&cut, "").expect("a file");
    std::fs::write(folder.path().join("cut.db-wal"), "a log").expect("a file");
    let error = SqliteJournal::open(&cut).expect_err("it was cut");
    assert!(error.to_string().contains("it was cut"), "{error}");
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
