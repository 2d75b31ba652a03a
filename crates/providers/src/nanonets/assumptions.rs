//! Everything that we assume of this platform and that its documentation does not say, or says in two ways.

use serde_json::Value;

use crate::doctor::evidence::{accepted, found, has_all, kind, status, texts};
use crate::doctor::{Assumption, Evidence, Finding, row};
use crate::generated::nanonets::TaskStatus;

/// What would show something that only a write shows which `doctor` does not make.
const NEVER: &str = "doctor makes no such request";
/// What would show something of a task.
const TASK: &str = "a task of the account: --start AGENT starts one";
/// What would show something of a completed task.
const COMPLETED: &str = "a task that completed: --start AGENT starts one";
/// What would show something of a start.
const START: &str = "a start: --start AGENT";
/// What would show something of any reply.
const REPLY: &str = "a reply of the platform";
/// What would show something of an agent.
const AGENT: &str = "an agent of the account";

pub(super) const ASSUMPTIONS: &[Assumption] = &[
    row(
        "agent-create-codes",
        &["/paths/~1api~1v1~1agents/post"],
        "creating an agent answers 200 or 201, and 409 for a name that is taken",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "agent-read",
        &["/paths/~1api~1v1~1agents~1{agent_id}/get"],
        "GET /agents/{agent_id} reads an agent with its config",
        |evidence| status(evidence, "agent", &[200], AGENT),
    ),
    row(
        "start-code",
        &["/paths/~1api~1v1~1agents~1{agent_id}~1run/post"],
        "a start answers 200, 201 or 202",
        |evidence| accepted(evidence, "start", &[200, 201, 202], START),
    ),
    row(
        "start-status",
        &[],
        "the reply to a start names the task's status",
        |evidence| {
            found(
                evidence
                    .read("runAgent")
                    .map(|reply| has_all(reply, &["status"])),
                START,
            )
        },
    ),
    row(
        "versions-whole",
        &[
            "/paths/~1api~1v1~1agents~1{agent_id}~1versions/get",
            "/components/schemas/AgentVersionList",
        ],
        "the list of an agent's versions comes whole, without has_more and next_cursor, when no limit is given",
        versions,
    ),
    row(
        "publish-code",
        &["/paths/~1api~1v1~1agents~1{agent_id}~1versions~1publish/post"],
        "publishing a version answers any 2xx",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "message-codes",
        &["/paths/~1api~1v1~1tasks~1{task_id}~1message/post"],
        "a message answers any 2xx, and 409 for a task that takes none",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "message-reply",
        &["/components/schemas/SendMessageResponse"],
        "the reply to a message has message_id, task_id and message",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "query-needed",
        &["/components/schemas/RunAgentRequest"],
        "a start without files needs a query",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "list-agent-name",
        &["/components/schemas/TaskListItem"],
        "the entries of the task list have agent_name",
        |evidence| {
            let tasks = evidence.read("listTasks").flat_map(entries);
            found(tasks.map(|task| has_all(task, &["agent_name"])), TASK)
        },
    ),
    row(
        "summary-result",
        &["/components/schemas/TaskSummary"],
        "the summary of a completed task has its answer in result",
        |evidence| {
            found(
                completed(evidence, "getTaskSummary").map(|it| has_all(it, &["result"])),
                COMPLETED,
            )
        },
    ),
    row(
        "summary-task-fields",
        &["/components/schemas/TaskSummary"],
        "the summary has the fields of the task: task_id, agent_id, created_at, updated_at",
        |evidence| found(evidence.read("getTaskSummary").map(task_fields), TASK),
    ),
    row(
        "summary-extracted-data",
        &["/components/schemas/TaskSummary"],
        "extracted_data stands beside result, not in it",
        |evidence| {
            found(
                evidence.read("getTaskSummary").filter_map(extracted),
                "a completed task with structured data",
            )
        },
    ),
    row(
        "summary-completed-at",
        &["/components/schemas/TaskCompletionSummary"],
        "completed_at of an answer is a time",
        |evidence| {
            let times = evidence
                .read("getTaskSummary")
                .filter_map(|summary| summary["result"].get("completed_at"));
            found(
                times.filter(|time| !time.is_null()).map(time_text),
                COMPLETED,
            )
        },
    ),
    row(
        "result-feed",
        &["/components/schemas/TaskResult"],
        "the result of a task has its steps in feed, and the fields of the task",
        |evidence| {
            let results = evidence.read("getTaskResult");
            found(
                results.map(|result| has_all(result, &["feed"]).and_then(|_| task_fields(result))),
                TASK,
            )
        },
    ),
    row(
        "feed-content",
        &["/components/schemas/FeedItem"],
        "each entry of the feed has content, or a result",
        |evidence| {
            let results = evidence.read("getTaskResult");
            let items = results
                .filter_map(|result| result["feed"].as_array())
                .flatten();
            found(
                items.map(|item| match item.get("content").or(item.get("result")) {
                    Some(_) => Ok("it has".to_owned()),
                    None => has_all(item, &["content"]),
                }),
                TASK,
            )
        },
    ),
    row(
        "message-roles",
        &["/components/schemas/MessageRole"],
        "messages are of the roles user and assistant",
        |evidence| {
            found(
                messages(evidence).filter_map(|message| {
                    let role = message["role"].as_str()?;
                    Some(match role {
                        "user" | "assistant" => Ok("user, assistant".to_owned()),
                        other => Err(format!("the role {other}")),
                    })
                }),
                TASK,
            )
        },
    ),
    row(
        "message-fields",
        &["/components/schemas/Message"],
        "a message has id, task_id, agent_id, role, content and created_at",
        |evidence| {
            let fields = ["id", "task_id", "agent_id", "role", "content", "created_at"];
            found(
                messages(evidence).map(|message| has_all(message, &fields)),
                TASK,
            )
        },
    ),
    row(
        "message-content",
        &[],
        "the content of a message is a text",
        |evidence| {
            let contents = messages(evidence).filter_map(|message| message.get("content"));
            found(contents.map(text), TASK)
        },
    ),
    row(
        "message-list",
        &["/components/schemas/MessageList"],
        "the messages of a task stand in data",
        |evidence| {
            found(
                evidence
                    .read("listTaskMessages")
                    .map(|list| has_all(list, &["data"])),
                TASK,
            )
        },
    ),
    row(
        "agent-list-fields",
        &["/components/schemas/AgentListItem"],
        "an entry of the agent list has the fields of a version of an agent",
        |evidence| {
            let fields = [
                "id",
                "agent_group_id",
                "version_number",
                "status",
                "name",
                "is_active",
                "created_at",
                "updated_at",
            ];
            let agents = evidence.read("listAgents").flat_map(entries);
            found(agents.map(|agent| has_all(agent, &fields)), AGENT)
        },
    ),
    row(
        "times",
        &[],
        "times are RFC 3339 in UTC, with Z and whole seconds",
        times,
    ),
    row(
        "known-fields",
        &[],
        "replies have no fields but those of the specification",
        |evidence| evidence.unknown_fields(REPLY),
    ),
    row(
        "known-statuses",
        &[],
        "tasks are of the eight statuses of the specification",
        statuses,
    ),
    row(
        "list-end",
        &[],
        "the last page of a list has has_more false and next_cursor null",
        list_end,
    ),
    row(
        "limit-refused",
        &[],
        "a limit above 100 is refused with 400",
        |evidence| status(evidence, "too many tasks", &[400], REPLY),
    ),
    row(
        "no-id",
        &[],
        "an id that is no UUID is refused with 400",
        |evidence| status(evidence, "no id", &[400], REPLY),
    ),
    row(
        "no-task",
        &[],
        "a task that does not exist answers 404",
        |evidence| status(evidence, "no task", &[404], REPLY),
    ),
    row(
        "wrong-key",
        &[],
        "a key that is none answers 401",
        |evidence| status(evidence, "wrong key", &[401], REPLY),
    ),
    row(
        "error-shape",
        &[],
        "a refusal is a JSON object with a text in error",
        |evidence| {
            let refusals = evidence.own().filter(|(_, reply)| !reply.is_success());
            let bodies = refusals.filter_map(|(_, reply)| reply.json());
            found(
                bodies.map(|body| has_all(body, &["error"]).and_then(|_| text(&body["error"]))),
                REPLY,
            )
        },
    ),
    row(
        "group-id",
        &[],
        "the id of an agent's group is not the id of an agent: reading it answers 404",
        |evidence| {
            status(
                evidence,
                "agent by group",
                &[404, 400, 403],
                "an agent with several versions",
            )
        },
    ),
    row(
        "new-task-visible",
        &[],
        "a new task can be read at once",
        |evidence| status(evidence, "status at once", &[200], START),
    ),
    row(
        "summary-early",
        &[],
        "the summary of a task that has not ended answers 200",
        |evidence| status(evidence, "summary at once", &[200], START),
    ),
    row(
        "rate-limit-headers",
        &[],
        "no header tells how many requests are left",
        |evidence| {
            found(
                evidence.own().map(|(_, reply)| {
                    let named = reply.headers.keys().find(|name| name.contains("ratelimit"));
                    named.map_or(Ok("none does".to_owned()), |name| Err(name.clone()))
                }),
                REPLY,
            )
        },
    ),
    row(
        "message-delay",
        &[],
        "after a message a read may show the old status for about a second",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "message-trimmed",
        &[],
        "a message stands in the log as it was sent, white space at its ends included",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "message-late",
        &[],
        "a message to a completed task starts another turn, and one to a failed or stopped task answers 409",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "write-bodies",
        &[],
        "the replies to a message and to a cancel have a body",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "cancel-at-once",
        &[],
        "the next read after a cancel shows that the task has stopped",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "review-rejected",
        &[],
        "a task that is rejected in the dashboard has failed",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "queue",
        &[],
        "tasks beyond an agent's limit wait as queued, and one that waits for a human does not count among them",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "request-null",
        &[],
        "a field of a request that is null is of the wrong type, and not as if it were left out",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "file-parts",
        &[],
        "a file is sent in a part named files or files.items",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "file-size",
        &[],
        "a file that is too large answers 400",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "draft-run",
        &[],
        "a draft of an agent cannot be run",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "cursor-filters",
        &[],
        "a cursor may be used with other filters than those it was made with",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "foreign",
        &[],
        "what belongs to another workspace answers 403 or 404",
        |_| Finding::NotSeen(NEVER),
    ),
    row(
        "feed-messages",
        &[],
        "the feed has no messages of the user",
        |_| Finding::NotSeen("a recording holds no words of the feed"),
    ),
    row(
        "answer-early",
        &[],
        "the summary of a task that has not ended shows what there is of an answer",
        |_| Finding::NotSeen("a task that is read in the middle of its work"),
    ),
    row(
        "answers-in-time",
        &[],
        "once a task reads completed, so do its summary and its result",
        answers_in_time,
    ),
    row(
        "absent-values",
        &[],
        "fields without a value are left out, but for next_cursor",
        absent_values,
    ),
    row(
        "log-query",
        &[],
        "the first message of a task is its query",
        |evidence| {
            let lists = evidence.read("listTaskMessages");
            let first = lists.filter_map(|list| {
                list["data"]
                    .as_array()
                    .or(list["messages"].as_array())?
                    .first()
            });
            found(
                first.filter_map(|message| {
                    let role = message["role"].as_str()?;
                    let seen = format!("the first is of the role {role}");
                    Some(if role == "user" { Ok(seen) } else { Err(seen) })
                }),
                TASK,
            )
        },
    ),
    row("title", &[], "a task has a title, a text", |evidence| {
        let tasks = evidence
            .replies("status")
            .filter(|reply| reply.is_success());
        let tasks = tasks.filter_map(|reply| reply.json());
        found(
            tasks.map(|task| has_all(task, &["title"]).and_then(|_| text(&task["title"]))),
            TASK,
        )
    }),
];

