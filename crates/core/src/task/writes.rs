//! The delivery region: writes to a task that exists, each applied at most once.
//!
//! ```text
//! Check ──still asked──► Write ──2xx──► Applied
//!   │                     │ ▲ │ ▲
//!   └─► Gone              │ └─┘ └─── keyed, and still asked
//!                         │ never sent     │
//!                         ├─refused──► Refused
//!                         └─fate unknown──► Reconcile ──shows, or asked no more──► Applied
//!                                               └──three times not──► Unknown
//! ```
//!
//! A keyed answer may be repeated, and is, but only while the task still asks: a server that forgot the key would take
//! it for the answer to its next question.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Cursor, IdempotencyKey, MessageNo};
use crate::operation::Safety;
use crate::provider::Provider;
use crate::question::{Answer, Question};
use crate::reason::WaitReason;
use crate::time::Timestamp;

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WriteKind {
    /// The answer to a question.
    Answer {
        question: Box<Question>,
        answer: Answer,
    },
    /// A message nobody asked for.
    Message { no: MessageNo, text: String },
}

impl WriteKind {
    /// What makes its write safe to repeat.
    pub(super) fn safety<P: Provider>(&self) -> Safety {
        match self {
            Self::Answer { .. } => P::CAPABILITIES.answer,
            Self::Message { .. } => Safety::Once,
        }
    }

    /// What a conversation shows of it once it has arrived.
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

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WriteState {
    /// One read before it leaves: is the question still open, and where does the conversation stand?
    Check,
    /// Stored, and leaving.
    Write,
    /// Its fate is unknown: reads tell.
    Reconcile,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct PendingWrite {
    pub(super) kind: WriteKind,
    pub(super) state: WriteState,
    /// Attempts of the write.
    pub(super) attempts: u32,
    /// Reads that looked for it and did not tell.
    pub(super) reads: u32,
    pub(super) due: Timestamp,
    /// Why not before.
    pub(super) why: WaitReason,
    pub(super) cursor: Cursor,
    pub(super) key: Option<IdempotencyKey>,
    /// Whether an attempt of the write may have been received.
    pub(super) maybe_applied: bool,
    /// Whether the server then refused to take it again.
    pub(super) refused: bool,
    /// Its check waits for the list of events.
    pub(super) confirming: bool,
    /// What went wrong with the write, for the report.
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

    /// It is looked for again a little later.
    pub(super) fn read_later(&mut self, now: Timestamp) {
        self.due = now.after(reconcile_wait(self.reads));
        self.why = WaitReason::Reconcile;
    }

    pub(super) fn enter(&mut self, stage: WriteState, now: Timestamp) {
        self.state = stage;
        self.due = now;
    }
}

/// Reads that look for a write of unknown fate before it is reported unknown.
pub(super) const RECONCILE_READS: u32 = 3;

/// Wait before the next of those reads: the log may lag behind the write.
fn reconcile_wait(reads: u32) -> Duration {
    Duration::from_secs(u64::from(reads.min(RECONCILE_READS)) * 2)
}
