//! Everything that we assume of an agent and that the protocol does not say, says in two ways, or that servers do in two.

use serde_json::Value;

use super::status::State;
use super::types::TaskState;
use crate::doctor::evidence::{Sign, found, is_passing, kind, texts};
use crate::doctor::{Assumption, Evidence, Finding, RecordedBody, RecordedReply, row};

/// What would show something that only a write shows which `doctor` does not make.
const NEVER: &str = "doctor makes no such request";
/// What would show something of a task.
const TASK: &str = "a task: --task TASK names one, --start MESSAGE starts one";
/// What would show something of a start.
const START: &str = "a start that makes a task: --start MESSAGE";
/// What would show something of any reply.
const REPLY: &str = "a reply of the agent";

pub(super) const ASSUMPTIONS: &[Assumption] = &[
    row(
        "start-returns",
        &["/paths/~1message:send/post"],
        "a message with returnImmediately is answered while the task works",
        |evidence| {
            let started = evidence.read("SendMessage").map(content);
            let states = started.filter_map(|sent| state(&sent["task"]));
            found(
                states.map(|state| match state {
                    State::Submitted | State::Working => Ok(format!("{state:?}")),
                    other => Err(format!("{other:?}")),
                }),
                START,
            )
        },
    ),
    row(
        "cancel-again",
        &["/paths/~1tasks~1{id}:cancel/post"],
        "the cancel of a task that is over is refused, or answers the task",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "subscribe-get",
        &["/paths/~1tasks~1{id}:subscribe/get"],
        "a task can be subscribed to, over HTTP+JSON with GET",
        subscribes,
    ),
    row(
        "file-parts",
        &["/components/schemas/FileContent"],
        "a file in the shape of version 0.3 has bytes or uri, name and mimeType",
        |evidence| {
            let tasks = tasks(evidence);
            let parts = tasks.flat_map(parts_of);
            let files = parts.filter_map(|part| part.get("file"));
            found(
                files.map(
                    |file| match file["bytes"].is_string() || file["uri"].is_string() {
                        true => Ok("with bytes or uri".to_owned()),
                        false => Err(kind(file).to_owned()),
                    },
                ),
                "a part with a file in the shape of version 0.3",
            )
        },
    ),
    row(
        "tasks-wrapper",
        &["/components/schemas/ListTasksResponse"],
        "a page of tasks is an object with the list in tasks",
        |evidence| {
            let pages = evidence.read("ListTasks").map(content);
            let pages = pages.filter(|page| page.is_object());
            found(
                pages.map(|page| match page["tasks"].is_array() {
                    true => Ok("a list".to_owned()),
                    false => Err(kind(&page["tasks"]).to_owned()),
                }),
                REPLY,
            )
        },
    ),
    row(
        "push-configs",
        &[
            "/components/schemas/NestedPushNotificationConfig",
            "/components/schemas/ListTaskPushNotificationConfigsResponse",
        ],
        "web hooks are listed in configs, and in the shape of version 0.3 stand in pushNotificationConfig",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "security-schemes",
        &["/components/schemas/SecurityScheme"],
        "a security scheme of the card has the shape of version 1.0, or a type as in version 0.3",
        |evidence| {
            let cards = evidence.read("GetAgentCard");
            let schemes = cards.filter_map(|card| card["securitySchemes"].as_object());
            found(
                schemes.flat_map(serde_json::Map::values).map(is_scheme),
                "a card with security schemes",
            )
        },
    ),
    row(
        "error-reason",
        &["/components/schemas/ErrorBody"],
        "an error has its reason in details over HTTP+JSON, and its number over JSON-RPC",
        |evidence| {
            let replies = evidence.own().filter_map(|(_, reply)| reply.json());
            let errors = replies.filter_map(|body| body.get("error"));
            // A text is that of something before the agent.
            let errors = errors.filter(|error| error.is_object());
            found(errors.map(says_what), "an error of the agent")
        },
    ),
    row(
        "no-task",
        &[],
        "a task that is not there is answered with TASK_NOT_FOUND, or -32001",
        |evidence| {
            let replies = evidence.replies("no task");
            found(
                replies
                    .filter(|reply| !is_passing(reply.status))
                    .map(not_found),
                REPLY,
            )
        },
    ),
    row(
        "wrong-key",
        &[],
        "a wrong credential is answered with 401 or 403, whatever the binding",
        |evidence| {
            let replies = evidence.replies("wrong key");
            let replies = replies.filter(|reply| !is_passing(reply.status));
            found(
                replies.map(|reply| match reply.status {
                    401 | 403 => Ok(reply.status.to_string()),
                    other => Err(format!("{other}: the agent asks for no credential")),
                }),
                REPLY,
            )
        },
    ),
    row(
        "start-listed",
        &[],
        "a new task is listed under the conversation that the start named, with the message that started it",
        start_listed,
    ),
    row(
        "new-task-visible",
        &[],
        "a new task can be read at once",
        |evidence| {
            let replies = evidence.replies("task at once");
            let replies = replies.filter(|reply| !is_passing(reply.status));
            let bodies = replies.map(|reply| reply.json().map(content));
            found(
                bodies.map(
                    |body| match body.is_some_and(|task| task["id"].is_string()) {
                        true => Ok("a task".to_owned()),
                        false => Err("no task".to_owned()),
                    },
                ),
                START,
            )
        },
    ),
    row(
        "known-states",
        &[],
        "the states of tasks are those of version 1.0 or 0.3",
        |evidence| {
            found(
                tasks(evidence).filter_map(|task| {
                    let word = task["status"]["state"].as_str()?;
                    Some(match state(task) {
                        Some(State::Unknown) | None => Err(word.to_owned()),
                        Some(_) => Ok(word.to_owned()),
                    })
                }),
                TASK,
            )
        },
    ),
    row(
        "status-times",
        &[],
        "the status of a task that works, waits or is over has its time",
        |evidence| {
            let tasks = tasks(evidence).filter(|task| state(task) != Some(State::Submitted));
            found(
                tasks.map(|task| {
                    let word = task["status"]["state"].as_str().unwrap_or("no state");
                    match task["status"]["timestamp"].is_string() {
                        true => Ok(word.to_owned()),
                        false => Err(format!("{word} without a time")),
                    }
                }),
                TASK,
            )
        },
    ),
    row(
        "times",
        &[],
        "times are RFC 3339 with Z or an offset",
        |evidence| {
            let mut times = Vec::new();
            for task in tasks(evidence) {
                texts(task, &|name| name == "timestamp", &mut times);
            }
            found(
                times.into_iter().map(|time| {
                    let read = crate::wire::DateTime::from(time).unix_millis();
                    read.map_or(Err(time.to_owned()), |_| Ok(time.to_owned()))
                }),
                TASK,
            )
        },
    ),
    row(
        "question-said",
        &[],
        "a task that waits says for what, in the message of its status",
        |evidence| {
            let waits = |task: &&Value| state(task).is_some_and(State::is_interrupted);
            found(
                tasks(evidence)
                    .filter(waits)
                    .map(|task| match task["status"]["message"]["parts"].is_array() {
                        true => Ok("in parts".to_owned()),
                        false => Err("the status has no message".to_owned()),
                    }),
                "a task that waits for an answer",
            )
        },
    ),
    row(
        "answer-in-artifacts",
        &[],
        "a task that is read shows its artifacts once it is completed",
        |evidence| {
            let reads = evidence.read("GetTask").map(content);
            let completed = reads.filter(|task| state(task) == Some(State::Completed));
            found(
                completed.map(|task| match task["artifacts"].as_array() {
                    Some(list) if !list.is_empty() => Ok("with artifacts".to_owned()),
                    _ => Err("without artifacts: the answer is what the agent said".to_owned()),
                }),
                "a task that is completed",
            )
        },
    ),
    row(
        "known-fields",
        &[],
        "replies have the fields of the protocol",
        |evidence| evidence.unknown_fields(REPLY),
    ),
];

