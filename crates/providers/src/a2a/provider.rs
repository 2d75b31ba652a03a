//! What an agent's replies mean, for the task machine.

use serde_json::Value;
use taskward_core::{
    Answer as GivenAnswer, ApiError, BuildError, Candidate, Capabilities, Confirmation,
    CreatedTask, Cursor, EventKind, IdempotencyKey, LenientList, ListEntry, ListPage,
    MatchCriteria, Operation as _, PollResult, Provider, ProviderDefaults, Question, RawEvent,
    ReadError, ReadErrorKind, ReadKind, Request, Response, Safety, Started, Status, StreamEvent,
    StreamSnapshot, TaskFailure, TaskId, Timestamp, WriteRequest, sse,
};

use super::agent::{A2a, Binding};
use super::artifacts::{Answer, is_agents, is_users, piece_of, pieces_of};
use super::errors::{classify, error_of_event};
use super::events::{Sent, TaskEvent, check_named, named};
use super::head::TaskHead;
use super::interrupt::{Words, with_words};
use super::job::{Context, Job, StartHow, message_id, message_to};
use super::operations::{
    CancelTask, GetTask, ListTasks, SendMessage, SubscribeMethod, SubscribeToTask, read_sent,
    read_task,
};
use super::parts::text_of_message;
use super::question::{has_id, is_silent, question_of};
use super::status::{State, state_of, status_of};
use super::types::{ListTasksResponse, Message, SendMessageResponse, Task, TaskStatus};

/// How many of the newest messages are read to find one of ours: LangGraph refuses to show more.
pub(super) const NEWEST: u32 = 10;
/// How many tasks a page of the search has.
const PAGE: u32 = 100;

impl Provider for A2a {
    type Job = Job;
    type Output = Answer;

    const NAME: &'static str = "a2a";
    const DEFAULTS: ProviderDefaults =
        ProviderDefaults::new("A2A_API_KEY", "A2A_BASE_URL", "", "").with_optional_key();
    const CAPABILITIES: Capabilities = {
        let mut can = Capabilities::LEAST;
        can.start = Safety::Traceable;
        can.answer = Safety::Traceable;
        can.start_by_stream = true;
        can.stream = true;
        can.stream_forms = 2;
        can.snapshots = true;
        can.cancel = true;
        can.message = true;
        can.list = true;
        can.words = true;
        can.data = true;
        can.agents = true;
        can
    };

    fn capabilities(&self) -> Capabilities {
        let mut can = Self::CAPABILITIES;
        can.start_by_stream = self.streams();
        can.stream = self.streams();
        can.stream_forms = match self.binding() {
            Binding::HttpJson => 2,
            Binding::JsonRpc => 1,
        };
        can
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(self, reply)
    }

    fn status_decides(&self) -> bool {
        match self.binding() {
            Binding::HttpJson => true,
            Binding::JsonRpc => false,
        }
    }

    fn classify_event(&self, event: &sse::Event<'_>) -> Result<(), ApiError> {
        match self.event_of(event) {
            Ok(Some(TaskEvent::Error(error))) => Err(error_of_event(&error)),
            _ => Ok(()),
        }
    }

    fn start(&self, job: &Job, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        job.request(self, &key_or_none(key), StartHow::Reply)
    }

    fn start_stream(&self, job: &Job, key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        job.request(self, &key_or_none(key), StartHow::Stream)
    }

    fn read_start(&self, reply: &Response) -> Result<Started<Answer>, ReadError> {
        Ok(match read_sent(self, reply)? {
            Sent::Task(task) => self.started(&task, &reply.body),
            Sent::Message(message) => {
                let raw = self.raw_part(&reply.body, "message");
                Started::Answer(Answer::of_message(&message, raw))
            }
        })
    }