fn entries(page: &Value) -> impl Iterator<Item = &Value> {
    page["data"].as_array().into_iter().flatten()
}

fn messages<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a Value> {
    let lists = evidence.read("listTaskMessages");
    lists
        .filter_map(|list| list["data"].as_array().or(list["messages"].as_array()))
        .flatten()
}

fn completed<'a>(evidence: &Evidence<'a>, operation: &str) -> impl Iterator<Item = &'a Value> {
    let tasks = evidence.read(operation);
    tasks.filter(|task| task["status"] == "completed")
}

fn task_fields(task: &Value) -> Result<String, String> {
    has_all(task, &["task_id", "agent_id", "created_at", "updated_at"])
}

fn text(value: &Value) -> Result<String, String> {
    match value.is_string() {
        true => Ok(kind(value).to_owned()),
        false => Err(kind(value).to_owned()),
    }
}

fn time_text(value: &Value) -> Result<String, String> {
    match value.as_str() {
        Some(text) if text.starts_with("2026-01-01") => Ok(text.to_owned()),
        Some(_) => Err("a text that is no time".to_owned()),
        None => Err(kind(value).to_owned()),
    }
}

/// Says where the structured data of a summary stands.
fn extracted(summary: &Value) -> Option<Result<String, String>> {
    let result = &summary["result"];
    if summary.get("extracted_data").is_some() {
        return Some(Ok("beside result".to_owned()));
    }
    let within = [
        ("result", result),
        ("result.structuredContent", &result["structuredContent"]),
    ];
    let place = within
        .iter()
        .find(|(_, place)| place.get("extracted_data").is_some())?;
    Some(Err(format!("it stands in {}", place.0)))
}

