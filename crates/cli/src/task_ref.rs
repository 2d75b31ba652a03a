//! Names of tasks on the command line: `PROVIDER:ID`, or an id alone.

use std::fmt;
use std::str::FromStr;

use taskward::TaskId;
use taskward::core::sanitise::is_unsafe;

use crate::registry::ProviderName;
use crate::registry::Registered;

/// The longest id that is taken: more than a URL's path has room for makes no sense.
const MAX_ID: usize = 2048;

/// A task as it was named: an id alone leaves its provider to the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskArg {
    provider: Option<ProviderName>,
    id: TaskId,
}

impl TaskArg {
    /// The provider that was named.
    pub(crate) fn provider(&self) -> Option<ProviderName> {
        self.provider
    }

    /// Its id, without the provider.
    pub(crate) fn id(&self) -> &TaskId {
        &self.id
    }

    /// The task, of this provider.
    pub(crate) fn of(&self, provider: ProviderName) -> TaskRef {
        TaskRef {
            provider,
            id: self.id.clone(),
        }
    }
}

/// A task of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRef {
    provider: ProviderName,
    id: TaskId,
}

impl TaskRef {
    /// The task of this id.
    pub(crate) fn of<P: Registered>(id: TaskId) -> Self {
        Self {
            provider: P::ID,
            id,
        }
    }

    /// The task of this id, of a provider that is known by name only.
    pub(crate) fn named(provider: ProviderName, id: TaskId) -> Self {
        Self { provider, id }
    }

    /// Whose it is.
    pub(crate) fn provider(&self) -> ProviderName {
        self.provider
    }

    /// Its id, without the provider.
    pub(crate) fn id(&self) -> &TaskId {
        &self.id
    }

    /// Its name as one word of a shell command.
    pub(crate) fn quoted(&self) -> String {
        quote(&self.to_string())
    }
}

impl FromStr for TaskArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, id) = match text.split_once(':') {
            // An id may hold a colon; a word in front of it is a provider.
            Some((name, id)) if is_word(name) => match ProviderName::named(name) {
                Some(provider) => (Some(provider), id),
                None => {
                    return Err(format!(
                        "there is no provider {name:?}: a task is PROVIDER:ID, or its id alone, and the providers are {}",
                        ProviderName::ALL.map(ProviderName::as_str).join(", ")
                    ));
                }
            },
            _ => (None, text),
        };
        if id.len() > MAX_ID {
            return Err(format!(
                "the id has {} bytes, and an id has at most {MAX_ID}",
                id.len()
            ));
        }
        match decode(id).as_str() {
            "" => Err("the id is empty".to_owned()),
            "." | ".." => Err(format!("{id:?} is not an id")),
            decoded if decoded.chars().any(char::is_control) => {
                Err(format!("{id:?} has control characters, and no id has"))
            }
            id => Ok(Self {
                provider,
                id: TaskId::new(id),
            }),
        }
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, encode(self.id.as_str()))
    }
}

/// Whether a character is not shown, breaks a line or changes how others are shown.
fn is_hidden(c: char) -> bool {
    is_unsafe(c) || c.is_control()
}

/// An id as it is shown, on one line whatever it holds: what a terminal acts on is percent-encoded, and so is a percent
/// sign that would be taken for such a code.
fn encode(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for (at, c) in id.char_indices() {
        if is_hidden(c) || code(&id.as_bytes()[at..]).is_some() {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The id that was shown as `text`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match code(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// The byte that `text` begins with the code of, when it is one that is ever encoded: `%41` stays what it is.
fn code(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    (byte == b'%' || !(0x20..0x7f).contains(&byte)).then_some(byte)
}

/// `text` as one word of a POSIX shell command, on one line and without what a terminal acts on.
pub(crate) fn quote(text: &str) -> String {
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
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
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
pub(crate) fn words_of(command: &str) -> Vec<String> {
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
    use taskward::nanonets::Nanonets;

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

    fn named(text: &str) -> Result<TaskRef, String> {
        let task: TaskArg = text.parse()?;
        Ok(task.of(task.provider().unwrap_or(ProviderName::DEFAULT)))
    }

    #[test]
    fn a_task_is_named_with_and_without_its_provider() {
        for (text, id, shown) in [
            ("nanonets:a-1", "a-1", "nanonets:a-1"),
            ("a-1", "a-1", "nanonets:a-1"),
            ("agent-harness:run_1", "run_1", "agent-harness:run_1"),
            ("nanonets:x:y", "x:y", "nanonets:x:y"),
            ("X1:y", "X1:y", "nanonets:X1:y"),
        ] {
            let task = named(text).expect(text);
            assert_eq!((task.id().as_str(), task.to_string().as_str()), (id, shown));
        }
        for text in ["", "nanonets:", "agent-harness:..", "..", "other:1"] {
            assert!(named(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_an_id_holds_it_is_shown_on_one_line_and_read_back_unless_it_holds_control_characters()
     {
        for (id, shown) in [
            ("a\nb\tc", "nanonets:a%0Ab%09c"),
            ("50%", "nanonets:50%"),
            ("%41%0A", "nanonets:%41%250A"),
            ("%%0A", "nanonets:%%250A"),
            ("\u{202e}x", "nanonets:%E2%80%AEx"),
            ("x\u{9b}", "nanonets:x%C2%9B"),
            ("schön", "nanonets:schön"),
        ] {
            let task = TaskRef::of::<Nanonets>(id.into());
            assert_eq!(task.to_string(), shown);
            match id.contains(char::is_control) {
                true => assert!(named(shown).is_err() && named(id).is_err(), "{shown}"),
                false => assert_eq!(named(shown), Ok(task)),
            }
        }
    }

    #[test]
    fn an_id_is_no_longer_than_any_id() {
        assert!("a".repeat(MAX_ID).parse::<TaskArg>().is_ok());
        assert!("a".repeat(MAX_ID + 1).parse::<TaskArg>().is_err());
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
