//! What is found without reading everything, how long others are waited for, and a journal that can only be read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use taskward_core::{Journal as _, TaskId};
use taskward_journal::{FileJournal, JournalError, Listing, SqliteJournal};

use crate::{snapshot, starting};

fn names(listing: &Listing) -> Vec<&str> {
    let entries = listing.entries.iter();
    entries
        .map(|entry| entry.snapshot.task().map_or("open", |task| task.as_str()))
        .collect()
}

#[test]
fn the_newest_the_open_and_those_of_one_task_are_found_by_indexes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let journal = SqliteJournal::open(&path).expect("a journal");
    journal.record(&starting()).expect("kept");
    for task in ["t1", "t2", "t3"] {
        journal.record(&snapshot(task)).expect("kept");
    }
    let raw = rusqlite::Connection::open(&path).expect("a database");
    for (task, at) in [("t1", 30), ("t2", 10), ("t3", 20)] {
        raw.execute("UPDATE tasks SET at = ?2 WHERE task = ?1", (task, at))
            .expect("written");
    }
    raw.execute("UPDATE tasks SET at = 5 WHERE is_open = 1", [])
        .expect("written");
    assert_eq!(names(&journal.newest(2).expect("a listing")), ["t1", "t3"]);
    assert_eq!(names(&journal.open_starts().expect("a listing")), ["open"]);
    let one = journal.of_task(&TaskId::new("t2")).expect("a listing");
    assert_eq!(names(&one), ["t2"]);
    assert_eq!(journal.count().expect("a count"), 4);
    // None of them reads the table from one end to the other.
    for query in [
        "ORDER BY at DESC, id LIMIT 20",
        "WHERE is_open = 1 ORDER BY at DESC, id",
        "WHERE task = 't2' ORDER BY at DESC, id",
    ] {
        let explain = format!("EXPLAIN QUERY PLAN SELECT id, at, snapshot FROM tasks {query}");
        let mut plan = raw.prepare(&explain).expect("a query");
        let plan: String = plan
            .query_map([], |row| row.get::<_, String>(3))
            .and_then(Iterator::collect)
            .expect("a plan");
        assert!(plan.contains("USING INDEX tasks_"), "{query}: {plan}");
    }
}

#[test]
fn the_beginning_of_a_name_is_enough_where_one_entry_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(folder.path().join("tasks.db")).expect("a journal");
    let text = serde_json::to_string(&starting()).expect("text");
    for name in ["5ec2e7", "5ec2", "5ea"] {
        let named = serde_json::from_str(&text.replace("5ec2e7", name)).expect("a snapshot");
        journal.record(&named).expect("kept");
    }
    let found = |id| journal.find(id).map(|entry| entry.id.to_string());
    assert_eq!(found("5ea").expect("it is there"), "5ea");
    assert_eq!(found("5ec2").expect("exactly this"), "5ec2");
    assert_eq!(found("5ec2e").expect("only one begins so"), "5ec2e7");
    assert!(matches!(found("5e"), Err(JournalError::Ambiguous(_))));
    assert!(matches!(found("6"), Err(JournalError::NoEntry(_))));
    assert!(matches!(found("5e%"), Err(JournalError::NoEntry(_))));
}

#[test]
fn the_newest_stay_and_pruning_is_done_once_in_a_while() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let journal = SqliteJournal::open(&path).expect("a journal");
    let raw = rusqlite::Connection::open(&path).expect("a database");
    raw.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO tasks SELECT 'task-' || i, i, 0, 0, 0, 'toy', NULL, 't' || i, '{}' FROM n",
    )
    .expect("written");
    let day = Duration::from_secs(86_400);
    let removed = journal.prune_at_most_every(day, day, 100).expect("pruned");
    assert_eq!(removed, 1100);
    let left = journal.newest(1000).expect("a listing").damage;
    let left: Vec<_> = left.iter().filter_map(|one| one.entry.as_ref()).collect();
    assert_eq!(left.len(), 100);
    assert_eq!(
        (left[0].as_str(), left[99].as_str()),
        ("task-1200", "task-1101")
    );
    let removed = journal.prune_at_most_every(day, day, 0).expect("pruned");
    assert_eq!(removed, 0, "it was done today");
    assert_eq!(journal.prune(day, 0).expect("pruned"), 100);
}

