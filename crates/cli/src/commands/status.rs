//! `taskward status`: one read, one line.

use serde_json::{Value, json};
use taskward::Question;
use taskward::core::sanitise::one_line;
use taskward::event::Status;
use taskward::wire::DateTime;

use super::{question, table};
use crate::calls::Calls;
use crate::clock::age;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::out::Out;
use crate::report::{block, question_fields};
use crate::server::At;
use crate::task_ref::TaskRef;

pub(super) async fn status<P: Calls>(cx: &Cx, task: &TaskRef) -> CliResult<Exit> {
    let mut connection: Connection<P> = Connection::open(cx, None, At::Task(task)).await?;
    let out = &cx.out;
    let found = P::summary(&connection, task).await?;
    let exit = exit_of::<P>(&found.status);
    let asked = asked(&connection, task, P::waits(&found.status)).await;
    if out.is_json() {
        let fields = json!({
            "exit": exit.code(),
            "status": found.status.as_str(),
            "title": found.title,
            "created_at": found.created_at,
            "updated_at": found.updated_at,
            "question": asked.as_ref().map(question_fields),
            "platform_data": found.platform_data,
        });
        out.line(lines::line(LineType::TaskStatus, Some(task), fields));
        show(&mut connection, task, asked, None).await?;
        return Ok(exit);
    }
    let changed = found.changed();
    let at = changed.clone().or_else(|| found.created());
    let title = found.title.as_ref().and_then(Value::as_str);
    let fields = [
        task.to_string(),
        found.status.as_str().to_owned(),
        table::when(at.as_ref(), out.is_for_people()),
        title.unwrap_or_default().to_owned(),
    ];
    line(out, fields)?;
    if let Some((label, command, note)) = P::stuck(task, &found.status) {
        let command = connection.command(&command);
        out.say(&format!("{label}: {command}  ({note})"));
    }
    show(&mut connection, task, asked, changed.as_ref()).await?;
    Ok(exit)
}

/// The code of a state: done, ended badly, or not over. A word this version does not know never means that a task is over.
pub(super) fn exit_of<P: Calls>(status: &Status) -> Exit {
    match status.as_str() {
        word if word == P::DONE => Exit::Ok,
        _ if P::is_over(status) => Exit::TaskBad,
        _ => Exit::Pending,
    }
}

/// What a task asks that waits. That it cannot be read is told, and is no reason not to tell the status.
async fn asked<P: Calls>(
    connection: &Connection<P>,
    task: &TaskRef,
    waits: bool,
) -> Option<Question> {
    if !waits {
        return None;
    }
    match question::open(connection, task).await {
        Ok(asked) => asked,
        Err(error) => {
            let why = error.what();
            let what = format!("what it waits for cannot be read now: {why}");
            connection.out.say(&what);
            None
        }
    }
}

/// Shows what a task asks, to people below its status.
async fn show<P: Calls>(
    connection: &mut Connection<P>,
    task: &TaskRef,
    asked: Option<Question>,
    changed: Option<&DateTime>,
) -> CliResult<()> {
    let Some(asked) = asked else { return Ok(()) };
    if !connection.out.is_json() {
        if connection.out.is_quiet() {
            return Ok(());
        }
        let age = age(&connection.clock, &asked, changed);
        connection.out.say(&block(&asked, &age));
        question::tell_answers(connection, task, &asked);
    }
    let was_read = connection.out.is_heard();
    question::keep_shown(connection, task, &asked, was_read).await
}

fn line(out: &Out, fields: [String; 4]) -> CliResult<()> {
    let between = if out.is_for_people() { "  " } else { "\t" };
    let line = fields.map(|field| one_line(&field)).join(between);
    out.print(&format!("{}\n", line.trim_end()))
}
