//! What a command sends first, and what it says to a task that exists.

use taskward::question::Answered;

use crate::task_ref::TaskRef;

/// What was sent first, for the words about an unknown outcome.
#[derive(Clone, Debug)]
pub(crate) enum StartKind {
    /// A start of an agent.
    Agent {
        /// The agent.
        agent: String,
        /// The command line that starts another one.
        command: String,
    },
    /// A start whose task is found by an id of ours, and that is never repeated.
    Traced {
        /// The command line that starts another one.
        command: String,
    },
    /// A start under a key.
    Keyed(Keyed),
    /// A message to a task.
    Message(TaskRef),
    /// A start that was made before, repeated under its key.
    Again,
    /// Nothing: the task was only watched.
    Watch,
}

/// A start that can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    /// Its idempotency key.
    pub(crate) key: String,
    /// Whether this command made the key itself: nobody else can have used it.
    pub(crate) minted: bool,
    /// The same command line without a key: a new run.
    pub(crate) command: String,
}

/// Something said to a task that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// What nobody asked for.
    Message,
    /// To a question.
    Answer,
}

impl Undelivered {
    /// A word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Answer => "answer",
        }
    }

    /// What became of it, as a sentence.
    pub(crate) fn write_result(self, how: Answered) -> String {
        let what = self.as_str();
        match how {
            Answered::Applied => format!("The {what} was delivered."),
            Answered::Gone(_) => {
                format!("The question was no longer open, so the {what} was not sent.")
            }
            Answered::Refused => format!("The server rejected the {what}."),
            Answered::NotSent => format!("The {what} was not sent."),
            _ => format!("The {what} may or may not have arrived."),
        }
    }
}
