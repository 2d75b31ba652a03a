//! Who works on an entry, and what others do meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use taskward_core::{Journal as _, Snapshot, TaskId};
use taskward_journal::{EntryId, JournalError, SqliteJournal};
use tempfile::TempDir;

use crate::starting;

fn journal() -> (TempDir, SqliteJournal) {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(folder.path().join("tasks.db")).expect("a journal");
    (folder, journal)
}

fn another_process(journal: &SqliteJournal) -> SqliteJournal {
    SqliteJournal::open(journal.path()).expect("another process")
}

fn keep(journal: &SqliteJournal, snapshot: &Snapshot) -> EntryId {
    journal.record(snapshot).expect("kept");
    EntryId::of(snapshot)
}

fn started() -> Snapshot {
    let text = r#"{"v":2,"provider":"toy","intent":"5ec2e7","task":"t1","saved_at":1}"#;
    serde_json::from_str(text).expect("a snapshot")
}

/// Returns the files that tell which processes live.
fn holders(journal: &SqliteJournal) -> Vec<PathBuf> {
    let folder = journal.path().parent().expect("a folder");
    let files = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|path| path.to_string_lossy().contains("-holder-"));
    files
}

/// Stores that a process that is dead holds an entry.
fn left_by_a_dead_process(path: &Path, id: &EntryId) -> PathBuf {
    let raw = rusqlite::Connection::open(path).expect("a database");
    let row = (id.as_str(), "999999-0", true);
    raw.execute("INSERT OR REPLACE INTO claims VALUES (?1, ?2, ?3)", row)
        .expect("written");
    let file = path.with_file_name("tasks.db-holder-999999-0");
    fs::write(&file, "").expect("a file");
    file
}

/// Rows: G9.
#[test]
fn a_start_belongs_to_one_process_until_its_task_is_known() {
    let (_folder, journal) = journal();
    let other = another_process(&journal);
    let id = keep(&journal, &starting());
    assert!(matches!(other.claim(&id), Err(JournalError::Claimed(_))));
    let refused = other.record(&starting()).expect_err("it is another's");
    assert!(refused.to_string().contains("another process"), "{refused}");
    assert!(other.remove(&id).is_err());
    keep(&journal, &started());
    let claim = other.claim(&id).expect("it is free");
    let again = other.claim(&id);
    assert!(
        matches!(again, Err(JournalError::Claimed(_))),
        "by itself, too"
    );
    drop(claim);
    // A journal that is dropped lets go, too.
    let third = another_process(&journal);
    let left = starting_as("1eff");
    let left = keep(&third, &left);
    assert!(matches!(other.claim(&left), Err(JournalError::Claimed(_))));
    drop(third);
    drop(other.claim(&left).expect("its holder is gone"));
    drop((journal, other));
}

fn starting_as(name: &str) -> Snapshot {
    let text = serde_json::to_string(&starting()).expect("text");
    serde_json::from_str(&text.replace("5ec2e7", name)).expect("a snapshot")
}

/// Rows: G9.
#[test]
fn what_a_killed_process_held_is_free_and_its_file_is_swept() {
    let (_folder, journal) = journal();
    let id = keep(&journal, &starting());
    let path = journal.path().to_owned();
    drop(journal);
    let file = left_by_a_dead_process(&path, &id);
    let journal = SqliteJournal::open(&path).expect("a journal");
    assert!(!journal.is_being_made(&id), "whoever made it is dead");
    let claim = journal.claim(&id).expect("it is free");
    let other = another_process(&journal);
    assert!(other.claim(&id).is_err() && !other.is_being_made(&id));
    drop(claim);
    left_by_a_dead_process(&path, &id);
    journal.prune(Duration::ZERO, 0).expect("pruned");
    assert!(!file.exists());
    assert!(journal.find(id.as_str()).is_ok(), "it is open");
    assert_eq!(holders(&journal).len(), 1, "its own");
    drop((journal, other));
}

#[test]
fn the_files_of_processes_that_end_go_with_them() {
    let (folder, journal) = journal();
    let claim = journal.claim(&EntryId::of(&started())).expect("free");
    assert_eq!(holders(&journal).len(), 1);
    drop(journal);
    drop(claim);
    let left = fs::read_dir(folder.path()).expect("a folder");
    let names: Vec<_> = left.map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(names, ["tasks.db"]);
}

#[test]
fn whoever_searches_for_a_start_is_known_from_whoever_makes_it() {
    let (_folder, journal) = journal();
    let other = another_process(&journal);
    let id = keep(&journal, &starting());
    assert!(other.claim(&id).is_err() && other.is_being_made(&id));
    drop(journal);
    assert!(!other.is_being_made(&id));
    let looking = other.claim(&id).expect("it is free");
    assert!(!another_process(&other).is_being_made(&id));
    drop(looking);
    // Whoever repeats it does not make it for the first time.
    keep(&other, &starting());
    let third = another_process(&other);
    assert!(third.claim(&id).is_err() && !third.is_being_made(&id));
}

#[test]
fn what_is_claimed_is_not_pruned() {
    let (_folder, journal) = journal();
    let id = keep(&journal, &started());
    let claim = journal.claim(&id).expect("it is free");
    let other = another_process(&journal);
    assert_eq!(other.prune(Duration::ZERO, 0).expect("pruned"), 0);
    drop(claim);
    assert_eq!(other.prune(Duration::ZERO, 0).expect("pruned"), 1);
}

#[test]
fn a_start_that_could_not_be_kept_is_free_for_others() {
    let (_folder, journal) = journal();
    let raw = rusqlite::Connection::open(journal.path()).expect("a database");
    raw.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON tasks BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    .expect("in the way");
    let refused = journal.record(&starting()).expect_err("nothing is written");
    assert!(refused.to_string().contains("disk full"), "{refused}");
    let other = another_process(&journal);
    drop(
        other
            .claim(&EntryId::of(&starting()))
            .expect("nothing was sent"),
    );
    raw.execute_batch("DROP TRIGGER full")
        .expect("out of the way");
    keep(&other, &starting());
}

/// Rows: G12.
#[test]
fn a_task_is_adopted_by_one_start() {
    let (_folder, journal) = journal();
    let other = another_process(&journal);
    let (one, two) = (starting_as("aaaa"), starting_as("bbbb"));
    for start in [&one, &two] {
        keep(&journal, start);
    }
    drop(journal);
    let journal = another_process(&other);
    let task = TaskId::new("t1");
    journal
        .adopt(&one.adopting(task.clone()))
        .expect("nobody's yet");
    let refused = other
        .adopt(&two.clone().adopting(task))
        .expect_err("it is the other's");
    assert!(
        matches!(&refused, JournalError::TaskOfAnother(id) if id.as_str() == "aaaa"),
        "{refused}"
    );
    assert!(
        other.find("bbbb").expect("it is kept").is_open(),
        "and stays unknown"
    );
    other
        .adopt(&two.adopting(TaskId::new("t2")))
        .expect("another task");
}