fn versions(evidence: &Evidence<'_>) -> Finding {
    let lists = evidence.read("listAgentVersions");
    found(
        lists.map(|list| {
            let paged = ["has_more", "next_cursor"]
                .iter()
                .find(|field| list.get(**field).is_some());
            match paged {
                None => Ok("it is whole".to_owned()),
                Some(field) => Err(format!("it has {field}")),
            }
        }),
        AGENT,
    )
}

fn times(evidence: &Evidence<'_>) -> Finding {
    let mut found_times = Vec::new();
    for (_, reply) in evidence.own().filter(|(_, reply)| reply.is_success()) {
        if let Some(value) = reply.json() {
            texts(value, &|field| field.ends_with("_at"), &mut found_times);
        }
    }
    let usual = "2026-01-01T00:00:00Z";
    found(
        found_times.into_iter().map(|time| match time == usual {
            true => Ok("in the form ".to_owned() + usual),
            false => Err("in the form ".to_owned() + time),
        }),
        TASK,
    )
}

fn statuses(evidence: &Evidence<'_>) -> Finding {
    let listed = evidence.read("listTasks").flat_map(entries);
    let read = evidence.read("getTaskStatus").chain(listed);
    found(
        read.filter_map(|task| task["status"].as_str())
            .map(|status| match TaskStatus::from(status) {
                TaskStatus::Unknown(status) => Err(status),
                known => Ok(known.as_str().to_owned()),
            }),
        TASK,
    )
}

