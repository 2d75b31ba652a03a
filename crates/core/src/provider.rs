//! The trait that a provider implements: what its requests are and what its replies mean. It has no state, no clock and
//! no I/O.

use std::fmt::Debug;

use hmac_sha256::Hash as Sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::build_error::BuildError;
use crate::error::{ApiError, ReadError, ReadErrorKind};
use crate::event::{OutputPiece, RawEvent, Status};
use crate::id::{Cursor, EventSeq, TaskId};
use crate::key::IdempotencyKey;
use crate::lenient::LenientList;
use crate::operation::Safety;
use crate::outcome::{Output, TaskFailure};
use crate::pages::ListPage;
use crate::question::{Answer, Question};
use crate::request::Request;
use crate::response::Response;
use crate::seed::hex;
use crate::source::Source;
use crate::sse;
use crate::time::Timestamp;

/// Characters of the first line that are kept.
const MAX_TITLE: usize = 80;

/// What to start: the provider's own description of the work.
pub trait Job: Clone + Debug + Send + Sync + 'static {
    /// Returns the files that the job sends, for the adapter to measure before the request is built.
    fn sources(&mut self) -> Vec<&mut Source> {
        Vec::new()
    }
}

/// Which read of a task is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadKind {
    /// The cheap read that polling repeats.
    Status,
    /// What the agent asks, if it asks anything.
    Questions,
    /// One page of the list of events.
    Events {
        /// The cursor that the previous page gave; `None` for the first page.
        cursor: Option<String>,
    },
    /// The events after a given one, as a stream.
    Stream {
        /// The last event seen.
        after: Option<EventSeq>,
        /// Which of the provider's forms of this request is made, from 0 to
        /// [`stream_forms`](Capabilities::stream_forms): the next one is tried where the server knows no such method.
        form: u8,
    },
    /// The steps of a task that failed or was stopped.
    Steps,
    /// The answer of a task that completed.
    Result,
}

/// What one read says about the task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PollResult<O> {
    /// The task is still running.
    Pending(Status),
    /// The task is still running or has ended; this must be read before deciding which.
    ReadFirst(ReadKind, Status),
    /// The task waits for answers to these questions.
    Asking(Vec<Question>),
    /// The task waits for an answer, and its events say to which question.
    Waiting(Status),
    /// The task waits, but nobody can tell for what: the agent's last message could not be read. This proves nothing.
    Unclear,
    /// No question is open any more although the task was last seen to wait: somebody answered, and the task has yet to
    /// move on.
    NotAsking,
    /// The task waits for something that no answer of ours resolves.
    Paused(Status),
    /// The task completed with this answer.
    Ready(O),
    /// The task completed, and the reply to a status read already contains the answer.
    Succeeded(Status, O),
    /// The agent failed.
    Failed(TaskFailure),
    /// The task was stopped.
    Stopped(TaskFailure),
    /// The contract does not have this status. It never ends a task.
    Unknown(Status),
    /// A page of the list of events, the reply to [`ReadKind::Events`].
    Events(Page),
}

impl<O> PollResult<O> {
    /// Returns whether the result says that the task rests: it waits, or is over.
    pub(crate) fn rests(&self) -> bool {
        self.is_over()
            || matches!(
                self,
                Self::Asking(_) | Self::Waiting(_) | Self::Paused(_) | Self::Ready(_)
            )
    }

    /// Returns whether the result says that the task is over.
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
    /// The cursor of the next page; `None` on the last page.
    pub next: Option<String>,
}

impl Page {
    /// Creates a page of these events.
    #[must_use]
    pub fn new(events: impl Into<LenientList<StreamEvent>>, next: Option<String>) -> Self {
        Self {
            events: events.into(),
            next,
        }
    }
}

/// A write to an existing task, as the provider encodes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WriteRequest<'a> {
    /// The answer to a question.
    Answer {
        /// The question.
        question: &'a Question,
        /// The answer.
        answer: &'a Answer,
        /// The idempotency key, or the id of ours by which a read finds the answer, if answers have one.
        key: Option<&'a IdempotencyKey>,
    },
    /// A message that answers no question.
    Message {
        /// The message.
        text: &'a str,
        /// The id of ours by which a read finds the message, if messages have one.
        key: Option<&'a IdempotencyKey>,
        /// Where the conversation stood before the message.
        cursor: &'a Cursor,
    },
    /// Stops the task.
    Cancel,
}

