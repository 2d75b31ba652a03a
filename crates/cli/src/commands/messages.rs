//! `taskward messages`: a task's conversation, oldest first.

use serde_json::json;
use taskward::core::sanitise::one_line;

use super::{question, table};
use crate::args::OneTask;
use crate::calls::{Calls, Said};
use crate::clock::age;
use crate::connection::Connection;
use crate::cx::Cx;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::report::{question_head, question_line, words};
use crate::server::At;
use crate::task_ref::TaskRef;

pub(super) async fn messages<P: Calls>(cx: &Cx, task: TaskRef, _: OneTask) -> CliResult<Exit> {
    let (out, task) = (&cx.out, &task);
    let mut connection: Connection<P> = Connection::open(cx, None, At::Task(task)).await?;
    let messages = P::messages(&connection, task).await?;
    for message in messages.readable() {
        if out.is_json() {
            out.line(line(task, message));
        } else {
            out.print(&text(message, out.is_for_people()))?;
        }
    }
    out.passed_over(messages.unreadable());
    if messages.is_empty() {
        out.say("nothing has been said yet");
    }
    let spoke = messages
        .readable()
        .rfind(|message| !said(message).is_empty());
    if let Some(newest) = spoke.filter(|message| message.is_agent) {
        question(&mut connection, task, &said(newest)).await?;
    }
    Ok(Exit::Ok)
}

/// Tells that the last that was said is an open question, when it is one.
async fn question<P: Calls>(
    connection: &mut Connection<P>,
    task: &TaskRef,
    newest: &str,
) -> CliResult<()> {
    // The conversation is what was asked for, and it was printed.
    let Ok(found) = P::summary(connection, task).await else {
        connection
            .out
            .say("whether it waits for an answer cannot be read now");
        return Ok(());
    };
    if !P::waits(&found.status) {
        return Ok(());
    }
    let Ok(open) = question::open(connection, task).await else {
        connection
            .out
            .say("the question that it waits for cannot be read now");
        return Ok(());
    };
    // What was asked since was not shown.
    let Some(open) = open.filter(|open| open.text == newest) else {
        return Ok(());
    };
    let out = connection.out.clone();
    if out.is_json() {
        out.line(question_line(&open, Some(task)));
    } else {
        let age = age(&connection.clock, &open, found.changed().as_ref());
        let head = question_head(&open, &age);
        out.say(&format!("open: {}", head.trim_end_matches(':')));
        question::tell_answers(connection, task, &open);
    }
    // Its words stand in the conversation.
    let was_read = connection.out.is_printed();
    question::keep_shown(connection, task, &open, was_read).await
}

fn said(message: &Said) -> String {
    message.content.as_ref().map(words).unwrap_or_default()
}

fn text(message: &Said, people: bool) -> String {
    let role = message.role.as_deref().unwrap_or("?");
    let at = table::when(message.at.as_ref(), people);
    let (role, at) = (one_line(role), one_line(&at));
    let said = said(message);
    let said: String = said.lines().map(|line| format!("  {line}\n")).collect();
    format!("{role}  {at}\n{said}")
}

fn line(task: &TaskRef, message: &Said) -> serde_json::Value {
    let fields = json!({
        "id": message.id,
        "role": message.role,
        "text": said(message),
        "created_at": message.at.as_ref().map(|at| at.as_str()),
        "platform_data": message.content,
    });
    lines::line(LineType::Message, Some(task), fields)
}
