//! The words of `cmd`, the shell of Windows.
//!
//! Two readers see a command: `cmd` takes carets away and expands `%NAME%`, then the program splits the rest by quotes and
//! backslashes, as its C runtime does. A word is written for the second, and then for the first.

use crate::hidden::is_hidden;

/// What `cmd` acts on outside quotes.
const SPECIAL: &[char] = &['(', ')', '%', '!', '^', '"', '<', '>', '&', '|'];

/// `text` as one word typed at the prompt of `cmd`.
///
/// `cmd` has no way to write a line break or another hidden character: each is a replacement character, so that it can be
/// seen that the word is not the one that was given. A batch file would want `%%` for `%`.
pub(super) fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/\\@+=,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    let word = argument(text);
    // Between quotes `cmd` still expands %NAME%, and a quote in the text would be the end of its own quotes.
    if !text.contains(['"', '%']) {
        return word;
    }
    let mut out = String::new();
    for c in word.chars() {
        if SPECIAL.contains(&c) {
            out.push('^');
        }
        out.push(c);
    }
    out
}

/// Writes a word between quotes, as the program's C runtime reads it.
fn argument(text: &str) -> String {
    let mut out = "\"".to_owned();
    let mut backslashes = 0;
    for c in text.chars() {
        let c = if is_hidden(c) { '\u{fffd}' } else { c };
        if c == '"' {
            // Those before a quote are read in pairs, and one more takes the quote's meaning away.
            out.push_str(&"\\".repeat(backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        out.push(c);
    }
    out.push_str(&"\\".repeat(backslashes));
    out.push('"');
    out
}

/// Splits a command into its words: the way back from [`quote`].
pub(super) fn words_of(command: &str) -> Vec<String> {
    let line = without_carets(command);
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut quoted, mut backslashes) = (false, 0);
    for c in line.chars() {
        if c == '\\' {
            backslashes += 1;
            continue;
        }
        let before = std::mem::take(&mut backslashes);
        if c == ' ' && !quoted && before == 0 {
            words.extend(word.take());
            continue;
        }
        let into = word.get_or_insert_default();
        let literal = if c == '"' { before / 2 } else { before };
        into.push_str(&"\\".repeat(literal));
        match c {
            '"' if before % 2 == 0 => quoted = !quoted,
            ' ' if !quoted => words.extend(word.take()),
            c => into.push(c),
        }
    }
    if backslashes > 0 {
        word.get_or_insert_default()
            .push_str(&"\\".repeat(backslashes));
    }
    words.extend(word);
    words
}

/// What the program gets of a line: outside quotes a caret only takes the meaning of what follows it.
fn without_carets(line: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '^' if !quoted => out.extend(rest.next()),
            c => {
                quoted ^= c == '"';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_is_one_that_cmd_and_the_program_read_back() {
        for (text, word) in [
            ("nanonets:ab-1", "nanonets:ab-1"),
            (r"C:\a\b.pdf", r"C:\a\b.pdf"),
            ("a b", "\"a b\""),
            ("it's", "\"it's\""),
            ("a & b | c > d ^ (e)", "\"a & b | c > d ^ (e)\""),
            ("", "\"\""),
            (r"C:\my files\", r#""C:\my files\\""#),
            ("say \"hi\" & go", r#"^"say \^"hi\^" ^& go^""#),
            (r#"a\"b"#, r#"^"a\\\^"b^""#),
            ("100% of %PATH%", "^\"100^% of ^%PATH^%^\""),
            ("schön", "\"schön\""),
            ("a\nb", "\"a\u{fffd}b\""),
            ("\u{1b}[31m", "\"\u{fffd}[31m\""),
        ] {
            assert_eq!(quote(text), word);
        }
    }

    #[test]
    fn a_printed_command_has_the_words_it_was_made_of() {
        let words = [
            "taskward",
            "run",
            "",
            "two words",
            "it's",
            r"C:\",
            r"C:\my files\",
            r"a\\ b",
            r#"\""#,
            "say \"hi\" & go",
            "{\"a\":\"50% ^off^\"}",
            "%PATH%",
            "^",
            "a^b c",
            "(x) | <y> !z!",
            "é",
        ];
        let line = words.map(quote).join(" ");
        assert_eq!(words_of(&line), words, "{line}");
        assert_eq!(words_of("  a   b "), ["a", "b"]);
        assert_eq!(words_of(r"a\ b\"), ["a\\", "b\\"]);
    }
}
