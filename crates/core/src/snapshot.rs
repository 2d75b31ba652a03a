//! A stored task: a versioned format of its own, without secrets.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ApiError, ErrorClass};
use crate::event::{Event, RawEvent, Status};
use crate::id::{Cursor, EventId, EventSeq, IntentId, MessageNo, QuestionId, Revision, TaskId};
use crate::key::IdempotencyKey;
use crate::outcome::{CancelFailure, TaskFailure};
use crate::outcome::{NotStartedReason, UnknownReason};
use crate::policy::Policy;
use crate::provider::{MatchCriteria, UnconfirmedEnd};
use crate::question::{Answer, Question};
use crate::source::Source;
use crate::time::Timestamp;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 2;
/// The last commit that reads and writes version 1. No version was released before 2, so nothing converts.
const LAST_OF_VERSION_1: &str = "81b1c04";

/// Everything that another process needs to continue with a task, and no secret.
///
/// It serialises with serde as one JSON object whose `v` is its version.
///
/// ```
/// # use taskward_core::Snapshot;
/// let text = r#"{"v":2,"provider":"toy","task":"42","saved_at":0}"#;
/// let snapshot: Snapshot = serde_json::from_str(text)?;
/// assert_eq!(snapshot.task().map(|id| id.as_str()), Some("42"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(pub(crate) Saved);

impl Snapshot {
    /// Checks the version of a stored form before the rest is read, because another version may have any shape.
    ///
    /// # Errors
    /// Returns [`ResumeError::Version`] if this program does not read the version; its message says which program does.
    pub const fn check_version(version: u32) -> Result<(), ResumeError> {
        if version == VERSION {
            Ok(())
        } else {
            Err(ResumeError::Version(version))
        }
    }

