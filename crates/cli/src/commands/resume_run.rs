//! `taskward resume-run`: brings a stalled run back to work.

use std::sync::Arc;

use serde_json::Map;

use super::watch;
use crate::args::{Global, ResumeRun};
use crate::calls::Calls;
use crate::connection::Connection;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::out::Out;
use crate::registry::{Feature, on_platform};
use crate::report::result_line;
use crate::task_ref::TaskRef;

pub(super) async fn resume_run(out: Arc<Out>, global: &Global, args: ResumeRun) -> CliResult<Exit> {
    let task = global.task_for(&args.task, Feature::ResumeRun)?;
    on_platform!(task.provider(), P => resume::<P>(out, global, task, args).await)
}

async fn resume<P: Calls>(
    out: Arc<Out>,
    global: &Global,
    task: TaskRef,
    args: ResumeRun,
) -> CliResult<Exit> {
    let connection: Connection<P> = Connection::open(out.clone(), global, args.follow.speed)?;
    P::resume(&connection, &task).await.map_err(|error| {
        let note = "only a stalled task can be resumed";
        let status = connection.about("status", &task);
        error.next("see", status, note).task(&task)
    })?;
    out.say("the task was resumed");
    if args.watch {
        return watch::all::<P>(out, global, &[task], None, &args.follow).await;
    }
    if out.is_json() {
        out.line(result_line(&task, "resumed", Map::new()));
    } else {
        connection.tell_watch(&task);
    }
    Ok(Exit::Ok)
}
