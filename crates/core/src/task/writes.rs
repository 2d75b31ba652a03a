//! The writes region: writes to an existing task, each applied at most once.
//!
//! ```text
//! Check ──still asked──► Write ──2xx──► Applied
//!   │                     │ ▲ │ ▲
//!   └─► Gone              │ └─┘ └─── keyed, and still asked
//!                         │ never sent     │
//!                         ├─refused──► Refused
//!                         └─outcome unknown──► Reconcile ──shows, or no longer asked──► Applied
//!                                                  └──three times not──► Unknown
//! ```
//!
//! A keyed answer may be repeated, but only while the task still asks: a server that forgot the key would take it for
//! the answer to its next question.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Cursor, IdempotencyKey, MessageNo};
use crate::operation::Safety;
use crate::provider::Provider;
use crate::question::{Answer, Question};
use crate::reason::WaitReason;
use crate::time::Timestamp;

/// What is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WriteKind {
    /// The answer to a question.
    Answer {
        question: Box<Question>,
        answer: Answer,
    },
    /// A message that answers no question.
    Message { no: MessageNo, text: String },
}

impl WriteKind {
    /// Returns what makes the write safe to repeat.
    pub(super) fn safety<P: Provider>(&self) -> Safety {
        match self {
            Self::Answer { .. } => P::CAPABILITIES.answer,
            Self::Message { .. } => Safety::Once,
        }
    }

    /// Returns the text that a conversation shows once the write has arrived.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Answer {
                answer: Answer::Text(text),
                ..
            }
            | Self::Message { text, .. } => text,
            Self::Answer { .. } => "",
        }
    }
}

/// The state of a pending write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WriteState {
    /// The task must be read before the write is sent: is the question still open, and what is the conversation's
    /// cursor?
    Check,
    /// The write is stored and may be sent.
    Write,
    /// The outcome is unknown: reads have to find the write.
    Reconcile,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct PendingWrite {
    pub(super) kind: WriteKind,
    pub(super) state: WriteState,
    /// How often the write was sent.
    pub(super) attempts: u32,
    /// How many reads have not found the write.
    pub(super) reads: u32,
    pub(super) due: Timestamp,
    /// Why the write is not sent earlier.
    pub(super) why: WaitReason,
    pub(super) cursor: Cursor,
    pub(super) key: Option<IdempotencyKey>,
    /// Whether the server may have received an attempt of the write.
    pub(super) maybe_applied: bool,
    /// Whether the server then refused the repeated write.
    pub(super) refused: bool,
    /// Whether its check waits for the list of events.
    pub(super) confirming: bool,
    /// The last error of the write, for the report.
    pub(super) last_error: Option<String>,
}

impl PendingWrite {
    pub(super) fn new(kind: WriteKind, key: Option<IdempotencyKey>, now: Timestamp) -> Self {
        Self {
            kind,
            state: WriteState::Check,
            attempts: 0,
            reads: 0,
            due: now,
            why: WaitReason::Backoff,
            cursor: Cursor::new(""),
            key,
            maybe_applied: false,
            refused: false,
            confirming: false,
            last_error: None,
        }
    }

    /// Postpones the next read that has to find the write.
    pub(super) fn read_later(&mut self, now: Timestamp) {
        self.due = now.after(reconcile_wait(self.reads));
        self.why = WaitReason::Reconcile;
    }

    pub(super) fn enter(&mut self, stage: WriteState, now: Timestamp) {
        self.state = stage;
        self.due = now;
    }
}

/// How many reads try to find a write with unknown outcome before it is reported as unknown.
pub(super) const RECONCILE_READS: u32 = 3;

/// Returns the wait before the next of these reads: the conversation may show a write with a delay.
fn reconcile_wait(reads: u32) -> Duration {
    Duration::from_secs(u64::from(reads.min(RECONCILE_READS)) * 2)
}

/// The writes that are pending, in order; only the first one is under way.
#[derive(Debug, Default)]
pub(super) struct Writes {
    queue: VecDeque<PendingWrite>,
    /// How many messages were queued.
    pub(super) messages: u64,
}

impl Writes {
    pub(super) fn push(&mut self, kind: WriteKind, key: Option<IdempotencyKey>, now: Timestamp) {
        self.queue.push_back(PendingWrite::new(kind, key, now));
    }

    /// Queues a message.
    pub(super) fn push_message(&mut self, text: String, now: Timestamp) -> MessageNo {
        self.messages += 1;
        let no = MessageNo(self.messages);
        self.push(WriteKind::Message { no, text }, None, now);
        no
    }

    /// Restores the pending writes of a stored task.
    pub(super) fn restore(queue: VecDeque<PendingWrite>, messages: u64) -> Self {
        Self { queue, messages }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PendingWrite> {
        self.queue.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn front(&self) -> Option<&PendingWrite> {
        self.queue.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut PendingWrite> {
        self.queue.front_mut()
    }

    pub(super) fn push_front(&mut self, write: PendingWrite) {
        self.queue.push_front(write);
    }

    pub(super) fn pop_front(&mut self) -> Option<PendingWrite> {
        self.queue.pop_front()
    }
}