/// What a conversation that was read after a write says about that write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The write is not in the conversation.
    Absent,
    /// The write is in the conversation.
    Present,
    /// The write is in the conversation, and the agent has spoken since.
    PresentAndReplied,
    /// The write is not in the conversation although the agent has spoken since: something else may have made it speak.
    AbsentAndReplied,
}

/// A task that a start request created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTask {
    /// The task's id.
    pub id: TaskId,
    /// The task's status, if the reply contains one.
    pub status: Option<Status>,
    /// Whether the reply says that an earlier request with the same idempotency key created the task.
    pub replayed: bool,
}

impl CreatedTask {
    /// Creates a task with this id and status, started just now.
    #[must_use]
    pub fn new(id: TaskId, status: Option<Status>) -> Self {
        Self {
            id,
            status,
            replayed: false,
        }
    }
}

/// What a reply to a start request, or the first event of the stream that it opened, says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Started<O> {
    /// The server created a task. It may be over already, or ask something: then this says what a read of it would.
    Task(CreatedTask, Option<Box<PollResult<O>>>),
    /// The server answered at once, without a task.
    Answer(O),
}

impl<O> Started<O> {
    /// Returns the id of the task, if there is one.
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Task(created, _) => Some(&created.id),
            Self::Answer(_) => None,
        }
    }
}

impl<O> From<CreatedTask> for Started<O> {
    fn from(created: CreatedTask) -> Self {
        Self::Task(created, None)
    }
}

/// What identifies the task of a start request whose reply was lost.
///
/// Of the first message to the agent it contains only a digest and the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MatchCriteria {
    /// The agent that the task was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// A digest of the first message to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How that message begins, for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// An id of ours in the request, by which a read finds exactly the tasks that the request created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl MatchCriteria {
    /// Creates criteria that match a task of this agent.
    #[must_use]
    pub fn agent(agent: impl Into<String>) -> Self {
        Self {
            agent: Some(agent.into()),
            ..Self::default()
        }
    }

    /// Adds the first message to these criteria.
    #[must_use]
    pub fn with_first_message(mut self, text: &str) -> Self {
        let begin = text.trim().lines().next().unwrap_or_default();
        self.digest = Some(Self::digest_of(text));
        self.title = Some(begin.chars().take(MAX_TITLE).collect());
        self
    }

    /// Creates criteria that match exactly the tasks of a request that contains this id of ours.
    #[must_use]
    pub fn reference(reference: impl Into<String>) -> Self {
        Self {
            reference: Some(reference.into()),
            ..Self::default()
        }
    }

    /// Returns whether `text` is the first message; white space at either end does not count.
    #[must_use]
    pub fn is_first_message(&self, text: &str) -> bool {
        self.digest.as_deref() == Some(Self::digest_of(text).as_str())
    }

    /// Returns whether a title may have been made from the beginning of the first message. Platforms make titles as
    /// they like: a title that does not match proves nothing.
    pub(crate) fn matches_title(&self, title: &str) -> bool {
        let words = |text: &str| {
            let text = text.trim().trim_end_matches(['…', '.']);
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let (begin, title) = (
            words(self.title.as_deref().unwrap_or_default()),
            words(title),
        );
        let is_comparable = !begin.is_empty() && !title.is_empty();
        is_comparable && (begin.starts_with(&title) || title.starts_with(&begin))
    }

    fn digest_of(text: &str) -> String {
        hex(&Sha256::hash(text.trim().as_bytes())[..16])
    }
}

/// A task that a start with unknown outcome may have created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The task's id.
    pub id: TaskId,
    /// The task's status.
    pub status: Option<Status>,
    /// When the task was created, as the server wrote it.
    pub created_at: Option<String>,
    /// When the task was created by the server's clock, if that can be parsed.
    pub created_at_millis: Option<Timestamp>,
    /// The task's title.
    pub title: Option<String>,
    /// How the first message to its agent compares with that of the start.
    pub similarity: Similarity,
    /// Whether the task was created outside the time that this machine's clock showed for the start: that clock may
    /// have been wrong.
    pub outside_expected_time: bool,
}