/// Returns what a reply holds in either binding.
pub(super) fn content(reply: &Value) -> &Value {
    match reply.get("jsonrpc") {
        Some(_) => &reply["result"],
        None => reply,
    }
}

/// Returns the state of a task as it was recorded.
pub(super) fn state(task: &Value) -> Option<State> {
    let word = task["status"]["state"].as_str()?;
    Some(State::of(&TaskState::from(word)))
}

/// Returns every task that a reply shows.
fn tasks<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a Value> {
    let read: Vec<&Value> = evidence.read("GetTask").map(content).collect();
    let listed = evidence.read("ListTasks").map(content);
    let listed = listed.filter_map(|page| page["tasks"].as_array()).flatten();
    let sent = evidence.read("SendMessage").map(content);
    let all = read
        .into_iter()
        .chain(listed.collect::<Vec<_>>())
        .chain(sent.map(|sent| &sent["task"]).collect::<Vec<_>>());
    all.filter(|task| task["status"].is_object())
}

/// Returns the parts of what a task made.
fn parts_of(task: &Value) -> impl Iterator<Item = &Value> {
    let artifacts = task["artifacts"].as_array().into_iter().flatten();
    artifacts
        .filter_map(|artifact| artifact["parts"].as_array())
        .flatten()
}

fn is_scheme(scheme: &Value) -> Sign {
    let names = scheme
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys());
    let mut known = names.filter(|name| name.ends_with("SecurityScheme") || *name == "type");
    match known.next() {
        Some(name) => Ok(name.clone()),
        None => Err(kind(scheme).to_owned()),
    }
}

