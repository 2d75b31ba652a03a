//! Names of tasks on the command line: `PROVIDER:ID`, or an id alone.

use std::fmt;
use std::str::FromStr;

use taskward::{Provider as _, TaskId, nanonets::Nanonets};

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
        match id {
            "" => Err("the id is empty".to_owned()),
            "." | ".." => Err(format!("{id:?} is not an id")),
            id => Ok(Self::new(TaskId::new(id))),
        }
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Nanonets::NAME, self.id)
    }
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
