//! The sections of the walk.

use anyhow::Result;
use serde_json::json;

use super::agent::Outcome;
use super::walk::{Section, Walk, pause};

const fn section(name: &'static str, walk: fn(&mut Walk<'_>) -> Result<()>) -> Section {
    Section { name, walk }
}

/// All of them, in order.
pub(crate) const SECTIONS: &[Section] = &[
    section("card", card),
    section("blocking start", blocking_start),
    section("start and poll", start_and_poll),
    section("stream", stream),
    section("resubscribe", resubscribe),
    section("question", question),
    section("question by stream", question_by_stream),
    section("two questions", two_questions),
    section("question as data", question_as_data),
    section("sign in elsewhere", sign_in_elsewhere),
    section("sign in by answer", sign_in_by_answer),
    section("failed", failed),
    section("rejected", rejected),
    section("data", data),
    section("crash", crash),
    section("direct reply", direct_reply),
    section("cancel while working", cancel_working),
    section("cancel while asking", cancel_asking),
    section("cancel when finished", cancel_finished),
    section("refused cancel", refused_cancel),
    section("list", list),
    section("duplicate message", duplicate_message),
    section("messages that do not fit", misfits),
    section("unknown task", unknown_task),
    section("versions", versions),
    section("unknown method", unknown_method),
    section("push configurations", push_configurations),
];

const COMPLETED: &str = "TASK_STATE_COMPLETED";
const ASKING: &str = "TASK_STATE_INPUT_REQUIRED";

fn card(walk: &mut Walk<'_>) -> Result<()> {
    let card = &walk.agent.card;
    let interfaces = card["supportedInterfaces"].as_array().into_iter().flatten();
    let interfaces: Vec<_> = interfaces
        .map(|i| json!([i["protocolBinding"], i["protocolVersion"]]))
        .collect();
    walk.trace.line(format!("interfaces {}", json!(interfaces)));
    for name in ["streaming", "pushNotifications", "extendedAgentCard"] {
        let has = card["capabilities"][name].as_bool().unwrap_or_default();
        walk.trace.line(format!("{name} {has}"));
    }
    // Its content is the server's own affair.
    walk.trace.line("> GetExtendedAgentCard");
    match walk.agent.call("GetExtendedAgentCard", &json!({}))? {
        Outcome::Done { body, .. } => walk
            .trace
            .line(format!("a card: {}", body["name"].is_string())),
        other => drop(walk.told(other)?),
    }
    Ok(())
}

fn blocking_start(walk: &mut Walk<'_>) -> Result<()> {
    walk.blocking("artifact one;artifact two;done bye")?;
    Ok(())
}

fn start_and_poll(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.start("quiet 0.5;artifact one;done")?;
    let task = walk.until(&task, COMPLETED)?;
    for length in [0, 1, -1] {
        let params = json!({"id": task["id"], "historyLength": length});
        walk.call("GetTask", &format!("historyLength {length}"), &params)?;
    }
    Ok(())
}

fn stream(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.streamed("chunks 3 0.1;work 1;done bye")?;
    walk.call("GetTask", "", &json!({"id": task["id"]}))?;
    Ok(())
}

fn resubscribe(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.start("artifact one;quiet 1;artifact two;done")?;
    pause(3);
    let params = json!({"id": task["id"]});
    if let Some(mut stream) = walk.stream("SubscribeToTask", "", &params)? {
        walk.drain(&mut stream)?;
    }
    walk.until(&task, COMPLETED)?;
    walk.call("SubscribeToTask", "of a task that is over", &params)?;
    Ok(())
}

fn question(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.start("ask colour?;artifact thanks")?;
    walk.until(&task, ASKING)?;
    walk.call("GetTask", "again", &json!({"id": task["id"]}))?;
    let answer = walk.answer(&task, "red");
    walk.send("red", &answer)?;
    walk.until(&task, COMPLETED)?;
    walk.send("red again", &answer)?;
    walk.call(
        "GetTask",
        "after the same answer again",
        &json!({"id": task["id"]}),
    )?;
    Ok(())
}

