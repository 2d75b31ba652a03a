//! Who works on an entry, and what others do meanwhile.

use std::fs;
use std::time::Duration;

use taskward_core::Journal as _;
use taskward_journal::{EntryId, FileJournal, JournalError};

use crate::{FOLLOWED, STARTED, STARTING, file, journal, keep, snapshot};

/// Returns the names of all files, the lock's apart.
fn names(journal: &FileJournal) -> Vec<String> {
    let files = fs::read_dir(journal.folder()).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name != "lock");
    names.sort();
    names
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
    let left = keep(&third, &STARTING.replace("5ec2e7", "1eff"));
    assert!(matches!(other.claim(&left), Err(JournalError::Claimed(_))));
    drop(third);
    let claim = other.claim(&left).expect("its holder is gone");
    assert!(matches!(
        journal.claim(&left),
        Err(JournalError::Claimed(_))
    ));
    drop(claim);
    assert_eq!(names(&journal), ["1eff.jsonl", "5ec2e7.jsonl"]);
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
fn whoever_searches_for_a_start_is_known_from_whoever_makes_it() {
    let (_folder, journal) = journal();
    let other = FileJournal::open(journal.folder()).expect("another process");
    let id = keep(&journal, STARTING);
    assert!(other.claim(&id).is_err() && other.is_being_made(&id));
    drop(journal);
    // Whoever made it was killed, and its claim is still there.
    let claim = other.folder().join(format!("{id}.claim"));
    fs::write(&claim, "makes it").expect("a claim");
    let looking = other.claim(&id).expect("it is free");
    assert!(!other.is_being_made(&id));
    drop(looking);
    // Whoever repeats it does not make it for the first time.
    keep(&other, STARTING);
    assert!(claim.exists() && !other.is_being_made(&id));
    keep(&other, STARTED);
    assert!(!claim.exists() && !other.is_being_made(&id));
}

#[test]
fn a_claim_that_ends_while_others_work_leaves_its_file_to_them() {
    let (_folder, journal) = journal();
    let id = keep(&journal, STARTED);
    let claim = journal.claim(&id).expect("it is free");
    let lock = fs::File::open(journal.folder().join("lock")).expect("a lock");
    lock.try_lock().expect("it is free");
    drop(claim);
    assert_eq!(names(&journal), ["5ec2e7.claim", "5ec2e7.jsonl"]);
    lock.unlock().expect("it was locked");
    drop(journal.claim(&id).expect("it was given back"));
    assert_eq!(names(&journal), ["5ec2e7.jsonl"]);
}

#[test]
fn a_start_that_could_not_be_kept_is_free_for_others() {
    let (_folder, journal) = journal();
    let id = EntryId::of(&snapshot(STARTING));
    fs::create_dir(file(&journal, &id)).expect("in the way");
    let refused = journal.record(&snapshot(STARTING));
    refused.expect_err("a folder is in the way");
    let other = FileJournal::open(journal.folder()).expect("another process");
    drop(other.claim(&id).expect("nothing was sent"));
    fs::remove_dir(file(&journal, &id)).expect("out of the way");
    keep(&other, STARTING);
}

#[test]
fn what_killed_processes_leave_behind_goes_and_what_is_held_stays() {
    let (_folder, journal) = journal();
    let open = keep(&journal, STARTING);
    let done = keep(&journal, &STARTED.replace("5ec2e7", "d0e"));
    let held = journal.claim(&done).expect("it is free");
    for name in ["dead.claim", "dead.new"] {
        fs::write(journal.folder().join(name), "").expect("a file");
    }
    let other = FileJournal::open(journal.folder()).expect("another process");
    let removed = other.prune(Duration::ZERO, 0).expect("pruned");
    assert_eq!(removed, 0, "one is open, and one is being worked on");
    let left = ["5ec2e7.claim", "5ec2e7.jsonl", "d0e.claim", "d0e.jsonl"];
    assert_eq!(names(&journal), left);
    assert!(matches!(other.claim(&open), Err(JournalError::Claimed(_))));
    drop(held);
    assert_eq!(other.prune(Duration::ZERO, 0).expect("pruned"), 1);
    assert_eq!(names(&journal), ["5ec2e7.claim", "5ec2e7.jsonl"]);
}

#[test]
fn what_is_kept_while_others_prune_stays() {
    let (_folder, journal) = journal();
    let id = keep(&journal, FOLLOWED);
    let path = file(&journal, &id);
    let fresh = fs::read_to_string(&path).expect("a file");
    let lock = fs::File::open(journal.folder().join("lock")).expect("a lock");
    lock.lock().expect("it is free");
    // So many lines that reading them takes a while.
    let old = kept_in_1970(&fresh).repeat(2_000);
    fs::write(&path, old).expect("an old state");
    std::thread::scope(|scope| {
        let pruned = scope.spawn(|| journal.prune(Duration::from_secs(3600), 0));
        lock.unlock().expect("it was locked");
        while lock.try_lock().is_ok() {
            lock.unlock().expect("it was locked");
            if pruned.is_finished() {
                break;
            }
            std::thread::yield_now();
        }
        // As soon as whoever prunes lets go, a new state is kept.
        lock.lock().expect("it is free");
        fs::write(&path, &fresh).expect("a new state");
        lock.unlock().expect("it was locked");
        assert_eq!(pruned.join().expect("it ends").expect("pruned"), 1);
    });
    assert!(journal.find(id.as_str()).is_ok(), "it was kept just now");
}

/// The same line, with the time that long ago.
fn kept_in_1970(line: &str) -> String {
    let json = line.get(9..).expect("a checksum").trim_end();
    let mut value: serde_json::Value = serde_json::from_str(json).expect("a record");
    value["at"] = 5.into();
    let json = value.to_string();
    format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))
}
