//! What cannot be read is reported, and stays where it is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use taskward_core::Journal as _;
use taskward_journal::{EntryId, FileJournal, JournalError};

use crate::{FOLLOWED, STARTED, STARTING, file, journal, keep, newer, snapshot};

/// Checks the outcome of a damaged file of a start, and the report of the damage.
fn check(spoil: impl Fn(&Path), reported: &str) {
    let (_folder, journal) = journal();
    let id = keep(&journal, STARTING);
    let other = keep(&journal, FOLLOWED);
    let path = file(&journal, &id);
    let reader = FileJournal::open(journal.folder()).expect("another process");
    drop(journal);
    spoil(&path);
    let listing = reader.list().expect("a listing");
    let ids: Vec<_> = listing.entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(ids, [&other], "the others are read");
    let [damage] = listing.damage.as_slice() else {
        panic!("not told once: {:?}", listing.damage);
    };
    assert_eq!((&damage.path, &damage.entry), (&path, &Some(id.clone())));
    assert!(damage.to_string().contains(reported), "{damage}");
    for name in ["5ec2e7", "5ec"] {
        match reader.find(name) {
            Err(JournalError::Damaged(found)) => assert_eq!(found, *damage),
            found => panic!("{name}: {found:?}"),
        }
    }
    assert!(matches!(reader.find(""), Err(JournalError::Ambiguous(_))));
    assert_eq!(reader.prune(Duration::ZERO, 0).expect("pruned"), 1);
    assert!(path.exists(), "it is left where it is");
    reader.remove(&id).expect("it is given up");
    assert!(!path.exists());
    assert_eq!(reader.list().expect("a listing"), Default::default());
}

/// Rows: G11.
#[test]
fn a_file_of_which_nothing_can_be_read_is_told_and_never_taken_for_none() {
    let write = |text: String| move |path: &Path| fs::write(path, &text).expect("a file");
    check(write(String::new()), "it is empty");
    check(write("\n\n".to_owned()), "it is empty");
    check(write("rubbish".to_owned()), "line 1: it is damaged");
    check(write(newer()), "newer Taskward (version 99");
    let flip = |path: &Path| {
        let text = fs::read_to_string(path).expect("a file");
        fs::write(path, text.replace("toy", "tov")).expect("a file");
    };
    check(flip, "line 1: it is damaged");
    let folder = |path: &Path| {
        fs::remove_file(path).expect("a file");
        fs::create_dir(path).expect("a folder");
    };
    check(folder, "it is a folder");
    #[cfg(unix)]
    {
        let socket = |path: &Path| {
            fs::remove_file(path).expect("a file");
            std::os::unix::net::UnixListener::bind(path).expect("a socket");
        };
        check(socket, "no regular file");
        let pipe = |path: &Path| {
            fs::remove_file(path).expect("a file");
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.expect("it runs").success());
        };
        check(pipe, "no regular file");
    }
}

/// Rows: G11.
#[test]
fn a_file_under_a_name_that_is_not_its_own_is_told() {
    let (_folder, journal) = journal();
    let id = keep(&journal, STARTING);
    let path = file(&journal, &id);
    let name = path.with_file_name("0ther.jsonl");
    fs::rename(&path, &name).expect("it has another name");
    let listing = journal.list().expect("a listing");
    assert_eq!(listing.entries, []);
    assert_eq!(listing.damage.len(), 1);
    let reported = listing.damage[0].to_string();
    assert!(reported.contains("0ther.jsonl, line 1"), "{reported}");
    assert!(reported.contains("of another entry, 5ec2e7"), "{reported}");
}

#[test]
fn a_state_that_can_be_read_hides_nothing_whatever_comes_after_it() {
    let (_folder, journal) = journal();
    let id = keep(&journal, STARTED);
    let path = file(&journal, &id);
    let line = fs::read_to_string(&path).expect("a file");
    fs::write(&path, format!("{line}rubbish\n{}", newer())).expect("a file");
    let listing = journal.list().expect("a listing");
    assert_eq!(listing.entries[0].snapshot, snapshot(STARTED));
    assert_eq!(listing.damage.len(), 2);
    assert!(listing.damage.iter().all(|damage| damage.entry.is_none()));
    journal.find("5ec2e7").expect("it can be read");
    assert_eq!(journal.prune(Duration::ZERO, 0).expect("pruned"), 0);
    assert!(path.exists(), "what a newer Taskward wrote is left to it");
}

/// A process that is killed while it writes a start down for the first time has not sent it: nothing is damaged by that.
#[test]
fn a_new_file_is_whole_or_not_there() {
    let (_folder, journal) = journal();
    let id = EntryId::of(&snapshot(STARTING));
    let cut = journal.folder().join(format!("{id}.new"));
    fs::write(&cut, "5ec2e7 {\"v\":").expect("a cut file");
    assert_eq!(journal.list().expect("a listing"), Default::default());
    keep(&journal, STARTING);
    assert!(!cut.exists());
    assert!(journal.find(id.as_str()).expect("kept").is_open());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_any_file_makes_nobody_wait() {
    for name in ["lock", "5ec2e7.claim", "5ec2e7.jsonl", "5ec2e7.new"] {
        let (_folder, journal) = journal();
        let path = journal.folder().join(name);
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("it runs").success());
        let error = journal.record(&snapshot(STARTING)).expect_err("no file");
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("no regular file"), "{error}");
        journal.list().expect("a listing");
    }
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
        // The next one begins on a line of its own; each waits for the disk, so not after every byte.
        if cut % 16 == 0 || cut + 2 >= whole.len() {
            keep(&journal, &later);
            let listing = journal.list().expect("a listing");
            assert_eq!(listing.entries[0].snapshot, snapshot(&later), "{cut}");
        }
    }
}

/// Rows: G11.
#[test]
fn rubbish_and_newer_versions_are_told_and_left_where_they_are() {
    let (_folder, journal) = journal();
    let id = keep(&journal, FOLLOWED);
    let path = file(&journal, &id);
    let kept = fs::read_to_string(&path).expect("a file");
    let newer = newer();
    let flipped = kept.replace("toy", "tov");
    let all = format!("{kept}not a record\n{newer}{flipped}\u{0}\u{0}\n");
    fs::write(&path, &all).expect("a file");
    fs::write(journal.folder().join("Ünknown.jsonl"), "x").expect("a file");
    let listing = journal.list().expect("a listing");
    assert_eq!(listing.entries.len(), 1);
    assert_eq!(listing.entries[0].snapshot, snapshot(FOLLOWED));
    let reported: Vec<String> = listing.damage.iter().map(ToString::to_string).collect();
    assert_eq!(reported.len(), 5, "{reported:#?}");
    assert!(
        reported
            .iter()
            .any(|line| line.contains("line 3") && line.contains("newer Taskward"))
    );
    assert_eq!(fs::read_to_string(&path).expect("a file"), all);
}
