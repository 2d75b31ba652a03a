//! What `status` reads.

use serde_json::{Value, json};
use taskward::event::Status;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::GetTaskStatus;
use taskward::nanonets::types::TaskStatus;
use taskward::wire::DateTime;

use crate::commands::status::{ReadsStatus, Summary};
use crate::connection::Connection;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::task_ref::TaskRef;

impl ReadsStatus for Nanonets {
    async fn summary(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Summary> {
        let found = connection
            .read(task, GetTaskStatus::new(task.id().as_str()))
            .await?;
        let time = |at: &Option<DateTime>| at.as_ref().map(|at| Value::from(at.as_str()));
        Ok(Summary {
            status: Status::unknown(found.status.as_str()),
            exit: exit_of(&found.status),
            title: found.title.map(Value::from),
            created_at: time(&found.created_at),
            updated_at: time(&found.updated_at),
            platform_data: json!({ "agent_id": found.agent_id.as_ref().map(|id| id.as_str()) }),
        })
    }
}

/// The code of a state: done, ended badly, or not over.
pub(super) fn exit_of(status: &TaskStatus) -> Exit {
    match status {
        TaskStatus::Completed => Exit::Ok,
        TaskStatus::Failed | TaskStatus::Stopped => Exit::TaskBad,
        // A word this version does not know never means that a task is over.
        _ => Exit::Pending,
    }
}
