//! Names of tasks on the command line: `PROVIDER:ID`, or an id alone.

use std::fmt;
use std::str::FromStr;

use taskward::TaskId;

use crate::hidden::is_hidden;
use crate::registry::ProviderName;
use crate::registry::Registered;
use crate::shell::quote;

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

#[cfg(test)]
mod tests {
    use super::*;
    use taskward::nanonets::Nanonets;

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
}
