//! `taskward status`: one read, one line.

use std::sync::Arc;

use serde_json::json;
use taskward::nanonets::operations::GetTaskStatus;
use taskward::nanonets::types::TaskStatus;

use super::table;
use crate::args::{Global, OneTask};
use crate::exit::Exit;
use crate::out::Out;
use crate::problem::Problem;
use crate::sanitise::one_line;
use crate::session::Session;

pub(super) async fn status(
    out: Arc<Out>,
    global: &Global,
    args: OneTask,
) -> Result<Exit, Box<Problem>> {
    let session = Session::open(out.clone(), global, None)?;
    let name = args.task.to_string();
    let task = session
        .call(GetTaskStatus::new(args.task.id().as_str()))
        .await
        .map_err(|problem| problem.task(Some(args.task.clone())))?;
    let exit = exit_of(&task.status);
    if out.is_json() {
        out.line(&json!({
            "v": 1,
            "type": "status",
            "exit": exit.code(),
            "task": name,
            "task_id": args.task.id().as_str(),
            "status": task.status.as_str(),
            "title": task.title,
            "agent_id": task.agent_id.as_ref().map(|id| id.as_str()),
            "created_at": task.created_at.as_ref().map(|at| at.as_str()),
            "updated_at": task.updated_at.as_ref().map(|at| at.as_str()),
        }));
        return Ok(exit);
    }
    let people = out.is_for_people();
    let fields = [
        name,
        task.status.as_str().to_owned(),
        table::when(
            task.updated_at.as_ref().or(task.created_at.as_ref()),
            people,
        ),
        task.title.as_deref().map(one_line).unwrap_or_default(),
    ];
    let line = fields
        .map(|field| one_line(&field))
        .join(if people { "  " } else { "\t" });
    out.print(&format!("{}\n", line.trim_end()))?;
    Ok(exit)
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
