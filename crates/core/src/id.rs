//! Names for things: each kind of id is its own type.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::BuildError;
use crate::question::Answer;
use crate::redact::is_redacted;
use crate::seed::{Seed, hex};
use crate::target::Target;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; it is encoded wherever it enters a URL.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
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
    /// The id that a provider gave a task. Whatever the server sent is an id, even when it is not a UUID.
    TaskId
}
impl TaskId {
    /// Whether the id can name a task in a path: not empty, not `.` or `..`, not endless, without control characters
    /// and without traces of a repair or of a key that was removed, which would make it another task's.
    ///
    /// # Errors
    /// Says which of these it is.
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
    /// A question's id, stable across processes and snapshots: of each question of each task another.
    QuestionId
}
impl QuestionId {
    /// What the ids of stand-ins begin with; those of questions that are known begin with `q_`.
    const STAND_IN: &str = "s_";

    /// Makes the id of a question out of everything that makes it this one: `q_` and 16 hexadecimal characters of the
    /// SHA-256 over `parts`, each after its length as eight bytes, the most significant first.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(format!("q_{}", Self::digest(parts)))
    }

    /// Makes the id of something that `task` asks at this place, of which nothing else is known.
    #[must_use]
    pub fn stand_in(task: &TaskId, place: &str) -> Self {
        let digest = Self::digest(&[task.as_str().as_bytes(), place.as_bytes()]);
        Self(format!("{}{digest}", Self::STAND_IN))
    }

    /// Returns whether the id is that of a stand-in: whoever names it has not seen what is asked.
    #[must_use]
    pub fn is_stand_in(&self) -> bool {
        self.0.starts_with(Self::STAND_IN)
    }

    fn digest(parts: &[&[u8]]) -> String {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hex(&hash.finalize()[..8])
    }
}
text_id! {
    /// Names one start that may or may not have reached the server: what to quote when its outcome is unknown.
    IntentId
}
text_id! {
    /// The place in a task's conversation before a write of ours; made and read by the provider, opaque to the machine.
    Cursor
}

/// Key that lets a server recognise a repeated write. Minted once, before the first attempt, and frozen with the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes a key that the caller chose.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Mints the key of one use: a version-4 UUID from `seed`, bound to what it protects.
    #[must_use]
    pub fn mint(seed: &Seed, label: &str, bound_to: &[u8]) -> Self {
        let bytes = seed.derive(label, bound_to);
        Self(
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string(),
        )
    }

    /// The key of an answer to a question: the same for whoever answers it alike, so that the server takes the second
    /// for the first.
    #[must_use]
    pub fn of_answer(task: &str, question: &str, answer: &Answer) -> Self {
        let answer = serde_json::to_string(answer).unwrap_or_default();
        let bound_to = format!("{task}\n{question}\n{answer}");
        Self::mint(&Seed([0; 32]), "answer", bound_to.as_bytes())
    }

    /// The text of the key, as it goes into the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Number of an event that never changes: whichever process tells an event, and however often, it has the same one, and no
/// other event of its task has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventId {
    /// An event of the platform's stream, by its place there.
    Stream(EventSeq),
    /// An event of the machine's own, by its number among those. They rise; another process may leave some out.
    Own(u64),
}

/// `7` for an event of the machine's own, `s7` for one of the stream.
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
    /// Number of an event in the order of telling, from 1, without gaps: what a driver acknowledges. Another process may
    /// give it to another event; an [`EventId`] is for good.
    EventNo
}
number_id! {
    /// Number of a state worth storing; grows with each.
    Revision
}
number_id! {
    /// Number of a message handed to [`Task::send_message`](crate::Task::send_message).
    MessageNo
}
number_id! {
    /// Place in a task's event stream; later events have larger positions.
    EventSeq
}