    fn read_started(&self, event: &sse::Event<'_>) -> Result<Option<Started<Answer>>, ReadError> {
        let Some(read) = self.event_of(event)? else {
            return Ok(None);
        };
        let created = |id: &str, status| CreatedTask::new(TaskId::new(id), status).into();
        let id = read.task_id();
        Ok(match (&read, id) {
            (TaskEvent::Task(task), Some(_)) => Some(self.started(task, event.data.as_bytes())),
            (TaskEvent::Status(update), Some(id)) => {
                Some(created(id, Some(dated_status(&update.status))))
            }
            // A direct answer, though it may name a task: two servers write an id that no task has.
            (TaskEvent::Message(message), _) => {
                let raw = self.raw_part(event.data.as_bytes(), "message");
                Some(Started::Answer(Answer::of_message(message, raw)))
            }
            (_, Some(id)) => Some(created(id, None)),
            (TaskEvent::Unknown(_), None) => None,
            (_, None) => {
                let why = "the first event of the stream names no task";
                return Err(ReadError::new(ReadErrorKind::Shape, why));
            }
        })
    }

    fn stored_answer(&self, raw: Value) -> Option<Answer> {
        let message: Message = crate::wire::decode(raw.to_string().as_bytes()).ok()?;
        Some(Answer::of_message(&message, raw))
    }

    fn without_reference(&self, job: &Job) -> Option<Job> {
        job.is_context_ours()
            .then(|| job.clone().context(Context::Theirs))
    }

    fn start_again(
        &self,
        request: Request,
        criteria: Option<MatchCriteria>,
        key: Option<&IdempotencyKey>,
    ) -> Result<(Request, Option<MatchCriteria>), BuildError> {
        let key = key_or_none(key);
        let (request, context) = super::again::with_ids(request, &key)?;
        let criteria = criteria.map(|mut criteria| {
            criteria.reference = context.map(|context| reference(&key, &context));
            criteria
        });
        Ok((request, criteria))
    }

    fn read_request(&self, id: &TaskId, read: &ReadKind) -> Result<Request, BuildError> {
        let task = GetTask::new(self, id.as_str());
        match read {
            ReadKind::Status => task.history(0).request(),
            ReadKind::Questions => task.history(NEWEST).request(),
            ReadKind::Result => task.request(),
            ReadKind::Stream { form, .. } => SubscribeToTask::new(self, id.as_str())
                .method(match form {
                    0 => SubscribeMethod::Get,
                    _ => SubscribeMethod::Post,
                })
                .request(),
            _ => Err(BuildError::new(
                "agents of this protocol list no events and no steps",
            )),
        }
    }

    fn read(
        &self,
        id: &TaskId,
        read: &ReadKind,
        reply: &Response,
    ) -> Result<PollResult<Answer>, ReadError> {
        let id = id.as_str();
        match read {
            ReadKind::Status => {
                let head = TaskHead::read(self, id, reply)?;
                let is_silent = is_silent(&head.status);
                match state_of(&head.status).is_terminal() || is_silent {
                    true => {
                        Ok(self.result_of(&read_task(self, id, reply)?, &reply.body, Whole::No))
                    }
                    false => Ok(live(id, named(&head.context_id), &head.status, None)),
                }
            }
            ReadKind::Result => {
                let task = read_task(self, id, reply)?;
                Ok(match self.result_of(&task, &reply.body, Whole::Yes) {
                    PollResult::Succeeded(_, answer) => PollResult::Ready(answer),
                    other => other,
                })
            }
            _ => {
                let task = read_task(self, id, reply)?;
                Ok(self.result_of(&task, &reply.body, Whole::Yes))
            }
        }
    }

    fn status_beside_questions(&self, reply: &Response) -> Option<Status> {
        let head: TaskHead = self.skim(&reply.body).ok()?;
        Some(dated_status(&head.status))
    }

    fn write_request(&self, id: &TaskId, write: &WriteRequest<'_>) -> Result<Request, BuildError> {
        let unkeyed = || BuildError::new("a message needs an id of ours");
        let (key, conversation, answer) = match write {
            WriteRequest::Cancel => return CancelTask::new(self, id.as_str()).request(),
            WriteRequest::Answer {
                question,
                answer,
                key,
            } => (key, question.conversation.as_deref(), (*answer).clone()),
            WriteRequest::Message { text, key, cursor } => {
                (key, placed(cursor).1, GivenAnswer::text(*text))
            }
            _ => {
                return Err(BuildError::new(
                    "agents of this protocol have no such write",
                ));
            }
        };
        let message = message_id(key.ok_or_else(unkeyed)?);
        SendMessage::new(
            self,
            message_to(id.as_str(), conversation, message, &answer)?,
        )
        .request()
    }