impl Candidate {
    /// Creates a candidate with this id whose conversation nobody has read.
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

/// Whether the first message to a candidate's agent is that of the start. A task with another first message is no
/// candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Similarity {
    /// Both messages are the same.
    Same,
    /// The candidate's first message could not be read.
    Unreadable,
    /// The candidate's first message was not read: there were too many candidates.
    Unread,
    /// The start contains no message to compare with.
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
    /// Whether the reply to a start request may be a stream, whose first event names the task.
    pub start_by_stream: bool,
    /// Whether there is an event stream.
    pub stream: bool,
    /// How many forms the request that opens a stream has.
    pub stream_forms: u8,
    /// Whether each stream begins with the whole task, in the place of numbered events that could be asked for again.
    pub snapshots: bool,
    /// Whether the events of the stream can be listed, too.
    pub events: bool,
    /// Whether a task can be cancelled.
    pub cancel: bool,
    /// Whether a message can be sent without being asked.
    pub message: bool,
    /// Whether the tasks of an account can be listed.
    pub list: bool,
    /// Whether the steps of a task can be read.
    pub steps: bool,
    /// Whether agents ask and are answered in words.
    pub words: bool,
    /// Whether tasks wait for an approval.
    pub approval: bool,
    /// Whether tasks wait for data.
    pub data: bool,
    /// Whether tasks wait for reviews that are decided elsewhere.
    pub review: bool,
    /// Whether a task that is stuck can be brought back to work.
    pub resume: bool,
    /// Whether agents can be listed, created and changed.
    pub agents: bool,
    /// Whether the usage of an account can be read.
    pub usage: bool,
}

impl Capabilities {
    /// The least that a provider supports: a start without a key, and polling.
    pub const LEAST: Self = Self {
        start: Safety::Once,
        answer: Safety::Once,
        start_by_stream: false,
        stream: false,
        stream_forms: 1,
        snapshots: false,
        events: false,
        cancel: false,
        message: false,
        list: false,
        steps: false,
        words: false,
        approval: false,
        data: false,
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
    /// Environment variable that holds the API key.
    pub key_variable: &'static str,
    /// Environment variable that holds the base URL.
    pub base_url_variable: &'static str,
    /// The base URL if the user sets none.
    pub base_url: &'static str,
    /// What every request target begins with; a base URL may end in it.
    pub api_prefix: &'static str,
    /// How the API keys of a simulator begin, if that tells them from real ones: the client sends such keys to no other
    /// server.
    pub simulated_key: Option<&'static str>,
    /// Whether there are servers that ask for no key, so that a client without one is no mistake.
    pub key_is_optional: bool,
}

impl ProviderDefaults {
    /// Creates the defaults of a provider.
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
            key_is_optional: false,
        }
    }

    /// Allows clients without a key.
    #[must_use]
    pub const fn with_optional_key(mut self) -> Self {
        self.key_is_optional = true;
        self
    }

    /// Sets how the API keys of a simulator begin.
    #[must_use]
    pub const fn with_simulated_key(mut self, prefix: &'static str) -> Self {
        self.simulated_key = Some(prefix);
        self
    }
}

