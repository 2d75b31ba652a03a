//! The words of a POSIX shell.

use crate::hidden::is_hidden;

/// `text` as one word of a POSIX shell command, on one line and without what a terminal acts on.
pub(super) fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/@%+=,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    if text.chars().any(is_hidden) {
        return quote_bytes(text.as_bytes());
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Bytes that are no text, or text that cannot be shown as it is, as one word: `$'...'`, in which POSIX 2024, bash, zsh and
/// ksh read what is hidden by its octal codes.
pub(super) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = "$'".to_owned();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str(r"\n"),
                '\t' => out.push_str(r"\t"),
                '\'' | '\\' => out.extend(['\\', c]),
                c if is_hidden(c) => octal(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => out.push(c),
            }
        }
        octal(&mut out, chunk.invalid());
    }
    out.push('\'');
    out
}

/// Three digits each: a digit behind them is none of theirs.
fn octal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push_str(&format!("\\{byte:03o}"));
    }
}

/// Splits a command into its words, as the shell that it is printed for does: the way back from [`quote`]. Bytes that are
/// no text have no place in JSON and are replaced.
pub(super) fn words_of(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        if c == ' ' {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        let mut put = |c: char| word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        match c {
            '\'' => rest.by_ref().take_while(|c| *c != '\'').for_each(put),
            '\\' => rest.next().into_iter().for_each(put),
            '$' if rest.next_if_eq(&'\'').is_some() => {
                while let Some(c) = rest.next().filter(|c| *c != '\'') {
                    match (c, c == '\\') {
                        (_, true) => unescape(&mut rest, word),
                        (c, false) => word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
            }
            c => put(c),
        }
    }
    words.extend(word);
    let text = |word: Vec<u8>| String::from_utf8_lossy(&word).into_owned();
    words.into_iter().map(text).collect()
}

/// Reads what follows a backslash in `$'...'`.
fn unescape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut Vec<u8>) {
    let Some(first) = rest.next() else { return };
    match (first, first.to_digit(8)) {
        ('n', _) => word.push(b'\n'),
        ('t', _) => word.push(b'\t'),
        (_, Some(digit)) => {
            let mut byte = digit;
            for _ in 0..2 {
                let digit = rest.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8));
                byte = digit.map_or(byte, |digit| byte * 8 + digit);
            }
            word.push(byte.to_le_bytes()[0]);
        }
        (c, None) => word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_command_has_the_words_it_was_made_of() {
        let words = [
            "taskward",
            "run",
            "",
            "two words",
            "it's",
            "a\nb\tc",
            "\u{1b}[31m7",
            "\\",
            "é\u{202e}1",
            "$'x'",
            "\"",
        ];
        let line = words.map(quote).join(" ");
        assert_eq!(words_of(&line), words, "{line}");
        assert_eq!(words_of("  a   b "), ["a", "b"]);
        let bytes = quote_bytes(b"a\xff1\n");
        assert_eq!(words_of(&bytes), ["a\u{fffd}1\n"], "{bytes}");
    }

    #[test]
    fn a_printed_command_is_one_that_a_shell_reads_back() {
        for (text, word) in [
            ("nanonets:ab-1", "nanonets:ab-1"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
            ("", "''"),
            ("two\nlines\tit's \\", r"$'two\nlines\tit\'s \\'"),
            ("\u{1b}[31m7", r"$'\033[31m7'"),
            ("\u{7}7", r"$'\0077'"),
            ("a\u{202e}b\u{2028}", r"$'a\342\200\256b\342\200\250'"),
            ("schön", "'schön'"),
        ] {
            assert_eq!(quote(text), word);
        }
        assert_eq!(quote_bytes(b"a\xffb"), r"$'a\377b'");
    }
}
