//! Event streams, read to their end and returned together.

use http::Method;
use serde::Serialize;
use taskward_core::{
    ApiError, BuildError, LenientList, ListEntry, Operation, ReadError, ReadErrorKind, Request,
    Response, Safety, Target, sse,
};

use crate::a2a::agent::A2a;
use crate::a2a::binding::{Call, RestBody};
use crate::a2a::errors::classify;
use crate::a2a::events::TaskEvent;
use crate::a2a::types::SendMessageRequest;

/// Sends a message and reads what becomes of it to the end of the stream. See
/// [`SendMessage`](crate::a2a::operations::SendMessage).
#[derive(Clone, Debug)]
pub struct SendStreamingMessage {
    /// The agent.
    pub agent: A2a,
    /// The message.
    pub body: SendMessageRequest,
}

impl SendStreamingMessage {
    /// Sends this message.
    #[must_use]
    pub fn new(agent: &A2a, body: SendMessageRequest) -> Self {
        Self {
            agent: agent.clone(),
            body,
        }
    }

    pub(in crate::a2a) fn build(&self) -> Result<Request, BuildError> {
        let request = self.agent.request(&Call {
            method: Self::NAME,
            verb: Method::POST,
            target: Target::new("/message:stream"),
            params: &self.body,
            body: RestBody::Params,
        });
        request.map(Request::streaming)
    }
}

impl Operation for SendStreamingMessage {
    type Output = LenientList<TaskEvent>;
    const NAME: &'static str = "SendStreamingMessage";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        self.build()
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<LenientList<TaskEvent>, ReadError> {
        events_of(&self.agent, None, reply)
    }
}

/// With which HTTP method a task is subscribed to over HTTP+JSON: the protocol's definition and its text differ. JSON-RPC
/// posts everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeMethod {
    /// GET, as the definition has it.
    #[default]
    Get,
    /// POST, as the text has it: to be tried where GET is no method.
    Post,
}

/// Reads the events of a task to the end of the stream. The first one is the whole task.
///
/// For a task that is over soon. To read a live task as it goes, follow it.
#[derive(Clone, Debug)]
pub struct SubscribeToTask {
    /// The agent.
    pub agent: A2a,
    /// The task.
    pub task: String,
    /// With which HTTP method.
    pub method: SubscribeMethod,
}

#[derive(Serialize)]
struct Params<'a> {
    id: &'a str,
}

impl SubscribeToTask {
    /// Subscribes to this task.
    pub fn new(agent: &A2a, task: impl Into<String>) -> Self {
        Self {
            agent: agent.clone(),
            task: task.into(),
            method: SubscribeMethod::Get,
        }
    }

    /// Subscribes with this HTTP method.
    #[must_use]
    pub fn method(mut self, method: SubscribeMethod) -> Self {
        self.method = method;
        self
    }
}

impl Operation for SubscribeToTask {
    type Output = LenientList<TaskEvent>;
    const NAME: &'static str = "SubscribeToTask";

    fn is_read(&self) -> bool {
        true
    }

    fn request(&self) -> Result<Request, BuildError> {
        let (verb, body) = match self.method {
            SubscribeMethod::Get => (Method::GET, RestBody::None),
            SubscribeMethod::Post => (Method::POST, RestBody::Empty),
        };
        let request = self.agent.request(&Call {
            method: Self::NAME,
            verb,
            target: Target::new("/tasks")
                .segment(&self.task)?
                .path(":subscribe"),
            params: Params { id: &self.task },
            body,
        });
        request.map(Request::streaming)
    }

    fn classify(&self, reply: &Response) -> Result<(), ApiError> {
        classify(&self.agent, reply)
    }

    fn read(&self, reply: &Response) -> Result<LenientList<TaskEvent>, ReadError> {
        events_of(&self.agent, Some(&self.task), reply)
    }
}

/// Reads every event of a stream; one of another task spoils it.
fn events_of(
    agent: &A2a,
    task: Option<&str>,
    reply: &Response,
) -> Result<LenientList<TaskEvent>, ReadError> {
    let mut decoder = sse::Decoder::new();
    let mut rest: &[u8] = &reply.body;
    let mut events = Vec::new();
    let too_large = |error: sse::TooLarge| ReadError::new(ReadErrorKind::Shape, error.to_string());
    while let Some(event) = decoder.next_event(&mut rest).map_err(too_large)? {
        match agent.event_of(&event) {
            Ok(Some(event)) => {
                task.map_or(Ok(()), |task| event.check(task))?;
                events.push(ListEntry::Readable(event));
            }
            Ok(None) => {}
            Err(_) => events.push(ListEntry::Unreadable),
        }
    }
    Ok(events.into_iter().collect())
}
