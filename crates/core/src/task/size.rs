//! What a followed task takes while it waits.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    BuildError, Capabilities, IdempotencyKey, Job, Output, PollResult, Provider, ProviderDefaults,
    ReadError, ReadErrorKind, ReadKind, Request, Response, Started, TaskId, WriteRequest,
};

use super::Task;
use super::follow::Follow;

/// A platform whose value is as large as a pointer, as one is that shares what it knows of its server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Small(u64);

impl Job for Small {}

impl Output for Small {
    fn text(&self) -> Option<String> {
        None
    }

    fn json(&self) -> Option<&Value> {
        None
    }

    fn raw(&self) -> &Value {
        &Value::Null
    }
}

impl Provider for Small {
    type Job = Small;
    type Output = Small;

    const NAME: &'static str = "small";
    const DEFAULTS: ProviderDefaults = ProviderDefaults::new("KEY", "URL", "http://127.0.0.1", "");
    const CAPABILITIES: Capabilities = Capabilities::LEAST;

    fn start(&self, _job: &Small, _key: Option<&IdempotencyKey>) -> Result<Request, BuildError> {
        Err(BuildError::new("only its size counts"))
    }

    fn read_start(&self, _reply: &Response) -> Result<Started<Self::Output>, ReadError> {
        Err(ReadError::new(ReadErrorKind::Shape, "only its size counts"))
    }

    fn read_request(&self, _id: &TaskId, _read: &ReadKind) -> Result<Request, BuildError> {
        Err(BuildError::new("only its size counts"))
    }

    fn read(
        &self,
        _id: &TaskId,
        _read: &ReadKind,
        _reply: &Response,
    ) -> Result<PollResult<Self::Output>, ReadError> {
        Err(ReadError::new(ReadErrorKind::Shape, "only its size counts"))
    }

    fn write_request(&self, _id: &TaskId, _act: &WriteRequest<'_>) -> Result<Request, BuildError> {
        Err(BuildError::new("only its size counts"))
    }
}

/// What is rare is in boxes of its own, and what many tasks say alike is shared: so a program can hold a hundred thousand
/// tasks as they are.
#[test]
fn a_polled_task_takes_at_most_a_thousand_bytes() {
    let (task, follow) = (size_of::<Task<Small>>(), size_of::<Follow<Small>>());
    assert!(task + follow <= 1000, "{task} and {follow} bytes");
}
