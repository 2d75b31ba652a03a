//! What `status` reads.

use taskward::agent_harness::AgentHarness;
use taskward::agent_harness::operations::GetRun;
use taskward::agent_harness::types::RunStatus;
use taskward::event::Status;

use crate::commands::status::{ReadsStatus, Summary};
use crate::connection::Connection;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::task_ref::TaskRef;

impl ReadsStatus for AgentHarness {
    async fn summary(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Summary> {
        let run = connection
            .read(task, GetRun::new(task.id().as_str()))
            .await?;
        let input = run.extra.get("input");
        Ok(Summary {
            status: Status::unknown(run.status.as_str()),
            exit: exit_of(&run.status),
            title: input.and_then(|input| input.get("goal")).cloned(),
            created_at: run.extra.get("created_at").cloned(),
            updated_at: run.extra.get("updated_at").cloned(),
            platform_data: run.extra.into(),
        })
    }
}

/// The code of a run's state.
pub(super) fn exit_of(status: &RunStatus) -> Exit {
    match status {
        RunStatus::Succeeded => Exit::Ok,
        RunStatus::Failed | RunStatus::Cancelled => Exit::TaskBad,
        _ => Exit::Pending,
    }
}