    fn check_accepted(&self, id: &TaskId, reply: &Response) -> Result<(), ReadError> {
        let reply: SendMessageResponse = self.read_content(&reply.body)?;
        let task = reply.task.as_ref().map_or(&reply.id, |task| &task.id);
        check_named(id.as_str(), named(task))?;
        let said = reply
            .message
            .as_ref()
            .map_or(&reply.task_id, |message| &message.task_id);
        check_named(id.as_str(), named(said))
    }

    fn cursor(&self, id: &TaskId, reply: &Response) -> Result<Cursor, ReadError> {
        let head = TaskHead::read(self, id.as_str(), reply)?;
        let at = head
            .status
            .timestamp
            .as_ref()
            .map(|at| at.as_str().to_owned());
        let conversation = named(&head.context_id).unwrap_or_default();
        Ok(Cursor::new(format!(
            "{}\n{conversation}",
            at.unwrap_or_default()
        )))
    }

    fn find_write(
        &self,
        id: &TaskId,
        reply: &Response,
        cursor: &Cursor,
        text: &str,
        key: Option<&IdempotencyKey>,
    ) -> Result<Confirmation, ReadError> {
        let task = read_task(self, id.as_str(), reply)?;
        Ok(find(&task, cursor, text, key))
    }

    fn match_criteria(&self, job: &Job, key: Option<&IdempotencyKey>) -> Option<MatchCriteria> {
        let criteria = MatchCriteria::default();
        let mut criteria = criteria.with_first_message(&job.first_message().unwrap_or_default());
        let context = key.and_then(|key| Some((key, job.context_of(key)?)));
        criteria.reference = context.map(|(key, context)| reference(key, &context));
        Some(criteria)
    }

    fn search(
        &self,
        criteria: &MatchCriteria,
        _from: Timestamp,
        _until: Option<Timestamp>,
        cursor: Option<&str>,
    ) -> Result<Request, BuildError> {
        let mut list = match criteria.reference.as_deref().and_then(referred) {
            Some((_, context)) => ListTasks::new(self).context(context).history(NEWEST),
            None => ListTasks::new(self).history(0),
        };
        list.page_size = Some(PAGE);
        list.page_token = cursor.map(str::to_owned);
        list.request()
    }

    fn read_search(
        &self,
        criteria: &MatchCriteria,
        reply: &Response,
    ) -> Result<ListPage<Candidate>, ReadError> {
        let page: ListTasksResponse = ListTasks::new(self).read(reply)?;
        let next = named(&page.next_page_token).map(str::to_owned);
        let wanted = criteria.reference.as_deref().and_then(referred);
        let tasks = page.tasks.unwrap_or_else(|| LenientList::from(Vec::new()));
        let found = tasks.entries().iter().filter_map(|entry| match entry {
            ListEntry::Unreadable => Some(ListEntry::Unreadable),
            ListEntry::Readable(task) => candidate(task, wanted),
        });
        Ok(ListPage::new(found.collect::<LenientList<_>>(), None, next))
    }

    fn first_message(&self, id: &TaskId) -> Result<Request, BuildError> {
        GetTask::new(self, id.as_str()).request()
    }

    fn read_first_message(
        &self,
        id: &TaskId,
        reply: &Response,
    ) -> Result<Option<String>, ReadError> {
        let task = read_task(self, id.as_str(), reply)?;
        let mut said = task.history.iter().flat_map(LenientList::readable);
        Ok(said.find(|said| is_users(said)).and_then(text_of_message))
    }

