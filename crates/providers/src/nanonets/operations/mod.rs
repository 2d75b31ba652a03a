//! Every endpoint by itself, for calls without a task to follow.

mod agents;
mod tasks;

use serde::de::DeserializeOwned;
use taskward_core::{ReadError, Response, Target};

use crate::wire;

pub use agents::{
    CreateAgent, GetAgent, ListAgentVersions, ListAgents, PublishAgentVersion, UpdateAgent,
};
pub use tasks::{
    CancelTask, GetTaskResult, GetTaskStatus, GetTaskSummary, ListTaskMessages, ListTasks,
    RunAgent, SendTaskMessage,
};

fn json<T: DeserializeOwned>(reply: &Response) -> Result<T, ReadError> {
    Ok(wire::decode(&reply.body)?)
}

/// Adds the parameters of one page: where it begins, and how long it is.
fn paged(target: Target, cursor: Option<&str>, limit: Option<u32>) -> Target {
    target
        .query_opt("cursor", cursor)
        .query_opt("limit", limit.map(|n| n.to_string()).as_deref())
}

/// Joins the values of a filter that takes several; `None` for none.
fn joined<'a>(words: impl Iterator<Item = &'a str>) -> Option<String> {
    let text = words.collect::<Vec<_>>().join(",");
    (!text.is_empty()).then_some(text)
}

/// Defines how an operation goes from page to page: the platform's lists are all alike.
macro_rules! list_of {
    ($operation:ty, $item:ty) => {
        impl taskward_core::List for $operation {
            type Item = $item;

            fn take(&mut self, page: Self::Output) -> taskward_core::ListPage<$item> {
                let next = page.next_cursor.map(|cursor| cursor.as_str().to_owned());
                taskward_core::ListPage::new(page.data, page.has_more, next)
            }

            fn cursor(&self) -> Option<&str> {
                self.cursor.as_deref()
            }

            fn turn(&mut self, cursor: String) {
                self.cursor = Some(cursor);
            }
        }
    };
}
use list_of;

#[cfg(test)]
mod tests {
    use taskward_core::Operation;

    use super::*;
    use crate::generated::nanonets::operations;
    use crate::nanonets::Job;
    use crate::nanonets::types::{CreateAgentRequest, UpdateAgentRequest};

    /// Compares an operation's request with the specification's method and path; no body goes where it has none.
    fn check<O: Operation>(operation: &O) -> &'static str {
        let spec = operations::ALL
            .iter()
            .find(|spec| spec.id == O::NAME)
            .expect("a documented operation");
        let request = operation.request().expect("request");
        let path = spec
            .path
            .replace("{task_id}", "ID")
            .replace("{agent_id}", "ID");
        assert_eq!(
            (request.method().as_str(), request.target().path()),
            (spec.method, path.as_str())
        );
        let has_body = !matches!(request.body(), taskward_core::Body::Empty);
        assert!(spec.takes_body || !has_body, "{} takes no body", O::NAME);
        O::NAME
    }

    /// Rows: N7.
    #[test]
    fn operations_are_those_of_the_specification() {
        let id = || "ID".to_owned();
        let change = UpdateAgentRequest {
            is_active: Some(false),
            ..UpdateAgentRequest::default()
        };
        let built = [
            check(&ListAgents::default()),
            check(&CreateAgent(CreateAgentRequest::default())),
            check(&GetAgent(id())),
            check(&UpdateAgent::new("ID", change)),
            check(&RunAgent(Job::agent("ID").query("x"))),
            check(&ListAgentVersions::new("ID")),
            check(&PublishAgentVersion(id())),
            check(&ListTasks::default()),
            check(&GetTaskStatus(id())),
            check(&GetTaskSummary(id())),
            check(&GetTaskResult(id())),
            check(&ListTaskMessages(id())),
            check(&SendTaskMessage {
                task: id(),
                message: "x".into(),
            }),
            check(&CancelTask(id())),
        ];
        let all: Vec<&str> = operations::ALL.iter().map(|spec| spec.id).collect();
        assert_eq!(built.as_slice(), all);
        assert_eq!(built.len(), 14);
    }
}
