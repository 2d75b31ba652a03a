//! `taskward ls`: the tasks of the account, newest first.

use serde_json::json;

use super::local;
use super::table::{self, Table};
use crate::args::Ls;
use crate::calls::{Calls, ListedTask, TaskFilter};
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::registry::{Feature, on_platform};
use crate::server::At;
use crate::text_arg::moments;

/// The columns for people and pipes.
const HEAD: &[&str] = &["task", "status", "created", "agent", "title", "local"];

pub(super) async fn ls(cx: &Cx, args: Ls) -> CliResult<Exit> {
    if args.local {
        return local::all(cx, args.limit);
    }
    let (created_after, created_before) =
        moments(("--since", args.since), ("--until", args.until))?;
    let wanted = TaskFilter {
        limit: args.limit,
        status: args.status,
        agent: args.agent,
        created_after,
        created_before,
        title: args.title,
        ..TaskFilter::default()
    };
    let provider = cx.global.provider_for(Feature::Ls, wanted.agent.as_deref());
    let provider = provider.map_err(|error| {
        let local = format!("taskward ls --local --provider {}", cx.global.provider());
        error.next("see", local, "the ones known here")
    })?;
    on_platform!(provider, P => list::<P>(cx, wanted).await)
}

async fn list<P: Calls>(cx: &Cx, wanted: TaskFilter) -> CliResult<Exit> {
    let agent = wanted.agent.clone();
    let connection: Connection<P> = Connection::open(cx, None, At::Agent(agent.as_deref())).await?;
    let here = local::Here::read(cx);
    let mut table = Table::new(&cx.out, HEAD);
    let read = P::tasks(&connection, wanted, |task| {
        let known = task.task.as_ref().is_some_and(|task| here.knows(task));
        table.add(|| line(&task, known), |people| row(&task, known, people))
    });
    let read = read.await;
    table.end(read, "no tasks")?;
    here.tell_open(&cx.out);
    Ok(Exit::Ok)
}

fn row(task: &ListedTask, known: bool, people: bool) -> Vec<String> {
    let agent = task.agent_name.as_ref().or(task.agent_id.as_ref());
    vec![
        task.task
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        task.status.clone(),
        table::when(task.created_at.as_ref(), people),
        agent.cloned().unwrap_or_default(),
        task.title.clone().unwrap_or_default(),
        if known { "local" } else { "" }.to_owned(),
    ]
}

fn line(task: &ListedTask, known: bool) -> serde_json::Value {
    let fields = json!({
        "status": task.status,
        "title": task.title,
        "agent_id": task.agent_id,
        "agent_name": task.agent_name,
        "created_at": task.created_at.as_ref().map(|at| at.as_str()),
        "updated_at": task.updated_at.as_ref().map(|at| at.as_str()),
        "local": known,
    });
    lines::line(LineType::Task, task.task.as_ref(), fields)
}
