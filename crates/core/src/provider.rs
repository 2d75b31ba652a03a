//! The one trait a provider implements: what its requests are and what its replies mean. No state, no time, no I/O.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{BuildError, ReadError, ReadErrorKind};
use crate::event::{RawEvent, Status};
use crate::id::{Cursor, EventSeq, IdempotencyKey, TaskId};
use crate::lenient::LenientList;
use crate::operation::Safety;
use crate::outcome::{Output, TaskFailure};
use crate::pages::ListPage;
use crate::question::{Answer, Question};
use crate::request::{Request, Source};
use crate::response::Response;
use crate::seed::hex;
use crate::sse;
use crate::time::Timestamp;

/// Characters of a first line that are kept.
const MAX_TITLE: usize = 80;

/// What to start: the provider's own description of the work.
pub trait Job: Clone + Debug + Send + Sync + 'static {
    /// The files it sends, for the adapter to look at before the request is built.
    fn sources(&mut self) -> Vec<&mut Source> {
        Vec::new()
    }
}

/// A way of looking at a task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadKind {
    /// The cheap read: what polling repeats.
    Status,
    /// What the agent asks, if it asks.
    Questions,
    /// One page of the list of events.
    Events {
        /// The cursor that the page before gave; the first page has none.
        cursor: Option<String>,
    },
    /// Events after a position, as a stream.
    Stream {
        /// The last position seen.
        after: Option<EventSeq>,
    },
    /// The steps of a task that ended badly.
    Steps,
    /// The answer of a task that completed.
    Result,
}

/// What a reply says about the task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PollResult<O> {
    /// It goes on.
    Pending(Status),
    /// It goes on or is over, and this has to be read before judging.
    ReadFirst(ReadKind, Status),
    /// It waits for answers to these.
    Asking(Vec<Question>),
    /// It waits for an answer, and its events tell to what.
    Waiting(Status),
    /// It waits, and for what cannot be told: what was said last could not be read. It proves nothing.
    Unclear,
    /// Nothing is asked any more, although the task was last seen to wait: somebody answered, it has yet to move.
    NotAsking,
    /// It waits for something that no answer of ours resolves.
    Paused(Status),
    /// It completed, and this is the answer.
    Ready(O),
    /// It completed, and the reply to a status read has the answer in it.
    Succeeded(Status, O),
    /// The agent failed.
    Failed(TaskFailure),
    /// It was stopped.
    Stopped(TaskFailure),
    /// A status that the contract does not have. Never an end.
    Unknown(Status),
    /// A page of the list of events: what [`ReadKind::Events`] gives.
    Events(Page),
}

impl<O> PollResult<O> {
    /// Whether it says that the task is over.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::ReadFirst(read, _) => matches!(read, ReadKind::Result),
            Self::Succeeded(..) | Self::Failed(_) | Self::Stopped(_) => true,
            Self::Pending(_)
            | Self::Asking(_)
            | Self::Waiting(_)
            | Self::Unclear
            | Self::NotAsking
            | Self::Paused(_)
            | Self::Ready(_)
            | Self::Unknown(_)
            | Self::Events(_) => false,
        }
    }
}

/// One page of the list of events.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Page {
    /// The events, oldest first.
    pub events: LenientList<StreamEvent>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

impl Page {
    /// A page of these events.
    #[must_use]
    pub fn new(items: impl Into<LenientList<StreamEvent>>, next: Option<String>) -> Self {
        Self {
            events: items.into(),
            next,
        }
    }
}

/// A write to a task that exists.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WriteRequest<'a> {
    /// The answer to a question.
    Answer {
        /// The question.
        question: &'a Question,
        /// The answer.
        answer: &'a Answer,
        /// The key, when answers are keyed.
        key: Option<&'a IdempotencyKey>,
    },
    /// A message nobody asked for.
    Message(&'a str),
    /// Stop.
    Cancel,
}

/// What a conversation read after a write says about that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It is not there.
    Absent,
    /// It is there.
    Present,
    /// It is there, and the agent has spoken since.
    PresentAndReplied,
    /// The agent has spoken since, and it is not there: something else may have made it speak.
    AbsentAndReplied,
}

