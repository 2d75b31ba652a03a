//! What `result` reads: the answer, or the feed of its steps.

use taskward::core::{PollResult, ReadKind};
use taskward::event::Status;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::GetTaskResult;
use taskward::outcome::TaskFailure;

use super::status::exit_of;
use crate::codes::Code;
use crate::commands::read::Read;
use crate::commands::result::{Feed, ReadsResult, pending};
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::print::Destination;
use crate::task_ref::TaskRef;

impl ReadsResult for Nanonets {
    async fn answer(
        connection: &Connection<Self>,
        task: &TaskRef,
        to: &Destination,
    ) -> CliResult<Exit> {
        let read = |read| Read::<Nanonets>::new(task, read);
        let status = match connection.read(task, read(ReadKind::Result)).await? {
            PollResult::Ready(answer) => return to.deliver(connection, task, &answer, None),
            PollResult::Pending(status) => status,
            _ => {
                return Err(CliError::new(
                    Code::Decode,
                    "the summary reads like no summary",
                ));
            }
        };
        let trail = connection.command(&format!("result {} --full", task.quoted()));
        let bad =
            |what: &str, code| CliError::new(code, what).next("see", trail.clone(), "every step");
        match status.as_str() {
            "failed" => {
                let error = bad("the task failed", Code::TaskFailed);
                return Err(match connection.call(read(ReadKind::Steps)).await {
                    Ok(PollResult::Failed(TaskFailure {
                        message: Some(message),
                        ..
                    })) => error.why(message),
                    _ => error,
                });
            }
            // What was said last is not why it was stopped.
            "stopped" => return Err(bad("the task was stopped", Code::TaskStopped)),
            _ => {}
        }
        Err(pending(connection, task, &status))
    }

    async fn feed(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Feed> {
        let result = connection
            .read(task, GetTaskResult::new(task.id().as_str()))
            .await?;
        Ok(Feed {
            status: Status::unknown(result.status.as_str()),
            exit: exit_of(&result.status),
            events: result.feed.unwrap_or_default(),
        })
    }
}
