//! `taskward messages`: a task's conversation, oldest first.

use std::sync::Arc;

use serde_json::json;
use taskward::nanonets::Nanonets;
use taskward::nanonets::operations::ListTaskMessages;
use taskward::nanonets::types::{Message, MessageRole};

use super::{question, table};
use crate::args::{Global, OneTask};
use crate::calls::Calls as _;
use crate::clock::age;
use crate::connection::Connection;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::lines::{self, LineType};
use crate::out::Out;
use crate::platform::Platform as _;
use crate::report::{question_head, question_line, words};
use crate::sanitise::one_line;
use crate::task_ref::TaskRef;

pub(super) async fn messages(out: Arc<Out>, global: &Global, args: OneTask) -> CliResult<Exit> {
    let instead =
        "A task of Agent Harness has no conversation; taskward events lists what happened to it.";
    let (_, task) = global.task_able(&args.task, |can| can.message, "messages", instead)?;
    let mut connection: Connection<Nanonets> = Connection::open(out.clone(), global, None)?;
    let messages = connection
        .read(&task, ListTaskMessages(task.id().to_string()))
        .await?;
    for message in messages.readable() {
        if out.is_json() {
            out.line(line(&task, message));
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
    let is_agent = |message: &&Message| message.role == Some(MessageRole::Assistant);
    if let Some(newest) = spoke.filter(is_agent) {
        question(&mut connection, global, &task, &said(newest)).await?;
    }
    Ok(Exit::Ok)
}

/// Tells that the last that was said is an open question, when it is one.
async fn question(
    connection: &mut Connection<Nanonets>,
    global: &Global,
    task: &TaskRef,
    newest: &str,
) -> CliResult<()> {
    // The conversation is what was asked for, and it was printed.
    let Ok(state) = Nanonets::state(connection, task).await else {
        connection
            .out
            .say("whether it waits for an answer cannot be read now");
        return Ok(());
    };
    if !Nanonets::waits(&state.status) {
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
        let age = age(&connection.clock, &open, state.changed.as_ref());
        let head = question_head(&open, &age);
        out.say(&format!("open: {}", head.trim_end_matches(':')));
        question::tell_answers(connection, task, &open);
    }
    // Its words stand in the conversation.
    let was_read = connection.out.is_printed();
    question::keep_shown(connection, global, task, &open, was_read).await
}

fn said(message: &Message) -> String {
    message.content.as_ref().map(words).unwrap_or_default()
}

fn text(message: &Message, people: bool) -> String {
    let role = message.role.as_ref().map_or("?", |role| role.as_str());
    let at = table::when(message.created_at.as_ref(), people);
    let (role, at) = (one_line(role), one_line(&at));
    let said = said(message);
    let said: String = said.lines().map(|line| format!("  {line}\n")).collect();
    format!("{role}  {at}\n{said}")
}

fn line(task: &TaskRef, message: &Message) -> serde_json::Value {
    let fields = json!({
        "id": message.id.as_ref().map(|id| id.as_str()),
        "role": message.role.as_ref().map(|role| role.as_str()),
        "text": said(message),
        "created_at": message.created_at.as_ref().map(|at| at.as_str()),
        "platform_data": message.content,
    });
    lines::line(LineType::Message, Some(task), fields)
}