/// A task that a start made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTask {
    /// Its id.
    pub id: TaskId,
    /// Its status, when the reply has one.
    pub status: Option<Status>,
    /// Whether the reply says that the same idempotency key had started it before.
    pub replayed: bool,
}

impl CreatedTask {
    /// A task of this id and status, started just now.
    #[must_use]
    pub fn new(id: TaskId, status: Option<Status>) -> Self {
        Self {
            id,
            status,
            replayed: false,
        }
    }
}

/// What the task of a start is known by, should the reply to the start be lost.
///
/// It tells nothing of what the agent was told but how it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MatchCriteria {
    /// Whom it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// A digest of the first thing said to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How that begins, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl MatchCriteria {
    /// A task of this agent.
    #[must_use]
    pub fn agent(agent: impl Into<String>) -> Self {
        Self {
            agent: Some(agent.into()),
            ..Self::default()
        }
    }

    /// The same, and this was said first.
    #[must_use]
    pub fn with_first_message(mut self, text: &str) -> Self {
        let begin = text.trim().lines().next().unwrap_or_default();
        self.digest = Some(Self::digest_of(text));
        self.title = Some(begin.chars().take(MAX_TITLE).collect());
        self
    }

    /// Whether this is what was said first; blanks at either end do not count.
    #[must_use]
    pub fn is_first_message(&self, text: &str) -> bool {
        self.digest.as_deref() == Some(Self::digest_of(text).as_str())
    }

    /// Whether a title may be made of how it begins. Platforms make titles as they like: one that is not says nothing.
    pub(crate) fn matches_title(&self, title: &str) -> bool {
        let words = |text: &str| {
            let text = text.trim().trim_end_matches(['…', '.']);
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let (begin, title) = (
            words(self.title.as_deref().unwrap_or_default()),
            words(title),
        );
        let is_said = !begin.is_empty() && !title.is_empty();
        is_said && (begin.starts_with(&title) || title.starts_with(&begin))
    }

    fn digest_of(text: &str) -> String {
        hex(&Sha256::digest(text.trim())[..16])
    }
}

/// A task that a start of unknown outcome may have made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The task.
    pub id: TaskId,
    /// Its status.
    pub status: Option<Status>,
    /// When it was made, as the server wrote it.
    pub created_at: Option<String>,
    /// The same by the server's clock, where it can be read.
    pub created_at_millis: Option<Timestamp>,
    /// Its title.
    pub title: Option<String>,
    /// What the first thing said to its agent tells.
    pub similarity: Similarity,
    /// Whether it was made at another time than the clock told when the start began: that clock may have been wrong.
    pub outside_expected_time: bool,
}

impl Candidate {
    /// A task of this id that nobody has looked at.
    #[must_use]
    pub fn new(id: TaskId) -> Self {
        Self {
            id,
            status: None,
            created_at: None,
            created_at_millis: None,
            title: None,
            similarity: Similarity::Unread,
            outside_expected_time: false,
        }
    }
}

/// Whether the first thing said to a candidate's agent is what the start said. Where it is not, it is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Similarity {
    /// It is the same.
    Same,
    /// It could not be read.
    Unreadable,
    /// Nobody looked: there were too many.
    Unread,
    /// The start left nothing to compare with.
    Incomparable,
}

/// What a provider can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What makes a start safe to repeat.
    pub start: Safety,
    /// What makes an answer safe to repeat.
    pub answer: Safety,
    /// Whether there is an event stream.
    pub stream: bool,
    /// Whether the events of the stream can be listed, too.
    pub events: bool,
    /// Whether a task can be cancelled.
    pub cancel: bool,
    /// Whether a message can be sent without being asked.
    pub message: bool,
    /// Whether the tasks of an account can be listed.
    pub list: bool,
    /// Whether there is a trail to read.
    pub steps: bool,
    /// Whether agents ask in words, and are answered in words.
    pub words: bool,
    /// Whether tasks wait for an approval or for data.
    pub approval: bool,
    /// Whether tasks wait for reviews that are decided elsewhere.
    pub review: bool,
    /// Whether a task that is stuck can be brought back to work.
    pub resume: bool,
    /// Whether agents can be listed, made and changed.
    pub agents: bool,
    /// Whether the usage of an account can be read.
    pub usage: bool,
}

