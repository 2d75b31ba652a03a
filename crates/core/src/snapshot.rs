//! A stored task: a format of its own, versioned, without secrets.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::again::{StartAgain, StartAgainError};
use crate::event::{Event, RawEvent, Status};
use crate::id::{
    Cursor, EventId, EventSeq, IdempotencyKey, IntentId, MessageNo, QuestionId, Revision, TaskId,
};
use crate::policy::Policy;
use crate::provider::{MatchCriteria, UnconfirmedEnd};
use crate::question::{AnswerError, Question};
use crate::request::Source;
use crate::task::{DeliveryStage, QuestionEntry, StandInPlace, WriteKind, answerable};
use crate::time::Timestamp;

/// The version of the stored form that is written, and the only one that is read.
const VERSION: u32 = 2;
/// The last commit that reads and writes version 1. No version was released before 2, so nothing converts.
const LAST_OF_VERSION_1: &str = "81b1c04";

/// Everything that another process needs to go on with a task, and no secret.
///
/// It serialises with serde, as one JSON object whose `v` is its version; files of every version are read for ever.
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
    /// Checks the version of a stored form before the rest of it is read, which in another version may be of any shape.
    ///
    /// # Errors
    /// [`ResumeError::Version`] when this program does not read it; its words say which one does.
    pub const fn check_version(version: u32) -> Result<(), ResumeError> {
        if version == VERSION {
            Ok(())
        } else {
            Err(ResumeError::Version(version))
        }
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.0.provider
    }

    /// The server that the task was started or looked at on, as [`Origin::canonical`](crate::Origin::canonical) writes
    /// it, when whoever drove the task said so.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.0.origin.as_deref()
    }

    /// The task's id, once it is known.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        self.0.task.as_ref()
    }

    /// Whether an answer or a message may have left whose fate is not known.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        let mut deliveries = self.0.writes.iter();
        deliveries.any(|delivery| delivery.state != DeliveryStage::Check)
    }

    /// Whether an answer or a message leaves as soon as this is stored, and has no idempotency key: said by two at once, it
    /// is said twice.
    #[must_use]
    pub fn leaves_unkeyed(&self) -> bool {
        let mut deliveries = self.0.writes.iter();
        deliveries.any(|one| one.state == DeliveryStage::Write && one.key.is_none())
    }

    /// The text of an answer or a message that may have arrived, and whose fate was not known when this was stored. It is
    /// empty where an answer is no text.
    #[must_use]
    pub fn unconfirmed_write(&self) -> Option<&str> {
        let mut deliveries = self.0.writes.iter();
        let delivery = deliveries.find(|delivery| delivery.state != DeliveryStage::Check);
        let lost = |turn: &&SavedTurn| matches!(turn.state, SavedTurnState::Lost { .. });
        match delivery {
            Some(delivery) => Some(delivery.kind.text()),
            None => Some(self.0.turn.as_ref().filter(lost)?.text.as_str()),
        }
    }

    /// Returns the last status that was seen.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.0.status.as_ref()
    }

    /// Returns why no answer can go to this question any more, of a task whose watch is over.
    #[must_use]
    pub fn answer_error(&self, question: &QuestionId) -> AnswerError {
        match answerable(&self.0.questions, self.0.task.as_ref(), question) {
            Ok(_) => AnswerError::NoSuchQuestion(question.clone()),
            Err(why) => why,
        }
    }

    /// The start it came from; `None` of a task that was only followed.
    #[must_use]
    pub fn intent(&self) -> Option<&IntentId> {
        let ended = match &self.0.ended {
            // That of a turn names nothing that was started.
            Some(SavedEnd::Unknown { intent, .. }) if self.0.task.is_none() => Some(intent),
            _ => None,
        };
        let start = self.0.start.as_ref().map(|start| &start.intent);
        self.0.intent.as_ref().or(start).or(ended)
    }

    /// Whether it is of a start that may or may not have made a task: no id is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        let of_a_start = match &self.0.ended {
            Some(end) => matches!(end, SavedEnd::Unknown { .. }),
            None => self.0.start.is_some(),
        };
        self.0.task.is_none() && of_a_start
    }

    /// A digest of what a start of unknown outcome sent. Only where the platform takes idempotency keys, two runs of one
    /// command have different ones.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.0.start.as_ref().map(|start| start.digest.as_str())
    }

    /// What the task of a start of unknown outcome would be known by.
    #[must_use]
    pub fn match_criteria(&self) -> Option<&MatchCriteria> {
        self.0.start.as_ref()?.criteria.as_ref()
    }

    /// Whether a start of unknown outcome can be repeated: it has an idempotency key.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        let start = self.0.start.as_ref();
        self.is_unknown() && start.is_some_and(|start| start.request.is_some())
    }

    /// Returns what starts the same again as a new task, which has nothing to do with this one.
    ///
    /// # Errors
    /// When nothing is kept of the start, or not enough; the error says why.
    pub fn start_again(&self) -> Result<StartAgain, StartAgainError> {
        crate::task::start_again(&self.0)
    }

    /// Whether it holds nothing but an id that somebody named: nothing of the task was read, it was not started here, and
    /// nothing is to be said to it. Such an id may be a mistake, and is not worth keeping.
    #[must_use]
    pub fn has_unconfirmed_end(&self) -> bool {
        let saved = &self.0;
        let seen =
            saved.status.is_some() || saved.event_seq.is_some() || saved.created_at.is_some();
        let said = saved.turn.is_some() || !saved.writes.is_empty();
        saved.task.is_some() && saved.intent.is_none() && !seen && !said
    }

    /// Whether it is of a turn whose message is known not to have been delivered: there is nothing to take up again.
    pub(crate) fn is_undelivered(&self) -> bool {
        let turn = self.0.turn.as_ref();
        turn.is_some_and(|turn| matches!(turn.state, SavedTurnState::Undelivered { .. }))
    }

    /// The same task, to be taken up again under these deadlines.
    pub(crate) fn reopened(mut self, policy: Policy, now: Timestamp) -> Self {
        let saved = &mut self.0;
        if let Some(start) = &mut saved.start {
            start.begun_at.get_or_insert(saved.saved_at);
        }
        saved.ended = None;
        saved.saved_at = now;
        saved.working_left = policy.work;
        saved.waiting_left = policy.human;
        saved.policy = policy;
        self
    }

    /// Grows with each state that must be stored.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// Whether the watch was over when it was stored.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.ended.is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    #[serde(deserialize_with = "version")]
    pub(crate) v: u32,
    pub(crate) provider: String,
    /// The server it belongs to: another one knows nothing of it, and its job is none of that one's business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<TaskId>,
    /// The start it came from, when it was started and not only followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) intent: Option<IntentId>,
    /// That start, until it is known what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<SavedStart>,
    /// What starts the same again, as a new task.
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
    #[serde(default)]
    pub(crate) human_is_asked: bool,
    #[serde(default)]
    pub(crate) paused: bool,
    /// Whether something was delivered and the status has not moved since.
    #[serde(default)]
    pub(crate) stale: bool,
    #[serde(default)]
    pub(crate) policy: Policy,
    /// The seed in hexadecimal: keys and boundaries come from it, no credential does.
    #[serde(default)]
    pub(crate) seed: String,
    #[serde(default)]
    pub(crate) jitter: u64,
    #[serde(default)]
    pub(crate) revision: Revision,
    #[serde(default)]
    pub(crate) events_taken: u64,
    /// Events that nobody has heard and nothing brings again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending_events: Vec<Event>,
    /// Their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pending_event_ids: Vec<EventId>,
    /// The last number that was given to an event of our own.
    #[serde(default)]
    pub(crate) events_numbered: u64,
    #[serde(default)]
    pub(crate) exchanges: u64,
    #[serde(default)]
    pub(crate) messages: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_seq: Option<EventSeq>,
    /// The newest question that the events ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked_in_stream: Option<SavedAskedInStream>,
    /// An event that says that the task is over, until a read of the task agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unconfirmed_end: Option<SavedUnconfirmedEnd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) questions: Vec<QuestionEntry>,
    /// Where the newest stand-in stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stand_in: Option<StandInPlace>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) writes: Vec<SavedWrite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) turn: Option<SavedTurn>,
    #[serde(default)]
    pub(crate) cancel: SavedCancel,
}

