//! Messages and tasks.

use http::Method;
use serde::Serialize;
use taskward_core::{
    ApiError, BuildError, LenientList, List, ListPage, Operation, ReadError, ReadErrorKind,
    Request, Response, Safety, Target,
};

use crate::a2a::agent::A2a;
use crate::a2a::binding::{Call, RestBody};
use crate::a2a::errors::classify;
use crate::a2a::events::{Sent, check_named, named};
use crate::a2a::types::{
    ListTasksResponse, SendMessageRequest, SendMessageResponse, Task, TaskState,
};

/// Sends a message. Without a task id it starts a task; to follow that one to its end, pass a [`Job`](crate::a2a::Job) to
/// a client's `run` instead.
///
/// Never repeated when its outcome is unknown: no server takes a second message of the same id for the first one.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The agent.
    pub agent: A2a,
    /// The message and how it is answered.
    pub body: SendMessageRequest,
}

impl SendMessage {
    /// Sends this message.
    #[must_use]
    pub fn new(agent: &A2a, body: SendMessageRequest) -> Self {
        Self {
            agent: agent.clone(),
            body,
        }
    }

    pub(in crate::a2a) fn build(&self) -> Result<Request, BuildError> {
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::POST,
            target: Target::new("/message:send"),
            params: &self.body,
            body: RestBody::Params,
        })
    }
}

impl Operation for SendMessage {
    type Output = Sent;
    const NAME: &'static str = "SendMessage";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        self.build()
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<Sent, ReadError> {
        read_sent(&self.agent, reply)
    }
}

/// Reads the reply to a message.
pub(in crate::a2a) fn read_sent(agent: &A2a, reply: &Response) -> Result<Sent, ReadError> {
    Sent::of(agent.read_content::<SendMessageResponse>(&reply.body)?)
}

/// Reads a task.
#[derive(Clone, Debug)]
pub struct GetTask {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
    /// How many of the newest messages come with it: 0 for none, `None` for all.
    pub history_length: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GetTaskParams<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_length: Option<u32>,
}

impl GetTask {
    /// Reads this task with all its messages.
    pub fn new(agent: &A2a, task: impl Into<String>) -> Self {
        Self {
            agent: agent.clone(),
            task: task.into(),
            history_length: None,
        }
    }

    /// Reads no more than so many of the newest messages.
    #[must_use]
    pub fn history(mut self, length: u32) -> Self {
        self.history_length = Some(length);
        self
    }
}

impl Operation for GetTask {
    type Output = Task;
    const NAME: &'static str = "GetTask";

    fn is_status_read(&self) -> bool {
        true
    }

    fn is_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        let history = self.history_length.map(|length| length.to_string());
        let target = Target::new("/tasks").segment(&self.task)?;
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::GET,
            target: target.query_opt("historyLength", history.as_deref()),
            params: GetTaskParams {
                id: &self.task,
                history_length: self.history_length,
            },
            body: RestBody::None,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<Task, ReadError> {
        read_task(&self.agent, &self.task, reply)
    }
}

/// Reads a reply that is this task.
pub(in crate::a2a) fn read_task(
    agent: &A2a,
    id: &str,
    reply: &Response,
) -> Result<Task, ReadError> {
    let task: Task = agent.read_content(&reply.body)?;
    check_named(id, named(&task.id))?;
    Ok(task)
}

/// Lists tasks, the newest status first.
///
/// As a list it yields page after page; a server may list a task again whose status has changed meanwhile.
#[derive(Clone, Debug, Default)]
pub struct ListTasks {
    /// The agent.
    pub agent: A2a,
    /// Only those of this conversation.
    pub context: Option<String>,
    /// Only those in this state.
    pub status: Option<TaskState>,
    /// How many a page has: from 1 to 100, 50 when left out.
    pub page_size: Option<u32>,
    /// Where the page begins.
    pub page_token: Option<String>,
    /// How many of the newest messages come with each.
    pub history_length: Option<u32>,
    /// Only those whose status is newer: RFC 3339 with an offset.
    pub status_after: Option<String>,
    /// Whether artifacts come with each.
    pub include_artifacts: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListTasksParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    context_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_timestamp_after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_artifacts: Option<bool>,
}