impl Capabilities {
    /// The least a provider has: a start without a key, and polling.
    pub const LEAST: Self = Self {
        start: Safety::Once,
        answer: Safety::Once,
        stream: false,
        events: false,
        cancel: false,
        message: false,
        list: false,
        steps: false,
        words: false,
        approval: false,
        review: false,
        resume: false,
        agents: false,
        usage: false,
    };
}

/// Where a provider's settings come from and what they default to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderDefaults {
    /// Environment variable of the key.
    pub key_variable: &'static str,
    /// Environment variable of the base URL.
    pub base_url_variable: &'static str,
    /// The base URL when nobody says otherwise.
    pub base_url: &'static str,
    /// What every target begins with; a base URL may end in it.
    pub api_prefix: &'static str,
    /// What the keys of a simulator begin with, when they can be told from real ones: they go to no other server.
    pub simulated_key: Option<&'static str>,
}

impl ProviderDefaults {
    /// The settings of a provider.
    #[must_use]
    pub const fn new(
        key_variable: &'static str,
        base_url_variable: &'static str,
        base_url: &'static str,
        api_prefix: &'static str,
    ) -> Self {
        Self {
            key_variable,
            base_url_variable,
            base_url,
            api_prefix,
            simulated_key: None,
        }
    }

    /// The same, with keys of a simulator that begin like this.
    #[must_use]
    pub const fn with_simulated_key(mut self, prefix: &'static str) -> Self {
        self.simulated_key = Some(prefix);
        self
    }
}

