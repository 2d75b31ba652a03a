//! Identifiers: each kind of id is its own type.

use std::fmt;

use hmac_sha256::Hash as Sha256;
use serde::{Deserialize, Serialize};

use crate::build_error::BuildError;
use crate::needles::is_redacted;
use crate::seed::hex;
use crate::target::Target;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Creates the id from this text as it is; it is encoded wherever it enters a URL.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

text_id! {
    /// The id that a provider gave a task. Whatever the server sent is an id, even if it is no UUID.
    TaskId
}
impl TaskId {
    /// Checks whether the id can name a task in a path: not empty, not `.` or `..`, not too long, without control
    /// characters, and without traces of repaired text or of a removed key, which would make it the id of another task.
    ///
    /// # Errors
    /// Returns an error that says which of these rules the id breaks.
    pub fn check(&self) -> Result<(), BuildError> {
        if self
            .0
            .chars()
            .any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
            || is_redacted(&self.0)
        {
            return Err(BuildError::new(format!("{:?} is not an id", self.0)));
        }
        Target::new("").segment(&self.0).map(|_| ())
    }
}

text_id! {
    /// A question's id, stable across processes and snapshots and unique among the questions of all tasks.
    QuestionId
}
impl QuestionId {
    /// How the ids of stand-ins begin; those of known questions begin with `q_`.
    const STAND_IN: &str = "s_";

    /// Derives the id of a question from everything that identifies it: `q_` and 16 hexadecimal characters of the
    /// SHA-256 over `parts`, each preceded by its length as eight bytes, the most significant first.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(format!("q_{}", Self::digest(parts)))
    }

    /// Derives the id of a question that `task` asks at this place and of which nothing else is known.
    #[must_use]
    pub fn stand_in(task: &TaskId, place: &str) -> Self {
        let digest = Self::digest(&[task.as_str().as_bytes(), place.as_bytes()]);
        Self(format!("{}{digest}", Self::STAND_IN))
    }

    /// Returns whether the id is a stand-in: whoever uses it has not seen what is asked.
    #[must_use]
    pub fn is_stand_in(&self) -> bool {
        self.0.starts_with(Self::STAND_IN)
    }

    fn digest(parts: &[&[u8]]) -> String {
        digest(parts, 8)
    }
}

/// Returns so many bytes of the SHA-256 over `parts` in hexadecimal characters, each part preceded by its length as eight
/// bytes, the most significant first.
pub(crate) fn digest(parts: &[&[u8]], bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..bytes])
}

text_id! {
    /// The id of one start request that may or may not have reached the server: quote it when the outcome is unknown.
    IntentId
}
text_id! {
    /// The newest place in a task's conversation before a write of ours. The provider creates and reads it; the machine
    /// does not look inside.
    Cursor
}

/// The number of an event, which never changes: every process that reports the event, however often, gives it the same
/// number, and no other event of its task has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventId {
    /// An event of the platform's stream, by its sequence number.
    Stream(EventSeq),
    /// An event of the machine's own, by its number among those. The numbers rise; another process may skip some.
    Own(u64),
}

/// Writes `7` for an event of the machine's own, `s7` for one of the stream.
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(position) => write!(f, "s{position}"),
            Self::Own(no) => no.fmt(f),
        }
    }
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// One exchange with the server: a request and its reply, or a stream.
    ExchangeId
}
number_id! {
    /// The number of an event in the order of delivery, from 1 and without gaps: a driver acknowledges it. Another
    /// process may give it to another event; an [`EventId`] never changes.
    EventNo
}
number_id! {
    /// The number of a state that must be stored; each new one is larger.
    Revision
}
number_id! {
    /// The number of a message passed to [`Task::send_message`](crate::Task::send_message).
    MessageNo
}
number_id! {
    /// The sequence number of an event in a task's stream; later events have larger ones.
    EventSeq
}
