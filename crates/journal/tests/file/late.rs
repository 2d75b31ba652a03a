//! A state that comes late takes the place of no newer one.

use taskward_core::{Journal as _, Snapshot};
use taskward_journal::FileJournal;

use crate::{FOLLOWED, STARTED, STARTING, journal};

/// Returns a state of this revision.
fn revised(text: &str, revision: u64) -> Snapshot {
    let mut value: serde_json::Value = serde_json::from_str(text).expect("a snapshot");
    value["revision"] = revision.into();
    serde_json::from_value(value).expect("a snapshot")
}

/// Keeps one state after the other, and says which of them counts.
fn counts(one: &Snapshot, other: &Snapshot) -> Snapshot {
    let (_folder, journal) = journal();
    journal.record(one).expect("it is kept");
    journal.record(other).expect("it is passed over or kept");
    let mut entries = journal.list().expect("a listing").entries;
    assert_eq!(entries.len(), 1);
    entries.remove(0).snapshot
}

#[test]
fn an_older_state_of_a_start_that_comes_late_is_passed_over() {
    let (older, newer) = (revised(STARTED, 2), revised(STARTED, 3));
    assert_eq!(counts(&older, &newer), newer);
    assert_eq!(counts(&newer, &older), newer);
    // Two processes went on from one state.
    let ended = revised(&STARTED.replace("\"saved_at\":6", "\"saved_at\":9"), 3);
    assert_eq!(counts(&newer, &ended), ended);
}

#[test]
fn a_state_that_knows_the_task_is_hidden_by_none_that_does_not() {
    for (starting, started) in [(1, 2), (5, 2)] {
        let (starting, started) = (revised(STARTING, starting), revised(STARTED, started));
        assert_eq!(counts(&starting, &started), started);
        assert_eq!(counts(&started, &starting), started);
    }
}

#[test]
fn a_task_that_is_watched_anew_counts_anew() {
    let (long, fresh) = (revised(FOLLOWED, 40), revised(FOLLOWED, 1));
    assert_eq!(counts(&long, &fresh), fresh);
}

#[test]
fn a_state_that_is_passed_over_claims_nothing() {
    let (_folder, journal) = journal();
    journal.record(&revised(STARTED, 2)).expect("it is kept");
    journal.record(&revised(STARTING, 1)).expect("passed over");
    let other = FileJournal::open(journal.folder()).expect("another process");
    let entry = other.find("5ec2e7").expect("it is there");
    assert!(other.claim(&entry.id).is_ok(), "its task is known");
}
