//! `taskward status`: one read, one line.

use std::sync::Arc;

use serde_json::{Value, json};
use taskward::agent_harness::AgentHarness;
use taskward::agent_harness::operations::GetRun;
use taskward::agent_harness::types::RunStatus;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::GetTaskStatus;
use taskward::nanonets::types::TaskStatus;
use taskward::wire::DateTime;
use taskward::{Question, Status};

use super::{question, table};
use crate::args::{Global, OneTask, ProviderName};
use crate::clock::age;
use crate::connection::Connection;
use crate::error::CliError;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::out::Out;
use crate::platform::Platform;
use crate::report::{block, question_fields};
use crate::sanitise::one_line;
use crate::task_ref::TaskRef;

pub(super) async fn status(
    out: Arc<Out>,
    global: &Global,
    args: OneTask,
) -> Result<Exit, Box<CliError>> {
    match global.task(&args.task)? {
        (ProviderName::Nanonets, task) => nanonets(out, global, &task).await,
        (ProviderName::AgentHarness, task) => harness(out, global, &task).await,
    }
}

async fn nanonets(
    out: Arc<Out>,
    global: &Global,
    task_ref: &TaskRef,
) -> Result<Exit, Box<CliError>> {
    let mut session: Connection<Nanonets> = Connection::open(out.clone(), global, None)?;
    let name = task_ref.to_string();
    let task = session
        .read(task_ref, GetTaskStatus::new(task_ref.id().as_str()))
        .await?;
    let exit = exit_of(&task.status);
    let waits = Nanonets::waits(&Status::unknown(task.status.as_str()));
    let asked = asked(&session, task_ref, waits).await;
    if out.is_json() {
        let fields = json!({
            "exit": exit.code(),
            "status": task.status.as_str(),
            "title": task.title,
            "created_at": task.created_at.as_ref().map(|at| at.as_str()),
            "updated_at": task.updated_at.as_ref().map(|at| at.as_str()),
            "question": asked.as_ref().map(question_fields),
            "platform_data": { "agent_id": task.agent_id.as_ref().map(|id| id.as_str()) },
        });
        out.line(lines::line(LineType::TaskStatus, Some(task_ref), fields));
        show(&mut session, global, task_ref, asked, None).await?;
        return Ok(exit);
    }
    let people = out.is_for_people();
    let fields = [
        name,
        task.status.as_str().to_owned(),
        table::when(
            task.updated_at.as_ref().or(task.created_at.as_ref()),
            people,
        ),
        task.title.as_deref().map(one_line).unwrap_or_default(),
    ];
    line(&out, fields)?;
    let since = task.updated_at.as_ref();
    show(&mut session, global, task_ref, asked, since).await?;
    Ok(exit)
}

/// What a task asks that waits. That it cannot be read is told, and is no reason not to tell the status.
async fn asked<P: Platform>(
    session: &Connection<P>,
    task: &TaskRef,
    waits: bool,
) -> Option<Question> {
    if !waits {
        return None;
    }
    match question::open(session, task).await {
        Ok(asked) => asked,
        Err(problem) => {
            let why = problem.what();
            let what = format!("what it waits for cannot be read now: {why}");
            session.out.say(&what);
            None
        }
    }
}

/// Shows what a task asks, to people below its status.
async fn show<P: Platform>(
    session: &mut Connection<P>,
    global: &Global,
    task: &TaskRef,
    asked: Option<Question>,
    changed: Option<&DateTime>,
) -> Result<(), Box<CliError>> {
    let Some(asked) = asked else { return Ok(()) };
    if !session.out.is_json() {
        if session.out.is_quiet() {
            return Ok(());
        }
        let age = age(&session.clock, &asked, changed);
        session.out.say(&block(&asked, &age));
        question::tell_answers(session, task, &asked);
    }
    let was_read = session.out.is_heard();
    question::keep_shown(session, global, task, &asked, was_read).await
}

async fn harness(out: Arc<Out>, global: &Global, task: &TaskRef) -> Result<Exit, Box<CliError>> {
    let mut session: Connection<AgentHarness> = Connection::open(out.clone(), global, None)?;
    let run = session.read(task, GetRun::new(task.id().as_str())).await?;
    let exit = exit_of_run(&run.status);
    let waits = AgentHarness::waits(&Status::unknown(run.status.as_str()));
    let asked = asked(&session, task, waits).await;
    let goal = run.extra.get("input").and_then(|input| input.get("goal"));
    if out.is_json() {
        let fields = json!({
            "exit": exit.code(),
            "status": run.status.as_str(),
            "title": goal,
            "created_at": run.extra.get("created_at"),
            "updated_at": run.extra.get("updated_at"),
            "question": asked.as_ref().map(question_fields),
            "platform_data": run.extra,
        });
        out.line(lines::line(LineType::TaskStatus, Some(task), fields));
        show(&mut session, global, task, asked, None).await?;
        return Ok(exit);
    }
    let people = out.is_for_people();
    let time = |name| {
        let at = run.extra.get(name).and_then(Value::as_str);
        at.map(DateTime::from)
    };
    let changed = time("updated_at");
    let at = changed.clone().or_else(|| time("created_at"));
    let fields = [
        task.to_string(),
        run.status.as_str().to_owned(),
        table::when(at.as_ref(), people),
        goal.and_then(Value::as_str).unwrap_or_default().to_owned(),
    ];
    line(&out, fields)?;
    let status = Status::unknown(run.status.as_str());
    if let Some((label, command, note)) = AgentHarness::stuck(task, &status) {
        let command = session.command(&command);
        out.say(&format!("{label}: {command}  ({note})"));
    }
    show(&mut session, global, task, asked, changed.as_ref()).await?;
    Ok(exit)
}

fn line(out: &Out, fields: [String; 4]) -> Result<(), Box<CliError>> {
    let between = if out.is_for_people() { "  " } else { "\t" };
    let line = fields.map(|field| one_line(&field)).join(between);
    out.print(&format!("{}\n", line.trim_end()))
}

/// The code of a run's state.
pub(super) fn exit_of_run(status: &RunStatus) -> Exit {
    match status {
        RunStatus::Succeeded => Exit::Ok,
        RunStatus::Failed | RunStatus::Cancelled => Exit::TaskBad,
        _ => Exit::Pending,
    }
}

/// The code of a state: done, ended badly, or not over.
pub(super) fn exit_of(status: &TaskStatus) -> Exit {
    match status {
        TaskStatus::Completed => Exit::Ok,
        TaskStatus::Failed | TaskStatus::Stopped => Exit::TaskBad,
        // A word this version does not know never means that a task is over.
        _ => Exit::Pending,
    }
}
