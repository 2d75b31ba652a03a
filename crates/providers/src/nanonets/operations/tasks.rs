//! Tasks: starting, reading, answering, stopping, listing.

use taskward_core::{
    BuildError, LenientList, Operation, ReadError, Request, Response, Safety, Source, Target,
};

use super::{joined, json, list_of, paged};
use crate::nanonets::conversation;
use crate::nanonets::job::Job;
use crate::nanonets::requests::{cancel_request, message_request, read_about, task_target};
use crate::nanonets::types::{
    Message, RunAgentResponse, SendMessageResponse, Task, TaskList, TaskListItem, TaskResult,
    TaskStatus, TaskSummary,
};

/// Starts a task and returns at once. To see it through, give the [`Job`] to a client's `run` instead.
#[derive(Clone, Debug)]
pub struct RunAgent(pub Job);

impl Operation for RunAgent {
    type Output = RunAgentResponse;
    const NAME: &'static str = "runAgent";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        self.0.request()
    }

    fn read(&self, reply: &Response) -> Result<RunAgentResponse, ReadError> {
        json(reply)
    }

    fn sources(&mut self) -> Vec<&mut Source> {
        taskward_core::Job::sources(&mut self.0)
    }
}

/// Defines an operation on one task, by its id.
macro_rules! on_task {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $output:ty, $rest:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub String);

        impl $name {
            /// Makes the call on this task.
            pub fn new(task: impl Into<String>) -> Self {
                Self(task.into())
            }
        }

        impl Operation for $name {
            type Output = $output;
            const NAME: &'static str = $operation;

            fn request(&self) -> Result<Request, BuildError> {
                Ok(Request::get(task_target(&self.0, $rest)?))
            }

            fn is_status_read(&self) -> bool {
                $rest.is_empty()
            }

            fn read(&self, reply: &Response) -> Result<$output, ReadError> {
                read_about(&self.0, reply)
            }
        }
    };
}

on_task! {
    /// Reads a task's status: the cheapest read.
    GetTaskStatus, "getTaskStatus", Task, ""
}
on_task! {
    /// Reads a task with its final answer. Before the task has completed, the answer is the newest message.
    GetTaskSummary, "getTaskSummary", TaskSummary, "/summary"
}
on_task! {
    /// Reads a task with its whole feed.
    GetTaskResult, "getTaskResult", TaskResult, "/result"
}

/// Reads a task's conversation, oldest first.
#[derive(Clone, Debug)]
pub struct ListTaskMessages(pub String);

impl Operation for ListTaskMessages {
    type Output = LenientList<Message>;
    const NAME: &'static str = "listTaskMessages";

    fn request(&self) -> Result<Request, BuildError> {
        Ok(Request::get(task_target(&self.0, "/messages")?))
    }

    fn read(&self, reply: &Response) -> Result<LenientList<Message>, ReadError> {
        conversation::read(&self.0, reply)
    }
}

/// Posts a message to a task. Not repeated when its outcome is unknown: read the conversation then.
#[derive(Clone, Debug)]
pub struct SendTaskMessage {
    /// The task.
    pub task: String,
    /// The text.
    pub message: String,
}

impl Operation for SendTaskMessage {
    type Output = SendMessageResponse;
    const NAME: &'static str = "sendTaskMessage";

    fn safety(&self) -> Safety {
        Safety::Once
    }

    fn request(&self) -> Result<Request, BuildError> {
        message_request(&self.task, &self.message)
    }

    fn read(&self, reply: &Response) -> Result<SendMessageResponse, ReadError> {
        // The acceptance is the status code; an empty body takes nothing from it.
        if reply.body.iter().all(u8::is_ascii_whitespace) {
            return json(&Response::new(reply.status(), "{}"));
        }
        read_about(&self.task, reply)
    }
}

/// Stops a task. Idempotent: a task that is over is returned unchanged, `completed` included.
#[derive(Clone, Debug)]
pub struct CancelTask(pub String);

impl Operation for CancelTask {
    type Output = Option<Task>;
    const NAME: &'static str = "cancelTask";

    fn request(&self) -> Result<Request, BuildError> {
        cancel_request(&self.0)
    }

    fn read(&self, reply: &Response) -> Result<Option<Task>, ReadError> {
        if reply.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        read_about(&self.0, reply).map(Some)
    }
}

/// Lists the workspace's tasks, newest first, a page at a time.
#[derive(Clone, Debug, Default)]
pub struct ListTasks {
    /// Where the page begins: the cursor of the page before.
    pub cursor: Option<String>,
    /// Entries on a page, 1 to 100; 20 when left out.
    pub limit: Option<u32>,
    /// Only this agent's.
    pub agent: Option<String>,
    /// Only these states.
    pub status: Vec<TaskStatus>,
    /// Only those made at this time or later, RFC 3339.
    pub created_after: Option<String>,
    /// Only those made at this time or earlier, RFC 3339.
    pub created_before: Option<String>,
    /// Only titles that contain this, whatever the case.
    pub title: Option<String>,
}

impl Operation for ListTasks {
    type Output = TaskList;
    const NAME: &'static str = "listTasks";

    fn request(&self) -> Result<Request, BuildError> {
        let target = Target::new("/api/v1/tasks");
        let target = paged(target, self.cursor.as_deref(), self.limit)
            .query_opt("agent_id", self.agent.as_deref())
            .query_opt(
                "status",
                joined(self.status.iter().map(TaskStatus::as_str)).as_deref(),
            )
            .query_opt("created_after", self.created_after.as_deref())
            .query_opt("created_before", self.created_before.as_deref())
            .query_opt("q", self.title.as_deref());
        Ok(Request::get(target.build()?))
    }

    fn read(&self, reply: &Response) -> Result<TaskList, ReadError> {
        json(reply)
    }
}

list_of!(ListTasks, TaskListItem);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_encoded_and_left_out_when_absent() {
        let list = ListTasks {
            limit: Some(5),
            status: vec![TaskStatus::Running, TaskStatus::from("new&one")],
            title: Some("a b".into()),
            ..ListTasks::default()
        };
        assert_eq!(
            list.request().expect("request").target(),
            "/api/v1/tasks?limit=5&status=running%2Cnew%26one&q=a%20b"
        );
        assert_eq!(
            ListTasks::default().request().expect("request").target(),
            "/api/v1/tasks"
        );
    }

    #[test]
    fn an_empty_acceptance_is_an_acceptance() {
        let reply = Response::new(http::StatusCode::ACCEPTED, "");
        assert!(
            SendTaskMessage {
                task: "t".into(),
                message: "x".into()
            }
            .read(&reply)
            .is_ok()
        );
        assert_eq!(CancelTask("t".into()).read(&reply).expect("read"), None);
    }
}
