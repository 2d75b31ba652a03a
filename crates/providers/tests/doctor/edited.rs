//! Recordings that somebody edited.

use taskward_providers::doctor::{Recording, RecordingError};

use crate::world::both;

/// Rows: O8.
#[test]
fn a_recording_that_was_edited_is_refused_and_the_line_is_named() {
    let text = both("").text();
    let recording = Recording::parse(&text).expect("a recording");
    assert_eq!(recording.text(), text);
    let lines: Vec<&str> = text.lines().collect();
    let of = |lines: &[&str]| Recording::parse(&lines.join("\n")).expect_err("refused");
    let changed_at = |error: &RecordingError, expected: usize| {
        let RecordingError::Changed { line, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(*line, expected, "{error}");
    };
    // A status is edited.
    let edited = lines[4].replacen("\"status\":200", "\"status\":201", 1);
    assert_ne!(edited, lines[4]);
    let mut other = lines.clone();
    other[4] = &edited;
    changed_at(&of(&other), 5);
    // A line is lost, two are swapped, one stands twice.
    let mut other = lines.clone();
    other.remove(4);
    changed_at(&of(&other), 5);
    let mut other = lines.clone();
    other.swap(4, 5);
    changed_at(&of(&other), 5);
    let mut other = lines.clone();
    other.insert(4, lines[4]);
    changed_at(&of(&other), 6);
    // It is cut, in a line and between two.
    let last = lines.len() - 1;
    assert_eq!(of(&lines[..last]), RecordingError::Cut(last));
    let mut other = lines.clone();
    other[4] = &lines[4][..40];
    let error = of(&other);
    assert!(
        matches!(error, RecordingError::Line { line: 5, .. }),
        "{error}"
    );
    // Something stands behind the end.
    let mut other = lines.clone();
    other.push(lines[4]);
    let error = of(&other);
    assert!(error.to_string().contains("behind the end"), "{error}");
    // It is no recording, or one of another version.
    for head in [
        "",
        "hello",
        "{}",
        "[1]",
        r#"{"recording":2,"made_by":"x","sum":"0"}"#,
    ] {
        let error = Recording::parse(head).expect_err("refused");
        assert!(matches!(error, RecordingError::Head(_)), "{error}");
    }
    // White space is nobody's edit.
    assert!(Recording::parse(&format!("{text}\n\n")).is_ok());
}

#[test]
fn every_cut_of_a_recording_is_refused() {
    let text = both("").text();
    for at in (0..text.len() - 1)
        .step_by(97)
        .filter(|at| text.is_char_boundary(*at))
    {
        assert!(Recording::parse(&text[..at]).is_err(), "cut at {at}");
    }
}