/// A start without an id yet. A keyed one holds the request, to be sent again byte for byte; one without a key holds
/// what reconciling needs, and is never sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedStart {
    pub(crate) intent: IntentId,
    pub(crate) digest: String,
    /// When it began; snapshots of before this was kept say when they were stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) criteria: Option<MatchCriteria>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<SavedRequest>,
}

/// What is kept of a start for as long as the task is kept: its request without the idempotency key and without the
/// contents of files, or why not.
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedAskedInStream {
    pub(crate) question: Question,
    #[serde(default)]
    pub(crate) told: bool,
    #[serde(default)]
    pub(crate) unconfirmed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedUnconfirmedEnd {
    pub(crate) end: UnconfirmedEnd,
    pub(crate) event: RawEvent,
}

/// How a watch without an id ended; one with an id is looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedEnd {
    /// The task tells its end itself.
    Task,
    Refused {
        status: u16,
        message: String,
        code: Option<String>,
        request_id: Option<String>,
    },
    NotStarted {
        why: String,
        attempts: u32,
        temporary: bool,
    },
    Unknown {
        intent: IntentId,
        why: String,
        likely: bool,
    },
    Deadline,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedWrite {
    pub(crate) kind: WriteKind,
    pub(crate) state: DeliveryStage,
    pub(crate) cursor: Cursor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<IdempotencyKey>,
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
        why: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SavedCancel {
    #[default]
    Idle,
    Requested,
    Accepted,
    Refused,
}

/// Reads the version, which stands first: nothing of another version is read.
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

/// A snapshot that this task cannot go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeError {
    /// It has this version, which this program does not read.
    Version(u32),
    /// It belongs to another provider.
    Provider {
        /// The snapshot's.
        found: String,
        /// The one it was given to.
        expected: &'static str,
    },
    /// It belongs to another server.
    Origin {
        /// The snapshot's.
        found: String,
        /// The one it was given to.
        expected: String,
    },
    /// Something in it makes no sense.
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