    /// Returns the provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// Returns the server on which the task was started or read, as [`Origin::canonical`](crate::Origin::canonical)
    /// writes it, if the driver named it.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.0.origin.as_deref()
    }

    /// Returns the task's id, once it is known.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        self.0.task.as_ref()
    }

    /// Returns whether an answer or a message may have been sent whose outcome is unknown.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.0
            .writes
            .iter()
            .any(|write| write.state.is_unconfirmed())
    }

    /// Returns whether an answer or a message without an idempotency key is sent once this is stored: its driver does, or
    /// whoever takes it up again first reads whether it arrived, or sends it after a read if it was put off. Only one
    /// process should go on.
    #[must_use]
    pub fn leaves_unkeyed(&self) -> bool {
        let leaves = |state| matches!(state, SavedWriteState::Write | SavedWriteState::Postponed);
        let mut writes = self.0.writes.iter();
        writes.any(|write| leaves(write.state) && write.key.is_none())
    }

    /// Returns the text of an answer or a message that may have arrived and whose outcome was unknown when this was
    /// stored. It is empty if the answer is not text.
    #[must_use]
    pub fn unconfirmed_write(&self) -> Option<&str> {
        let mut writes = self.0.writes.iter();
        let lost = |turn: &&SavedTurn| matches!(turn.state, SavedTurnState::Lost { .. });
        match writes.find(|write| write.state.is_unconfirmed()) {
            Some(write) => Some(match &write.kind {
                SavedWriteKind::Answer {
                    answer: Answer::Text(text),
                    ..
                }
                | SavedWriteKind::Message { text, .. } => text,
                SavedWriteKind::Answer { .. } => "",
            }),
            None => Some(self.0.turn.as_ref().filter(lost)?.text.as_str()),
        }
    }

    /// Returns the last status seen.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.0.status.as_ref()
    }

    /// Returns the id of the start that created the task; `None` if the task was only followed.
    #[must_use]
    pub fn intent(&self) -> Option<&IntentId> {
        let ended = match &self.0.ended {
            // The intent of a turn names no start.
            Some(SavedEnd::Unknown { intent, .. }) if self.0.task.is_none() => Some(intent),
            _ => None,
        };
        let start = self.0.start.as_ref().map(|start| &start.intent);
        self.0.intent.as_ref().or(start).or(ended)
    }

    /// Returns whether this is a start that may or may not have created a task: no id is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let of_a_start = match &self.0.ended {
            Some(end) => matches!(end, SavedEnd::Unknown { .. }),
            None => self.0.start.is_some(),
        };
        self.0.task.is_none() && of_a_start
    }

    /// Returns a digest of what a start with unknown outcome sent. Two runs of one command have different digests only
    /// where the platform supports idempotency keys.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.0.start.as_ref().map(|start| start.digest.as_str())
    }

    /// Returns what identifies the task of a start with unknown outcome.
    #[must_use]
    pub fn match_criteria(&self) -> Option<&MatchCriteria> {
        self.0.start.as_ref()?.criteria.as_ref()
    }

    /// Returns whether a start with unknown outcome can be repeated: it has an idempotency key.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        let start = self.0.start.as_ref();
        self.is_unknown() && start.is_some_and(|start| start.request.is_some())
    }

    /// Returns whether the task of a start with unknown outcome can be found by an id of ours in its request, exactly.
    #[must_use]
    pub fn is_traceable(&self) -> bool {
        let criteria = self.match_criteria();
        self.is_unknown() && criteria.is_some_and(|criteria| criteria.reference.is_some())
    }

    /// Returns whether this contains nothing but an id that somebody entered: nothing of the task was read, it was not
    /// started here, and no write is pending. Such an id may be a typing error and is not worth storing.
    #[must_use]
    pub fn has_unconfirmed_end(&self) -> bool {
        let saved = &self.0;
        let seen =
            saved.status.is_some() || saved.event_seq.is_some() || saved.created_at.is_some();
        let said = saved.turn.is_some() || !saved.writes.is_empty();
        saved.task.is_some() && saved.intent.is_none() && !seen && !said
    }

    /// Returns whether this is a turn whose message is known not to have arrived: there is nothing to resume.
    pub(crate) fn is_undelivered(&self) -> bool {
        let turn = self.0.turn.as_ref();
        turn.is_some_and(|turn| matches!(turn.state, SavedTurnState::Undelivered { .. }))
    }

    /// Reopens this task under the deadlines of `policy`.
    pub(crate) fn reopened(mut self, policy: Policy, now: Timestamp) -> Self {
        let saved = &mut self.0;
        if let Some(start) = &mut saved.start {
            start.begun_at.get_or_insert(saved.saved_at);
        }
        saved.ended = None;
        saved.saved_at = now;
        // Somebody takes the task up: nothing that was put off waits any longer.
        if let Some(start) = &mut saved.start {
            (start.attempts, start.conflicts, start.due) = (0, 0, None);
        }
        saved.poll = None;
        saved.working_left = policy.work;
        saved.waiting_left = policy.human;
        saved.policy = policy;
        self
    }

    /// Returns the revision, which grows with each state that must be stored.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// Returns whether the task's following was over when this was stored.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.ended.is_some()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    #[serde(deserialize_with = "version")]
    pub(crate) v: u32,
    pub(crate) provider: String,
    /// What the provider's value says of the server; nothing where every server is the same.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) server: Value,
    /// The server that the task belongs to: another server does not know the task and must not see its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<TaskId>,
    /// The start that created the task, if this client sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) intent: Option<IntentId>,
    /// That start, until its outcome is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<SavedStart>,
    /// What starts the same again as a new task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<SavedAgain>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<SavedEnd>,
    pub(crate) saved_at: Timestamp,
    /// Time left on the clocks at `saved_at`.
    #[serde(
        default,
        with = "crate::time::stored::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) working_left: Option<Duration>,
    #[serde(
        default,
        with = "crate::time::stored::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) waiting_left: Option<Duration>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) human_is_asked: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) paused: bool,
    /// Since when the status has not changed although a write arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stale_since: Option<Timestamp>,
    /// What the agent said since, until a status shows whether it is a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) awaiting: Option<QuestionId>,
    /// The policy, as far as it is not the default.
    #[serde(
        default,
        serialize_with = "changed",
        skip_serializing_if = "is_default"
    )]
    pub(crate) policy: Policy,
    /// The seed in hexadecimal: keys and boundaries are derived from it, credentials are not.
    #[serde(default)]
    pub(crate) seed: String,
    #[serde(default)]
    pub(crate) jitter: u64,
    #[serde(default)]
    pub(crate) revision: Revision,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) events_taken: u64,
    /// Undelivered events that no later read reports again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending_events: Vec<Event>,
    /// Their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending_event_ids: Vec<EventId>,
    /// The last number that was given to an event of our own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) events_numbered: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) exchanges: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) messages: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) liveness: SavedLiveness,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) poll: Option<SavedPoll>,
    /// What is read of a task that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finishing: Option<SavedFinishing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_seq: Option<EventSeq>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) stream: SavedStream,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<SavedQuestion>,
    /// The place of the newest stand-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stand_in: Option<SavedStandIn>,
    /// A stand-in that too few reads have shown so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stand_in_shown: Option<SavedShownStandIn>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) writes: Vec<SavedWrite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<SavedTurn>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) cancel: SavedCancel,
    /// The error with which the server last refused an answer, a message or a cancel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_refusal: Option<SavedApiError>,
}

