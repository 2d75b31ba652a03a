//! What an event of a stream, or the call of a web hook, says.

use taskward_core::{ReadError, ReadErrorKind, sse};

use super::agent::A2a;
use super::types::{
    ErrorBody, Message, SendMessageResponse, StreamResponse, Task, TaskArtifactUpdateEvent,
    TaskStatusUpdateEvent,
};
use crate::wire::{self, Subject, Token};

/// One event of a task's stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TaskEvent {
    /// The whole task as it is now: what a stream begins with.
    Task(Box<Task>),
    /// The agent's direct answer, without a task.
    Message(Box<Message>),
    /// The task's status changed.
    Status(Box<TaskStatusUpdateEvent>),
    /// An artifact, or a piece of one.
    Artifact(Box<TaskArtifactUpdateEvent>),
    /// Something failed. It says nothing about the task: a read does.
    Error(Box<ErrorBody>),
    /// An event of no known kind.
    Unknown(Box<StreamResponse>),
}

impl TaskEvent {
    /// Returns the id of the task that the event is about.
    #[must_use]
    pub fn task_id(&self) -> Option<&str> {
        let id = match self {
            Self::Task(task) => &task.id,
            Self::Message(message) => &message.task_id,
            Self::Status(update) => &update.task_id,
            Self::Artifact(update) => &update.task_id,
            Self::Unknown(event) => &event.task_id,
            Self::Error(_) => &None,
        };
        named(id)
    }

    /// Returns the name of the event's kind, in the word of the protocol.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Task(_) => "task",
            Self::Message(_) => "message",
            Self::Status(_) => "statusUpdate",
            Self::Artifact(_) => "artifactUpdate",
            Self::Error(_) => "error",
            Self::Unknown(event) => event.kind.as_deref().unwrap_or("unknown"),
        }
    }

    /// Checks that the event is about this task, as far as it says.
    ///
    /// # Errors
    /// Returns an error if it names another one.
    pub fn check(&self, task: &str) -> Result<(), ReadError> {
        check_named(task, self.task_id())
    }
}

/// Returns an id that names something: an empty one does not.
pub(super) fn named(id: &Option<Token>) -> Option<&str> {
    id.as_ref().map(Token::as_str).filter(|id| !id.is_empty())
}

/// Checks that an id in a reply is that of the task that was asked about.
pub(super) fn check_named(task: &str, named: Option<&str>) -> Result<(), ReadError> {
    match named {
        Some(named) if Subject::is_other(task, named) => Err(wire::DecodeError::Foreign.into()),
        _ => Ok(()),
    }
}

impl From<StreamResponse> for TaskEvent {
    /// A wrapped event counts before a bare one, and a task before everything else: its id must not be lost.
    fn from(event: StreamResponse) -> Self {
        let StreamResponse {
            task,
            message,
            status_update,
            artifact_update,
            ..
        } = event;
        // Moved out one by one, so that a bare event keeps its own fields.
        let event = StreamResponse {
            task: None,
            message: None,
            status_update: None,
            artifact_update: None,
            ..event
        };
        if let Some(task) = task {
            return Self::Task(Box::new(task));
        }
        if let Some(update) = status_update {
            return Self::Status(Box::new(update));
        }
        if let Some(update) = artifact_update {
            return Self::Artifact(Box::new(update));
        }
        if let Some(message) = message {
            return Self::Message(Box::new(message));
        }
        bare(event)
    }
}

/// Reads an event in the shape of version 0.3: its kind says what it is, and the fields stand without anything around
/// them.
fn bare(event: StreamResponse) -> TaskEvent {
    let kind = event.kind.as_deref().unwrap_or_default();
    let is = |word: &str, has_it: bool| kind == word || (kind.is_empty() && has_it);
    if is("task", event.id.is_some()) {
        return TaskEvent::Task(Box::new(Task {
            id: event.id,
            context_id: event.context_id,
            status: event.status,
            artifacts: event.artifacts,
            history: event.history,
            metadata: event.metadata,
            kind: event.kind,
            extra: event.extra,
        }));
    }
    if is("artifact-update", event.artifact.is_some()) {
        return TaskEvent::Artifact(Box::new(TaskArtifactUpdateEvent {
            task_id: event.task_id,
            context_id: event.context_id,
            artifact: event.artifact,
            append: event.append,
            last_chunk: event.last_chunk,
            metadata: event.metadata,
            extra: event.extra,
        }));
    }
    if is("status-update", event.status.state.is_some()) {
        return TaskEvent::Status(Box::new(TaskStatusUpdateEvent {
            task_id: event.task_id,
            context_id: event.context_id,
            status: event.status,
            metadata: event.metadata,
            r#final: event.r#final,
            extra: event.extra,
        }));
    }
    if is(
        "message",
        event.message_id.is_some() || !event.parts.is_empty(),
    ) {
        return TaskEvent::Message(Box::new(Message {
            message_id: event.message_id,
            context_id: event.context_id,
            task_id: event.task_id,
            role: event.role,
            parts: event.parts,
            metadata: event.metadata,
            extensions: None,
            reference_task_ids: None,
            kind: event.kind,
            extra: event.extra,
        }));
    }
    match event.error {
        Some(error) => TaskEvent::Error(Box::new(error)),
        None => TaskEvent::Unknown(Box::new(event)),
    }
}

/// What the reply to a message is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sent {
    /// The task that the message started or went to.
    Task(Box<Task>),
    /// The agent's direct answer: everything is over, and there is no task.
    Message(Box<Message>),
}

impl Sent {
    /// Reads which of the two it is. A reply with both is a task: a paid task must not be lost over a remark.
    ///
    /// # Errors
    /// Returns an error if it is neither, or a task without an id.
    pub(super) fn of(reply: SendMessageResponse) -> Result<Self, ReadError> {
        let event = StreamResponse {
            task: reply.task,
            message: reply.message,
            kind: reply.kind,
            id: reply.id,
            context_id: reply.context_id,
            status: reply.status,
            artifacts: reply.artifacts,
            history: reply.history,
            message_id: reply.message_id,
            task_id: reply.task_id,
            role: reply.role,
            parts: reply.parts,
            metadata: reply.metadata,
            ..StreamResponse::default()
        };
        match TaskEvent::from(event) {
            TaskEvent::Task(task) if named(&task.id).is_some() => Ok(Self::Task(task)),
            TaskEvent::Task(_) => Err(ReadError::new(
                ReadErrorKind::Shape,
                "the task in it has no id",
            )),
            TaskEvent::Message(message) => Ok(Self::Message(message)),
            _ => Err(ReadError::new(
                ReadErrorKind::Shape,
                "it holds neither a task nor a message",
            )),
        }
    }
}

impl A2a {
    /// Reads one server-sent event; `None` for one without data.
    ///
    /// # Errors
    /// Returns an error if its data cannot be read.
    pub fn event_of(&self, event: &sse::Event<'_>) -> Result<Option<TaskEvent>, ReadError> {
        if event.data.trim().is_empty() {
            return Ok(None);
        }
        match self.read_event_content::<StreamResponse>(event.data) {
            Ok(Ok(read)) => Ok(Some(TaskEvent::from(read))),
            Ok(Err(error)) => Ok(Some(TaskEvent::Error(error))),
            // Whatever is said of an error, it is one.
            Err(_) if event.name == "error" => Ok(Some(TaskEvent::Error(Box::default()))),
            Err(error) => Err(error),
        }
    }
}
