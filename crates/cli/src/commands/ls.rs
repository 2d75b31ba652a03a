//! `taskward ls`: the workspace's tasks, newest first.

use std::sync::Arc;

use serde_json::json;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::ListTasks;
use taskward::nanonets::types::{TaskListItem, TaskStatus};

use super::table;
use crate::agents::{self, PAGE, Pages};
use crate::args::{Global, Ls, ProviderName};
use crate::exit::Exit;
use crate::out::Out;
use crate::problem::Problem;
use crate::session::Session;
use crate::task_ref::TaskRef;
use crate::text_arg::moment;

pub(super) async fn ls(out: Arc<Out>, global: &Global, args: Ls) -> Result<Exit, Box<Problem>> {
    let created_after = args
        .since
        .as_deref()
        .map(|text| moment("--since", text))
        .transpose()?;
    let instead = "Its documentation names no call that lists runs: keep their names.";
    global.only(ProviderName::Nanonets, global.provider(), "ls", instead)?;
    let session: Session<Nanonets> = Session::open(out.clone(), global, None)?;
    let agent = match &args.agent {
        Some(agent) => Some(agents::resolve(&session, agent).await?),
        None => None,
    };
    let mut pages = Pages::default();
    let mut cursor = None;
    let mut rows = Vec::new();
    let mut left = args.limit;
    while left > 0 {
        let list = session
            .call(ListTasks {
                cursor: cursor.take(),
                limit: Some(left.min(PAGE)),
                agent: agent.clone(),
                status: args
                    .status
                    .iter()
                    .map(|status| TaskStatus::from(status.as_str()))
                    .collect(),
                created_after: created_after.clone(),
                ..ListTasks::default()
            })
            .await?;
        for task in list.data.iter().take(left as usize) {
            left -= 1;
            if out.is_json() {
                out.line(&line(task));
            } else {
                rows.push(row(task, out.is_for_people()));
            }
        }
        out.check()?;
        cursor = pages.next(list.has_more, list.next_cursor)?;
        if cursor.is_none() {
            break;
        }
    }
    if !out.is_json() {
        if rows.is_empty() {
            out.say("no tasks");
        } else {
            let head = ["task", "status", "created", "agent", "title"];
            out.print(&table::render(&head, &rows, out.is_for_people()))?;
        }
    }
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
    json!({
        "v": 1,
        "type": "task",
        "task": name.as_ref().map(ToString::to_string),
        "task_id": name.as_ref().map(|task| task.id().as_str()),
        "status": task.status.as_str(),
        "title": task.title,
        "agent_id": task.agent_id.as_ref().map(|id| id.as_str()),
        "agent_name": task.agent_name,
        "created_at": task.created_at.as_ref().map(|at| at.as_str()),
        "updated_at": task.updated_at.as_ref().map(|at| at.as_str()),
    })
}
