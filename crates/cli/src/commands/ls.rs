//! `taskward ls`: the workspace's tasks, newest first.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;
use taskward::nanonets::operations::ListTasks;
use taskward::nanonets::types::{TaskListItem, TaskStatus};
use taskward::wire::DateTime;

use super::table;
use crate::agents::{self, PAGE, Pages};
use crate::args::{Global, Ls};
use crate::exit::Exit;
use crate::out::Out;
use crate::problem::Problem;
use crate::session::Session;
use crate::task_ref::TaskRef;

pub(super) async fn ls(out: Arc<Out>, global: &Global, args: Ls) -> Result<Exit, Box<Problem>> {
    let created_after = args.since.as_deref().map(since).transpose()?;
    let session = Session::open(out.clone(), global, None)?;
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
        .map(|id| TaskRef::new(id.as_str().into()))
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

/// The moment that `--since` means, RFC 3339.
fn since(text: &str) -> Result<String, Box<Problem>> {
    if DateTime::from(text).unix_millis().is_some() {
        return Ok(text.to_owned());
    }
    let span = crate::args::time(text).map_err(|_| {
        Problem::input(format!(
            "--since {text:?} is neither a time span as in 2h nor an RFC 3339 time"
        ))
    })?;
    let at = SystemTime::now()
        .checked_sub(span)
        .filter(|at| *at >= SystemTime::UNIX_EPOCH)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(humantime::format_rfc3339_seconds(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_moment() {
        let at = "2026-05-12T10:15:42Z";
        assert_eq!(since(at).expect("moment"), at);
        let day = DateTime::from(since("24h").expect("span").as_str());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let ago = now.as_millis() as i64 - day.unix_millis().expect("a time");
        assert!((86_399_000..86_405_000).contains(&ago), "{ago}");
        assert_eq!(since("99999999999").expect("long"), "1970-01-01T00:00:00Z");
        assert!(since("yesterday").is_err());
    }
}