#[test]
fn a_wait_for_another_writer_is_told_and_readers_wait_for_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = told.clone();
    let journal = SqliteJournal::open_reporting_waits(&path, move |path| {
        hook.lock().expect("a list").push(path.to_owned());
    });
    let journal = journal.expect("a journal");
    let raw = rusqlite::Connection::open(&path).expect("a database");
    raw.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| journal.record(&starting()));
        let other = SqliteJournal::open_to_read(&path).expect("another process");
        while told.lock().expect("a list").is_empty() {
            assert_eq!(other.list().expect("a listing").entries.len(), 0);
            std::thread::yield_now();
        }
        raw.execute_batch("COMMIT").expect("it was held");
        writer.join().expect("a thread").expect("kept");
    });
    assert_eq!(*told.lock().expect("a list"), [path]);
}

#[cfg(unix)]
#[test]
fn a_journal_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks #1.db");
    let journal = SqliteJournal::open(&path).expect("a journal");
    journal.record(&snapshot("t1")).expect("kept");
    drop(journal);
    let modes = |file, folder_mode| {
        let set = |path: &std::path::Path, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, mode).expect("its owner may");
        };
        set(folder.path(), 0o700);
        set(&path, file);
        set(folder.path(), folder_mode);
    };
    modes(0o400, 0o500);
    let journal = SqliteJournal::open_to_read(&path).expect("a journal");
    assert_eq!(names(&journal.list().expect("a listing")), ["t1"]);
    // Whoever may write everything (root) may write this, too.
    if let Err(refused) = journal.record(&snapshot("t2")) {
        assert!(refused.to_string().contains("tasks #1.db"), "{refused}");
    }
    modes(0o600, 0o700);
}

#[test]
fn what_stood_in_files_is_taken_over_and_what_cannot_be_read_stays_in_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = FileJournal::open(folder.path()).expect("a journal");
    for task in ["t1", "t2"] {
        files.record(&snapshot(task)).expect("kept");
    }
    let open = starting();
    files.record(&open).expect("kept");
    let at = files.find("5ec2e7").expect("it is kept").at;
    let (newer, empty) = (
        folder.path().join("abc.jsonl"),
        folder.path().join("def.jsonl"),
    );
    let json = r#"{"v":1,"at":5,"snapshot":{"v":1,"provider":"toy"}}"#;
    let line = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()));
    std::fs::write(&newer, &line).expect("a file");
    std::fs::write(&empty, "").expect("a file");
    let journal = SqliteJournal::open(folder.path().join("tasks.sqlite")).expect("a journal");
    // The start is being made by the process that has the files open.
    assert_eq!(journal.take_over(folder.path()).expect("taken over"), 4);
    drop(files);
    assert_eq!(journal.take_over(folder.path()).expect("taken over"), 1);
    let found = journal.find("5ec2e7").expect("it was taken over");
    assert_eq!((found.at, found.snapshot), (at, open));
    assert_eq!(journal.list().expect("a listing").entries.len(), 3);
    let why: Vec<_> = journal.open_starts().expect("a listing").damage;
    let why = |name: &str| {
        let one = why
            .iter()
            .find(|one| one.entry.as_ref().is_some_and(|id| id.as_str() == name));
        one.map(|one| one.why.clone()).unwrap_or_default()
    };
    assert!(why("abc").contains("an earlier Taskward"), "{}", why("abc"));
    assert!(why("def").contains("EOF"), "{}", why("def"));
    assert_eq!(std::fs::read_to_string(&newer).expect("it stays"), line);
    assert!(empty.exists());
    let files = FileJournal::open(folder.path()).expect("a journal");
    assert_eq!(files.list().expect("a listing").entries, []);
    assert_eq!(journal.take_over(folder.path()).expect("done before"), 0);
    // A program that still has the files writes to them.
    files.record(&snapshot("t9")).expect("kept");
    files.record(&snapshot("t1")).expect("kept");
    assert_eq!(journal.take_over(folder.path()).expect("taken over"), 2);
    assert_eq!(
        journal
            .of_task(&TaskId::new("t9"))
            .expect("a listing")
            .entries
            .len(),
        1
    );
    // What was forgotten does not come back with the file that stays.
    let forgotten = journal.open_starts().expect("a listing").damage;
    for id in forgotten.iter().filter_map(|one| one.entry.as_ref()) {
        journal.remove(id).expect("removed");
    }
    assert_eq!(journal.take_over(folder.path()).expect("done before"), 0);
    assert!(newer.exists() && empty.exists());
}
