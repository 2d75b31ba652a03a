//! `taskward resume-run`: brings a stalled run back to work.

use serde_json::Map;

use super::watch;
use crate::args::ResumeRun;
use crate::calls::Calls;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::report::result_line;
use crate::server::At;
use crate::task_ref::TaskRef;

pub(super) async fn resume_run<P: Calls>(
    cx: &Cx,
    task: TaskRef,
    args: ResumeRun,
) -> CliResult<Exit> {
    let connection: Connection<P> =
        Connection::open(cx, args.after.follow.speed, At::Task(&task)).await?;
    P::resume(&connection, &task).await.map_err(|error| {
        let note = "only a stalled task can be resumed";
        let status = connection.about("status", &task);
        error.next("see", status, note).task(&task)
    })?;
    let out = &cx.out;
    out.say("the task was resumed");
    if args.after.watch {
        return watch::all::<P>(cx, &[task], None, &args.after.follow).await;
    }
    if out.is_json() {
        out.line(result_line(&task, "resumed", Map::new()));
    } else {
        connection.tell_watch(&task);
    }
    Ok(Exit::Ok)
}
