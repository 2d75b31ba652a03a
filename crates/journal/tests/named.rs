//! Starts that have a name: what a journal finds under it, and which of two starts it refuses.
#![allow(missing_docs)]

use taskward_core::{IntentId, Journal, Snapshot};
use taskward_journal::FileJournal;

/// A state of a start; two of one seed are of the same one.
fn state(name: &str, seed: &str, rest: &str) -> Snapshot {
    let text = format!(
        r#"{{"v":2,"provider":"toy","intent":"{name}","saved_at":1,"seed":"{seed}",{rest}}}"#
    );
    serde_json::from_str(&text).expect("a snapshot")
}

fn starting(name: &str, seed: &str) -> Snapshot {
    let rest = format!(r#""start":{{"intent":"{name}","digest":"d"}}"#);
    state(name, seed, &rest)
}

/// The processes each open the journal by themselves.
fn of_two_starts_the_second_is_refused_unless_the_first_started_nothing<J: Journal>(
    open: impl Fn() -> J,
) {
    let name = IntentId::named("toy", "https://toy.example", "order 17");
    let other = IntentId::named("toy", "https://toy.example", "order 18");
    assert_ne!(name, other);
    let stored = |journal: &J| journal.stored(&name).expect("it can be read");
    let first = open();
    assert_eq!(stored(&first), None);
    let sending = starting(name.as_str(), "01");
    first.record(&sending).expect("kept");
    assert_eq!(stored(&open()), Some(sending));
    let started = state(name.as_str(), "01", r#""task":"t1""#);
    first.record(&started).expect("kept");
    // Another process found nothing before that, and is about to send its own.
    let refused = open().record(&starting(name.as_str(), "02"));
    let refused = refused.expect_err("it would start the task twice");
    assert!(refused.to_string().contains("another start"), "{refused}");
    assert_eq!(stored(&open()), Some(started));
    // Of one that was never sent nothing can have been started.
    let never = r#""ended":{"not_started":{"reason":"cancelled","attempts":0,"temporary":false}}"#;
    let never = state(other.as_str(), "01", never);
    assert!(never.has_started_nothing());
    first.record(&never).expect("kept");
    open()
        .record(&starting(other.as_str(), "02"))
        .expect("kept in its place");
}

/// Rows: G9.
#[test]
fn of_two_starts_of_one_name_a_journal_of_files_refuses_the_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || FileJournal::open(folder.path()).expect("a journal");
    of_two_starts_the_second_is_refused_unless_the_first_started_nothing(open);
}

/// Rows: G9.
#[cfg(feature = "sqlite")]
#[test]
fn of_two_starts_of_one_name_a_database_refuses_the_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.db");
    let open = || taskward_journal::SqliteJournal::open(&path).expect("a journal");
    of_two_starts_the_second_is_refused_unless_the_first_started_nothing(open);
}
