//! What a server wrote on its way to a terminal.

use taskward_core::sanitise as cleaner;

/// The bytes are text from a server, read as the program reads it.
///
/// What comes out moves no cursor, hides nothing and turns nothing around; cleaning it again changes nothing; plain text
/// stays as it is; and JSON keeps its value.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);

    let clean = cleaner::clean(&text);
    assert_harmless(&clean);
    assert_eq!(cleaner::clean(&clean), clean, "cleaning twice is once");
    if !text.contains(is_harmful) {
        assert_eq!(clean, text, "plain text stays");
    }
    // A line separator of Unicode comes out as a space.
    let mut rest = text.chars().map(|c| match c {
        '\u{2028}' | '\u{2029}' => ' ',
        c => c,
    });
    let kept = clean.chars().all(|c| rest.any(|other| other == c));
    assert!(kept, "nothing is added or moved");

    let line = cleaner::one_line(&text);
    assert_harmless(&line);
    assert!(!line.contains(['\n', '\t']), "one line");
    assert_eq!(cleaner::one_line(&line), line);

    let value = serde_json::Value::String(text.into_owned());
    for written in [
        serde_json::to_string(&value),
        serde_json::to_string_pretty(&[&value]),
    ] {
        let written = written.expect("a string is JSON");
        let safe = cleaner::json(written.clone());
        assert_harmless(&safe);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&safe), read(&written), "JSON keeps its value");
    }
}

fn assert_harmless(text: &str) {
    assert!(!text.contains(is_harmful), "{text:?} reaches the terminal");
}

/// C0 but for tab and line feed, DEL, C1, Unicode's two separators, and everything of its `Bidi_Control`: written down again, so that the
/// program's own list is not its own judge.
fn is_harmful(c: char) -> bool {
    let code = u32::from(c);
    (code < 0x20 && c != '\t' && c != '\n')
        || (0x7f..0xa0).contains(&code)
        || [0x061c, 0x200e, 0x200f].contains(&code)
        || (0x2028..=0x202e).contains(&code)
        || (0x2066..=0x2069).contains(&code)
}