    fn read_event(
        &self,
        id: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamEvent>, ReadError> {
        let Some(read) = self.event_of(event)? else {
            return Ok(None);
        };
        read.check(id.as_str())?;
        let raw = RawEvent::new(None, read.name(), self.raw_event(event));
        let of_status = |status: &TaskStatus| {
            let state = state_of(status);
            EventKind::Status {
                status: dated_status(status),
                rests: state.is_terminal() || state.is_interrupted(),
            }
        };
        let kind = match &read {
            TaskEvent::Task(task) => of_status(&task.status),
            TaskEvent::Status(update) => of_status(&update.status),
            // What went wrong, a read of the task says, which follows the end of the stream.
            TaskEvent::Artifact(_)
            | TaskEvent::Message(_)
            | TaskEvent::Error(_)
            | TaskEvent::Unknown(_) => EventKind::Neutral,
        };
        let event = StreamEvent::new(raw, kind);
        Ok(Some(match &read {
            TaskEvent::Artifact(update) => match piece_of(update) {
                Some(piece) => event.with_output(piece),
                None => event,
            },
            _ => event,
        }))
    }

    fn words_beside_status(&self, content: &[u8]) -> Option<RawEvent> {
        self.words_in(content)
    }

    fn add_words(&self, question: Question, events: &[RawEvent]) -> Question {
        match question.text.is_empty() {
            true => with_words(question, events),
            false => question,
        }
    }

    fn read_snapshot(
        &self,
        id: &TaskId,
        event: &sse::Event<'_>,
    ) -> Result<Option<StreamSnapshot<Answer>>, ReadError> {
        let Some(TaskEvent::Task(task)) = self.event_of(event)? else {
            return Ok(None);
        };
        check_named(id.as_str(), named(&task.id))?;
        let result = self.result_of(&task, event.data.as_bytes(), Whole::No);
        let status = dated_status(&task.status);
        Ok(Some(
            StreamSnapshot::new(result, Some(status)).with_output(pieces_of(&task)),
        ))
    }
}

/// Whether a task was read with all that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

impl A2a {
    /// Reads what the reply to a start says of its task.
    fn started(&self, task: &Task, body: &[u8]) -> Started<Answer> {
        let id = named(&task.id).unwrap_or_default();
        let created = CreatedTask::new(TaskId::new(id), Some(dated_status(&task.status)));
        let result = self.result_of(task, body, Whole::No);
        Started::Task(created, Some(Box::new(result)))
    }

    /// Returns what a whole task says. Where nothing but what was said can hold the answer, and that was not read, it is
    /// read first.
    fn result_of(&self, task: &Task, body: &[u8], whole: Whole) -> PollResult<Answer> {
        let status = dated_status(&task.status);
        let why = || task.status.message.as_ref().and_then(text_of_message);
        let failure = |reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            TaskFailure::new(status.clone()).with_reason(reason, why())
        };
        match state_of(&task.status) {
            State::Completed if whole == Whole::No && !has_artifacts(task) => {
                PollResult::ReadFirst(ReadKind::Result, status)
            }
            State::Completed => {
                let answer = Answer::of_task(task, self.raw_part(body, "task"));
                PollResult::Succeeded(status, answer)
            }
            State::Failed => PollResult::Failed(failure(None)),
            State::Rejected => PollResult::Failed(failure(Some("rejected"))),
            State::Canceled => PollResult::Stopped(failure(None)),
            _ => live(
                named(&task.id).unwrap_or_default(),
                named(&task.context_id),
                &task.status,
                Words::of(&task.artifacts),
            ),
        }
    }

    /// Returns the task or the message in a body as the server sent it: by itself, or as one of several things that a reply
    /// may be.
    fn raw_part(&self, body: &[u8], name: &str) -> Value {
        let content = self.read_content::<Value>(body).unwrap_or_default();
        match content {
            Value::Object(mut object) => match object.remove(name) {
                Some(task) => task,
                None => Value::Object(object),
            },
            other => other,
        }
    }

    /// Returns an event as the server sent it, without what JSON-RPC has around it.
    fn raw_event(&self, event: &sse::Event<'_>) -> Value {
        match self.read_event_content::<Value>(event.data) {
            Ok(Ok(content)) => content,
            Ok(Err(_)) | Err(_) => serde_json::from_str(event.data).unwrap_or_default(),
        }
    }
}

fn has_artifacts(task: &Task) -> bool {
    !task.artifacts.is_empty()
}