fn question_by_stream(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.streamed("ask colour?;done")?;
    let params = json!({"id": task["id"]});
    let subscribed = walk.stream("SubscribeToTask", "", &params)?;
    let answer = walk.answer(&task, "red");
    if let Some(mut stream) = subscribed {
        walk.event(&mut stream)?;
        walk.send("red", &answer)?;
        walk.drain(&mut stream)?;
    } else {
        walk.send("red", &answer)?;
    }
    walk.until(&task, COMPLETED)?;
    Ok(())
}

fn two_questions(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.blocking("ask colour?;ask size?;done")?;
    for text in ["red", "large"] {
        let answer = walk.answer(&task, text);
        walk.call("SendMessage", text, &json!({"message": answer}))?;
    }
    Ok(())
}

fn question_as_data(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.blocking(r#"ask-data {"field": "colour"};done"#)?;
    let mut answer = walk.parts(&json!([{"data": {"colour": "red"}}]));
    answer["taskId"] = task["id"].clone();
    walk.call("SendMessage", "as data", &json!({"message": answer}))?;
    Ok(())
}

fn sign_in_elsewhere(walk: &mut Walk<'_>) -> Result<()> {
    walk.streamed("auth 0.3;done")?;
    walk.blocking("auth 0.3;done")?;
    Ok(())
}

fn sign_in_by_answer(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.start("auth-in;done")?;
    walk.until(&task, "TASK_STATE_AUTH_REQUIRED")?;
    let answer = walk.answer(&task, "1234");
    walk.send("1234", &answer)?;
    walk.until(&task, COMPLETED)?;
    Ok(())
}

fn failed(walk: &mut Walk<'_>) -> Result<()> {
    walk.blocking("fail no paper")?;
    Ok(())
}

fn rejected(walk: &mut Walk<'_>) -> Result<()> {
    walk.blocking("reject not my job")?;
    Ok(())
}

fn data(walk: &mut Walk<'_>) -> Result<()> {
    walk.blocking(r#"data {"total": 3, "items": []};done"#)?;
    Ok(())
}

fn crash(walk: &mut Walk<'_>) -> Result<()> {
    walk.blocking("crash")?;
    walk.blocking("quiet 0.1;crash")?;
    let task = walk.streamed("quiet 0.1;crash")?;
    walk.call("GetTask", "", &json!({"id": task["id"]}))?;
    Ok(())
}

fn direct_reply(walk: &mut Walk<'_>) -> Result<()> {
    walk.blocking("reply hello")?;
    walk.streamed("reply hello")?;
    Ok(())
}

fn cancel_working(walk: &mut Walk<'_>) -> Result<()> {
    let message = walk.message("quiet 20");
    let stream = walk.stream(
        "SendStreamingMessage",
        "quiet 20",
        &json!({"message": message}),
    )?;
    let Some(mut stream) = stream else {
        return Ok(());
    };
    let first = walk.event(&mut stream)?.unwrap_or_default();
    walk.event(&mut stream)?;
    let params = json!({"id": first["task"]["id"]});
    walk.call("CancelTask", "", &params)?;
    walk.drain(&mut stream)?;
    walk.call("GetTask", "", &params)?;
    walk.call("CancelTask", "again", &params)?;
    Ok(())
}

fn cancel_asking(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.blocking("ask colour?;done")?;
    walk.call("CancelTask", "", &json!({"id": task["id"]}))?;
    let answer = walk.answer(&task, "red");
    walk.send("red", &answer)?;
    Ok(())
}

fn cancel_finished(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.blocking("done")?;
    walk.call("CancelTask", "", &json!({"id": task["id"]}))?;
    Ok(())
}

fn refused_cancel(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.start("nocancel;quiet 1;artifact one;done")?;
    pause(3);
    let params = json!({"id": task["id"]});
    walk.call("CancelTask", "", &params)?;
    pause(15);
    walk.call("GetTask", "later", &params)?;
    Ok(())
}

fn list(walk: &mut Walk<'_>) -> Result<()> {
    let context = walk.context();
    for text in ["artifact one", "artifact two"] {
        let mut message = walk.message(text);
        message["contextId"] = json!(context);
        walk.call("SendMessage", text, &json!({"message": message}))?;
    }
    walk.call("ListTasks", "", &json!({"contextId": context}))?;
    walk.call(
        "ListTasks",
        "with history",
        &json!({"contextId": context, "historyLength": 1}),
    )?;
    let first = walk.call(
        "ListTasks",
        "by one",
        &json!({"contextId": context, "pageSize": 1}),
    )?;
    let cursor = &first["nextPageToken"];
    let next = json!({"contextId": context, "pageSize": 1, "pageToken": cursor});
    walk.call("ListTasks", "by one, next", &next)?;
    walk.call(
        "ListTasks",
        "by none",
        &json!({"contextId": context, "pageSize": 0}),
    )?;
    walk.call(
        "ListTasks",
        "from nowhere",
        &json!({"contextId": context, "pageToken": "nowhere"}),
    )?;
    let nobodys = walk.context();
    walk.call(
        "ListTasks",
        "of another context",
        &json!({"contextId": nobodys}),
    )?;
    Ok(())
}

fn duplicate_message(walk: &mut Walk<'_>) -> Result<()> {
    let mut message = walk.message("done");
    message["contextId"] = json!(walk.context());
    for time in ["first", "second"] {
        walk.call("SendMessage", time, &json!({"message": message}))?;
        // Lists show the newest first, by milliseconds: two tasks of one have no order.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    walk.call("ListTasks", "", &json!({"contextId": message["contextId"]}))?;
    Ok(())
}

fn misfits(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.blocking("ask colour?")?;
    let mut elsewhere = walk.answer(&task, "red");
    elsewhere["contextId"] = json!(walk.context());
    walk.call(
        "SendMessage",
        "to another context",
        &json!({"message": elsewhere}),
    )?;
    for missing in ["messageId", "parts", "role"] {
        let mut message = walk.message("done");
        if let Some(fields) = message.as_object_mut() {
            fields.remove(missing);
        }
        walk.call(
            "SendMessage",
            &format!("without {missing}"),
            &json!({"message": message}),
        )?;
    }
    walk.call("SendMessage", "without a message", &json!({}))?;
    Ok(())
}

fn unknown_task(walk: &mut Walk<'_>) -> Result<()> {
    let id = walk.context();
    let params = json!({"id": id});
    for operation in ["GetTask", "CancelTask", "SubscribeToTask"] {
        walk.call(operation, "", &params)?;
    }
    let message = walk.answer(&json!({"id": id}), "red");
    walk.send("red", &message)?;
    Ok(())
}

fn versions(walk: &mut Walk<'_>) -> Result<()> {
    for version in ["0.3", "1.7", "2.0", ""] {
        walk.trace.line(format!("> GetTask in version {version:?}"));
        let mut request = walk.agent.request("GetTask", &json!({"id": "none"}));
        for (name, value) in &mut request.headers {
            if *name == "A2A-Version" {
                version.clone_into(value);
            }
        }
        let outcome = walk.agent.outcome(request.send()?)?;
        walk.told(outcome)?;
    }
    Ok(())
}

fn unknown_method(walk: &mut Walk<'_>) -> Result<()> {
    walk.call("ForgetTask", "", &json!({"id": "none"}))?;
    Ok(())
}

fn push_configurations(walk: &mut Walk<'_>) -> Result<()> {
    let task = walk.blocking("ask colour?")?;
    let config = json!({
        "taskId": task["id"], "id": "", "url": "http://127.0.0.1:9/hook", "token": "secret",
        "authentication": {"scheme": "Bearer", "credentials": "secret"},
    });
    let made = walk.call("CreateTaskPushNotificationConfig", "", &config)?;
    let one = json!({"taskId": task["id"], "id": made["id"]});
    walk.call("GetTaskPushNotificationConfig", "", &one)?;
    walk.call(
        "ListTaskPushNotificationConfigs",
        "",
        &json!({"taskId": task["id"]}),
    )?;
    walk.call("DeleteTaskPushNotificationConfig", "", &one)?;
    walk.call("DeleteTaskPushNotificationConfig", "again", &one)?;
    walk.call("GetTaskPushNotificationConfig", "", &one)?;
    Ok(())
}
