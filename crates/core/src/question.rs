//! The questions that an agent asks a human, and the answers.

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
    /// An approval or a rejection of a step.
    Approval,
    /// A JSON object.
    Data,
    /// A sign-in or a permission that a human gives elsewhere. The task may go on by itself then; an answer is allowed.
    Authentication,
    /// A kind that this version does not know; the payload describes it.
    Other(String),
}

/// A question for whose answer the agent waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// The question's id, stable across processes, to recognise the question or answer it later.
    pub id: QuestionId,
    /// What kind of answer the question wants.
    pub kind: QuestionKind,
    /// The question's text: the newest thing the agent said. Empty if it said nothing.
    pub text: String,
    /// Everything the agent said or did since somebody last spoke to it, oldest first, as the server sent it.
    pub messages: Vec<Value>,
    /// The complete object that the server sent to ask, if the question is more than words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The sequence number of the event that asks the question, on a platform that asks by events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<EventSeq>,
    /// How many messages of users precede the question, on a platform that asks in a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_before: Option<u64>,
    /// The conversation of the task, on a platform where an answer has to name it besides the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// When the question was asked, as the server wrote it; `None` if the server does not say that of the question
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The first event after which a client that missed the asking event would have reported a stand-in for this
    /// question; no earlier wait lies between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unseen_after: Option<EventSeq>,
    /// Whether the id is a stand-in: the server shows that the task waits, but not for what. Such a question is
    /// reported only after several reads agree.
    #[serde(default)]
    pub stand_in: bool,
}

impl Question {
    /// Creates a question in words.
    pub fn new(id: impl Into<QuestionId>, kind: QuestionKind, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind,
            text: text.into(),
            messages: Vec::new(),
            payload: None,
            seq: None,
            users_before: None,
            conversation: None,
            since: None,
            unseen_after: None,
            stand_in: false,
        }
    }

    /// Sets the event that asks this question.
    #[must_use]
    pub fn asked_at(mut self, seq: EventSeq) -> Self {
        self.seq = Some(seq);
        self
    }

    /// Sets how many messages of users precede this question.
    #[must_use]
    pub fn asked_behind(mut self, users: u64) -> Self {
        self.users_before = Some(users);
        self
    }

    /// Sets when this question was asked, by the server's clock.
    #[must_use]
    pub fn asked_since(mut self, at: Option<String>) -> Self {
        self.since = at;
        self
    }

    /// Sets the conversation that an answer has to name.
    #[must_use]
    pub fn in_conversation(mut self, id: Option<String>) -> Self {
        self.conversation = id;
        self
    }

    /// Sets what the agent said before this question.
    #[must_use]
    pub fn with_messages(mut self, messages: Vec<Value>) -> Self {
        self.messages = messages;
        self
    }

    /// Sets what the server sent to ask this question; `null` counts as nothing, as it does after it was stored.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = Some(payload).filter(|payload| !payload.is_null());
        self
    }

    /// Marks the id of this question as a stand-in.
    #[must_use]
    pub fn as_stand_in(mut self) -> Self {
        self.stand_in = true;
        self
    }

    /// Returns the question's text.
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
    /// An approval.
    Approve,
    /// A rejection.
    Reject {
        /// The reason, for the record.
        reason: Option<String>,
    },
    /// A JSON object.
    Input(Map<String, Value>),
}

impl Answer {
    /// Creates an answer in words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

/// What a question handler decides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Answers the question.
    Answer(Answer),
    /// Answers neither here nor now: control returns to the caller, and the task keeps waiting.
    Leave,
    /// Cancels the task.
    Cancel,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Why a question is no longer open although, as far as the server shows, no answer of ours was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WithdrawReason {
    /// Somebody else answered the question: a user's message that is not ours follows it, or the task's events continue
    /// after the wait, which only an answer makes possible.
    AnsweredElsewhere,
    /// The agent changed the question or asks something else, and nobody answered.
    Superseded,
    /// The task moved on or ended, and nothing shows whether anybody answered.
    TaskMovedOn,
}

/// The outcome of an answer or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "StoredAnswered")]
#[non_exhaustive]
pub enum Answered {
    /// The agent received the answer.
    Applied,
    /// The question was no longer open, for this reason. The answer was not applied.
    Gone(WithdrawReason),
    /// The server refused the answer; the question may still be open.
    Refused,
    /// The answer may have arrived. The client does not send it again by itself.
    Unknown,
    /// The client stopped following the task before it sent the answer. The question may still be open.
    NotSent,
}

/// The stored form of [`Answered`]; before reasons were stored, `gone` was a bare word.
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

/// Why an answer was rejected before anything was sent. [`Error::answer_error`](crate::Error::answer_error) returns it
/// if the answer went through a handle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnswerError {
    /// No question with this id is open: it was never asked, it was withdrawn, or the task is over.
    NoSuchQuestion(QuestionId),
    /// The question was already answered.
    AlreadyAnswered {
        /// The question.
        id: QuestionId,
        /// The answer, if this client gave it and it was applied; `None` if somebody else answered, or may have.
        with: Option<Answer>,
    },
    /// An answer to the question is under way; an event will report its outcome.
    BeingAnswered(QuestionId),
    /// The question wants another kind of answer.
    WrongKind {
        /// The question.
        id: QuestionId,
        /// What it wants.
        wants: QuestionKind,
        /// What is wrong with the answer, in words.
        why: &'static str,
    },
}

impl AnswerError {
    /// Returns the id of the question that was to be answered.
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
            // The answer is for its author to see and does not belong into a log.
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