/// Says whether an error names what it is.
fn says_what(error: &Value) -> Sign {
    let mut reasons = Vec::new();
    texts(error, &|name| name == "reason", &mut reasons);
    let number = error["code"].as_i64().filter(|code| *code < 0);
    match (reasons.first(), number) {
        // What JSON-RPC has as data may be anything, and is not shown.
        (_, Some(number)) => Ok(number.to_string()),
        (Some(reason), None) => Ok((*reason).to_owned()),
        (None, None) => Err("neither a reason nor a number of JSON-RPC".to_owned()),
    }
}

fn not_found(reply: &RecordedReply) -> Sign {
    let error = reply.json().and_then(|body| body.get("error"));
    let Some(error) = error else {
        return Err(format!("{} without an error", reply.status));
    };
    match says_what(error) {
        Ok(what) if what == "TASK_NOT_FOUND" || what == "-32001" => Ok(what),
        Ok(other) | Err(other) => Err(other),
    }
}

/// Judges the subscription: a stream, or a refusal because the task is over, shows that there is the operation.
fn subscribes(evidence: &Evidence<'_>) -> Finding {
    let replies = evidence.replies("subscription");
    let replies = replies.filter(|reply| !is_passing(reply.status));
    let signs = replies.map(|reply| {
        if matches!(reply.body, RecordedBody::Events(_)) {
            return Ok("a stream".to_owned());
        }
        let error = reply.json().and_then(|body| body.get("error"));
        match error.map(says_what) {
            Some(Ok(what)) if what == "UNSUPPORTED_OPERATION" || what == "-32004" => {
                Ok(format!("{what}: the task is over"))
            }
            Some(Ok(what) | Err(what)) => Err(what),
            None => Err(reply.status.to_string()),
        }
    });
    found(
        signs,
        "a task of an agent that streams: --task TASK names one",
    )
}

/// Judges whether the task of a start is found by the conversation that the start named.
fn start_listed(evidence: &Evidence<'_>) -> Finding {
    let mut started = evidence.read("SendMessage").map(content);
    let Some(started) = started.find_map(|sent| sent["task"]["id"].as_str()) else {
        return Finding::NotSeen(START);
    };
    let replies = evidence.replies("tasks of the conversation");
    let pages = replies.filter_map(RecordedReply::json);
    let signs = pages.map(|reply| {
        let tasks = content(reply)["tasks"].as_array();
        let mut tasks = tasks.into_iter().flatten();
        let task = tasks.find(|task| task["id"] == started);
        let Some(task) = task else {
            return Err("the task is not in the list".to_owned());
        };
        let said = task["history"].as_array().into_iter().flatten();
        let mut said = said.filter_map(|said| said["messageId"].as_str());
        match said.next() {
            Some(_) => Ok("with its first message".to_owned()),
            None => Err("without its first message".to_owned()),
        }
    });
    found(signs, START)
}
