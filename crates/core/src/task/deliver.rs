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

use crate::id::{IdempotencyKey, Mark, MessageNo};
use crate::operation::Safety;
use crate::provider::Provider;
use crate::question::{Answer, Question};
use crate::time::Timestamp;
use crate::why::Why;

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Parcel {
    /// The answer to a question.
    Answer {
        question: Box<Question>,
        answer: Answer,
    },
    /// A message nobody asked for.
    Message { no: MessageNo, text: String },
}

impl Parcel {
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
pub(crate) enum Stage {
    /// One read before it leaves: is the question still open, and where does the conversation stand?
    Check,
    /// Stored, and leaving.
    Write,
    /// Its fate is unknown: reads tell.
    Reconcile,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Delivery {
    pub(super) parcel: Parcel,
    pub(super) stage: Stage,
    /// Attempts of the write.
    pub(super) writes: u32,
    /// Reads that looked for it and did not tell.
    pub(super) looks: u32,
    pub(super) due: Timestamp,
    /// Why not before.
    pub(super) why: Why,
    pub(super) mark: Mark,
    pub(super) key: Option<IdempotencyKey>,
    /// Whether an attempt of the write may have been received.
    pub(super) maybe: bool,
    /// Whether the server then refused to take it again.
    pub(super) refused: bool,
    /// Its check waits for the list of events.
    pub(super) confirming: bool,
    /// What went wrong with the write, for the report.
    pub(super) trouble: Option<String>,
}

impl Delivery {
    pub(super) fn new(parcel: Parcel, key: Option<IdempotencyKey>, now: Timestamp) -> Self {
        Self {
            parcel,
            stage: Stage::Check,
            writes: 0,
            looks: 0,
            due: now,
            why: Why::Backoff,
            mark: Mark::new(""),
            key,
            maybe: false,
            refused: false,
            confirming: false,
            trouble: None,
        }
    }

    /// It is looked for again a little later.
    pub(super) fn look_later(&mut self, now: Timestamp) {
        self.due = now.after(reconcile_wait(self.looks));
        self.why = Why::Reconcile;
    }

    pub(super) fn enter(&mut self, stage: Stage, now: Timestamp) {
        self.stage = stage;
        self.due = now;
    }
}

/// Reads that look for a write of unknown fate before it is reported unknown.
pub(super) const RECONCILE_LOOKS: u32 = 3;

/// Wait before the next of those reads: the log may lag behind the write.
fn reconcile_wait(looks: u32) -> Duration {
    Duration::from_secs(u64::from(looks.min(RECONCILE_LOOKS)) * 2)
}
