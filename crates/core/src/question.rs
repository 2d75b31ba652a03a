//! Questions an agent asks a human, and the answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{EventSeq, QuestionId};

/// What kind of answer a question wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum QuestionKind {
    /// A message in words.
    Text,
    /// Yes or no to a step.
    Approval,
    /// A JSON object.
    Data,
    /// Something this version does not know; the raw payload tells.
    Other(String),
}

/// A question that the agent waits on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// Its id, stable across processes: to answer it later, or to recognise it.
    pub id: QuestionId,
    /// What kind of answer it wants.
    pub kind: QuestionKind,
    /// The question itself: the newest thing the agent said. Empty when it said nothing.
    pub text: String,
    /// Everything the agent said or did since it was last spoken to, oldest first, as the server sent it.
    pub messages: Vec<Value>,
    /// What the server sent to ask, whole, where the question is more than words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The place in the task's events where it is asked, on a platform that asks by an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<EventSeq>,
    /// How many messages of users stand before it, on a platform that asks in a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_before: Option<u64>,
    /// When it was asked, as the server wrote it; `None` where the server does not tell that of the question itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The first event after which whoever missed the one that asks would have told a stand-in for it; no earlier wait
    /// stands between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unseen_after: Option<EventSeq>,
    /// Whether the id is a stand-in: the server shows that it waits, but not what for. Such a question is told only
    /// after several reads agree.
    #[serde(default)]
    pub stand_in: bool,
}

impl Question {
    /// A question in words.
    pub fn new(id: impl Into<QuestionId>, kind: QuestionKind, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind,
            text: text.into(),
            messages: Vec::new(),
            payload: None,
            seq: None,
            users_before: None,
            since: None,
            unseen_after: None,
            stand_in: false,
        }
    }

    /// The same question, asked by the event of this place.
    #[must_use]
    pub fn asked_at(mut self, seq: EventSeq) -> Self {
        self.seq = Some(seq);
        self
    }

    /// The same question, asked behind so many messages of users.
    #[must_use]
    pub fn asked_behind(mut self, users: u64) -> Self {
        self.users_before = Some(users);
        self
    }

    /// The same question, asked at this moment of the server's clock.
    #[must_use]
    pub fn asked_since(mut self, at: Option<String>) -> Self {
        self.since = at;
        self
    }

    /// The same question with what the agent said before it.
    #[must_use]
    pub fn with_messages(mut self, messages: Vec<Value>) -> Self {
        self.messages = messages;
        self
    }

    /// The same question with what the server sent to ask it; `null` is nothing, here and once it was stored.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = Some(payload).filter(|payload| !payload.is_null());
        self
    }

    /// The same question, known by a stand-in id only.
    #[must_use]
    pub fn as_stand_in(mut self) -> Self {
        self.stand_in = true;
        self
    }

    /// The question's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A human's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// Words.
    Text(String),
    /// Yes.
    Approve,
    /// No.
    Reject {
        /// Why, for the record.
        reason: Option<String>,
    },
    /// A JSON object.
    Input(Map<String, Value>),
}

impl Answer {
    /// An answer in words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// What a question handler decides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// This is the answer.
    Answer(Answer),
    /// Not here, not now: hand control back; the task goes on waiting.
    Leave,
    /// Stop the task.
    Cancel,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Why a question is open no more although no answer of ours was applied to it, as far as anything shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WithdrawReason {
    /// Somebody else answered it: a user's message that is not ours follows it, or the task's events go on from the wait,
    /// which only an answer makes them do.
    AnsweredElsewhere,
    /// The agent changed it or asks something else, and nobody has answered.
    Superseded,
    /// The task went on or ended, and nothing shows whether anybody answered.
    TaskMovedOn,
}

/// How the answer to a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "StoredAnswered")]
#[non_exhaustive]
pub enum Answered {
    /// The agent has it.
    Applied,
    /// The question was no longer open, for this reason. The answer was not taken.
    Gone(WithdrawReason),
    /// The server refused it; the question may still be open.
    Refused,
    /// It may have arrived. It is not sent again by itself.
    Unknown,
    /// The watch ended before it left. The question may still be open.
    NotSent,
}

/// What was stored of it: before there were reasons, the bare word.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredAnswered {
    Gone { gone: WithdrawReason },
    Word(AnsweredWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnsweredWord {
    Applied,
    Gone,
    Refused,
    Unknown,
    NotSent,
}

impl From<StoredAnswered> for Answered {
    fn from(stored: StoredAnswered) -> Self {
        match stored {
            StoredAnswered::Gone { gone } => Self::Gone(gone),
            StoredAnswered::Word(AnsweredWord::Gone) => Self::Gone(WithdrawReason::TaskMovedOn),
            StoredAnswered::Word(AnsweredWord::Applied) => Self::Applied,
            StoredAnswered::Word(AnsweredWord::Refused) => Self::Refused,
            StoredAnswered::Word(AnsweredWord::Unknown) => Self::Unknown,
            StoredAnswered::Word(AnsweredWord::NotSent) => Self::NotSent,
        }
    }
}

/// Why an answer was refused before anything was sent. [`Error::answer_error`](crate::Error::answer_error) gives it where
/// the answer went through a handle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnswerError {
    /// No question of this id is open: it was never asked, it was withdrawn, or the task is over.
    NoSuchQuestion(QuestionId),
    /// The question has its answer.
    AlreadyAnswered {
        /// The question.
        id: QuestionId,
        /// The answer, when it was given here and applied; `None` when somebody else answered, or may have.
        with: Option<Answer>,
    },
    /// An answer to it is under way; an event tells what becomes of that one.
    BeingAnswered(QuestionId),
    /// The question wants another kind of answer.
    WrongKind {
        /// The question.
        id: QuestionId,
        /// What it wants.
        wants: QuestionKind,
        /// What is wrong, in words.
        why: &'static str,
    },
}

impl AnswerError {
    /// Returns the question that was to be answered.
    #[must_use]
    pub fn question(&self) -> &QuestionId {
        match self {
            Self::NoSuchQuestion(id)
            | Self::AlreadyAnswered { id, .. }
            | Self::BeingAnswered(id)
            | Self::WrongKind { id, .. } => id,
        }
    }
}

impl std::fmt::Display for AnswerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchQuestion(id) => write!(f, "no question {id} is open"),
            // What was answered is for its author, not for a log.
            Self::AlreadyAnswered { id, .. } => write!(f, "question {id} was already answered"),
            Self::BeingAnswered(id) => {
                write!(f, "an answer to question {id} is already under way")
            }
            Self::WrongKind { id, why, .. } => {
                write!(f, "the answer does not fit question {id}: {why}")
            }
        }
    }
}

impl std::error::Error for AnswerError {}