/// What a provider's protocol means: which request does what, and what a reply says.
///
/// Its value says what was learned of the server: nothing where every server is the same, and otherwise where its
/// operations are and what it can do. The value is stored with each task, so it never holds a secret.
///
/// Every method is a function of its arguments. Words of the server that this version does not know keep their text and
/// never end a task.
pub trait Provider:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What to start.
    type Job: Job;
    /// The answer of a completed task.
    type Output: Output + Clone + Debug + Send + Sync + 'static;

    /// The provider's name in `NAME:ID`, in snapshots and in settings.
    const NAME: &'static str;
    /// The names and defaults of its settings.
    const DEFAULTS: ProviderDefaults;
    /// The most that the provider supports.
    const CAPABILITIES: Capabilities;

    /// Returns what this provider supports: where the platform differs from server to server, what was learned of this
    /// one.
    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// Says whether a reply is an error. Every reply comes here first, a 2xx included: some platforms refuse with a 200.
    ///
    /// # Errors
    /// Returns the server's error; everything that the client does about it follows from its class.
    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        ApiError::of(reply)
    }

    /// Builds the request that starts `job`.
    ///
    /// # Errors
    /// Returns an error if the job cannot be encoded into a request: nothing was sent.
    fn start(&self, job: &Self::Job, key: Option<&IdempotencyKey>) -> Result<Request, BuildError>;

    /// Reads a reply to a start request that is no error. A task id is enough.
    ///
    /// # Errors
    /// Returns an error if the reply contains no id.
    fn read_start(&self, reply: &Response) -> Result<Started<Self::Output>, ReadError>;

    /// Builds the request that starts `job` and whose reply is a stream: its first event names the task, and the rest is
    /// the task's stream.
    ///
    /// # Errors
    /// Returns an error if the job cannot be encoded into a request, or if the provider has no such start.
    fn start_stream(
        &self,
        _job: &Self::Job,
        _key: Option<&IdempotencyKey>,
    ) -> Result<Request, BuildError> {
        Err(BuildError::new(format!(
            "{} starts no task by a stream",
            Self::NAME
        )))
    }

    /// Reads an event of the stream that a start request opened, until one names the task; returns `None` for an event
    /// that says nothing.
    ///
    /// # Errors
    /// Returns an error if the event cannot be read: nobody knows what the start has done.
    fn read_started(
        &self,
        _event: &sse::Event<'_>,
    ) -> Result<Option<Started<Self::Output>>, ReadError> {
        Ok(None)
    }

    /// Returns whether a 2xx status alone says that the server accepted a request. Where it does not, a reply whose body
    /// is lost says nothing.
    fn status_decides(&self) -> bool {
        true
    }

    /// Says whether an event is an error of the server.
    ///
    /// # Errors
    /// Returns the server's error.
    fn classify_event(&self, _event: &sse::Event<'_>) -> Result<(), ApiError> {
        Ok(())
    }

    /// Reads a stored direct answer back: what [`raw`](Output::raw) gave of the one in [`Started::Answer`].
    fn stored_answer(&self, _raw: Value) -> Option<Self::Output> {
        None
    }

    /// Returns the same job without the id of ours that a server may reject; `None` if there is nothing to leave out.
    fn without_reference(&self, _job: &Self::Job) -> Option<Self::Job> {
        None
    }

    /// Builds a request that starts the same again as a new task, from an earlier one that [`start`](Self::start) built,
    /// and what identifies its task.
    ///
    /// # Errors
    /// Returns an error if the key cannot be encoded into the request.
    fn start_again(
        &self,
        request: Request,
        criteria: Option<MatchCriteria>,
        key: Option<&IdempotencyKey>,
    ) -> Result<(Request, Option<MatchCriteria>), BuildError> {
        let request = match key {
            Some(key) => request.keyed(key)?,
            None => request,
        };
        Ok((request, criteria))
    }

    /// Builds the request of one read.
    ///
    /// # Errors
    /// Returns an error if the id cannot be encoded into a path, or if the provider has no such read.
    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError>;

    /// Reads a reply to a read of this task that is no error.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read; it then says nothing about the task.
    fn read(
        &self,
        id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Self::Output>, ReadError>;

    /// Returns the status in a reply that shows what the task asks, where one read says both.
    fn status_beside_questions(&self, _reply: &Response) -> Option<Status> {
        None
    }

    /// Builds the request of a write to a task.
    ///
    /// # Errors
    /// Returns an error if the write cannot be encoded, or if the provider has no such write.
    fn write_request(&self, id: &TaskId, write: &WriteRequest<'_>) -> Result<Request, BuildError>;

    /// Checks a reply to a write that is no error: the server accepted the write, unless the reply is about another task.
    ///
    /// # Errors
    /// Returns an error if the reply does not belong to a write to this task.
    fn check_accepted(&self, _id: &TaskId, _reply: &Response) -> Result<(), ReadError> {
        Ok(())
    }

    /// Returns the cursor of the conversation's newest message, from a reply to [`ReadKind::Questions`].
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read.
    fn cursor(&self, _id: &TaskId, _reply: &Response) -> Result<Cursor, ReadError> {
        Ok(Cursor::new(""))
    }

    /// Returns whether a write made after `cursor` shows in a reply to [`ReadKind::Questions`]; `text` is what was
    /// written, and `key` the id of ours in it, if writes have one.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read.
    fn find_write(
        &self,
        _id: &TaskId,
        _reply: &Response,
        _cursor: &Cursor,
        _text: &str,
        _key: Option<&IdempotencyKey>,
    ) -> Result<Confirmation, ReadError> {
        Ok(Confirmation::Absent)
    }

    /// Returns what identifies the task of this start, whose request contains this key, if the provider's tasks can be
    /// searched. Criteria with a [`reference`](MatchCriteria::reference) match the tasks of this start alone.
    fn match_criteria(
        &self,
        _job: &Self::Job,
        _key: Option<&IdempotencyKey>,
    ) -> Option<MatchCriteria> {
        None
    }

    /// Builds the request for one page of the tasks that a start may have created: those that match `criteria`, created
    /// in this time, newest first. It is called only if [`match_criteria`](Self::match_criteria) returned some.
    ///
    /// # Errors
    /// Returns an error if the provider has no search.
    fn search(
        &self,
        _criteria: &MatchCriteria,
        _from: Timestamp,
        _until: Option<Timestamp>,
        _cursor: Option<&str>,
    ) -> Result<Request, BuildError> {
        Err(BuildError::new(format!("{} has no search", Self::NAME)))
    }

    /// Reads a reply to [`search`](Self::search). It leaves out a task that cannot match `criteria`; an entry that does
    /// not say enough to tell is unreadable.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read.
    fn read_search(
        &self,
        _criteria: &MatchCriteria,
        _reply: &Response,
    ) -> Result<ListPage<Candidate>, ReadError> {
        Err(ReadError::new(ReadErrorKind::Shape, "there is no search"))
    }

    /// Builds the request for one page of the account's tasks that are at work, newest first, with as many on a page as the
    /// server allows; returns `None` if the provider has no such list. Whoever follows many tasks reads it in the place of many
    /// status reads.
    ///
    /// # Errors
    /// Returns an error if the cursor cannot be sent.
    fn list_at_work(&self, _cursor: Option<&str>) -> Result<Option<Request>, BuildError> {
        Ok(None)
    }

    /// Reads a reply to [`list_at_work`](Self::list_at_work): the tasks of which a status read would say
    /// [`Pending`](PollResult::Pending), with their statuses. Every other entry is left out.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read.
    fn read_at_work(&self, _reply: &Response) -> Result<ListPage<(TaskId, Status)>, ReadError> {
        Err(ReadError::new(ReadErrorKind::Shape, "there is no list"))
    }

    /// Builds the request that reads the first message to a task's agent.
    ///
    /// # Errors
    /// Returns an error if the id cannot be encoded into a path, or if the provider has no such read.
    fn first_message(&self, _id: &TaskId) -> Result<Request, BuildError> {
        Err(BuildError::new(format!(
            "{} has no conversations",
            Self::NAME
        )))
    }

    /// Reads a reply to [`first_message`](Self::first_message); returns `None` if there is no message.
    ///
    /// # Errors
    /// Returns an error if the reply cannot be read.
    fn read_first_message(
        &self,
        _id: &TaskId,
        _reply: &Response,
    ) -> Result<Option<String>, ReadError> {
        Ok(None)
    }

    /// Reads one server-sent event of this task's stream; returns `None` for an event that says nothing about the task,
    /// such as a heartbeat.
    ///
    /// # Errors
    /// Returns an error if the event cannot be read; the stream continues.
    fn read_event(
        &self,
        _id: &TaskId,
        _event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        Ok(None)
    }

    /// Reads the first event of a stream, where that is the whole task; returns `None` if this event is not.
    ///
    /// # Errors
    /// Returns an error if the event cannot be read; the stream continues.
    fn read_snapshot(
        &self,
        _id: &TaskId,
        _event: &sse::Event<'_>,
    ) -> Result<Option<StreamSnapshot<Self::Output>>, ReadError> {
        Ok(None)
    }

    /// Adds to a question that an event asked the events before it, oldest first and its own last.
    fn add_context(&self, question: Question, events: &[RawEvent]) -> Question {
        question.with_messages(events.iter().map(|event| event.data.clone()).collect())
    }

    /// Returns what the reply to a start or a write, or the first event of a stream, says of a question whose status says
    /// nothing of it, as an event that would say so; returns `None` if it says nothing of the kind. The client keeps it
    /// beside the newest events, for [`add_words`](Self::add_words).
    fn words_beside_status(&self, _content: &[u8]) -> Option<RawEvent> {
        None
    }

    /// Adds to a question that a read shows without words those that the newest events say, oldest first, if these are
    /// about the same wait for certain. The id stays what the read says.
    fn add_words(&self, question: Question, _events: &[RawEvent]) -> Question {
        question
    }

    /// Returns the answer of a task whose last event says that it completed while `reply`, its own read, never agreed;
    /// returns `None` if there is no answer without that agreement.
    fn unconfirmed_output(
        &self,
        _id: &TaskId,
        _reply: Option<&Response>,
        _event: &RawEvent,
    ) -> Option<Self::Output> {
        None
    }
}

/// An event of the stream or of the list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamEvent {
    /// The event.
    pub event: RawEvent,
    /// What it means for the task.
    pub kind: EventKind,
    /// The status that the event ended and the one that it began, if it names them. The client reports the change only
    /// if the first one is the status last seen, so that an old event does not undo what a read has shown since.
    pub status_change: Option<(Status, Status)>,
    /// The piece of the answer that the event brings.
    pub output: Option<OutputPiece>,
}