impl ListTasks {
    /// Lists every task.
    #[must_use]
    pub fn new(agent: &A2a) -> Self {
        Self {
            agent: agent.clone(),
            ..Self::default()
        }
    }

    /// Lists those of this conversation.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// Lists them with so many of their newest messages.
    #[must_use]
    pub fn history(mut self, length: u32) -> Self {
        self.history_length = Some(length);
        self
    }
}

impl Operation for ListTasks {
    type Output = ListTasksResponse;
    const NAME: &'static str = "ListTasks";

    fn is_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        let params = ListTasksParams {
            context_id: self.context.as_deref(),
            status: self.status.as_ref().map(TaskState::as_str),
            page_size: self.page_size,
            page_token: self.page_token.as_deref(),
            history_length: self.history_length,
            status_timestamp_after: self.status_after.as_deref(),
            include_artifacts: self.include_artifacts.then_some(true),
        };
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let target = Target::new("/tasks")
            .query_opt("contextId", params.context_id)
            .query_opt("status", params.status)
            .query_opt("pageSize", number(params.page_size).as_deref())
            .query_opt("pageToken", params.page_token)
            .query_opt("historyLength", number(params.history_length).as_deref())
            .query_opt("statusTimestampAfter", params.status_timestamp_after)
            .query_opt("includeArtifacts", params.include_artifacts.map(|_| "true"));
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::GET,
            target,
            params,
            body: RestBody::None,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<ListTasksResponse, ReadError> {
        let page: ListTasksResponse = self.agent.read_content(&reply.body)?;
        let is_page =
            page.next_page_token.is_some() || page.page_size.is_some() || page.total_size.is_some();
        match &page.tasks {
            Some(_) => Ok(page),
            // An empty list is often left out; a reply with nothing of a page is none.
            None if is_page && !page.extra.contains_key("tasks") => Ok(page),
            None => Err(ReadError::new(
                ReadErrorKind::Shape,
                "it holds no list of tasks",
            )),
        }
    }
}

impl List for ListTasks {
    type Item = Task;

    fn take(&mut self, page: ListTasksResponse) -> ListPage<Task> {
        let next = named(&page.next_page_token).map(str::to_owned);
        // A server that repeats its cursor would be asked for ever.
        let next = next.filter(|next| self.page_token.as_ref() != Some(next));
        let tasks = page.tasks.unwrap_or_else(|| LenientList::from(Vec::new()));
        ListPage::new(tasks, None, next)
    }

    fn cursor(&self) -> Option<&str> {
        self.page_token.as_deref()
    }

    fn turn(&mut self, cursor: String) {
        self.page_token = Some(cursor);
    }
}

/// Asks for a task's end.
///
/// Repeated when its outcome is unknown: the second changes nothing, though most servers refuse it. A refusal is no
/// promise that the task goes on: read it.
#[derive(Clone, Debug)]
pub struct CancelTask {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
}

#[derive(Serialize)]
struct IdParams<'a> {
    id: &'a str,
}

impl CancelTask {
    /// Cancels this task.
    pub fn new(agent: &A2a, task: impl Into<String>) -> Self {
        Self {
            agent: agent.clone(),
            task: task.into(),
        }
    }
}

impl Operation for CancelTask {
    type Output = Task;
    const NAME: &'static str = "CancelTask";

    fn request(&self) -> Result<Request, BuildError> {
        self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::POST,
            target: Target::new("/tasks").segment(&self.task)?.path(":cancel"),
            params: IdParams { id: &self.task },
            body: RestBody::Empty,
        })
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<Task, ReadError> {
        read_task(&self.agent, &self.task, reply)
    }
}