fn list_end(evidence: &Evidence<'_>) -> Finding {
    let pages = evidence
        .read("listTasks")
        .chain(evidence.read("listAgents"));
    found(
        pages.filter_map(|page| {
            let more = page.get("has_more").and_then(Value::as_bool);
            let cursor = page.get("next_cursor");
            let (has_cursor, is_null) = (
                cursor
                    .and_then(Value::as_str)
                    .is_some_and(|text| !text.is_empty()),
                cursor.is_some_and(Value::is_null),
            );
            Some(match (more, has_cursor) {
                (Some(true), true) => return None,
                (Some(false), false) if is_null => Ok("so it is".to_owned()),
                (Some(false), false) if cursor.is_some() => {
                    Err("next_cursor is an empty text".to_owned())
                }
                (Some(false), false) => Err("there is no next_cursor".to_owned()),
                (Some(false), true) => {
                    Err("has_more is false, and there is a next_cursor".to_owned())
                }
                (Some(true), false) => {
                    Err("has_more is true, and there is no next_cursor".to_owned())
                }
                (None, _) => Err("there is no has_more".to_owned()),
            })
        }),
        "a list that ends",
    )
}

fn answers_in_time(evidence: &Evidence<'_>) -> Finding {
    let completed = evidence.replies("status").filter_map(|reply| reply.json());
    let is_completed = completed
        .last()
        .is_some_and(|task| task["status"] == "completed");
    let answers = ["summary", "result"]
        .into_iter()
        .flat_map(|probe| evidence.replies(probe));
    let answers = answers.filter(|reply| is_completed && reply.is_success());
    found(
        answers.filter_map(|reply| {
            let status = reply.json()?["status"].as_str()?;
            Some(match status {
                "completed" => Ok(status.to_owned()),
                _ => Err(status.to_owned()),
            })
        }),
        COMPLETED,
    )
}

fn absent_values(evidence: &Evidence<'_>) -> Finding {
    let replies = evidence.own().filter(|(_, reply)| reply.is_success());
    let bodies = replies.filter_map(|(_, reply)| reply.json());
    found(
        bodies.map(|body| match null_field(body) {
            None => Ok("they are".to_owned()),
            Some(field) => Err(format!("{field} is null")),
        }),
        REPLY,
    )
}

/// Returns a field that is null, outside the customer's data.
fn null_field(value: &Value) -> Option<&str> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match name.as_str() {
            "next_cursor" | "config" | "content" | "extracted_data" | "feed" => None,
            name if value.is_null() => Some(name),
            "result" => None,
            _ => null_field(value),
        }),
        Value::Array(items) => items.iter().find_map(null_field),
        _ => None,
    }
}
