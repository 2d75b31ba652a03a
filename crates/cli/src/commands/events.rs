//! `taskward events`: what happened to a run, oldest first, each event on a line.

use std::sync::Arc;

use serde_json::Map;
use taskward::Outcome;
use taskward::core::{EventSeq, RawEvent, TimeLimit};

use super::read::each_event;
use crate::args::Events;
use crate::calls::Calls;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::follow::{Deadlines, FollowSetup};
use crate::out::Out;
use crate::report::{Reporter, event_line, result_line};
use crate::sent::StartKind;
use crate::server::At;
use crate::task_ref::TaskRef;

pub(super) async fn events<P: Calls>(cx: &Cx, task: TaskRef, args: Events) -> CliResult<Exit> {
    let connection: Connection<P> = Connection::open(cx, args.speed, At::Task(&task)).await?;
    let task = &task;
    let after = args.after.map(EventSeq);
    if args.follow {
        return follow(&connection, task, after, args.timeout).await;
    }
    let mut count = 0;
    let unreadable = each_event(&connection, task, after, |item| {
        count += 1;
        print::<P>(&connection.out, task, &item.event)
    })
    .await
    .map_err(|error| match error.exit() {
        // Whoever has read enough misses nothing.
        Exit::ReaderGone => error,
        _ => error.task(task),
    })?;
    connection.out.passed_over(unreadable);
    if count == 0 && unreadable == 0 {
        connection.out.say("no events");
    }
    Ok(Exit::Ok)
}

fn print<P: Calls>(out: &Out, task: &TaskRef, event: &RawEvent) -> CliResult<()> {
    if out.is_json() {
        out.line(event_line(event, Some(task)));
        return out.check();
    }
    out.print(&format!("{}\n", P::cells(event).join("\t")))
}

/// Prints events as they come, to the end of the run.
async fn follow<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    after: Option<EventSeq>,
    timeout: Option<std::time::Duration>,
) -> CliResult<Exit> {
    let mut policy = Deadlines::both(crate::args::timeout(timeout)?).policy();
    // Whoever only reads along waits for the human as long as the platform does.
    policy.human = None;
    let reporter = Reporter::new(connection, Some(task.clone()), false).listing();
    let mut run = connection.client.attach(task.id().clone());
    if let Some(after) = after {
        run = run.after(after);
    }
    let watched = FollowSetup::new(run, StartKind::Watch, Arc::new(reporter), policy);
    let mut followed = watched.begin(connection).await?;
    let told = async {
        while followed.event().await?.is_some() {}
        Ok::<_, CliError>(())
    };
    // The run's own clock stands still while a human is asked; a time limit that was given does not.
    match timeout.filter(|limit| !limit.is_zero()) {
        Some(limit) => match tokio::time::timeout(connection.clock.real(limit), told).await {
            Ok(told) => told?,
            Err(_) => {
                connection.out.still();
                let over = Outcome::DeadlineExceeded {
                    limit: TimeLimit::Working,
                    last: None,
                    id: Some(task.id().clone()),
                    cancel: taskward::outcome::CancelResult::NotRequested,
                };
                return followed.end().outcome(over).map(|_| Exit::Timeout);
            }
        },
        None => told.await?,
    }
    connection.out.still();
    let end = followed.running.wait().await;
    let end = end.map_err(|error| connection.cli_error(&error))?;
    followed.answer(end).await?;
    if connection.out.is_json() {
        let status = followed.reporter.status();
        connection.out.line(result_line(task, &status, Map::new()));
    }
    Ok(Exit::Ok)
}