/// What a provider means: which request does what, and what a reply says.
///
/// Every method is a function of its arguments. Unknown words of the server keep their text and never end a task.
pub trait Provider: Clone + Debug + Default + Send + Sync + 'static {
    /// What to start.
    type Job: Job;
    /// The answer of a completed task.
    type Output: Output + Clone + Debug + Send + Sync + 'static;

    /// The provider's name in `NAME:ID`, in snapshots and in settings.
    const NAME: &'static str;
    /// Where its settings come from.
    const DEFAULTS: ProviderDefaults;
    /// What it can do.
    const CAPABILITIES: Capabilities;

    /// The request that starts `job`.
    ///
    /// # Errors
    /// When the job cannot be written into one: nothing was sent.
    fn start(&self, job: &Self::Job, key: Option<&IdempotencyKey>) -> Result<Request, BuildError>;

    /// Reads a 2xx reply to a start. A task id is enough.
    ///
    /// # Errors
    /// When there is no id in it.
    fn read_start(&self, reply: &Response) -> Result<CreatedTask, ReadError>;

    /// The request of one look.
    ///
    /// # Errors
    /// When the id cannot be written into a path, or there is no such look here.
    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError>;

    /// Reads a 2xx reply to a look at this task.
    ///
    /// # Errors
    /// When it cannot be read; the task may be anything.
    fn read(
        &self,
        id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Self::Output>, ReadError>;

    /// The request of a write to a task.
    ///
    /// # Errors
    /// When it cannot be written, or there is no such write here.
    fn write_request(&self, id: &TaskId, act: &WriteRequest<'_>) -> Result<Request, BuildError>;

    /// Checks a 2xx reply to a write: the status code alone says that it was taken, unless the reply is about another
    /// task.
    ///
    /// # Errors
    /// When it is no reply to a write to this task.
    fn check_accepted(&self, _id: &TaskId, _reply: &Response) -> Result<(), ReadError> {
        Ok(())
    }

    /// The conversation's newest place, from a reply to [`ReadKind::Questions`].
    ///
    /// # Errors
    /// When the reply cannot be read.
    fn cursor(&self, _id: &TaskId, _reply: &Response) -> Result<Cursor, ReadError> {
        Ok(Cursor::new(""))
    }

    /// Whether a write made after `cursor` shows in a reply to [`ReadKind::Questions`]; `text` is what was written.
    ///
    /// # Errors
    /// When the reply cannot be read.
    fn find_write(
        &self,
        _id: &TaskId,
        _reply: &Response,
        _mark: &Cursor,
        _text: &str,
    ) -> Result<Confirmation, ReadError> {
        Ok(Confirmation::Absent)
    }

    /// What the task of this start is known by, where tasks can be searched.
    fn match_criteria(&self, _job: &Self::Job) -> Option<MatchCriteria> {
        None
    }

    /// One page of the tasks that a start may have made: those of `criteria` made in this time, newest first. Asked only of
    /// a provider that gives clues.
    ///
    /// # Errors
    /// When they cannot be searched.
    fn search(
        &self,
        _criteria: &MatchCriteria,
        _from: Timestamp,
        _until: Option<Timestamp>,
        _cursor: Option<&str>,
    ) -> Result<Request, BuildError> {
        Err(BuildError::new(format!("{} has no search", Self::NAME)))
    }

    /// Reads a reply to the [`search`](Self::search) for this. A task that cannot be one of `criteria` is left out; an entry
    /// of which that cannot be told is unreadable.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_search(
        &self,
        _criteria: &MatchCriteria,
        _reply: &Response,
    ) -> Result<ListPage<Candidate>, ReadError> {
        Err(ReadError::new(ReadErrorKind::Shape, "there is no search"))
    }

    /// The request of the first thing said to a task's agent.
    ///
    /// # Errors
    /// When the id cannot be written into a path, or that cannot be read.
    fn first_message(&self, _id: &TaskId) -> Result<Request, BuildError> {
        Err(BuildError::new(format!(
            "{} has no conversations",
            Self::NAME
        )))
    }

    /// Reads a reply to [`first_message`](Self::first_message); `None` when nothing was said.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_first_message(
        &self,
        _id: &TaskId,
        _reply: &Response,
    ) -> Result<Option<String>, ReadError> {
        Ok(None)
    }

    /// Reads one server-sent event of this task's stream; `None` for one that says nothing of the task, such as a heartbeat.
    ///
    /// # Errors
    /// When it cannot be read; the stream goes on.
    fn read_event(
        &self,
        _id: &TaskId,
        _event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        Ok(None)
    }

    /// A question that an event asked, told with the events before it, oldest first and its own last.
    fn add_context(&self, question: Question, steps: &[RawEvent]) -> Question {
        question.with_messages(steps.iter().map(|step| step.data.clone()).collect())
    }

    /// The answer of a task whose last event says that it completed while its own read, `reply`, never agreed; `None`
    /// when there is none without that.
    fn unconfirmed_output(
        &self,
        _id: &TaskId,
        _reply: Option<&Response>,
        _event: &RawEvent,
    ) -> Option<Self::Output> {
        None
    }
}

/// What an event of the stream or the list says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamEvent {
    /// The event.
    pub event: RawEvent,
    /// What it means for the task.
    pub kind: EventKind,
    /// The status that the task left by it, and the one it came to, when it says so. It is told when the first of them is
    /// what the task was last seen to be, so that no event of long ago changes what a read has shown since.
    pub status_change: Option<(Status, Status)>,
}

impl StreamEvent {
    /// An event and what it means.
    #[must_use]
    pub fn new(event: RawEvent, beat: EventKind) -> Self {
        Self {
            event,
            kind: beat,
            status_change: None,
        }
    }

    /// Adds that the task came from one status to another by it.
    #[must_use]
    pub fn with_status_change(mut self, from: Status, to: Status) -> Self {
        self.status_change = Some((from, to));
        self
    }
}

/// What an event means for the task. An event alone ends nothing: a read of the task judges.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The task is at work: whatever it asked before is asked no more.
    Working,
    /// It tells nothing of whether the task works or waits.
    Neutral,
    /// The task waits for this answer, unless a later event or read says otherwise.
    Asking(Question),
    /// The task seems over.
    Ended(UnconfirmedEnd),
}

/// How a task seems to have ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnconfirmedEnd {
    /// It completed.
    Succeeded,
    /// The agent failed.
    Failed(TaskFailure),
    /// It was stopped.
    Stopped(TaskFailure),
}