/// Returns what a task says that is not over; `words` are those of a question that its artifacts have.
fn live(
    id: &str,
    conversation: Option<&str>,
    status: &TaskStatus,
    words: Option<Words>,
) -> PollResult<Answer> {
    let asked = question_of(id, conversation, status, words);
    match (state_of(status), asked) {
        (_, Some(question)) => PollResult::Asking(vec![question]),
        (State::Unknown, None) => PollResult::Unknown(dated_status(status)),
        (_, None) => PollResult::Pending(dated_status(status)),
    }
}

/// Returns the status with the server's own time of it.
fn dated_status(status: &TaskStatus) -> Status {
    let at = status.timestamp.as_ref();
    let millis = at.and_then(|at| u64::try_from(at.unix_millis()?).ok());
    let text = at.map(|at| at.as_str().to_owned());
    status_of(status.state.as_ref()).changed_at(text, millis.map(Timestamp::from_millis))
}

/// Returns the key of a start, or one that stands for none: the request is built once without a key to make one from it.
fn key_or_none(key: Option<&IdempotencyKey>) -> IdempotencyKey {
    key.cloned().unwrap_or_else(|| IdempotencyKey::new(""))
}

/// Returns what names a start among the tasks of a conversation: the id of its message, and the conversation.
fn reference(key: &IdempotencyKey, context: &str) -> String {
    format!("{} {context}", message_id(key))
}

/// Takes a reference apart.
fn referred(reference: &str) -> Option<(&str, &str)> {
    reference.split_once(' ')
}

/// Returns a listed task as one that the start may have created; `None` if it is certainly another.
fn candidate(task: &Task, wanted: Option<(&str, &str)>) -> Option<ListEntry<Candidate>> {
    let Some(id) = named(&task.id) else {
        return Some(ListEntry::Unreadable);
    };
    let mut candidate = Candidate::new(TaskId::new(id));
    candidate.status = Some(dated_status(&task.status));
    let Some((message, context)) = wanted else {
        return Some(ListEntry::Readable(candidate));
    };
    if named(&task.context_id).is_some_and(|other| other != context) {
        // The server does not select by the conversation.
        return None;
    }
    let said = task.history.iter().flat_map(LenientList::readable);
    let mut ids = said.filter(|said| is_users(said)).peekable();
    if ids.peek().is_none() {
        // Nothing shows what began it, and the conversation may be an older one.
        let is_ours = message_id(&IdempotencyKey::new(context)) == message;
        return Some(match is_ours {
            true => ListEntry::Readable(candidate),
            false => ListEntry::Unreadable,
        });
    }
    ids.any(|said| has_id(said, message))
        .then_some(ListEntry::Readable(candidate))
}

/// Finds a message of ours in what was said.
fn find(task: &Task, cursor: &Cursor, text: &str, key: Option<&IdempotencyKey>) -> Confirmation {
    let said: Vec<&Message> = task
        .history
        .iter()
        .flat_map(LenientList::readable)
        .collect();
    let is_ours = |said: &&Message| match key.map(message_id) {
        Some(id) => has_id(said, &id),
        None => is_users(said) && text_of_message(said).as_deref() == Some(text),
    };
    let has_moved = is_newer(&task.status, cursor) && !state_of(&task.status).is_interrupted();
    match said.iter().rposition(is_ours) {
        Some(at) if has_moved || said[at..].iter().any(|said| is_agents(said)) => {
            Confirmation::PresentAndReplied
        }
        Some(_) => Confirmation::Present,
        // That the task went on shows that somebody answered, and not who.
        None if has_moved => Confirmation::AbsentAndReplied,
        None => Confirmation::Absent,
    }
}

/// Returns the time of the status before a write, and the conversation: one server takes a message that names none for
/// the first of another.
fn placed(cursor: &Cursor) -> (&str, Option<&str>) {
    let (at, conversation) = cursor
        .as_str()
        .split_once('\n')
        .unwrap_or((cursor.as_str(), ""));
    (at, Some(conversation).filter(|id| !id.is_empty()))
}

/// Returns whether a status is newer than the one before a write.
fn is_newer(status: &TaskStatus, cursor: &Cursor) -> bool {
    let before = crate::wire::DateTime::from(placed(cursor).0).unix_millis();
    let now = status
        .timestamp
        .as_ref()
        .and_then(crate::wire::DateTime::unix_millis);
    matches!((before, now), (Some(before), Some(now)) if now > before)
}
