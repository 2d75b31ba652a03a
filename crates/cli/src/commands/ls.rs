//! `taskward ls`: the workspace's tasks, newest first.

use std::sync::Arc;

use serde_json::json;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::ListTasks;
use taskward::nanonets::types::{TaskListItem, TaskStatus};
use taskward::wire::DateTime;

use super::local;
use super::table::{self, Shown};
use crate::agents::{self, For};
use crate::args::{Global, Ls};
use crate::connection::Connection;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::out::Out;
use crate::pages;
use crate::task_ref::TaskRef;
use crate::text_arg::moment;

pub(super) async fn ls(out: Arc<Out>, global: &Global, args: Ls) -> CliResult<Exit> {
    if args.local {
        return local::all(&out, global, args.limit);
    }
    let bound = |name, text: &Option<String>| {
        let bound = text.as_deref().map(|text| moment(name, text));
        bound.transpose()
    };
    let created_after = bound("--since", &args.since)?;
    let created_before = bound("--until", &args.until)?;
    if let (Some(after), Some(before)) = (&created_after, &created_before) {
        let millis = |at: &str| DateTime::from(at).unix_millis();
        if millis(after) > millis(before) {
            let what = format!("--since {after} is later than --until {before}");
            return Err(CliError::input(what).why("Nothing was sent."));
        }
    }
    let instead = "Its documentation names no call that lists tasks: keep their names.";
    global
        .provider_able(|can| can.list, "ls", instead)
        .map_err(|error| {
            let local = format!("taskward ls --local --provider {}", global.provider());
            error.next("see", local, "the ones known here")
        })?;
    let connection: Connection<Nanonets> = Connection::open(out.clone(), global, None)?;
    let agent = match &args.agent {
        Some(agent) => Some(agents::resolve(&connection, agent, For::Show).await?),
        None => None,
    };
    let statuses = args.status.iter().map(String::as_str);
    let operation = ListTasks {
        cursor: None,
        limit: pages::size(args.limit),
        agent,
        status: statuses.map(TaskStatus::from).collect(),
        created_after,
        created_before,
        title: args.title,
    };
    let here = local::Here::read(&out, global);
    let knows = |task: &TaskListItem| reference(task).is_some_and(|task| here.knows(&task));
    let shown = Shown {
        head: &["task", "status", "created", "agent", "title", "local"],
        row: |task: &TaskListItem, people| {
            let mut row = row(task, people);
            row.push(if knows(task) { "local" } else { "" }.to_owned());
            row
        },
        line: |task: &TaskListItem| {
            let mut line = line(task);
            line["local"] = knows(task).into();
            line
        },
        none: "no tasks",
    };
    table::list(&connection, operation, args.limit, shown).await?;
    here.tell_open(&out);
    Ok(Exit::Ok)
}

fn reference(task: &TaskListItem) -> Option<TaskRef> {
    task.task_id
        .as_ref()
        .map(|id| TaskRef::of::<Nanonets>(id.as_str().into()))
}

fn row(task: &TaskListItem, people: bool) -> Vec<String> {
    let agent_id = || task.agent_id.as_ref().map(ToString::to_string);
    vec![
        reference(task)
            .map(|task| task.to_string())
            .unwrap_or_default(),
        task.status.as_str().to_owned(),
        table::when(task.created_at.as_ref(), people),
        task.agent_name
            .clone()
            .or_else(agent_id)
            .unwrap_or_default(),
        task.title.clone().unwrap_or_default(),
    ]
}

fn line(task: &TaskListItem) -> serde_json::Value {
    let name = reference(task);
    let fields = json!({
        "status": task.status.as_str(),
        "title": task.title,
        "agent_id": task.agent_id.as_ref().map(|id| id.as_str()),
        "agent_name": task.agent_name,
        "created_at": task.created_at.as_ref().map(|at| at.as_str()),
        "updated_at": task.updated_at.as_ref().map(|at| at.as_str()),
    });
    lines::line(LineType::Task, name.as_ref(), fields)
}
