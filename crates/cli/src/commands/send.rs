//! `taskward send`: sends a message that nobody asked for, once, and sees it land.

use std::sync::Arc;

use taskward::question::Answered;
use taskward::{Event, Policy, Snapshot};

use super::answer;
use super::effect::{self, effect};
use super::question;
use super::reconcile::EarlierWrite;
use crate::args::Send;
use crate::calls::Calls;
use crate::clock::age;
use crate::codes::Code;
use crate::command_line;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::exit_report;
use crate::follow::{Followed, Following};
use crate::report::{Reporter, result_line};
use crate::sent::StartKind;
use crate::server::At;
use crate::store::TaskStore;
use crate::task_ref::TaskRef;

pub(super) async fn send<P: Calls>(cx: &Cx, task: TaskRef, args: Send) -> CliResult<Exit> {
    let from_stdin = args.text == "-";
    let text = answer::words(&cx.global, args.text)?;
    let how = Following::new(cx, &args.after.follow, P::ID, from_stdin)?;
    let store = TaskStore::for_watch(cx);
    let connection: Connection<P> =
        Connection::journaled(cx, args.after.follow.speed, store, At::Task(&task)).await?;
    connection.banner();
    let reporter = Arc::new(Reporter::new(&connection, Some(task.clone()), false));
    reporter.watching();
    // Held until the command ends, or the message was delivered and the task is watched.
    connection.speak(&task)?;
    let earlier = match connection.unconfirmed(&task).filter(|_| !args.force_new) {
        Some(kept) => {
            let policy = how.deadlines.policy();
            arrived(&connection, &task, policy, kept, &reporter, &text).await?
        }
        None => None,
    };
    let is_earlier = earlier.is_some();
    if !is_earlier {
        takes_message(&connection, &task, args.goes_on, &reporter).await?;
    }
    let run = match earlier {
        Some(kept) => connection.take_up(kept).await?,
        None => connection
            .client
            .continue_with(task.id().clone(), text.clone()),
    };
    let start_kind = StartKind::Message(task.clone());
    if !args.after.watch {
        let setup = how.silent(run, start_kind, reporter);
        let followed = setup.begin(&connection).await?;
        return confirm(&connection, followed, &task, is_earlier).await;
    }
    let setup = how.setup(run, start_kind, reporter);
    let mut followed = setup.begin(&connection).await?;
    if !is_earlier {
        // Why a message was not sent is told by the end of the watch.
        while !matches!(followed.event().await?, Some(Event::Sent { .. }) | None) {}
    }
    connection.spoken(&task);
    followed.finish(&how.to).await
}

/// The state of the task if this very message was sent before and has arrived; an error if another one has.
async fn arrived<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    policy: Policy,
    kept: Snapshot,
    reporter: &Arc<Reporter>,
    text: &str,
) -> CliResult<Option<Snapshot>> {
    let earlier = EarlierWrite {
        connection,
        task,
        command: "send",
        answers: false,
        policy,
    };
    let found = earlier.read(kept, reporter.clone()).await?;
    if found.how != Answered::Applied {
        return Ok(None);
    }
    if found.said != text {
        return Err(earlier.other(&found.said));
    }
    connection
        .out
        .say("the same was to be sent now: nothing was sent again");
    Ok(Some(found.snapshot))
}

/// Whether a message that nobody asked for may go to this task now: nothing is asked, and it is not over, unless another
/// turn of it is wanted.
async fn takes_message<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    goes_on: bool,
    reporter: &Reporter,
) -> CliResult<()> {
    let state = P::summary(connection, task)
        .await
        .map_err(|error| error.why("Nothing was sent."))?;
    if P::is_over(&state.status) {
        let status = state.status.as_str();
        if goes_on {
            reporter.say(&format!(
                "the task is {status}: this message starts another turn of it, which may be paid for"
            ));
            return Ok(());
        }
        let what = format!("the task is {status}: a message would start another turn of it");
        return Err(CliError::new(Code::TaskEnded, what)
            .why("That may be paid for. Nothing was sent.")
            .next(
                "do it",
                command_line::with("send", "--continue"),
                "starts another turn",
            )
            .task(task));
    }
    if !P::waits(&state.status) {
        return Ok(());
    }
    let open = question::open(connection, task)
        .await
        .map_err(|error| error.why("Nothing was sent."))?;
    let Some(open) = open else { return Ok(()) };
    let what = "the agent waits for the answer to a question, and a message would be taken for it";
    let error = CliError::new(Code::Waiting, what).headed("waiting");
    let age = age(&connection.clock, &open, state.changed().as_ref());
    let error = exit_report::quoted(error, &open, &age).why("Nothing was sent.");
    Err(connection.hints(error, P::answers(task, &open)).task(task))
}

async fn confirm<P: Calls>(
    connection: &Connection<P>,
    mut followed: Followed<'_, P>,
    task: &TaskRef,
    is_earlier: bool,
) -> CliResult<Exit> {
    let out = &connection.out;
    let is_sent = is_earlier
        || sent(&mut followed)
            .await
            .map_err(|error| error.task(task))?;
    if !is_sent {
        return Err(over(connection, &mut followed, task).await);
    }
    let status = followed.reporter.status();
    let seen = match status.as_str() {
        // It was at work all along: nothing has to move for the message to count.
        "pending" | "queued" | "running" | "submitted" | "working" => None,
        _ => Some(effect(connection, &mut followed).await?),
    };
    out.still();
    let status = followed.reporter.status();
    if out.is_json() {
        let mut fields = effect::fields(seen.as_ref());
        fields.insert("earlier".to_owned(), is_earlier.into());
        out.line(result_line(task, &status, fields));
        return Ok(Exit::Ok);
    }
    match &seen {
        None => out.say(&format!("the task keeps running: it is {status}")),
        Some(seen) => effect::tell(out, seen, &status)?,
    }
    connection.tell_watch(task);
    Ok(Exit::Ok)
}

/// Sends the message; `false` when the watch ended over it.
async fn sent<P: Calls>(followed: &mut Followed<'_, P>) -> CliResult<bool> {
    while let Some(event) = followed.event_before_sending("the task").await? {
        match event {
            Event::Sent {
                how: Answered::Applied,
                ..
            } => return Ok(true),
            Event::Sent {
                how: Answered::Refused,
                detail,
                ..
            } => {
                // A refusal by the server ends the watch and says more.
                if followed.event().await?.is_none() {
                    return Ok(false);
                }
                let why = detail.unwrap_or_default();
                let exit = exit_report::exit_of_refusal(followed.running.refusal());
                return Err(
                    CliError::new(Code::Refused, "the message was not delivered")
                        .ending(exit)
                        .why(why),
                );
            }
            _ => {}
        }
    }
    Ok(false)
}

/// The end of a task whose watch ended before the message was known to be sent.
async fn over<P: Calls>(
    connection: &Connection<P>,
    followed: &mut Followed<'_, P>,
    task: &TaskRef,
) -> CliError {
    let end = match followed.running.wait().await {
        Ok(end) => end,
        Err(error) => return connection.cli_error(&error),
    };
    match followed.answer(end).await {
        Err(cli_error) => cli_error.task(task),
        Ok(_) => CliError::new(Code::Refused, "the task ended before the message was sent")
            .next("see", connection.about("result", task), "")
            .task(task),
    }
}
