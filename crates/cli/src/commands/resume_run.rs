//! `taskward resume-run`: brings a stalled run back to work.

use std::sync::Arc;

use serde_json::Map;
use taskward::agent_harness::AgentHarness;
use taskward::agent_harness::operations::ResumeRun as Resume;

use super::watch;
use crate::args::{Global, ResumeRun};
use crate::connection::Connection;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::out::Out;
use crate::report::result_line;

/// What a task of Nanonets has instead.
const INSTEAD: &str =
    "Its tasks do not stall; one that is over takes another turn with taskward send --continue.";

pub(super) async fn resume_run(out: Arc<Out>, global: &Global, args: ResumeRun) -> CliResult<Exit> {
    let (_, task) = global.task_able(&args.task, |can| can.resume, "resume-run", INSTEAD)?;
    let connection: Connection<AgentHarness> =
        Connection::open(out.clone(), global, args.follow.speed)?;
    connection
        .call(Resume(task.id().to_string()))
        .await
        .map_err(|error| {
            error
                .next(
                    "see",
                    connection.command(&format!("status {}", task.quoted())),
                    "only a stalled task can be resumed",
                )
                .task(&task)
        })?;
    out.say("the task was resumed");
    if args.watch {
        return watch::all::<AgentHarness>(out, global, &[task], None, &args.follow).await;
    }
    if out.is_json() {
        out.line(result_line(&task, "resumed", Map::new()));
    } else {
        let watch = connection.command(&format!("watch {}", task.quoted()));
        out.say(&format!("follow: {watch}"));
    }
    Ok(Exit::Ok)
}
