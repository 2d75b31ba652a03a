//! `taskward watch`: follows tasks that exist, all at once.

use std::sync::Arc;

use taskward::Snapshot;

use crate::args::{Follow, Watch};
use crate::calls::Calls;
use crate::codes::Code;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::follow::Following;
use crate::registry::on_platform;
use crate::report::Reporter;
use crate::sent::StartKind;
use crate::server::{self, At};
use crate::store::{TaskStore, task_of};
use crate::task_ref::TaskRef;

/// What is said where an answer is given to a question that may have been answered.
const KEPT_BACK: &str = "something was sent to this task from here before, and may have arrived: its outcome is checked first, and --answer is for later questions";

pub(super) async fn watch(cx: &Cx, args: Watch) -> CliResult<Exit> {
    if args.follow.output.is_some() && args.tasks.len() > 1 {
        return Err(CliError::new(
            Code::Usage,
            "-o takes the answer of one task, and several are watched",
        ));
    }
    if args.last {
        return last(cx, &args.follow).await;
    }
    let mut tasks = Vec::new();
    let mut provider = cx.global.provider();
    for task in &args.tasks {
        let task = cx.global.task(task)?;
        let found = task.provider();
        if !tasks.is_empty() && found != provider {
            return Err(CliError::new(
                Code::Usage,
                format!("tasks of {provider} and of {found} are watched by two commands"),
            )
            .why("They have different keys and servers."));
        }
        if let Some(first) = tasks.first().map(TaskRef::agent)
            && first != task.agent()
        {
            let what = "tasks of several agents are watched by several commands";
            return Err(CliError::new(Code::Usage, what).why("They are on different servers."));
        }
        provider = found;
        tasks.push(task);
    }
    on_platform!(provider, P => all::<P>(cx, &tasks, None, &args.follow).await)
}

/// Follows the task that was last started or watched here.
async fn last(cx: &Cx, follow: &Follow) -> CliResult<Exit> {
    let wanted = cx.global.named_provider();
    let store = TaskStore::open(cx)?;
    let newest = store.last(|entry| {
        let provider = entry.snapshot.provider();
        wanted.is_none_or(|wanted| wanted.as_str() == provider)
            && (entry.is_open() || task_of(entry).is_some())
    })?;
    let Some(newest) = newest else {
        // Any of the entries that cannot be read may be the one that is meant.
        if let Some((_, damage)) = store.open_starts()?.hidden.into_iter().next() {
            let what =
                "the last task is unknown: the journal entries of this machine cannot be read";
            return Err(CliError::new(Code::Journal, what)
                .why(format!("{damage}."))
                .why("Nothing is followed or answered.")
                .next("see", "taskward ls --local", "every entry"));
        }
        let what = "no task was started or followed on this machine";
        return Err(CliError::input(what).next("see", "taskward ls", "the tasks there are"));
    };
    let Some(task) = task_of(&newest) else {
        let what = "the outcome of the last start is unknown";
        let flags = server::flags_of_kept(&cx.global, &newest.snapshot);
        return Err(CliError::new(Code::OutcomeUnknown, what)
            .why("It may have created a task. Nothing is followed or answered.")
            .next(
                "recover",
                format!("taskward recover {}{flags}", newest.id),
                "finds out",
            )
            .intent(Some(newest.id.to_string())));
    };
    let kept = newest.snapshot;
    let (tasks, kept) = ([task], Some(&kept));
    on_platform!(tasks[0].provider(), P => all::<P>(cx, &tasks, kept, follow).await)
}

/// Follows these tasks; `kept` is what is remembered of the one.
pub(super) async fn all<P: Calls>(
    cx: &Cx,
    tasks: &[TaskRef],
    kept: Option<&Snapshot>,
    follow: &Follow,
) -> CliResult<Exit> {
    let how = Following::new(cx, follow, P::ID, false)?;
    let store = TaskStore::for_watch(cx);
    let at = match kept {
        Some(kept) => At::Kept(kept),
        None => At::Task(&tasks[0]),
    };
    let connection: Connection<P> = Connection::journaled(cx, follow.speed, store, at).await?;
    if let Some(kept) = kept {
        connection.owns(kept)?;
    }
    connection.banner();
    let several = tasks.len() > 1;
    if several {
        cx.out.tell_several();
    }
    let one = async |task: &TaskRef| {
        let reporter = Arc::new(Reporter::new(&connection, Some(task.clone()), several).showing());
        reporter.watching();
        let run = match connection.unconfirmed(task) {
            Some(kept) => {
                reporter.looking_for(kept.unconfirmed_write().unwrap_or_default());
                if !follow.answers.is_empty() {
                    reporter.say(KEPT_BACK);
                }
                connection.take_up(kept).await?
            }
            None => connection.client.attach(task.id().clone()),
        };
        let watched = how.setup(run, StartKind::Watch, reporter);
        watched.begin(&connection).await?.finish(&how.to).await
    };
    if let [task] = tasks {
        return one(task).await;
    }
    let ends = futures_util::future::join_all(tasks.iter().map(|task| async {
        let end = one(task).await;
        if let Err(error) = &end {
            cx.out.error(error);
        }
        end.unwrap_or_else(|error| error.exit())
    }))
    .await;
    // Each end was told by itself; the first that is not a success names the whole.
    Ok(ends
        .into_iter()
        .find(|exit| *exit != Exit::Ok)
        .unwrap_or(Exit::Ok))
}