/// A start whose task id is not known. A keyed start contains the request, to be sent again byte for byte; a start
/// without a key contains what a search needs, and is never sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedStart {
    pub(crate) intent: IntentId,
    pub(crate) digest: String,
    /// When the start began; older snapshots lack it and say when they were stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) criteria: Option<MatchCriteria>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<SavedRequest>,
    /// How often the request was sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) attempts: u32,
    /// How often the server answered with a conflict.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) conflicts: u32,
    /// When the request is sent again; at once if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
}

/// What is stored of a start as long as the task is: its request without the idempotency key and the contents of files,
/// or why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedAgain {
    Request {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        criteria: Option<MatchCriteria>,
        request: SavedRequest,
    },
    TooLarge {
        bytes: u64,
    },
    FileFromMemory,
    UnnamedFile,
    HoldsKey,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedRequest {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<SavedSegment>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedSegment {
    Base64(String),
    Source(Source),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedInterruption {
    AtRest,
    Lost,
}

/// What the event stream and the list of events have shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedStream {
    /// When the stream is opened again; at once if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) failures: u32,
    /// Whether the platform said that there is no stream.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) missing: bool,
    /// The newest question that the events ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<SavedAsked>,
    /// The event since which no wait was missed and none was reported.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) no_wait_since: EventSeq,
    /// What followed the previous question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aftermath: Option<(QuestionId, SavedAftermath)>,
    /// An event that says that the task is over, until a read of the task confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<SavedUnconfirmedEnd>,
    /// The newest events, to show with the next question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) recent: Vec<RawEvent>,
    /// Where the next backfill begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<String>,
    /// Whether a read showed that the task waits while no event says for what.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) waits_without_event: bool,
    /// Whether the list itself has gaps in its sequence numbers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) gaps_are_normal: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list_missing_since: Option<Timestamp>,
    /// Whether the last backfill read the list to its end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) backfill_done: bool,
    /// Whether the stream brought something unreadable after the last event.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) skipped: bool,
    /// What the last connection of a stream without numbered events left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interruption: Option<SavedInterruption>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedAsked {
    pub(crate) question: Question,
    pub(crate) since: Timestamp,
    pub(crate) state: SavedAskedState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedAskedState {
    Quiet,
    Confirming,
    Told,
    ToldBefore,
    ToldAsStandIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedAftermath {
    Worked,
    AskedAgain,
    Failed,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedQuestion {
    pub(crate) question: Question,
    pub(crate) state: SavedQuestionState,
    /// The server's own id, if the question was reported as a stand-in and identified later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) known_as: Option<QuestionId>,
    /// Whether an answer of ours may have been applied.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) may_be_ours: bool,
    /// This client's answer, once it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
    /// The number of the event that asks the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told_as: Option<EventId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedQuestionState {
    Open,
    Answering,
    Overtaken,
    Resolved,
    Superseded,
    Unconfirmed,
}

/// The place of a stand-in about which the events say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedStandIn {
    pub(crate) after: u64,
    pub(crate) nth: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedShownStandIn {
    pub(crate) id: QuestionId,
    /// How many reads in a row have shown it.
    pub(crate) reads: u32,
    /// Its place, if the id did not come from a read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<SavedStandIn>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedUnconfirmedEnd {
    pub(crate) end: UnconfirmedEnd,
    pub(crate) event: RawEvent,
    /// When a read first failed or contradicted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contradicted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) tries: u32,
}

/// How a task without an id ended; a task with an id is polled again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedEnd {
    /// The task itself shows its end.
    Task,
    Refused(SavedApiError),
    NotStarted {
        reason: NotStartedReason,
        attempts: u32,
        temporary: bool,
    },
    Unknown {
        intent: IntentId,
        reason: UnknownReason,
        likely: bool,
    },
    Deadline,
    /// The answer that came at once, without a task.
    Answered(Value),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedWrite {
    pub(crate) kind: SavedWriteKind,
    pub(crate) state: SavedWriteState,
    pub(crate) cursor: Cursor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<IdempotencyKey>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) attempts: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) reads: u32,
    /// When the write, or the read that has to find it, is due; at once if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedWriteKind {
    Answer {
        question: Box<Question>,
        answer: Answer,
    },
    Message {
        no: MessageNo,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedWriteState {
    /// The server has received nothing, and the task is read before the write is sent.
    Check,
    /// The server has received nothing, and the write is sent when it is due.
    Postponed,
    /// The write may have been sent since this was stored.
    Write,
    /// A read has to find the write.
    Reconcile,
    /// The server refused the keyed write, and nothing may have arrived before.
    Refused,
    /// The same, and an earlier attempt may have arrived.
    LostThenRefused,
}

impl SavedWriteState {
    /// Returns whether the write may have been sent.
    const fn is_unconfirmed(self) -> bool {
        match self {
            Self::Check | Self::Postponed => false,
            Self::Write | Self::Reconcile | Self::Refused | Self::LostThenRefused => true,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedTurn {
    pub(crate) text: String,
    pub(crate) state: SavedTurnState,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedTurnState {
    Baseline,
    Sending {
        no: MessageNo,
        working: bool,
    },
    Unproven {
        cursor: Cursor,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        working: bool,
    },
    Proven,
    Lost {
        no: MessageNo,
        cursor: Cursor,
        working: bool,
    },
    Undelivered {
        detail: Option<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedCancel {
    #[default]
    Idle,
    Requested {
        #[serde(default, skip_serializing_if = "is_default")]
        tries: u32,
        /// When the request is sent again; at once if it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<CancelFailure>,
    },
    Accepted,
    Refused(Option<CancelFailure>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedLiveness {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) byte: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<Timestamp>,
}

/// The next poll, and what earlier polls have shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedPoll {
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) read: SavedRead,
    pub(crate) due: Timestamp,
    /// The next wait of the schedule, in milliseconds.
    pub(crate) interval: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) failed: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_found: Option<SavedNotFound>,
}

/// Which read is made next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedRead {
    #[default]
    Status,
    Questions,
}

/// Reads that did not find the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedNotFound {
    pub(crate) reads: u32,
    pub(crate) error: SavedApiError,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedApiError {
    pub(crate) status: u16,
    /// The class of the error, where the status says another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<ErrorClass>,
    pub(crate) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

/// What is read of a task that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedFinishing {
    Fetching {
        /// Since when the answer could not be read.
        since: Timestamp,
        due: Timestamp,
        #[serde(default, skip_serializing_if = "is_default")]
        tries: u32,
    },
    Tracing {
        terminal: SavedTerminal,
        due: Timestamp,
        #[serde(default, skip_serializing_if = "is_default")]
        tries: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedTerminal {
    Failed(TaskFailure),
    Stopped(TaskFailure),
}

impl SavedApiError {
    pub(crate) fn of(error: &ApiError) -> Self {
        let is_plain = error.class == ErrorClass::of_status(error.status);
        Self {
            status: error.status.as_u16(),
            class: (!is_plain).then_some(error.class),
            message: error.message.clone(),
            code: error.code.clone(),
            request_id: error.request_id.clone(),
        }
    }

    pub(crate) fn load(self) -> Result<ApiError, ResumeError> {
        let status = self.status;
        let status = StatusCode::from_u16(status)
            .map_err(|_| ResumeError::Broken(format!("{status} is no status code")))?;
        Ok(ApiError {
            class: self.class.unwrap_or_else(|| ErrorClass::of_status(status)),
            status,
            message: self.message,
            code: self.code,
            request_id: self.request_id,
        })
    }
}

/// Who takes a stored task up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenUp {
    /// Another process: nobody there may have heard of an open question, and numbers that the earlier one used without
    /// storing them are skipped.
    Resumed,
    /// Whoever parked it: nothing was lost.
    Unparked,
}

/// The time at which a task was stored, and the present. If the clock was set back since, no time has passed, and
/// everything that is planned follows the new clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    saved_at: Timestamp,
    now: Timestamp,
}

impl Since {
    pub(crate) const fn new(saved_at: Timestamp, now: Timestamp) -> Self {
        Self { saved_at, now }
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns when something is due that was planned for `at`: never before now.
    pub(crate) fn due(&self, at: Timestamp) -> Timestamp {
        if self.saved_at > self.now {
            self.now.after(at.since(self.saved_at))
        } else {
            at.max(self.now)
        }
    }

    /// Returns when something happened that was stored with the time `at`: never after now.
    pub(crate) fn past(&self, at: Timestamp) -> Timestamp {
        at.min(self.now)
    }
}

/// Writes those fields of a policy that are not the default.
fn changed<S: serde::Serializer>(policy: &Policy, serializer: S) -> Result<S::Ok, S::Error> {
    let value = |policy: &Policy| {
        serde_json::to_value(policy).map_err(<S::Error as serde::ser::Error>::custom)
    };
    let (mut changed, default) = (value(policy)?, value(&Policy::default())?);
    if let Some(fields) = changed.as_object_mut() {
        fields.retain(|name, value| default.get(name) != Some(value));
    }
    changed.serialize(serializer)
}

/// Reads the version, which comes first, so that nothing of another version is read.
fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    Snapshot::check_version(version).map_err(serde::de::Error::custom)?;
    Ok(version)
}

impl Saved {
    pub(crate) const fn version() -> u32 {
        VERSION
    }
}

impl AsRef<Snapshot> for Snapshot {
    fn as_ref(&self) -> &Snapshot {
        self
    }
}

/// Why a task cannot be resumed from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeError {
    /// The snapshot has this version, which this program does not read.
    Version(u32),
    /// The snapshot belongs to another provider.
    Provider {
        /// The provider of the snapshot.
        found: String,
        /// The provider that was asked to resume it.
        expected: &'static str,
    },
    /// The snapshot belongs to another server.
    Origin {
        /// The server of the snapshot.
        found: String,
        /// The server that was asked to resume it.
        expected: String,
    },
    /// The snapshot contradicts itself.
    Broken(String),
}

impl std::fmt::Display for ResumeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(v) if *v < VERSION => write!(
                f,
                "it was written by an earlier Taskward (version {v}; this one reads {VERSION}): a program built from commit {LAST_OF_VERSION_1} finishes such tasks"
            ),
            Self::Version(v) => write!(
                f,
                "it was written by a newer Taskward (version {v}; this one reads {VERSION})"
            ),
            Self::Provider { found, expected } => {
                write!(f, "the snapshot is of {found}, not of {expected}")
            }
            Self::Origin { found, expected } => write!(
                f,
                "the snapshot is of a task on {found}, not on {expected}: resume it with a client of that server, or attach to the task's id"
            ),
            Self::Broken(why) => write!(f, "the snapshot is damaged: {why}"),
        }
    }
}

impl std::error::Error for ResumeError {}

impl From<ResumeError> for crate::Error {
    fn from(error: ResumeError) -> Self {
        Self::new(crate::ErrorKind::Input, error.to_string())
    }
}
