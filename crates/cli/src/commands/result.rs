//! `taskward result`: the answer of a task that is over, or its whole feed.

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::event::Status;

use crate::args::{Global, ResultOf};
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
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
        connection: &Connection<Self>,
        task: &TaskRef,
        to: &Destination,
    ) -> CliResult<Exit>;

    /// Reads everything that is told of a task, whatever its state.
    async fn feed(connection: &Connection<Self>, task: &TaskRef) -> CliResult<Feed>;
}

pub(super) async fn result(out: Arc<Out>, global: &Global, args: ResultOf) -> CliResult<Exit> {
    let to = Destination::new(args.output, args.print)?;
    let (provider, task) = global.task(&args.task)?;
    let done = on_platform!(provider, P => {
        let connection: Connection<P> = Connection::open(out, global, None)?;
        match args.full {
            true => feed(&connection, &task).await,
            false => P::answer(&connection, &task, &to).await,
        }
    });
    done.map_err(|error| error.task(&task))
}

async fn feed<P: ReadsResult>(connection: &Connection<P>, task: &TaskRef) -> CliResult<Exit> {
    let Feed {
        status,
        exit,
        events,
    } = P::feed(connection, task).await?;
    let feed = Value::Array(events);
    if connection.out.is_json() {
        let status = status.as_str();
        let fields = json!({ "exit": exit.code(), "status": status, "platform_data": feed });
        connection
            .out
            .line(line(LineType::Feed, Some(task), fields));
    } else {
        connection.out.print_json(&feed)?;
    }
    Ok(exit)
}

/// The error of a task that is not over.
pub(crate) fn pending<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    status: &Status,
) -> CliError {
    CliError::new(
        Code::Pending,
        format!("the task is not over: it is {}", one_line(status.as_str())),
    )
    .headed("pending")
    .next(
        "follow",
        connection.command(&format!("watch {}", task.quoted())),
        "",
    )
}