/// The whole task, as the first event of a stream shows it: it counts as a read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamSnapshot<O> {
    /// What a read of the task would say.
    pub result: PollResult<O>,
    /// The status.
    pub status: Option<Status>,
    /// What there is of the answer so far.
    pub output: Vec<OutputPiece>,
}

impl<O> StreamSnapshot<O> {
    /// Creates a snapshot of a task without an answer so far.
    #[must_use]
    pub const fn new(result: PollResult<O>, status: Option<Status>) -> Self {
        Self {
            result,
            status,
            output: Vec::new(),
        }
    }

    /// Sets what there is of the answer.
    #[must_use]
    pub fn with_output(mut self, output: Vec<OutputPiece>) -> Self {
        self.output = output;
        self
    }
}

impl StreamEvent {
    /// Creates an event with its meaning.
    #[must_use]
    pub fn new(event: RawEvent, kind: EventKind) -> Self {
        Self {
            event,
            kind,
            status_change: None,
            output: None,
        }
    }

    /// Adds the piece of the answer that the event brings.
    #[must_use]
    pub fn with_output(mut self, piece: OutputPiece) -> Self {
        self.output = Some(piece);
        self
    }

    /// Adds that the event changed the task's status from one to another.
    #[must_use]
    pub fn with_status_change(mut self, from: Status, to: Status) -> Self {
        self.status_change = Some((from, to));
        self
    }
}

/// What an event means for the task. An event alone ends nothing: a read of the task decides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The agent works: no earlier question is open any more.
    Working,
    /// The event does not say whether the task works or waits.
    Neutral,
    /// The task has this status. What it means, a read of the task says, which is made if the status is news.
    Status {
        /// The status.
        status: Status,
        /// Whether the task rests in it: it waits or is over. The server may end the stream there.
        rests: bool,
    },
    /// The task waits for an answer to this question, unless a later event or read says otherwise.
    Asking(Question),
    /// The task seems to be over.
    Ended(UnconfirmedEnd),
}

/// How a task seems to have ended, by an event that no read has confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnconfirmedEnd {
    /// The task completed.
    Succeeded,
    /// The agent failed.
    Failed(TaskFailure),
    /// The task was stopped.
    Stopped(TaskFailure),
}
