//! `taskward result`: the answer of a task that is over, or its whole feed.

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::event::Status;

use crate::args::{Global, ResultOf};
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::CliError;
use crate::exit::Exit;
use crate::lines::{LineType, line};
use crate::out::Out;
use crate::print::Destination;
use crate::registry::on_platform;
use crate::sanitise::one_line;
use crate::task_ref::TaskRef;

/// All that a platform tells of the steps of a task.
pub(crate) struct Feed {
    pub(crate) status: Status,
    pub(crate) exit: Exit,
    pub(crate) events: Vec<Value>,
}

/// A platform whose tasks leave an answer and a feed.
pub(crate) trait ReadsResult: Calls {
    /// Reads the answer of a task that is over, and prints it.
    async fn answer(
        session: &Connection<Self>,
        task: &TaskRef,
        to: &Destination,
    ) -> Result<Exit, Box<CliError>>;

    /// Reads everything that is told of a task, whatever its state.
    async fn feed(session: &Connection<Self>, task: &TaskRef) -> Result<Feed, Box<CliError>>;
}

pub(super) async fn result(
    out: Arc<Out>,
    global: &Global,
    args: ResultOf,
) -> Result<Exit, Box<CliError>> {
    let to = Destination::new(args.output, args.print)?;
    let (provider, task) = global.task(&args.task)?;
    let done = on_platform!(provider, P => {
        let session: Connection<P> = Connection::open(out, global, None)?;
        match args.full {
            true => feed(&session, &task).await,
            false => P::answer(&session, &task, &to).await,
        }
    });
    done.map_err(|problem| problem.task(Some(task)))
}

async fn feed<P: ReadsResult>(
    session: &Connection<P>,
    task: &TaskRef,
) -> Result<Exit, Box<CliError>> {
    let Feed {
        status,
        exit,
        events,
    } = P::feed(session, task).await?;
    let feed = Value::Array(events);
    if session.out.is_json() {
        let status = status.as_str();
        let fields = json!({ "exit": exit.code(), "status": status, "platform_data": feed });
        session.out.line(line(LineType::Feed, Some(task), fields));
    } else {
        session.out.print_json(&feed)?;
    }
    Ok(exit)
}

/// The error of a task that is not over.
pub(crate) fn pending<P: Calls>(
    session: &Connection<P>,
    task: &TaskRef,
    status: &Status,
) -> Box<CliError> {
    CliError::new(
        Exit::Pending,
        Code::Pending,
        format!("the task is not over: it is {}", one_line(status.as_str())),
    )
    .headed("pending")
    .next(
        "follow",
        session.command(&format!("watch {}", task.quoted())),
        "",
    )
}
