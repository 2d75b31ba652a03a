//! Names of tasks on the command line: `PROVIDER:ID`, or an id alone.

use std::fmt;
use std::str::FromStr;

use taskward::{Provider as _, TaskId, nanonets::Nanonets};

use crate::sanitise::is_unsafe;

/// The longest id that is taken: more than a URL's path has room for makes no sense.
const MAX_ID: usize = 2048;

/// A task of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskRef {
    id: TaskId,
}

impl TaskRef {
    /// The task of this id.
    pub(crate) fn new(id: TaskId) -> Self {
        Self { id }
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

impl FromStr for TaskRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let id = match text.split_once(':') {
            Some((provider, id)) if provider == Nanonets::NAME => id,
            // An id may hold a colon; a word in front of it is a provider.
            Some((provider, _))
                if !provider.is_empty() && provider.bytes().all(|b| b.is_ascii_lowercase()) =>
            {
                return Err(format!(
                    "there is no provider {provider:?}: a task is {}:ID, or its id alone",
                    Nanonets::NAME
                ));
            }
            _ => text,
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
            id => Ok(Self::new(TaskId::new(id))),
        }
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Nanonets::NAME, encode(self.id.as_str()))
    }
}

/// An id as it is shown, on one line whatever it holds: what a terminal acts on is percent-encoded, and so is a percent
/// sign that would be taken for such a code.
fn encode(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for (at, c) in id.char_indices() {
        let hidden = is_unsafe(c) || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if hidden || code(&id.as_bytes()[at..]).is_some() {
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

/// `text` as one word of a POSIX shell command.
pub(crate) fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/@%+=,".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_with_and_without_its_provider() {
        for text in ["nanonets:a-1", "a-1"] {
            let task: TaskRef = text.parse().expect(text);
            assert_eq!(
                (task.id().as_str(), task.to_string().as_str()),
                ("a-1", "nanonets:a-1")
            );
        }
        assert_eq!(
            "nanonets:x:y"
                .parse::<TaskRef>()
                .expect("odd")
                .id()
                .as_str(),
            "x:y"
        );
        assert_eq!(
            "X1:y".parse::<TaskRef>().expect("odd").id().as_str(),
            "X1:y"
        );
        for text in ["", "nanonets:", "nanonets:..", "..", "other:1"] {
            assert!(text.parse::<TaskRef>().is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_an_id_holds_it_is_shown_on_one_line_and_read_back() {
        for (id, shown) in [
            ("a\nb\tc", "nanonets:a%0Ab%09c"),
            ("50%", "nanonets:50%"),
            ("%41%0A", "nanonets:%41%250A"),
            ("%%0A", "nanonets:%%250A"),
            ("\u{202e}x\u{9b}", "nanonets:%E2%80%AEx%C2%9B"),
            ("schön", "nanonets:schön"),
        ] {
            let task = TaskRef::new(id.into());
            assert_eq!(task.to_string(), shown);
            assert_eq!(shown.parse(), Ok(task));
        }
    }

    #[test]
    fn an_id_is_no_longer_than_any_id() {
        assert!("a".repeat(MAX_ID).parse::<TaskRef>().is_ok());
        assert!("a".repeat(MAX_ID + 1).parse::<TaskRef>().is_err());
    }

    #[test]
    fn a_printed_command_is_one_that_a_shell_reads_back() {
        for (text, word) in [
            ("nanonets:ab-1", "nanonets:ab-1"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
            ("", "''"),
        ] {
            assert_eq!(quote(text), word);
        }
    }
}
