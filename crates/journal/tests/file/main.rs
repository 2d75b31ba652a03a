//! The journal of files: what it keeps, and what nothing can take from it.
#![allow(missing_docs)]

mod claims;
mod damage;
mod late;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use taskward_core::{Journal as _, Snapshot};
use taskward_journal::{EntryId, FileJournal, JournalError};
use tempfile::TempDir;

/// A start under a key, whose reply has not come.
const STARTING: &str = r#"{"v":2,"provider":"toy","origin":"https://toy.example","intent":"5ec2e7","saved_at":5,
    "start":{"intent":"5ec2e7","digest":"d1","begun_at":5,
             "request":{"method":"POST","target":"/start","headers":[["idempotency-key","k"]],
                        "body":[{"base64":"Ym9keQ=="}]}}}"#;
/// The same start, its task known.
const STARTED: &str = r#"{"v":2,"provider":"toy","origin":"https://toy.example","intent":"5ec2e7","task":"t1",
    "saved_at":6}"#;
/// A task that was only followed.
const FOLLOWED: &str = r#"{"v":2,"provider":"toy","task":"t/2","saved_at":7}"#;

/// A task whose answer may have left.
const ANSWERING: &str = r#"{"v":2,"provider":"toy","task":"t/3","saved_at":7,
    "writes":[{"kind":{"message":{"no":1,"text":"this"}},"state":"write","cursor":"2"}]}"#;

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

/// Returns a line of a version that nobody has written yet.
fn newer() -> String {
    let newer = r#"{"v":99,"at":1,"what":"else"}"#;
    format!("{:08x} {newer}\n", crc32fast::hash(newer.as_bytes()))
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
fn old_entries_go_and_unsettled_ones_stay() {
    let (_folder, journal) = journal();
    let open = keep(&journal, STARTING);
    let answering = keep(&journal, ANSWERING);
    for number in 0..5 {
        keep(&journal, &FOLLOWED.replace("t/2", &format!("t{number}")));
    }
    assert_eq!(
        journal.prune(Duration::from_secs(60), 0).expect("pruned"),
        0
    );
    assert_eq!(journal.prune(Duration::ZERO, 7).expect("pruned"), 0);
    assert_eq!(journal.prune(Duration::ZERO, 0).expect("pruned"), 5);
    let left = journal.list().expect("a listing").entries;
    let mut left: Vec<_> = left.iter().map(|entry| &entry.id).collect();
    left.sort();
    assert_eq!(left, [&open, &answering]);
}

#[test]
fn the_newest_entries_stay_however_old_they_are() {
    let (_folder, journal) = journal();
    for number in 0..5 {
        keep(&journal, &FOLLOWED.replace("t/2", &format!("t{number}")));
    }
    assert_eq!(journal.prune(Duration::ZERO, 3).expect("pruned"), 2);
    assert_eq!(journal.list().expect("a listing").entries.len(), 3);
}

/// A file system that was mounted to be read has no lock that could be opened, or one that cannot be written.
#[test]
fn what_is_kept_can_be_read_where_nothing_can_be_written() {
    let (_folder, journal) = journal();
    let id = keep(&journal, FOLLOWED);
    let lock = journal.folder().join("lock");
    let reader = FileJournal::open_to_read(journal.folder()).expect("a folder");
    let read = || {
        let listing = reader.list().expect("a listing");
        assert_eq!((listing.entries.len(), listing.damage), (1, Vec::new()));
        reader.find(id.as_str()).expect("it is there");
    };
    let mut permissions = fs::metadata(&lock).expect("a lock").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&lock, permissions).expect("it is ours");
    read();
    fs::remove_file(&lock).expect("it is ours");
    read();
    assert!(!lock.exists(), "to read makes nothing");
    // Nobody is who may open a folder as a file.
    fs::create_dir(&lock).expect("in its place");
    read();
    let error = FileJournal::open(journal.folder()).expect_err("it cannot be locked");
    assert!(error.to_string().contains("lock"), "{error}");
    let missing = journal.folder().join("none");
    assert!(FileJournal::open_to_read(&missing).is_err());
    assert!(!missing.exists());
}

/// A file that is larger than a megabyte is rewritten.
#[test]
fn a_file_that_grew_large_keeps_its_last_state_and_what_cannot_be_read() {
    let (_folder, journal) = journal();
    let long = ANSWERING.replace("this", &"this ".repeat(20_000));
    let id = keep(&journal, &long);
    let path = file(&journal, &id);
    let line = fs::read_to_string(&path).expect("a file");
    let newer = newer();
    let many = line.repeat(1024 * 1024 / line.len() + 1);
    fs::write(&path, format!("not a record\n{newer}{many}")).expect("a large file");
    keep(&journal, &long);
    let text = fs::read_to_string(&path).expect("a file");
    assert!(
        text.starts_with(&format!("not a record\n{newer}")),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3);
    assert_eq!(
        journal.find(id.as_str()).expect("it is there").snapshot,
        snapshot(&long)
    );
    // Nothing is gained where all of it is damaged.
    let rubbish = format!("{}\n", "rubbish ".repeat(20_000)).repeat(10);
    fs::write(&path, &rubbish).expect("a large file");
    keep(&journal, &long);
    let text = fs::read_to_string(&path).expect("a file");
    assert_eq!(
        text.strip_prefix(&rubbish).map(|rest| rest.lines().count()),
        Some(1)
    );
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
